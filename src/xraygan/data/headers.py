"""What an image file says about itself: format, size, orientation, whether it is whole.

Read from the bytes alone, before any decoder allocates a picture, so that a 60,000 x 60,000
PNG costs nothing to refuse.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MOST_MEMBERS = 5_000_000
"""Files of one source, and lines of its table."""
MAX_FILE_BYTES = 512 * 2**20
MAX_PIXELS = 100_000_000
MIN_SIDE = 16

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
PNG_SUFFIXES = frozenset({".png"})

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAGIC = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (128, b"DICM", "DICOM"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"ftyp", "HEIF or AVIF"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
)
# What PNG decoding needs; text, colour profiles and gamma are left out of what is decoded, so
# that a compressed text bomb is never inflated and no decoder changes the grey values.
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
SYNTHETIC_TEXT = b"Synthetic\0yes"
"""In a PNG's tEXt chunk: `xraygan generate` made it."""
_ORIENTATION_TAG = 0x0112

_START_OF_IMAGE, _END_OF_IMAGE, _SCAN = b"\xff\xd8", 0xD9, 0xDA
# What may stand after 0xFF and makes a marker of it: restarts within a scan do not count.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Files of nothing but empty segments or chunks would take minutes.
_MOST_SEGMENTS = 10_000
_MOST_CHUNKS = 200_000
# Progressive pictures have about ten; each is a pass over the whole picture, even if it is empty.
_MOST_SCANS = 64


class Refusal(Exception):  # noqa: N818 - a verdict on one file, not a fault of the program
    """One file cannot become a right picture; the message is the reason, for the user."""


class PassingRefusal(Refusal):
    """The machine cannot read a file now (a decoder, memory, time or a disk): another may."""


@dataclass(frozen=True)
class Header:
    """What the header tells.

    Attributes:
        format: "PNG" or "JPEG".
        width: pixels, as stored (before the EXIF rotation).
        height: pixels, as stored.
        bit_depth: bits a sample: 1, 2, 4, 8 or 16.
        channels: colour samples a pixel as stored; 1 for a palette; alpha counts.
        has_transparency: an alpha channel, or a colour or palette entry marked transparent.
        palette: the samples are palette entries.
        orientation: EXIF orientation, 1 to 8; 1 where there is none.
        payload: the bytes to decode.
        progressive: JPEG in several passes over the picture.
        single_scan: JPEG whose first scan is the whole picture.
        album: JPEG that says it is the first of several pictures (MPF).
        synthetic: PNG that says, as `xraygan generate` writes it, that it is synthetic.
    """

    format: str
    width: int
    height: int
    bit_depth: int
    channels: int
    has_transparency: bool
    palette: bool
    orientation: int
    payload: bytes
    progressive: bool = False
    single_scan: bool = False
    album: bool = False
    synthetic: bool = False


def read_header(data: bytes, name: str) -> Header:
    """Parse the header, check the container's integrity and the limits.

    Args:
        data: the whole file.
        name: file name; its ending must agree with the content.

    Raises:
        Refusal: empty, another format, a wrong ending, cut, a wrong checksum, animated, more
            than 100 megapixels, a side under 16 pixels.

    Source: PNG, W3C Recommendation, third edition, section 5; JPEG, ITU-T T.81, annex B.
    """
    if not data:
        raise Refusal("the file is empty (zero bytes)")
    found = sniff(data)
    suffix = PurePosixPath(name).suffix.lower()
    if found == "DICOM":
        raise Refusal(f"wrong file name ending: the content is DICOM, the name says {suffix}")
    if found not in ("PNG", "JPEG"):
        what = f"{found} is not read yet" if found else "the content is not an image"
        raise Refusal(f"{what}; only JPEG and PNG are read")
    if suffix in (JPEG_SUFFIXES if found == "PNG" else PNG_SUFFIXES):
        raise Refusal(f"wrong file name ending: the content is {found}, the name says {suffix}")
    return _read_png(data) if found == "PNG" else _read_jpeg(data)


def sniff(data: bytes) -> str | None:
    """The format's name from the first bytes, or None if it is no known one."""
    if data.startswith(_PNG_SIGNATURE):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    for offset, magic, name in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    return None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Refusal(
            f"{width} x {height} pixels are more than the limit of {MAX_PIXELS // 10**6} megapixels"
        )
    if min(width, height) < MIN_SIDE:
        raise Refusal(f"{width} x {height} pixels: too small, a side has at least {MIN_SIDE}")


