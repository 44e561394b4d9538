"""Real image files for the tests of the data part."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def film(seed: int, height: int = 70, width: int = 90) -> np.ndarray:
    """A smooth grey picture, another for every seed: uint8 [height, width]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    a, b, c = rng.uniform(4, 12, 3)
    wave = 127 + 60 * np.sin(x / a + c) * np.cos(y / b) + rng.normal(0, 6, (height, width))
    return wave.clip(1, 254).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write(path: Path, seed: int, **shape: int) -> Path:
    """A film as a file of the kind its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    path.write_bytes(encoded(film(seed, **shape), kind))
    return path


def folder_tree(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    """counts: "train/NORMAL" -> number of films, each of its own patient (phantom names)."""
    seed = start
    for folder, count in counts.items():
        for _ in range(count):
            write(root / folder / f"phantom{seed:05d}_0.png", seed, height=40, width=40)
            seed += 1
    return root


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png_of(width: int, height: int, depth: int, colour: int, raw: bytes, *extra: bytes) -> bytes:
    """A PNG put together by hand; `extra` chunks stand before the picture data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra]
    parts += [chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")]
    return b"".join(parts)


def png16(values: np.ndarray) -> bytes:
    """16-bit PNG of [H, W] grey or [H, W, 3] RGB, written by hand."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return png_of(width, height, 16, 0 if values.ndim == 2 else 2, raw)
