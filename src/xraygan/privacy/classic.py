"""Two published figures on copying, from distances in a feature space: AuthPct and C_T."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate, proportion
from xraygan.evaluation.intervals import (
    mean_with_interval,
    percentile_interval,
    resampled_weights,
)
from xraygan.sets import some_rows

CELLS = 5
_CELL_IMAGES = 20  # synthetic images that a cell needs to count
_MOST_IN_CELLS = 20_000  # training images that make the cells
_ROWS_AT_ONCE, _REFERENCES_AT_ONCE = 512, 1 << 15


def nearest_distance(
    queries: NDArray[np.floating],
    references: NDArray[np.floating],
    *,
    own: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Euclidean distance to the nearest reference, by blocked matrix products.

    Args:
        queries: [Q, D].
        references: [M, D], M at least 1 (2 with `own`).
        own: int [Q], a reference that each query may not find; None: all may be found.

    Returns:
        Distance [Q] and index [Q].
    """
    squared = np.full(len(queries), np.inf)
    index = np.zeros(len(queries), np.intp)
    for first in range(0, len(references), _REFERENCES_AT_ONCE):
        block = np.asarray(references[first : first + _REFERENCES_AT_ONCE], np.float64)
        squares = (block**2).sum(axis=1)
        for start in range(0, len(queries), _ROWS_AT_ONCE):
            rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(queries)))
            found = squares - 2 * (np.asarray(queries[rows], np.float64) @ block.T)
            if own is not None:
                mine = np.flatnonzero((own[rows] >= first) & (own[rows] < first + len(block)))
                found[mine, own[rows[mine]] - first] = np.inf
            nearest = found.argmin(axis=1)
            least = found[np.arange(len(rows)), nearest]
            nearer = least < squared[rows]
            squared[rows[nearer]] = least[nearer]
            index[rows[nearer]] = first + nearest[nearer]
    # Again from the difference: what cancels in the products is lost to copies.
    distance = np.empty(len(queries))
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        apart = np.asarray(queries[part], np.float64) - references[index[part]]
        distance[part] = np.linalg.norm(apart, axis=1)
    return distance, index


def authenticity(
    train: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    patients: NDArray[np.object_] | None = None,
) -> Estimate:
    """AuthPct: the share of synthetic images that are not nearer than training images are.

    An image is authentic where its nearest training image has another training image nearer
    to it than the synthetic one.

    Args:
        train: [N, D] features, N at least 2.
        synthetic: [M, D], M at least 1.
        patients: [M], equal for images of one patient; None: each is of its own.

    Returns:
        The share in [0, 1] with its interval, exact where each image is of its own patient.

    Source: Alaa et al. 2022, arXiv 2102.08921, section 4.3 (authenticity).
    """
    to_train, nearest = nearest_distance(synthetic, train)
    used, place = np.unique(nearest, return_inverse=True)
    among, _ = nearest_distance(train[used], train, own=used)
    authentic = to_train > among[place]
    if patients is None:
        return proportion(int(authentic.sum()), len(authentic))
    return mean_with_interval(authentic, patients)


@dataclass(frozen=True, eq=False)
class CellDistances:
    """Distances to the nearest training image, in cells of feature space.

    Attributes:
        test: [n] of held-out images.
        test_cells: int [n].
        synthetic: [m] of synthetic images.
        synthetic_cells: int [m].
    """

    test: NDArray[np.float64]
    test_cells: NDArray[np.intp]
    synthetic: NDArray[np.float64]
    synthetic_cells: NDArray[np.intp]

    def rows(self, test: NDArray[np.intp], synthetic: NDArray[np.intp]) -> "CellDistances":
        """Some images of either side, also several times."""
        return CellDistances(
            self.test[test],
            self.test_cells[test],
            self.synthetic[synthetic],
            self.synthetic_cells[synthetic],
        )

    def counted(self) -> NDArray[np.intp]:
        """The cells with at least 20 synthetic images and one held-out one."""
        cells, images = np.unique(self.synthetic_cells, return_counts=True)
        return np.intersect1d(cells[images >= _CELL_IMAGES], self.test_cells)


def copying_statistic(distances: CellDistances, cells: NDArray[np.intp]) -> float:
    """C_T: are synthetic images nearer to training images than held-out ones are?

    In each cell the Mann-Whitney z of distances to the training set, averaged with the held-out
    images' shares as weights. Far below 0 the generator copies, far above 0 it underfits; equal
    sets give about 0 with a standard deviation of about 1 (less with several cells).

    Args:
        distances: of held-out and synthetic images.
        cells: those that are looked at, `distances.counted()`; one that lacks images of either
            side is passed over.

    Returns:
        C_T; NaN where no cell is left.

    Source: Meehan et al. 2020, arXiv 2004.05675, sections 3 and 4.
    """
    scores, weights = [], []
    for cell in cells:
        test = distances.test[distances.test_cells == cell]
        synthetic = distances.synthetic[distances.synthetic_cells == cell]
        if len(test) and len(synthetic):
            scores.append(_mann_whitney_z(synthetic, test))
            weights.append(len(test))
    return float(np.average(scores, weights=weights)) if scores else float("nan")


def _mann_whitney_z(synthetic: NDArray[np.float64], test: NDArray[np.float64]) -> float:
    """Normal score of the number of pairs in which the synthetic image is the farther."""
    from scipy.stats import rankdata

    m, n = len(synthetic), len(test)
    ranks = rankdata(np.concatenate([synthetic, test]))
    farther = ranks[:m].sum() - m * (m + 1) / 2
    return float((farther - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12))


def data_copying(
    train: NDArray[np.floating],
    holdout: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    holdout_patients: NDArray,
    *,
    seed: int = 0,
) -> Estimate:
    """C_T with an interval over held-out patients and synthetic images.

    Either side is drawn again by itself, in the cells that count among the images as they are. A
    resample without a held-out or a synthetic image in any of them says nothing and is left out.

    Args:
        train: [N, D] features, which also make the cells (k-means).
        holdout: [n, D].
        synthetic: [m, D].
        holdout_patients: [n], equal for films of one patient.
        seed: of the cells and the resampling.

    Returns:
        The statistic; n counts held-out and synthetic images.

    Source: Meehan et al. 2020, arXiv 2004.05675.
    """
    centres = _centres(train, seed)
    (to_test, test_cells), (to_made, made_cells) = (
        (nearest_distance(part, train)[0], nearest_distance(part, centres)[1])
        for part in (holdout, synthetic)
    )
    distances = CellDistances(to_test, test_cells, to_made, made_cells)
    cells, n, m = distances.counted(), len(holdout), len(synthetic)
    if not len(cells):
        return Estimate(float("nan"), float("nan"), float("nan"), n + m)
    draw = np.random.default_rng(seed)
    drawn = np.array(
        [
            copying_statistic(
                distances.rows(np.repeat(np.arange(n), often), draw.integers(0, m, m)), cells
            )
            for often in resampled_weights(holdout_patients, seed=seed).astype(np.intp)
        ]
    )
    value = copying_statistic(distances, cells)
    return percentile_interval(value, drawn[np.isfinite(drawn)], n + m)


def _centres(train: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """The middles of the cells, [C, D]."""
    from sklearn.cluster import KMeans

    count = max(1, min(CELLS, len(train) // (4 * _CELL_IMAGES)))
    means = KMeans(count, n_init="auto", random_state=seed)
    some = train[some_rows(len(train), _MOST_IN_CELLS, seed)]
    return means.fit(np.asarray(some, np.float64)).cluster_centers_
