"""The kernel distance against closed forms, a double loop, and its own promises."""

import numpy as np
import pytest

from xraygan.evaluation.kernel import Kernel, kernel_distance


def twin(x: np.ndarray, y: np.ndarray) -> float:
    """Gretton et al. 2012, equation 3, as it stands in the paper."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    between = sum(k(a, b) for a in x for b in y) / (n * m)
    return within_x + within_y - 2 * between


def test_equals_the_double_loop() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(9, 5)), random.normal(0.3, 1.4, size=(13, 5))
    assert kernel_distance(x, y).value == pytest.approx(twin(x, y), rel=1e-12)


def test_equals_the_double_loop_across_blocks() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(700, 3)), random.normal(size=(530, 3))
    k = [(a @ b.T / 3 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    expected = (
        (k[0].sum() - np.trace(k[0])) / (700 * 699)
        + (k[1].sum() - np.trace(k[1])) / (530 * 529)
        - 2 * k[2].mean()
    )
    assert kernel_distance(x, y).value == pytest.approx(expected, rel=1e-9)


def test_constant_points_have_a_closed_form() -> None:
    """Point masses at p and q: (p²+1)³ + (q²+1)³ - 2 (pq+1)³."""
    x, y = np.full((6, 4), 0.5), np.full((7, 4), 2.0)
    expected = 1.25**3 + 5**3 - 2 * 2**3
    assert kernel_distance(x, y).value == pytest.approx(expected, rel=1e-12)


def signs(random: np.random.Generator, mean: float, count: int) -> np.ndarray:
    return np.where(random.random((count, 1)) < (1 + mean) / 2, 1.0, -1.0)


def distance_of_signs(mean_x: float, mean_y: float) -> float:
    """Of ±1 with means μ and ν the distance is 4 (μ - ν)².

    (ab + 1)³ = a³b³ + 3 a²b² + 3 ab + 1, so MMD² = (E a³ - E b³)² + 3 (E a² - E b²)²
    + 3 (E a - E b)²; odd moments of ±1 are the mean, even ones 1.
    """
    return 4 * (mean_x - mean_y) ** 2


@pytest.mark.parametrize("means", [(0.0, 0.5), (-0.3, 0.4), (0.2, 0.9)])
def test_known_shift_of_signs(means) -> None:
    random = np.random.default_rng(2)
    got = kernel_distance(*(signs(random, mean, 4000) for mean in means), subsets=2)
    assert got.value == pytest.approx(distance_of_signs(*means), rel=0.15)


def test_unbiased_where_nothing_differs() -> None:
    """A biased estimator (i = j left in) would sit 0.6 high at eight images a side."""
    random = np.random.default_rng(3)
    draws = [
        kernel_distance(random.normal(size=(8, 6)), random.normal(size=(8, 6)), subsets=2).value
        for _ in range(3000)
    ]
    standard_error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * standard_error
    assert standard_error < 0.02


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    truth, hits = distance_of_signs(0.0, 0.5), 0
    for i in range(150):
        x, y = signs(random, 0.0, 150), signs(random, 0.5, 150)
        got = kernel_distance(x, y, subsets=60, seed=i)
        hits += got.low <= truth <= got.high
    assert 132 <= hits <= 149  # 142 expected


def test_patients_with_many_films_widen_the_interval() -> None:
    """Ten like films a patient are worth little more than one."""
    random = np.random.default_rng(7)
    patients = np.repeat(np.arange(30), 10).astype(object)
    x, y = (signs(random, mean, 30)[np.repeat(np.arange(30), 10)] for mean in (0.0, 0.5))
    known = Kernel(y, patients).distance(x, patients)
    alone = kernel_distance(x, y)
    assert known.high - known.low > 2 * (alone.high - alone.low)


def test_films_of_one_patient_make_no_distance() -> None:
    """Ten like films a patient, both sets from one law: the mean of many distances is 0."""
    random = np.random.default_rng(9)
    patients = np.repeat(np.arange(20), 10).astype(object)
    known, alone = [], []
    for _ in range(100):
        x, y = (signs(random, 0.0, 20)[np.repeat(np.arange(20), 10)] for _ in range(2))
        known.append(Kernel(y, patients, subsets=2).distance(x, patients).value)
        alone.append(kernel_distance(x, y, subsets=2).value)
    error = np.std(known) / 10
    assert abs(np.mean(known)) < 3 * error
    of_patients = 8 * 9 / 199  # the kernel of like signs less that of others, times such pairs
    assert np.mean(np.subtract(alone, known)) == pytest.approx(of_patients, rel=0.05)


def test_interval_of_patients_is_round_the_figure() -> None:
    random = np.random.default_rng(10)
    patients = np.repeat(np.arange(40), 10).astype(object)
    x, y = (signs(random, mean, 40)[np.repeat(np.arange(40), 10)] for mean in (0.0, 0.9))
    found = Kernel(y, patients).distance(x, patients)
    assert found.low < found.value < found.high
    width = found.high - found.low
    assert abs((found.low + found.high) / 2 - found.value) < width / 4


def test_of_few_patients_by_image() -> None:
    random = np.random.default_rng(8)
    x, y = random.normal(size=(40, 4)), random.normal(size=(40, 4))
    few = np.repeat(["a", "b", "c", "d"], 10)[:40].astype(object)
    few[few == "d"] = "c"
    one = Kernel(y, few).distance(x, few)
    assert one == kernel_distance(x, y)


def test_deterministic_and_value_free_of_the_seed() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(50, 4)), random.normal(size=(40, 4))
    assert kernel_distance(x, y, seed=1) == kernel_distance(x, y, seed=1)
    assert kernel_distance(x, y, seed=1).value == kernel_distance(x, y, seed=2).value
    assert kernel_distance(x, y, seed=1).low != kernel_distance(x, y, seed=2).low
    assert kernel_distance(x, y).n == 40


def test_float32_features_are_summed_in_float64() -> None:
    """Far from the origin the three means nearly cancel: float32 would leave nothing."""
    random = np.random.default_rng(6)
    x = (100 + random.normal(size=(40, 2))).astype(np.float32)
    y = (100 + random.normal(size=(40, 2))).astype(np.float32)
    assert kernel_distance(x, y).value == pytest.approx(
        twin(x.astype(float), y.astype(float)), rel=1e-4
    )


@pytest.mark.parametrize(
    ("x", "y", "options", "match"),
    [
        ((9, 3), (9, 4), {}, "expected"),
        ((3, 3), (9, 3), {}, "at least 4"),
        ((9, 3), (9, 3), {"subsets": 1}, "at least 2"),
    ],
)
def test_wrong_input_is_refused(x, y, options, match) -> None:
    with pytest.raises(ValueError, match=match):
        kernel_distance(np.zeros(x), np.zeros(y), **options)
