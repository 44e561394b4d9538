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
from xraygan.data.burned_in import suspected
from xraygan.data.entries import printable
from xraygan.data.folders import may_be_dicom
from xraygan.data.hashes import worker_count
from xraygan.data.headers import PassingRefusal, Refusal
from xraygan.data.listing import AT_RANDOM, SUSPECTED, Facts, ImageFile, is_left_out
from xraygan.data.pixels import decode_reduced, fit, to_uint8
from xraygan.data.reuse import Decoded, Reuse
from xraygan.data.selection import Selection
from xraygan.errors import XrayganError

_IN_FLIGHT_PER_WORKER = 4
# A JPEG is decoded to no less than so many times the resolution asked for.
_LEAST = 2


@dataclass(frozen=True, eq=False)
class Picture(Decoded):
    """One decoded file, and what tables, folders and the file itself say of it."""

    facts: Facts


def ingest(
    files: Sequence[ImageFile],
    hashes: dict[str, str],
    settings: PixelSettings,
    stream: IO[bytes],
    progress: Callable[[int, int], None] | None,
    salt: bytes = b"",
    reuse: Reuse | None = None,
) -> tuple[list[dict[str, object]], list[tuple[str, str]], list[str]]:
    """Decode and fit every file; append its pixels to `stream` in the order of `files`.

    Args:
        files: what to decode.
        hashes: expected SHA-256 of the bytes by file name.
        settings: resolution, fit and strict count.
        stream: takes R * R bytes for every picture that is not refused.
        progress: called with (files done, files) in the calling thread.
        salt: makes the patients of DICOM files keys that nobody else can guess.
        reuse: pictures decoded before; takes note of the others.

    Returns:
        One manifest record a picture written, in that order, with `own`, what a DICOM file says
        of itself; the refused (name, reason); and the names of those that may be read another
        time, or on another machine.

    Raises:
        XrayganError: a refused file, if `settings.strict`.
        OSError: from `stream`.
    """
    records: list[dict[str, object]] = []
    refused: list[tuple[str, str]] = []
    passing: list[str] = []

    selection = _selection(files, settings)

    def work(file: ImageFile, data: bytes | Refusal | None) -> Picture | Refusal:
        try:
            if isinstance(data, Refusal):
                return data
            if known := recalled(file):
                return _wanted(file, known, selection)
            data = _read(file) if data is None else data
            if hashlib.sha256(data).hexdigest() != hashes[file.name]:
                return PassingRefusal("the file changed while it was being read")
            return _wanted(file, _load(file, data, settings, salt), selection)
        except Refusal as refusal:
            return refusal

    def recalled(file: ImageFile) -> Decoded | None:
        return reuse and reuse.known(hashes[file.name], may_be_dicom(file.name, settings))

    def ahead(file: ImageFile) -> bytes | Refusal | None:
        return None if not file.place.rank or recalled(file) else _read_ahead(file)

    workers = worker_count()
    with _strict_single_threaded_decoders(), ThreadPoolExecutor(workers) as pool:
        results = _in_order(pool, work, ahead, files, workers * _IN_FLIGHT_PER_WORKER)
        for done, (file, result) in enumerate(zip(files, results, strict=True), start=1):
            if isinstance(result, Picture):
                stream.write(result.pixels.tobytes())
                if reuse:
                    reuse.add(hashes[file.name], result)
                records.append(_record(file, hashes[file.name], result))
            else:
                reason = str(result)
                refused.append((file.name, reason))
                if isinstance(result, PassingRefusal):
                    passing.append(file.name)
                if settings.strict and not is_left_out(reason):
                    raise strict_error(file.name, reason)
            if progress:
                progress(done, len(files))
    return records, refused, passing


def _selection(files: Sequence[ImageFile], settings: PixelSettings) -> Selection:
    """What is asked of DICOM files once they are read; the tables of others have answered."""
    columns = next((file.columns for file in files if file.columns), {})
    if not any(may_be_dicom(file.name, settings) for file in files):
        settings = settings.model_copy(update={"where": None})
    return Selection(settings, columns)


def strict_error(name: str, reason: str) -> XrayganError:
    """The fault that `--strict` makes of a refused file."""
    return XrayganError(
        f"{printable(name)}: {reason}; mend or remove the file, or go on without it "
        "by leaving out --strict"
    )


