"""Who is attacked: class shares, folds by patient, references that are no suspects."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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
    assert (shared == ((np.array(inside) > 0) & (np.array(outside[: len(inside)]) > 0))).all()
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
