"""One file to one right grey picture, or a refusal that says why."""

import io
import struct
import threading
import warnings
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageChops

from xraygan.data.headers import Header, PassingRefusal, Refusal, end_of_jpeg, read_header

__all__ = ["JPEG_PROBE", "Refusal", "decode", "decode_reduced", "fit"]

Fit = Literal["crop", "pad-edge", "squash"]

# Above this a picture is decoded alone, so that the memory of many threads stays bounded.
_LARGE_PIXELS = 20_000_000
_one_large_picture = threading.Lock()

# Blue, green, red, as OpenCV orders them. Source: ITU-R BT.601, luma.
_LUMA_BGR = np.array([0.114, 0.587, 0.299], np.float32)
# A 16-bit picture that stays below this is most likely data of 10 to 15 bits nobody scaled.
_LEAST_16_BIT_MAXIMUM = 2**15
# JPEG's marker APP14, by which Adobe's programs say that CMYK is inverted.
_ADOBE = b"\xff\xee\x00\x0eAdobe"
JPEG_PROBE = b"\x5a\xa5\x33\xcc\x0f\x96" * 64
"""No 0xFF in it, so a JPEG decoder reads it as more picture where it still needs some."""

_ORIENT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).T,
    8: np.rot90,
}


def decode(data: bytes, name: str) -> np.ndarray:
    """Decode one JPEG or PNG file to grey, upright as its EXIF orientation says.

    Pillow checks strictly that the file is whole (OpenCV gives a half-grey picture for a
    truncated JPEG); OpenCV decodes. Transparent pixels are composed on black; colour becomes
    luma (ITU-R BT.601); 16 bits map 0..65535 to 0..255 without rounding.

    Args:
        data: the whole file.
        name: file name, whose ending must agree with the content.

    Returns:
        [H, W] in [0, 255]: uint8 where the file holds 8-bit grey, float32 where rounding now
        would lose something.

    Raises:
        Refusal: with the reason, whenever the picture could be wrong.
    """
    return decode_reduced(data, name, None)[0]


def decode_reduced(data: bytes, name: str, least: int | None) -> tuple[np.ndarray, tuple[int, int]]:
    """`decode`, a JPEG to an eighth, a quarter or half of its sides where they are larger.

    An area mean that follows makes of either nearly the same picture, at a fraction of the
    work: a reduced JPEG is the means of its pixels, taken in the cosine transform.

    Args:
        data: as for `decode`.
        name: as for `decode`.
        least: pixels that the shorter side keeps at least; None: nothing is reduced.

    Returns:
        What `decode` returns, perhaps reduced, and the picture's own height and width, upright.

    Raises:
        Refusal: as `decode`.
    """
    header = read_header(data, name)
    try:
        if header.width * header.height <= _LARGE_PIXELS:
            grey = _decode(header, least)
        else:
            # Only one thread at a time is in here, so the warning filters are safe to change.
            with _one_large_picture, warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                grey = _decode(header, least)
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise Refusal(f"damaged {header.format}: {_one_line(error)}") from None
    except cv2.error as error:
        raise Refusal(f"OpenCV cannot decode it: {_one_line(error)}") from None
    except MemoryError:
        raise PassingRefusal("not enough memory to decode it") from None
    if grey.min() == grey.max():
        raise Refusal("no contrast: every pixel has the same value")
    height, width = header.height, header.width
    if header.orientation > 4:
        height, width = width, height
    return np.ascontiguousarray(_ORIENT[header.orientation](grey)), (height, width)


