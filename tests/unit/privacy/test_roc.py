"""Areas and hits against scikit-learn, SciPy and loops; permutations against their level."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from xraygan.privacy import roc
from xraygan.privacy.roc import Suspects, area, area_with_interval, hits_at, surprise


def suspects(member: np.ndarray, patients: np.ndarray | None = None) -> Suspects:
    n = len(member)
    keys = np.arange(n) if patients is None else patients
    return Suspects(member, keys.astype(object), np.zeros(n, int))


def test_area_equals_scikit_learns_with_ties() -> None:
    random = np.random.default_rng(1)
    member = random.random(200) < 0.4
    scores = np.round(random.normal(size=200) + member, 1)
    assert area(member, scores) == pytest.approx(roc_auc_score(member, scores), abs=1e-12)
    assert np.isnan(area(np.ones(3, bool), np.ones(3)))


def test_hits_equal_the_roc_curve() -> None:
    random = np.random.default_rng(2)
    member = random.random(900) < 0.5
    scores = random.normal(size=900) + 0.8 * member
    for rate in (0.01, 0.05, 0.2):
        fpr, tpr, _ = roc_curve(member, scores, drop_intermediate=False)
        found = hits_at(suspects(member), scores, rate)
        assert found.value == pytest.approx(tpr[fpr <= rate].max())
        exact = stats.binomtest(round(found.value * found.n), found.n).proportion_ci(0.95, "exact")
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_hits_with_too_few_others_are_not_a_number() -> None:
    few = suspects(np.arange(199) < 100)
    assert np.isnan(hits_at(few, np.arange(199.0), 0.01).value)
    assert hits_at(few, np.arange(199.0), 0.01).as_dict()["value"] is None
    enough = suspects(np.arange(200) < 100)
    assert hits_at(enough, np.arange(200.0)[::-1], 0.01).value == 1


def test_hits_that_cannot_count_cost_the_areas_nothing() -> None:
    random = np.random.default_rng(4)
    few = suspects(np.arange(180) < 100)
    scores = {"a": random.normal(size=180) + 0.4 * few.member}
    alone = surprise(few, scores, 0.01)
    assert alone.hits == {"a": 1.0}
    assert alone.area["a"] <= surprise(few, scores, 0.02).area["a"]


def test_equal_scores_hit_nobody() -> None:
    assert hits_at(suspects(np.arange(400) < 200), np.zeros(400), 0.01).value == 0


def test_hits_of_patients_with_many_films_are_as_certain_as_patients_are() -> None:
    """Three in ten of 40 patients are hit, with all their five films or none."""
    clustered = suspects(np.arange(300) < 200, np.repeat(np.arange(60), 5))
    alone = suspects(np.arange(300) < 200)
    random = np.random.default_rng(6)
    covered = {"patients": 0, "films": 0}
    for _ in range(200):
        hit = np.repeat(random.random(40) < 0.3, 5)
        scores = np.concatenate([np.where(hit, 2.0, -1.0), np.arange(100) / 100])
        by_patient, by_film = (hits_at(each, scores, 0.01) for each in (clustered, alone))
        assert (by_patient.value, by_patient.n) == (by_film.value, 200)
        covered["patients"] += by_patient.low <= 0.3 <= by_patient.high
        covered["films"] += by_film.low <= 0.3 <= by_film.high
    assert covered["patients"] > 180
    assert covered["films"] < 140
    none = hits_at(clustered, np.zeros(300), 0.01)
    assert none.high == pytest.approx(stats.binomtest(0, 40).proportion_ci(0.95, "exact").high)


def test_intervals_are_wider_where_patients_have_many_films() -> None:
    random = np.random.default_rng(3)
    member = np.arange(400) < 200
    scores = np.repeat(random.normal(size=40), 10) + random.normal(0, 0.1, 400)
    alone = area_with_interval(suspects(member), scores)
    together = area_with_interval(suspects(member, np.arange(400) // 10), scores)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_permuted_areas_and_hits_equal_the_plain_ones() -> None:
    random = np.random.default_rng(4)
    sides = random.random((30, 250)) < 0.4
    scores = np.round(random.normal(size=250), 1)
    np.testing.assert_allclose(
        roc._areas(sides, scores), [area(side, scores) for side in sides], atol=1e-12
    )
    np.testing.assert_array_equal(
        roc._hits(sides, scores, 0.02),
        [hits_at(suspects(side), scores, 0.02).value for side in sides],
    )


def test_many_films_are_permuted_in_little_memory(monkeypatch) -> None:
    monkeypatch.setattr(roc, "PERMUTATIONS", 300)
    random = np.random.default_rng(7)
    member, scores = np.arange(20_000) < 9_000, random.normal(size=20_000)
    everyone = suspects(member, np.arange(20_000) // 2)
    whole = roc._figures(roc._permuted_sides(everyone, 3), scores, 0.01)
    monkeypatch.setattr(roc, "_AT_ONCE", 1 << 18)
    tracemalloc.start()
    found = roc._figures(roc._permuted_sides(everyone, 3), scores, 0.01)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, whole)
    assert most < 2 * 300 * 20_000, "two bytes a film and permutation; it was some twenty"


def test_patients_change_sides_as_wholes_and_within_strata() -> None:
    patients = np.repeat(np.arange(30), 3).astype(object)
    member, strata = np.arange(90) % 90 < 45, np.repeat(np.arange(30) % 2, 3)
    packed = roc._permuted_sides(Suspects(member, patients, strata), 0)
    sides = np.concatenate(list(packed.blocks()))
    np.testing.assert_array_equal(sides[0], member)
    assert (sides.reshape(-1, 30, 3).min(axis=2) == sides.reshape(-1, 30, 3).max(axis=2)).all()
    for stratum in (0, 1):
        counts = sides[:, strata == stratum].sum(axis=1)
        assert (counts == counts[0]).all()
    assert len(np.unique(sides, axis=0)) > 3000


def test_chance_seldom_surprises_and_a_leak_always(monkeypatch) -> None:
    """Adjusted over five attacks, one of them nearly a twin of another."""
    monkeypatch.setattr(roc, "PERMUTATIONS", 400)
    member = np.arange(240) < 120
    smallest = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        scores = {str(i): random.normal(size=240) for i in range(4)}
        scores["twin"] = scores["0"] + random.normal(0, 0.1, 240)
        found = surprise(suspects(member), scores, 0.01, seed=seed)
        smallest.append(min(*found.area.values(), *found.hits.values()))
    assert np.mean(np.array(smallest) <= 0.1) <= 0.2
    assert np.mean(np.array(smallest) <= 0.5) >= 0.3
    leak = {"leak": np.random.default_rng(0).normal(size=240) + member, "none": np.arange(240) % 7}
    found = surprise(suspects(member), leak, 0.01)
    assert found.area["leak"] <= 2 / 401  # the least there is: two-sided, of 400 permutations
    assert found.area["none"] > 0.05


def test_a_leak_of_few_members_shows_in_hits_alone() -> None:
    member = np.arange(800) < 400
    scores = np.random.default_rng(5).normal(size=800)
    scores[:24] = 9
    found = surprise(suspects(member), {"some": scores}, 0.01)
    assert found.hits["some"] < 0.002
    assert found.area["some"] > found.hits["some"]


def test_one_strong_attack_among_many_surprises_as_if_it_were_alone() -> None:
    random = np.random.default_rng(11)
    member = np.arange(600) < 300
    scores = {f"idle{number}": random.normal(size=600) for number in range(11)}
    scores["strong"] = random.normal(size=600) + 0.9 * member
    found = surprise(suspects(member), scores, 0.01)
    assert found.area["strong"] == pytest.approx(1 / (roc.PERMUTATIONS + 1))
    assert min(found.area[name] for name in scores if name != "strong") > 0.004
