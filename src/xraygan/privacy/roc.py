"""How well scores tell members from others: area, hits at few false alarms, and chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate, bootstrap, proportion, uncertain

PERMUTATIONS = 4000


@dataclass(frozen=True, eq=False)
class Suspects:
    """The images that attacks are tried on.

    Attributes:
        member: bool [N], whether it was trained on.
        patients: object [N], equal for films of one patient; none has both kinds.
        strata: int [N], equal where images may stand in for one another (class and fold).
    """

    member: NDArray[np.bool_]
    patients: NDArray[np.object_]
    strata: NDArray[np.intp]


def area(member: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """The chance that a member scores higher than another image, ties counted half.

    Returns:
        [0, 1]; NaN without a member or without another image.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    from scipy.stats import rankdata

    inside = int(member.sum())
    outside = len(member) - inside
    if not inside or not outside:
        return float("nan")
    total = float(rankdata(scores)[member].sum())
    return (total - inside * (inside + 1) / 2) / (inside * outside)


def area_with_interval(
    suspects: Suspects, scores: NDArray[np.floating], *, seed: int = 0
) -> Estimate:
    """The area with an interval over patients, drawn again as wholes on each side."""
    sides = np.array(
        [f"{int(m)}{p}" for m, p in zip(suspects.member, suspects.patients, strict=True)], object
    )
    found = bootstrap(lambda rows: area(suspects.member[rows], scores[rows]), sides, seed=seed)
    member = suspects.member
    return uncertain(
        found, min(len(set(suspects.patients[each].tolist())) for each in (member, ~member))
    )


def hits_at(
    member: NDArray[np.bool_], scores: NDArray[np.floating], false_alarms: float
) -> Estimate:
    """The share of members above the level that so many others pass, with its exact interval.

    The level is the highest that at most `false_alarms` of the others are above; images at the
    level do not count.

    Args:
        member: bool [N].
        scores: [N].
        false_alarms: share of others, such as 0.01.

    Returns:
        The share; n is the number of members. Not a number where there are fewer than
        1 / false_alarms others: then no level is known.

    Source: Carlini et al. 2022, arXiv 2112.03570; the interval is Clopper and Pearson's.
    """
    others = np.sort(scores[~member])[::-1]
    inside = int(member.sum())
    if len(others) * false_alarms < 1 - 1e-9 or not inside:
        return Estimate(float("nan"), float("nan"), float("nan"), inside)
    level = others[int(np.floor(len(others) * false_alarms + 1e-9))]
    return proportion(int((scores[member] > level).sum()), inside)


@dataclass(frozen=True, eq=False)
class Surprise:
    """How surprising the figures of all attacks are, had no image been a member.

    Attributes:
        area: attack to the adjusted p-value of its area.
        hits: attack to that of its hits at the false-alarm rate.
    """

    area: Mapping[str, float]
    hits: Mapping[str, float]


def surprise(
    suspects: Suspects,
    scores: Mapping[str, NDArray[np.floating]],
    false_alarms: float,
    *,
    seed: int = 0,
) -> Surprise:
    """Permutation test over patients within strata, adjusted over all attacks and figures.

    Patients with all their films change sides; each figure's p-value is its place among the
    permuted ones, and the adjusted p-value is the share of permutations whose *smallest* p-value
    is as small. So the chance that any attack seems to work on exchangeable patients is the
    level, however many attacks there are and however alike. Of equal p-values the one further
    out, in standard deviations of its figure, is the smaller: or each attack's luckiest
    permutation would tie with the strongest leak, and no more could be said than
    attacks / PERMUTATIONS.

    Args:
        suspects: members and others.
        scores: attack to [N], higher for members.
        false_alarms: at which hits are counted.
        seed: of the permutations.

    Returns:
        Adjusted p-values, at least 1 / (PERMUTATIONS + 1).

    Source: Westfall and Young 1993, minP (single step); the ties are broken by our own rule,
    the same for what was observed and what was permuted.
    """
    sides = _permuted_sides(suspects, seed)
    figures = np.stack(
        [
            figure
            for values in scores.values()
            for figure in (_areas(sides, values), _hits(sides, values, false_alarms))
        ]
    )
    # Column 0 is what was observed; a figure's p-value is its place among all columns.
    p_values = np.stack(
        [
            (len(row) - np.searchsorted(np.sort(row), row - 1e-12, side="left")) / len(row)
            for row in figures
        ]
    )
    spread = np.maximum(figures.std(axis=1, keepdims=True), 1e-12)
    distance = (figures - figures.mean(axis=1, keepdims=True)) / spread
    ties = (1 + distance / (1 + np.abs(distance))) / 2  # in (0, 1): less than one place
    strange = -p_values + ties / (2 * figures.shape[1])
    strangest = np.sort(strange.max(axis=0))
    beyond = np.searchsorted(strangest, strange[:, 0] - 1e-12, side="left")
    adjusted = 1 - beyond / len(strangest)
    names = list(scores)
    return Surprise(
        dict(zip(names, adjusted[0::2].tolist(), strict=True)),
        dict(zip(names, adjusted[1::2].tolist(), strict=True)),
    )


def _permuted_sides(suspects: Suspects, seed: int) -> NDArray[np.bool_]:
    """Who is a member, [1 + PERMUTATIONS, N]: first as it is, then with patients permuted."""
    keys, first, of = np.unique(
        suspects.patients.astype(str), return_index=True, return_inverse=True
    )
    member, strata = suspects.member[first], suspects.strata[first]
    generator = np.random.default_rng(seed)
    sides = np.empty((1 + PERMUTATIONS, len(keys)), bool)
    sides[0] = member
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        labels = np.tile(member[rows], (PERMUTATIONS, 1))
        sides[1:, rows] = generator.permuted(labels, axis=1)
    return sides[:, of]


def _areas(sides: NDArray[np.bool_], scores: NDArray[np.floating]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    inside = sides.sum(axis=1).astype(np.float64)
    totals = sides.astype(np.float32) @ rankdata(scores).astype(np.float32)
    outside = sides.shape[1] - inside
    return (totals - inside * (inside + 1) / 2) / np.maximum(inside * outside, 1)


def _hits(
    sides: NDArray[np.bool_], scores: NDArray[np.floating], false_alarms: float
) -> NDArray[np.float64]:
    """Members above the level, as a share, for each row; ties at the level do not count."""
    descending = np.argsort(-scores, kind="stable")
    ordered, values = sides[:, descending], scores[descending]
    allowed = np.floor((~ordered).sum(axis=1) * false_alarms + 1e-9)
    level = ((~ordered).cumsum(axis=1) > allowed[:, None]).argmax(axis=1)
    above = np.searchsorted(-values, -values[level], side="left")
    counted = ordered.cumsum(axis=1)
    hits = np.where(above > 0, counted[np.arange(len(above)), np.maximum(above - 1, 0)], 0)
    return hits / np.maximum(ordered.sum(axis=1), 1)
