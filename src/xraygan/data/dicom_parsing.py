"""Parse a DICOM file and decode its samples; runs in a helper process (`killable.py`).

Not only the codecs are kept apart. The parser follows lengths, nesting and compression that a
hostile file makes up, which costs time and memory; and its warnings, which quote tags, go
through filters and loggers that belong to the whole process. Messages made here hold words of
this module and numbers of pixels and bytes, never a tag's text.
"""

import io
import struct
import zlib
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, get_frame
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000MC,
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000MCLossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from xraygan.data.dicom_codestreams import check_codestream, check_complete
from xraygan.data.dicom_facts import FACT_TAGS, read_facts, why_not_a_chest_film
from xraygan.data.dicom_grey import GREY_TAGS, Stored, grey_table
from xraygan.data.headers import MAX_PIXELS, MIN_SIDE, PassingRefusal, Refusal
from xraygan.data.listing import left_out

SHAPE_TAGS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)
_READ = [Tag(keyword) for keyword in (*FACT_TAGS, *GREY_TAGS, *SHAPE_TAGS)]

# pydicom has no decoder for multi-component pictures.
_JPEG2000 = frozenset(JPEG2000TransferSyntaxes) - {JPEG2000MCLossless, JPEG2000MC}
_PLUGINS = {
    RLELossless: "pylibjpeg",
    **dict.fromkeys(_JPEG2000, "pylibjpeg"),
    **dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls"),
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit), "pillow"),
    **dict.fromkeys((JPEGLossless, JPEGLosslessSV1), "gdcm"),
}
_RINGING = _JPEG2000 | frozenset(JPEGLSTransferSyntaxes)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
# Red, green, blue. Source: ITU-R BT.601, luma.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# The most that a picture within the limits takes, 16 bits grey, and its tags.
_MAX_INFLATED_BYTES = 2 * MAX_PIXELS + 2**24
# What pydicom and the codecs raise on damaged files.
_DEFECTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    InvalidDicomError,
)


class _Shape(NamedTuple):
    """The Image Pixel module. Source: DICOM PS3.3, C.7.6.3."""

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: Stored
    high_bit: int


def parse(settings: dict[str, Any], data: bytes) -> tuple[dict[str, Any], list[memoryview]]:
    """One file to its facts, and either grey and places in a table of grey, or grey.

    Args:
        settings: "salt", hexadecimal.
        data: the whole file.

    Returns:
        {"facts", "shape", "levels"} and two parts: a table, float32 [levels], with the places
        in it, uint16 [H, W]; or, for colour, an empty table and luma, float32 [H, W] in
        [0, 255].

    Raises:
        Refusal: with the reason, whenever the picture could be wrong, or is no chest film.
    """
    dataset = _read(data)
    facts = read_facts(dataset, bytes.fromhex(settings["salt"]))
    # Views are the selection's matter, for films of every format alike.
    if reason := why_not_a_chest_film(facts):
        raise Refusal(left_out(reason))
    syntax, shape = _read_syntax(dataset), _read_shape(dataset)
    samples = _decode(dataset, syntax, shape)
    if shape.samples == 3:
        table, picture = np.empty(0, np.float32), _luma(samples, shape)
    else:
        if not syntax.is_compressed or syntax == RLELossless:
            # Only there are the bits below the sample, if any, still in place.
            samples = samples >> (shape.high_bit + 1 - shape.stored.bits)
        elif syntax in _RINGING and not shape.stored.signed:
            # Beside edges a lossy codec overshoots; cut off at its bits, white would turn black.
            samples = np.minimum(samples, np.uint16(2**shape.stored.bits - 1))
        picture = shape.stored.places(samples)
        counts = np.bincount(picture.ravel(), minlength=2**shape.stored.bits)
        table = grey_table(dataset, shape.stored, counts, shape.photometric == "MONOCHROME1")
    answer = {"facts": asdict(facts), "shape": picture.shape, "levels": len(table)}
    return answer, [np.ascontiguousarray(part).data.cast("B") for part in (table, picture)]


