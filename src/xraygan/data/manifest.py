"""What a data set's table of images holds."""

import pandas as pd

SPLITS = ("train", "val", "test")

PRECEDENCE = {"train": 0, "val": 1, "test": 2}
"""When leakage is repaired the higher split wins: what was held back stays held back."""


def column(table: pd.DataFrame, name: str) -> list[str]:
    """The values of one column of text."""
    return table[name].to_list()


def plural(count: int, noun: str) -> str:
    """The noun for so many: "1 patient", "2 patients"."""
    return noun if count == 1 else noun + "s"
