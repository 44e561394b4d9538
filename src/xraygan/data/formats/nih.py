"""NIH ChestX-ray14: one table, findings joined by |, the official test list beside it."""

from xraygan.config import PixelSettings
from xraygan.data.entries import Tree
from xraygan.data.formats.base import Row, Table, find_tables
from xraygan.data.headers import Refusal
from xraygan.data.listing import Facts
from xraygan.data.selection import Stated
from xraygan.data.tables import (
    first_present,
    parse_age,
    parse_sex,
    read_columns,
    read_table,
    values,
)
from xraygan.data.views import parse_view
from xraygan.errors import XrayganError

_NO_FINDING = "No Finding"
_NEEDED = {"Image Index", "Finding Labels", "Patient ID"}
_LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}


def table(tree: Tree, _settings: PixelSettings) -> Table | None:
    """`Data_Entry_2017.csv` or `Data_Entry_2017_v2020.csv`, or a part of it in any file.

    The header's `OriginalImage[Width,Height]` is two columns, and the first release ends each
    line with a comma; ages of the first release are such as "058Y", and some are impossible:
    those are not known.

    Source: Wang et al. 2017, arXiv 1705.02315; https://nihcc.app.box.com/v/ChestXray-NIHCC
    """
    found = next(
        (e for e in find_tables(tree, r".*\.csv(\.gz)?") if set(read_columns(e)) >= _NEEDED), None
    )
    if found is None:
        return None
    frame = read_table(found)
    sex = first_present(("Patient Gender", "Patient Sex"), frame.columns) or ""
    splits = _official_splits(tree)
    columns = zip(
        values(frame, "Image Index"),
        values(frame, "Finding Labels"),
        values(frame, "Patient ID"),
        values(frame, "View Position"),
        values(frame, "Patient Age"),
        values(frame, sex),
        strict=True,
    )
    rows = [
        Row(
            file,
            _stated(findings),
            Facts(patient or None, parse_view(view), parse_age(age), parse_sex(gender)),
            splits.get(file),
            line,
        )
        for line, (file, findings, patient, view, age, gender) in enumerate(columns)
    ]
    return Table("nih", rows, frame)


def _stated(text: str) -> Stated:
    findings = frozenset(part.strip() for part in text.split("|") if part.strip())
    return Stated(findings - {_NO_FINDING}, negative=findings == {_NO_FINDING})


def _official_splits(tree: Tree) -> dict[str, str]:
    splits = {}
    for entry in find_tables(tree, "|".join(_LISTS)):
        try:
            names = entry.place.read().decode("utf-8", "replace").split()
        except Refusal as refusal:
            raise XrayganError(f"{entry.name}: {refusal}") from None
        splits.update(dict.fromkeys(names, _LISTS[entry.parts[-1].lower()]))
    return splits