def _read(data: bytes) -> pydicom.Dataset:
    """The tags that are needed."""
    _check_inflated_size(data)
    try:
        return pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=_READ)
    except _DEFECTS:
        raise Refusal("damaged DICOM: its data elements cannot be read") from None


def _read_syntax(dataset: pydicom.Dataset) -> UID:
    """The transfer syntax."""
    try:
        syntax = dataset.file_meta.get("TransferSyntaxUID")
    except _DEFECTS:
        raise Refusal("damaged DICOM: its data elements cannot be read") from None
    if syntax is None:
        # Without file meta information: what the parser found. Source: DICOM PS3.5, A.1, A.2.
        implicit, little_endian = dataset.original_encoding
        if not little_endian:
            raise Refusal("it has no file meta information, and its byte order is not known")
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    syntax = UID(syntax)
    if syntax not in AllTransferSyntaxes:
        raise Refusal("its transfer syntax is not one of the DICOM standard")
    return syntax


def _check_inflated_size(data: bytes) -> None:
    """Refuse a deflated file that inflates beyond any picture. Source: DICOM PS3.5, A.5."""
    if data[128:136] != b"DICM\x02\x00\x00\x00" or len(data) < 144:
        return
    start = 144 + int.from_bytes(data[140:144], "little")
    if DeflatedExplicitVRLittleEndian.encode() not in data[:start]:
        return
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    rest, size = data[start:], 0
    try:
        while rest and not inflating.eof:
            size += len(inflating.decompress(rest, 2**24))
            rest = inflating.unconsumed_tail
            if size > _MAX_INFLATED_BYTES:
                mib = _MAX_INFLATED_BYTES // 2**20
                raise Refusal(f"it inflates to more than {mib} MiB, more than any picture")
    except zlib.error:
        raise Refusal("damaged DICOM: its deflated data cannot be inflated") from None


def _read_shape(dataset: pydicom.Dataset) -> _Shape:
    """The checked Image Pixel module of a single picture."""
    if "PixelData" not in dataset:
        raise Refusal("it holds no picture (no PixelData)")
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if rows * columns > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise Refusal(f"{columns} x {rows} pixels are more than the limit of {limit} megapixels")
    if min(rows, columns) < MIN_SIDE:
        raise Refusal(f"{columns} x {rows} pixels: too small, a side has at least {MIN_SIDE}")
    frames = _integer(dataset, "NumberOfFrames", 1)
    if frames > 1:
        raise Refusal(f"it holds {frames} frames; only single pictures are read")
    allocated = _integer(dataset, "BitsAllocated")
    bits = _integer(dataset, "BitsStored", allocated)
    high_bit = _integer(dataset, "HighBit", bits - 1)
    if allocated not in (8, 16):
        raise Refusal(f"{allocated} bits a sample are not read; only 8 and 16 are")
    if not (1 <= bits <= allocated and bits - 1 <= high_bit < allocated):
        raise Refusal("damaged DICOM: its bits stored do not fit into its bits allocated")
    samples = _integer(dataset, "SamplesPerPixel", 1)
    try:
        photometric = str(dataset.get("PhotometricInterpretation", "")).strip(" \0")
    except _DEFECTS:
        photometric = ""
    if photometric not in (_GREY if samples == 1 else _COLOUR if samples == 3 else ()):
        raise Refusal(
            f"its photometric interpretation with {samples} samples a pixel is not read; "
            f"only {', '.join(_GREY)} with one and {', '.join(_COLOUR)} with three are"
        )
    if bits == 1:
        raise Refusal("1 bit a sample is no X-ray film")
    signed = _integer(dataset, "PixelRepresentation", 0) == 1
    stored = Stored(bits, signed)
    return _Shape(rows, columns, samples, photometric, allocated, stored, high_bit)


