"""Sets of films that share no patient, and what is made of them."""

from dataclasses import dataclass

import numpy as np

from xraygan.data.phantom import CLASSES
from xraygan.sets import ImageSet

TRAIN, HOLDOUT, FRESH = 240, 100, 160


@dataclass(frozen=True, eq=False)
class Films:
    """Films of different patients: trained on, held out, and as an honest generator's images."""

    train: ImageSet
    holdout: ImageSet
    fresh: ImageSet

    @property
    def sets(self) -> tuple[ImageSet, ImageSet, ImageSet]:
        return self.train, self.holdout, self.fresh


def image_set(images: np.ndarray, labels: np.ndarray, name: str) -> ImageSet:
    patients = np.array([f"{name} {i}" for i in range(len(images))], object)
    return ImageSet(images, labels.astype(np.int32), patients, CLASSES)


def leaking(films: Films, copies: np.ndarray) -> ImageSet:
    """The honest images with the first ones replaced by these."""
    images = films.fresh.images.copy()
    images[: len(copies)] = copies
    return image_set(images, films.fresh.labels, "made")


def thumbnails(images: np.ndarray) -> np.ndarray:
    """A feature space that costs nothing: 8 × 8 means, [N, 64]."""
    size = images.shape[1] // 8
    cells = images.reshape(len(images), 8, size, 8, size).mean(axis=(2, 4))
    return cells.reshape(len(images), 64).astype(np.float32)
