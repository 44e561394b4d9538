"""Patients, and splits that share none."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from xraygan.config import DataSettings, PixelSettings
from xraygan.data.duplicates import (
    NearPairs,
    drop_copies,
    drop_near_copies,
    merge_by_pictures,
    merge_near,
)
from xraygan.data.entries import sort_key
from xraygan.data.listing import AT_RANDOM
from xraygan.data.manifest import PRECEDENCE, SPLITS, column, plural, set_column
from xraygan.data.pseudonyms import is_of_unknown
from xraygan.errors import XrayganError

# A given validation split with fewer images than this measures nothing.
ENOUGH_VALIDATION_IMAGES = 100
# From this many patients on, each class gets at least one in every split that is carved.
_PATIENTS_FOR_ONE = 5

# Kermany et al. 2018 (personN_bacteria_M, IM-N-M, NORMAL2-IM-N-M) and the phantom's names.
_KNOWN_NAMES = re.compile(
    r"(?:^|/)(?:(person\d+_(?:bacteria|virus))_\d|((?:NORMAL\d*-)?IM-\d+)-\d|(phantom\d+)_\d)[^/]*$"
)
_KERMANY_NAME = re.compile(r"(?:^|/)(?:person\d+_(?:bacteria|virus)_|NORMAL\d*-IM-\d+-)\d[^/]*$")
# Kermany's too; but OsiriX and Horos call every export so, and N is a series there.
_SERIES_NAME = re.compile(r"(?:^|/)((IM-\d+)-\d[^/]*)$")
_SYNTHETIC_NAME = re.compile(r"(?:^|/)seed\d+(?:_psi[\d-]+)?_\d+\.[^/.]+$")


def compile_pattern(patient_pattern: str | None) -> re.Pattern[str] | None:
    """Check a user's patient pattern.

    Raises:
        XrayganError: no valid regular expression, or one without a group.
    """
    if patient_pattern is None:
        return None
    try:
        pattern = re.compile(patient_pattern)
    except re.error as error:
        raise XrayganError(
            f"--patient-pattern {patient_pattern!r} is not a regular expression: {error}"
        ) from None
    if pattern.groups == 0:
        raise XrayganError(
            f"--patient-pattern {patient_pattern!r} has no group: put parentheses round the part "
            r"that names the patient, as in '(p\d+)_'"
        )
    return pattern


def patient_of(name: str, pattern: re.Pattern[str] | None) -> str | None:
    """The patient a file name tells of, or None.

    Args:
        name: posix path relative to the source.
        pattern: the user's; its groups are joined by "_". None: the names known by default, of
            which "IM-N" is a patient in Kermany's set alone.
    """
    match = (pattern or _KNOWN_NAMES).search(name)
    found = [group for group in match.groups() if group] if match else []
    return "_".join(found) or None


def is_synthetic(name: str) -> bool:
    """Whether a file is called as `xraygan generate` calls its images, which are nobody's."""
    return _SYNTHETIC_NAME.search(name) is not None


