"""Fréchet distance against closed forms and SciPy's matrix root; intervals that cover."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from xraygan.evaluation.frechet import (
    Cloud,
    Frechet,
    figures_of_moments,
    frechet_distance,
    frechet_figures,
    grouped_moments,
)
from xraygan.evaluation.intervals import deletion_groups
from xraygan.evaluation.moments import Moments


def moments(mean: np.ndarray, covariance: np.ndarray) -> Moments:
    return Moments(1001, mean, covariance * 1000)


def own(count: int) -> np.ndarray:
    return np.array([f"s{n}" for n in range(count)], object)


def test_a_shift_counts_squared() -> None:
    """Of two Gaussians with one covariance the distance is |m - m'|²."""
    covariance = np.diag([1.0, 4.0, 9.0])
    shift = np.array([1.0, -2.0, 0.5])
    got = frechet_distance(moments(np.zeros(3), covariance), moments(shift, covariance))
    assert got == pytest.approx(5.25, rel=1e-12)


def test_commuting_covariances() -> None:
    """With common axes it is Σ (σ - σ')² along them."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    a, b = np.array([1.0, 2.0, 3.0, 0.0]), np.array([2.0, 0.5, 3.0, 1.5])
    sides = [moments(np.zeros(4), (axes * s**2) @ axes.T) for s in (a, b)]
    assert frechet_distance(*sides) == pytest.approx(((a - b) ** 2).sum(), rel=1e-9)


def test_equals_the_matrix_root() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(80, 6)), random.normal(0.2, 1.3, size=(70, 6))
    y = y @ random.normal(size=(6, 6))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    expected = gap @ gap + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    got = frechet_distance(Moments.of(x), Moments.of(y))
    assert got == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(Moments.of(y), Moments.of(x)) == pytest.approx(got, rel=1e-9)


def test_fewer_images_than_features() -> None:
    """Singular on both sides: the nuclear norm of the crossed data says what is shared."""
    random = np.random.default_rng(2)
    x, y = random.normal(size=(9, 40)), random.normal(size=(12, 40))
    centred = [(t - t.mean(axis=0)) / np.sqrt(len(t) - 1) for t in (x, y)]
    shared = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    gap = x.mean(axis=0) - y.mean(axis=0)
    expected = gap @ gap + sum((c**2).sum() for c in centred) - 2 * shared
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-8)


def test_tables_in_pieces_give_the_figures_of_the_whole() -> None:
    """What two workers have counted apart, or a stream of tables, is what one would have."""
    random = np.random.default_rng(4)
    sides = [random.normal(0.1 * n, 1 + 0.2 * n, size=(90, 5)) for n in range(3)]
    patients = [np.array([f"{n // 2}" for n in range(90)], object) for _ in sides]
    clouds = [Cloud(*side) for side in zip(sides, patients, strict=True)]
    expected = frechet_figures(*clouds, seed=3)
    groups = [deletion_groups(who, 10, seed=3) for who in patients]
    streamed = [
        grouped_moments(np.array_split(side, 7), group, 10)
        for side, group in zip(sides, groups, strict=True)
    ]
    halves = [
        [
            a.merge(b)
            for a, b in zip(
                grouped_moments([side[:33]], group[:33], 10),
                grouped_moments([side[33:]], group[33:], 10),
                strict=True,
            )
        ]
        for side, group in zip(sides, groups, strict=True)
    ]
    for moments_of_sides in (streamed, halves):
        got = figures_of_moments(moments_of_sides)
        for one, other in ((got.fid, expected.fid), (got.ratio, expected.ratio)):
            assert one is not None and other is not None
            assert (one.value, one.low, one.high) == pytest.approx(
                (other.value, other.low, other.high), rel=1e-9
            )
            assert one.n == 90


def test_itself_flat_and_permuted() -> None:
    x = np.random.default_rng(3).normal(size=(50, 7))
    assert frechet_distance(Moments.of(x), Moments.of(x[::-1])) == pytest.approx(0, abs=1e-9)
    flat = Moments.of(np.ones((5, 7)))
    assert Frechet(flat).distance(flat) == 0


def test_the_floor_stands_for_a_perfect_generator() -> None:
    random = np.random.default_rng(4)
    draws = [Cloud(random.normal(size=(300, 8)), own(300)) for _ in range(3)]
    got = frechet_figures(*draws)
    assert got.fid.floor is not None and got.ratio is not None
    assert got.fid.value > 0.1, "biased: few images, many features"
    assert got.fid.value == pytest.approx(got.fid.floor, rel=0.5)
    assert got.ratio.low < 1 < got.ratio.high
    assert got.ratio.value == pytest.approx(got.fid.floor / got.fid.value)
    far = frechet_figures(draws[0], Cloud(draws[1].features + 3, own(300)), draws[2])
    assert far.ratio is not None
    assert far.ratio.high < 0.05
    assert far.fid.low > 60


def test_interval_covers_a_known_distance() -> None:
    """One feature, so almost no bias: (m - m')² + (σ - σ')²."""
    random = np.random.default_rng(5)
    hits = 0
    for seed in range(120):
        x, y = random.normal(0, 1, (400, 1)), random.normal(0.8, 1.5, (400, 1))
        got = frechet_figures(Cloud(x, own(400)), Cloud(y, own(400)), seed=seed).fid
        hits += got.low <= 0.8**2 + 0.5**2 <= got.high
    assert 105 <= hits <= 119  # 114 expected


def test_patients_with_many_films_widen_the_interval() -> None:
    random = np.random.default_rng(6)
    patients = np.repeat(random.normal(size=(60, 2)), 10, axis=0)
    films = patients + random.normal(0, 0.05, size=patients.shape)
    names = np.array([f"p{n // 10}" for n in range(600)], object)
    made = Cloud(random.normal(1, 1, size=(600, 2)), own(600))
    by_patient = frechet_figures(Cloud(films, names), made).fid
    by_film = frechet_figures(Cloud(films, own(600)), made).fid
    assert by_patient.high - by_patient.low > 1.5 * (by_film.high - by_film.low)


def test_one_patient_gives_no_interval_and_no_control_no_ratio() -> None:
    x = np.random.default_rng(7).normal(size=(20, 3))
    got = frechet_figures(Cloud(x, np.array(["a"] * 20, object)), Cloud(x + 1, own(20)))
    assert np.isnan(got.fid.low)
    assert got.fid.value == pytest.approx(3)
    assert got.ratio is None and got.fid.floor is None


def test_two_patients_of_whom_one_has_nearly_all_films() -> None:
    x = np.random.default_rng(8).normal(size=(12, 3))
    names = np.array(["a"] * 11 + ["b"], object)
    assert np.isnan(frechet_figures(Cloud(x, names), Cloud(x + 1, own(12))).fid.low)
