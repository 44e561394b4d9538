"""Count, mean and scatter of features, in pieces that add up to the whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Moments:
    """What a Gaussian needs to know of a set of features.

    Moments of shards, merged in any order, equal the moments of the whole to rounding, so that
    any number of workers give one figure and any number of images needs the memory of one table.

    Attributes:
        n: how many rows were counted.
        mean: float64 [D].
        scatter: float64 [D, D], the sum of outer products of deviations from the mean.
    """

    n: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> "Moments":
        """The moments of a table, read a thousand rows at a time.

        Args:
            features: [N, D]; may be a memory map.

        Raises:
            ValueError: not a table.
        """
        if features.ndim != 2:
            raise ValueError(f"features of shape {features.shape}: expected [N, D]")
        width = features.shape[1]
        whole = cls(0, np.zeros(width), np.zeros((width, width)))
        for start in range(0, len(features), _ROWS_AT_ONCE):
            part = np.asarray(features[start : start + _ROWS_AT_ONCE], np.float64)
            mean = part.mean(axis=0)
            deviations = part - mean
            whole = whole.merge(cls(len(part), mean, deviations.T @ deviations))
        return whole

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets together.

        Raises:
            ValueError: features of another width.

        Source: Chan, Golub and LeVeque 1979, equation 2.1, for several variables.
        """
        self._check(other)
        n = self.n + other.n
        if n == 0:
            return self
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.n / n)
        between = np.outer(gap, gap) * (self.n * other.n / n)
        return Moments(n, mean, self.scatter + other.scatter + between)

    def without(self, part: "Moments") -> "Moments":
        """The moments of what is left when a part of the set is taken out: undoes `merge`.

        Raises:
            ValueError: features of another width, or a part that leaves nothing.
        """
        self._check(part)
        n = self.n - part.n
        if n < 1:
            raise ValueError(f"{part.n} rows taken out of {self.n}: nothing is left")
        mean = self.mean + (self.mean - part.mean) * (part.n / n)
        gap = part.mean - mean
        between = np.outer(gap, gap) * (n * part.n / self.n)
        return Moments(n, mean, self.scatter - part.scatter - between)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Unbiased covariance [D, D].

        Raises:
            ValueError: fewer than two rows.
        """
        if self.n < 2:
            raise ValueError(f"covariance of {self.n} rows: it needs at least 2")
        return self.scatter / (self.n - 1)

    def _check(self, other: "Moments") -> None:
        if self.mean.shape != other.mean.shape:
            raise ValueError(
                f"features of {len(self.mean)} and {len(other.mean)} numbers a row: expected one"
            )
