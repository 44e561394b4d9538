"""MedMNIST's `.npz`: arrays of images and labels a split, read row by row."""

import math
import struct
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from xraygan.data.entries import Identity, stamp
from xraygan.data.headers import MAX_PIXELS, MOST_MEMBERS, SYNTHETIC_TEXT, Refusal
from xraygan.data.listing import ImageFile, Listing
from xraygan.errors import XrayganError

_SPLITS = ("train", "val", "test")
_CLASSES: dict[str, tuple[str, ...]] = {
    "pneumoniamnist": ("normal", "pneumonia"),
    "chestmnist": (
        *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule"),
        *("pneumonia", "pneumothorax", "consolidation", "edema", "emphysema", "fibrosis"),
        *("pleural", "hernia"),
    ),
}
"""Class names by the file's name. Source: Yang et al. 2023, doi 10.1038/s41597-022-01721-8."""
_MOST_LABEL_BYTES = 256 * 2**20
_FAULTS = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)
# NumPy reads a header as Python source, and lets out what the tokenizer says of a damaged one;
# zipfile says NotImplementedError to a method of packing that it does not know.
_FAULTS_TOO = (NotImplementedError, RuntimeError, struct.error, SyntaxError, tokenize.TokenError)


def list_medmnist(path: Path) -> Listing:
    """The images of `train_images`, `val_images` and `test_images` with their labels.

    A label of one number is a class; a row of 0 and 1 is several findings. MedMNIST has 8 bits;
    16 are what `xraygan generate` writes. Memory stays small whatever the file's size: an image
    is read when it is needed, in order.

    Raises:
        XrayganError: no such file, or arrays of other names, shapes or types.

    Source: https://github.com/MedMNIST/MedMNIST
    """
    files: list[ImageFile] = []
    names = next((v for k, v in _CLASSES.items() if path.name.lower().startswith(k)), ())
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
            names = _class_names(archive) if "classes.npy" in members else names
            for split in _SPLITS:
                if f"{split}_images.npy" in members:
                    rows = _Rows(path, f"{split}_images.npy")
                    labels = _labels(archive, f"{split}_labels.npy", rows.count, names)
                    files += _files(split, rows, labels, start=len(files))
    except (*_FAULTS, *_FAULTS_TOO) as error:
        line = " ".join(str(error).split())[:200]
        raise XrayganError(f"{path}: cannot be read as MedMNIST's .npz ({line})") from None
    if not files:
        raise XrayganError(f"{path}: holds no train_images, val_images or test_images")
    return Listing(tuple(files), (), (), "medmnist")


def list_parts(paths: Sequence[Path]) -> Listing:
    """Several such files as one, as `xraygan generate --format npz` writes them.

    Raises:
        XrayganError: as `list_medmnist`.
    """
    files = [
        file._replace(name=f"{path.name}/{file.name}")
        for path in paths
        for file in list_medmnist(path).files
    ]
    return Listing(tuple(files), (), (), "medmnist")


class _Rows:
    """One array of images in an .npz, read forwards."""

    def __init__(self, path: Path, name: str) -> None:
        self.stamp = stamp(path.stat())
        self._path, self._name = path, name
        self._lock = threading.Lock()
        self._stream: IO[bytes] | None = None
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            self.shape, dtype = _header(stream)
            self.start, size = stream.tell(), archive.getinfo(name).file_size
        plain = len(self.shape) == 3 or (len(self.shape) == 4 and self.shape[3] == 3)
        grey16 = dtype == np.uint16 and len(self.shape) == 3
        if not (dtype == np.uint8 or grey16) or not plain or math.prod(self.shape[1:]) > MAX_PIXELS:
            raise ValueError(f"{name} is {dtype} {self.shape}, not uint8 [N, H, W] or [N, H, W, 3]")
        self.count = self.shape[0]
        self.dtype = dtype
        self.row_bytes = math.prod(self.shape[1:]) * dtype.itemsize
        if self.count > MOST_MEMBERS or size != self.start + self.count * self.row_bytes:
            raise ValueError(f"{name} has not the {self.count:,} images that it says")

    def read(self, row: int) -> bytes:
        """Row `row` as a PNG."""
        with self._lock:
            if self._stream is None:
                self._stream = zipfile.ZipFile(self._path).open(self._name)  # noqa: SIM115
            self._stream.seek(self.start + row * self.row_bytes)
            data = self._stream.read(self.row_bytes)
        if len(data) != self.row_bytes:
            raise ValueError("the array ends early")
        return _png(np.frombuffer(data, self.dtype).reshape(self.shape[1:]))


