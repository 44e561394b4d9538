"""What a source offers before any image is opened: files with their classes and facts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from xraygan.data.entries import Place

SINGLE_CLASS = "images"

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""What people call the splits, in lower case."""


def split_named(word: str) -> str | None:
    """One of "train", "val" and "test" for any word that people use for them."""
    return SPLIT_NAMES.get(word.strip().lower())


PREPARED, DESCRIPTION = "xraygan-dataset", "dataset.json"
"""The file that describes a prepared data set, and what it calls itself there."""

SUSPECTED = "suspected"
"""In the column `burned_in`: the film seems to have text in it."""

LABEL_JOIN = "+"
"""Between the labels in the name of a class that is a set of labels."""

AT_RANDOM = "at random"
"""In the column `held_back`: the film's patient was drawn from those to train on."""
_LEFT_OUT = "left out: "


@dataclass(frozen=True)
class Facts:
    """What is known about a film besides its picture.

    Attributes:
        patient: any key of the patient; stays in the house.
        view: see `xraygan.data.views.parse_view`.
        age: years.
        sex: "F", "M" or "O".
        burned_in: whether text is suspected in it; None to look for oneself.
        chest: of a DICOM film, whether it says in known words that it is one of the chest.
        held_back: whether its patient was drawn at random from those to train on.
    """

    patient: str | None = None
    view: str | None = None
    age: float | None = None
    sex: str | None = None
    burned_in: bool | None = None
    chest: bool | None = None
    held_back: bool | None = None

    def completed(self, other: "Facts") -> "Facts":
        """These facts, and `other`'s where these say nothing."""
        return Facts(
            self.patient if self.patient is not None else other.patient,
            self.view if self.view is not None else other.view,
            self.age if self.age is not None else other.age,
            self.sex if self.sex is not None else other.sex,
            self.burned_in if self.burned_in is not None else other.burned_in,
            self.chest if self.chest is not None else other.chest,
            self.held_back if self.held_back is not None else other.held_back,
        )


class ImageFile(NamedTuple):
    """An image file by its name: not opened yet.

    Attributes:
        name: posix path relative to the source, as on disk.
        place: where to read it.
        split: "train", "val" or "test"; None if the source does not say.
        label: class name, Unicode-normalised (NFC).
        labels: every finding that the source states, sorted; the class alone where it states
            no more.
        facts: what tables and folders say about it.
        columns: the table's own row, where a selection may still ask for it.
    """

    name: str
    place: Place
    split: str | None
    label: str
    labels: tuple[str, ...] = ()
    facts: Facts = Facts()
    columns: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Listing:
    """What a source holds: `files` and `refused` (name, reason) sorted by name.

    Attributes:
        files: what may become images.
        refused: everything else, and why.
        notes: plain sentences for the user.
        format: how the source was read ("folders", "csv", "nih", …).
        final: the splits are those of a prepared data set: nothing is to be moved or dropped.
        label_sets: a class is a set of labels, joined by `LABEL_JOIN`.
    """

    files: tuple[ImageFile, ...]
    refused: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    format: str = "folders"
    final: bool = False
    label_sets: bool = False


def left_out(why: str) -> str:
    """The reason for a file that the user did not ask for: no fault of the file."""
    return _LEFT_OUT + why


def is_left_out(reason: str) -> bool:
    """Whether a reason is `left_out`."""
    return reason.startswith(_LEFT_OUT)


def left_out_notes(reasons: Counter[str]) -> list[str]:
    """A sentence on what was left out, if anything was."""
    if not reasons:
        return []
    told = ", ".join(f"{n:,} {r.removeprefix(_LEFT_OUT)}" for r, n in sorted(reasons.items()))
    return [f"{reasons.total():,} files are not used: {told}."]
