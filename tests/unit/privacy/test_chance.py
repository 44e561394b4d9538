"""Tails and exceedances against closed forms and simulation."""

import numpy as np
import pytest
from scipy import stats

from xraygan.privacy.chance import Tail, excess, far_excess, style_factor


def test_an_exponential_tail_is_extrapolated_on_the_safe_side() -> None:
    """P(x > level(p)) = exp(-level(p)) for unit exponentials: at most p, and not far below."""
    true = []
    for seed in range(200):
        values = np.random.default_rng(seed).exponential(size=1000)
        true.append(np.exp(-Tail.fit(values).level(1e-6)))
    assert np.mean(np.array(true) <= 1e-6) > 0.9
    assert np.median(true) > 1e-9


def test_small_samples_give_wider_levels() -> None:
    values = np.random.default_rng(1).exponential(size=2000)
    assert Tail.fit(values[:20]).level(1e-6) > Tail.fit(values).level(1e-6)


@pytest.mark.parametrize("n", [20, 50, 200])
@pytest.mark.parametrize("probability", [1e-3, 1e-6])
def test_a_level_of_few_values_is_passed_no_more_often_than_it_says(
    n: int, probability: float
) -> None:
    """On average over samples: that is what an audit promises, and more than a slope's limit is."""
    random = np.random.default_rng(n)
    passed = [np.exp(-Tail.fit(random.exponential(size=n)).level(probability)) for _ in range(4000)]
    assert np.mean(passed) < 1.5 * probability


def test_levels_within_the_sample_are_its_quantiles() -> None:
    values = np.arange(1000.0)
    tail = Tail.fit(values)
    assert tail.start == 899
    assert tail.level(tail.count / tail.n) == tail.start
    assert tail.level(0.5) == tail.start, "no level below the tail is asked for"


def test_a_tail_needs_values() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Tail.fit(np.ones(1))


def test_style_is_a_quotient_of_quantiles_and_never_lowers_levels() -> None:
    values = np.random.default_rng(2).exponential(size=500)
    assert style_factor(1.5 * values, values) == pytest.approx(1.5)
    assert style_factor(0.5 * values, values) == 1


def test_excess_is_exact_for_exchangeable_images() -> None:
    """Twin: the chance that so many of n pass the r-th largest of R, by negative hypergeometric.

    Go through all n + R values from the top: `found` successes (synthetic) come before the
    r-th failure (null).
    """
    null, n = np.arange(200.0) + 0.5, 150
    values = np.arange(n) * 1.34
    rank = 2
    found = int((values > null[-rank]).sum())
    got = excess(values, np.arange(n), null, 0.01)
    assert (got.found, got.chance, got.level) == (found, 0.01, null[-rank])
    expected = stats.nhypergeom(n + 200, n, rank).sf(found - 1)
    assert got.p_value == pytest.approx(expected, rel=1e-9)


def test_excess_is_uniform_under_chance_and_small_for_copies() -> None:
    p_values = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        honest = excess(random.normal(size=400), np.arange(400), random.normal(size=300), 0.05)
        p_values.append(honest.p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.09
    assert np.mean(np.array(p_values) < 0.5) > 0.35
    random = np.random.default_rng(0)
    values = np.r_[random.normal(4, 1, 20), random.normal(size=380)]
    assert excess(values, np.arange(400), random.normal(size=300), 0.01).p_value < 1e-3


@pytest.mark.parametrize("draw", ["exponential", "normal"])
def test_far_excess_keeps_its_false_alarms_and_sees_what_no_rank_can(draw: str) -> None:
    p_values = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        null, made = (getattr(random, draw)(size=size) for size in (400, 500))
        p_values.append(far_excess(made, np.arange(500), Tail.fit(null), 0.002).p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.08
    assert np.mean(np.array(p_values) < 0.01) < 0.025
    random = np.random.default_rng(1)
    null, made = random.exponential(size=400), random.exponential(size=500)
    made[:12] += 8
    people = np.arange(500)
    assert far_excess(made, people, Tail.fit(null), 0.002).p_value < 1e-4
    assert excess(made, people, null, 0.01).p_value > 1e-4


def test_one_lucky_image_a_hundred_times_is_one() -> None:
    null = np.random.default_rng(3).normal(size=1000)
    values = np.r_[np.full(100, 9.0), np.full(900, -9.0)]
    patients = np.r_[np.zeros(100, int), np.arange(1, 901)]
    got = excess(values, patients, null, 0.01)
    assert got.found == 1
    assert got.p_value > 0.5


def test_style_raises_the_level() -> None:
    null = np.linspace(0.1, 1, 100)
    assert excess(null, np.arange(100), null, 0.05, style=1.2).level == pytest.approx(
        1.2 * np.sort(null)[-5]
    )
