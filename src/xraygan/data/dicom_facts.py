"""What survives of a DICOM file's tags: a few whitelisted facts, nobody's name.

Every text is looked up in a list of known words; what is not in it does not pass, and tells
nothing. Identifiers become keyed hashes.
"""

import hashlib
import hmac
import re
import struct
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xraygan.data.views import known_view, plain

if TYPE_CHECKING:
    from pydicom import Dataset

FACT_TAGS = (
    "PatientID",
    "ViewPosition",
    "ViewCodeSequence",
    "BodyPartExamined",
    "Modality",
    "PatientAge",
    "PatientSex",
    "BurnedInAnnotation",
    "PresentationIntentType",
)
"""Keywords of the tags that facts are made of."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OTHER = "OTHER"
_UNREADABLE = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError),
    *(TypeError, ValueError, struct.error),
)
"""What pydicom raises where a tag's bytes are no value of its kind."""
# SNOMED CT and its older SNOMED-RT codes. Source: DICOM PS3.16, CID 4010 "DX View".
_VIEW_CODES = {
    **dict.fromkeys(_words("399033003 R-10202"), "FRONTAL"),
    **dict.fromkeys(_words("399348003 R-10206"), "AP"),
    **dict.fromkeys(_words("272479007 R-10214 R-40888"), "PA"),
    **dict.fromkeys(
        _words("""
            399173006 R-10236 399198007 R-10232 399067008 R-102CD 399260004 R-10224 399352003
            R-10228 30730003 G-A145
        """),
        "LATERAL",
    ),
    **dict.fromkeys(
        _words("""
            399135007 R-10220 399356000 R-40985 399006002 R-10212 399038007 R-10210
            399182000 R-102C1 399236003 R-10234 399184004 R-10238 399312000 R-10208 399059000
            R-10216 399160007 R-10204 260427002 R-40783 260426006 R-40782 399368009 R-10226
            399099002 R-10230 399004004 R-10246 399132005 R-10252 399325008 R-10254 399225005
            R-10250 399288005 R-10248
        """),
        "OBLIQUE",
    ),
    # Axial, tangential, cranio-caudal, and those of hands, feet, skulls and tissue.
    **dict.fromkeys(
        _words("""
            399061009 R-10241 399110001 R-102C2 399162004 R-10242 399196006 R-10244 399242004
            R-102C6 399351005 R-102C7 260499007 R-40810 399071006 R-102C3 399360002 R-10257
            119376003 G-8300 399272005 R-102C5 399255003 R-10256 399335002 R-102C4 399316002
            R-102C8
        """),
        _OTHER,
    ),
}
# Source: DICOM PS3.16, annex L (radiographic ones), with common spellings of the chest.
_CHEST = _words("CHEST THORAX LUNG LUNGS CXR THX TORAX TORACE POITRINE")
_BODY_PARTS = _CHEST | _words("""
    ABDOMEN ABDOMENPELVIS ANKLE ARM BREAST CALCANEUS CALF CHESTABDOMEN CHESTABDPELVIS CLAVICLE
    COCCYX CSPINE ELBOW EXTREMITY FACE FEMUR FINGER FOOT FOREARM HAND HEAD HEEL HIP HUMERUS JAW
    KNEE KUB LEG LSPINE LSSPINE MANDIBLE MAXILLA NECK NOSE ORBIT PATELLA PELVIS RIB RIBS SACRUM
    SCAPULA SHOULDER SINUS SKULL SPINE SSPINE STERNUM TEETH THIGH THUMB TIBIA TIBIAFIBULA TOE
    TSPINE WHOLEBODY WRIST ZYGOMA
""")
# "OT", other, is written by film digitisers and by tools that make DICOM of pictures.
_FILMS = _words("CR DX RG XR OT")
# Source: DICOM PS3.3, C.7.3.1.1.1, Modality.
_MODALITIES = _FILMS | _words("""
    BI BMD CT DMS DOC DS EC ECG EEG EM EPS ES FA GM IO IVOCT IVUS KO LS MG MR NM OAM OCT OP OPT
    OPTBSV OPV PR PT PX REG RESP RF RTDOSE RTIMAGE RTPLAN RTSTRUCT SC SEG SM SR TG US XA XC
""")
_OLDEST_TOLD, _OLDER = 89, 90.0
_IMPOSSIBLE_AGE = 130
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}


