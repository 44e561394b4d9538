"""Intervals over patients and seeds: what they promise, counted."""

import numpy as np
import pytest

from xraygan.estimates import proportion
from xraygan.evaluation.exam import (
    MEASURES,
    Exam,
    finding_of,
    over_seeds,
    patient_weights,
    patients_per_class,
)
from xraygan.sets import ImageSet


def films(labels: list[int], patients: list[str]) -> ImageSet:
    images = np.zeros((len(labels), 4, 4), np.uint8)
    classes = ("NORMAL", "PNEUMONIA")
    return ImageSet(images, np.array(labels, np.int32), np.array(patients, object), classes)


def probabilities(ill: np.ndarray) -> np.ndarray:
    return np.stack([1 - ill, ill], axis=1)


def test_patients_are_drawn_as_wholes_and_class_by_class() -> None:
    labels = np.array([0, 0, 1, 1, 1, 0], np.int32)
    patients = np.array(["a", "b", "c", "c", "d", "b"], object)
    weights = patient_weights(labels, patients, 500, 0)
    assert weights.shape == (501, 6)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights[:, 1], weights[:, 5])
    np.testing.assert_array_equal(weights[:, 2], weights[:, 3])
    np.testing.assert_array_equal(weights[:, 0] + weights[:, 1], 2)
    np.testing.assert_array_equal(weights[:, 2] + weights[:, 4], 2)
    assert weights[1:, 0].mean() == pytest.approx(1, abs=0.1)
    assert set(np.unique(weights)) == {0, 1, 2}


def test_a_patient_of_two_classes_is_drawn_once() -> None:
    labels = np.array([0, 1, 0, 1], np.int32)
    patients = np.array(["a", "a", "b", "c"], object)
    weights = patient_weights(labels, patients, 50, 0)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 0] + weights[:, 2], 2)
    np.testing.assert_array_equal(weights[:, 3], 1)


@pytest.mark.parametrize(("patient_sd", "seed_sd"), [(1.0, 0.0), (1.0, 1.0), (0.1, 1.0)])
def test_intervals_cover_the_truth_as_often_as_they_say(patient_sd, seed_sd) -> None:
    """Figure = mean over 40 patients of N(0, patient_sd) + one N(0, seed_sd / √40) a training."""
    random = np.random.default_rng(1)
    hits, rounds, patients = 0, 2000, 40
    for number in range(rounds):
        outcome = random.normal(0, patient_sd, patients)
        seeds = random.normal(0, seed_sd / np.sqrt(patients), 3)
        drawn = random.multinomial(patients, np.full(patients, 1 / patients), 400)
        means = np.concatenate([[outcome.mean()], drawn @ outcome / patients])
        found = over_seeds(seeds[:, None] + means, patients, seed=number)
        assert found.value == pytest.approx(outcome.mean() + seeds.mean())
        hits += found.low <= 0 <= found.high
    assert 0.9 < hits / rounds <= 0.985  # forty patients: a bootstrap is a little short


def test_without_seeds_to_vary_the_interval_is_the_patients() -> None:
    figures = np.random.default_rng(2).random(1001)
    found = over_seeds(np.stack([figures] * 3), 9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(figures[1:], [0.025, 0.975])))
    assert (found.value, found.n) == (figures[0], 9)


@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (5,)])
def test_figures_that_allow_no_interval_are_refused(shape) -> None:
    with pytest.raises(ValueError, match="expected"):
        over_seeds(np.zeros(shape), 1)


def test_figures_of_a_known_classifier() -> None:
    part = films([0, 0, 0, 0, 1, 1], ["a", "b", "c", "d", "e", "f"])
    exam = Exam.of(part, resamples=20)
    found = exam.figures(probabilities(np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.9])))
    assert tuple(found) == MEASURES
    assert all(values.shape == (21,) for values in found.values())
    assert found["auc"][0] == pytest.approx(7 / 8)
    assert found["sensitivity"][0] == pytest.approx(1 / 2)
    assert found["specificity"][0] == pytest.approx(3 / 4)


def test_calibration_does_not_depend_on_the_classes_shares() -> None:
    few = films([0, 0, 1, 1], ["a", "b", "c", "d"])
    many = films([0, 0] + [1, 1] * 5, [str(n) for n in range(12)])
    ill = np.array([0.2, 0.4, 0.45, 0.9])
    ece = [
        Exam.of(part, resamples=1).figures(probabilities(p))["ece"][0]
        for part, p in ((few, ill), (many, np.concatenate([ill[:2], np.tile(ill[2:], 5)])))
    ]
    assert ece[0] == pytest.approx(ece[1])


def test_faultless_is_not_certain() -> None:
    """20 of 20 patients right: up to 17 % may be misjudged (Clopper and Pearson)."""
    part = films([0] * 20 + [1] * 30, [str(n) for n in range(50)])
    exam = Exam.of(part, resamples=10)
    perfect = exam.estimate(np.ones((3, 11)))
    assert (perfect.value, perfect.high, perfect.n) == (1, 1, 50)
    assert perfect.low == pytest.approx(proportion(20, 20).low)
    even = exam.estimate(np.zeros((3, 11)), least=-1)
    assert even.low == pytest.approx(-even.high)
    assert even.high == pytest.approx(1 - proportion(20, 20).low)


def test_intervals_stay_within_the_possible() -> None:
    part = films([0] * 5 + [1] * 5, [str(n) for n in range(10)])
    figures = np.array([[0.9] * 11, [1.0] * 11, [0.95] * 11])
    found = Exam.of(part, resamples=10).estimate(figures)
    assert found.high == 1
    assert found.low < 0.9


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("NORMAL", "PNEUMONIA"), 1),
        (("COVID", "Normal"), 0),
        (("Effusion", "No_Finding"), 0),
        (("bacteria", "virus"), 1),
        (("0", "1"), 1),
        (("A", "B", "C"), None),
    ],
)
def test_which_class_is_the_finding(classes, expected) -> None:
    assert finding_of(classes) == expected


def test_patients_are_counted_class_by_class() -> None:
    assert patients_per_class(films([0, 0, 1, 1], ["a", "a", "b", "c"])).tolist() == [1, 2]


def test_no_resample_loses_a_class_that_comes_only_with_another() -> None:
    """Six patients alone have the rare class, and each has a film without it before."""
    patients = np.array([f"p{n}" for n in range(200)] + [f"p{n}" for n in range(6)], object)
    labels = np.repeat(np.array([0, 1], np.int32), [200, 6])
    weights = patient_weights(labels, patients, 2000, 0)
    assert weights[:, labels == 1].sum(axis=1).min() > 0


def test_patients_of_many_sets_of_classes_are_drawn_as_freely_as_others() -> None:
    random = np.random.default_rng(2)
    patients = np.repeat([f"p{n}" for n in range(150)], 4).astype(object)
    labels = random.integers(0, 8, 600).astype(np.int32)
    _, values = np.unique(patients, return_inverse=True)
    values = random.normal(size=150)[values]
    weights = patient_weights(labels, patients, 2000, 0)[1:]
    spread = (weights @ values / weights.sum(axis=1)).std()
    assert spread == pytest.approx(values[::4].std() / np.sqrt(150), rel=0.15)
