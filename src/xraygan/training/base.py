"""Fits where films begin: class means and covariances in principal components."""

import cv2
import numpy as np
from scipy import linalg
from sklearn.utils.extmath import randomized_svd

from xraygan.training.registration import register

MAX_IMAGES = 20_000
"""More images than this do not change 512 components; the rest are passed over."""


def fit_base(
    images: np.ndarray, conditions: np.ndarray, latent: int, resolution: int
) -> dict[str, np.ndarray]:
    """The weights of `LinearGaussian` for these training images.

    Args:
        images: uint8 [N, R, R].
        conditions: float32 [N, K], 1 for each label that an image has and 0 elsewhere.
        latent: number of components, at most N - 1 (1 where N is 1).
        resolution: side of the base; larger images are averaged down to it.

    Returns:
        As `fit_gaussian`, of rows that `Displaced` makes films of.
    """
    chosen = np.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).astype(np.int64)
    films = np.stack([_at_side(images[number], resolution) for number in chosen])
    appearance, displacement = register(films)
    pixels = appearance.reshape(len(films), -1) / 127.5 - 1
    rows = np.hstack([pixels, displacement.reshape(len(films), -1)])
    # A displacement counts by what it changes: the appearance's slope, on a grid point's share.
    slope = np.abs(np.diff(appearance, axis=2)).mean() / 127.5
    scales = np.ones(rows.shape[1], np.float32)
    scales[pixels.shape[1] :] = max(slope, 1e-3) * resolution / displacement.shape[-1]
    fitted = fit_gaussian(rows * scales, conditions[chosen], latent)
    return fitted | {
        "mean": fitted["mean"] / scales,
        "components": fitted["components"] / scales,
    }


def fit_gaussian(rows: np.ndarray, conditions: np.ndarray, latent: int) -> dict[str, np.ndarray]:
    """A Gaussian a label in shared principal components.

    A label's covariance is estimated from its n rows and drawn towards the covariance
    within all labels by latent / (latent + n), so that a label of ten films borrows the
    variety of the others.

    Args:
        rows: float32 [N, P].
        conditions: float32 [N, K], 1 for each label that a row has and 0 elsewhere.
        latent: number of components, at most N - 1 (1 where N is 1).

    Returns:
        float32 arrays: mean [P], components [latent, P], class_means [K, latent],
        class_factors [K, latent, latent] (transposed Cholesky factors).
    """
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows = rows - mean
    _, _, components = randomized_svd(rows, latent, random_state=0)
    coordinates = (rows @ components.T).astype(np.float64)

    members = [np.flatnonzero(has_it) for has_it in conditions.T]
    class_means = np.stack(
        [coordinates[m].mean(axis=0) if len(m) else np.zeros(latent) for m in members]
    )
    shares = conditions / conditions.sum(axis=1, keepdims=True)
    rests = coordinates - shares @ class_means
    within = rests.T @ rests / max(len(rests) - len(members), 1)
    factors = [_factor(coordinates[m], within, latent) for m in members]
    return {
        "mean": mean,
        "components": components.astype(np.float32),
        "class_means": class_means.astype(np.float32),
        "class_factors": np.stack(factors).astype(np.float32),
    }


def _factor(coordinates: np.ndarray, within: np.ndarray, latent: int) -> np.ndarray:
    """Upper Cholesky factor F of the shrunk covariance, so that z @ F has it."""
    count = len(coordinates)
    own = np.cov(coordinates, rowvar=False).reshape(latent, latent) if count > 1 else within
    weight = latent / (latent + count)
    covariance = (1 - weight) * own + weight * within
    ridge = 1e-6 * max(np.trace(covariance) / latent, 1e-6)
    return linalg.cholesky(covariance + ridge * np.eye(latent), lower=False)


def _at_side(image: np.ndarray, side: int) -> np.ndarray:
    """One image at the base's side, float32 [S, S] in 0 to 255."""
    image = image.astype(np.float32)
    if len(image) != side:
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return image
