"""DICOM files for the tests, made by pydicom from made-up patients."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from data_pictures import encoded, film
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

SALT = b"a salt of the tests"


def film12(seed: int = 0, height: int = 40, width: int = 56) -> np.ndarray:
    """A film of 12 bits that uses most of them: uint16 [height, width]."""
    return film(seed, height, width).astype(np.uint16) * 16 + np.arange(width, dtype=np.uint16) % 16


def dataset_of(samples: np.ndarray, bits: int | None = None, **tags: Any) -> FileDataset:
    """A computed radiograph of [H, W] or [H, W, 3] samples; `tags` by keyword, None deletes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CR"
    dataset.PatientID = "MADE-UP-1"
    dataset.SamplesPerPixel = 1 if samples.ndim == 2 else 3
    if samples.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "MONOCHROME2" if samples.ndim == 2 else "RGB"
    dataset.Rows, dataset.Columns = samples.shape[:2]
    dataset.BitsAllocated = 8 * samples.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(samples.dtype.kind == "i")
    dataset.PixelData = samples.tobytes()
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated == 16 else "OB"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in tags.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
    return dataset


def file_of(dataset: FileDataset, syntax: UID | None = None) -> bytes:
    """The file's bytes, in the given uncompressed syntax or the data set's own."""
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.set_original_encoding(False, False)
            if dataset.BitsAllocated == 16:
                words = np.frombuffer(dataset.PixelData, "<u2")
                dataset.PixelData = words.astype(">u2").tobytes()
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom(samples: np.ndarray, bits: int | None = None, **tags: Any) -> bytes:
    return file_of(dataset_of(samples, bits, **tags))


def sequence_of(**tags: Any) -> Sequence:
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return Sequence([item])


def lut(first: int, entries: list[int], bits: int) -> Sequence:
    """A modality or VOI LUT sequence."""
    sequence = sequence_of(LUTDescriptor=[len(entries) % 2**16, first, bits], ModalityLUTType="US")
    sequence[0].add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    return sequence


def with_frame(dataset: FileDataset, syntax: UID, frame: bytes) -> bytes:
    """The file with a codestream in place of its samples."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return file_of(dataset)


def jpeg_lossless_frame(samples: np.ndarray, bits: int, predictor: int = 1) -> bytes:
    """Grey samples as a JPEG lossless codestream, by hand, with one flat Huffman table.

    Source: ITU-T T.81, annex H; the predictor is 1 (left) or 2 (above).
    """
    values = samples.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[1:] = values[:-1]
    predicted[0, 1:] = values[0, :-1]
    predicted[0, 0] = 2 ** (bits - 1)
    if predictor == 1:
        predicted[:, 1:] = values[:, :-1]
    text = []
    for difference in (values - predicted).ravel().tolist():
        category = abs(difference).bit_length()
        low = difference if difference > 0 else difference + 2**category - 1
        text.append(f"{category:05b}" + (f"{low:0{category}b}" if category else ""))
    scan = "".join(text)
    scan += "1" * (-len(scan) % 8)
    coded = int(scan, 2).to_bytes(len(scan) // 8, "big").replace(b"\xff", b"\xff\0")
    lengths = bytes([0, 0, 0, 0, 17, *[0] * 11])
    segments = [
        (0xC4, b"\0" + lengths + bytes(range(17))),
        (0xC3, struct.pack(">BHHB3B", bits, *samples.shape, 1, 1, 0x11, 0)),
        (0xDA, bytes([1, 1, 0, predictor, 0, 0])),
    ]
    head = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments
    )
    return b"\xff\xd8" + head + coded + b"\xff\xd9"


def compressed(dataset: FileDataset, syntax: UID) -> bytes:
    """The data set's file, its samples encoded by whichever library can."""
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        samples = np.frombuffer(
            dataset.PixelData, np.uint16 if dataset.BitsAllocated == 16 else np.uint8
        )
        predictor = 1 if syntax == JPEGLosslessSV1 else 2
        samples = samples.reshape(dataset.Rows, dataset.Columns)
        frame = jpeg_lossless_frame(samples, dataset.BitsStored, predictor)
        return with_frame(dataset, syntax, frame)
    if syntax == JPEGBaseline8Bit:
        samples = np.frombuffer(dataset.PixelData, np.uint8)
        picture = samples.reshape(dataset.Rows, dataset.Columns, -1).squeeze()
        return with_frame(dataset, syntax, encoded(picture, "JPEG", quality=95))
    dataset.compress(syntax, generate_instance_uid=False)
    return file_of(dataset)


LOSSLESS = {
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "jpeg-lossless": JPEGLossless,
    "jpeg-lossless-sv1": JPEGLosslessSV1,
}
NATIVE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def frame_of(data: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """The codestream in a file, and a function that puts another one in its place."""
    from pydicom import dcmread
    from pydicom.encaps import get_frame

    dataset = dcmread(io.BytesIO(data))
    syntax = dataset.file_meta.TransferSyntaxUID
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    return frame, lambda other: with_frame(dataset, syntax, other)


def deflated_bomb(size: int) -> bytes:
    """A file whose data set inflates to `size` zero bytes."""
    whole = file_of(dataset_of(film(0)), DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(whole[140:144], "little")
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = bytes(2**20)
    body = b"".join(deflating.compress(block) for _ in range(size // 2**20))
    return whole[:start] + body + deflating.flush()
