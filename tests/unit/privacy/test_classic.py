"""AuthPct and C_T against loops and SciPy."""

import numpy as np
import pytest
from scipy import stats

from xraygan.privacy import classic
from xraygan.privacy.classic import (
    CellDistances,
    authenticity,
    copying_statistic,
    data_copying,
    nearest_distance,
)


def test_nearest_distance_equals_the_loop(monkeypatch) -> None:
    monkeypatch.setattr(classic, "_ROWS_AT_ONCE", 6)
    monkeypatch.setattr(classic, "_REFERENCES_AT_ONCE", 9)
    random = np.random.default_rng(1)
    a, b = random.normal(size=(20, 4)) + 50, random.normal(size=(31, 4)) + 50
    distance, index = nearest_distance(a, b)
    each = np.linalg.norm(a[:, None] - b, axis=2)
    np.testing.assert_allclose(distance, each.min(axis=1), atol=1e-9)
    np.testing.assert_array_equal(index, each.argmin(axis=1))
    distance, index = nearest_distance(b[5:15], b, own=np.arange(5, 15))
    among = np.linalg.norm(b[:, None] - b, axis=2) + np.where(np.eye(31), np.inf, 0)
    np.testing.assert_allclose(distance, among[5:15].min(axis=1), atol=1e-9)


def test_authenticity_equals_the_loop() -> None:
    random = np.random.default_rng(2)
    train, made = random.normal(size=(40, 3)), random.normal(size=(30, 3))
    authentic = 0
    for image in made:
        nearest = min(range(40), key=lambda i: np.linalg.norm(train[i] - image))
        others = [np.linalg.norm(train[nearest] - train[j]) for j in range(40) if j != nearest]
        authentic += np.linalg.norm(train[nearest] - image) > min(others)
    found = authenticity(train, made)
    assert found.value == authentic / 30
    assert 0.1 < found.value < 0.9
    assert authenticity(train, train).value == 0
    films = np.repeat(np.arange(6), 5).astype(object)
    by_patient = authenticity(train, made, films)
    assert (by_patient.value, by_patient.n) == (found.value, 30)
    assert by_patient.high - by_patient.low != found.high - found.low


def twin(d: CellDistances) -> float:
    """Meehan's formula with SciPy's U, cell by cell."""
    total, weight = 0.0, 0
    for cell in set(d.test_cells.tolist()):
        p = d.test[d.test_cells == cell]
        q = d.synthetic[d.synthetic_cells == cell]
        if len(q) < 20:
            continue
        u = stats.mannwhitneyu(q, p).statistic
        z = (u - len(p) * len(q) / 2) / np.sqrt(len(p) * len(q) * (len(p) + len(q) + 1) / 12)
        total, weight = total + len(p) * z, weight + len(p)
    return total / weight


def test_copying_statistic_equals_scipys() -> None:
    random = np.random.default_rng(3)
    d = CellDistances(
        random.exponential(size=90),
        random.integers(0, 4, 90),
        random.exponential(0.8, size=150),
        random.choice([0, 1, 2, 3], 150, p=[0.4, 0.3, 0.25, 0.05]),
    )
    assert copying_statistic(d, d.counted()) == pytest.approx(twin(d), abs=1e-9)


def test_copying_statistic_is_not_a_number_without_cells() -> None:
    few = CellDistances(np.ones(5), np.zeros(5, int), np.ones(5), np.zeros(5, int))
    assert np.isnan(copying_statistic(few, few.counted()))
    found = data_copying(np.eye(5), np.eye(5), np.eye(5), np.arange(5).astype(object))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_figure_of_few_images_has_an_interval() -> None:
    """Just enough synthetic images in a cell: resamples with fewer of them count all the same."""
    random = np.random.default_rng(5)
    train, holdout, made = (random.normal(size=(n, 4)) for n in (170, 40, 45))
    found = data_copying(train, holdout, made, np.arange(40).astype(object))
    assert found.low < found.value < found.high
    # Of three held-out images one is in a cell that counts: some resamples lack it.
    three = data_copying(train, holdout[3:6], made, np.arange(3).astype(object))
    assert three.low < three.value < three.high


def test_copies_are_far_below_zero_and_fresh_images_near_it() -> None:
    random = np.random.default_rng(4)
    train, holdout = random.normal(size=(300, 6)), random.normal(size=(120, 6))
    patients = np.arange(120).astype(object)
    copies = train[:200] + random.normal(0, 0.1, (200, 6))
    leak = data_copying(train, holdout, copies, patients)
    honest = data_copying(train, holdout, random.normal(size=(200, 6)), patients)
    assert leak.high < -5
    assert honest.low < 0 < honest.high
    assert abs(honest.value) < 3
