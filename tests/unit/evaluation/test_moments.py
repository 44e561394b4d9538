"""Moments against NumPy's own, and shards against the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraygan.evaluation import moments
from xraygan.evaluation.moments import Moments


def table(count: int, seed: int, width: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, width)) @ random.normal(size=(width, width)) + 100


def test_mean_and_covariance_are_numpys(monkeypatch) -> None:
    monkeypatch.setattr(moments, "_ROWS_AT_ONCE", 7)
    rows = table(50, 0)
    got = Moments.of(rows)
    assert got.n == 50
    np.testing.assert_allclose(got.mean, rows.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(got.covariance, np.cov(rows, rowvar=False), rtol=1e-10)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 99), st.randoms())
def test_shards_in_any_order_equal_the_whole(sizes, seed, order) -> None:
    rows = table(sum(sizes) + 1, seed)
    shards = [Moments.of(part) for part in np.split(rows, np.cumsum(sizes))]
    order.shuffle(shards)
    merged = shards[0]
    for shard in shards[1:]:
        merged = merged.merge(shard)
    whole = Moments.of(rows)
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-9, atol=1e-8)


def test_without_undoes_merge() -> None:
    rows = table(60, 3)
    left = Moments.of(rows).without(Moments.of(rows[40:]))
    expected = Moments.of(rows[:40])
    assert left.n == 40
    np.testing.assert_allclose(left.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(left.scatter, expected.scatter, rtol=1e-9, atol=1e-8)


def test_float32_rows_are_summed_in_float64() -> None:
    rows = (1000 + np.random.default_rng(4).normal(size=(4000, 2))).astype(np.float32)
    expected = np.cov(rows.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(Moments.of(rows).covariance, expected, rtol=1e-9)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Moments.of(np.zeros(3))
    with pytest.raises(ValueError, match="5 and 4"):
        Moments.of(table(3, 0)).merge(Moments.of(table(3, 0, 4)))
    with pytest.raises(ValueError, match="at least 2"):
        _ = Moments.of(table(1, 0)).covariance
    with pytest.raises(ValueError, match="nothing is left"):
        Moments.of(table(3, 0)).without(Moments.of(table(3, 0)))
