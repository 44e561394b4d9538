"""Which images are compared: equal counts, equal shares, whole patients, and plain words."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraygan.errors import XrayganError
from xraygan.evaluation import comparison
from xraygan.evaluation.comparison import Chosen, comparable_sides, everything
from xraygan.sets import ImageSet

CLASSES = ("A", "B", "C")


def images(*counts: int, each: int = 1, prefix: str = "r") -> ImageSet:
    """So many images of each class; a picture's grey level is its class."""
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    pictures = np.broadcast_to(labels[:, None, None], (len(labels), 4, 4)).astype(np.uint8)
    names = np.array([f"{prefix}{n // each}" for n in range(len(labels))], object)
    return ImageSet(pictures, labels, names, CLASSES)


def shares(part: ImageSet | Chosen, rows: np.ndarray) -> np.ndarray:
    return np.bincount(part.labels[rows], minlength=3)


def test_synthetic_and_training_images_take_the_real_shares() -> None:
    sides, notes = comparable_sides(
        images(60, 140, 0), images(400, 100, 0, prefix="s"), images(900, 900, 0, prefix="t")
    )
    rows = sides.overall()
    assert sides.control is not None and rows.control is not None
    np.testing.assert_array_equal(shares(sides.synthetic, rows.synthetic), [42, 99, 0])
    np.testing.assert_array_equal(shares(sides.control, rows.control), [42, 99, 0])
    assert len(rows.reference) == 200
    own = sides.of_class(1)
    assert own is not None and own.control is not None
    assert (len(own.reference), len(own.synthetic), len(own.control)) == (140, 100, 100)
    assert set(sides.synthetic.labels[own.synthetic]) == {1}
    assert any("141 of 500 synthetic" in note for note in notes)
    assert any("training images of other patients" in note for note in notes)


def test_without_training_images_halves_of_whole_patients() -> None:
    sides, notes = comparable_sides(images(80, 120, 0, each=4), images(200, 200, 0), None)
    assert sides.control is not None
    assert not set(sides.reference.patients) & set(sides.control.patients)
    np.testing.assert_array_equal(shares(sides.reference, np.arange(100)), [40, 60, 0])
    assert len(sides.overall().synthetic) == 100
    assert any("one half" in note for note in notes)


def test_patients_of_the_real_images_are_not_in_the_control() -> None:
    real = images(30, 30, 0)
    train = replace(images(90, 100, 0), patients=images(50, 190, 0).patients[50:])
    sides, notes = comparable_sides(real, images(90, 90, 0, prefix="s"), train)
    assert sides.control is not None
    assert not set(sides.control.patients) & set(real.patients)
    assert any("10 patients are in both" in note for note in notes)


def test_too_few_training_images_give_way_to_halves() -> None:
    sides, notes = comparable_sides(images(100, 100, 0), images(99, 99, 0), images(8, 8, 0))
    assert sides.control is not None
    assert len(sides.reference) == 100
    assert any("too few for floors" in note for note in notes)


def test_few_synthetic_images_are_no_fault_of_the_training_images() -> None:
    """In the halves' shares a few more of them could be used: all reals are worth more."""
    sides, notes = comparable_sides(
        images(111, 218, 0), images(100, 100, 0, prefix="s"), images(900, 900, 0, prefix="t")
    )
    assert len(sides.reference) == 329
    assert any("training images of other patients" in note for note in notes)


def test_one_patient_or_few_images_have_no_floor() -> None:
    for real in (images(0, 40, 0, each=99), images(0, 15, 0)):
        sides, notes = comparable_sides(real, images(0, 40, 0, prefix="s"), None)
        assert sides.control is None
        assert len(sides.overall().synthetic) == len(real)
        assert any("no floor" in note or "for a floor" in note for note in notes)


def test_a_missing_class_stays_in_the_reference() -> None:
    sides, notes = comparable_sides(
        images(50, 50, 0), images(200, 3, 40, prefix="s"), images(300, 300, 0, prefix="t")
    )
    rows = sides.overall()
    assert sides.control is not None and rows.control is not None
    np.testing.assert_array_equal(shares(sides.reference, rows.reference), [50, 50, 0])
    np.testing.assert_array_equal(shares(sides.synthetic, rows.synthetic), [50, 0, 0])
    np.testing.assert_array_equal(shares(sides.control, rows.control), [25, 25, 0])
    assert sides.of_class(1) is None
    assert sides.of_class(2) is None
    text = " ".join(notes)
    assert "Class B has 50 real and 3 synthetic images: overall it counts as missing" in text
    assert "Class C has no real image" in text


def test_a_rare_class_does_not_decide_how_many_are_compared() -> None:
    sides, notes = comparable_sides(images(200, 4, 0), images(200, 1, 0), None)
    assert len(sides.overall().synthetic) > 90
    assert any("Class B has 4 real and 1 synthetic images" in note for note in notes)


