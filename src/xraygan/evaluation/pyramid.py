"""Sliced Wasserstein distance between patches of Laplacian pyramids, level by level."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.evaluation.intervals import deletion_groups, deletions, jackknife

PATCH = 7
_MOST_PATCHES = 1 << 16
_IMAGES_AT_ONCE = 256
_PROJECTIONS_AT_ONCE = 16
_PROJECTIONS_FOR_INTERVAL = 16

_Places = tuple[NDArray[np.intp], NDArray[np.intp]]


def sliced_wasserstein(
    x: NDArray[np.uint8],
    y: NDArray[np.uint8],
    *,
    levels: int | None = None,
    patches_per_image: int = 128,
    projections: int = 128,
    seed: int = 0,
) -> list[float]:
    """How differently patches are distributed at each scale, times 1000.

    Every level's patches are brought to mean 0 and variance 1, for each set by
    itself: the figure is about structure, not about contrast. Both sets give
    the same number of patches, at most 65,536 a level. The floor is not zero: call
    it with two sets of real images for what equal looks like.

    Args:
        x: uint8 [N, H, W].
        y: uint8 [M, H, W].
        levels: pyramid levels, halving each time, the last a low-pass; None: down
            to 16 px (3 levels at 64 px).
        patches_per_image: 7×7 patches drawn from an image at each level.
        projections: random directions that the distance is averaged over.
        seed: of patches and directions.

    Returns:
        One figure a level, fine to coarse.

    Raises:
        TypeError: not uint8.
        ValueError: an empty set, images of different sizes, counts under 1, or more
            levels than leave a patch's room.

    Source: Karras et al. 2018, arXiv 1710.10196, section 5.
    """
    return [
        1000 * _mean_distance(level.x, level.y, level.directions)
        for level in _compared(x, y, levels, patches_per_image, projections, seed)
    ]


def sliced_wasserstein_figures(
    x: NDArray[np.uint8],
    y: NDArray[np.uint8],
    patients_x: NDArray[np.object_],
    patients_y: NDArray[np.object_],
    *,
    seed: int = 0,
) -> tuple[Estimate, list[Estimate]]:
    """The mean over levels of `sliced_wasserstein`, and each level, with intervals.

    The intervals are delete-a-group jackknives: a tenth of the patients is left out on both
    sides at once, and the distance of the patches left is taken along fewer directions. Near
    the floor, where the distance has a kink, they are too wide rather than too narrow.

    Args:
        x: uint8 [N, H, W].
        y: uint8 [M, H, W].
        patients_x: object [N].
        patients_y: object [M].
        seed: of patches, directions and groups.

    Returns:
        The mean, and the levels, fine to coarse; n is min(N, M).

    Raises:
        TypeError: not uint8.
        ValueError: an empty set, or images of different sizes.
    """
    count = deletions(patients_x, patients_y)
    group_x, group_y = (deletion_groups(who, count, seed=seed) for who in (patients_x, patients_y))
    values: list[float] = []
    without: list[list[float]] = []
    for level in _compared(x, y, None, 128, 128, seed):
        values.append(1000 * _mean_distance(level.x, level.y, level.directions))
        taken_out = range(count if count > 1 else 0)
        without.append([1000 * level.distance_without(group_x, group_y, g) for g in taken_out])
    n = min(len(x), len(y))
    levels = [
        jackknife(value, np.array(left), n, least=0.0)
        for value, left in zip(values, without, strict=True)
    ]
    mean = jackknife(float(np.mean(values)), np.mean(without, axis=0), n, least=0.0)
    return mean, levels


@dataclass(frozen=True, eq=False)
class _Level:
    """Patches of both sets at one level, in the order of the images they are from."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    image_x: NDArray[np.intp]
    image_y: NDArray[np.intp]
    directions: NDArray[np.float64]

    def distance_without(
        self, group_x: NDArray[np.intp], group_y: NDArray[np.intp], left_out: int
    ) -> float:
        """The distance when one group of images is left out on either side."""
        kept_x = np.flatnonzero(group_x[self.image_x] != left_out)
        kept_y = np.flatnonzero(group_y[self.image_y] != left_out)
        count = min(len(kept_x), len(kept_y))
        even_x, even_y = (
            kept[np.linspace(0, len(kept) - 1, count).astype(np.intp)] for kept in (kept_x, kept_y)
        )
        directions = self.directions[:, :_PROJECTIONS_FOR_INTERVAL]
        return _mean_distance(self.x[even_x], self.y[even_y], directions)


