"""What every format gives: rows that name a file and say what it shows."""

import re
from dataclasses import dataclass

import pandas as pd

from xraygan.data.entries import Entry, Tree, printable
from xraygan.data.listing import SPLIT_NAMES, Facts, split_named
from xraygan.data.selection import Stated
from xraygan.data.tables import parse_flag, values
from xraygan.errors import XrayganError

# physionet.org has them five deep: files/vindr-cxr/1.0.0/annotations/image_labels_train.csv.
_DEEPEST_TABLE = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One film of a table.

    Attributes:
        file: path as the table writes it, from any folder above; or a name without folders, or
            one without its ending.
        stated: what it shows.
        facts: who and how.
        split: "train", "val", "test" or None.
        line: its row in the table.
    """

    file: str
    stated: Stated
    facts: Facts
    split: str | None
    line: int


@dataclass(frozen=True)
class Table:
    """A source's table, understood.

    Attributes:
        format: the name for `--format`.
        rows: one or more a film.
        frame: the table itself, for `--where`.
        folder: parts of the folder that the rows' paths start from.
        final: it is that of a prepared data set.
        label_sets: see `Listing`.
        folder_splits: a film whose row names no split is of that whose folder it lies in.
    """

    format: str
    rows: list[Row]
    frame: pd.DataFrame
    folder: tuple[str, ...] = ()
    final: bool = False
    label_sets: bool = False
    folder_splits: bool = False


def find_tables(tree: Tree, pattern: str) -> list[Entry]:
    """The files whose name matches, near the folder that everything lies in, in order of names."""
    deepest = len(tree.common) + _DEEPEST_TABLE
    return [
        entry
        for entry in tree.sidecars
        if len(entry.parts) <= deepest and re.fullmatch(pattern, entry.parts[-1], re.IGNORECASE)
    ]


def split_told(word: str, table: str) -> str | None:
    """The split that a table's cell names; None where it is empty.

    Raises:
        XrayganError: it says something else: films held out are not to be trained on by mistake.
    """
    split = split_named(word)
    if split is None and word.strip():
        raise XrayganError(
            f"table {table}: split '{printable(word)}' is none of {', '.join(SPLIT_NAMES)}; write "
            "one of them or nothing, or rename the column if it tells something else"
        )
    return split


def flagged(
    frame: pd.DataFrame, findings: list[str], negative: str, beside: frozenset[str] = frozenset()
) -> list[Stated]:
    """What rows of 1, 0, -1 and blanks say, one column a finding.

    Args:
        frame: the table.
        findings: its columns; 1 is there, -1 is uncertain, 0 is not there, blank is not said.
        negative: the column that is 1 where there is no finding.
        beside: findings that are no class of their own.
    """
    flags = {name: [parse_flag(text) for text in values(frame, name)] for name in findings}
    none = [parse_flag(text) == 1 for text in values(frame, negative)]
    return [
        Stated(
            frozenset(name for name in findings if flags[name][row] == 1),
            frozenset(name for name in findings if flags[name][row] == -1),
            none[row],
            beside,
        )
        for row in range(len(frame))
    ]
