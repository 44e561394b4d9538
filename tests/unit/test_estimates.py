import math

import numpy as np
import pytest

from xraygan.estimates import Estimate, bootstrap, proportion, uncertain


def test_no_success_has_the_rule_of_three_as_its_upper_end() -> None:
    found = proportion(0, 100)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert proportion(100, 100).low == pytest.approx(0.025 ** (1 / 100))


def test_interval_ends_leave_a_fortieth_of_the_binomial_beyond() -> None:
    from scipy.stats import binom

    found = proportion(7, 40)
    assert binom.sf(6, 40, found.low) == pytest.approx(0.025)
    assert binom.cdf(7, 40, found.high) == pytest.approx(0.025)


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_shares(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to n"):
        proportion(successes, n)


def test_bootstrap_of_a_mean_has_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(lambda rows: float(values[rows].mean()), np.arange(400), resamples=2000)
    assert found.value == values.mean()
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)


def test_bootstrap_draws_patients_as_wholes() -> None:
    patients = np.repeat(np.arange(40), 10).astype(object)
    values = np.random.default_rng(0).normal(size=40)[np.repeat(np.arange(40), 10)]

    def width(groups: np.ndarray) -> float:
        found = bootstrap(lambda rows: float(values[rows].mean()), groups, resamples=1000)
        return found.high - found.low

    assert width(patients) == pytest.approx(math.sqrt(10) * width(np.arange(400)), rel=0.15)


def test_nothing_to_measure() -> None:
    with pytest.raises(ValueError, match="no record"):
        bootstrap(lambda rows: 0.0, np.array([], object))


def test_json_has_no_infinities() -> None:
    shown = Estimate(math.inf, 0.0, math.nan, 3).as_dict()
    assert shown["value"] is None
    assert shown["high"] is None
    assert shown["low"] == 0.0


def test_floor_stands_beside() -> None:
    both = Estimate(3.0, 2.0, 4.0, 10).beside(Estimate(1.0, 0.5, 1.5, 10))
    assert (both.value, both.floor, both.floor_low, both.floor_high) == (3.0, 1.0, 0.5, 1.5)


def test_what_no_resample_changed_is_still_uncertain() -> None:
    found = uncertain(Estimate(1.0, 1.0, 1.0, 80), 40)
    assert (found.low, found.high, found.n) == (proportion(40, 40).low, 1.0, 80)
    assert uncertain(Estimate(0.0, 0.0, 0.0, 80), 40).high == proportion(0, 40).high
    for settled in (Estimate(0.7, 0.7, 0.7, 80), Estimate(1.0, 0.9, 1.0, 80)):
        assert uncertain(settled, 40) == settled
