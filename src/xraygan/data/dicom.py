"""One DICOM file to one right grey picture and a few facts, or a refusal that says why."""

import importlib.util
import struct
import threading

import numpy as np

from xraygan.data.dicom_facts import DicomFacts
from xraygan.data.headers import PassingRefusal, Refusal
from xraygan.data.killable import run_killable

__all__ = ["DicomFacts", "is_dicom", "read_dicom"]

_PARSE = "xraygan.data.dicom_parsing:parse"
# Above this a file is read alone, so that the memory of many threads stays bounded.
_LARGE_BYTES = 64 * 2**20
_one_large_file = threading.Lock()

# Source: DICOM PS3.5, section 7.1.2: explicit VRs with a two-byte and a four-byte length.
_SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT"}
    | {b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_LONG_VRS = frozenset({b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR"})
# A headerless file begins with its file meta information, or with the first group of a data set.
_FIRST_GROUPS = (0x0002, 0x0008)
_LONGEST_FIRST_ELEMENT = 1024


def is_dicom(data: bytes) -> bool:
    """Whether bytes are a DICOM file: by its prefix, or by a plausible first element.

    Source: DICOM PS3.10, section 7.1; PS3.5, section 7.1.
    """
    if data[128:132] == b"DICM":
        return True
    if len(data) < 8:
        return False
    group, element, length = struct.unpack_from("<HHI", data)
    if group not in _FIRST_GROUPS or element > 0x0100:
        return False
    vr = data[4:6]
    if vr in _SHORT_VRS:
        length = int.from_bytes(data[6:8], "little")
    elif vr in _LONG_VRS:
        length = int.from_bytes(data[8:12], "little")
    return length % 2 == 0 and length <= min(_LONGEST_FIRST_ELEMENT, len(data))


def read_dicom(data: bytes, salt: bytes) -> tuple[np.ndarray, DicomFacts]:
    """Read a DICOM film: modality LUT, then VOI LUT or window, then polarity.

    Parsing and decoding happen in a helper process that is killed when it takes more than 5 s
    or 2 GiB (`killable.py`); safe to call from many threads.

    Args:
        data: the whole file.
        salt: key of the hashes of identifiers; to be kept secret, and the same for all files.

    Returns:
        [H, W] float32 in [0, 255], not rounded, bone white; and the facts.

    Raises:
        Refusal: with the reason, whenever the picture could be wrong, or is no chest film. It
            holds no tag's text.
        XrayganError: the helper process cannot be started.
    """
    if not is_dicom(data):
        raise Refusal("the content is not DICOM")
    if importlib.util.find_spec("pydicom") is None:
        raise PassingRefusal("DICOM needs an extra: pip install 'xraygan[dicom]'")
    if len(data) <= _LARGE_BYTES:
        return _read(data, salt)
    with _one_large_file:
        return _read(data, salt)


def _read(data: bytes, salt: bytes) -> tuple[np.ndarray, DicomFacts]:
    answer, content = run_killable(_PARSE, {"salt": salt.hex()}, data)
    table_bytes = answer["levels"] * 4
    if table_bytes:
        table = np.frombuffer(content[:table_bytes], np.float32)
        picture = table[np.frombuffer(content[table_bytes:], np.uint16)]
    else:
        picture = np.frombuffer(content, np.float32).copy()
    if picture.min() == picture.max():
        raise Refusal("no contrast: every pixel has the same value")
    return picture.reshape(answer["shape"]), DicomFacts(**answer["facts"])
