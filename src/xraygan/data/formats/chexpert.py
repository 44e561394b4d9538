"""CheXpert and MIMIC-CXR-JPG: fourteen columns of 1, 0, -1 and blanks."""

import re

import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.entries import Entry, Tree
from xraygan.data.formats.base import Row, Table, find_tables, flagged, split_told
from xraygan.data.listing import Facts, split_named
from xraygan.data.tables import (
    parse_age,
    parse_sex,
    read_columns,
    read_table,
    values,
)
from xraygan.data.views import parse_view
from xraygan.errors import XrayganError

_NO_FINDING = "No Finding"
FINDINGS = [
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
]
"""The columns besides `No Finding`. Source: Irvin et al. 2019, arXiv 1901.07031, table 1."""
_DEVICES = frozenset({"Support Devices"})
_PATIENT = re.compile(r"(patient\d+)/")
_TABLES = {"train.csv", "valid.csv", "test.csv"}
_CHEXPERT = {"Path", "Frontal/Lateral", "AP/PA", _NO_FINDING}


def chexpert(tree: Tree, _settings: PixelSettings) -> Table | None:
    """`train.csv` and `valid.csv` (or `test.csv`): patient and split are in the path.

    `No Finding` does not speak of support devices, which may be there all the same: they make a
    class only where `--labels` names them. A blank says nothing; -1 is uncertain.
    """
    tables = [e for e in find_tables(tree, r".*\.csv") if set(read_columns(e)) >= _CHEXPERT]
    if not tables:
        return None
    # Later releases add other labellers' answers about the same films (train_cheXbert.csv).
    tables = [e for e in tables if e.parts[-1].lower() in _TABLES] or tables
    frame = pd.concat([read_table(entry) for entry in tables], ignore_index=True).fillna("")
    stated = flagged(frame, FINDINGS, _NO_FINDING, _DEVICES)
    columns = zip(
        values(frame, "Path"),
        values(frame, "Frontal/Lateral"),
        values(frame, "AP/PA"),
        values(frame, "Age"),
        values(frame, "Sex"),
        strict=True,
    )
    rows = []
    for line, (path, side, view, age, sex) in enumerate(columns):
        patient = _PATIENT.search(path)
        # Some frontal films do not say which.
        shown = parse_view(side if side.lower() == "lateral" else view or side)
        facts = Facts(patient[1] if patient else None, shown, parse_age(age), parse_sex(sex))
        split = next((split_named(part) for part in path.split("/") if split_named(part)), None)
        rows.append(Row(path, stated[line], facts, split, line))
    return Table("chexpert", rows, frame)


def mimic(tree: Tree, _settings: PixelSettings) -> Table | None:
    """MIMIC-CXR-JPG: tables of images, of studies' findings and of splits, joined.

    Findings are those of a study's report, so its images share them. A study without a row in
    the table of findings has none stated.

    Raises:
        XrayganError: one of the tables or columns is not there, or a split is unknown.

    Source: Johnson et al. 2019, arXiv 1901.07042; https://physionet.org/content/mimic-cxr-jpg/
    """
    metadata = _one(tree, "metadata")
    if metadata is None:
        return None
    findings, splits = _one(tree, "chexpert"), _one(tree, "split")
    if findings is None:
        raise XrayganError(
            f"{metadata.name} is there, and mimic-cxr-2.0.0-chexpert.csv.gz is not: put both in "
            "the folder"
        )
    keys = ["subject_id", "study_id"]
    frame = _read(metadata, ["dicom_id", *keys]).merge(
        _read(findings, [*keys, _NO_FINDING]), on=keys, how="left"
    )
    if splits is not None:
        named = ["dicom_id", "split"]
        frame = frame.merge(_read(splits, named)[named], on="dicom_id", how="left")
    frame = frame.fillna("")
    stated = flagged(frame, FINDINGS, _NO_FINDING, _DEVICES)
    columns = zip(
        values(frame, "dicom_id"),
        values(frame, "subject_id"),
        values(frame, "study_id"),
        values(frame, "ViewPosition"),
        values(frame, "split"),
        strict=True,
    )
    rows = [
        Row(
            f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg",
            stated[line],
            Facts(subject or None, parse_view(view)),
            split_told(split, splits.name if splits else ""),
            line,
        )
        for line, (image, subject, study, view, split) in enumerate(columns)
    ]
    return Table("mimic", rows, frame)


def _one(tree: Tree, kind: str) -> Entry | None:
    found = find_tables(tree, rf"mimic-cxr-[\d.]+-{kind}\.csv(\.gz)?")
    return found[0] if found else None


def _read(entry: Entry, needed: list[str]) -> pd.DataFrame:
    """A table that has these columns.

    Raises:
        XrayganError: it lacks one.
    """
    frame = read_table(entry)
    for name in needed:
        if name not in frame.columns:
            raise XrayganError(
                f"table {entry.name}: has no column '{name}', which MIMIC-CXR-JPG's own has; put "
                "that one in its place"
            )
    return frame
