"""Scores against scikit-learn, loops, and closed forms."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score, roc_auc_score

from xraygan.evaluation.scores import (
    auc,
    calibration_error,
    equal_classes,
    sensitivity,
    specificity,
)


def drawn(classes: int, count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with many ties."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count).astype(np.int32)
    odds = random.integers(1, 6, (count, classes)) + 3.0 * np.eye(classes)[labels]
    return labels, odds / odds.sum(axis=1, keepdims=True)


def ece_twin(labels, probabilities, weights, bins: int) -> float:
    total = 0.0
    for b in range(bins):
        rows = [i for i, row in enumerate(probabilities) if b / bins < max(row) <= (b + 1) / bins]
        mass = sum(weights[i] for i in rows)
        if mass:
            right = sum(weights[i] * (np.argmax(probabilities[i]) == labels[i]) for i in rows)
            stated = sum(weights[i] * max(probabilities[i]) for i in rows)
            total += mass * abs(right / mass - stated / mass)
    return total / sum(weights)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_auc_is_that_of_scikit_learn(classes) -> None:
    labels, probabilities = drawn(classes)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    expected = roc_auc_score(labels, scores, multi_class="ovr")
    assert auc(labels, probabilities) == pytest.approx(expected, abs=1e-12)


def test_weighted_auc_is_that_of_scikit_learn_row_by_row() -> None:
    labels, probabilities = drawn(2)
    weights = np.random.default_rng(1).integers(0, 4, (7, len(labels)))
    expected = [roc_auc_score(labels, probabilities[:, 1], sample_weight=w) for w in weights]
    np.testing.assert_allclose(auc(labels, probabilities, weights), expected, atol=1e-12)


def test_a_weight_of_two_is_a_record_twice() -> None:
    labels, probabilities = drawn(3, 60)
    counts = np.random.default_rng(2).integers(1, 4, 60)
    rows = np.repeat(np.arange(60), counts)
    for score in (auc, calibration_error):
        assert score(labels, probabilities, counts) == pytest.approx(
            float(score(labels[rows], probabilities[rows]))
        )
    for score in (sensitivity, specificity):
        for finding in (None, 2):
            assert score(labels, probabilities, finding, counts) == pytest.approx(
                float(score(labels[rows], probabilities[rows], finding))
            )


@given(
    arrays.arrays(np.int32, st.integers(4, 40), elements=st.integers(0, 1)),
    st.integers(0, 2**32 - 1),
)
def test_auc_counts_pairs(labels, seed) -> None:
    labels = np.concatenate([labels, [0, 1]])
    score = np.random.default_rng(seed).integers(0, 5, len(labels)) / 4
    pairs = [(a > b) + (a == b) / 2 for a in score[labels == 1] for b in score[labels == 0]]
    got = auc(labels, np.stack([1 - score, score], axis=1))
    assert got == pytest.approx(np.mean(pairs), abs=1e-12)


def test_blocks_of_resamples_join(monkeypatch) -> None:
    labels, probabilities = drawn(2)
    weights = np.random.default_rng(3).integers(0, 3, (5, 4, len(labels)))
    whole = auc(labels, probabilities, weights)
    assert whole.shape == (5, 4)
    monkeypatch.setattr("xraygan.evaluation.scores._ENTRIES_AT_ONCE", 3 * len(labels))
    np.testing.assert_array_equal(auc(labels, probabilities, weights), whole)


def test_sensitivity_and_specificity_are_recalls() -> None:
    labels, probabilities = drawn(2)
    given_class = probabilities.argmax(axis=1)
    expected = [recall_score(labels, given_class, pos_label=k) for k in (0, 1)]
    assert sensitivity(labels, probabilities, 1) == pytest.approx(expected[1])
    assert specificity(labels, probabilities, 1) == pytest.approx(expected[0])
    assert sensitivity(labels, probabilities, 0) == pytest.approx(expected[0])


def test_of_more_classes_the_mean_of_one_against_the_rest() -> None:
    labels, probabilities = drawn(4)
    given_class = probabilities.argmax(axis=1)
    assert sensitivity(labels, probabilities, None) == pytest.approx(
        recall_score(labels, given_class, average="macro")
    )
    others = [recall_score(labels != k, given_class != k) for k in range(4)]
    assert specificity(labels, probabilities, None) == pytest.approx(np.mean(others))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("bins", [1, 4, 15])
def test_calibration_error_is_the_double_loop(classes, bins) -> None:
    labels, probabilities = drawn(classes, 120)
    weights = np.random.default_rng(4).random(120)
    assert calibration_error(labels, probabilities, weights, bins=bins) == pytest.approx(
        ece_twin(labels, probabilities, weights, bins)
    )


def test_calibration_error_has_closed_forms() -> None:
    """Always sure: the share of errors. Sure by 0.8 and right four times in five: 0."""
    labels = np.array([1, 1, 1, 1, 0], np.int32)
    sure = np.tile([0.0, 1.0], (5, 1))
    fair = np.tile([0.2, 0.8], (5, 1))
    assert calibration_error(labels, sure) == pytest.approx(0.2)
    assert calibration_error(labels, fair) == pytest.approx(0.0)
    assert calibration_error(labels, fair, equal_classes(labels)) == pytest.approx(0.3)


def test_equal_classes_weigh_the_same() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2], np.int32)
    weights = np.array([[1, 1, 1, 1, 1, 1], [5, 0, 2, 1, 2, 0]])
    got = equal_classes(labels, weights)
    for k in range(3):
        np.testing.assert_allclose(got[:, labels == k].sum(axis=1), 1)
    assert got[1, 4] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="no weight"):
        equal_classes(labels, np.array([0, 1, 1, 1, 1, 1]))


def test_wrong_input_is_refused() -> None:
    labels, probabilities = drawn(2, 10)
    with pytest.raises(ValueError, match="expected"):
        auc(labels[:5], probabilities)
    with pytest.raises(ValueError, match="expected"):
        auc(labels, probabilities, np.ones((2, 9)))
    with pytest.raises(ValueError, match="every one must"):
        auc(np.zeros(10, np.int32), probabilities)
    with pytest.raises(ValueError, match="every one must"):
        calibration_error(labels, np.full((10, 3), 1 / 3))