@dataclass(frozen=True)
class DicomFacts:
    """What is known about a film; None where the file does not say, or not in known words.

    Attributes:
        patient: keyed hash of PatientID, 32 hexadecimal digits.
        view: see `xraygan.data.views.VIEWS`.
        body_part: a known body part in capitals, or "OTHER" for several.
        modality: a known modality in capitals, or "OTHER" for several.
        age: years, fractional for small children; 90 stands for all above 89.
        sex: "F", "M" or "O".
        burned_in: whether text is burned into the picture, as far as the file knows.
        raw: a detector's values before a film was made of them ("FOR PROCESSING").
    """

    patient: str | None
    view: str | None
    body_part: str | None
    modality: str | None
    age: float | None
    sex: str | None
    burned_in: bool | None
    raw: bool


def why_not_a_chest_film(facts: DicomFacts) -> str | None:
    """Why a file is no chest film, or None if nothing speaks against it; views are not asked.

    What a file does not say is never a reason: public collections leave the body part out, and
    many hospitals' devices do, or say it in their own words (BRUSTKORB).
    """
    if facts.modality is not None and facts.modality not in _FILMS:
        return f"modality {facts.modality}"
    if facts.body_part is not None and facts.body_part not in _CHEST:
        return f"body part {facts.body_part}"
    # The detector keeps them beside the film that is shown: inverted, often, and too flat.
    return "raw detector values (FOR PROCESSING), not the film that is shown" if facts.raw else None


def read_facts(dataset: "Dataset", salt: bytes) -> DicomFacts:
    """The facts of a parsed file.

    Args:
        dataset: with the `FACT_TAGS` it has.
        salt: key of the hashes.
    """
    return DicomFacts(
        patient=patient_key(salt, _first(dataset, "PatientID")),
        view=_view(dataset),
        body_part=_body_part(_first(dataset, "BodyPartExamined")),
        modality=_one(_known(_first(dataset, "Modality"), _MODALITIES)),
        age=_age(_first(dataset, "PatientAge")),
        sex={"F": "F", "M": "M", "O": "O"}.get(_text(_first(dataset, "PatientSex"))),
        burned_in={"YES": True, "NO": False}.get(_text(_first(dataset, "BurnedInAnnotation"))),
        raw=_text(_first(dataset, "PresentationIntentType")) == "FOR PROCESSING",
    )


def _first(dataset: "Dataset", keyword: str) -> Any:
    """A tag's first value; None where it is missing, empty or cannot be converted."""
    try:
        value = dataset.get(keyword)
        if value is not None and not isinstance(value, str | bytes) and isinstance(value, Iterable):
            value = next(iter(value), None)
    except _UNREADABLE:
        return None
    return value


def _text(value: Any) -> str:
    return str(value).strip(" \0").upper() if value is not None else ""


def _known(value: Any, words: frozenset[str]) -> frozenset[str]:
    """The known words that a text is or holds."""
    text = plain(_text(value))
    joined = re.sub(r"[^A-Z]", "", text)
    return words.intersection([joined] if joined in words else re.split(r"[^A-Z]+", text))


def _one(found: frozenset[str]) -> str | None:
    """The only one; "OTHER" where there are several."""
    return next(iter(found)) if len(found) == 1 else _OTHER if found else None


def _body_part(value: Any) -> str | None:
    found = _known(value, _BODY_PARTS)
    return "CHEST" if len(found) > 1 and found <= _CHEST else _one(found)


def _view(dataset: "Dataset") -> str | None:
    """From View Position, else from the View Code Sequence."""
    if view := known_view(_text(_first(dataset, "ViewPosition"))):
        return view
    item = _first(dataset, "ViewCodeSequence")
    if item is None or not hasattr(item, "get"):
        return None
    return _VIEW_CODES.get(_text(_first(item, "CodeValue")))


def _age(value: Any) -> float | None:
    """Years from an Age String. Source: DICOM PS3.5, section 6.2, AS."""
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", _text(value), re.ASCII)
    if match is None:
        return None
    years = int(match[1]) * _DAYS[match[2] or "Y"] / _DAYS["Y"]
    if years > _IMPOSSIBLE_AGE:
        return None
    # Ages above 89 identify. Source: 45 CFR 164.514(b)(2)(i)(C).
    return _OLDER if years > _OLDEST_TOLD else round(years, 2)


def patient_key(salt: bytes, value: Any) -> str | None:
    """What stands for a PatientID: 32 hexadecimal digits; None for an empty one."""
    text = unicodedata.normalize("NFC", str(value)).strip(" \0") if value is not None else ""
    if not text:
        return None
    message = f"patient\0{text}".encode("utf-8", "surrogatepass")
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:32]
