from dataclasses import replace

import numpy as np
import pytest

from xraygan.sets import ImageSet


def made(labels: list[int], classes: tuple[str, ...] = ("A", "B")) -> ImageSet:
    count = len(labels)
    images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    patients = np.array([f"p{n}" for n in range(count)], object)
    return ImageSet(images, np.array(labels, np.int32), patients, classes)


def test_rows_keep_everything_together() -> None:
    part = made([0, 1, 1]).of_class(1)
    assert [image[0, 0] for image in part.images] == [1, 2]
    assert list(part.patients) == ["p1", "p2"]
    assert len(part.rows(np.array([1, 0, 0]))) == 3


def test_shares() -> None:
    assert made([0, 1, 1, 1]).shares.tolist() == [0.25, 0.75]
    assert made([]).shares.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("labels", [[0, 2], [-1]])
def test_label_without_a_class(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="labels outside"):
        made(labels)


def test_counts_and_types_are_checked() -> None:
    good = made([0, 1])
    with pytest.raises(TypeError, match="uint8"):
        ImageSet(good.images.astype(np.float32), good.labels, good.patients, good.classes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="differ in number"):
        ImageSet(good.images, good.labels[:1], good.patients, good.classes)
    with pytest.raises(ValueError, match="differ in number"):
        replace(good, at_random=np.ones(1, bool))
    with pytest.raises(ValueError, match="expected"):
        ImageSet(good.images[0], good.labels, good.patients, good.classes)


def test_joined_keeps_the_order() -> None:
    both = made([0, 1]).joined(made([1]))
    assert both.labels.tolist() == [0, 1, 1]
    assert both.patients.tolist() == ["p0", "p1", "p0"]
    with pytest.raises(ValueError, match="different classes"):
        made([0]).joined(made([0], ("A", "C")))


def test_who_was_drawn_at_random_is_kept_with_the_films() -> None:
    films = replace(made([0, 1, 1]), at_random=np.array([True, False, True]))
    assert films.rows(np.array([2, 1])).at_random.tolist() == [True, False]  # type: ignore[union-attr]
    assert films.joined(made([0])).at_random.tolist() == [True, False, True, False]  # type: ignore[union-attr]
    for same in (films.among(("A", "B", "C")), films.in_one_class("all")):
        assert same.at_random is films.at_random
    assert made([0]).rows(np.array([0])).at_random is None


def test_synthetic_images_are_of_a_patient_each() -> None:
    films = made([0, 1])
    synthetic = ImageSet.of_nobody(films.images, films.labels, films.classes, "written")
    assert synthetic.patients.tolist() == ["written 0", "written 1"]
    assert synthetic.labels is films.labels
