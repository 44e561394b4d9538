"""What survives of a DICOM file's tags: a few whitelisted facts, nobody's name.

Every text is looked up in a list of known words; what is not in it does not pass. Identifiers
become keyed hashes.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
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
    **{view: view for view in ("PA", "AP", "LL", "RL", "LATERAL", "OBLIQUE", "LORDOTIC")},
    **{view: view for view in ("RLD", "LLD", "RLO", "LLO", "LAO", "RAO", "LPO", "RPO")},
    "LAT": "LATERAL",
    "LLAT": "LL",
    "RLAT": "RL",
    "DECUBITUS": "DECUBITUS",
    "DECUB": "DECUBITUS",
    "OBL": "OBLIQUE",
}
# SNOMED CT and its older SNOMED-RT codes. Source: DICOM PS3.16, CID 4010 "DX View".
_VIEW_CODES = {
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
    "399182000": "OBLIQUE",
    "R-102C1": "OBLIQUE",
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
        view: "PA", "AP", "LATERAL", "LL", "RL", another known code, or "OTHER".
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
        patient=_hashed(salt, _first(dataset, "PatientID")),
        view=_view(dataset),
        body_part=_known(_first(dataset, "BodyPartExamined"), {p: p for p in _BODY_PARTS}),
        modality=_known(_first(dataset, "Modality"), {m: m for m in _MODALITIES}),
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


def _known(value: Any, words: dict[str, str]) -> str | None:
    """The known word that a text is or holds; "OTHER" where it is neither; None if empty."""
    text = unicodedata.normalize("NFKD", _text(value)).replace(".", "")
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    joined = re.sub(r"[^A-Z]", "", text)
    if not text or joined in _SAYS_NOTHING:
        return None
    if joined in words:
        return words[joined]
    found = {words[part] for part in re.split(r"[^A-Z]+", text) if part in words}
    return found.pop() if len(found) == 1 else _OTHER


def _view(dataset: "Dataset") -> str | None:
    """From View Position, else from the View Code Sequence."""
    view = _known(_first(dataset, "ViewPosition"), _VIEWS)
    if view is not None:
        return view
    item = _first(dataset, "ViewCodeSequence")
    if item is None or not hasattr(item, "get"):
        return None
    code = _text(_first(item, "CodeValue"))
    return _VIEW_CODES.get(code, _OTHER) if code else None


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


def _hashed(salt: bytes, value: Any) -> str | None:
    text = unicodedata.normalize("NFC", str(value)).strip(" \0") if value is not None else ""
    if not text:
        return None
    message = f"patient\0{text}".encode("utf-8", "surrogatepass")
    return hmac.new(salt, message, hashlib.sha256).hexdigest()[:32]
