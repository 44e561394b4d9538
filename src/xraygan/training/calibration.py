"""Fits the generator's last layer to moments of the training films."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import keras
import numpy as np

from xraygan.config import ModelSettings
from xraygan.models.calibration import COARSE, cosines
from xraygan.models.generator import uncalibrated
from xraygan.models.sample import CHUNK, drawn, latents
from xraygan.training.base import chosen_films
from xraygan.training.trainer import TrainingData

PRIOR_FILMS = 64
"""Few films say little of a variance: the made films' own count as those of as many films."""
MOST_GAIN = 1.0
"""Logarithms of gains are held within ± this."""
SMOOTHING = 1 / 16
"""Neighbouring frequencies share their gain: σ, in sides."""
ROUNDING = (2 / 255) ** 2 / 12
"""Variance that rounding to grey levels gives to every coefficient of a film in [-1, 1]."""
BATCH = 256
SEED = 2**31 + 1
"""Not the seed of a snapshot's figure, nor one that a run's own seed can be."""


@dataclass(frozen=True)
class Moments:
    """First and second moments of films' cosine coefficients, within labels.

    Attributes:
        counts: films of each label, a film of two as half a film of each, float64 [K].
        means: of the coarse coefficients of each label, float64 [K, COARSE²].
        covariance: of the coarse coefficients, float64 [COARSE², COARSE²].
        variances: of all coefficients, float64 [R, R].
    """

    counts: np.ndarray
    means: np.ndarray
    covariance: np.ndarray
    variances: np.ndarray

    @property
    def films(self) -> float:
        """How many there were."""
        return float(self.counts.sum())


def moments(batches: Iterable[np.ndarray], conditions: np.ndarray) -> Moments:
    """Of films that come batch by batch.

    Args:
        batches: float32 [n, R, R] each, in about [-1, 1]: N films in all.
        conditions: their labels, float32 [N, K].
    """
    films, total, squares = 0, 0.0, 0.0
    coarse = np.empty((len(conditions), COARSE**2))
    for part in batches:
        transform = cosines(part.shape[1])
        spectra = transform @ part @ transform.T
        total = total + spectra.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(spectra).sum(axis=0, dtype=np.float64)
        own = spectra[:, :COARSE, :COARSE].reshape(len(part), -1)
        coarse[films : films + len(part)] = own
        films += len(part)
    shares = (conditions / conditions.sum(axis=1, keepdims=True)).astype(np.float64)
    means = np.linalg.pinv(shares) @ coarse
    rests = coarse - shares @ means
    variances = squares / films - np.square(total / films)
    return Moments(shares.sum(axis=0), means, rests.T @ rests / films, variances)


def fit_calibration(real: Moments, made: Moments) -> dict[str, np.ndarray]:
    """The weights of `Calibrated` that give made films the moments of real ones.

    Args:
        real: of training films.
        made: of films that the generator made for the same mixture of labels, uncalibrated.

    Returns:
        float32 arrays: gains [R, R], coarse_map [COARSE², COARSE²], coarse_shift [K, COARSE²].
    """
    known = real.films / (real.films + PRIOR_FILMS)
    wanted = known * real.variances + (1 - known) * made.variances
    tiny = 1e-6 * made.variances.mean()
    log_gains = 0.5 * np.log((wanted + tiny) / (made.variances + tiny))
    log_gains = np.clip(log_gains, -MOST_GAIN, MOST_GAIN)
    log_gains = cv2.GaussianBlur(log_gains, (0, 0), SMOOTHING * len(log_gains))
    gains = np.exp(log_gains)
    gains[:COARSE, :COARSE] = 1
    wanted = known * real.covariance + (1 - known) * made.covariance
    coarse_map = transport(made.covariance, wanted)
    # Around each label's own mean, which then goes where the films' is, as far as it is known.
    both = real.counts * made.counts / np.maximum(real.counts + made.counts, 1e-9)
    gap = _drawn_together(real.means - made.means, both)
    centres = _drawn_together(made.means, made.counts)
    shifts = gap + centres - centres @ coarse_map
    fitted = {"gains": gains, "coarse_map": coarse_map, "coarse_shift": shifts}
    return {name: value.astype(np.float32) for name, value in fitted.items()}


def _drawn_together(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What is known of labels from few films is drawn towards the mean of all, [K, ...]."""
    common = counts @ values / max(counts.sum(), 1e-9)
    return common + (counts / (counts + PRIOR_FILMS))[:, None] * (values - common)


def transport(source: np.ndarray, target: np.ndarray) -> Any:
    """The symmetric map T with T S T = W: optimal transport from N(0, S) to N(0, W)."""
    ridge = 1e-3 * np.trace(target) / len(target) * np.eye(len(target))
    values, vectors = np.linalg.eigh(source + ridge)
    root = vectors * np.sqrt(values) @ vectors.T
    inverse = vectors / np.sqrt(values) @ vectors.T
    values, vectors = np.linalg.eigh(root @ (target + ridge) @ root)
    return inverse @ (vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T) @ inverse


class Calibrator:
    """Fits the last layer of a generator, as often as asked.

    Args:
        generator: as built by `build_generator` from `network`; its last layer is changed.
        network: its shape.
        data: the training images.
    """

    def __init__(self, generator: keras.Model, network: ModelSettings, data: TrainingData) -> None:
        self._layer = generator.get_layer("calibration")
        self._before = uncalibrated(generator)
        self._network = network
        chosen = chosen_films(data.conditions)
        self._conditions = data.conditions[chosen]
        batches = (
            data.images[chosen[start : start + BATCH]].astype(np.float32) / 127.5 - 1
            for start in range(0, len(chosen), BATCH)
        )
        rounded = moments(batches, self._conditions)
        variances = np.maximum(rounded.variances - ROUNDING, 0)
        self._real = replace(rounded, variances=variances)

    def fit(self, count: int) -> None:
        """Draw `count` films of the training films' mixture of labels, and fit."""
        rows = np.random.default_rng(0).integers(len(self._conditions), size=count)
        conditions = self._conditions[rows]
        made = moments(self._drawn(conditions), conditions)
        for name, value in fit_calibration(self._real, made).items():
            getattr(self._layer, name).assign(value)

    def _drawn(self, conditions: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(conditions), CHUNK):
            part = conditions[start : start + CHUNK]
            inputs = [latents(self._network, SEED, start + n) for n in range(len(part))]
            z, noise = (np.stack(values) for values in zip(*inputs, strict=True))
            yield drawn(self._before, [z, noise, part])[..., 0]
