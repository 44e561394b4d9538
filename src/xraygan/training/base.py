"""Fits the generator's linear base: class means and covariances in principal components."""

import cv2
import numpy as np
from scipy import linalg
from sklearn.utils.extmath import randomized_svd

MAX_IMAGES = 50_000
"""More images than this do not change 512 components; the rest are passed over."""


def fit_base(
    images: np.ndarray, labels: np.ndarray, num_classes: int, latent: int, resolution: int
) -> dict[str, np.ndarray]:
    """The weights of `LinearGaussian` for these training images.

    A class's covariance is estimated from its n images and drawn towards the covariance
    within all classes by latent / (latent + n), so that a class of ten images borrows the
    variety of the others.

    Args:
        images: uint8 [N, R, R].
        labels: int32 [N] in [0, num_classes).
        num_classes: K.
        latent: number of components, at most N - 1 (1 where N is 1).
        resolution: side of the base; larger images are averaged down to it.

    Returns:
        float32 arrays: mean [P], components [latent, P], class_means [K, latent],
        class_factors [K, latent, latent] (transposed Cholesky factors), P = resolution².
    """
    chosen = np.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).astype(np.int64)
    labels = labels[chosen]
    pixels = np.stack([_base_pixels(images[number], resolution) for number in chosen])
    mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    pixels -= mean
    _, _, components = randomized_svd(pixels, latent, random_state=0)
    coordinates = (pixels @ components.T).astype(np.float64)

    class_means = np.zeros((num_classes, latent))
    within = np.zeros((latent, latent))
    for number in range(num_classes):
        mine = coordinates[labels == number]
        if len(mine):
            class_means[number] = mine.mean(axis=0)
            within += (mine - class_means[number]).T @ (mine - class_means[number])
    within /= max(len(labels) - num_classes, 1)
    factors = [
        _factor(coordinates[labels == number], within, latent) for number in range(num_classes)
    ]
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
