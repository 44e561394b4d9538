"""Copies made on purpose: what an audit should be able to see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Disguise:
    """How a generator may hide that it copies.

    Attributes:
        words: the disguise in words, to stand before "copies".
        noise: standard deviation as a share of the grey range (255).
        shift: how far down and to the left, as a share of the shorter side.
        mirrored: whether left and right are exchanged.
    """

    words: str
    noise: float = 0.0
    shift: float = 0.0
    mirrored: bool = False


PLANTED = {
    "exact": Disguise("exact"),
    "noise_5_percent": Disguise("covered with 5 % noise", 0.05),
    "noise_20_percent": Disguise("covered with 20 % noise", 0.2),
    "shifted": Disguise("shifted by a sixteenth", 0.02, 1 / 16),
    "hidden": Disguise("shifted, mirrored and covered with 10 % noise", 0.1, 1 / 16, True),
}


def plant(
    images: NDArray[np.uint8], disguise: Disguise, count: int, seed: int = 0
) -> NDArray[np.uint8]:
    """Disguised copies of images drawn at random.

    Args:
        images: uint8 [N, H, W].
        disguise: how they are hidden.
        count: how many; at most N are made.
        seed: which images, and the noise.

    Returns:
        uint8 [min(count, N), H, W].
    """
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(images))[:count])
    return disguised(images[chosen], disguise, generator)


def disguised(
    images: NDArray[np.uint8], disguise: Disguise, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Images shifted with repeated edges, mirrored, and covered with noise.

    Args:
        images: uint8 [N, H, W].
        disguise: how.
        generator: source of the noise.

    Returns:
        uint8 [N, H, W].
    """
    height, width = images.shape[1:]
    shift = round(disguise.shift * min(height, width))
    rows = np.clip(np.arange(height) - shift, 0, height - 1)
    columns = np.clip(np.arange(width) + shift, 0, width - 1)
    made = images[:, rows][:, :, columns]
    if disguise.mirrored:
        made = made[:, :, ::-1]
    made = made + generator.normal(0, disguise.noise * 255, made.shape)
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)
