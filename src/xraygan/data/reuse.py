"""Pixels that an earlier or an interrupted build made, so that no file is decoded twice.

What was decoded is known by the hash of the file's bytes and by what makes pixels of it: the
resolution and the fit. What a DICOM file says of itself is kept with it. Published data sets in
the cache are one source; the other is the journal of a build that was stopped, which a build that
ends removes where the other one has ended too.
"""

import contextlib
import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data import store
from xraygan.data.listing import Facts
from xraygan.data.manifest import column
from xraygan.data.pseudonyms import pseudonym

# Raise it when the same file and settings give other pixels, or DICOM's own facts are read anew.
_PIXELS_VERSION = 6
_HEAD = struct.Struct(">4s32s32sII?II")
_MARK = b"XPX2"
# A few whitelisted words and a key.
_LONGEST_OWN = 4096


@dataclass(frozen=True, eq=False)
class Decoded:
    """What is made of a file's bytes alone.

    Attributes:
        pixels: uint8 [R, R].
        pixel_sha256: of the decoded grey picture, its own size included.
        width: pixels, upright.
        height: pixels, upright.
        burned_in: text was looked for and is suspected.
        own: what a DICOM file says of itself; None for any other file.
    """

    pixels: np.ndarray
    pixel_sha256: str
    width: int
    height: int
    burned_in: bool
    own: Facts | None


Earlier = tuple[np.ndarray, pd.DataFrame, Mapping[str, list]]
"""Images and manifest of a data set, and its DICOM files' `own_values` by their bytes' hash."""


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
        earlier: data sets with the same `pixels_key`.
        salt: of the patients' keys; what was noted with another one is not known.
    """

    def __init__(
        self,
        cache_dir: Path,
        settings: PixelSettings,
        earlier: Iterable[Earlier],
        salt: bytes = b"",
    ) -> None:
        self._side = settings.resolution
        self._salt = salt
        self._found: dict[str, Callable[[], Decoded]] = {}
        for images, manifest, told in earlier:
            self._remember(images, manifest, told)
        prefix = f"pixels-{pixels_key(settings)}"
        self._journals = store.unfinished(cache_dir, prefix)
        for path in self._journals:
            self._read_journal(path)
        self._path, self._lock = store.claim(cache_dir, prefix)
        self._path.touch(mode=0o600)
        self._stream: BinaryIO = self._path.open("wb")

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
        self._lock.release()
        # Faults of the data or the disk leave nothing; whoever stopped a build wants it kept.
        if kind is None or issubclass(kind, Exception):
            for path in (*self._journals, self._path):
                store.remove_unused(path)

    def known(self, sha256: str, dicom: bool = False) -> Decoded | None:
        """The picture of a file with these bytes, if it was decoded before, and as `dicom` says."""
        found = self._found.get(sha256)
        try:
            picture = found() if found else None
        except OSError:  # in the journal of another process, which has finished since
            self._found.pop(sha256, None)
            picture = None
        return picture if picture and (picture.own is not None) == dicom else None

    def add(self, sha256: str, picture: Decoded) -> None:
        """Note a picture, unless it is known already.

        Raises:
            OSError: the journal cannot be written.
        """
        if sha256 in self._found:
            return
        body = picture.pixels.tobytes() + self._own_bytes(picture.own)
        head = _HEAD.pack(
            _MARK,
            bytes.fromhex(sha256),
            bytes.fromhex(picture.pixel_sha256),
            picture.width,
            picture.height,
            picture.burned_in,
            len(body),
            zlib.crc32(body),
        )
        self._stream.write(head + body)

    def _own_bytes(self, own: Facts | None) -> bytes:
        return b"" if own is None else json.dumps(own_values(own, self._salt)).encode("ascii")

    def _remember(
        self, images: np.ndarray, manifest: pd.DataFrame, told: Mapping[str, list]
    ) -> None:
        names = ("sha256", "pixel_sha256", "width", "height", "burned_in")
        columns = zip(*(column(manifest, name) for name in names), strict=True)
        for row, (sha256, pixel_sha256, width, height, text) in enumerate(columns):
            own = _own_facts(told.get(sha256), self._salt)
            rest = (pixel_sha256, int(width), int(height), bool(text), own)
            self._found[sha256] = lambda at=row, rest=rest: Decoded(np.array(images[at]), *rest)

    def _read_journal(self, path: Path) -> None:
        """Every whole record; the last may have been cut."""
        with contextlib.suppress(OSError), path.open("rb") as stream:
            for start, head, values in _records(stream, self._side**2):
                own = _own_facts(values, self._salt)
                _, sha256, pixel_sha256, width, height, text, _, _ = head
                rest = (pixel_sha256.hex(), width, height, text, own)
                self._found[sha256.hex()] = lambda at=start, rest=rest: Decoded(
                    self._journalled(path, at), *rest
                )

    def _journalled(self, path: Path, start: int) -> np.ndarray:
        shape = (self._side, self._side)
        return np.fromfile(path, np.uint8, self._side**2, offset=start).reshape(shape)


def _records(stream: BinaryIO, size: int) -> Iterator[tuple[int, tuple, list | None]]:
    """Where the pixels of each sound record begin, its head, and what its file says of itself."""
    while len(raw := stream.read(_HEAD.size)) == _HEAD.size:
        head = _HEAD.unpack(raw)
        start = stream.tell()
        if head[0] != _MARK or not size <= head[-2] <= size + _LONGEST_OWN:
            return
        body = stream.read(head[-2])
        if zlib.crc32(body) != head[-1]:
            return
        yield start, head, json.loads(body[size:]) if len(body) > size else None


def own_values(own: Facts, salt: bytes) -> list:
    """A DICOM file's own facts for JSON, and by which salt its patient became a key."""
    return [_mark_of(salt), *vars(own).values()]


def _own_facts(values: list | None, salt: bytes) -> Facts | None:
    return Facts(*values[1:]) if values and values[0] == _mark_of(salt) else None


def _mark_of(salt: bytes) -> str:
    return pseudonym(salt, "the salt itself")
