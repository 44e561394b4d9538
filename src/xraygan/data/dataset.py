"""A prepared data set as it is used: images, and what is known of each."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xraygan.data import store
from xraygan.data.listing import AT_RANDOM, LABEL_JOIN
from xraygan.data.manifest import SPLITS, column
from xraygan.data.pseudonyms import is_of_unknown
from xraygan.data.splits import in_several_splits
from xraygan.sets import ImageSet


@dataclass(frozen=True, eq=False)
class Dataset:
    """A prepared data set.

    Attributes:
        images: uint8 [N, R, R], memory-mapped read-only: training, then validation, then test
            images, each sorted by name.
        manifest: row i describes images[i]: name (posix path relative to the source), split
            ("train", "val", "test"), label, patient, sha256 (of the file's bytes),
            pixel_sha256 (of the decoded grey picture, shape included; of a large JPEG as it was
            decoded, reduced, so that a copy of it in another format has another), width and
            height (of the original, upright, in pixels), labels (all findings, joined by "|"),
            view, age (years) and sex ("" where not known), and burned_in ("suspected" where
            the film at full size seems to have text in it, or ""), held_back ("at random" where
            the patient was drawn from those to train on, or "").
        refused: name and reason of every file that is not used.
        classes: sorted; the index is the class number.
        notes: plain sentences for the user.
        fingerprint: the same files and settings give the same one anywhere, unless some files are
            `passing`.
        folder: where in the cache it lies.
        source_format: how the source was read ("folders", "csv", "nih", …).
        final: the source was a prepared data set; its splits and patients' keys were taken.
        label_sets: a class is a set of labels, joined by `xraygan.data.listing.LABEL_JOIN`.
        passing: names of refused files that may be read another time, or on another machine.
    """

    images: np.ndarray
    manifest: pd.DataFrame
    refused: pd.DataFrame
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str
    folder: Path
    source_format: str = "folders"
    final: bool = False
    label_sets: bool = False
    passing: tuple[str, ...] = ()

    @property
    def labels_of_classes(self) -> tuple[tuple[str, ...], ...]:
        """The labels that each class stands for: its name alone, where classes are no sets."""
        if not self.label_sets:
            return tuple((name,) for name in self.classes)
        return tuple(tuple(name.split(LABEL_JOIN)) for name in self.classes)

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and class numbers of one split, without copying the images.

        Args:
            name: "train", "val" or "test".

        Returns:
            uint8 [n, R, R], a read-only view of the memory map, and int32 [n].

        Raises:
            ValueError: another name.
        """
        rows = np.flatnonzero(self._in_split(name))
        start = int(rows[0]) if len(rows) else 0
        numbers = {label: number for number, label in enumerate(self.classes)}
        labels = column(self.manifest, "label")[start : start + len(rows)]
        return (
            self.images[start : start + len(rows)],
            np.array([numbers[label] for label in labels], np.int32),
        )

    def image_set(self, *splits: str) -> ImageSet:
        """The images of some splits, in this order, with labels and patients.

        The images of consecutive splits are a read-only view of the memory map.
        """
        rows = np.concatenate([np.flatnonzero(self._in_split(name)) for name in splits])
        numbers = {label: number for number, label in enumerate(self.classes)}
        labels, patients, held_back = (
            column(self.manifest, name) for name in ("label", "patient", "held_back")
        )
        return ImageSet(
            taken(self.images, rows),
            np.array([numbers[labels[row]] for row in rows], np.int32),
            np.array([patients[row] for row in rows], object),
            self.classes,
            np.array([held_back[row] == AT_RANDOM for row in rows], bool),
        )

    @property
    def content(self) -> str:
        """SHA-256 over the films that are used: names, splits, classes, patients and bytes.

        Unlike the fingerprint it does not follow what else lies in the source.
        """
        names = ("name", "split", "label", "patient", "sha256")
        rows = zip(*(column(self.manifest, name) for name in names), strict=True)
        text = json.dumps([self.images.shape[1], *rows], ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @property
    def refused_list(self) -> Path:
        """The cache's `refused.csv`: private, since file names can hold patients' names."""
        return self.folder / store.REFUSED

    def patients(self, name: str) -> int:
        """How many different patients a split holds."""
        patients = column(self.manifest, "patient")
        return len({patients[row] for row in np.flatnonzero(self._in_split(name))})

    def of_unknown_patients(self, name: str) -> int:
        """How many films of a split tell no patient: each counts as a patient of its own."""
        names, patients = (column(self.manifest, key) for key in ("name", "patient"))
        own = set(names)
        theirs = (patients[row] for row in np.flatnonzero(self._in_split(name)))
        return sum(patient in own or is_of_unknown(patient) for patient in theirs)

    @property
    def in_several_splits(self) -> int:
        """How many patients have films in more than one split: none, unless the user kept them."""
        return in_several_splits(*(column(self.manifest, key) for key in ("patient", "split")))

    def _in_split(self, name: str) -> np.ndarray:
        if name not in SPLITS:
            raise ValueError(f"no split '{name}'; there are {', '.join(SPLITS)}")
        return np.array([split == name for split in column(self.manifest, "split")], bool)


def taken(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of a memory map; a view where they are consecutive, so that none is copied."""
    if len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return images[rows[0] : rows[-1] + 1]
    return images[rows]
