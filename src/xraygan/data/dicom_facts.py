"""What survives of a DICOM file's tags: a few whitelisted facts, nobody's name.

Every text is looked up in a list of known words; what is not in it does not pass. Identifiers
become keyed hashes.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
# Defined terms of DICOM PS3.3 C.8.1.1 (CR), C.8.11.5 (DX), and what devices write besides.
_VIEWS = {
    **{view: view for view in ("PA", "AP", "LL", "RL", "OBLIQUE", "LORDOTIC", "DECUBITUS")},
    **{view: view for view in ("RLD", "LLD", "RLO", "LLO", "LAO", "RAO", "LPO", "RPO")},
    **dict.fromkeys(_words("POSTEROANTERIOR POSTERIOANTERIOR POSTANT"), "PA"),
    **dict.fromkeys(_words("ANTEROPOSTERIOR ANTERIOPOSTERIOR ANTPOST"), "AP"),
    **dict.fromkeys(_words("FRONTAL FRONTALE FRENTE"), "FRONTAL"),
    **dict.fromkeys(_words("LATERAL LAT LATERALE LATEROLATERAL SAGITTAL"), "LATERAL"),
    **dict.fromkeys(_words("SEITLICH SEITL PROFIL PROFILE PROFILO PERFIL"), "LATERAL"),
    **dict.fromkeys(_words("OBL OBLICUA OBLIQUA SCHRAG SCHRAEG"), "OBLIQUE"),
    **dict.fromkeys(_words("LORDO APICAL"), "LORDOTIC"),
    **dict.fromkeys(_words("AXIAL TANGENTIAL"), _OTHER),
    "LLAT": "LL",
    "RLAT": "RL",
    "DECUB": "DECUBITUS",
}
_FROM_THE_FRONT = _words("PA AP FRONTAL")
# SNOMED CT and its older SNOMED-RT codes. Source: DICOM PS3.16, CID 4010 "DX View".
_VIEW_CODES = {
    **dict.fromkeys(_words("399033003 R-10202"), "FRONTAL"),
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-10214": "PA",
    "R-40888": "PA",
    "399173006": "LL",
    "R-10236": "LL",
    "399198007": "RL",
    "R-10232": "RL",
    "399067008": "LATERAL",
    "R-102CD": "LATERAL",
    "399135007": "LAO",
    "R-10220": "LAO",
    "399356000": "RAO",
    "R-40985": "RAO",
    "399006002": "LPO",
    "R-10212": "LPO",
    "399038007": "RPO",
    "R-10210": "RPO",
    **dict.fromkeys(
        _words("""
            399182000 R-102C1 399236003 R-10234 399184004 R-10238 399312000 R-10208 399059000
            R-10216 399160007 R-10204 260427002 R-40783 260426006 R-40782 399368009 R-10226
            399099002 R-10230 399004004 R-10246 399132005 R-10252 399325008 R-10254 399225005
            R-10250 399288005 R-10248
        """),
        "OBLIQUE",
    ),
    **dict.fromkeys(
        _words("399260004 R-10224 399352003 R-10228 30730003 G-A145"),
        "LATERAL",
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
_SAYS_NOTHING = _words("UNKNOWN UNSPECIFIED UNDEFINED DEFAULT NONE NA")
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
    """What is known about a film; None where the file does not say, or says it unusably.

    Attributes:
        patient: keyed hash of PatientID, 32 hexadecimal digits.
        view: "PA", "AP", "FRONTAL" (either), "LATERAL", "LL", "RL", another known code, or "OTHER"
            where it is known to be none from the front.
        body_part: a known body part in capitals, or "OTHER".
        modality: a known modality in capitals, or "OTHER".
        age: years, fractional for small children; 90 stands for all above 89.
        sex: "F", "M" or "O".
        photometric: photometric interpretation as the file names it.
        burned_in: whether text is burned into the picture, as far as the file knows.
        raw: a detector's values before a film was made of them ("FOR PROCESSING").
    """

    patient: str | None
    view: str | None
    body_part: str | None
    modality: str | None
    age: float | None
    sex: str | None
    photometric: str
    burned_in: bool | None
    raw: bool


def why_not_a_chest_film(facts: DicomFacts) -> str | None:
    """Why a file is no chest film, or None if nothing speaks against it; views are not asked.

    What a file does not say is never a reason: public collections leave the body part out, and
    many hospitals' devices do.
    """
    if facts.modality is not None and facts.modality not in _FILMS:
        return f"modality {facts.modality}"
    if facts.body_part is not None and facts.body_part not in _CHEST:
        return f"body part {facts.body_part}"
    # The detector keeps them beside the film that is shown: inverted, often, and too flat.
    return "raw detector values (FOR PROCESSING), not the film that is shown" if facts.raw else None


def read_facts(dataset: "Dataset", salt: bytes, photometric: str) -> DicomFacts:
    """The facts of a parsed file.

    Args:
        dataset: with the `FACT_TAGS` it has.
        salt: key of the hashes.
        photometric: already checked.
    """
    return DicomFacts(
        patient=patient_key(salt, _first(dataset, "PatientID")),
        view=_view(dataset),
        body_part=_body_part(_first(dataset, "BodyPartExamined")),
        modality=_one(_known(_first(dataset, "Modality"), {m: m for m in _MODALITIES})),
        age=_age(_first(dataset, "PatientAge")),
        sex={"F": "F", "M": "M", "O": "O"}.get(_text(_first(dataset, "PatientSex"))),
        photometric=photometric,
        burned_in={"YES": True, "NO": False}.get(_text(_first(dataset, "BurnedInAnnotation"))),
        raw=_text(_first(dataset, "PresentationIntentType")) == "FOR PROCESSING",
    )


def _first(dataset: "Dataset", keyword: str) -> Any:
    """A tag's first value; None where it is missing, empty or cannot be converted."""
    try:
        value = dataset.get(keyword)
        if value is not None and not isinstance(value, str | bytes) and isinstance(value, Iterable):
            value = next(iter(value), None)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return value


def _text(value: Any) -> str:
    return str(value).strip(" \0").upper() if value is not None else ""


def _known(value: Any, words: Mapping[str, str]) -> frozenset[str] | None:
    """What the known words mean that a text is or holds; None where it says nothing."""
    text = unicodedata.normalize("NFKD", _text(value)).replace(".", "")
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    joined = re.sub(r"[^A-Z]", "", text)
    if not text or joined in _SAYS_NOTHING:
        return None
    parts = [joined] if joined in words else re.split(r"[^A-Z]+", text)
    return frozenset(words[part] for part in parts if part in words)


def _one(found: frozenset[str] | None) -> str | None:
    """The only one; "OTHER" where there are several, or none is known."""
    if found is None:
        return None
    return next(iter(found)) if len(found) == 1 else _OTHER


def _body_part(value: Any) -> str | None:
    found = _known(value, {part: part for part in _BODY_PARTS})
    return "CHEST" if found and len(found) > 1 and found <= _CHEST else _one(found)


def _view(dataset: "Dataset") -> str | None:
    """From View Position, else from the View Code Sequence; words unknown tell nothing."""
    found = _known(_first(dataset, "ViewPosition"), _VIEWS)
    if found and found <= _FROM_THE_FRONT:
        which = found - {"FRONTAL"}
        return next(iter(which)) if len(which) == 1 else "FRONTAL"
    if found:
        return _one(found)
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
