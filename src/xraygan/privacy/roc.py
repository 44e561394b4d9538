"""How well scores tell members from others: area, hits at few false alarms, and chance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate, bootstrap, proportion, uncertain
from xraygan.evaluation.intervals import mean_with_interval

PERMUTATIONS = 4000
_AT_ONCE = 1 << 22  # films times permutations


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
    """The area with an interval over patients, drawn again as wholes."""
    member = suspects.member
    found = bootstrap(lambda rows: area(member[rows], scores[rows]), suspects.patients, seed=seed)
    return uncertain(
        found, min(len(set(suspects.patients[each].tolist())) for each in (member, ~member))
    )


def hits_at(
    suspects: Suspects, scores: NDArray[np.floating], false_alarms: float, *, seed: int = 0
) -> Estimate:
    """The share of members above the level that so many others pass, with its interval.

    The level is the highest that at most `false_alarms` of the others are above; images at the
    level do not count. The interval takes it as given and is over members' patients, drawn again
    as wholes; where each has one film it is exact.

    Args:
        suspects: members and others.
        scores: [N].
        false_alarms: share of others, such as 0.01.
        seed: of the resampling.

    Returns:
        The share; n is the number of members. Not a number where there are fewer than
        1 / false_alarms others: then no level is known.

    Source: Carlini et al. 2022, arXiv 2112.03570; the exact interval is Clopper and Pearson's.
    """
    member = suspects.member
    others = np.sort(scores[~member])[::-1]
    inside = int(member.sum())
    if not _countable(member, false_alarms) or not inside:
        return Estimate(float("nan"), float("nan"), float("nan"), inside)
    level = others[int(np.floor(len(others) * false_alarms + 1e-9))]
    hit, patients = scores[member] > level, suspects.patients[member]
    if len(set(patients.tolist())) == inside:
        return proportion(int(hit.sum()), inside)
    return mean_with_interval(hit, patients, seed=seed)


def _countable(member: NDArray[np.bool_], false_alarms: float) -> bool:
    """Whether there are enough others for a level that so few of them pass."""
    return bool((~member).sum() * false_alarms >= 1 - 1e-9)


@dataclass(frozen=True, eq=False)
class Surprise:
    """How surprising the figures of all attacks are, had no image been a member.

    Attributes:
        area: attack to the adjusted p-value of its area.
        hits: attack to that of its hits at the false-alarm rate; 1 where there are too few others
            for hits to be counted, which then cost the areas nothing.
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
    countable = _countable(suspects.member, false_alarms)
    rate = false_alarms if countable else None
    figures = np.concatenate([_figures(sides, v, rate) for v in scores.values()])
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
    areas, hits = adjusted, np.ones(len(scores))
    if countable:
        areas, hits = adjusted[0::2], adjusted[1::2]
    return Surprise(
        dict(zip(scores, areas.tolist(), strict=True)),
        dict(zip(scores, hits.tolist(), strict=True)),
    )


@dataclass(frozen=True, eq=False)
class _Sides:
    """Who is a member: first as it is, then with patients permuted.

    In bits, by patient: a truth value for each of 100,000 films would make 400 MB.

    Attributes:
        bits: uint8 [1 + PERMUTATIONS, P / 8], patients of one stratum together.
        place: int [N], which bit is that of each image's patient.
    """

    bits: NDArray[np.uint8]
    place: NDArray[np.intp]

    def blocks(self) -> Iterator[NDArray[np.bool_]]:
        """Membership of images, bool [some, N] each, all permutations in order."""
        step = max(_AT_ONCE // len(self.place), 1)
        for start in range(0, len(self.bits), step):
            unpacked = np.unpackbits(self.bits[start : start + step], axis=1)
            yield unpacked.view(bool)[:, self.place]


def _permuted_sides(suspects: Suspects, seed: int) -> _Sides:
    keys, first, of = np.unique(
        suspects.patients.astype(str), return_index=True, return_inverse=True
    )
    member, strata = suspects.member[first], suspects.strata[first]
    generator = np.random.default_rng(seed)
    place, of_strata, end = np.empty(len(keys), np.intp), [], 0
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        place[rows] = end + np.arange(len(rows))
        packed = [np.packbits(member[None, rows], axis=1)]
        step = max(_AT_ONCE // len(rows), 1)
        for start in range(0, PERMUTATIONS, step):
            labels = np.tile(member[rows], (min(step, PERMUTATIONS - start), 1))
            packed.append(np.packbits(generator.permuted(labels, axis=1), axis=1))
        of_strata.append(np.concatenate(packed))
        end += 8 * of_strata[-1].shape[1]
    return _Sides(np.concatenate(of_strata, axis=1), place[of])


def _figures(
    sides: _Sides, scores: NDArray[np.floating], false_alarms: float | None
) -> NDArray[np.float64]:
    """Area and hits, [2, 1 + PERMUTATIONS]; the area alone, [1, …], without false alarms."""
    blocks = []
    for rows in sides.blocks():
        hits = [] if false_alarms is None else [_hits(rows, scores, false_alarms)]
        blocks.append([_areas(rows, scores), *hits])
    return np.concatenate(blocks, axis=1)


def _areas(sides: NDArray[np.bool_], scores: NDArray[np.floating]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    inside = sides.sum(axis=1)
    totals = sides.astype(np.float64) @ rankdata(scores)
    outside = sides.shape[1] - inside
    return (totals - inside * (inside + 1) / 2) / np.maximum(inside * outside, 1)


def _hits(
    sides: NDArray[np.bool_], scores: NDArray[np.floating], false_alarms: float
) -> NDArray[np.float64]:
    """Members above the level, as a share, for each row; ties at the level do not count."""
    descending = np.argsort(-scores, kind="stable")
    values = scores[descending]
    alarms = np.cumsum(~sides[:, descending], axis=1, dtype=np.int32)
    outside = alarms[:, -1]
    allowed = np.floor(outside * false_alarms + 1e-9)
    level = (alarms > allowed[:, None]).argmax(axis=1)
    above = np.searchsorted(-values, -values[level], side="left")
    hits = np.where(above > 0, above - alarms[np.arange(len(above)), np.maximum(above - 1, 0)], 0)
    return hits / np.maximum(sides.shape[1] - outside, 1)
