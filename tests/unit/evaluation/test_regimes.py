"""Which images each way of training draws from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.evaluation import regimes
from xraygan.evaluation.regimes import Regime, course, move, plan, taken

REAL = np.array([0] * 120 + [1] * 300, np.int32)
N = len(REAL)


def made(zeros: int, ones: int) -> np.ndarray:
    return np.array([0] * zeros + [1] * ones, np.int32)


def full(synthetic: np.ndarray, seed: int = 0) -> tuple[dict[str, Regime], list[str]]:
    return plan(REAL, synthetic, "full", seed)


def split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows[rows < N], rows[rows >= N]


def rows_of(regime: Regime) -> np.ndarray:
    return np.unique(np.concatenate([rows for pools in regime.phases for rows in pools]))


def test_basic_is_a_part_of_full() -> None:
    basic, _ = plan(REAL, made(200, 400), "basic", 3)
    whole, _ = full(made(200, 400), 3)
    assert list(basic) == ["trtr", "tstr", "real_plus_synthetic_1", "label_shuffled"]
    for name, regime in basic.items():
        for a, b in zip(regime.phases[0], whole[name].phases[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_with_plenty_there_is_every_regime_and_nothing_to_say() -> None:
    found, notes = full(made(480, 1200))
    assert notes == []
    assert list(found) == [
        "trtr",
        "tstr",
        *(f"real_plus_synthetic_{r}" for r in ("0.25", "0.5", "1", "2", "4")),
        "classical_augmentation",
        "real_duplicated",
        "synthetic_then_real",
        *(f"low_{k}_real{more}" for k in (10, 50, 200) for more in ("", "_plus_synthetic")),
        "label_shuffled",
    ]


def test_rows_keep_their_class_and_tests_their_purity() -> None:
    synthetic = made(480, 1200)
    labels = np.concatenate([REAL, synthetic])
    found, _ = full(synthetic)
    for name, regime in found.items():
        if name != "label_shuffled":
            for pools in regime.phases:
                for label, rows in enumerate(pools):
                    assert (labels[rows] == label).all(), name
    assert split(rows_of(found["trtr"]))[1].size == 0
    assert split(rows_of(found["tstr"]))[0].size == 0
    assert [len(p) for p in found["tstr"].phases[0]] == [120, 300]
    assert [name for name, regime in found.items() if regime.moved] == ["classical_augmentation"]


@pytest.mark.parametrize("ratio", regimes.RATIOS)
def test_ratios_hold_in_each_class(ratio) -> None:
    regime = full(made(480, 1200))[0][f"real_plus_synthetic_{ratio:g}"]
    for rows, count in zip(regime.phases[0], (120, 300), strict=True):
        real, synthetic = split(rows)
        assert sorted(real) == sorted(set(real)) and len(real) == count
        assert len(synthetic) == len(set(synthetic)) == round(ratio * count)


def test_what_is_missing_is_said() -> None:
    found, notes = full(made(200, 200))
    assert [len(p) for p in found["tstr"].phases[0]] == [120, 200]
    text = "\n".join(notes)
    assert "320 synthetic images stand against 420" in text
    once = "training on real images and 1 × as many synthetic ones"
    assert f"{once} shows some synthetic images up to 1.5 times" in text
    assert "real images and 2 × as many synthetic ones is left out: it needs 840" in text
    assert "real_plus_synthetic_2" not in found
    assert [len(p) for p in found["real_plus_synthetic_1"].phases[0]] == [240, 600]
    few, notes = plan(REAL[::4], made(30, 75), "full", 0)
    assert "low_50_real" in few
    assert "low_200_real" not in few
    assert any("training on 200 real images alone is left out" in note for note in notes)


def test_names_and_notes_do_not_depend_on_the_seed_but_choices_do() -> None:
    one, two = full(made(300, 300), 1), full(made(300, 300), 2)
    assert list(one[0]) == list(two[0])
    assert one[1] == two[1]
    assert set(rows_of(one[0]["low_10_real"])) != set(rows_of(two[0]["low_10_real"]))
    assert set(rows_of(one[0]["tstr"])) != set(rows_of(two[0]["tstr"]))


def test_few_are_in_proportion_and_nested() -> None:
    found, _ = full(made(480, 1200))
    few = [found[f"low_{k}_real"] for k in (10, 50, 200)]
    assert [[len(p) for p in regime.phases[0]] for regime in few] == [[3, 7], [15, 35], [58, 142]]
    assert set(rows_of(few[0])) < set(rows_of(few[1])) < set(rows_of(few[2]))
    for rows, alone in zip(
        found["low_10_real_plus_synthetic"].phases[0], few[0].phases[0], strict=True
    ):
        real, synthetic = split(rows)
        assert len(real) == len(synthetic)
        assert set(real) == set(alone)


def test_duplicates_and_shuffled_labels() -> None:
    found, _ = full(made(480, 1200))
    for rows, once in zip(found["real_duplicated"].phases[0], found["trtr"].phases[0], strict=True):
        np.testing.assert_array_equal(np.sort(rows), np.repeat(once, 2))
    shuffled, straight = found["label_shuffled"], found["tstr"]
    assert [len(p) for p in shuffled.phases[0]] == [120, 300]
    np.testing.assert_array_equal(rows_of(shuffled), rows_of(straight))
    stayed = np.isin(shuffled.phases[0][0], straight.phases[0][0]).mean()
    assert stayed == pytest.approx(120 / 420, abs=0.12)


def test_synthetic_then_real_sees_them_in_this_order() -> None:
    regime = full(made(480, 1200))[0]["synthetic_then_real"]
    rows, labels = course(regime, 100, 0)
    assert (rows[:50] >= N).all()
    assert (rows[50:] < N).all()
    assert np.bincount(labels).tolist() == [50, 50]


@given(st.integers(1, 9), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_all_come_before_any_comes_again(rows, count, seed) -> None:
    got = taken(np.arange(rows) + 5, count, np.random.default_rng(seed))
    assert len(got) == count
    times = np.bincount(got - 5, minlength=rows)
    assert times.max() - times.min() <= 1
    assert times.sum() == count


@given(st.lists(st.integers(5, 4000), min_size=2, max_size=8), st.integers(8, 200))
def test_shares_sum_up(counts, total) -> None:
    shares = regimes._proportional(counts, total)
    exact = np.array(counts) * total / sum(counts)
    assert sum(shares) == total
    assert min(shares) >= 1
    assert (np.abs(np.array(shares) - exact) <= len(counts)).all()
    if total <= sum(counts) / 2:
        assert all(share <= count for share, count in zip(shares, counts, strict=True))


def test_a_course_is_balanced_and_depends_on_its_seed_alone() -> None:
    regime = Regime(((np.arange(3), np.arange(3, 50), np.arange(50, 60)),))
    rows, labels = course(regime, 96, 7)
    assert np.bincount(labels).tolist() == [32, 32, 32]
    assert ((rows < 3) == (labels == 0)).all()
    assert np.bincount(rows[labels == 0]).max() == 11
    np.testing.assert_array_equal(rows, course(regime, 96, 7)[0])
    assert (rows != course(regime, 96, 8)[0]).any()


def picture() -> np.ndarray:
    """Dark, with a bright patch on the left."""
    image = np.full((64, 64), 40, np.uint8)
    image[20:44, 8:20] = 200
    return image


def test_moved_images_are_near_and_never_mirrored() -> None:
    images = np.stack([picture()] * 300)
    moved = move(images, 0)
    assert moved.shape == images.shape and moved.dtype == np.uint8
    np.testing.assert_array_equal(moved, move(images, 0))
    assert (moved != move(images, 1)).any()
    left = moved[:, :, :28].reshape(300, -1).max(axis=1).astype(int)
    right = moved[:, :, 36:].reshape(300, -1).max(axis=1).astype(int)
    assert (left - right > 60).all()
    means = moved.mean(axis=(1, 2))
    assert means.mean() == pytest.approx(picture().mean(), abs=4)
    assert 8 < means.std() < 25


def test_borders_repeat_the_edge() -> None:
    """A flat image stays flat under every move: no zeros come in."""
    moved = move(np.full((50, 32, 32), 120, np.uint8), 0)
    np.testing.assert_array_equal(moved.min(axis=(1, 2)), moved.max(axis=(1, 2)))