def assign(
    records: pd.DataFrame, settings: DataSettings, near: NearPairs = ()
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    """Name the patients, drop duplicates, repair leakage, and make the splits.

    Args:
        records: columns name, split ("train", "val", "test" or None), label, pixel_sha256,
            patient ("" where nothing tells it; the column may be missing), own (what a DICOM
            file says of itself; with it sha256, of the file's bytes) and any others; one row a
            decoded picture.
        settings: patient_pattern, validation_fraction, split_seed, keep_splits and
            near_duplicates count.
        near: pairs of index labels of `records` whose pictures are nearly the same.

    Returns:
        The kept rows with new columns `patient` and `held_back` and every split given (index as
        in `records`); the refused (name, reason); notes for the user. No patient and no picture
        is in two splits, unless keep_splits leaves patients so. The order of the rows makes no
        difference, nor does the salt of the patients' keys.

    Raises:
        XrayganError: a bad patient pattern.
    """
    names = [str(name) for name in records["name"]]
    table = records.iloc[sorted(range(len(names)), key=lambda row: sort_key(names[row]))].copy()
    notes: list[str] = []
    set_column(table, "patient", _patients(table, settings, notes))
    set_column(table, "lot", _lots(table))
    set_column(table, "held_back", [""] * len(table))
    set_column(table, "patient", merge_by_pictures(table, notes))
    set_column(table, "lot", _smallest_lots(table))
    # Without folders that say so, everything is training data until some is held back.
    splits = column(table, "split")
    folders_say = any(split in PRECEDENCE for split in splits)
    known = [split if split in PRECEDENCE else "train" for split in splits]
    set_column(table, "split", known)
    table, refused = drop_copies(table, notes)
    set_column(table, "patient", merge_near(table, near, notes))
    set_column(table, "lot", _smallest_lots(table))
    if settings.near_duplicates == "drop":
        table, spare = drop_near_copies(table, near, notes)
        refused = sorted(refused + spare, key=lambda item: sort_key(item[0]))
    keep = folders_say and settings.keep_splits
    repaired = _repair_leakage(column(table, "patient"), column(table, "split"), notes, keep)
    set_column(table, "split", repaired)
    if keep:
        return table, refused, notes
    if folders_say:
        _complete_validation(table, settings, notes)
    else:
        _carve_both(table, settings, notes)
    return table, refused, notes


def keep_all(
    records: pd.DataFrame, settings: PixelSettings
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    """Name the patients and change nothing else: for images that are to be judged as they are.

    Args:
        records: as for `assign`.
        settings: patient_pattern counts.

    Returns:
        As `assign`: every row, "train" where the folders name no split; nothing refused. Where
        a file name tells no patient, the picture itself is the key, so that the same picture
        in two folders counts as one patient's.

    Raises:
        XrayganError: a bad patient pattern.
    """
    notes: list[str] = []
    table = records.copy()
    named = _patients(table, settings, notes)
    told = zip(named, column(table, "name"), column(table, "pixel_sha256"), strict=True)
    patients = [patient if patient != name else pixels for patient, name, pixels in told]
    set_column(table, "patient", patients)
    set_column(table, "split", [split or "train" for split in column(table, "split")])
    return table, [], notes


def _patients(table: pd.DataFrame, settings: PixelSettings, notes: list[str]) -> list[str]:
    pattern = compile_pattern(settings.patient_pattern)
    patients, unknown = [], 0
    series = set() if pattern else _series(table)
    given = column(table, "patient") if "patient" in table.columns else [""] * len(table)
    for name, told in zip(column(table, "name"), given, strict=True):
        # A pattern that the user wrote is a wish; one of ours is a guess.
        patient = patient_of(name, pattern) if pattern or not told else None
        patient = (None if patient in series else patient) or told or None
        unknown += patient is None and not is_synthetic(name)
        patients.append(patient or name)
    if unknown:
        notes.append(
            f"{unknown} of {len(table)} file names do not tell the patient, nor does a table: each "
            "counts as a patient of its own, so one person may be in several splits; "
            "--patient-pattern says how to find the patient."
        )
    if prepared := sum(map(is_of_unknown, patients)):
        notes.append(
            f"{prepared} of {len(table)} prepared films do not tell the patient: each counts as a "
            "patient of its own, so one person may be in several splits."
        )
    return patients


def _series(table: pd.DataFrame) -> set[str]:
    """Which of the names "IM-N" are numbers of series, and tell no patient.

    Kermany's are believed beside Kermany's other names, unless one and the same file name in
    several folders shows different pictures.
    """
    names = column(table, "name")
    pictures: dict[tuple[str, ...], set[str]] = {}
    for name, pixels in zip(names, column(table, "pixel_sha256"), strict=True):
        if match := _SERIES_NAME.search(name):
            pictures.setdefault(match.groups(), set()).add(pixels)
    kermany = any(map(_KERMANY_NAME.search, names))
    return {series for (_, series), seen in pictures.items() if len(seen) > 1 or not kermany}


def in_several_splits(patients: Iterable[str], splits: Iterable[str]) -> int:
    """How many patients have images in more than one split.

    Args:
        patients: one key an image.
        splits: of each image.
    """
    found = Counter(patient for patient, _ in set(zip(patients, splits, strict=True)))
    return sum(count > 1 for count in found.values())


def _lots(table: pd.DataFrame) -> list[str]:
    """What each image's patient is drawn by: the key, or the file's hash where a salt made the key.

    Every cache has a salt of its own, and in all of them the same films are in the same splits.
    """
    patients = column(table, "patient")
    if "own" not in table.columns:
        return patients
    rows = zip(patients, table["own"], column(table, "sha256"), strict=True)
    return [sha256 if own and own.patient == key else key for key, own, sha256 in rows]


def _smallest_lots(table: pd.DataFrame) -> list[str]:
    """Each image's lot: the smallest of all that its patient has."""
    rows = list(zip(column(table, "patient"), column(table, "lot"), strict=True))
    smallest: dict[str, str] = {}
    for patient, lot in rows:
        smallest[patient] = min(lot, smallest.get(patient, lot))
    return [smallest[patient] for patient, _ in rows]


def _repair_leakage(
    patients: list[str], splits: list[str], notes: list[str], keep: bool
) -> list[str]:
    """The splits with every image of a patient in the highest split that patient is in."""
    highest: dict[str, int] = {}
    for patient, split in zip(patients, splits, strict=True):
        highest[patient] = max(highest.get(patient, 0), PRECEDENCE[split])
    repaired = [SPLITS[highest[patient]] for patient in patients]
    moves = [
        (patient, old, new)
        for patient, old, new in zip(patients, splits, repaired, strict=True)
        if old != new
    ]
    if moves:
        count = len({patient for patient, _, _ in moves})
        ways = Counter((old, new) for _, old, new in moves)
        how = ", ".join(f"{number} from {old} to {new}" for (old, new), number in ways.items())
        if keep:
            notes.append(
                f"{count} {plural(count, 'patient')} have images in more than one split; left so "
                "by --keep-splits: figures measured on these splits are too good."
            )
            return splits
        notes.append(
            f"{count} {plural(count, 'patient')} had images in more than one split; "
            f"images moved so that no split shares a patient: {how}."
        )
    return repaired


def _complete_validation(table: pd.DataFrame, settings: DataSettings, notes: list[str]) -> None:
    """Keep a validation split that can measure; otherwise add training patients to it."""
    pairs = zip(column(table, "split"), column(table, "label"), strict=True)
    given = [label for split, label in pairs if split == "val"]
    if len(given) >= ENOUGH_VALIDATION_IMAGES and set(given) == set(column(table, "label")):
        return
    moved, patients = _hold_back(table, settings, "val", most=0.5)
    if moved:
        joined = f"; the {len(given)} given validation images join them" if given else ""
        notes.append(
            f"Validation: {moved} images of {patients} training "
            f"{plural(patients, 'patient')} are held back to measure on{joined}."
        )


def _carve_both(table: pd.DataFrame, settings: DataSettings, notes: list[str]) -> None:
    """Hold back a test and a validation split where the folders name none."""
    test, _ = _hold_back(table, settings, "test", most=0.25)
    val, _ = _hold_back(table, settings, "val", most=0.25)
    if test or val:
        notes.append(
            f"The folders name no splits: {val} images are held back for validation "
            f"and {test} for testing, by patient."
        )


def _hold_back(
    table: pd.DataFrame, settings: DataSettings, purpose: str, most: float
) -> tuple[int, int]:
    """Move some training patients to another split: how many images, how many patients."""
    rows = list(
        zip(column(table, "lot"), column(table, "label"), column(table, "split"), strict=True)
    )
    pairs = [(lot, label) for lot, label, split in rows if split == "train"]
    chosen = carve(pairs, settings.validation_fraction, settings.split_seed, purpose, most)
    moved = [split == "train" and lot in chosen for lot, _, split in rows]
    splits = [purpose if move else row[2] for row, move in zip(rows, moved, strict=True)]
    set_column(table, "split", splits)
    before = column(table, "held_back")
    held_back = [AT_RANDOM if move else old for move, old in zip(moved, before, strict=True)]
    set_column(table, "held_back", held_back)
    return sum(moved), len(chosen)


def carve(
    pairs: Iterable[tuple[str, str]], fraction: float, seed: int, purpose: str, most: float
) -> set[str]:
    """Choose patients to hold back, by a hash of each one: stable when others are added.

    Args:
        pairs: (patient, class), repeats allowed, any order.
        fraction: a patient whose hash falls below this share is chosen.
        seed: another seed, another choice.
        purpose: what for ("val", "test"): independent choices.
        most: never more than this share of the patients of any class.

    Returns:
        The chosen patients; at least one of every class that has five or more.
    """
    classes: dict[str, set[str]] = {}
    for patient, label in pairs:
        classes.setdefault(patient, set()).add(label)
    total = Counter(label for labels in classes.values() for label in labels)
    room = {label: int(count * most) for label, count in total.items()}
    lacking = {label for label, count in total.items() if count >= _PATIENTS_FOR_ONE}
    ranked = sorted((_unit_hash(seed, purpose, patient), patient) for patient in classes)
    chosen: set[str] = set()
    for position, patient in ranked:
        labels = classes[patient]
        wanted = position < fraction or labels & lacking
        if wanted and all(room[label] > 0 for label in labels):
            chosen.add(patient)
            lacking -= labels
            room.update({label: room[label] - 1 for label in labels})
    return chosen


def _unit_hash(seed: int, purpose: str, patient: str) -> float:
    """A number in [0, 1) that depends on the arguments alone."""
    text = f"{seed}:{purpose}:{patient}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48