def _read_png(data: bytes) -> Header:
    """Walk the chunks: checksums, animation, and a copy without the ancillary ones."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise Refusal("the PNG has no header")
    width, height, bit_depth, colour_type = struct.unpack(">IIBB", data[16:26])
    _check_size(width, height)
    kept, exif, transparent, synthetic = [_PNG_SIGNATURE], b"", False, False
    position, kind, count = len(_PNG_SIGNATURE), b"", 0
    while kind != b"IEND":
        count += 1
        if count > _MOST_CHUNKS:
            raise Refusal("the PNG is damaged: it has more chunks than any picture needs")
        if position + 12 > len(data):
            raise Refusal("the PNG is cut short: its end is missing")
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise Refusal("the PNG is cut short: its end is missing")
        # A memoryview: the checksum must not copy every chunk.
        checksum = zlib.crc32(memoryview(data)[position + 4 : end - 4])
        if checksum != int.from_bytes(data[end - 4 : end], "big"):
            raise Refusal(f"the PNG is damaged: wrong checksum in {_printable(kind)}")
        if kind in _PNG_ANIMATION:
            raise Refusal("the PNG is animated; only single pictures are read")
        if kind in _PNG_KEPT:
            kept.append(data[position:end])
            transparent |= kind == b"tRNS"
        elif kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif kind == b"tEXt":
            synthetic |= data[position + 8 : end - 4] == SYNTHETIC_TEXT
        elif not kind[0] & 0x20:
            raise Refusal(f"the PNG needs an extension that is not read: {_printable(kind)}")
        position = end
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour_type, 0)
    return Header(
        format="PNG",
        width=width,
        height=height,
        bit_depth=bit_depth,
        channels=channels,
        has_transparency=transparent or colour_type in (4, 6),
        palette=colour_type == 3,
        orientation=_orientation(exif),
        payload=b"".join(kept),
        synthetic=synthetic,
    )


def _printable(kind: bytes) -> str:
    return kind.decode("ascii", "replace") if kind.isalpha() else kind.hex()


def _read_jpeg(data: bytes) -> Header:
    """What stands before the first scan; `end_of_jpeg` walks the rest."""
    frame: tuple[int, int, int, int] | None = None
    orientation, progressive, album, in_scan = 1, False, False, 0
    for _, marker, body in _segments(data):
        if marker == _SCAN:
            in_scan = int.from_bytes(body[:1])
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if len(body) < 6:
                raise Refusal("the JPEG is damaged: its frame header is too short")
            bits, height, width, channels = struct.unpack(">BHHB", body[:6])
            frame = (bits, height, width, channels)
            progressive = marker in (0xC2, 0xC6, 0xCA, 0xCE)
            _check_size(width, height)
        elif marker == 0xE1 and body.startswith(b"Exif\x00\x00"):
            orientation = _orientation(body[6:])
        album |= marker == 0xE2 and body.startswith(b"MPF\x00")
    if frame is None or not in_scan:
        raise Refusal("the JPEG is damaged: it holds no picture")
    bits, height, width, channels = frame
    if bits != 8:
        raise Refusal(f"a JPEG of {bits} bits a sample is not read; save it as 16-bit PNG")
    return Header(
        format="JPEG",
        width=width,
        height=height,
        bit_depth=bits,
        channels=channels,
        has_transparency=False,
        palette=False,
        orientation=orientation,
        payload=data,
        progressive=progressive,
        single_scan=in_scan == channels and not progressive,
        album=album,
    )


def end_of_jpeg(data: bytes) -> int:
    """Where the end-of-image marker of a JPEG's first picture is.

    Raises:
        Refusal: nowhere: the file is cut short. Or it has too many scans.
    """
    return max(place for place, _, _ in _segments(data))


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, marker and body of each segment, to the end-of-image marker.

    Within a scan the next marker is searched; entropy-coded 0xFF bytes are stuffed.

    Raises:
        Refusal: no end-of-image marker, a segment that runs over the end, too many of them.
    """
    position, scans = len(_START_OF_IMAGE), 0
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            raise Refusal("the JPEG is cut short: its end-of-image marker is missing")
        marker, position = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            yield found.start(), marker, b""
            return
        if marker in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if length < 2 or position + length > len(data):
            raise Refusal("the JPEG is cut short or damaged: a segment runs over the end")
        scans += marker == _SCAN
        if scans > _MOST_SCANS:
            raise Refusal(f"the JPEG is damaged: it has more than {_MOST_SCANS} scans")
        yield found.start(), marker, data[position + 2 : position + length]
        position += length
    raise Refusal("the JPEG is damaged: it has more segments than any picture needs")


def _orientation(exif: bytes) -> int:
    """EXIF orientation, 1 to 8, from a TIFF block; 1 if it holds none.

    An orientation given in XMP only is not looked at, as in web browsers.

    Raises:
        Refusal: a block so damaged that the orientation cannot be known.

    Source: Exif 2.32, section 4.6.2; TIFF 6.0, section 2.
    """
    if not exif:
        return 1
    endian = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    try:
        if endian is None:
            raise Refusal("its EXIF block is damaged, so its orientation is unknown")
        (start,) = struct.unpack_from(endian + "I", exif, 4)
        (count,) = struct.unpack_from(endian + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(endian + "HH", exif, entry)
            if tag == _ORIENTATION_TAG:
                # The value is stored as a 16-bit SHORT, rarely as a 32-bit LONG.
                code = "I" if kind == 4 else "H"
                (value,) = struct.unpack_from(endian + code, exif, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        raise Refusal("its EXIF block is damaged, so its orientation is unknown") from None
    return 1
