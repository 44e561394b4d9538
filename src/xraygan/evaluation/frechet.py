"""Fréchet distance (FID): how far apart two sets of features are, as Gaussians."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.evaluation.intervals import deletion_groups, deletions, jackknife
from xraygan.evaluation.moments import Moments

UNBIASED_FROM = 10_000
"""Images a side below which the bias matters (Chong and Forsyth 2020, arXiv 1911.07023)."""


class Frechet:
    """Distances to one Gaussian.

    |m - m'|² + tr(C + C' - 2 (C^½ C' C^½)^½). The product is symmetric, so that its eigenvalues
    are real and at least 0 up to rounding, also where a covariance is singular. They are taken
    within the space in which C spreads at all, Fᵀ C' F with C = F Fᵀ, which drops only zeros.

    Args:
        reference: moments of at least two rows.

    Source: Dowson and Landau 1982; as a measure of generators Heusel et al. 2017,
    arXiv 1706.08500, equation 6.
    """

    def __init__(self, reference: Moments) -> None:
        self._mean = reference.mean
        covariance = reference.covariance
        self._trace = float(np.trace(covariance))
        values, vectors = np.linalg.eigh(covariance)
        kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
        self._factor = vectors[:, kept] * np.sqrt(values[kept])

    def distance(self, other: Moments) -> float:
        """The squared distance, at least 0, in squared units of the features."""
        covariance = other.covariance
        product = self._factor.T @ covariance @ self._factor
        shared = np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0)).sum()
        gap = self._mean - other.mean
        distance = gap @ gap + self._trace + np.trace(covariance) - 2 * shared
        return max(float(distance), 0.0)


def frechet_distance(a: Moments, b: Moments) -> float:
    """The squared Fréchet distance of two Gaussians with these moments; see `Frechet`."""
    return Frechet(a).distance(b)


@dataclass(frozen=True, eq=False)
class Cloud:
    """A set's features and whose they are.

    Attributes:
        features: [N, D].
        patients: object [N].
    """

    features: NDArray[np.floating]
    patients: NDArray[np.object_]


@dataclass(frozen=True)
class FrechetFigures:
    """FID, and its ratio to the real-against-real one.

    Attributes:
        fid: with the floor where there is a control.
        ratio: FID(control) / FID(synthetic), 1 for a perfect generator; None without a control.
    """

    fid: Estimate
    ratio: Estimate | None


def frechet_figures(
    reference: Cloud, synthetic: Cloud, control: Cloud | None = None, *, seed: int = 0
) -> FrechetFigures:
    """FID of synthetic features against real ones, beside that of other real features.

    FID falls as images are added, by about the trace of the covariance over N: figures below
    10,000 images a side can only be compared at one N. The intervals are delete-a-group
    jackknives, one tenth of the patients left out on every side at once; they do not mend
    the bias, and are not a number where leaving out a group leaves under two images.

    Args:
        reference: real features, N ≥ 4.
        synthetic: features of made images.
        control: real features of other patients, as many as of made images.
        seed: of the groups.

    Returns:
        The figures; n is the smaller of the two sides.

    Raises:
        ValueError: tables of different widths or fewer than two rows.

    Source: the ratio is that of medigan, Osuala et al. 2023, arXiv 2209.14472, section 4.
    """
    sides = [reference, synthetic] + ([control] if control is not None else [])
    count = deletions(*(side.patients for side in sides))
    return figures_of_moments(
        [
            grouped_moments(
                [side.features], deletion_groups(side.patients, count, seed=seed), count
            )
            for side in sides
        ]
    )


def grouped_moments(
    tables: Iterable[NDArray[np.floating]], groups: NDArray[np.intp], count: int
) -> list[Moments]:
    """The moments of each group of rows, of features that come table by table.

    Args:
        tables: [n, D] each, one or more: N rows in all.
        groups: the group of each row, 0 to count - 1, [N].
        count: how many groups.

    Raises:
        ValueError: tables of different widths.
    """
    parts: list[Moments] = []
    start = 0
    for table in tables:
        group = groups[start : start + len(table)]
        start += len(table)
        found = [Moments.of(table[group == number]) for number in range(count)]
        parts = [a.merge(b) for a, b in zip(parts, found, strict=True)] if parts else found
    return parts


def figures_of_moments(sides: Sequence[list[Moments]]) -> FrechetFigures:
    """FID of sets that are known by the moments of their groups of patients.

    Args:
        sides: of the reference, of made images and, where there is one, of a control; each has
            as many groups.

    Returns:
        As `frechet_figures` does.

    Raises:
        ValueError: features of different widths or fewer than two rows on a side.
    """
    wholes = [reduce(Moments.merge, parts) for parts in sides]
    values = _distances(wholes)
    count = len(sides[0])
    left = (whole.n - max(p.n for p in parts) for whole, parts in zip(wholes, sides, strict=True))
    if min(left) < 2:
        count = 0  # without its largest group of patients a side has no covariance
    without = np.array(
        [
            _distances(
                [whole.without(parts[left_out]) for whole, parts in zip(wholes, sides, strict=True)]
            )
            for left_out in range(count)
        ]
    ).reshape(-1, len(sides) - 1)
    n = min(whole.n for whole in wholes[:2])
    found = [jackknife(v, without[:, i], n, least=0.0) for i, v in enumerate(values)]
    if len(sides) == 2 or not values[0] > 0:
        return FrechetFigures(found[0] if len(sides) == 2 else found[0].beside(found[1]), None)
    ratio = jackknife(values[1] / values[0], without[:, 1] / without[:, 0], n, least=0.0)
    return FrechetFigures(found[0].beside(found[1]), replace(ratio, floor=1.0))


def _distances(moments: list[Moments]) -> list[float]:
    """From the first to each of the others."""
    frechet = Frechet(moments[0])
    return [frechet.distance(other) for other in moments[1:]]
