"""The first honest number: how far generated images are from patients never trained on."""

import numpy as np

from xraygan.estimates import Estimate
from xraygan.evaluation.features import Standardiser, filter_bank_features, standardise
from xraygan.evaluation.kernel import Kernel
from xraygan.sets import ImageSet, some_rows

LEAST_IMAGES = 20
"""With fewer validation images a distance says nothing."""
MOST_IMAGES = 2000


class RealismMeter:
    """Measures generated images against validation images, beside real training images.

    Args:
        train: the films trained on; they set the features' scale.
        validation: of other patients, `LEAST_IMAGES` at least.
        seed: which images are taken where there are more than are needed.

    Attributes:
        floor: the distance between training and validation images: what a perfect
            generator would show.

    Raises:
        ValueError: too few images.
    """

    def __init__(self, train: ImageSet, validation: ImageSet, seed: int = 0) -> None:
        if min(len(train), len(validation)) < LEAST_IMAGES:
            raise ValueError(f"{len(train)} and {len(validation)} images: too few to measure")
        # By chance: films lie in the order of their classes.
        of_train, of_validation = (
            some_rows(len(films), MOST_IMAGES, seed) for films in (train, validation)
        )
        features = filter_bank_features(train.images[of_train])
        self._standardiser: Standardiser = standardise(features)
        self._kernel = Kernel(
            self._features(validation.images[of_validation]), validation.patients[of_validation]
        )
        self.floor: Estimate = self._kernel.distance(
            self._standardiser.apply(features), train.patients[of_train]
        )

    def kernel_distance(self, images: np.ndarray) -> Estimate:
        """KID of generated uint8 images [N, R, R] against the validation images."""
        return self._kernel.distance(self._features(images))

    def _features(self, images: np.ndarray) -> np.ndarray:
        return self._standardiser.apply(filter_bank_features(images))