def _wanted(file: ImageFile, decoded: Decoded, selection: Selection) -> Picture:
    """The picture with all its facts; a DICOM file's own may speak against it.

    Raises:
        Refusal: it is not asked for.
    """
    facts = file.facts
    if decoded.own is not None:
        facts = facts.completed(decoded.own)
        reason = selection.why_not(facts, file.split, file.label, file.labels, file.columns)
        if reason:
            raise Refusal(reason)
    return Picture(**vars(decoded), facts=facts)


def _load(file: ImageFile, data: bytes, settings: PixelSettings, salt: bytes) -> Decoded:
    if may_be_dicom(file.name, settings):
        image, own = _dicom(data, salt)
        size = image.shape
    else:
        # Text in the film is read at its own size.
        least = None if settings.find_text else _LEAST * settings.resolution
        (image, size), own = decode_reduced(data, file.name, least), None
    # 8-bit values, so that the same grey picture saved as RGB or 16-bit is found as well.
    grey = to_uint8(image)
    return Decoded(
        pixels=fit(image, settings.resolution, settings.fit),
        pixel_sha256=picture_sha256(grey, size),
        width=size[1],
        height=size[0],
        burned_in=suspected(grey) if looks_for_text(file, settings) else False,
        own=own,
    )


def picture_sha256(grey: np.ndarray, size: tuple[int, int]) -> str:
    """SHA-256 of a grey picture as it was decoded, whatever the file's format.

    Args:
        grey: uint8 [H, W].
        size: height and width of the original; larger than the picture's own where it was
            decoded reduced.
    """
    digest = hashlib.sha256(f"{size} {grey.shape} ".encode())
    digest.update(np.ascontiguousarray(grey).data)
    return digest.hexdigest()


def looks_for_text(file: ImageFile, settings: PixelSettings) -> bool:
    """Whether a film is searched for burned-in text: DICOM always is, it comes from a house."""
    return settings.find_text or may_be_dicom(file.name, settings)


def _dicom(data: bytes, salt: bytes) -> tuple[np.ndarray, Facts]:
    """A chest film and what its whitelisted tags say."""
    from xraygan.data.dicom import read_dicom

    image, told = read_dicom(data, salt)
    chest = told.body_part is not None and told.modality is not None
    # A film that says that nothing is burned in is looked at all the same.
    text = told.burned_in or None
    return image, Facts(told.patient, told.view, told.age, told.sex, text, chest)


def _record(file: ImageFile, sha256: str, picture: Picture) -> dict[str, object]:
    facts = picture.facts
    text = picture.burned_in if facts.burned_in is None else facts.burned_in
    return {
        "name": file.name,
        "split": file.split,
        "label": file.label,
        "patient": facts.patient or "",
        "sha256": sha256,
        "pixel_sha256": picture.pixel_sha256,
        "width": picture.width,
        "height": picture.height,
        "labels": "|".join(file.labels or (file.label,)),
        "view": facts.view or "",
        "age": "" if facts.age is None else f"{facts.age:g}",
        "sex": facts.sex or "",
        "burned_in": SUSPECTED if text else "",
        "held_back": AT_RANDOM if facts.held_back else "",
        "own": picture.own,
    }


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[ImageFile, bytes | Refusal | None], Picture | Refusal],
    ahead: Callable[[ImageFile], bytes | Refusal | None],
    files: Sequence[ImageFile],
    in_flight: int,
) -> Iterator[Picture | Refusal]:
    """Results in the order of `files`, never more than `in_flight` of them alive."""
    waiting: deque[Future[Picture | Refusal]] = deque()
    try:
        for file in files:
            if len(waiting) == in_flight:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, file, ahead(file)))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _read(file: ImageFile) -> bytes:
    """The bytes of a file, which could be read before: to be hashed.

    Raises:
        PassingRefusal: not now.
    """
    try:
        return file.place.read()
    except Refusal as refusal:
        raise PassingRefusal(str(refusal)) from None


def _read_ahead(file: ImageFile) -> bytes | Refusal:
    """The bytes (or why not) of a file in a stream, which has to be read in order."""
    try:
        return _read(file)
    except Refusal as refusal:
        return refusal


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
