"""A flat folder with a CSV, and Hugging Face's imagefolder with its metadata table."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.entries import Entry, Tree, nfc
from xraygan.data.formats.base import Row, Table, find_tables, split_told
from xraygan.data.headers import Refusal
from xraygan.data.listing import (
    AT_RANDOM,
    DESCRIPTION,
    LABEL_JOIN,
    PREPARED,
    SINGLE_CLASS,
    SUSPECTED,
    Facts,
    split_named,
)
from xraygan.data.selection import Stated, split_list
from xraygan.data.tables import (
    first_present,
    is_table,
    nearest,
    parse_age,
    parse_sex,
    read_columns,
    read_table,
    read_text,
    values,
)
from xraygan.data.views import parse_view
from xraygan.errors import XrayganError

_COLUMNS = {
    "path": ("path", "file", "file_name", "filename", "image", "image_path", "file_path"),
    "label": ("label", "labels", "class", "finding", "diagnosis"),
    "patient_id": ("patient_id", "patient", "patientid", "patient id", "subject_id"),
    "view": ("view", "view_position", "view position", "viewposition", "projection"),
    "split": ("split", "set", "subset"),
    "age": ("age", "patient_age", "patient age"),
    "sex": ("sex", "gender", "patient_sex", "patient sex", "patient gender"),
}
_NEEDED = ("path", "label")


def csv_table(tree: Tree, settings: PixelSettings) -> Table | None:
    """The one table beside the folders of images that names files and labels.

    Raises:
        XrayganError: several do, `--column` names what there is not, or a row an unknown split.
    """
    renamed = _renamed(settings.column)
    asked = settings.format == "csv"
    tables = _beside_images(tree)
    usable = [
        entry for entry in tables if not _missing(entry, renamed) or (asked and len(tables) == 1)
    ]
    if not usable:
        return None
    if len(usable) > 1:
        names = ", ".join(entry.name for entry in usable)
        raise XrayganError(
            f"several tables name files and labels ({names}); leave one, or give it as the source"
        )
    table = _understood("csv", usable, renamed, settings)
    return replace(table, folder=usable[0].parts[:-1])


def _beside_images(tree: Tree) -> list[Entry]:
    """The tables of the folder that everything lies in."""
    depth = len(tree.common) + 1
    return [e for e in tree.sidecars if len(e.parts) == depth and is_table(e.parts[-1])]


def _missing(entry: Entry, renamed: Mapping[str, str]) -> list[str]:
    """Which of path and label a table has no column for."""
    columns = read_columns(entry)
    found = {key: renamed.get(key) or first_present(_COLUMNS[key], columns) for key in _NEEDED}
    return [key for key, column in found.items() if column not in columns]


def passed_over(tree: Tree, settings: PixelSettings) -> list[str]:
    """Why folders count and not the tables beside them, where there are any."""
    notes, renamed = [], _renamed(settings.column)
    for entry in _beside_images(tree):
        try:
            read_text(entry)
            missing = " or ".join(_missing(entry, renamed))
            why = f"no column of it is known as {missing}: say which is with --column"
        except XrayganError as error:
            why = str(error).rpartition(": ")[2]
        notes.append(f"A table beside the images is not used ({why}).")
    return notes


def imagefolder(tree: Tree, settings: PixelSettings) -> Table | None:
    """Hugging Face's imagefolder: metadata.csv or metadata.jsonl with `file_name`.

    The table lies beside the images, at the root or in each split's folder; without a label in
    it, the folder that a film lies in is its class.

    Source: https://huggingface.co/docs/datasets/en/image_dataset, "ImageFolder".
    """
    tables = [
        entry
        for entry in find_tables(tree, r"metadata\.(csv|jsonl)")
        if _is_root_or_split(entry.parts[:-1], tree.common) and "file_name" in read_columns(entry)
    ]
    if not tables:
        return None
    prepared = _prepared(tree)
    if prepared is not None:
        # Those of its splits repeat it.
        nearest_root = min(len(entry.parts) for entry in tables)
        tables = [entry for entry in tables if len(entry.parts) == nearest_root]
    sets = prepared is not None and prepared.get("label_sets") is True
    table = _understood("imagefolder", tables, _renamed(settings.column), settings, sets)
    return replace(table, final=prepared is not None, label_sets=sets)


def _is_root_or_split(folder: tuple[str, ...], root: tuple[str, ...]) -> bool:
    """Whether a folder is the one that everything lies in, or that of a split in it."""
    within = folder[len(root) :]
    return folder[: len(root)] == root and not within[1:] and all(map(split_named, within))


def check_finished(source: Path, tree: Tree) -> None:
    """See that what `prepare` wrote is whole: a part has no held-out films, or no patients.

    Raises:
        XrayganError: it is not.
    """
    found = _prepared(tree)
    if found is not None and found.get("complete") is False:
        raise XrayganError(
            f"data set {source}: was not finished; run the same `xraygan prepare` again"
        )


def _prepared(tree: Tree) -> dict[str, Any] | None:
    """The dataset.json of what `prepare` wrote; None of anything else."""
    place = (*tree.common, DESCRIPTION)
    for entry in tree.sidecars:
        if entry.parts == place:
            with contextlib.suppress(Refusal, ValueError, AttributeError, RecursionError):
                found = json.loads(entry.place.read())
                return found if found.get("format") == PREPARED else None
    return None


def _renamed(option: str | None) -> dict[str, str]:
    """`--column path=File,label=Finding` as a mapping.

    Raises:
        XrayganError: another form, or a name that is none of ours.
    """
    found = {}
    for part in split_list(option):
        name, equals, column = part.partition("=")
        if not equals or not column.strip():
            raise XrayganError(f"--column {part!r}: write NAME=COLUMN, such as label=Finding")
        if name.strip() not in _COLUMNS:
            raise XrayganError(f"--column: unknown name '{name}'{nearest(name, _COLUMNS)}")
        found[name.strip()] = column.strip()
    return found


def _understood(
    kind: str,
    tables: Iterable[Entry],
    renamed: Mapping[str, str],
    settings: PixelSettings,
    label_sets: bool = False,
) -> Table:
    """All rows of the tables; `label_sets`: the label is several, joined."""
    frames: list[pd.DataFrame] = []
    rows: list[Row] = []
    # An imagefolder's class may be its folder; a flat folder has none to take.
    needed = _NEEDED if kind == "csv" else _NEEDED[:1]
    for entry in tables:
        frame = read_table(entry)
        if "path" not in renamed and "file_name" in frame.columns:
            renamed = {**renamed, "path": "file_name"}
        columns = _columns(entry.name, frame, renamed, needed)
        every = settings.labels or (settings.multi_label and not label_sets)
        if every and "label" not in renamed and "labels" in frame.columns:
            columns["label"] = "labels"
        joined = LABEL_JOIN if label_sets and columns["label"] != "labels" else "|"
        rows += _rows(kind, entry, frame, columns, sum(map(len, frames)), joined)
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True).fillna("") if len(frames) > 1 else frames[0]
    return Table(kind, rows, whole, folder_splits=True)


def _columns(
    name: str, frame: pd.DataFrame, renamed: Mapping[str, str], needed: tuple[str, ...]
) -> dict[str, str | None]:
    """Our names to the table's columns."""
    for ours, column in renamed.items():
        if column not in frame.columns:
            raise XrayganError(
                f"table {name} has no column '{column}' (--column {ours}=…)"
                f"{nearest(column, frame.columns)}"
            )
    found = {
        ours: renamed.get(ours) or first_present(known, frame.columns)
        for ours, known in _COLUMNS.items()
    }
    for ours in needed:
        if found[ours] is None:
            raise XrayganError(
                f"table {name} has no column '{ours}'; say which it is with "
                f"--column {ours}=COLUMN (it has {', '.join(map(str, frame.columns[:12]))})"
            )
    return found


