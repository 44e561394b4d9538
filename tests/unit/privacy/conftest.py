"""Phantom patients in three groups that share nobody, drawn once."""

import numpy as np
import pytest
from privacy_films import FRESH, HOLDOUT, TRAIN, Films, image_set

from xraygan.data.phantom import phantom_images


@pytest.fixture(scope="session")
def films() -> Films:
    images, labels = phantom_images(TRAIN + HOLDOUT + FRESH, 32, 71)
    parts = np.split(np.arange(len(images)), [TRAIN, TRAIN + HOLDOUT])
    return Films(
        *(
            image_set(images[rows], labels[rows], name)
            for rows, name in zip(parts, ("Ann Trained", "Bob Kept", "made"), strict=True)
        )
    )