def test_more_than_the_cap_is_drawn_and_said(monkeypatch) -> None:
    monkeypatch.setattr(comparison, "MOST", 50)
    sides, notes = comparable_sides(
        images(80, 40, 0), images(500, 500, 0), images(500, 500, 0, prefix="t")
    )
    assert len(sides.reference) == 50
    assert len(sides.synthetic) == 50
    assert any("50 of 120 real images" in note for note in notes)


def test_everything_takes_all_at_the_real_shares(monkeypatch) -> None:
    monkeypatch.setattr(comparison, "MOST", 50)
    real, made = images(80, 40, 0), images(120, 300, 0, prefix="s")
    chosen = everything(real, made, None)
    assert chosen is not None
    assert [shares(c.part, c.index).tolist() for c in chosen] == [[80, 40, 0], [120, 60, 0]]
    assert chosen[0].part is real, "a large set is not copied"
    known = everything(real, made, real.joined(images(9, 9, 0, prefix="t")))
    assert known is not None and len(known) == 2, "real patients are no control"
    assert len(known[1]) == 180, "a control that is too small takes nothing away"


@pytest.mark.parametrize(
    ("made", "train", "both"),
    [((120, 300, 0), (70, 35, 0), [70, 35, 0]), ((90, 31, 0), (900, 900, 0), [62, 31, 0])],
)
def test_of_everything_made_images_and_control_are_as_many(made, train, both, monkeypatch) -> None:
    """FID falls as images are added: more of one kind would pass for a better likeness."""
    monkeypatch.setattr(comparison, "MOST", 50)
    chosen = everything(images(80, 40, 0), images(*made, prefix="s"), images(*train, prefix="t"))
    assert chosen is not None
    assert [shares(c.part, c.index).tolist() for c in chosen] == [[80, 40, 0], both, both]


def test_small_sets_have_nothing_but_what_is_drawn(monkeypatch) -> None:
    monkeypatch.setattr(comparison, "MOST", 50)
    large = images(80, 40, 0)
    for real, made in (
        (images(30, 20, 0), large),
        (large, images(20, 20, 0)),
        (large, images(80, 12, 0)),
        (large, images(0, 0, 90)),
    ):
        assert everything(real, made, None) is None


def test_seed_decides() -> None:
    sets = images(40, 40, 0), images(90, 90, 0, prefix="s"), images(90, 90, 0, prefix="t")
    chosen = [comparable_sides(*sets, seed=s)[0].synthetic.patients for s in (1, 1, 2)]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert set(chosen[0]) != set(chosen[2])


def test_a_class_that_is_rare_among_the_synthetic_images_is_named() -> None:
    real = images(40, 60, 0)
    for made, named in (((15, 85, 0), True), ((30, 70, 0), False)):
        notes = comparable_sides(real, images(*made), None)[1]
        said = "Class A is 40.0% of the real images and 15.0% of the synthetic ones"
        assert any(said in note for note in notes) == named


def test_nothing_to_compare_is_said_in_one_line() -> None:
    for real, made in (((5, 0, 0), (90, 0, 0)), ((50, 0, 0), (4, 0, 0)), ((50, 0, 0), (0, 50, 0))):
        with pytest.raises(XrayganError, match="give more images") as error:
            comparable_sides(images(*real), images(*made), None)
        assert "\n" not in str(error.value)
        assert "(A) and" in str(error.value)
    with pytest.raises(ValueError, match="one list"):
        other = ImageSet(
            *(getattr(images(9, 9, 0), n) for n in ("images", "labels", "patients")),
            ("A", "B", "X"),
        )
        comparable_sides(images(20, 20, 0), other, None)


counts = st.lists(st.integers(0, 60), min_size=3, max_size=3)


@settings(max_examples=150)
@given(counts, counts, st.none() | counts, st.integers(1, 5))
def test_any_counts_are_compared_fairly_or_refused(real, made, train, each) -> None:
    sets = images(*real, each=each), images(*made, prefix="s")
    try:
        sides, notes = comparable_sides(
            *sets, None if train is None else images(*train, prefix="t")
        )
    except XrayganError:
        return
    rows = sides.overall()
    assert 10 <= len(rows.synthetic) <= len(rows.reference)
    assert len(set(rows.synthetic.tolist())) == len(rows.synthetic)
    assert notes
    if rows.control is not None and sides.control is not None:
        assert 10 <= len(rows.control) <= len(rows.synthetic) + 3 * 10
        assert not set(sides.control.patients) & set(sides.reference.patients)
    for label in range(3):
        own = sides.of_class(label)
        if own is not None:
            assert min(len(own.reference), len(own.synthetic)) >= 10
            assert own.control is None or len(own.control) == len(own.synthetic)


@pytest.mark.parametrize(("each", "said"), [(60, "1 patient:"), (20, "3 patients:"), (15, None)])
def test_few_patients_are_told_of(each: int, said: str | None) -> None:
    train = images(90, 100, 0, prefix="t")
    _, notes = comparable_sides(images(30, 30, 0, each=each), images(90, 90, 0, prefix="s"), train)
    told = [note for note in notes if "intervals are by patient, and of so few" in note]
    assert [f"The real images are of {said}" in note for note in told] == [True] * bool(said)
