"""Fits the generator's last layer to moments of the training films."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import keras
import numpy as np

from xraygan.config import ModelSettings
from xraygan.models.calibration import COARSE, cosines
from xraygan.models.conditions import label_shares
from xraygan.models.generator import uncalibrated
from xraygan.models.sample import CHUNK, drawn, latents
from xraygan.training.base import chosen_films
from xraygan.training.trainer import TrainingData

MOMENT_PRIOR_FILMS = 64
"""Few films say little: what they ask for is weighed against as many that ask for nothing."""
MOST_CORRECTION = 1.0
"""Logarithms of gains are held within ± this, of the coarse map's in every direction too."""
SMOOTHING = 1 / 16
"""Neighbouring frequencies share their gain: σ, in sides."""
ROUNDING = (2 / 255) ** 2 / 12
"""Variance that rounding to grey levels gives to every coefficient of a film in [-1, 1]."""
LEAST = ROUNDING / 100
"""Variance that counts as none."""
BATCH = 64
SEED = 2**31 + 1
"""Not the seed of a snapshot's figure, nor one that a run's own seed can be."""


@dataclass(frozen=True)
class Moments:
    """First and second moments of N films' cosine coefficients; labels share a film evenly.

    Attributes:
        gram: how many films labels have, and have together, float64 [K, K], N in all.
        means: of the coarse coefficients of each label, float64 [K, COARSE²], by least squares.
        covariance: of the coarse coefficients around their labels' means, float64 [COARSE²,
            COARSE²].
        mean: of all coefficients, float64 [R, R].
        variances: of all coefficients around `mean`, float64 [R, R].
    """

    gram: np.ndarray
    means: np.ndarray
    covariance: np.ndarray
    mean: np.ndarray
    variances: np.ndarray

    @property
    def films(self) -> float:
        """How many there were."""
        return float(self.gram.sum())

    @property
    def coarse_mean(self) -> np.ndarray:
        """Of the coarse coefficients of all films, [COARSE²]."""
        return self.mean[:COARSE, :COARSE].reshape(-1)


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
        spectra = (transform @ part @ transform.T).astype(np.float64)
        total = total + spectra.sum(axis=0)
        squares = squares + np.square(spectra).sum(axis=0)
        own = spectra[:, :COARSE, :COARSE].reshape(len(part), -1)
        coarse[films : films + len(part)] = own
        films += len(part)
    shares = np.asarray(label_shares(conditions), np.float64)
    gram = shares.T @ shares
    means = np.linalg.pinv(gram, hermitian=True) @ shares.T @ coarse
    rests = coarse - shares @ means
    free = max(films - np.linalg.matrix_rank(gram, hermitian=True), 1)
    mean = np.asarray(total / films)
    variances = np.maximum(squares / films - np.square(mean), 0)
    return Moments(gram, means, rests.T @ rests / free, mean, variances)


def fit_calibration(real: Moments, made: Moments) -> dict[str, np.ndarray]:
    """The weights of `Calibrated` that give made films the moments of real ones.

    Args:
        real: of training films.
        made: of films that the generator made for the same mixture of labels, uncalibrated.

    Returns:
        float32 arrays: gains and centre [R, R], coarse_map [COARSE², COARSE²], coarse_shift
        [K, COARSE²].
    """
    known = real.films / (real.films + MOMENT_PRIOR_FILMS)
    wanted = known * real.covariance + (1 - known) * made.covariance
    coarse_map = transport(made.covariance, wanted)
    # Around each label's own mean, which then goes where the films' is, as far as it is known.
    both = real.gram @ np.linalg.pinv(real.gram + made.gram, hermitian=True) @ made.gram
    common = real.coarse_mean - made.coarse_mean
    gaps = known * common + _as_far_as_known(real.means - made.means - common, both)
    centres = made.coarse_mean + _as_far_as_known(made.means - made.coarse_mean, made.gram)
    fitted = {
        "gains": np.exp(_log_gains(known, real.variances, made.variances)),
        "centre": made.mean,
        "coarse_map": coarse_map,
        "coarse_shift": gaps + centres - centres @ coarse_map,
    }
    return {name: value.astype(np.float32) for name, value in fitted.items()}


def _log_gains(known: float, real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Of each coefficient, smooth in frequency; none of the coarse ones, which have their map."""
    wanted = known * real + (1 - known) * made
    found = 0.5 * np.log((wanted + LEAST) / (made + LEAST))
    fine = np.ones_like(found)
    fine[:COARSE, :COARSE] = 0
    found, share = (
        cv2.GaussianBlur(part, (0, 0), SMOOTHING * len(part))
        for part in (np.clip(found, -MOST_CORRECTION, MOST_CORRECTION) * fine, fine)
    )
    return fine * found / np.maximum(share, 1e-9)


def _as_far_as_known(values: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """What labels [K, ...] have of their own, drawn to none where few films tell them apart."""
    return np.linalg.solve(gram + MOMENT_PRIOR_FILMS * np.eye(len(gram)), gram @ values)


def transport(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The symmetric map T with T S T = W: optimal transport from N(0, S) to N(0, W).

    Both get a thousandth of W's mean variance in every direction, and T no stretch beyond
    `MOST_CORRECTION`.
    """
    ridge = (1e-3 * np.trace(target) / len(target) + LEAST) * np.eye(len(target))
    values, vectors = np.linalg.eigh(source + ridge)
    root = vectors * np.sqrt(values) @ vectors.T
    inverse = vectors / np.sqrt(values) @ vectors.T
    values, vectors = np.linalg.eigh(root @ (target + ridge) @ root)
    whole = inverse @ (vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T) @ inverse
    values, vectors = np.linalg.eigh((whole + whole.T) / 2)
    held = np.clip(values, np.exp(-MOST_CORRECTION), np.exp(MOST_CORRECTION))
    return vectors * held @ vectors.T


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
        """Draw `count` films of the looked-at training films' mixture of labels, and fit."""
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
