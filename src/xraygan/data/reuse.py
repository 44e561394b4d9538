"""Pixels that an earlier or an interrupted build made, so that no file is decoded twice.

What was decoded is known by the hash of the file's bytes and by what makes pixels of it: the
resolution and the fit. Published data sets in the cache are one source; the other is the journal
of a build that was stopped, which a build that ends removes.
"""

import contextlib
import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.manifest import column

# Raise it when the same file and settings give other pixels.
_PIXELS_VERSION = 3
_HEAD = struct.Struct(">4s32s32sII?I")
_MARK = b"XPX1"


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is made of a file's bytes alone.

    Attributes:
        pixels: uint8 [R, R].
        pixel_sha256: of the decoded grey picture, its own size included.
        width: pixels, upright.
        height: pixels, upright.
        burned_in: text was looked for and is suspected.
    """

    pixels: np.ndarray
    pixel_sha256: str
    width: int
    height: int
    burned_in: bool


def pixels_key(settings: PixelSettings) -> str:
    """Equal where the same bytes become the same pixels."""
    text = f"{_PIXELS_VERSION} {settings.resolution} {settings.fit} {settings.find_text}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Reuse:
    """What is known already, and the journal of what becomes known; use it with `with`.

    The journal outlives an interruption (Ctrl-C, `kill`, a crash) and nothing else.

    Args:
        cache_dir: where journals lie.
        settings: resolution and fit count.
        earlier: images and manifests of data sets with the same `pixels_key`.
    """

    def __init__(
        self,
        cache_dir: Path,
        settings: PixelSettings,
        earlier: Iterable[tuple[np.ndarray, pd.DataFrame]],
    ) -> None:
        self._side = settings.resolution
        self._found: dict[str, Callable[[], Decoded]] = {}
        for images, manifest in earlier:
            self._remember(images, manifest)
        prefix = f"pixels-{pixels_key(settings)}"
        self._journals = sorted(cache_dir.glob(f"{prefix}.partial-*"))
        for path in self._journals:
            self._read_journal(path)
        handle, name = tempfile.mkstemp(prefix=f"{prefix}.partial-", dir=cache_dir)
        self._path = Path(name)
        self._stream: BinaryIO = os.fdopen(handle, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()
        # Faults of the data or the disk leave nothing; whoever stopped a build wants it kept.
        if kind is None or issubclass(kind, Exception):
            for path in (*self._journals, self._path):
                path.unlink(missing_ok=True)

    def known(self, sha256: str) -> Decoded | None:
        """The picture of a file with these bytes, if it was decoded before."""
        found = self._found.get(sha256)
        return found() if found else None

    def add(self, sha256: str, picture: Decoded) -> None:
        """Note a picture, unless it is known already.

        Raises:
            OSError: the journal cannot be written.
        """
        if sha256 in self._found:
            return
        head = _HEAD.pack(
            _MARK,
            bytes.fromhex(sha256),
            bytes.fromhex(picture.pixel_sha256),
            picture.width,
            picture.height,
            picture.burned_in,
            zlib.crc32(picture.pixels.tobytes()),
        )
        self._stream.write(head + picture.pixels.tobytes())

    def _remember(self, images: np.ndarray, manifest: pd.DataFrame) -> None:
        names = ("sha256", "pixel_sha256", "width", "height", "burned_in")
        columns = zip(*(column(manifest, name) for name in names), strict=True)
        for row, (sha256, pixel_sha256, width, height, text) in enumerate(columns):
            self._found[sha256] = lambda r=row, p=pixel_sha256, w=width, h=height, t=text: Decoded(
                np.array(images[r]), p, int(w), int(h), bool(t)
            )

    def _read_journal(self, path: Path) -> None:
        """Every whole record; the last may have been cut."""
        with contextlib.suppress(OSError), path.open("rb") as stream:
            for start, head in _records(stream, self._side**2):
                _, sha256, pixel_sha256, width, height, text, _ = head
                rest = (pixel_sha256.hex(), width, height, text)
                self._found[sha256.hex()] = lambda s=start, r=rest: Decoded(
                    self._journalled(path, s), *r
                )

    def _journalled(self, path: Path, start: int) -> np.ndarray:
        shape = (self._side, self._side)
        return np.fromfile(path, np.uint8, self._side**2, offset=start).reshape(shape)


def _records(stream: BinaryIO, size: int) -> Iterator[tuple[int, tuple]]:
    """Where the pixels of each sound record begin, and its head."""
    while len(raw := stream.read(_HEAD.size)) == _HEAD.size:
        head = _HEAD.unpack(raw)
        start = stream.tell()
        if head[0] != _MARK or zlib.crc32(stream.read(size)) != head[-1]:
            return
        yield start, head
