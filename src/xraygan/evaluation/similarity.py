"""How alike images of one class are (MS-SSIM): a generator that repeats itself scores high."""

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.evaluation.bounded import bounded
from xraygan.evaluation.intervals import case_numbers, percentile_interval, resampled_weights

PAIRS = 2000
WINDOW, SIGMA = 11, 1.5  # px
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, fine to coarse."""

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_PAIRS_AT_ONCE = 64


def ms_ssim(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Multi-scale structural similarity of pairs of images.

    Gaussian windows of 11 px, σ 1.5, inside the image only. As many scales as leave a side of
    11 px, five at most (64 px: three), the paper's weights brought to a sum of one. Negative
    contrast-structure terms count as 0.

    Args:
        x: uint8 [P, H, W], each side at least 11 px.
        y: uint8 [P, H, W].

    Returns:
        float64 [P] in [0, 1]; 1 for equal images.

    Raises:
        TypeError: not uint8.
        ValueError: shapes that differ, or a side under 11 px.

    Source: Wang, Simoncelli and Bovik 2003, equation 7; for generators Odena et al. 2017,
    arXiv 1610.09585, section 4.2.
    """
    if x.dtype != np.uint8 or y.dtype != np.uint8:
        raise TypeError(f"images are {x.dtype} and {y.dtype}: expected uint8")
    if x.ndim != 3 or x.shape != y.shape or min(x.shape[1:]) < WINDOW:
        raise ValueError(
            f"images of shapes {x.shape} and {y.shape}: expected one [P, H, W], sides >= {WINDOW}"
        )
    x, y = bounded(x, least=WINDOW), bounded(y, least=WINDOW)
    weights = np.array(WEIGHTS[: _scales(min(x.shape[1:]))])
    weights /= weights.sum()
    parts = [
        _block(x[start : start + _PAIRS_AT_ONCE], y[start : start + _PAIRS_AT_ONCE], weights)
        for start in range(0, len(x), _PAIRS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def pairs_within(
    labels: NDArray[np.integer],
    patients: NDArray[np.object_],
    *,
    most: int = PAIRS,
    seed: int = 0,
) -> NDArray[np.intp]:
    """Pairs of images of one class and of two patients, every image about equally often.

    Args:
        labels: [N].
        patients: [N].
        most: how many pairs in all; each class gets its share.
        seed: of the choice.

    Returns:
        [P, 2], no pair twice; no row where no class has two patients.
    """
    case = case_numbers(patients) if len(patients) else np.empty(0, np.intp)
    draw = np.random.default_rng(seed)
    found = [np.empty((0, 2), np.intp)]
    for label in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == label))
        quota = max(1, round(most * len(rows) / len(labels)))
        for shift in range(1, len(rows) // 2 + 1):
            pairs = np.stack([rows, np.roll(rows, -shift)], axis=1)
            if 2 * shift == len(rows):
                pairs = pairs[:shift]  # the other half are the same pairs, turned
            pairs = pairs[case[pairs[:, 0]] != case[pairs[:, 1]]][:quota]
            found.append(pairs)
            quota -= len(pairs)
            if quota < 1:
                break
    return np.concatenate(found)


def similarity_within(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    patients: NDArray[np.object_],
    *,
    most: int = PAIRS,
    seed: int = 0,
) -> Estimate | None:
    """Mean MS-SSIM of pairs within classes, with its bootstrap interval by patient.

    Compare it with that of real images: above it there is too little variety, below it noise or
    faults make images unlike one another.

    Args:
        images: uint8 [N, H, W].
        labels: [N].
        patients: [N].
        most: pairs.
        seed: of pairs and bootstrap.

    Returns:
        The mean; n is how many images are in pairs. None where no class has images of two
        patients.

    Source: the bootstrap of a mean over pairs is that of U-statistics, Arcones and Giné 1992.
    """
    pairs = pairs_within(labels, patients, most=most, seed=seed)
    if not len(pairs):
        return None
    found = ms_ssim(images[pairs[:, 0]], images[pairs[:, 1]])
    weights = resampled_weights(patients, seed=seed)
    both = weights[:, pairs[:, 0]] * weights[:, pairs[:, 1]]
    drawn = both @ found / np.maximum(both.sum(axis=1), 1)
    drawn = drawn[both.any(axis=1)]
    return percentile_interval(float(found.mean()), drawn, len(np.unique(pairs)))


def _scales(side: int) -> int:
    return min(len(WEIGHTS), (side // WINDOW).bit_length())


def _block(
    x: NDArray[np.uint8], y: NDArray[np.uint8], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pairs as channels [H, W, P], which OpenCV filters in one go."""
    # About the middle grey: differences of large squares would cost float32 its digits.
    a, b = (np.moveaxis(part, 0, -1).astype(np.float32) - 127.5 for part in (x, y))
    product = np.ones(len(x))
    for scale, weight in enumerate(weights):
        if scale:
            a, b = _halved(a), _halved(b)
        luminance, structure = _terms(a, b)
        term = structure if scale < len(weights) - 1 else luminance * structure
        product *= np.maximum(term.mean(axis=(0, 1), dtype=np.float64), 0) ** weight
    return product


def _terms(
    a: NDArray[np.floating], b: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Luminance and contrast-structure at each place, Wang et al. 2004, equations 6 and 9."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    covariance = _blurred(a * b) - mean_a * mean_b
    variances = _blurred(a * a + b * b) - mean_a**2 - mean_b**2
    light_a, light_b = mean_a + 127.5, mean_b + 127.5
    luminance = (2 * light_a * light_b + _C1) / (light_a**2 + light_b**2 + _C1)
    return luminance, (2 * covariance + _C2) / (variances + _C2)


def _blurred(stack: NDArray[np.floating]) -> NDArray[np.floating]:
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_32F)
    blurred = cv2.sepFilter2D(stack, cv2.CV_32F, kernel, kernel)
    edge = WINDOW // 2
    inside = np.asarray(blurred, np.float32).reshape(stack.shape)
    return inside[edge:-edge, edge:-edge]


def _halved(stack: NDArray[np.floating]) -> NDArray[np.floating]:
    height, width = (side // 2 * 2 for side in stack.shape[:2])
    rows = stack[:height:2, :width] + stack[1:height:2, :width]
    return (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)
