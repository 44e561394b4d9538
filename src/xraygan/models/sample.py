"""Numbered images: image i depends on the weights, its class, the seed and i alone."""

from collections import Counter
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from xraygan.config import ModelSettings
from xraygan.models.conditions import class_conditions
from xraygan.models.memory import refusing_memory_faults

CHUNK = 32
"""Images computed together. Always the same number and the same place for an index, since
a matrix product may round differently at another size."""


def latents(settings: ModelSettings, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """What image `index` is made from: z [latent] and noise [R, R, 1], float32 ~ N(0, 1)."""
    stream = np.random.Generator(np.random.Philox(key=[seed, index]))
    z = stream.standard_normal(settings.latent, dtype=np.float32)
    side = settings.resolution
    return z, stream.standard_normal((side, side, 1), dtype=np.float32)


def sample(
    generator: keras.Model,
    settings: ModelSettings,
    seed: int,
    indices: Sequence[int],
    labels: Sequence[int],
    psi: float = 1.0,
    bits: int = 8,
) -> np.ndarray:
    """The images of these indices, each of its class.

    Args:
        generator: as built by `build_generator` from `settings`.
        settings: shape of the generator.
        seed: of the latents, at least 0.
        indices: which images, each at least 0.
        labels: the class number of each.
        psi: factor of the latents: 1 as trained, 0 the class's mean.
        bits: of a grey level, 8 or 16.

    Returns:
        uint8 or uint16 [N, R, R].

    Raises:
        XrayganError: there is not enough memory.
    """
    side = settings.resolution
    images = np.empty((len(indices), side, side), np.uint8 if bits == 8 else np.uint16)
    for places in _chunks(indices):
        z, noise, condition = _inputs(settings, seed, indices, labels, places)
        made = to_grey(_predicted(generator, [psi * z, noise, condition]), bits)
        for place, position in places.items():
            images[position] = made[place]
    return images


def _chunks(indices: Sequence[int]) -> Iterable[dict[int, int]]:
    """Place in a chunk to position in `indices`; an index's second time is another chunk."""
    chunks: dict[tuple[int, int], dict[int, int]] = {}
    times: Counter[int] = Counter()
    for position, index in enumerate(indices):
        chunks.setdefault((index // CHUNK, times[index]), {})[index % CHUNK] = position
        times[index] += 1
    return chunks.values()


def _inputs(
    settings: ModelSettings,
    seed: int,
    indices: Sequence[int],
    labels: Sequence[int],
    places: dict[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents, noise and conditions of one full batch, of which only `places` are asked for."""
    z = np.zeros((CHUNK, settings.latent), np.float32)
    noise = np.zeros((CHUNK, settings.resolution, settings.resolution, 1), np.float32)
    conditions = class_conditions(settings)
    condition = np.repeat(conditions[:1], CHUNK, axis=0)
    for place, position in places.items():
        z[place], noise[place] = latents(settings, seed, indices[position])
        condition[place] = conditions[labels[position]]
    return z, noise, condition


def drawn(generator: keras.Model, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The generator's output [N, R, R, 1] for latents, noise and conditions of N images.

    Raises:
        XrayganError: there is not enough memory.
    """
    starts = range(0, len(inputs[0]), CHUNK)
    batches = ([values[start : start + CHUNK] for values in inputs] for start in starts)
    return np.concatenate([_predicted(generator, batch) for batch in batches])


def _predicted(generator: keras.Model, inputs: Sequence[np.ndarray]) -> np.ndarray:
    with refusing_memory_faults(f"drawing {len(inputs[0])} images at once"):
        return np.asarray(generator.predict_on_batch(inputs))


def to_grey(images: np.ndarray, bits: int = 8) -> np.ndarray:
    """Generator output [B, R, R, 1] in about [-1, 1] to grey levels [B, R, R], clipped."""
    white = 2**bits - 1
    grey = np.clip(np.rint(images[..., 0] * (white / 2) + white / 2), 0, white)
    return grey.astype(np.uint8 if bits == 8 else np.uint16)
