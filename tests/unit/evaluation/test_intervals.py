"""Intervals by patient: they cover, they do not believe in certainty."""

import numpy as np
import pytest

from xraygan.evaluation.intervals import (
    deletion_groups,
    deletions,
    jackknife,
    mean_with_interval,
    resampled_weights,
)


def names(*sizes: int) -> np.ndarray:
    return np.repeat([f"p{n}" for n in range(len(sizes))], sizes).astype(object)


def test_films_of_one_patient_are_drawn_together() -> None:
    groups = names(3, 1, 2)
    weights = resampled_weights(groups, resamples=50, seed=1)
    assert weights.shape == (50, 6)
    assert (weights[:, :3] == weights[:, :1]).all()
    assert (weights[:, 0] + weights[:, 3] + weights[:, 4] == 3).all()


def test_interval_of_a_mean_over_patients_covers() -> None:
    random = np.random.default_rng(2)
    hits = 0
    for seed in range(200):
        values = np.repeat(random.normal(size=40), 5) + random.normal(0, 0.1, 200)
        got = mean_with_interval(values, names(*[5] * 40), seed=seed)
        hits += got.low <= 0 <= got.high
    assert 176 <= hits <= 199  # 190 expected; taking films as independent gives 130


def test_all_alike_is_not_certain() -> None:
    got = mean_with_interval(np.ones(20, bool), names(*[2] * 10))
    assert got.value == got.high == 1
    assert got.low == pytest.approx(0.025 ** (1 / 10))
    assert mean_with_interval(np.zeros(20, bool), names(*[2] * 10)).high > 0.2


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=10)
    without = np.array([np.delete(values, i).mean() for i in range(10)])
    got = jackknife(values.mean(), without, 10)
    error = values.std(ddof=1) / np.sqrt(10)
    assert got.high - got.value == pytest.approx(2.2622 * error, rel=1e-4)
    assert jackknife(0.1, without, 10, least=0.0).low == 0


def test_deletion_groups_keep_patients_whole() -> None:
    groups = names(4, 1, 1, 5, 2, 2)
    assert deletions(groups, names(*[1] * 30)) == 6
    assert deletions(names(*[1] * 30)) == 10
    found = deletion_groups(groups, 3, seed=4)
    for name in set(groups):
        assert len(set(found[groups == name])) == 1
    assert set(found) == {0, 1, 2}


@pytest.mark.parametrize("values", [np.ones(20, bool), np.arange(20) < 7, np.linspace(0, 1, 20)])
def test_images_of_one_patient_give_no_interval(values: np.ndarray) -> None:
    got = mean_with_interval(values, names(20))
    assert got.value == pytest.approx(values.mean())
    assert np.isnan([got.low, got.high]).all()
    assert got.as_dict()["low"] is None
    assert got.as_dict()["high"] is None
