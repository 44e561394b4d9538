"""How much nearer the nearest patient is than the next ones: the calibrated ratio and the lead."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.privacy.views import View

NEIGHBOURS = 10
_QUERIES_AT_ONCE = 256
_LEAST_DISTANCE = 1e-3  # float32 cosines of equal images differ from 1 by up to 1e-6
_LONGEST = float(np.sqrt(6))  # beyond any distance between unit vectors, 2


@dataclass(frozen=True, eq=False)
class References:
    """Described images of known patients.

    Attributes:
        described: float32 [M, K].
        patients: int [M], equal numbers for films of one patient, 0 to P - 1.
        order: int [M], sorts images by patient.
        starts: int [P], where each patient begins in that order.
    """

    described: NDArray[np.float32]
    patients: NDArray[np.intp]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, described: NDArray[np.float32], patients: NDArray[np.intp]) -> "References":
        """Put in order; patients are numbered from 0 without a gap."""
        order = np.argsort(patients, kind="stable")
        starts = np.searchsorted(patients[order], np.arange(patients.max() + 1))
        return cls(described, patients, order, starts)

    @property
    def count(self) -> int:
        """How many patients."""
        return len(self.starts)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Where each query's nearest patient is, and how far ahead of the others.

    Attributes:
        log_ratio: float64 [Q], -log(d1 / mean(d2 ... dk)) of the distances to the k nearest
            patients: 0 where the nearest is no nearer than the rest, large for a copy.
        lead: float64 [Q], the nearest patient's cosine less the mean of the next ones'.
        similarity: float32 [Q], the nearest image's cosine.
        index: int [Q], the nearest image.
        patient: int [Q], its patient.
        candidates: int [Q, C], the nearest images in order, of any patient.
    """

    log_ratio: NDArray[np.float64]
    lead: NDArray[np.float64]
    similarity: NDArray[np.float32]
    index: NDArray[np.intp]
    patient: NDArray[np.intp]
    candidates: NDArray[np.intp]

    @property
    def ratio(self) -> NDArray[np.float64]:
        """d1 / mean(d2 ... dk), [Q]."""
        return np.exp(-self.log_ratio)


def nearest_patients(
    view: View,
    queries: NDArray,
    references: References,
    *,
    own: NDArray[np.intp] | None = None,
    candidates: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Nearest:
    """The nearest patient of each query, with the calibrated ratio.

    Distance is sqrt(2 - 2 cosine), the distance between unit vectors; a patient is as near as
    the nearest of their films, so that several films of one patient do not stand in for
    neighbours.

    Args:
        view: how to compare.
        queries: what the view takes, [Q, ...].
        references: of at least three patients.
        own: int [Q], the patient that a query may not find (its own); None: all may be found.
        candidates: how many nearest images to list, at most M.
        progress: called with the number of queries done since the last call.

    Returns:
        The neighbours.

    Raises:
        ValueError: fewer than three patients.

    Source: Carlini et al. 2023, arXiv 2301.13188 (distance to the nearest over the mean distance
    to the next ones); counting by patient is ours.
    """
    if references.count < 3:
        raise ValueError(f"{references.count} patients: a ratio needs at least 3")
    parts = []
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        rows = slice(start, start + _QUERIES_AT_ONCE)
        similarity = view.similarity(queries[rows], references.described)
        if own is not None:
            similarity[own[rows, None] == references.patients] = -2
        parts.append(_nearest(similarity, references, min(candidates, len(references.patients))))
        if progress:
            progress(len(similarity))
    if not parts:
        return _nearest(np.empty((0, len(references.patients)), np.float32), references, 1)
    return Nearest(*(np.concatenate([getattr(p, f) for p in parts]) for f in _FIELDS))


_FIELDS = ("log_ratio", "lead", "similarity", "index", "patient", "candidates")


def _nearest(similarity: NDArray[np.float32], references: References, count: int) -> Nearest:
    by_patient = np.maximum.reduceat(similarity[:, references.order], references.starts, axis=1)
    # The own patient, at -2, is in sight only where there are no others.
    taken = min(NEIGHBOURS, references.count - 1)
    top = -np.sort(np.partition(-by_patient, taken - 1, axis=1)[:, :taken], axis=1)
    cosine = top.astype(np.float64)
    distance = np.sqrt(np.clip(2 - 2 * cosine, _LEAST_DISTANCE**2, _LONGEST**2))
    if count < similarity.shape[1]:
        candidates = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    else:
        candidates = np.broadcast_to(np.arange(count), similarity.shape).copy()
    values = np.take_along_axis(similarity, candidates, axis=1)
    candidates = np.take_along_axis(candidates, np.argsort(-values, axis=1, kind="stable"), axis=1)
    index = candidates[:, 0]
    return Nearest(
        log_ratio=-np.log(distance[:, 0] / distance[:, 1:].mean(axis=1)),
        lead=cosine[:, 0] - cosine[:, 1:].mean(axis=1),
        similarity=np.take_along_axis(similarity, index[:, None], axis=1)[:, 0],
        index=index,
        patient=references.patients[index],
        candidates=candidates,
    )
