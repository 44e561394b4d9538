"""What a network with a window of 64 px sees of films of any size.

A film that fits is seen as it is. A larger one is seen twice: as a whole, area-averaged to the
window, and in tiles at its own resolution, or at 256 px a side where it is larger still.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.evaluation.bounded import bounded

WINDOW = 64  # px


def window_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the window for films of this size."""
    return min(height, WINDOW), min(width, WINDOW)


def fits(height: int, width: int) -> bool:
    """Whether a film is seen as it is."""
    return max(height, width) <= WINDOW


def whole(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A film area-averaged to the window."""
    height, width = window_size(*image.shape)
    if (height, width) == image.shape:
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def tile_corners(height: int, width: int) -> list[tuple[int, int]]:
    """Top left corners of the tiles: as few as cover the film, evenly spaced."""
    rows, columns = (_starts(side) for side in (height, width))
    return [(top, left) for top in rows for left in columns]


def views(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The film as a whole, then its tiles; a film that fits, alone.

    Args:
        image: uint8 [H, W].

    Returns:
        uint8 [h, w] each, of the size `window_size` gives for this film.
    """
    if fits(*image.shape):
        return [image]
    image = bounded(image[None])[0]
    height, width = window_size(*image.shape)
    tiles = [
        image[top : top + height, left : left + width] for top, left in tile_corners(*image.shape)
    ]
    return [whole(image), *tiles]


def _starts(side: int) -> list[int]:
    count = math.ceil(side / WINDOW)
    return [round(n) for n in np.linspace(0, max(side - WINDOW, 0), count)]
