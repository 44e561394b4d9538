"""The Shenzhen and Montgomery sets: the label is the last figure of the file's name."""

import re

import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.entries import Entry, Tree
from xraygan.data.folders import is_mask, not_an_image
from xraygan.data.formats.base import Row, Table
from xraygan.data.headers import Refusal
from xraygan.data.listing import Facts, split_named
from xraygan.data.selection import Stated
from xraygan.data.tables import parse_age, parse_sex

_NAME = re.compile(r"((?:CHN|MCU)CXR_\d+)_([01])\.(?:png|jpe?g)", re.IGNORECASE)
_FINDING = "Tuberculosis"
# "male 45yrs" in Shenzhen's readings; "Patient's Sex: F Patient's Age: 035Y" in Montgomery's.
_SEX = re.compile(r"\b(male|female|[MF])\b", re.IGNORECASE)
_AGE = re.compile(r"\b0*(\d{1,3})\s*(?:Y|yrs?|years?)\b", re.IGNORECASE)


def table(tree: Tree, settings: PixelSettings) -> Table | None:
    """`CHNCXR_0001_0.png`, `MCUCXR_0104_1.png`: 0 without finding, 1 tuberculosis.

    Lung masks have the same names: only `CXR_png` folders count where there are any, and never a
    folder with "mask" in its name. Age and sex come from the readings beside the films. Films that
    somebody has put into class folders are of those classes, unless the format is asked for.

    Source: Jaeger et al. 2014, doi 10.3978/j.issn.2223-4292.2014.11.20.
    """
    named = [e for e in tree.files if _NAME.fullmatch(e.parts[-1]) and not is_mask(e.parts)]
    if not named:
        return None
    own = [e for e in named if "cxr_png" in map(str.lower, e.parts[:-1])]
    films = own or named
    others = sum(not not_an_image(e.name) and not is_mask(e.parts) for e in tree.files)
    others -= len(named)
    # A few of these films among others, or all in class folders, are another collection.
    mixed = others > len(named) or (not own and _in_class_folders(films))
    if settings.format == "auto" and mixed:
        return None
    readings = {e.parts[-1].rpartition(".")[0]: e for e in tree.sidecars if e.name.endswith(".txt")}
    rows = []
    for line, entry in enumerate(films):
        match = _NAME.fullmatch(entry.parts[-1])
        patient, sick = (match[1], match[2] == "1") if match else ("", False)
        reading = readings.get(entry.parts[-1].rpartition(".")[0])
        age, sex = _reading(reading) if reading else (None, None)
        stated = Stated(frozenset([_FINDING] if sick else []), negative=not sick)
        rows.append(Row(entry.name, stated, Facts(patient, "PA", age, sex), None, line))
    frame = pd.DataFrame({"file": [entry.name for entry in films]}, dtype=object)
    return Table("tuberculosis", rows, frame, folder_splits=True)


def _in_class_folders(films: list[Entry]) -> bool:
    """Whether films of one of the two sets lie in several folders, splits apart."""
    folders = {
        (entry.parts[-1][:3].upper(), *(p for p in entry.parts[:-1] if not split_named(p)))
        for entry in films
    }
    return len(folders) > len({folder[0] for folder in folders})


def _reading(entry: Entry) -> tuple[float | None, str | None]:
    try:
        text = entry.place.read()[:2000].decode("utf-8", "replace")
    except Refusal:
        return None, None
    age, sex = _AGE.search(text), _SEX.search(text.replace("'s Sex", ""))
    return (parse_age(age[1]) if age else None), (parse_sex(sex[1]) if sex else None)
