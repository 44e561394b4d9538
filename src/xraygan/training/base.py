"""Fits the generator's linear base: class means and covariances in principal components."""

import cv2
import numpy as np
from scipy import linalg
from sklearn.utils.extmath import randomized_svd

MAX_IMAGES = 50_000
"""More images than this do not change 512 components; the rest are passed over."""


def fit_base(
    images: np.ndarray, conditions: np.ndarray, latent: int, resolution: int
) -> dict[str, np.ndarray]:
    """The weights of `LinearGaussian` for these training images.

    A label's covariance is estimated from its n images and drawn towards the covariance
    within all labels by latent / (latent + n), so that a label of ten images borrows the
    variety of the others.

    Args:
        images: uint8 [N, R, R].
        conditions: float32 [N, K], 1 for each label that an image has and 0 elsewhere.
        latent: number of components, at most N - 1 (1 where N is 1).
        resolution: side of the base; larger images are averaged down to it.

    Returns:
        float32 arrays: mean [P], components [latent, P], class_means [K, latent],
        class_factors [K, latent, latent] (transposed Cholesky factors), P = resolution².
    """
    chosen = np.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).astype(np.int64)
    conditions = conditions[chosen]
    pixels = np.stack([_base_pixels(images[number], resolution) for number in chosen])
    mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    pixels -= mean
    _, _, components = randomized_svd(pixels, latent, random_state=0)
    coordinates = (pixels @ components.T).astype(np.float64)

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


def _base_pixels(image: np.ndarray, resolution: int) -> np.ndarray:
    """One image at the base's side as float32 [P] in [-1, 1]."""
    if image.shape[0] != resolution:
        image = cv2.resize(
            image.astype(np.float32), (resolution, resolution), interpolation=cv2.INTER_AREA
        )
    return image.reshape(-1).astype(np.float32) / 127.5 - 1
