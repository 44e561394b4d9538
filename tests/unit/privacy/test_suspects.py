"""Who is attacked: class shares, folds by patient, references that are no suspects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraygan.privacy import suspects as suspects_module
from xraygan.privacy.roc import surprise
from xraygan.privacy.suspects import MOST_MEMBERS_EACH, Sample, halves
from xraygan.sets import ImageSet


def labelled(counts: list[int], films: int, name: str) -> ImageSet:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    patients = np.array(
        [f"{name} {k} {i // films}" for k, n in enumerate(counts) for i in range(n)], object
    )
    images = np.zeros((len(labels), 16, 16), np.uint8)
    return ImageSet(images, labels, patients, tuple(f"class {k}" for k in range(len(counts))))


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=3),
    st.lists(st.integers(0, 25), min_size=3, max_size=3),
    st.integers(1, 4),
    st.integers(0, 9),
)
def test_members_have_the_others_class_shares(inside, outside, films, seed) -> None:
    train, holdout = labelled(inside, films, "a"), labelled(outside[: len(inside)], films, "b")
    sample = Sample.draw(train, holdout, seed)
    members = np.bincount(train.labels[sample.train_rows], minlength=len(inside))
    others = np.bincount(holdout.labels[sample.holdout_rows], minlength=len(inside))
    shared = others > 0
    both = (np.array(inside) > 0) & (np.array(outside[: len(inside)]) > 0)
    assert not (shared & ~both).any()
    assert shared.any() == both.any()
    assert sample.classes_left_out == both.sum() - shared.sum()
    if shared.any():
        each = min(MOST_MEMBERS_EACH, (np.array(inside)[shared] / others[shared]).min())
        np.testing.assert_array_equal(members[shared], (each * others[shared]).astype(int))
    assert len(sample.suspects.member) == len(sample.fold) == members.sum() + others.sum()


def test_folds_keep_patients_and_cut_each_class_and_side_in_half() -> None:
    sample = Sample.draw(labelled([80, 120], 2, "a"), labelled([40, 40], 2, "b"), 0)
    suspects, labels = sample.suspects, sample.suspects.strata // 2
    for patient in set(suspects.patients):
        assert len(set(sample.fold[suspects.patients == patient])) == 1
    for member in (True, False):
        for label in (0, 1):
            mine = sample.fold[(suspects.member == member) & (labels == label)]
            assert abs(mine.mean() - 0.5) < 0.1


def test_classes_of_one_patient_are_parted_between_the_folds() -> None:
    sample = Sample.draw(labelled([2] * 24, 1, "a"), labelled([1] * 24, 1, "b"), 0)
    assert [sample.reference(fold).sum() for fold in (0, 1)] == [12, 12]


def test_references_are_the_other_folds_held_out_images() -> None:
    sample = Sample.draw(labelled([40, 40], 1, "a"), labelled([20, 20], 1, "b"), 0)
    for fold in (0, 1):
        reference = sample.reference(fold)
        assert not (reference & sample.suspects.member).any()
        assert not (reference & (sample.fold == fold)).any()
        assert reference.sum() == 20


def test_the_same_key_on_both_sides_is_two_patients() -> None:
    sample = Sample.draw(labelled([4, 4], 1, "x"), labelled([4, 4], 1, "x"), 0)
    assert len(set(sample.suspects.patients)) == 16


def test_halves_are_by_patient() -> None:
    patients = np.repeat(np.arange(10), 3).astype(object)
    half = halves(patients, np.random.default_rng(0)).reshape(10, 3)
    assert (half.min(axis=1) == half.max(axis=1)).all()
    assert half[:, 0].sum() == 5


def films_each(part: ImageSet, rows: np.ndarray) -> dict[str, int]:
    keys, counts = np.unique(part.patients[rows].astype(str), return_counts=True)
    return dict(zip(keys, counts, strict=True))


@pytest.mark.parametrize(
    ("inside", "outside"), [([600, 900], [200, 400]), ([600, 900, 24], [200, 400, 12])]
)
def test_of_too_many_suspects_whole_patients_are_left_out(inside, outside, monkeypatch) -> None:
    train, holdout = labelled(inside, 3, "a"), labelled(outside, 4, "b")
    before = Sample.draw(train, holdout, 5)
    assert before.left_out == 0
    monkeypatch.setattr(suspects_module, "MOST_SUSPECTS", 400)
    sample = Sample.draw(train, holdout, 5)
    n = len(sample.suspects.member)
    assert 300 <= n <= 440
    assert sample.left_out == len(before.suspects.member) - n
    members = np.bincount(train.labels[sample.train_rows], minlength=len(inside))
    others = np.bincount(holdout.labels[sample.holdout_rows], minlength=len(inside))
    assert others.min() > 0, "a rare class stays"
    each = len(before.train_rows) / len(before.holdout_rows)
    np.testing.assert_allclose(members / others, members.sum() / others.sum(), atol=0.15)
    assert members.sum() / others.sum() == pytest.approx(each, rel=0.2)
    assert set(films_each(holdout, sample.holdout_rows).values()) == {4}
    kept, all_of_them = (films_each(train, rows) for rows in (sample.train_rows, range(len(train))))
    assert len(kept) < len(all_of_them) / 3
    again = Sample.draw(train, holdout, 5)
    np.testing.assert_array_equal(again.train_rows, sample.train_rows)


def test_members_are_whole_patients_where_as_many_were_attacked_before(monkeypatch) -> None:
    """The permutations exchange patients: left out images may not make members' fewer."""
    train, holdout = labelled([600], 4, "a"), labelled([200], 4, "b")
    monkeypatch.setattr(suspects_module, "MOST_SUSPECTS", 200)
    sample = Sample.draw(train, holdout, 1)
    assert set(films_each(train, sample.train_rows).values()) == {4}
    assert (len(sample.train_rows), len(sample.holdout_rows)) == (148, 48)


