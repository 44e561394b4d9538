"""What a data set's table of images holds."""

from collections.abc import Sequence

import pandas as pd

SPLITS = ("train", "val", "test")

PRECEDENCE = {"train": 0, "val": 1, "test": 2}
"""When leakage is repaired the higher split wins: what was held back stays held back."""


def column(table: pd.DataFrame, name: str) -> list[str]:
    """The values of one column of text."""
    return table[name].to_list()


def set_column(table: pd.DataFrame, name: str, values: Sequence[str]) -> None:
    """Put text into a column as objects: a file's name may hold bytes that are no text."""
    table[name] = pd.Series(values, index=table.index, dtype=object)


def plural(count: int, noun: str) -> str:
    """The noun for so many: "1 patient", "2 patients"."""
    return noun if count == 1 else noun + "s"
