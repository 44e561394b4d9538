"""Text that is burned into a film: suspected where a row of glyphs stands near an edge.

Strokes are what stands out of its surroundings, brighter or darker, by a high and even contrast
(top hat and its dark twin). A glyph is a connected stroke of a letter's size and shape; a row is
several glyphs of one height, side by side. A single letter, as side markers are, is not text.

This is a hint where to look, not a promise: handwriting, faint or rotated text, text in the
middle of the film and text of fewer than four glyphs are passed over.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_GLYPHS = 4
"""A row of so many glyphs is suspected to be text."""
# Larger films are reduced by a whole factor to no less than this, in pixels.
_SIDE = 768
# Share of the side from each edge in which text is looked for.
_EDGE = 0.25
# Grey levels of 255 by which a stroke stands out.
_CONTRAST = 48
_HEIGHTS = 6, 0.06  # from px to a share of the longer side
# More are texture or noise, not writing.
_MOST_SHAPES = 2000
_THICKEST = 0.34  # of its height: a stroke, not a blob


def suspected(image: NDArray[np.uint8]) -> bool:
    """Whether a film seems to have text burned into it; see `longest_row`."""
    return longest_row(image) >= LEAST_GLYPHS


def longest_row(image: NDArray[np.uint8]) -> int:
    """How many glyphs the longest row that looks like text has; 0 without any glyph.

    Args:
        image: uint8 [H, W], at its own size: reduced films have lost their text's shape.
    """
    if min(image.shape) // _factor(image) < 4 * _HEIGHTS[0]:
        return 0
    image = _reduced(image)
    side = 2 * (max(image.shape) // 80) + 3
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (side, side))
    return max(
        _longest(_glyphs(np.asarray(cv2.morphologyEx(image, kind, kernel), np.uint8)))
        for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )


def _factor(image: NDArray[np.uint8]) -> int:
    return max(max(image.shape) // _SIDE, 1)


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = _factor(image)
    if factor == 1:
        return image
    height, width = (side // factor for side in image.shape)
    whole = image[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _glyphs(standing_out: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Left, top, width and height of what may be letters: [G, 4]."""
    strokes = (standing_out >= _CONTRAST).astype(np.uint8)
    rows, columns = (round(side * _EDGE) for side in strokes.shape)
    strokes[rows:-rows, columns:-columns] = 0
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    left, top, width, height, area = stats[:, :5].astype(float).T
    shaped = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1] * max(strokes.shape))
    shaped &= (width <= 2 * height) & (width >= 0.08 * height)
    shaped &= area >= 0.15 * width * height
    shaped[0] = False  # the background
    if np.count_nonzero(shaped) > _MOST_SHAPES:
        return np.empty((0, 4))
    kept = [n for n in np.flatnonzero(shaped).tolist() if _is_stroke(labels, stats[n], n)]
    return np.stack([left, top, width, height], axis=1)[kept]


def _is_stroke(labels: np.ndarray, stats: np.ndarray, number: int) -> bool:
    """Whether a component is drawn with a pen thin for its height."""
    left, top, width, height, _ = (int(value) for value in stats)
    alone = (labels[top : top + height, left : left + width] == number).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(alone, 1, 1, 1, 1, 0), cv2.DIST_L2, 3)
    return 2 * float(depth.max()) - 1 <= max(_THICKEST * height, 2)


def _longest(glyphs: NDArray[np.float64]) -> int:
    """The most glyphs that stand side by side, of like height and on one line."""
    longest = 0
    order = glyphs[np.argsort(glyphs[:, 0])]
    lengths = np.ones(len(order), int)
    for last, (left, top, _, height) in enumerate(order):
        before = order[:last]
        gap = left - before[:, 0] - before[:, 2]
        like = (before[:, 3] < 1.6 * height) & (before[:, 3] > height / 1.6)
        middle = np.abs(before[:, 1] + before[:, 3] / 2 - top - height / 2) < 0.35 * height
        joined = like & middle & (gap > -0.3 * height) & (gap < 1.2 * height)
        if joined.any():
            lengths[last] += lengths[:last][joined].max()
        longest = max(longest, int(lengths[last]))
    return longest
