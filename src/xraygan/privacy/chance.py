"""How near honest images come by chance, and what is nearer than that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TAIL_SHARE = 0.1
_LEAST_IN_TAIL = 8
_TAIL_CONFIDENCE = 0.95
_QUANTILES = 200
_STYLE_LEVELS = (0.9, 0.97)


@dataclass(frozen=True)
class Tail:
    """The upper tail of log ratios or leads of honest images, extrapolated as an exponential.

    Those of films fall off faster than an exponential far out, so the levels are on the
    safe side; the slope is an upper confidence limit for the same reason.

    Attributes:
        start: where the tail begins.
        count: how many values are beyond the start.
        n: how many values there are.
        total: sum of the excesses over the start.
    """

    start: float
    count: int
    n: int
    total: float

    @classmethod
    def fit(cls, values: NDArray[np.floating]) -> "Tail":
        """Fit to at least two independent values; the highest tenth makes the tail.

        Raises:
            ValueError: fewer than two values.

        Source: peaks over threshold, Davison and Smith 1990; the limit of an exponential mean
        by chi-squared, Epstein and Sobel 1953.
        """
        if len(values) < 2:
            raise ValueError(f"{len(values)} values: a tail needs at least 2")
        count = min(max(round(_TAIL_SHARE * len(values)), _LEAST_IN_TAIL), len(values) - 1)
        ordered = np.sort(values)[::-1]
        start = float(ordered[count])
        return cls(start, count, len(values), float((ordered[:count] - start).sum()))

    def level(self, probability: float) -> float:
        """The value that an honest image passes with this probability, at most `count / n`."""
        from scipy.stats import chi2

        fall = max(float(np.log(self.count / self.n / probability)), 0.0)
        slope = 2 * self.total / float(chi2.ppf(1 - _TAIL_CONFIDENCE, 2 * self.count))
        # How often an excess is passed that count others sum up to, their slope unknown:
        # (1 + x / total) ^ -count. Of few excesses that is the farther one.
        predicted = self.total * float(np.expm1(fall / self.count))
        return self.start + max(slope * fall, predicted)

    def chances(self, level: float) -> NDArray[np.float64]:
        """What the probability of passing a level beyond the start may be, equally likely each.

        The share beyond the start is Beta(count + 1, n - count), and an exponential tail whose
        excesses have this sum has the slope total / Gamma(count).
        """
        from scipy.stats import beta, gamma

        middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        shares = beta.ppf(middles, self.count + 1, self.n - self.count)
        slopes = self.total / gamma.ppf(middles, self.count)
        falls = np.exp(-(level - self.start) / np.maximum(slopes, 1e-12))
        return np.outer(shares, falls).ravel()


def style_factor(synthetic: NDArray[np.floating], real: NDArray[np.floating]) -> float:
    """How much larger log ratios or leads of a generator's images run than those of real ones.

    Both are measured against held-out patients, whom no generator can have copied: soft or
    noisy images may lie in another proportion to their neighbours than films do, and that is
    style, not copying.

    Args:
        synthetic: those of synthetic images against held-out patients.
        real: those of training images against the same patients.

    Returns:
        The larger quotient of the two upper quantiles (.9 and .97), at least 1.
    """
    high = [np.quantile(values, _STYLE_LEVELS) for values in (synthetic, real)]
    return max(1.0, float((high[0] / np.maximum(high[1], 1e-6)).max()))


@dataclass(frozen=True)
class Excess:
    """Whether more synthetic images pass a level than chance lets pass.

    Attributes:
        level: the lead that a share `chance` of real images pass.
        chance: that share.
        found: how many different patients are the nearest of an image that passes.
        n: synthetic images looked at.
        p_value: the probability of as many by chance.
    """

    level: float
    chance: float
    found: int
    n: int
    p_value: float


def excess(
    leads: NDArray[np.floating],
    patients: NDArray[np.integer],
    null: NDArray[np.floating],
    chance: float,
    style: float = 1.0,
) -> Excess:
    """Count the patients imitated more closely than chance, and how surprising that is.

    Patients are counted, not images: a generator with few modes may repeat one lucky image a
    hundred times. The level is the r-th largest of the R null values. Were the synthetic images
    drawn like them, the share that passes would be Beta(r, R - r + 1), the count beta-binomial,
    and the count of different patients no larger.

    Args:
        leads: [N] of synthetic images.
        patients: int [N], each one's nearest patient.
        null: [R] independent leads of real images.
        chance: share of null values that pass; r = max(1, round(chance * R)).
        style: the level is raised by this factor.

    Returns:
        The excess.

    Source: the number of exceedances, Gumbel and von Schelling 1950.
    """
    from scipy.stats import betabinom

    rank = max(1, round(chance * len(null)))
    level = style * float(np.sort(null)[-rank])
    found = len(np.unique(patients[leads > level]))
    n = len(leads)
    p_value = float(betabinom.sf(found - 1, n, rank, len(null) - rank + 1))
    return Excess(level, rank / len(null), found, n, p_value)


def far_excess(
    leads: NDArray[np.floating],
    patients: NDArray[np.integer],
    tail: Tail,
    chance: float,
    style: float = 1.0,
) -> Excess:
    """The same at a level in the tail that hardly any of the null values reach.

    Copies under strong noise lie there in numbers while not one is certain. The count is
    binomial, averaged over what its probability may be.

    Args:
        leads: [N] of synthetic images.
        patients: int [N], each one's nearest patient.
        tail: of the null values.
        chance: the share of real images that pass the level, at most that of the tail.
        style: the level is raised by this factor.

    Returns:
        The excess.
    """
    from scipy.stats import binom

    level = tail.level(chance)
    found = len(np.unique(patients[leads > style * level]))
    n = len(leads)
    p_value = float(binom.sf(found - 1, n, tail.chances(level)).mean())
    return Excess(style * level, chance, found, n, p_value)
