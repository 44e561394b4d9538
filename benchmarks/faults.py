"""Known faults of pictures, each by severity: what the measures of fidelity should see."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
SIDE = 64


def to_bytes(values: NDArray) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def noise(images: Images, sigma: float) -> Images:
    return to_bytes(images + np.random.default_rng(1).normal(0, sigma, images.shape))


def blur(images: Images, sigma: float) -> Images:
    return np.stack([cv2.GaussianBlur(i, (0, 0), sigma) for i in images])


def jpeg(images: Images, quality: float) -> Images:
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    coded = (cv2.imencode(".jpg", i, options)[1] for i in images)
    return np.stack([np.asarray(cv2.imdecode(c, cv2.IMREAD_GRAYSCALE), np.uint8) for c in coded])


def checkerboard(images: Images, amplitude: float, period: int = 2) -> Images:
    squares = (np.indices(images.shape[1:]) // (period // 2)).sum(axis=0)
    return to_bytes(images + amplitude * (1.0 - 2.0 * (squares % 2)))


def coarse_checkerboard(images: Images, amplitude: float) -> Images:
    return checkerboard(images, amplitude, 4)


def ghost(images: Images, alpha: float) -> Images:
    other = images[np.random.default_rng(2).permutation(len(images))]
    return to_bytes((1 - alpha) * images + alpha * other.astype(np.float64))


def smear(images: Images, side: float) -> Images:
    """A vertical 9-px smear in a square at a random place: ribs go missing."""
    random, result, side = np.random.default_rng(3), images.copy(), int(side)
    for image, spoilt in zip(images, result, strict=True):
        y, x = random.integers(8, 56 - side, 2)
        part = slice(y, y + side), slice(x, x + side)
        spoilt[part] = cv2.blur(image, (1, 9))[part]
    return result


def warp(images: Images, sigma: float) -> Images:
    """Smooth random displacements of `sigma` px: bent ribs, wavy outlines."""
    random = np.random.default_rng(4)
    grid_y, grid_x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    result = []
    for image in images:
        shift = random.normal(size=(SIDE, SIDE, 2)).astype(np.float32)
        shift = cv2.GaussianBlur(shift, (0, 0), 5)
        shift *= sigma / shift.std()
        x, y = grid_x + shift[..., 0], grid_y + shift[..., 1]
        result.append(cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    return np.stack(result)


GRADED: dict[str, tuple[Callable[[Images, float], Images], tuple[float, ...]]] = {
    "JPEG quality {}": (jpeg, (90, 70, 50, 30, 10)),
    "noise σ {}": (noise, (2, 4, 8, 16)),
    "blur σ {} px": (blur, (0.3, 0.4, 0.5, 0.8, 1.2)),
    "2-px checkerboard, amplitude {}": (checkerboard, (1, 3, 6)),
    "4-px checkerboard, amplitude {}": (coarse_checkerboard, (1, 3, 6)),
    "ghost of another, α {}": (ghost, (0.1, 0.2, 0.4)),
    "{}-px patch smeared": (smear, (12, 24, 40)),
    "warped by {} px": (warp, (0.5, 1, 2)),
}
"""Faults by severity, mildest first."""
