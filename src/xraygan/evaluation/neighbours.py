"""Nearest images by pixels, and how two clouds of features cover one another."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 64  # px; larger images are compared at this size
_QUERIES_AT_ONCE = 256
_REFERENCES_AT_ONCE = 4096
_ROWS_AT_ONCE = 512


def nearest(
    query: NDArray[np.uint8], reference: NDArray[np.uint8], count: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The most similar reference images of each query, by correlation of pixels.

    Similarity is Pearson's correlation over the pixels, blind to brightness and
    contrast. A flat image resembles nothing: 0. Memory is bounded: a block of
    256 queries and one of 4,096 references, at 64 × 64 px in float32.

    Args:
        query: uint8 [Q, H, W].
        reference: uint8 [R, H, W]; sides over 64 px are area-averaged to 64 in both.
        count: how many neighbours, at most R.

    Returns:
        Similarity float32 [Q, count] in [-1, 1], best first, and index int
        [Q, count]. Copies of one reference image may come in any order.

    Raises:
        TypeError: not uint8.
        ValueError: images of different sizes, or count not in 1 to R.
    """
    if query.dtype != np.uint8 or reference.dtype != np.uint8:
        raise TypeError(f"images are {query.dtype} and {reference.dtype}: expected uint8")
    if query.ndim != 3 or query.shape[1:] != reference.shape[1:]:
        raise ValueError(f"images of shapes {query.shape} and {reference.shape}: expected one size")
    if not 1 <= count <= len(reference):
        raise ValueError(f"count is {count}: expected 1 to {len(reference)} reference images")
    similarity = np.full((len(query), count), -np.inf, np.float32)
    index = np.zeros((len(query), count), np.intp)
    for first in range(0, len(reference), _REFERENCES_AT_ONCE):
        pixels = _unit_pixels(reference[first : first + _REFERENCES_AT_ONCE])
        here = np.arange(first, first + len(pixels))
        for start in range(0, len(query), _QUERIES_AT_ONCE):
            rows = slice(start, start + _QUERIES_AT_ONCE)
            part = np.clip(_unit_pixels(query[rows]) @ pixels.T, -1, 1)
            known = np.concatenate([similarity[rows], part], axis=1)
            order = np.argsort(-known, axis=1, kind="stable")[:, :count]
            places = np.concatenate([index[rows], np.broadcast_to(here, part.shape)], axis=1)
            similarity[rows] = np.take_along_axis(known, order, axis=1)
            index[rows] = np.take_along_axis(places, order, axis=1)
    return similarity, index


