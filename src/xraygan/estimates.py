"""A figure with its interval, its count, and what perfect would have been."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """One measured figure.

    Attributes:
        value: the figure.
        low: lower end of the 95 % interval.
        high: upper end.
        n: how many images (or pairs, or runs) it was measured on.
        floor: the same figure for real images against real ones of other patients, in sets
            of the same size: what a perfect generator would show. None where there is none.
        floor_low: lower end of the floor's 95 % interval.
        floor_high: upper end.
        feature_space: where distances were measured; None for measures of pixels.
    """

    value: float
    low: float
    high: float
    n: int
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None
    feature_space: str | None = None

    def beside(self, floor: "Estimate") -> "Estimate":
        """This figure with the real-against-real one beside it."""
        return replace(self, floor=floor.value, floor_low=floor.low, floor_high=floor.high)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; a figure that is not finite becomes null, since JSON has no name for it."""
        return {
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def proportion(successes: int, n: int) -> Estimate:
    """A share with its exact 95 % interval.

    Args:
        successes: 0 to n.
        n: trials, at least 1.

    Returns:
        The share; the interval covers the truth in at least 95 % of samples.

    Raises:
        ValueError: successes outside 0 to n, or no trial.

    Source: Clopper and Pearson 1934, Biometrika 26.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}: expected 0 to n successes of at least one trial")
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, successes, n - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, n - successes)) if successes < n else 1.0
    return Estimate(successes / n, low, high, n)


def uncertain(estimate: Estimate, cases: int) -> Estimate:
    """A share of 0 or 1 that no resample changed, with the exact interval for as many cases.

    Args:
        estimate: a figure in [0, 1] with an interval from resampling.
        cases: independent ones, such as patients of the smaller side.

    Returns:
        The estimate as it is wherever resampling gave its interval some width.
    """
    if not estimate.low == estimate.high == estimate.value or estimate.value not in (0, 1):
        return estimate
    exact = proportion(cases if estimate.value else 0, cases)
    return replace(estimate, low=exact.low, high=exact.high)


def unseen(cases: int) -> float:
    """The largest share of cases that may well be otherwise though none of so many is."""
    return 1 - proportion(cases, cases).low


def widened(estimate: Estimate, slack: float, least: float = 0.0) -> Estimate:
    """An estimate that no resample changed, its interval as wide as `slack` on either side.

    Args:
        estimate: a figure of at most 1 with an interval from resampling.
        slack: how much the figure moves with what may go unseen.
        least: the least value that the figure can have.

    Returns:
        The estimate, within [least, 1]; else as it is where its interval has some width.
    """
    by = slack if estimate.low == estimate.high else 0.0
    return replace(estimate, low=max(estimate.low - by, least), high=min(estimate.high + by, 1.0))


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: NDArray[np.object_],
    *,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """A statistic of N records with its percentile interval, groups drawn as wholes.

    Args:
        statistic: from row numbers [n] (with repetition) to the figure.
        groups: [N], equal for records of one patient.
        resamples: how many times groups are drawn again with replacement.
        seed: of the draws.

    Returns:
        The statistic over all rows; n is N.

    Raises:
        ValueError: no record.

    Source: Efron 1979; drawing whole clusters, Davison and Hinkley 1997, section 3.8.
    """
    if not len(groups):
        raise ValueError("no record to measure")
    _, group_of = np.unique(groups.astype(str), return_inverse=True)
    order = np.argsort(group_of, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group_of))[:-1])
    generator = np.random.default_rng(seed)
    drawn = [
        statistic(
            np.concatenate([members[g] for g in generator.integers(0, len(members), len(members))])
        )
        for _ in range(resamples)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(statistic(np.arange(len(groups))), float(low), float(high), len(groups))
