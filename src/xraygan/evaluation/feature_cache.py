"""What a feature space is, and its features on disk: computed once, read back in an instant."""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xraygan.runs import private_folder, write_whole
from xraygan.version import __version__

_IMAGES_AT_ONCE = 1024
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class FeatureSpace:
    """A way to describe images by numbers in which distances mean something.

    Attributes:
        name: "filter-bank-1", "chest-net-1", "inception", "torchxrayvision" or "rad-dino".
        fingerprint: SHA-256 of everything that decides the features: the network's weights
            and the reference that sets the scale.
        describe: uint8 [N, H, W] to float32 [N, D] on a standard scale; each image for itself.
    """

    name: str
    fingerprint: str
    describe: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def features(
    space: FeatureSpace, images: NDArray[np.uint8], *, cache: Path | None = None
) -> NDArray[np.float32]:
    """An image set's features, from the cache where they are there.

    The images are read a thousand at a time, and so are features written to the cache: neither
    needs memory of its own, however many there are.

    Args:
        space: where.
        images: uint8 [N, H, W].
        cache: folder of .npy files named by the hash of images, space and version, private;
            made where it does not exist. None: nothing is kept.

    Returns:
        float32 [N, D]; read-only and memory-mapped where there is a cache.

    Raises:
        TypeError: images that are not uint8.
        ValueError: images that are not [N, H, W].
        XrayganError: the cache cannot be written.
    """
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}: features are defined on uint8")
    if images.ndim != 3:
        raise ValueError(f"images of shape {images.shape}: expected [N, H, W]")
    tables = feature_tables(space, images, np.arange(len(images)))
    if cache is None:
        return np.concatenate(list(tables))
    path = cache / f"features-{_key(space, images)}.npy"
    found = _read(path, len(images))
    if found is not None:
        return found
    private_folder(cache)
    write_whole(path, _sealed(tables, len(images)))
    return np.load(path, mmap_mode="r", allow_pickle=False)


def content_hash(*parts: bytes | str | NDArray) -> str:
    """SHA-256 of texts and arrays of one axis or more, with types, shapes and borders between.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            for start in range(0, len(part), _IMAGES_AT_ONCE):
                digest.update(np.ascontiguousarray(part[start : start + _IMAGES_AT_ONCE]).data)
        else:
            # A film's name may be no text that UTF-8 knows.
            data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


def _key(space: FeatureSpace, images: NDArray[np.uint8]) -> str:
    return content_hash(__version__, space.name, space.fingerprint, images)[:40]


def feature_tables(
    space: FeatureSpace, images: NDArray[np.uint8], rows: NDArray[np.integer]
) -> Iterator[NDArray[np.float32]]:
    """The features of some of the images, a thousand at a time: any number in constant memory.

    Args:
        space: where.
        images: uint8 [N, H, W]; may be a memory map.
        rows: which of them, in this order; none give one empty table.

    Returns:
        float32 [n, D] each.
    """
    for start in range(0, max(len(rows), 1), _IMAGES_AT_ONCE):
        yield space.describe(images[rows[start : start + _IMAGES_AT_ONCE]])


def _sealed(tables: Iterable[NDArray[np.float32]], rows: int) -> Iterator[bytes | memoryview]:
    """An .npy file of tables below one another, then its digest: readers of .npy pass that over."""
    digest = hashlib.sha256()
    header = io.BytesIO()
    for table in tables:
        part = np.ascontiguousarray(table, np.float32)
        if not header.tell():
            facts = {"descr": "<f4", "fortran_order": False, "shape": (rows, part.shape[1])}
            np.lib.format.write_array_header_1_0(header, facts)
            digest.update(header.getvalue())
            yield header.getvalue()
        digest.update(part.data)
        yield part.data
    yield digest.digest()


def _read(path: Path, rows: int) -> NDArray[np.float32] | None:
    """What `_sealed` wrote, or None where there is none or it is damaged."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        with path.open("rb") as file:
            whole = np.memmap(file, np.uint8, mode="r")
        seal = hashlib.sha256(whole[:-_DIGEST_BYTES].data).digest()
        if seal == whole[-_DIGEST_BYTES:].tobytes():
            table = np.load(path, mmap_mode="r", allow_pickle=False)
            if table.dtype == np.float32 and table.ndim == 2 and len(table) == rows:
                return table
    return None
