"""Two ways of looking for a training image in a synthetic one: by pixels and by features.

Both compare images by the cosine between descriptions that are *whitened*: what all chest films
share (outline, exposure, pose) is weighted down, what tells one film from another up, and what
noise drowns is left out. Films of different patients then lie nearly at right angles, so that a
copy stands out even under noise; with plain correlation every film resembles every other.
"""

# SciPy and NumPy declare wider types than the functions return:
# pyright: reportAttributeAccessIssue=false, reportReturnType=false

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""Larger images are compared at this size, px."""
COMPONENTS = 200
# Shares of the grey range (pixels) and of the mean variance (features) that are taken for noise.
_PIXEL_NOISE = 0.2
_FEATURE_NOISE = 0.1
_SHIFT_SHARE = 16  # shifts go up to side / 16: 4 px of 64
MOST_FITTED = 5000
"""Images that a view is fitted on; of more, so many from the first to the last."""
_ROWS_AT_ONCE = 1024


class View(Protocol):
    """A way of looking: images or features in, cosines out."""

    def describe(self, material: NDArray) -> NDArray[np.float32]:
        """Descriptions of unit length, [N, K], as references to compare with."""
        ...

    def similarity(self, queries: NDArray, references: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines [Q, M] in [-1, 1] of queries with described references."""
        ...


