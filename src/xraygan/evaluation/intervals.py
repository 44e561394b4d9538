"""95 % intervals in which patients, not images, are the independent cases."""

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import CONFIDENCE, Estimate, uncertain

RESAMPLES = 200
DELETIONS = 10

_TAIL = (1 - CONFIDENCE) / 2


def case_numbers(groups: NDArray[np.object_]) -> NDArray[np.intp]:
    """The group of each record as a number from 0 up, [N]."""
    return np.unique(groups.astype(str), return_inverse=True)[1]


def resampled_weights(
    groups: NDArray[np.object_], *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """How often each record is drawn when groups are drawn with replacement.

    Args:
        groups: [N], equal for records of one patient.
        resamples: how many draws of as many groups as there are.
        seed: of the draws.

    Returns:
        float64 [resamples, N].

    Source: Davison and Hinkley 1997, section 3.8.
    """
    case = case_numbers(groups)
    count = int(case.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    return drawn[:, case].astype(np.float64)


def percentile_interval(value: float, drawn: NDArray[np.floating], n: int) -> Estimate:
    """A figure with the middle 95 % of its resampled values."""
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return Estimate(value, float(low), float(high), n)


def mean_with_interval(values: NDArray, groups: NDArray[np.object_], *, seed: int = 0) -> Estimate:
    """The mean of what was found for each image, with its bootstrap interval by patient.

    Where every image has the same answer, 0 or 1, no resampling can say how far the truth may
    lie from it: then the exact interval for as many trials as there are groups is given. Images of
    one patient say nothing about others: both ends are not a number then.

    Args:
        values: [N], numbers or booleans.
        groups: [N], equal for images of one patient.
        seed: of the bootstrap.

    Returns:
        The mean; n is N.
    """
    numbers = np.asarray(values, np.float64)
    cases = int(case_numbers(groups).max()) + 1
    if cases < 2:
        return Estimate(float(numbers.mean()), float("nan"), float("nan"), len(numbers))
    weights = resampled_weights(groups, seed=seed)
    drawn = weights @ numbers / weights.sum(axis=1)
    found = percentile_interval(float(numbers.mean()), drawn, len(numbers))
    return uncertain(found, cases) if values.dtype == bool else found


def deletion_groups(groups: NDArray[np.object_], count: int, *, seed: int = 0) -> NDArray[np.intp]:
    """Which of `count` sets of whole patients each record is in, [N], at random."""
    case = case_numbers(groups)
    shuffled = np.random.default_rng(seed).permutation(int(case.max()) + 1)
    return (shuffled % count)[case]


def deletions(*sides: NDArray[np.object_]) -> int:
    """How many sets of patients can be left out in turn: ten, or the fewest patients of a side."""
    return min(DELETIONS, *(int(case_numbers(side).max()) + 1 for side in sides))


def jackknife(
    value: float, without: NDArray[np.floating], n: int, *, least: float = -np.inf
) -> Estimate:
    """A figure with the interval that follows from leaving out one set of patients at a time.

    It is the spread over other patients and other draws of the generator; a bias that comes
    with the number of images is in the figure and in both ends alike.

    Args:
        value: the figure on everything.
        without: [G], the figure with each of G sets of equal size left out.
        n: how many images it was measured on.
        least: what the figure cannot be below.

    Returns:
        value ± t · standard error; both ends are not a number where G < 2.

    Source: delete-a-group jackknife, Kott 2001, Journal of Official Statistics 17, section 2.
    """
    from scipy.special import stdtrit

    count = len(without)
    if count < 2:
        return Estimate(value, float("nan"), float("nan"), n)
    error = np.sqrt((count - 1) * np.var(without))
    reach = float(stdtrit(count - 1, 1 - _TAIL) * error)
    return Estimate(value, max(value - reach, least), value + reach, n)
