"""Membership attacks with their controls: overfitted and honest generators, sets that differ."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from privacy_films import FRESH, TRAIN, Films, image_set, thumbnails

from xraygan.privacy import membership, suspects
from xraygan.privacy.membership import ALARM, CALIBRATED, LEVEL, Membership, infer_membership
from xraygan.privacy.planted import Disguise, disguised
from xraygan.privacy.roc import Suspects, area
from xraygan.privacy.suspects import Sample
from xraygan.privacy.views import shrunk
from xraygan.sets import ImageSet


def tables(*sets) -> dict:
    return {"thumbnails": tuple(thumbnails(s.images) for s in sets)}


def near_copies(films: Films) -> ImageSet:
    random = np.random.default_rng(1)
    chosen = films.train.images[random.integers(0, TRAIN, 600)]
    noisy = disguised(chosen, Disguise("", noise=0.08), random)
    return image_set(noisy, np.arange(600) % 2, "made")


@pytest.fixture(scope="module")
def overfitted(films: Films) -> Membership:
    made = near_copies(films)
    return infer_membership(
        films.train, films.holdout, made, tables(films.train, films.holdout, made)
    )


@pytest.fixture(scope="module")
def honest(films: Films) -> Membership:
    scores = tuple(np.random.default_rng(2).normal(size=len(s)) for s in films.sets[:2])
    return infer_membership(*films.sets, tables(*films.sets), scores)


def test_an_overfitted_generator_leaks(overfitted: Membership) -> None:
    assert {"gan_leaks", "gan_leaks_calibrated", "monte_carlo"} <= set(overfitted.leaks)
    best = overfitted.attacks[overfitted.leaks[0]]
    assert best.auc.low > 0.75
    assert best.p_value <= ALARM
    assert best.tpr_at_1_percent.value > 0.2


def test_an_honest_generator_does_not(honest: Membership) -> None:
    assert honest.leaks == ()
    for attack in honest.attacks.values():
        assert attack.auc.low < 0.55
    assert set(honest.attacks) == {
        "gan_leaks",
        "gan_leaks_calibrated",
        "monte_carlo",
        "domias",
        "reconstruction",
        "gan_leaks@thumbnails",
        "domias@thumbnails",
        "logan",
    }


def test_members_against_members_is_guessing(overfitted: Membership, honest: Membership) -> None:
    for found in (overfitted, honest):
        for attack in found.attacks.values():
            assert attack.control_auc.low - 0.05 < 0.5 < attack.control_auc.high + 0.05
            control = attack.tpr_at_1_percent
            assert control.floor is not None and control.floor_low is not None
            assert control.floor_low < 0.05
    assert honest.attacks["logan"].blind_auc.low < 0.5 + 0.05


def test_a_discriminator_that_knows_its_training_set_leaks(films: Films) -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=TRAIN) + 3, random.normal(size=len(films.holdout))
    found = infer_membership(*films.sets, {}, scores)
    assert found.leaks == ("logan",)


def test_sets_that_differ_by_themselves_are_no_leak(films: Films) -> None:
    """Held-out films of another machine: attacks succeed, but so does one without a generator."""
    import cv2

    softer = np.stack([cv2.GaussianBlur(image, (0, 0), 0.8) for image in films.holdout.images])
    other = image_set(softer, films.holdout.labels, "other")
    sets = films.train, other, films.fresh
    found = infer_membership(*sets, tables(*sets))
    assert max(attack.auc.low for attack in found.attacks.values()) > 0.55
    assert found.leaks == ()
    assert any(attack.explained for attack in found.attacks.values())


@pytest.mark.parametrize("enough", [True, False])
def test_members_are_told_from_those_held_back_at_random_where_they_are_enough(
    films: Films, monkeypatch, enough: bool
) -> None:
    """Films of another machine beside them differ by themselves: of these nothing is asked."""
    import cv2

    softer = np.stack([cv2.GaussianBlur(image, (0, 0), 0.8) for image in films.holdout.images])
    alike = replace(films.holdout, at_random=np.ones(len(films.holdout), bool))
    holdout = alike.joined(image_set(softer, films.holdout.labels, "other"))
    patients = len(films.holdout)
    monkeypatch.setattr(membership, "ENOUGH_AT_RANDOM", patients if enough else patients + 1)
    sets = films.train, holdout, films.fresh
    scores = tuple(np.random.default_rng(2).normal(size=len(part)) for part in sets[:2])
    found = infer_membership(*sets, tables(*sets), scores)
    assert found.others == (patients if enough else 2 * patients)
    assert found.exchangeable == enough
    assert any(note.startswith("Attackers had to tell") for note in found.notes) == enough
    assert any("differ by themselves, and only what" in note for note in found.notes) != enough
    assert (found.leaks == ()) == enough  # beyond what a classifier of the films alone can


def test_patients_who_are_not_attacked_are_not_counted_as_held_back(
    films: Films, monkeypatch
) -> None:
    """Those of a class that nobody was trained on are not among the others."""
    of_one_class = films.train.labels == 0
    train = films.train.rows(np.flatnonzero(of_one_class))
    holdout = replace(films.holdout, at_random=np.ones(len(films.holdout), bool))
    attacked = int((holdout.labels == 0).sum())
    for enough in (attacked, attacked + 1):
        monkeypatch.setattr(membership, "ENOUGH_AT_RANDOM", enough)
        found = infer_membership(train, holdout, films.fresh, {})
        assert found.others == attacked
        assert found.exchangeable == (enough == attacked)


def test_a_leak_is_found_against_those_held_back_at_random(films: Films, monkeypatch) -> None:
    patients = len(films.holdout) // 2
    monkeypatch.setattr(membership, "ENOUGH_AT_RANDOM", patients)
    holdout = replace(films.holdout, at_random=np.arange(2 * patients) < patients)
    sets = films.train, holdout, near_copies(films)
    known = np.zeros(TRAIN) + 3, np.where(holdout.at_random, 0.0, 6.0)
    found = infer_membership(*sets, tables(*sets), known)
    assert found.others == patients
    assert {"gan_leaks", "gan_leaks_calibrated", "logan"} <= set(found.leaks)


def test_class_shares_are_no_leak(films: Films) -> None:
    """Nine in ten held out films of one class: a share, not a membership."""
    keep = (films.holdout.labels == 0) | (np.arange(len(films.holdout)) % 10 == 1)
    found = infer_membership(films.train, films.holdout.rows(keep), films.fresh, {})
    assert found.leaks == ()
    assert found.members < TRAIN


def test_counts_and_notes_on_what_cannot_be_told(honest: Membership, films: Films) -> None:
    assert (honest.members, honest.others) == (TRAIN, len(films.holdout))
    assert any("1,000" in note for note in honest.notes)
    values = honest.attacks["domias"].as_dict()
    assert values["tpr_at_0.1_percent"]["value"] is None
    assert values["tpr_at_1_percent"]["value"] is not None
    assert set(values) == {
        "auc",
        "tpr_at_1_percent",
        "tpr_at_0.1_percent",
        "control_auc",
        "blind_auc",
        "blind_tpr_at_1_percent",
    }


def test_too_few_patients_are_not_attacked(films: Films) -> None:
    few = films.holdout.rows(np.arange(19))
    found = infer_membership(films.train, few, films.fresh, {})
    assert found.attacks == {}
    assert "19 patients" in found.notes[0]
    one_class = films.holdout.of_class(0)
    other_class = films.train.of_class(1)
    assert infer_membership(other_class, one_class, films.fresh, {}).attacks == {}


def test_progress(films: Films) -> None:
    seen: list[tuple[int, int]] = []
    infer_membership(*films.sets, {}, progress=lambda *now: seen.append(now))
    assert seen[-1] == (5, 5)
    assert FRESH


@pytest.mark.parametrize("attack", CALIBRATED)
def test_the_level_allows_for_a_reference_that_no_permutation_repeats(attack) -> None:
    """Honest draws: members, others and made images of one Gaussian."""
    from scipy.stats import norm

    inside, outside, draws = 200, 50, 400
    member = np.arange(inside + outside) < inside
    fold = np.concatenate([np.arange(inside) % 2, np.arange(outside) % 2])
    patients = np.arange(inside + outside).astype(object)
    sample = Sample(np.arange(inside), np.arange(outside), Suspects(member, patients, fold), fold)
    random = np.random.default_rng(0)
    areas = [
        area(member, membership._scores(sample, attack, *drawn))
        for drawn in (
            (random.normal(size=(250, 12)), random.normal(size=(300, 12))) for _ in range(draws)
        )
    ]
    permuted = np.sqrt((inside + outside + 1) / (12 * inside * outside))
    spread = np.std(areas) / permuted
    assert 1.0 < spread < 1.25
    assert norm.sf(norm.isf(LEVEL) / spread) < ALARM


def test_more_synthetic_images_than_attackers_look_at(films: Films, monkeypatch) -> None:
    monkeypatch.setattr(membership, "MOST_SYNTHETIC", 40)
    found = infer_membership(*films.sets, tables(*films.sets))
    assert any("looked at 40 of" in note for note in found.notes)


def test_more_real_images_than_attackers_are_tried_on(films: Films, monkeypatch) -> None:
    whole = infer_membership(*films.sets, tables(*films.sets))
    monkeypatch.setattr(suspects, "MOST_SUSPECTS", 200)
    found = infer_membership(*films.sets, tables(*films.sets))
    tried = found.members + found.others
    assert 150 < tried <= 200
    left = whole.members + whole.others - tried
    assert any(f"tried on {tried} images; {left} more" in note for note in found.notes)
    assert found.leaks == ()
    for attack in found.attacks.values():
        assert attack.control_auc.n == found.members
        assert attack.control_auc.low - 0.05 < 0.5 < attack.control_auc.high + 0.05


def test_suspects_are_not_copied_at_full_size() -> None:
    images = np.random.default_rng(4).integers(0, 256, (60, 256, 256), dtype=np.uint8)
    train = image_set(images, np.arange(60) % 2, "a")
    holdout = image_set(images[::-1], np.arange(60) % 2, "b")
    material = membership._Material(Sample.draw(train, holdout, 0), train, holdout, images, {})
    tracemalloc.start()
    seen, blind = material.suspects(), material.blind_table()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    both = material.sample.take(train.images, holdout.images)
    assert most < both.nbytes
    np.testing.assert_array_equal(seen, shrunk(both))
    np.testing.assert_array_equal(blind, both[:, ::4, ::4].reshape(len(both), -1))


def test_attackers_look_at_synthetic_images_in_an_order_by_chance() -> None:
    """A folder is read class by class: the first images would be of one class."""
    images = np.repeat(np.arange(200, dtype=np.uint8), 256).reshape(200, 16, 16)
    table = np.arange(200, dtype=np.float32)[:, None]
    made, features, notes = membership._at_most(images, {"a": (table, table, table)}, 0)
    first = made[:, 0, 0].astype(int)
    assert sorted(first) == list(range(200))
    assert abs(first[:100].mean() - 99.5) < 15
    np.testing.assert_array_equal(features["a"][2][:, 0], first)
    assert notes == []
