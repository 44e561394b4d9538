"""Headers, sizes and tags that lie, under checksums that are right: what a decoder believes."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pydicom

Random = np.random.Generator

NUMBERS = (0, 1, 2, 3, 7, 8, 12, 16, 17, 39, 41, 255, 256, 4096, 32767, 32768, 65535, 10**9, 2**31)
PNG_HEADER = ("width", "height", "depth", "colour", "compression", "filter", "interlace")
CHUNKS = (b"tRNS", b"PLTE", b"eXIf", b"acTL", b"fcTL", b"IDAT", b"iCCP", b"zTXt", b"gAMA", b"ABCD")
TAGS = {
    "Rows": NUMBERS,
    "Columns": NUMBERS,
    "BitsAllocated": NUMBERS,
    "BitsStored": NUMBERS,
    "HighBit": NUMBERS,
    "SamplesPerPixel": NUMBERS,
    "PixelRepresentation": NUMBERS,
    "PlanarConfiguration": NUMBERS,
    "NumberOfFrames": ("0", "-1", "2", "999999999", "1"),
    "PhotometricInterpretation": ("MONOCHROME1", "RGB", "YBR_FULL_422", "PALETTE COLOR", "x", ""),
    "WindowCenter": ("1e308", "-1e308", "0", "", "1\\2"),
    "WindowWidth": ("0", "-1", "1e-308", "1e308", "", "1\\2"),
    "VOILUTFunction": ("SIGMOID", "LINEAR_EXACT", "OTHER"),
    "RescaleSlope": ("0", "-1", "1e308", ""),
    "RescaleIntercept": ("1e308", "-1e308", "0"),
    "PatientAge": ("000Y", "999Y", "-01Y", "045M", "x"),
    "PatientSex": ("F", "M", "O", "?", ""),
    "PixelData": (b"", b"\xff\xff", bytes(3200), bytes(3201), bytes(6400), b"\xfe\xff\0\xe0" * 800),
}
SYNTAXES = (
    pydicom.uid.ImplicitVRLittleEndian,
    pydicom.uid.ExplicitVRBigEndian,
    pydicom.uid.RLELossless,
    pydicom.uid.JPEGBaseline8Bit,
    pydicom.uid.JPEGLosslessSV1,
    pydicom.uid.JPEGLSLossless,
    pydicom.uid.JPEG2000Lossless,
    pydicom.uid.DeflatedExplicitVRLittleEndian,
)


def png(data: bytes, random: Random) -> bytes:
    """Another header, another chunk more, or pixels that are too few or too many."""
    header, end = data[:33], len(data)
    kind = random.integers(3)
    if kind == 0:
        numbers = list(struct.unpack(">IIBBBBB", header[16:29]))
        field = int(random.integers(len(PNG_HEADER)))
        value = NUMBERS[random.integers(len(NUMBERS))]
        numbers[field] = value if field < 2 else value % 256
        return data[:8] + _chunk(b"IHDR", struct.pack(">IIBBBBB", *numbers)) + data[33:]
    if kind == 1:
        name = CHUNKS[random.integers(len(CHUNKS))]
        more = _chunk(name, random.bytes(int(random.integers(0, 64))))
        place = 33 if random.integers(2) else end - 12
        return data[:place] + more + data[place:]
    pixels = bytes(int(random.integers(1, 10_000)))
    return header + _chunk(b"IDAT", zlib.compress(pixels)) + data[end - 12 :]


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + checksum


def jpeg(data: bytes, random: Random) -> bytes:
    """A number in a marker's segment, the segment left out, twice, or another after it."""
    segments = _segments(data)
    start, end = segments[random.integers(len(segments))]
    kind = random.integers(4)
    if kind == 0:
        place = int(random.integers(start + 4, max(start + 5, end)))
        value = NUMBERS[random.integers(len(NUMBERS))] % 65536
        return data[:place] + value.to_bytes(2, "big") + data[place + 2 :]
    if kind == 1:
        return data[:start] + data[end:]
    if kind == 2:
        return data[:end] + data[start:]
    body = random.bytes(int(random.integers(0, 80)))
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + body
    marker, content = ((0xE1, exif), (0xDD, body[:2]), (0xC4, body), (0xE2, b"MPF\0" + body))[
        random.integers(4)
    ]
    more = bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
    return data[:end] + more + data[end:]


def _segments(data: bytes) -> list[tuple[int, int]]:
    """Where the segments up to the first scan begin and end."""
    found, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        found.append((place, end))
        if data[place + 1] == 0xDA:
            break
        place = end
    return found