def _compared(
    x: NDArray[np.uint8],
    y: NDArray[np.uint8],
    levels: int | None,
    patches_per_image: int,
    projections: int,
    seed: int,
) -> Iterator[_Level]:
    levels = _checked_levels(x, y, levels)
    if patches_per_image < 1 or projections < 1:
        raise ValueError(f"{patches_per_image} patches, {projections} projections: expected >= 1")
    generator = np.random.default_rng(seed)
    count = min(len(x), len(y))
    rows = [np.sort(generator.permutation(len(images))[:count]) for images in (x, y)]
    each = max(1, min(patches_per_image, _MOST_PATCHES // count))
    image_x, image_y = (np.repeat(chosen, each) for chosen in rows)
    places: list[list[_Places]] = [[], []]
    directions = []
    for size in _sizes(x.shape[1:], levels):
        for of_set in places:
            of_set.append(_places(size, count * each, generator))
        drawn = generator.normal(size=(PATCH**2, projections))
        directions.append(drawn / np.linalg.norm(drawn, axis=0))
    patches_x, patches_y = (
        _patches(images, chosen, each, of_set)
        for images, chosen, of_set in zip((x, y), rows, places, strict=True)
    )
    for level in zip(patches_x, patches_y, directions, strict=True):
        yield _Level(*level[:2], image_x, image_y, level[2])


def _checked_levels(x: NDArray, y: NDArray, levels: int | None) -> int:
    if x.dtype != np.uint8 or y.dtype != np.uint8:
        raise TypeError(f"images are {x.dtype} and {y.dtype}: expected uint8")
    if x.ndim != 3 or x.shape[1:] != y.shape[1:] or 0 in (*x.shape, *y.shape):
        raise ValueError(f"images of shapes {x.shape} and {y.shape}: expected one size, none empty")
    side = min(x.shape[1:])
    if levels is None:
        levels = max(1, (side // 16).bit_length())
    if levels < 1 or side < PATCH << (levels - 1):
        raise ValueError(f"{levels} levels do not fit images of {side} px")
    return levels


def _pyramid(images: NDArray[np.uint8], levels: int) -> list[NDArray[np.float32]]:
    """Differences between successive low-passes, then the last low-pass, [N, h, w] each."""
    result: list[list[NDArray]] = [[] for _ in range(levels)]
    for image in images:
        current = image.astype(np.float32)
        for level in range(levels - 1):
            coarser = cv2.pyrDown(current)
            result[level].append(current - cv2.pyrUp(coarser, dstsize=current.shape[::-1]))
            current = coarser
        result[-1].append(current)
    return [np.stack(level) for level in result]


def _sizes(size: tuple[int, ...], levels: int) -> list[tuple[int, int]]:
    """Height and width of each level, as `cv2.pyrDown` halves them."""
    height, width = size
    return [(-(-height >> level), -(-width >> level)) for level in range(levels)]


def _places(size: tuple[int, int], count: int, generator: np.random.Generator) -> _Places:
    """Top and left of so many patches at random."""
    top, left = (generator.integers(0, side - PATCH + 1, count) for side in size)
    return top, left


def _patches(
    images: NDArray[np.uint8], rows: NDArray[np.intp], each: int, places: list[_Places]
) -> list[NDArray[np.float32]]:
    """Standardised patches [n * each, 49] of some images at each level.

    Whole pyramids of 10,000 images would take gigabytes: few are there at a time.
    """
    found = [np.empty((len(rows) * each, PATCH**2), np.float32) for _ in places]
    for start in range(0, len(rows), _IMAGES_AT_ONCE):
        block = rows[start : start + _IMAGES_AT_ONCE]
        image = np.repeat(np.arange(len(block)), each)
        part = slice(start * each, (start + len(block)) * each)
        pyramid = _pyramid(images[block], len(places))
        for patches, level, (top, left) in zip(found, pyramid, places, strict=True):
            views = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
            patches[part] = views[image, top[part], left[part]].reshape(-1, PATCH**2)
    return [_standardised(patches) for patches in found]


def _standardised(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = patches - patches.mean(dtype=np.float64)
    # A flat level has no spread to divide by: it stays zero.
    return (centred / max(float(centred.std()), 1e-6)).astype(np.float32)


def _mean_distance(
    x: NDArray[np.float32], y: NDArray[np.float32], directions: NDArray[np.float64]
) -> float:
    """Mean over directions of the one-dimensional Wasserstein-1 distance of equal counts."""
    total = 0.0
    for start in range(0, directions.shape[1], _PROJECTIONS_AT_ONCE):
        part = directions[:, start : start + _PROJECTIONS_AT_ONCE].astype(np.float32)
        sorted_x, sorted_y = (np.sort(part.T @ patches.T, axis=1) for patches in (x, y))
        total += float(np.abs(sorted_x - sorted_y).mean(axis=1, dtype=np.float64).sum())
    return total / directions.shape[1]