def _rows(
    kind: str,
    entry: Entry,
    frame: pd.DataFrame,
    columns: Mapping[str, str | None],
    start: int,
    joined: str,
) -> list[Row]:
    # An imagefolder has tables in several folders; a flat folder's names may lie anywhere.
    folder = () if kind == "csv" else entry.parts[:-1]
    given = {ours: values(frame, column or "") for ours, column in columns.items()}
    given["label"] = [label.replace(joined, "|") for label in given["label"]]
    every, text, held = (values(frame, name) for name in ("labels", "burned_in", "held_back"))
    looked_for = "burned_in" in frame.columns
    labelled = any(given["label"])
    splits = [split_told(word, entry.name) for word in given["split"]]
    return [
        _row(
            "/".join((*folder, *_parts(path))),
            {ours: texts[line] for ours, texts in given.items()},
            splits[line],
            every[line],
            text[line] == SUSPECTED if looked_for else None,
            held[line] == AT_RANDOM,
            labelled,
            start + line,
        )
        for line, path in enumerate(given["path"])
    ]


def _row(
    file: str,
    given: Mapping[str, str],
    split: str | None,
    every: str,
    text: bool | None,
    held_back: bool,
    labelled: bool,
    line: int,
) -> Row:
    folders = file.split("/")[:-1]
    label = given["label"]
    if not labelled:
        inner = [part for part in folders if not split_named(part)]
        label = inner[-1] if inner else SINGLE_CLASS
    return Row(
        file,
        Stated(_findings(label), every=_findings(every)),
        Facts(
            given["patient_id"] or None,
            parse_view(given["view"]),
            parse_age(given["age"]),
            parse_sex(given["sex"]),
            text,
            held_back=held_back or None,
        ),
        split,
        line,
    )


def _findings(text: str) -> frozenset[str]:
    return frozenset(nfc(part.strip()) for part in text.split("|") if part.strip())


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