def dicom(data: bytes, random: Random) -> bytes:
    """One to three tags of another value, or the name of another transfer syntax."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    own, names = dataset.file_meta.TransferSyntaxUID, list(TAGS)
    buffer = io.BytesIO()
    with pydicom.config.disable_value_validation():
        for _ in range(int(random.integers(1, 4))):
            name = names[random.integers(len(names))]
            value = TAGS[name][random.integers(len(TAGS[name]))]
            if name == "PixelData" and own.is_compressed:
                value = pydicom.encaps.encapsulate([value or b"\0\0"])
            setattr(dataset, name, value % 65536 if isinstance(value, int) else value)
        dataset["PixelData"].VR = "OB" if own.is_compressed else "OW"
        dataset["PixelData"].is_undefined_length = own.is_compressed
        pydicom.dcmwrite(buffer, dataset)
    content = buffer.getvalue()
    if random.integers(4):
        return content
    old, new = own.encode(), SYNTAXES[random.integers(len(SYNTAXES))].encode()
    return content.replace(old, new.ljust(len(old), b"\0")[: len(old)], 1)


def zipped(data: bytes, random: Random) -> bytes:
    """A number in a record of the directory, or in a member's own header."""
    sign = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")[random.integers(3)]
    starts = [place for place in range(len(data)) if data.startswith(sign, place)]
    place = starts[random.integers(len(starts))] + int(random.integers(4, 44))
    value = NUMBERS[random.integers(len(NUMBERS))] % 2**32
    return data[:place] + struct.pack("<I", value) + data[place + 4 :]


def tarred(data: bytes, random: Random) -> bytes:
    """A member's size, kind or name is another; its checksum is right."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old:
        members = old.getmembers()
        odd = int(random.integers(len(members)))
        for number, member in enumerate(members):
            stream = old.extractfile(member)
            content = stream.read() if stream else b""
            if number == odd:
                _lie(member, random)
            whole.write(member.tobuf() + content.ljust(-(-len(content) // 512) * 512, b"\0"))
    return gzip.compress(whole.getvalue() + bytes(1024), 1)


def _lie(member: tarfile.TarInfo, random: Random) -> None:
    kind = random.integers(3)
    if kind == 0:
        member.size = int(NUMBERS[random.integers(len(NUMBERS))])
    elif kind == 1:
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE)
        member.type = kinds[random.integers(len(kinds))]
        member.linkname = "../../x"
    else:
        names = ("../a.png", "/a.png", "A/" * 40 + "a.png", "A\\b.png", "A/\n.png", "A", "")
        member.name = names[random.integers(len(names))]


def npz(data: bytes, random: Random) -> bytes:
    """An array whose header tells another shape, kind or order than it has."""
    shapes = ("(4, 40, 40)", "(4, 40)", "(10**9,)", "(-1, 40, 40)", "(4, 999999, 999999)", "()")
    kinds = ("|u1", "<u2", "<f8", "|O", "|V3", "<M8[s]", "|S9")
    shape, kind = shapes[random.integers(len(shapes))], kinds[random.integers(len(kinds))]
    fortran = bool(random.integers(2))
    text = f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    odd = ("train_images.npy", "train_labels.npy")[random.integers(2)]
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            start = 10 + int.from_bytes(content[8:10], "little")
            new.writestr(name, head + content[start:] if name == odd else content)
    return whole.getvalue()


def table(data: bytes, random: Random) -> bytes:
    """A cell or a column's name is another."""
    rows = [line.split(b",") for line in data.split(b"\n")]
    values = (
        b"",
        b"../../etc/passwd",
        b"/etc/passwd",
        b"A/../0.png",
        b"nan",
        b"1e999",
        b"\xff\xfe",
    )
    more = (b"-1", b"label", b"path", b'"', b"0.png", b"x" * 5000, b"=1+1", b"A|B", b"\0")
    row = rows[random.integers(len(rows))]
    row[random.integers(len(row))] = (values + more)[random.integers(len(values + more))]
    return b"\n".join(b",".join(row) for row in rows)


def tiff(data: bytes, random: Random) -> bytes:
    """A number of the first directory."""
    start = struct.unpack("<I", data[4:8])[0] + 2 + 2 * int(random.integers(30))
    value = NUMBERS[random.integers(len(NUMBERS))] % 65536
    return data[:start] + struct.pack("<H", value) + data[start + 2 :]


LIES: dict[str, Callable[[bytes, Random], bytes]] = {
    "JPEG": jpeg,
    "progressive JPEG": jpeg,
    "PNG": png,
    "16-bit PNG": png,
    "TIFF": tiff,
    "DICOM": dicom,
    "RLE DICOM": dicom,
    "zip": zipped,
    "tar.gz": tarred,
    "npz": npz,
    "csv": table,
}
