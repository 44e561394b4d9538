"""The filter leaves out copies and few others."""

import numpy as np
import pytest
from privacy_films import Films, leaking

from xraygan.errors import XrayganError
from xraygan.privacy.audit import NOTHING, audit
from xraygan.privacy.planted import PLANTED, plant
from xraygan.privacy.release import CopyBound, fit_bound


@pytest.fixture(scope="module")
def bound(films: Films) -> CopyBound:
    return fit_bound(films.train, films.holdout)


def test_copies_are_left_out_and_fresh_films_stay(films: Films, bound: CopyBound) -> None:
    for kind, least in {
        "exact": 0.95,
        "noise_5_percent": 0.7,
        "shifted": 0.9,
        "hidden": 0.3,
    }.items():
        copies = plant(films.train.images, PLANTED[kind], 30, seed=1)
        assert bound.is_copy(copies).mean() > least, kind
    assert bound.is_copy(films.fresh.images).mean() <= 0.05


def test_chance_decides_how_many_honest_images_go(films: Films, bound: CopyBound) -> None:
    strict = fit_bound(films.train, films.holdout, chance=0.3)
    assert 0.15 < strict.is_copy(films.fresh.images).mean() < 0.45
    assert strict.level < bound.level


@pytest.mark.parametrize(("count", "chance"), [(12, 1 / 7), (240, 2 / 121)])
def test_with_few_films_to_calibrate_on_the_chance_is_what_their_number_allows(
    films: Films, count: int, chance: float
) -> None:
    """One film of each patient of one half; 1 % is less than 6 films can tell."""
    assert fit_bound(films.train.rows(np.arange(count))).chance == pytest.approx(chance)


def test_the_chance_is_that_of_honest_images(films: Films) -> None:
    train, draw = films.train, np.random.default_rng(0)
    shares, chances = [], []
    for seed in range(60):
        few = fit_bound(train.rows(draw.permutation(len(train))[:12]), seed=seed)
        shares.append(few.is_copy(films.fresh.images).mean())
        chances.append(few.chance)
    assert chances == [pytest.approx(1 / 7)] * 60
    assert 1 / 14 < np.mean(shares) < 2 / 7


def test_what_is_left_passes_the_audit(films: Films, bound: CopyBound) -> None:
    leak = leaking(films, plant(films.train.images, PLANTED["hidden"], 30))
    left = leak.rows(~bound.is_copy(leak.images))
    assert audit(films.train, films.holdout, left, {}).verdict == NOTHING


def test_without_held_out_films(films: Films, bound: CopyBound) -> None:
    alone = fit_bound(films.train)
    assert alone.level == pytest.approx(bound.level, rel=0.5)
    assert fit_bound(films.train, films.train).level == alone.level, (
        "trained patients are no control"
    )


def test_refusals(films: Films) -> None:
    with pytest.raises(XrayganError, match="has 4 patients"):
        fit_bound(films.train.rows(np.arange(4)))
    with pytest.raises(ValueError, match="chance is 1"):
        fit_bound(films.train, chance=1)
