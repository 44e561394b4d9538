"""Exact and near duplicates: which are kept, and whose they are."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from xraygan.data.manifest import PRECEDENCE, column, plural

NearPairs = Iterable[tuple[int, int]]
"""Pairs of rows, by index label, whose pictures are nearly the same."""

_DUPLICATE = "same picture as "
_NEAR = "nearly the same picture as "


def is_duplicate(reason: str) -> bool:
    """Whether a refusal is only about a spare copy, which takes nothing away from the data."""
    return reason.startswith((_DUPLICATE, _NEAR))


def without_name(reason: str) -> str:
    """A reason as it may leave the house: a duplicate's names another file."""
    for start in (_DUPLICATE, _NEAR):
        if reason.startswith(start):
            return f"{start}another file"
    return reason


def merge_patients(patients: list[str], pictures: list[str]) -> list[str]:
    """One key for patients who share a picture: the same person under two names.

    Args:
        patients: one key an image.
        pictures: hash of each image's pixels.

    Returns:
        The first key, in order of names, of all that are linked; one an image.
    """
    names, patient = np.unique(np.array(patients, object), return_inverse=True)
    hashes, picture = np.unique(np.array(pictures, object), return_inverse=True)
    links = zip(patient, len(names) + picture, strict=True)
    component = _components(len(names) + len(hashes), list(links)).tolist()
    first: dict[int, str] = {}
    for key, group in zip(names, component[: len(names)], strict=True):
        first.setdefault(group, key)
    return [first[component[index]] for index in patient.tolist()]


def _components(size: int, links: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Which group each of `size` things is in, when those that are linked are together."""
    pairs = np.array(links, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    return connected_components(graph, directed=False)[1]


def drop_copies(
    table: pd.DataFrame, notes: list[str]
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Keep one of each picture; none where its labels contradict each other."""
    same: dict[str, list[int]] = {}
    for row, pixels in enumerate(column(table, "pixel_sha256")):
        same.setdefault(pixels, []).append(row)
    kept, refused, (copies, across, conflicts) = _one_of_each(table, same.values(), _DUPLICATE)
    if copies:
        notes.append(f"{copies} exact {plural(copies, 'duplicate')} dropped{_beyond(across)}.")
    if conflicts:
        notes.append(
            f"{conflicts} images refused: the same picture is filed under several classes."
        )
    return kept, refused


def drop_near_copies(
    table: pd.DataFrame, near: NearPairs, notes: list[str]
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Keep one of the films that are nearly the same; none where their labels differ.

    Args:
        table: as for `xraygan.data.splits.assign`, in order of names, every split given.
        near: pairs of its index labels; others are passed over.
        notes: takes a sentence for the user.

    Returns:
        The kept rows, and the refused (name, reason).
    """
    linked = _linked(table, near)
    groups: dict[int, list[int]] = {}
    for row, group in enumerate(_components(len(table), linked)):
        groups.setdefault(int(group), []).append(row)
    kept, refused, (copies, across, conflicts) = _one_of_each(table, groups.values(), _NEAR)
    if copies:
        notes.append(f"{copies} near {plural(copies, 'duplicate')} dropped{_beyond(across)}.")
    if conflicts:
        notes.append(
            f"{conflicts} images refused: nearly the same picture is filed under several classes."
        )
    return kept, refused


def _linked(table: pd.DataFrame, near: NearPairs) -> list[tuple[int, int]]:
    """Positions in a table of the pairs whose both films it holds."""
    rows = {label: row for row, label in enumerate(table.index)}
    return [(rows[a], rows[b]) for a, b in near if a in rows and b in rows]


def _one_of_each(
    table: pd.DataFrame, groups: Iterable[list[int]], reason: str
) -> tuple[pd.DataFrame, list[tuple[str, str]], tuple[int, int, int]]:
    """The first of the highest split of each group, unless its labels differ.

    Returns:
        The kept rows; the refused; how many are spare copies, how many of these were in another
        split than what is kept, and how many are refused for their labels.
    """
    names, labels = column(table, "name"), column(table, "label")
    ranks = [PRECEDENCE[split] for split in column(table, "split")]
    reasons: dict[int, str] = {}
    copies = across = conflicts = 0
    for rows in groups:
        found = sorted({labels[row] for row in rows})
        if len(found) > 1:
            told = f"{reason.removesuffix('as ')}under the labels {' and '.join(found)}"
            reasons.update(dict.fromkeys(rows, told))
            conflicts += len(rows)
            continue
        # Rows are in order of names, so the first of the highest split has the smallest name.
        kept = max(rows, key=lambda row: ranks[row])
        others = [row for row in rows if row != kept]
        reasons.update(dict.fromkeys(others, reason + names[kept]))
        copies += len(others)
        across += sum(ranks[row] != ranks[kept] for row in others)
    kept_rows = [row for row in range(len(table)) if row not in reasons]
    refused = [(names[row], why) for row, why in sorted(reasons.items())]
    return table.iloc[kept_rows].copy(), refused, (copies, across, conflicts)


def _beyond(across: int) -> str:
    return f", {across} of them across splits" if across else ""


def merge_by_pictures(table: pd.DataFrame, notes: list[str]) -> list[str]:
    """Patients' keys, one for all who share a picture; says so in `notes`."""
    before = column(table, "patient")
    after = merge_patients(before, column(table, "pixel_sha256"))
    merged = {old: new for old, new in zip(before, after, strict=True) if old != new}
    if merged:
        groups = len(set(merged.values()))
        notes.append(
            f"{len(merged) + groups} patient names share identical pictures and count as {groups} "
            f"{plural(groups, 'patient')}."
        )
    return after


def merge_near(table: pd.DataFrame, near: NearPairs, notes: list[str]) -> list[str]:
    """Patients' keys, one for all who have nearly the same film, so that no split parts them.

    Args:
        table: as for `drop_near_copies`, with the column `patient`.
        near: as for `drop_near_copies`.
        notes: takes a sentence for the user.
    """
    patients = column(table, "patient")
    linked = _linked(table, near)
    if not linked:
        return patients
    strangers = sum(patients[a] != patients[b] for a, b in linked)
    splits, labels = column(table, "split"), column(table, "label")
    across = sum(splits[a] != splits[b] for a, b in linked)
    differing = sum(labels[a] != labels[b] for a, b in linked)
    told = [f"{strangers} of different patients, who count as one"] if strangers else []
    told += [f"{across} across splits"] if across else []
    told += [f"{differing} under different classes"] if differing else []
    count = "1 pair of films is" if len(linked) == 1 else f"{len(linked)} pairs of films are"
    notes.append(f"{count} nearly the same picture{': ' if told else ''}{', '.join(told)}.")
    owners = [patient for a, b in linked for patient in (patients[a], patients[b])]
    merged = merge_patients(owners, [str(pair // 2) for pair in range(len(owners))])
    key = dict(zip(owners, merged, strict=True))
    return [key.get(patient, patient) for patient in patients]
