"""From one numbered image to another through the generator's latents."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from xraygan.config import ModelSettings
from xraygan.models.conditions import class_conditions
from xraygan.models.sample import CHUNK, drawn, latents, to_grey


@dataclass(frozen=True)
class End:
    """An end of a walk: image `index` of `seed`, of class number `label`."""

    seed: int
    index: int
    label: int


def walk(
    generator: keras.Model,
    settings: ModelSettings,
    start: End,
    end: End,
    shares: Sequence[float],
    psi: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Images on the way from one image to another.

    With share t, latents and noise are ((1 - t) · a + t · b) / √((1 - t)² + t²), which keeps the
    variance that the generator was trained with, or a where both ends are one image of two
    classes; the condition is mixed linearly.

    Args:
        generator: as built by `build_generator` from `settings`.
        settings: shape of the generator.
        start: where the share is 0.
        end: where the share is 1.
        shares: t, each in [0, 1].
        psi: factor of the latents at either end, in equal steps between.

    Returns:
        uint8 [len(shares), R, R].

    Raises:
        ValueError: a share out of range.
        XrayganError: there is not enough memory.
    """
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares are {shares}: expected each in [0, 1]")
    same = (start.seed, start.index) == (end.seed, end.index)
    ends = [latents(settings, one.seed, one.index) for one in (start, end)]
    conditions = class_conditions(settings)
    images = np.empty((len(shares), settings.resolution, settings.resolution), np.uint8)
    for first in range(0, len(shares), CHUNK):
        some = shares[first : first + CHUNK]
        # Whole chunks, so that the ends are the very images that `sample` makes.
        t = np.zeros(CHUNK, np.float32)
        t[: len(some)] = some
        length = np.ones_like(t) if same else np.sqrt((1 - t) ** 2 + t**2)
        z = _mixed(ends[0][0], ends[1][0], t, length)
        noise = _mixed(ends[0][1], ends[1][1], t, length)
        condition = _mixed(conditions[start.label], conditions[end.label], t, np.ones_like(t))
        factors = (1 - t) * psi[0] + t * psi[1]
        made = to_grey(drawn(generator, [factors[:, None] * z, noise, condition]))
        images[first : first + CHUNK] = made[: len(some)]
    return images


def _mixed(start: np.ndarray, end: np.ndarray, t: np.ndarray, length: np.ndarray) -> np.ndarray:
    """[len(t), ...] from two arrays of one shape, a share and a divisor each."""
    along = (len(t),) + (1,) * start.ndim
    return ((1 - t).reshape(along) * start + t.reshape(along) * end) / length.reshape(along)
