"""Readers: the published example of kappa, exact intervals, and answers that say nothing."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from xraygan.evaluation.readers import agreement, fleiss_kappa, reading_figures


def test_the_published_example():
    # Ten subjects, fourteen raters, five categories: https://en.wikipedia.org/wiki/Fleiss%27_kappa
    counts = np.array(
        [
            *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0]),
            *([2, 2, 8, 1, 1], [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2]),
            *([6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
        ]
    )
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=0.0005)


def test_two_readers_with_equal_shares_agree_as_cohen_says():
    first = np.array([1, 1, 1, 0, 0, 0, 1, 0] * 5, bool)
    second = np.array([1, 1, 0, 1, 0, 0, 1, 0] * 5, bool)
    found = agreement(np.stack([first, second]))
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.low < found.value < found.high
    assert found.n == 40


def test_chance_is_zero_and_copies_are_one():
    answers = np.random.default_rng(0).random((3, 400)) < 0.5
    chance = agreement(answers)
    assert chance.low < 0 < chance.high
    assert agreement(np.stack([answers[0]] * 3)).value == 1


def test_agreement_that_cannot_be_said():
    assert agreement(np.zeros((1, 9), bool)) is None
    assert agreement(np.zeros((3, 9), bool)) is None
    with pytest.raises(ValueError, match="same two or more"):
        fleiss_kappa(np.array([[1, 1], [2, 1]]))


def test_figures_and_their_exact_intervals():
    truth = np.array([True] * 20 + [False] * 10)
    said = np.array([True] * 15 + [False] * 5 + [True] * 3 + [False] * 7)
    found = reading_figures(truth, said)
    wanted = {"accuracy": (22, 30), "sensitivity": (15, 20), "specificity": (7, 10)}
    assert found.keys() == wanted.keys()
    for name, (right, count) in wanted.items():
        interval = binomtest(right, count).proportion_ci(method="exact")
        assert found[name].value == right / count
        assert found[name].low == pytest.approx(interval.low)
        assert found[name].high == pytest.approx(interval.high)


def test_a_share_of_nothing_is_left_out():
    assert "specificity" not in reading_figures(np.array([True]), np.array([True]))
    with pytest.raises(ValueError, match="answers"):
        reading_figures(np.zeros(0, bool), np.zeros(0, bool))
