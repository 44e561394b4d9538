"""Known ways to spoil a film, each with a strength: what the chest network learns to tell.

A fault's strength runs from 0, slight, to 1, gross. Pixels come back as whole grey levels, as
real films' are, so that rounding gives nothing away.
"""

# OpenCV and SciPy declare wider types than the functions return:
# pyright: reportReturnType=false, reportCallIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What a fault may draw on.

    Attributes:
        image: float32 [H, W], grey levels, the picture to spoil.
        other: float32 [H, W], another patient's.
        phantom: float32 [H, W], a simulated patient's.
        draw: source of everything random in the fault.
    """

    image: Picture
    other: Picture
    phantom: Picture
    draw: np.random.Generator


def spoil(scene: Scene, kind: str, strength: float) -> NDArray[np.uint8]:
    """One picture with one fault.

    Args:
        scene: the picture and what the fault may draw on.
        kind: a key of `FAULTS`.
        strength: [0, 1]; the faults of `WHOLE` have none.

    Returns:
        uint8 [H, W].
    """
    return np.clip(np.rint(FAULTS[kind](scene, strength)), 0, 255).astype(np.uint8)


def _between(low: float, high: float, strength: float) -> float:
    """Geometric: each step of strength is the same ratio."""
    return low * (high / low) ** strength


def _none(scene: Scene, _: float) -> Picture:
    return scene.image


def _blur(scene: Scene, strength: float) -> Picture:
    return cv2.GaussianBlur(scene.image, (0, 0), _between(0.3, 2.0, strength))


def _noise(scene: Scene, strength: float) -> Picture:
    sigma = _between(1, 20, strength)
    return scene.image + sigma * _white(scene)


def _grain(scene: Scene, strength: float) -> Picture:
    """Noise with a size, as injected noise becomes behind a few convolutions."""
    noise = cv2.GaussianBlur(_white(scene), (0, 0), scene.draw.uniform(0.6, 2.0))
    return scene.image + _between(1, 12, strength) * noise / noise.std()


def _jpeg(scene: Scene, strength: float) -> Picture:
    quality = round(_between(90, 8, strength))
    pixels = np.rint(scene.image).astype(np.uint8)
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE).astype(np.float32)


def _grid(scene: Scene, strength: float) -> Picture:
    """A tile of 2 or 4 px that repeats: what pixel shuffles and strided upsampling leave."""
    period = int(scene.draw.choice((2, 4)))
    sides = ((period, period), (1, period), (period, 1))[scene.draw.integers(3)]
    tile = scene.draw.normal(size=sides).astype(np.float32)
    tile -= tile.mean()
    height, width = scene.image.shape
    repeats = (-(-height // sides[0]), -(-width // sides[1]))
    pattern = np.tile(tile / max(float(tile.std()), 1e-3), repeats)[:height, :width]
    return scene.image + _between(0.5, 10, strength) * pattern


def _ghost(scene: Scene, strength: float) -> Picture:
    """Two patients in one picture, as linear models and autoencoders average them."""
    alpha = _between(0.06, 0.5, strength)
    return (1 - alpha) * scene.image + alpha * scene.other


def _smooth(scene: Scene, strength: float) -> Picture:
    """A patch that lost its texture: ribs and vessels go missing."""
    height, width = scene.image.shape
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    centre_y, centre_x = scene.draw.uniform(0.2, 0.8, 2) * (height, width)
    radius_y, radius_x = scene.draw.uniform(0.12, 0.35, 2) * (height, width)
    reach = ((grid_y - centre_y) / radius_y) ** 2 + ((grid_x - centre_x) / radius_x) ** 2
    inside = 1 / (1 + np.exp(np.minimum(6 * (reach - 1), 50)))
    blurred = cv2.GaussianBlur(scene.image, (0, 0), _between(0.7, 4, strength))
    return (scene.image + inside * (blurred - scene.image)).astype(np.float32)


def _scrambled(scene: Scene, strength: float) -> Picture:
    """Fine structure with the right spectrum in the wrong places: random phases."""
    height, width = scene.image.shape
    wavelength = _between(3, 24, strength)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    fine = 1 / (1 + (np.hypot(down, across) * wavelength + 1e-6) ** -8)
    coarse_part = np.fft.rfft2(scene.image)
    phases = np.fft.rfft2(_white(scene))
    mixed = (1 - fine) * coarse_part + fine * np.abs(coarse_part) * phases / np.abs(phases)
    return np.fft.irfft2(mixed, s=(height, width)).astype(np.float32)


def _soft(scene: Scene, strength: float) -> Picture:
    """Weak waves dropped, strong outlines kept: what a compressing model gives back."""
    from scipy.fft import dctn, idctn

    waves = dctn(scene.image, norm="ortho")
    threshold = _between(1.5, 40, strength)
    kept = np.sign(waves) * np.maximum(np.abs(waves) - threshold, 0)
    kept[0, 0] = waves[0, 0]
    return idctn(kept, norm="ortho").astype(np.float32)


def _warp(scene: Scene, strength: float) -> Picture:
    """Bent ribs and wavy outlines."""
    height, width = scene.image.shape
    smoothness = scene.draw.uniform(3, 8)
    shift = scene.draw.normal(size=(height, width, 2)).astype(np.float32)
    shift = cv2.GaussianBlur(shift, (0, 0), smoothness)
    shift *= _between(0.4, 3, strength) / shift.std()
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(
        scene.image,
        grid_x + shift[..., 0],
        grid_y + shift[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _contrast(scene: Scene, strength: float) -> Picture:
    """Another tone curve: too flat or too hard, too light or too dark."""
    amount = _between(0.08, 0.7, strength) * scene.draw.choice((-1, 1))
    if scene.draw.random() < 0.5:
        return 255 * (np.clip(scene.image, 0, 255) / 255) ** np.float32(np.exp(amount))
    mean = scene.image.mean()
    return mean + (scene.image - mean) * np.float32(np.exp(amount))


def _collage(scene: Scene, strength: float) -> Picture:
    """One patient on one side, another on the other: nothing fits across the seam."""
    height, width = scene.image.shape
    angle = scene.draw.uniform(0, 2 * np.pi)
    grid_y, grid_x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    across = np.cos(angle) * grid_x + np.sin(angle) * grid_y
    place = 0.45 * (1 - strength)
    share = 1 / (1 + np.exp(-(across - place) / scene.draw.uniform(0.01, 0.06)))
    return (scene.image + share * (scene.other - scene.image)).astype(np.float32)


def _turned(scene: Scene, _: float) -> Picture:
    """The heart on the wrong side, the head below, or the halves changed over."""
    image = scene.image
    turned = (
        image[:, ::-1],
        image[::-1],
        image[::-1, ::-1],
        np.roll(image, image.shape[1] // 2, 1),
    )
    return np.ascontiguousarray(turned[scene.draw.integers(4)])


def _phantom(scene: Scene, _: float) -> Picture:
    return scene.phantom


def _white(scene: Scene) -> Picture:
    return scene.draw.standard_normal(scene.image.shape, np.float32)


FAULTS: dict[str, Callable[[Scene, float], Picture]] = {
    "none": _none,
    "blur": _blur,
    "noise": _noise,
    "grain": _grain,
    "jpeg": _jpeg,
    "grid": _grid,
    "ghost": _ghost,
    "smooth": _smooth,
    "scrambled": _scrambled,
    "soft": _soft,
    "warp": _warp,
    "contrast": _contrast,
    "collage": _collage,
    "turned": _turned,
    "phantom": _phantom,
}
WHOLE = frozenset({"none", "turned", "phantom"})
"""Faults without degrees."""
