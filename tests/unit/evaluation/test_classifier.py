"""The classifier two-sample test where the answer is known."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from xraygan.evaluation import classifier
from xraygan.evaluation.classifier import told_apart


def names(prefix: str, count: int, each: int = 1) -> np.ndarray:
    return np.array([f"{prefix}{n // each}" for n in range(count)], object)


def test_weighted_auc_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 12, 80)
    positive = random.random(80) < 0.4
    weights = random.integers(0, 4, (5, 80)).astype(float)
    got = classifier._weighted_auc(np.unique(scores, return_inverse=True)[1], positive, weights)
    expected = [roc_auc_score(positive, scores, sample_weight=w) for w in weights]
    np.testing.assert_allclose(got, expected)


def test_a_known_shift_has_a_known_auc() -> None:
    """Best possible for two Gaussians d apart: Φ(d / √2)."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=(2, 1500, 4))
    y[:, 0] += 1
    got = told_apart(x, y, names("r", 1500), names("s", 1500))
    assert got.value == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert got.low <= norm.cdf(1 / np.sqrt(2)) <= got.high
    assert got.n == 1500


def test_a_repeated_image_is_not_in_training_and_test() -> None:
    random = np.random.default_rng(5)
    x, few = random.normal(size=(200, 40)), random.normal(size=(20, 40))
    repeated = np.repeat(few, 10, axis=0)
    honest = told_apart(x, repeated, names("r", 200), names("s", 200, 10))
    assert told_apart(x, repeated, names("r", 200), names("s", 200)).value < 0.75
    assert honest.value < 0.75


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_generator_of_one_image_is_told() -> None:
    x = np.random.default_rng(6).normal(size=(60, 8))
    found = told_apart(x, np.repeat(x[:1] + 0.5, 60, axis=0), names("r", 60), names("s", 60))
    assert found.value > 0.6


def test_nothing_to_tell_covers_a_half() -> None:
    random = np.random.default_rng(2)
    found = [
        told_apart(
            random.normal(size=(150, 30)), random.normal(size=(150, 30)), *[names("a", 150)] * 2
        )
        for _ in range(12)
    ]
    assert sum(f.low <= 0.5 <= f.high for f in found) >= 9
    assert np.mean([f.value for f in found]) == pytest.approx(0.5, abs=0.03)


def test_patients_are_not_split_between_folds() -> None:
    """Films of one patient are alike: a split within patients would find its way by them."""
    random = np.random.default_rng(3)
    real = np.repeat(random.normal(size=(20, 60)), 10, axis=0) + random.normal(0, 0.1, (200, 60))
    made = np.repeat(random.normal(size=(20, 60)), 10, axis=0) + random.normal(0, 0.1, (200, 60))
    whole = told_apart(real, made, names("r", 200, 10), names("s", 200, 10))
    split = told_apart(real, made, names("r", 200), names("s", 200))
    assert split.value > 0.95
    assert whole.value < 0.75


def test_rises_with_the_difference_and_finds_more_features_than_images() -> None:
    random = np.random.default_rng(4)
    x, y = random.normal(size=(2, 60, 200))
    values = [
        told_apart(x, y + gap, names("r", 60), names("s", 60)).value for gap in (0.05, 0.2, 0.6)
    ]
    assert values == sorted(values)
    assert values[2] > 0.98


def test_one_patient_is_refused() -> None:
    with pytest.raises(ValueError, match="one patient"):
        told_apart(np.zeros((4, 2)), np.zeros((4, 2)), np.array(["a"] * 4, object), names("s", 4))
