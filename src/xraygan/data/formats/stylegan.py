"""StyleGAN's data set: `dataset.json` with a class number for each image, in a folder or zip."""

import json
from typing import Any

import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.entries import Entry, Tree
from xraygan.data.formats.base import Row, Table
from xraygan.data.headers import Refusal
from xraygan.data.listing import Facts
from xraygan.data.selection import Stated


def table(tree: Tree, _settings: PixelSettings) -> Table | None:
    """Class numbers become the classes "class 0", "class 1", …; vectors of 0 and 1 several each.

    Source: github.com/NVlabs/stylegan3, dataset_tool.py, "labels" of dataset.json.
    """
    labels = next((_labels(e) for e in tree.sidecars if e.parts == ("dataset.json",)), None)
    if labels is None:
        return None
    rows = [
        Row(name, Stated(_classes(label)), Facts(), None, line)
        for line, (name, label) in enumerate(labels)
    ]
    return Table(
        "stylegan", rows, pd.DataFrame({"file": [name for name, _ in labels]}, dtype=object)
    )


def _labels(entry: Entry) -> list[tuple[str, Any]] | None:
    """Pairs of name and label; None where it is another dataset.json."""
    try:
        labels = json.loads(entry.place.read())["labels"]
        names = [str(name) for name, _ in labels]
        "".join(names).encode("utf-8", "surrogateescape")  # or half a character is among them
        return [(name, label) for name, (_, label) in zip(names, labels, strict=True)]
    except (Refusal, ValueError, TypeError, KeyError, RecursionError):
        return None


def _classes(label: Any) -> frozenset[str]:
    if isinstance(label, list):
        return frozenset(f"class {number}" for number, one in enumerate(label) if one == 1)
    return frozenset([f"class {label}"]) if isinstance(label, int) else frozenset()
