"""Evened-out features: closed forms, and no more say for a small reference than is due."""

import numpy as np
import pytest

from xraygan.evaluation.decorrelation import decorrelate


def correlated(count: int, seed: int) -> np.ndarray:
    """Six features, five of which are nearly the same one, in other units each."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(count, 1))
    table = np.concatenate([common + 0.3 * draw.normal(size=(count, 5)), common * 0], axis=1)
    table[:, 5] = draw.normal(size=count)
    return table * [1, 2, 3, 40, 0.5, 6] + [0, 1, 2, 3, 4, 50]


def test_variances_become_v_over_v_plus_one() -> None:
    table = correlated(5000, 0)
    before = np.linalg.eigvalsh(np.corrcoef(table.T))
    got = decorrelate(table).apply(table)
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-9)
    after = np.linalg.eigvalsh(got.T @ got / len(got))
    np.testing.assert_allclose(after, before / (before + 1), rtol=1e-9)


def test_uncorrelated_features_are_scaled_alone() -> None:
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * [2.0, 5.0]
    got = decorrelate(signs)
    np.testing.assert_allclose(got.matrix, np.diag([0.5, 0.2]) / np.sqrt(2))


def test_units_do_not_matter() -> None:
    table, other = correlated(300, 1), correlated(10, 2)
    units, zeros = np.array([1e3, 1, 5, 1e-1, 7, 100]), np.linspace(0, 5, 6)
    plain = decorrelate(table).apply(other)
    np.testing.assert_allclose(
        decorrelate(table * units + zeros).apply(other * units + zeros), plain
    )


def test_fewer_images_than_features_and_constant_ones_stay_finite() -> None:
    table = np.random.default_rng(3).normal(size=(20, 100))
    table[:, 7] = 4
    other = np.random.default_rng(4).normal(size=(500, 100))
    got = decorrelate(table).apply(other)
    assert np.isfinite(got).all()
    assert got[:, :7].std() == pytest.approx(other[:, :7].std(), rel=0.3)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        decorrelate(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="the reference had 6"):
        decorrelate(correlated(9, 0)).apply(np.zeros((2, 5)))
