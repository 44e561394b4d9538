"""What to tell a user about a data set: faults that end it, and notes."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xraygan.config import PixelSettings
from xraygan.data.duplicates import is_duplicate, without_name
from xraygan.data.entries import printable
from xraygan.data.folders import NO_IMAGE, SAY_FOLDERS, is_dicom_name
from xraygan.data.listing import Facts, Listing, is_left_out
from xraygan.data.manifest import column, plural
from xraygan.errors import XrayganError

_FEW_TRAINING_IMAGES = 100
_FEW_PATIENTS, _NAMED = 10, 5
_PATIENT_FOLDERS = 3
"""Fewer class folders of one patient each may be chance."""
_LOOKED_AT = 2000
"""Training images whose grey levels are looked at."""
_POINTS, _CELLS = 64, 16
_LIKE_A_NEGATIVE = -0.3
"""Correlation with the mean image."""
_DARK = 128
"""Grey level that nothing in half of the images is brighter than."""


def nothing_usable(source: Path, refused: list[tuple[str, str]]) -> XrayganError:
    """The fault of a source that leaves no image."""
    if not refused:
        return XrayganError(f"no image in {source}; see docs/data.md for what is read")
    reason, count = Counter(reason for _, reason in refused).most_common(1)[0]
    nameless = sum(reason == NO_IMAGE and is_dicom_name(name) for name, reason in refused)
    remedy = "; for DICOM files without an ending say --format dicom" if nameless else ""
    return XrayganError(
        f"no usable image in {source}: all {len(refused)} files were refused, "
        f"most often ({count}) because: {reason}{remedy}"
    )


def check_folders_are_no_patients(
    records: list[dict[str, Any]], listing: Listing, settings: PixelSettings
) -> None:
    """See that class folders are not the patients' own: their names would be published.

    Raises:
        XrayganError: each of several holds DICOM files of one patient and of no other's.
    """
    of_label: dict[str, set[str]] = {}
    for record in records:
        of_label.setdefault(record["label"], set()).add(record["patient"])
    patients = [who for whose in of_label.values() for who in whose]
    one_each = len(patients) == len(set(patients)) == len(of_label) >= _PATIENT_FOLDERS
    if listing.format == "folders" != settings.format and one_each and all(patients):
        raise XrayganError(
            f"each of the {len(of_label)} folders holds one patient's films: no classes, it seems, "
            "and their names would be published; give the classes in a table (--format csv), take "
            f"all films as one class with --format dicom, or {SAY_FOLDERS}"
        )


def view_notes(manifest: pd.DataFrame, dicom: bool) -> list[str]:
    """A sentence on films whose view nobody knows, where that of others is known or DICOM is read.

    Without a view they are taken for films from the front.
    """
    views = column(manifest, "view")
    unknown = views.count("")
    if not unknown or not (dicom or unknown < len(views)):
        return []
    return [
        f"{unknown:,} of {len(views):,} films do not say their view: any that are not from the "
        "front are among them."
    ]


def chest_notes(own: Iterable[object]) -> list[str]:
    """A sentence on DICOM films that do not say in known words that they are of the chest.

    Args:
        own: what each film's file says of itself, `Facts` for DICOM.
    """
    told = [facts for facts in own if isinstance(facts, Facts)]
    unsaid = sum(not facts.chest for facts in told)
    if not unsaid:
        return []
    return [
        f"{unsaid:,} of {len(told):,} DICOM films do not say in known words that they are of "
        "the chest: any others are among them."
    ]


def patient_notes(own: Iterable[object], patients: Iterable[str]) -> list[str]:
    """A sentence where DICOM files say that patients of a table are one person.

    Args:
        own: what each film's file says of itself, `Facts` for DICOM.
        patients: whose film each is taken for.
    """
    found: dict[str, set[str]] = {}
    for facts, patient in zip(own, patients, strict=True):
        if isinstance(facts, Facts) and facts.patient:
            found.setdefault(facts.patient, set()).add(patient)
    several = [taken for taken in found.values() if len(taken) > 1]
    if not several:
        return []
    verb = "stands" if len(several) == 1 else "stand"
    return [
        f"{len(several):,} {plural(len(several), 'patient ID')} of the DICOM files {verb} for "
        f"{len(set().union(*several)):,} patients of the table: if the files are right, one person "
        "may be in several splits; leave the table's column of patients out (--column)."
    ]


def check_enough(source: Path, table: pd.DataFrame, refused: list[tuple[str, str]]) -> None:
    """See that there is something to train on.

    Raises:
        XrayganError: fewer than two training images.
    """
    training = column(table, "split").count("train")
    if training >= 2:
        return
    others = f", {len(table) - training} for validation and test" if len(table) > training else ""
    why = without_name(refused[0][1]) if refused else ""
    cause = f" ({len(refused)} files refused, such as: {why})" if refused else ""
    raise XrayganError(
        f"{source} holds {training} usable training {'image' if training == 1 else 'images'}"
        f"{others}{cause}; training needs at least 2 different ones: add images to train/ or "
        "to the class folders"
    )


def refusal_notes(refused: list[tuple[str, str]]) -> list[str]:
    """A sentence on what was refused, duplicates and what nobody asked for left aside."""
    reasons = Counter(
        reason for _, reason in refused if not is_duplicate(reason) and not is_left_out(reason)
    )
    if not reasons:
        return []
    reason, count = reasons.most_common(1)[0]
    files = plural(reasons.total(), "file")
    return [f"{reasons.total()} {files} refused, most often ({count}): {printable(reason)}."]


def grey_notes(images: np.ndarray, rows: np.ndarray) -> list[str]:
    """Sentences about negatives among positives, and images without bright parts.

    Args:
        images: uint8 [N, R, R].
        rows: those of the training images.
    """
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _LOOKED_AT)).astype(int)]
    step = max(images.shape[1] // _POINTS, 1)
    small = np.stack([images[row, ::step, ::step] for row in rows])
    brightest = np.percentile(small, 99, axis=(1, 2))
    side = small.shape[1] // _CELLS
    small = small[:, : side * _CELLS, : side * _CELLS].reshape(-1, _CELLS, side, _CELLS, side)
    cells = small.mean(axis=(2, 4)).reshape(len(rows), -1)
    middle = cells.mean(axis=0)
    middle = middle - middle.mean()
    rests = cells - cells.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rests, axis=1) * np.linalg.norm(middle)
    negative = int((rests @ middle < _LIKE_A_NEGATIVE * np.maximum(lengths, 1e-9)).sum())
    notes = []
    if negative:
        notes.append(
            f"{negative:,} of {len(rows):,} training images looked at are dark where the others "
            "are bright: negatives, perhaps, or no chest X-rays; invert them or leave them out."
        )
    if (middle_one := float(np.median(brightest))) < _DARK:
        notes.append(
            f"The images are dark: half of them have next to nothing brighter than "
            f"{middle_one:.0f} of 255. Stretch their grey levels before, all by the same factor."
        )
    return notes


def size_notes(manifest: pd.DataFrame, resolution: int) -> list[str]:
    """Sentences about too little data, missing splits and enlarged images."""
    notes = []
    splits = column(manifest, "split")
    training = splits.count("train")
    if training < _FEW_TRAINING_IMAGES:
        notes.append(
            f"Only {training} training images: a model will copy them rather than learn; "
            "hundreds are a start, thousands are better."
        )
    rows = [row for row, split in enumerate(splits) if split == "train"]
    labels, patients = column(manifest, "label"), column(manifest, "patient")
    absent = sorted(set(labels) - {labels[row] for row in rows})
    notes += [f"Class '{label}' has no training images." for label in absent]
    if len({patients[row] for row in rows}) == 1:
        notes.append(
            "All training images count as one patient's, and a model would draw that patient: add "
            "films of others; where they are of several, --patient-pattern tells them apart."
        )
    of_class: dict[str, set[str]] = {}
    for row in rows:
        of_class.setdefault(labels[row], set()).add(patients[row])
    few = sorted(label for label, who in of_class.items() if len(who) < _FEW_PATIENTS)
    if few:
        named = ", ".join(f"'{label}'" for label in few[:_NAMED]) + ", …" * (len(few) > _NAMED)
        notes.append(
            f"{len(few)} {'class has' if len(few) == 1 else 'classes have'} films of fewer than "
            f"{_FEW_PATIENTS} patients to train on ({named}): what is drawn of them may come near "
            "to theirs."
        )
    if "val" not in splits:
        notes.append(
            "There is no validation split, and too few patients to make one: "
            "figures against validation images are not possible."
        )
    if "test" not in splits:
        notes.append("There is no test split: how useful the images are cannot be measured.")
    return notes + enlarged_notes(manifest, resolution)


def enlarged_notes(manifest: pd.DataFrame, resolution: int) -> list[str]:
    """A sentence on images that are smaller than what is made of them, if most are."""
    shorter = float(np.median(manifest[["width", "height"]].to_numpy(np.int64).min(axis=1)))
    if resolution <= shorter:
        return []
    return [
        f"The images are enlarged to {resolution} pixels from {shorter:.0f} (median of the "
        "shorter side): they gain no detail."
    ]