@dataclass(frozen=True)
class _Row:
    """One image of an array."""

    rows: _Rows
    row: int
    rank: int

    @property
    def identity(self) -> Identity:
        """Of the file, with the image's size and place."""
        return self.rows.row_bytes, *self.rows.stamp, self.rank

    def read(self) -> bytes:
        """The image as a PNG."""
        try:
            return self.rows.read(self.row)
        except (*_FAULTS, *_FAULTS_TOO) as error:
            raise Refusal(f"damaged in the .npz: {' '.join(str(error).split())}") from None


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array in C order, the stream left at its first byte.

    Raises:
        ValueError: no such array, or one of Python objects.
    """
    version = np.lib.format.read_magic(stream)
    readers: dict[tuple[int, int], Callable] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran, dtype = readers[version](stream)
    if fortran or dtype.hasobject:
        raise ValueError("an array in Fortran order or of objects is not read")
    return shape, dtype


def _labels(
    archive: zipfile.ZipFile, name: str, count: int, names: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """The classes of each image; none where a row of findings has no 1."""
    with archive.open(name) as stream:
        shape, dtype = _header(stream)
        size = math.prod(shape) * dtype.itemsize
        if len(shape) not in (1, 2) or shape[0] != count or dtype.kind not in "iub":
            raise ValueError(f"{name} is {dtype} {shape}, not one row of numbers an image")
        if size > _MOST_LABEL_BYTES:
            raise ValueError(f"{name} is larger than {_MOST_LABEL_BYTES // 2**20} MiB")
        table = np.frombuffer(stream.read(size), dtype).reshape(count, -1)
    if table.shape[1] == 1:
        return [(_name(names, int(number)),) for number in table[:, 0]]
    return [tuple(_name(names, int(i)) for i in np.flatnonzero(row)) for row in table]


def _class_names(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Names of the classes, where the file brings them, as `xraygan generate` writes them."""
    with archive.open("classes.npy") as stream:
        shape, dtype = _header(stream)
        size = math.prod(shape) * dtype.itemsize
        if len(shape) != 1 or dtype.kind != "U" or size > _MOST_LABEL_BYTES:
            raise ValueError(f"classes is {dtype} {shape}, not a row of text")
        return tuple(np.frombuffer(stream.read(size), dtype).tolist())


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"class {number}"


def _files(split: str, rows: _Rows, labels: list[tuple[str, ...]], start: int) -> list[ImageFile]:
    return [
        ImageFile(
            f"{split}/{row:08d}.png",
            _Row(rows, row, start + row + 1),
            split,
            found[0] if found else "",
            found,
        )
        for row, found in enumerate(labels)
    ]


def _png(image: np.ndarray) -> bytes:
    """A PNG without compression, whose bytes depend on the picture alone; 16 bits are synthetic.

    Source: PNG, W3C Recommendation, third edition, section 11.2.
    """
    height, width = image.shape[:2]
    colour = 0 if image.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8 * image.dtype.itemsize, colour, 0, 0, 0)
    image = image.astype(image.dtype.newbyteorder(">"))
    raw = b"".join(b"\0" + row.tobytes() for row in image)
    text = [(b"tEXt", SYNTHETIC_TEXT)] if image.dtype.itemsize > 1 else []
    chunks = [(b"IHDR", header), *text, (b"IDAT", zlib.compress(raw, 0)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
