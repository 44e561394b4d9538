"""Kernel distance (KID): how far two sets of features are apart, without bias."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.evaluation.intervals import case_numbers

_ROWS_AT_ONCE = 512
_LEAST = 4


def kernel_distance(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    *,
    subsets: int = 100,
    seed: int = 0,
) -> Estimate:
    """The distance of x from the reference y; see `Kernel`.

    Args:
        x: [N, D] features, each of a patient of its own.
        y: [M, D] features, likewise.
        subsets: as for `Kernel`.
        seed: as for `Kernel`.

    Raises:
        ValueError: as `Kernel` and `Kernel.distance`.
    """
    return Kernel(y, subsets=subsets, seed=seed).distance(x)


class Kernel:
    """Unbiased squared MMD to one reference, with the kernel k(a, b) = (a·b / d + 1)³.

    Standardise all sets by the same reference first. For the floor, take the distance of
    real images of other patients. Within a set only images of different patients are paired:
    films of one patient are alike, and would pass for a distance.

    The interval comes from halves drawn without replacement, of patients where they are known:
    a subset of m out of n patients scatters around the whole by sqrt(1/m − 1/n) where a new
    sample of n would by sqrt(1/n), and the deviations are scaled accordingly; for halves the
    factor is one. It is too wide by up to √3 where the sets do not differ. Of fewer than four
    patients everything is by image, and the interval says how much other images would change alone.

    Args:
        reference: [M, D] features.
        patients: object [M], equal for images of one patient; None: each is of its own.
        subsets: how many halves the interval is read from, at least 2.
        seed: of the halves; the value does not depend on it.

    Raises:
        ValueError: no table, fewer than 4 rows, or fewer than 2 subsets.

    Source: Bińkowski et al. 2018, arXiv 1801.01401, section 4; the estimator is
    Gretton et al. 2012, equation 3; the interval Politis and Romano 1994.
    """

    def __init__(
        self,
        reference: NDArray[np.floating],
        patients: NDArray[np.object_] | None = None,
        *,
        subsets: int = 100,
        seed: int = 0,
    ) -> None:
        if subsets < 2:
            raise ValueError(f"subsets is {subsets}: an interval needs at least 2")
        self._subsets, self._seed = subsets, seed
        self._reference = _extended(reference)
        case = _cases(len(reference), patients)
        self._chosen, self._factor = self._drawn(case, 0)
        self._within = _mean_within(self._reference, self._chosen, case)

    def distance(
        self, features: NDArray[np.floating], patients: NDArray[np.object_] | None = None
    ) -> Estimate:
        """Of features [N, D] of these patients; n is min(N, M).

        The value is the unbiased squared maximum mean discrepancy over all images: it may be
        slightly negative where the sets do not differ.

        Raises:
            ValueError: a table of another width, or fewer than 4 rows.
        """
        y = _extended(features)
        if y.shape[1] != self._reference.shape[1]:
            raise ValueError(
                f"features of widths {y.shape[1] - 1} and {self._reference.shape[1] - 1}: "
                "expected one"
            )
        case = _cases(len(y), patients)
        chosen, factor = self._drawn(case, 1)
        distances = (
            self._within
            + _mean_within(y, chosen, case)
            - 2 * _mean_between(self._reference, y, self._chosen, chosen)
        )
        value = float(distances[0])
        deviations = (distances[1:] - value) * max(factor, self._factor)
        low, high = np.quantile(deviations, [0.025, 0.975])
        n = min(len(y), len(self._reference))
        return Estimate(value, value + float(low), value + float(high), n)

    def _drawn(self, case: NDArray[np.intp], side: int) -> tuple[NDArray[np.float64], float]:
        """Membership [1 + subsets, n], everyone in the first row; and the interval's factor."""
        count = int(case.max()) + 1
        size = count // 2
        generator = np.random.default_rng([self._seed, side])
        chosen = np.ones((self._subsets + 1, len(case)))
        for row in chosen[1:]:
            half = np.zeros(count)
            half[generator.choice(count, size, replace=False)] = 1
            row[:] = half[case]
        return chosen, (size / (count - size)) ** 0.5


def _cases(n: int, patients: NDArray[np.object_] | None) -> NDArray[np.intp]:
    """What is independent: the patient of each image [n] from 0 up, or of few of them the image."""
    if n < _LEAST:
        raise ValueError(f"{n} images in a set: an interval needs at least {_LEAST}")
    case = np.arange(n) if patients is None else case_numbers(patients)
    return case if case.max() + 1 >= _LEAST else np.arange(n)


def _extended(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """[x / √d, 1]: products of such rows are a·b / d + 1."""
    if features.ndim != 2:
        raise ValueError(f"features of shape {features.shape}: expected [N, D]")
    scaled = np.asarray(features, np.float64) / features.shape[1] ** 0.5
    return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)


def _kernels(
    a: NDArray[np.float64], b: NDArray[np.float64], *, above: bool
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The kernel of blocks of rows of `a` with `b`, or with the rows of `b` from the block on.

    Every block is written over the one before it: fresh memory costs as much as the product.
    """
    room = [np.empty(_ROWS_AT_ONCE * len(b)) for _ in range(2)]
    for start in range(0, len(a), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        right = b[start:] if above else b
        shape = (len(a[rows]), len(right))
        base, cube = (part[: shape[0] * shape[1]].reshape(shape) for part in room)
        np.matmul(a[rows], right.T, out=base)
        np.multiply(base, base, out=cube)
        cube *= base
        yield rows, cube


def _mean_within(
    x: NDArray[np.float64], chosen: NDArray, case: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mean of k over the pairs of images of different patients in each subset of patients."""
    total = np.zeros(len(chosen))
    for rows, kernel in _kernels(x, x, above=True):
        kernel[case[rows, None] == case[rows.start :]] = 0
        sums = (chosen[:, rows] @ kernel) * chosen[:, rows.start :]
        size = len(kernel)
        total += sums[:, :size].sum(axis=1) + 2 * sums[:, size:].sum(axis=1)
    of_patient = np.bincount(case)[case]
    return total / (chosen.sum(axis=1) ** 2 - chosen @ of_patient)


def _mean_between(
    x: NDArray[np.float64], y: NDArray[np.float64], of_x: NDArray, of_y: NDArray
) -> NDArray[np.float64]:
    total = np.zeros(len(of_x))
    for rows, kernel in _kernels(x, y, above=False):
        total += ((of_x[:, rows] @ kernel) * of_y).sum(axis=1)
    return total / (of_x.sum(axis=1) * of_y.sum(axis=1))
