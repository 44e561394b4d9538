"""How large a film is looked at: no measure here sees more than 256 pixels a side."""

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST_SIDE = 256
"""Pixels; larger films are area-averaged to it first."""


def bounded(images: NDArray[np.uint8], least: int = 1) -> NDArray[np.uint8]:
    """Films with no side over `LARGEST_SIDE`, area-averaged where they had one.

    Args:
        images: uint8 [N, H, W].
        least: pixels that a side keeps.

    Returns:
        uint8 [N, h, w]; the films themselves where they are no larger.
    """
    height, width = images.shape[1:]
    shrink = LARGEST_SIDE / max(height, width)
    if shrink >= 1 or not len(images):
        return images
    size = (max(least, round(width * shrink)), max(least, round(height * shrink)))
    resized = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(resized).astype(np.uint8, copy=False)
