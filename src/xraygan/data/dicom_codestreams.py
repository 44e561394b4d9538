"""What the compressed picture inside a DICOM file says about itself, checked before and after.

Decoders believe the codestream, not the tags; where the two disagree the picture would be
sheared. And some give a picture for half a codestream without a word.
"""

import struct
from collections.abc import Callable

import numpy as np
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from xraygan.data.headers import Refusal
from xraygan.data.pixels import JPEG_PROBE, decode

# A start-of-frame marker: SOF0 to SOF15 but for DHT, JPG and DAC; SOF55 is that of JPEG-LS.
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_SIZ = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"


def check_codestream(frame: bytes, syntax: UID, shape: tuple[int, int, int]) -> None:
    """Refuse a codestream of another size than the tags', or of a kind without a free decoder.

    Args:
        frame: the codestream of one picture.
        syntax: the file's transfer syntax.
        shape: rows, columns and samples a pixel as the tags say.

    Raises:
        Refusal: it disagrees, has no end, or is one of 12-bit lossy JPEG.
        struct.error, ValueError, IndexError: it is damaged.
    """
    if syntax == RLELossless:
        return  # has no header but its segments, whose sizes the decoder checks
    read_size = _size_jpeg2000 if syntax in JPEG2000TransferSyntaxes else _size_jpeg
    *found, bits = read_size(frame)
    if _END not in frame:
        # One JPEG-LS decoder never returns from such a codestream.
        raise Refusal(f"its {syntax.name} picture is cut short: its end is missing")
    if tuple(found) != shape:
        raise Refusal(
            f"damaged DICOM: its tags promise {shape[1]} x {shape[0]} pixels of {shape[2]} "
            f"samples, its {syntax.name} data hold {found[1]} x {found[0]} of {found[2]}"
        )
    if syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        if bits != 8:
            raise Refusal(
                f"{syntax.name} pictures of {bits} bits have no free decoder; save it "
                "uncompressed or as JPEG Lossless first"
            )
        # The strict check that JPEG files get as well.
        decode(frame, "frame.jpg")


def _size_jpeg(frame: bytes) -> tuple[int, int, int, int]:
    """Rows, columns, samples, bits from the frame header. Source: ITU-T T.81, B.2.2; T.87, C."""
    if frame[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    position = 2
    while True:
        while frame[position] == 0xFF and frame[position + 1] == 0xFF:
            position += 1
        if frame[position] != 0xFF:
            raise ValueError("no marker")
        marker = frame[position + 1]
        if marker in _FRAME_MARKERS:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, position + 4)
            return rows, columns, samples, bits
        (length,) = struct.unpack_from(">H", frame, position + 2)
        position += 2 + length


def _size_jpeg2000(frame: bytes) -> tuple[int, int, int, int]:
    """The same from the SIZ segment. Source: ITU-T T.800, A.5.1."""
    start = frame.index(_SIZ) + 8
    right, bottom, left, top = struct.unpack_from(">IIII", frame, start)
    samples, depth = struct.unpack_from(">HB", frame, start + 32)
    return bottom - top, right - left, samples, (depth & 0x7F) + 1


def check_complete(
    frame: bytes, syntax: UID, samples: np.ndarray, decode_again: Callable[[bytes], np.ndarray]
) -> None:
    """Refuse a JPEG lossless codestream whose data stop before its end-of-image marker.

    The decoder fills what is missing with its predictions, without a word: with process 14,
    selection value 1, the last row then ends in one value. So where that may be, more data are
    put before the marker: a complete picture ignores them. The other codecs refuse by
    themselves.

    Args:
        frame: the codestream.
        syntax: the file's transfer syntax.
        samples: what was decoded from it, [H, W] or [H, W, 3].
        decode_again: decodes another codestream of the same picture.

    Raises:
        Refusal: it is cut short.
    """
    if syntax not in (JPEGLossless, JPEGLosslessSV1):
        return
    if syntax == JPEGLosslessSV1 and not np.array_equal(samples[-1, -1], samples[-1, -2]):
        return
    end = frame.rindex(_END)
    try:
        whole = np.array_equal(decode_again(frame[:end] + JPEG_PROBE + _END), samples)
    except (RuntimeError, ValueError):
        whole = False
    if not whole:
        raise Refusal(f"its {syntax.name} picture is cut short")