def _unit_pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Zero mean and unit length, float32 [N, pixels]; flat images are zero."""
    height, width = images.shape[1:]
    size = (min(width, _SIDE), min(height, _SIDE))
    if size != (width, height) and len(images):
        images = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_AREA) for i in images])
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    length = np.linalg.norm(pixels, axis=1, keepdims=True)
    # One grey level in one pixel makes a length near 1: below a half is rounding.
    pixels /= np.where(length < 0.5, np.inf, length)
    return pixels


@dataclass(frozen=True)
class Coverage:
    """How two clouds of features cover one another.

    Attributes:
        precision: share of fakes within the real cloud, [0, 1].
        recall: share of reals within the fake cloud, [0, 1].
        density: real balls around a fake, over k; about 1 for real against real, unbounded.
        coverage: share of reals that have a fake in their ball, [0, 1];
            1 - 2^-k (.97 at k = 5) is expected of two equal sets of one size.
    """

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """What the four figures are means of, image by image: for intervals without new searches.

    Attributes:
        k: neighbours that a ball reaches to.
        balls: int64 [M], how many real balls each fake is in.
        recalled: bool [N], whether each real is in a fake ball.
        covered: bool [N], whether each real's ball holds a fake.
    """

    k: int
    balls: NDArray[np.int64]
    recalled: NDArray[np.bool_]
    covered: NDArray[np.bool_]


def coverage(real: NDArray[np.floating], fake: NDArray[np.floating], *, k: int = 5) -> Coverage:
    """Precision, recall, density and coverage: means of what `neighbourhood` finds.

    Args:
        real: [N, D] standardised features.
        fake: [M, D] standardised features.
        k: neighbours, at least 1, fewer than either set has rows.

    Returns:
        The four figures.

    Raises:
        ValueError: tables of different widths, or k out of range.
    """
    found = neighbourhood(real, fake, k=k)
    return Coverage(
        precision=float((found.balls > 0).mean()),
        recall=float(found.recalled.mean()),
        density=float(found.balls.mean() / k),
        coverage=float(found.covered.mean()),
    )


def neighbourhood(
    real: NDArray[np.floating], fake: NDArray[np.floating], *, k: int = 5
) -> Neighbourhood:
    """Who is in whose ball, where balls reach to the k-th neighbour.

    With r_k(a) the distance from a to its k-th nearest neighbour in its own set,
    itself left out, and B(a) the closed ball of that radius, N reals x, M fakes y:

    - precision = 1/M Σ_j 1[∃i: y_j ∈ B(x_i)]
    - recall = 1/N Σ_i 1[∃j: x_i ∈ B(y_j)]
    - density = 1/(kM) Σ_j Σ_i 1[y_j ∈ B(x_i)]
    - coverage = 1/N Σ_i 1[∃j: y_j ∈ B(x_i)]

    All depend on N and M: compare only figures of equal counts. Distances come from products of
    float32 blocks about the reals' mean; a difference under about 1e-6 of the squared distance
    from that mean is rounding. Memory: both tables in float32 and one block of 512 × N or M.

    Args:
        real: [N, D] standardised features.
        fake: [M, D] standardised features.
        k: neighbours, at least 1, fewer than either set has rows.

    Returns:
        The answers for each image.

    Raises:
        ValueError: tables of different widths, or k out of range.

    Source: Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2; Naeem et
    al. 2020, arXiv 2002.09797, equations 3 and 4.
    """
    return RealBalls(real, k).around(fake)


class RealBalls:
    """The balls of one set of reals, for as many sets of fakes as there are: see `neighbourhood`.

    Args:
        real: [N, D] standardised features.
        k: neighbours that a ball reaches to, 1 to N - 1.

    Raises:
        ValueError: no table, or k out of range.
    """

    def __init__(self, real: NDArray[np.floating], k: int) -> None:
        _check(real, k)
        self._k = k
        self._centre = real.mean(axis=0, dtype=np.float64)
        self._reals = _Points.of(real - self._centre)
        self._reach = _squared_reach(self._reals, k)

    def around(self, fake: NDArray[np.floating]) -> Neighbourhood:
        """Which fakes [M, D] the balls hold, and which reals the fakes' balls hold.

        Raises:
            ValueError: a table of another width, or no more than k rows.
        """
        _check(fake, self._k)
        if fake.shape[1] != len(self._centre):
            raise ValueError(
                f"features of widths {len(self._centre)} and {fake.shape[1]}: expected one"
            )
        reals, fakes = self._reals, _Points.of(fake - self._centre)
        fake_reach = _squared_reach(fakes, self._k)
        balls = np.zeros(len(fake), np.int64)
        recalled = np.zeros(len(reals.squares), bool)
        covered = np.zeros(len(reals.squares), bool)
        for rows, distance in _shifted_distances(reals, fakes):
            own = reals.squares[rows, None]
            inside = distance <= self._reach[rows, None] - own
            balls += np.count_nonzero(inside, axis=0)
            covered[rows] = inside.any(axis=1)
            distance -= fake_reach
            recalled[rows] = distance.min(axis=1) <= -own[:, 0]
        return Neighbourhood(self._k, balls, recalled, covered)


def _check(features: NDArray[np.floating], k: int) -> None:
    if features.ndim != 2:
        raise ValueError(f"features of shape {features.shape}: expected [N, D]")
    if not 1 <= k < len(features):
        raise ValueError(f"k is {k}: expected 1 to {len(features) - 1}")


@dataclass(frozen=True, eq=False)
class _Points:
    """Rows and their squared lengths; the last column of `extended` is the squared length."""

    extended: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> "_Points":
        squares = np.einsum("nd,nd->n", features, features)
        extended = np.concatenate([features, squares[:, None]], axis=1).astype(np.float32)
        return cls(extended, extended[:, -1])


def _shifted_distances(a: _Points, b: _Points) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """|a - b|² - |a|² of blocks of rows of a to all of b, by one matrix product: |b|² - 2 a·b.

    Every block is written over the one before it: fresh memory would cost as much as the product.
    """
    block = np.empty((_ROWS_AT_ONCE, len(b.squares)), np.float32)
    for start in range(0, len(a.squares), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        query = -2 * a.extended[rows]
        query[:, -1] = 1
        yield rows, np.matmul(query, b.extended.T, out=block[: len(query)])


def _squared_reach(points: _Points, k: int) -> NDArray[np.float32]:
    """Squared distance to the k-th nearest other row, [N]."""
    reach = np.empty(len(points.squares), np.float32)
    for rows, distance in _shifted_distances(points, points):
        own = np.arange(len(distance))
        distance[own, rows.start + own] = np.inf
        distance.partition(k - 1, axis=1)
        reach[rows] = distance[:, k - 1] + points.squares[rows]
    return np.maximum(reach, 0)
