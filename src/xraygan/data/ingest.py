"""Decode many files by several threads into one array on disk, in constant memory."""

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

import cv2
import numpy as np
from PIL import ImageFile as PillowImageFile

from xraygan.config import PixelSettings
from xraygan.data.folders import ImageFile, printable
from xraygan.data.hashes import read_bytes, worker_count
from xraygan.data.pixels import Refusal, decode, fit, to_uint8
from xraygan.errors import XrayganError

_IN_FLIGHT_PER_WORKER = 4


@dataclass(frozen=True)
class Picture:
    """One decoded file.

    Attributes:
        pixels: uint8 [R, R].
        pixel_sha256: of the decoded grey picture at full size, shape included.
        width: pixels, upright.
        height: pixels, upright.
    """

    pixels: np.ndarray
    pixel_sha256: str
    width: int
    height: int


def ingest(
    files: Sequence[ImageFile],
    hashes: dict[str, str],
    settings: PixelSettings,
    stream: IO[bytes],
    progress: Callable[[int, int], None] | None,
) -> tuple[list[dict[str, object]], list[tuple[str, str]]]:
    """Decode and fit every file; append its pixels to `stream` in the order of `files`.

    Args:
        files: what to decode.
        hashes: expected SHA-256 of the bytes by file name.
        settings: resolution, fit and strict count.
        stream: takes R * R bytes for every picture that is not refused.
        progress: called with (files done, files) in the calling thread.

    Returns:
        One manifest record a picture written, in that order, and the refused (name, reason).

    Raises:
        XrayganError: a refused file, if `settings.strict`.
        OSError: from `stream`.
    """
    records: list[dict[str, object]] = []
    refused: list[tuple[str, str]] = []

    def work(file: ImageFile) -> Picture | str:
        try:
            return _load(file, hashes[file.name], settings)
        except Refusal as refusal:
            return str(refusal)

    workers = worker_count()
    with _strict_single_threaded_decoders(), ThreadPoolExecutor(workers) as pool:
        results = _in_order(pool, work, files, workers * _IN_FLIGHT_PER_WORKER)
        for done, (file, result) in enumerate(zip(files, results, strict=True), start=1):
            if isinstance(result, Picture):
                stream.write(result.pixels.tobytes())
                records.append(_record(file, hashes[file.name], result))
            else:
                refused.append((file.name, result))
                if settings.strict:
                    raise strict_error(file.name, result)
            if progress:
                progress(done, len(files))
    return records, refused


def strict_error(name: str, reason: str) -> XrayganError:
    """The fault that `--strict` makes of a refused file."""
    return XrayganError(
        f"{printable(name)}: {reason}; mend or remove the file, or go on without it "
        "by leaving out --strict"
    )


def _load(file: ImageFile, expected_sha256: str, settings: PixelSettings) -> Picture:
    data = read_bytes(file.path)
    if hashlib.sha256(data).hexdigest() != expected_sha256:
        raise Refusal("the file changed while it was being read")
    image = decode(data, file.name)
    height, width = image.shape
    # 8-bit values, so that the same grey picture saved as RGB or 16-bit is found as well.
    digest = hashlib.sha256(f"{height} {width} ".encode())
    digest.update(to_uint8(image).data)
    return Picture(
        pixels=fit(image, settings.resolution, settings.fit),
        pixel_sha256=digest.hexdigest(),
        width=width,
        height=height,
    )


def _record(file: ImageFile, sha256: str, picture: Picture) -> dict[str, object]:
    return {
        "name": file.name,
        "split": file.split,
        "label": file.label,
        "sha256": sha256,
        "pixel_sha256": picture.pixel_sha256,
        "width": picture.width,
        "height": picture.height,
    }


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[ImageFile], Picture | str],
    files: Sequence[ImageFile],
    in_flight: int,
) -> Iterator[Picture | str]:
    """Results in the order of `files`, never more than `in_flight` of them alive."""
    waiting: deque[Future[Picture | str]] = deque()
    try:
        for file in files:
            if len(waiting) == in_flight:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, file))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextlib.contextmanager
def _strict_single_threaded_decoders() -> Iterator[None]:
    """One thread a picture in OpenCV, and no leniency in Pillow; both are process-wide."""
    threads = cv2.getNumThreads()
    lenient = PillowImageFile.LOAD_TRUNCATED_IMAGES
    cv2.setNumThreads(1)
    PillowImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        PillowImageFile.LOAD_TRUNCATED_IMAGES = lenient