def fit(image: np.ndarray, resolution: int, mode: Fit) -> np.ndarray:
    """Make a picture square at `resolution`, antialiased (area mean) when it shrinks.

    Args:
        image: [H, W] uint8 or float32 in [0, 255].
        resolution: side of the result, in pixels.
        mode: "crop" the centre square, "pad-edge" (repeat the edge), or "squash".

    Returns:
        [resolution, resolution] uint8, rounded once, at the end.
    """
    height, width = image.shape
    if mode == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    if mode != "pad-edge":
        return to_uint8(_resize(image, resolution, resolution))
    # Resizing first is the same picture, and bounded however long and thin the original.
    longest = max(height, width)
    new_height = max(1, round(height * resolution / longest))
    new_width = max(1, round(width * resolution / longest))
    small = _resize(image, new_width, new_height)
    top, left = (resolution - new_height) // 2, (resolution - new_width) // 2
    margins = (
        (top, resolution - new_height - top),
        (left, resolution - new_width - left),
    )
    return to_uint8(np.pad(small, margins, mode="edge"))


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Round [H, W] in [0, 255] to uint8 (halves to even); a uint8 image comes back as it is."""
    if image.dtype == np.uint8:
        return image
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _decode(header: Header, least: int | None) -> np.ndarray:
    """The stored picture (not yet rotated) as [H, W] uint8 or float32."""
    plain = header.single_scan and header.channels != 4 and not header.album
    if header.format == "JPEG" and plain:
        reduced = _whole_jpeg(header, least)
        if reduced is not None:
            return reduced
    with Image.open(io.BytesIO(header.payload), formats=[header.format]) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise Refusal("it holds several pictures; only single ones are read")
        if image.size != (header.width, header.height):
            raise Refusal(f"damaged {header.format}: its header contradicts itself")
        if header.format == "JPEG":
            return _decode_jpeg(header, image)
        image.load()
        if header.has_transparency and (header.palette or header.channels == 1):
            return _transparent_colour(header, image)
    return _decode_png(header)


def _whole_jpeg(header: Header, least: int | None) -> np.ndarray | None:
    """A JPEG that libjpeg has nothing to say against, reduced; None where it has, or may have.

    It warns of data that stop early and of much that is harmless: `_decode_jpeg` tells which.
    """
    short = min(header.width, header.height)
    factor = next((f for f in (8, 4, 2) if least and short // f >= least), 1)
    height, width = -(-header.height // factor), -(-header.width // factor)
    try:
        image = simplejpeg.decode_jpeg(
            header.payload, "GRAY", min_height=height, min_width=width, min_factor=1, strict=True
        )[..., 0]
    except ValueError:
        return None
    return image if image.shape == (height, width) else None


def _decode_jpeg(header: Header, image: Image.Image) -> np.ndarray:
    end = end_of_jpeg(header.payload)
    if header.channels == 4:
        # OpenCV and Pillow take every CMYK file for Adobe's inverted kind.
        image.load()
        if _ADOBE not in header.payload:
            image = ImageChops.invert(image)
        red, green, blue = (np.asarray(band, np.float32) for band in image.convert("RGB").split())
        return 0.299 * red + 0.587 * green + 0.114 * blue
    small = _strict_check(header.payload, header.progressive)
    if header.progressive or small[-1, -1] == small[-1, -min(2, small.shape[1])]:
        # A decoder fills what is missing before a proper end-of-image marker with the last
        # block's grey, without a word. So where the last blocks are flat, more data are put
        # before the marker: a complete picture ignores them.
        probed = header.payload[:end] + JPEG_PROBE + b"\xff\xd9"
        if not np.array_equal(_strict_check(probed, header.progressive), small):
            raise Refusal("the JPEG is cut short: its picture data stop early")
    return _opencv(header, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def _strict_check(payload: bytes, full_size: bool) -> np.ndarray:
    """Decode a JPEG by Pillow, which refuses missing data: [h, w] uint8, an eighth each way.

    The whole entropy-coded stream is read, but (unless `full_size`, which a progressive file's
    later passes need to be seen) only the means of the blocks are computed.
    """
    with Image.open(io.BytesIO(payload), formats=["JPEG"]) as image:
        image.draft("L", image.size if full_size else (1, 1))
        image.load()
        return np.asarray(image.convert("L"))


def _decode_png(header: Header) -> np.ndarray:
    image = _opencv(header, cv2.IMREAD_UNCHANGED)
    if header.bit_depth == 16:
        if header.has_transparency and header.channels in (1, 3):
            raise Refusal("a 16-bit PNG with a transparent colour is not read")
        colour = image[..., :3] if image.ndim == 3 else image
        highest = int(colour.max())
        if 0 < highest < _LEAST_16_BIT_MAXIMUM and not header.synthetic:
            raise Refusal(
                f"16-bit, but no value is above {highest}: it looks like unscaled "
                f"{highest.bit_length()}-bit data; scale it to 0..65535 first"
            )
        image = image.astype(np.float32)
        image *= np.float32(255 / 65535)
    if image.ndim == 2:
        return image
    grey = cv2.transform(image[..., :3].astype(np.float32), _LUMA_BGR[None])
    if image.shape[2] == 4:
        grey *= image[..., 3].astype(np.float32) / np.float32(255)
    return grey


def _transparent_colour(header: Header, image: Image.Image) -> np.ndarray:
    """A palette or grey PNG with transparent entries, composed on black, by Pillow."""
    if not header.palette and header.bit_depth != 8:
        raise Refusal(f"a {header.bit_depth}-bit grey PNG with a transparent value is not read")
    # Pillow fills missing rows with black; OpenCV's library refuses them.
    _opencv(header, cv2.IMREAD_UNCHANGED)
    bands = [np.asarray(band, np.float32) for band in image.convert("RGBA").split()]
    grey = 0.299 * bands[0] + 0.587 * bands[1] + 0.114 * bands[2]
    return grey * (bands[3] / 255)


def _opencv(header: Header, flags: int) -> np.ndarray:
    """Decode by OpenCV, with the size the header promised."""
    image = cv2.imdecode(np.frombuffer(header.payload, np.uint8), flags)
    if image is None:
        raise Refusal(f"OpenCV cannot decode this {header.format}")
    if image.shape[:2] != (header.height, header.width):
        raise Refusal(f"damaged {header.format}: its header contradicts itself")
    return image


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Area mean along the axes that shrink, then cubic along those that grow."""
    smaller = (min(width, image.shape[1]), min(height, image.shape[0]))
    grows = (width, height) != smaller
    if grows:
        image = image.astype(np.float32)
    if smaller != image.shape[::-1]:
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    if grows:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return image


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
