"""The figure of each snapshot."""

import numpy as np
import pytest

from xraygan.evaluation import realism
from xraygan.evaluation.realism import RealismMeter
from xraygan.sets import ImageSet


def films(patients: int, of_each: int, seed: int) -> ImageSet:
    """Textures, `of_each` nearly the same of a patient; class 0 first, and black in a corner."""
    random = np.random.default_rng(seed)
    own = random.integers(0, 256, (patients, 32, 32)).repeat(of_each, axis=0)
    images = np.clip(own + random.integers(-3, 4, own.shape), 0, 255).astype(np.uint8)
    labels = (np.arange(len(images)) >= len(images) // 2).astype(np.int32)
    images[:, 0, 0] = 255 * labels
    names = np.repeat([f"{seed}-{n}" for n in range(patients)], of_each).astype(object)
    return ImageSet(images, labels, names, ("A", "B"))


def test_of_many_films_all_classes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie class by class: the first ones would be of one class."""
    described, corners = realism.filter_bank_features, []

    def noted(images: np.ndarray) -> np.ndarray:
        corners.append(images[:, 0, 0] / 255)
        return described(images)

    monkeypatch.setattr(realism, "filter_bank_features", noted)
    monkeypatch.setattr(realism, "MOST_IMAGES", 60)
    RealismMeter(films(200, 1, 0), films(150, 1, 1))
    assert [len(part) for part in corners] == [60, 60]
    assert all(0.3 < part.mean() < 0.7 for part in corners)


def test_films_of_one_patient_are_no_distance() -> None:
    train, validation = films(40, 4, 0), films(20, 4, 1)
    alone = [
        ImageSet.of_nobody(part.images, part.labels, part.classes) for part in (train, validation)
    ]
    known, unknown = RealismMeter(train, validation), RealismMeter(*alone)
    assert known.floor.value is not None and unknown.floor.value is not None
    assert known.floor.value < 0.5 * unknown.floor.value
    drawn = films(60, 1, 2).images
    found, as_strangers = known.kernel_distance(drawn), unknown.kernel_distance(drawn)
    assert found.value < as_strangers.value