def test_chance_among_those_kept_is_no_surprise(monkeypatch) -> None:
    """Honest scores that are alike within a patient: the level holds for patients drawn."""
    monkeypatch.setattr(suspects_module, "MOST_SUSPECTS", 240)
    monkeypatch.setattr("xraygan.privacy.roc.PERMUTATIONS", 200)
    train, holdout = labelled([600, 600], 3, "a"), labelled([200, 200], 4, "b")
    smallest = []
    for seed in range(80):
        kept = Sample.draw(train, holdout, seed).suspects
        random = np.random.default_rng(seed)
        _, of = np.unique(kept.patients.astype(str), return_inverse=True)
        scores = random.normal(size=of.max() + 1)[of] + 0.3 * random.normal(size=len(of))
        found = surprise(kept, {"honest": scores}, 0.01, seed=seed)
        smallest.append(min(found.area["honest"], found.hits["honest"]))
    assert np.mean(np.array(smallest) <= 0.1) <= 0.19
    assert np.mean(np.array(smallest) <= 0.5) >= 0.3


def test_one_odd_class_does_not_stop_the_attacks_on_the_others() -> None:
    sample = Sample.draw(labelled([600, 1], 1, "a"), labelled([142, 8], 1, "b"), 0)
    assert int(sample.suspects.member.sum()) == 4 * 142
    assert sample.classes_left_out == 1


@pytest.mark.parametrize(
    ("inside", "outside"), [([20, 200], [200, 12]), ([500, 2000], [5000, 300])]
)
def test_classes_with_many_held_out_films_are_not_given_up_for_members(inside, outside) -> None:
    sample = Sample.draw(labelled(inside, 1, "a"), labelled(outside, 1, "b"), 0)
    assert sample.classes_left_out == 0
    assert int((~sample.suspects.member).sum()) == sum(outside)
