"""RSNA Pneumonia and VinDr-CXR: DICOM files, and tables with several rows an image."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.dicom_facts import patient_key
from xraygan.data.entries import Tree
from xraygan.data.formats.base import Row, Table, find_tables
from xraygan.data.listing import Facts
from xraygan.data.selection import Stated
from xraygan.data.tables import parse_flag, read_table, values

_OPACITY, _NORMAL = "Lung Opacity", "Normal"
_VINDR_KEYS = {"image_id", "rad_id"}
_NO_FINDING = "no finding"
# The first is called in two ways; the other can be no folder's name, as a class has to be.
_RENAMED = {"Other disease": "Other diseases", "Nodule/Mass": "Nodule or Mass"}


def rsna(tree: Tree, _settings: PixelSettings) -> Table | None:
    """`stage_2_train_labels.csv`: a row a box; `stage_2_detailed_class_info.csv` says more.

    With the second table, films are "Lung Opacity", "No Lung Opacity - Not Normal" (the
    table has a slash there, which no folder's name can have) or without finding; with the first
    alone, "Lung Opacity" or "No Lung Opacity", since not all of these are normal. `patientId`
    names the film: no patients are told.

    Source: Shih et al. 2019, doi 10.1148/ryai.2019180041.
    """
    labels = find_tables(tree, r"stage_2_train_labels\.csv")
    detailed = find_tables(tree, r"stage_2_detailed_class_info\.csv")
    if not labels and not detailed:
        return None
    frame = read_table((labels or detailed)[0])
    classes: dict[str, Stated] = {}
    targets = values(frame, "Target")
    for image, target in zip(values(frame, "patientId"), targets, strict=True):
        found = _OPACITY if parse_flag(target) == 1 else f"No {_OPACITY}"
        classes[image] = Stated(frozenset([found]))
    if detailed:
        info = read_table(detailed[0])
        for image, name in zip(values(info, "patientId"), values(info, "class"), strict=True):
            normal = name == _NORMAL
            found = frozenset() if normal else frozenset([name.replace("/", "-")])
            classes[image] = Stated(found, negative=normal)
    lines = _first_lines(frame, "patientId")
    rows = [
        Row(image, stated, Facts(), None, lines.get(image, 0)) for image, stated in classes.items()
    ]
    return Table("rsna", rows, frame)


def forget_film_ids(records: Iterable[dict[str, Any]], salt: bytes) -> None:
    """Take the patient from records whose file has its own name as PatientID, as RSNA's have.

    Args:
        records: with `name` and `patient`.
        salt: of the patients' keys.
    """
    for record in records:
        stem = PurePosixPath(record["name"]).stem
        if record["patient"] == patient_key(salt, stem):
            record["patient"] = ""


def _first_lines(frame: pd.DataFrame, name: str) -> dict[str, int]:
    """The first row of each value."""
    return {key: line for line, key in reversed(list(enumerate(values(frame, name))))}


def vindr(tree: Tree, _settings: PixelSettings) -> Table | None:
    """`image_labels_train.csv` (a row a reader and image) and `image_labels_test.csv`.

    A finding that more than half of an image's readers state is there; one that fewer state is
    uncertain. No patients are told.

    Source: Nguyen et al. 2022, doi 10.1038/s41597-022-01498-w.
    """
    tables = find_tables(tree, r"image_labels_(train|test)\.csv")
    if not tables:
        return None
    frames, rows, start = [], [], 0
    for entry in tables:
        frame = read_table(entry).rename(columns=_RENAMED)
        split = "test" if "test" in entry.parts[-1].lower() else "train"
        lines = _first_lines(frame, "image_id")
        rows += [
            Row(image, stated, Facts(), split, start + lines[image])
            for image, stated in _votes(frame).items()
        ]
        start += len(frame)
        frames.append(frame)
    return Table("vindr", rows, pd.concat(frames, ignore_index=True).fillna(""))


def _votes(frame: pd.DataFrame) -> dict[str, Stated]:
    findings = [str(name) for name in frame.columns if name not in _VINDR_KEYS]
    flags = {name: [parse_flag(text) == 1 for text in values(frame, name)] for name in findings}
    readers: Counter[str] = Counter()
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for line, image in enumerate(values(frame, "image_id")):
        readers[image] += 1
        votes[image].update(name for name in findings if flags[name][line])
    return {image: _majority(votes[image], readers[image]) for image in readers}


def _majority(votes: Counter[str], readers: int) -> Stated:
    there = {name for name, count in votes.items() if 2 * count > readers}
    none = {name for name in votes if name.lower() == _NO_FINDING}
    return Stated(
        frozenset(there - none), frozenset(set(votes) - there - none), negative=bool(there & none)
    )