def _integer(dataset: pydicom.Dataset, keyword: str, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        if value is None and default is not None:
            return default
        return int(value)  # type: ignore[arg-type]
    except _DEFECTS:
        raise Refusal(f"damaged DICOM: its {keyword} is missing or no whole number") from None


def _decode(dataset: pydicom.Dataset, syntax: UID, shape: _Shape) -> np.ndarray:
    """Samples [H, W] or [H, W, 3], of the integer type that the codec gives."""
    element = dataset["PixelData"]
    if element.is_undefined_length != syntax.is_encapsulated:
        raise Refusal("damaged DICOM: its picture is not stored as its transfer syntax says")
    decoder = get_decoder(syntax) if syntax in _PLUGINS or not syntax.is_encapsulated else None
    if decoder is None:
        raise Refusal(
            f"{syntax.name} pictures are not read; save it uncompressed or as JPEG Lossless first"
        )
    plugin = _PLUGINS.get(syntax, "")
    if plugin and plugin not in decoder.available_plugins:
        raise PassingRefusal(
            f"{syntax.name} pictures need decoders that are not installed: "
            "pip install 'xraygan[dicom]'"
        )
    try:
        if not syntax.is_encapsulated:
            _check_length(len(element.value), shape)
            return _samples(dataset, decoder, "", shape)
        frame = get_frame(element.value, 0, number_of_frames=1)
        check_codestream(frame, syntax, (shape.rows, shape.columns, shape.samples))
        samples = _samples(dataset, decoder, plugin, shape)
    except _DEFECTS:
        what = f"{syntax.name} picture" if syntax.is_encapsulated else "picture"
        raise Refusal(f"damaged DICOM: its {what} cannot be decoded") from None

    def decode_again(codestream: bytes) -> np.ndarray:
        dataset.PixelData = encapsulate([codestream])
        return _samples(dataset, decoder, plugin, shape)

    check_complete(frame, syntax, samples, decode_again)
    return samples


def _check_length(length: int, shape: _Shape) -> None:
    """Uncompressed samples fill PixelData but for one byte. Source: DICOM PS3.5, 8.1.1, 8.2."""
    expected = shape.rows * shape.columns * shape.samples * shape.allocated // 8
    if shape.photometric == "YBR_FULL_422":
        expected = expected * 2 // 3
    if length not in (expected, expected + expected % 2):
        raise Refusal(
            f"its picture is cut short or its size is wrong: {shape.columns} x {shape.rows} "
            f"pixels need {expected} bytes, and {length} are there"
        )


def _samples(dataset: pydicom.Dataset, decoder: Any, plugin: str, shape: _Shape) -> np.ndarray:
    for keyword, value in (("SamplesPerPixel", shape.samples), ("NumberOfFrames", 1)):
        setattr(dataset, keyword, value)
    dataset.BitsStored = shape.stored.bits
    dataset.PixelRepresentation = int(shape.stored.signed)
    samples, found = decoder.as_array(
        dataset, decoding_plugin=plugin, **({} if plugin else {"correct_unused_bits": False})
    )
    expected = (shape.rows, shape.columns, 3)[: 2 if shape.samples == 1 else 3]
    if samples.shape != expected or samples.dtype.kind not in "iu" or samples.dtype.itemsize > 2:
        raise ValueError("the codec gave another kind of picture")
    if shape.samples == 3 and found["photometric_interpretation"] != "RGB":
        raise ValueError("the codec gave other colours")
    return samples


def _luma(samples: np.ndarray, shape: _Shape) -> np.ndarray:
    """Grey of a colour picture, float32 [H, W] in [0, 255]."""
    top = 2**shape.stored.bits - 1
    if shape.stored.signed or int(samples.max()) > top:
        raise Refusal("damaged DICOM: its colours exceed its bits stored")
    return np.ascontiguousarray((samples @ _LUMA) * np.float32(255 / top))