@dataclass(frozen=True, eq=False)
class PixelView:
    """Pixels halved in resolution and whitened; queries may be shifted and mirrored.

    Attributes:
        filters: float32 [P, K], from the pixels of a window to whitened components.
        offset: float32 [K], the mean window's components.
    """

    filters: NDArray[np.float32]
    offset: NDArray[np.float32]

    @classmethod
    def fit(cls, images: NDArray[np.uint8]) -> "PixelView":
        """Learn what films have in common.

        The covariance of n windows of P pixels is drawn towards one that is diagonal in the
        cosine transform by P / (P + n). A component of variance v is weighted by
        sqrt(v) / (v + noise), the matched filter between v and the noise.

        Args:
            images: uint8 [N, H, W] real ones, whose patients' films are then no queries for
                calibration: the filters know them.

        Returns:
            The view.

        Raises:
            TypeError: not uint8.
            ValueError: not [N, H, W], no image, or a side under 16 px.
        """
        from scipy.fft import dctn, idctn

        small = shrunk(images, evenly(len(images), MOST_FITTED))
        windows = _windows(_halved(small), 0, 0, margin_of(small))
        flat, spread = standardised(windows.reshape(len(windows), -1))
        mean = flat.mean(axis=0)
        height, width = windows.shape[1:]
        waves = dctn((flat - mean).reshape(-1, height, width), axes=(1, 2), norm="ortho")
        waves = waves.reshape(len(waves), -1)
        # Two by two pixels are averaged, so that their noise is half as strong.
        noise = (_PIXEL_NOISE * 255 / 2 / max(float(spread.mean()), 1.0)) ** 2 / flat.shape[1]
        axes, variances = _leading(waves, waves.var(axis=0), COMPONENTS)
        pictures = idctn(axes.T.reshape(-1, height, width), axes=(1, 2), norm="ortho")
        filters = pictures.reshape(len(pictures), -1).T * (np.sqrt(variances) / (variances + noise))
        return cls(filters.astype(np.float32), (mean @ filters).astype(np.float32))

    def describe(self, material: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Descriptions [N, K] of images as they are."""
        described = np.empty((len(material), self.filters.shape[1]), np.float32)
        for start in range(0, len(material), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            small = shrunk(material[rows])
            described[rows] = self._described(_halved(small), 0, 0, margin_of(small))
        return described

    def similarity(
        self, queries: NDArray[np.uint8], references: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The best cosine over shifts up to a sixteenth of the side, and left-right flips."""
        small = shrunk(queries)
        margin = margin_of(small)
        best = np.full((len(queries), len(references)), -1, np.float32)
        for seen in (small, small[:, :, ::-1]):
            halved = _halved(seen)
            for down, right in shifts(margin):
                described = self._described(halved, down, right, margin)
                np.maximum(best, described @ references.T, out=best)
        return best

    def _described(
        self, halved: NDArray[np.float32], down: int, right: int, margin: int
    ) -> NDArray[np.float32]:
        windows = _windows(halved, down, right, margin)
        flat, _ = standardised(windows.reshape(len(windows), -1))
        return _unit(flat @ self.filters - self.offset)


@dataclass(frozen=True, eq=False)
class FeatureView:
    """Features, whitened.

    Attributes:
        filters: float32 [D, K].
        mean: float32 [D].
    """

    filters: NDArray[np.float32]
    mean: NDArray[np.float32]

    @classmethod
    def fit(cls, table: NDArray[np.floating]) -> "FeatureView":
        """Learn how features of real images vary together.

        Args:
            table: [N, D] of real images whose patients are then no queries for calibration.

        Returns:
            The view.

        Raises:
            ValueError: not [N, D], or no row.
        """
        if table.ndim != 2 or not len(table):
            raise ValueError(f"features of shape {table.shape}: expected [N >= 1, D]")
        rows = np.asarray(table[evenly(len(table), MOST_FITTED)], np.float64)
        mean = rows.mean(axis=0)
        own = rows.var(axis=0)
        axes, variances = _leading(rows - mean, own, COMPONENTS)
        noise = _FEATURE_NOISE * max(float(own.mean()), 1e-12)
        filters = axes * (np.sqrt(variances) / (variances + noise))
        return cls(filters.astype(np.float32), mean.astype(np.float32))

    def describe(self, material: NDArray[np.floating]) -> NDArray[np.float32]:
        """Descriptions [N, K] of features [N, D]."""
        described = np.empty((len(material), self.filters.shape[1]), np.float32)
        for start in range(0, len(material), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            described[rows] = _unit((material[rows] - self.mean) @ self.filters)
        return described

    def similarity(
        self, queries: NDArray[np.floating], references: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosines [Q, M]."""
        return self.describe(queries) @ references.T


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """All positions of `count`, or `most` of them evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.intp)


def shrunk(images: NDArray[np.uint8], rows: NDArray[np.intp] | None = None) -> NDArray[np.uint8]:
    """Images with sides over `SIDE` px area-averaged to it, in their proportions.

    Args:
        images: uint8 [N, H, W]; may be a memory map.
        rows: int [n], which of them, without a copy of these at full size; None: all.

    Raises:
        TypeError: not uint8.
        ValueError: not [N, H, W], or a side under 16 px.
    """
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}: expected uint8")
    if images.ndim != 3 or min(images.shape[1:]) < 16:
        raise ValueError(f"images of shape {images.shape}: expected [N, H, W], sides >= 16 px")
    height, width = images.shape[1:]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return images if rows is None else images[rows]
    count = len(images) if rows is None else len(rows)
    small = np.empty((count, round(height * scale), round(width * scale)), np.uint8)
    for place, row in enumerate(range(count) if rows is None else rows):
        small[place] = cv2.resize(images[row], small.shape[:0:-1], interpolation=cv2.INTER_AREA)
    return small


def margin_of(images: NDArray) -> int:
    """The largest shift that is looked at, px."""
    return max(min(images.shape[1:]) // _SHIFT_SHARE, 1)


def shifts(margin: int) -> list[tuple[int, int]]:
    """Every shift (down, right) up to the margin, px."""
    span = range(-margin, margin + 1)
    return [(down, right) for down in span for right in span]


def _halved(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of 2 × 2 pixels at every place, [N, H - 1, W - 1]."""
    pixels = images.astype(np.float32)
    rows = pixels[:, :-1] + pixels[:, 1:]
    return (rows[:, :, :-1] + rows[:, :, 1:]) / 4


def _windows(
    halved: NDArray[np.float32], down: int, right: int, margin: int
) -> NDArray[np.float32]:
    """Every second place of the window that a shift leaves within the image."""
    height, width = halved.shape[1] + 1, halved.shape[2] + 1
    return halved[
        :, margin + down : height - margin + down : 2, margin + right : width - margin + right : 2
    ]


def standardised(
    pixels: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows with mean 0 and length 1, and their standard deviations; flat rows become zero."""
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # One grey level in one pixel makes a length near 1: below a half is rounding.
    flat = centred / np.where(length < 0.5, np.inf, length)
    return flat, length[:, 0] / np.sqrt(pixels.shape[1])


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-12)).astype(np.float32)


def _leading(
    rows: NDArray[np.floating], diagonal: NDArray[np.floating], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leading axes [D, K] and variances [K] of a covariance drawn to its own diagonal.

    The weight of the diagonal is D / (D + n): few rows say little of how columns vary together.
    """
    from scipy.linalg import eigh

    n, size = rows.shape
    own = n / (size + n)
    covariance = own * (rows.T @ rows) / n
    covariance[np.diag_indices(size)] += (1 - own) * diagonal
    kept = min(count, size)
    variances, axes = eigh(covariance, subset_by_index=(size - kept, size - 1))
    return axes, np.maximum(variances, 0)
