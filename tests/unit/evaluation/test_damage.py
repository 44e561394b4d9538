"""Each fault does what it is named for, more of it with strength, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.evaluation.damage import FAULTS, WHOLE, Scene, spoil


def film(seed: int, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Waves of falling amplitude, a picture's spectrum, as whole grey levels."""
    random = np.random.default_rng(seed)
    down, across = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    waves = np.fft.rfft2(random.normal(size=shape)) / (np.hypot(down, across) + 0.02) ** 1.9
    picture = np.fft.irfft2(waves, s=shape)
    return np.rint(128 + 35 * picture / picture.std()).clip(0, 255).astype(np.float32)


def scene(seed: int = 0, shape: tuple[int, int] = (64, 64)) -> Scene:
    image, other, phantom = (film(10 * seed + n, shape) for n in range(3))
    return Scene(image, other, phantom, np.random.default_rng(seed))


def change(kind: str, strength: float) -> float:
    """Root mean square change over twenty scenes, grey levels."""
    squares = []
    for seed in range(20):
        made = scene(seed)
        squares.append(((spoil(made, kind, strength) - made.image) ** 2).mean())
    return float(np.sqrt(np.mean(squares)))


def test_none_changes_nothing_and_rounds() -> None:
    made = scene()
    np.testing.assert_array_equal(spoil(made, "none", 1.0), made.image)


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - WHOLE))
def test_a_fault_grows_with_its_strength_from_slight_to_plain(kind) -> None:
    got = [change(kind, strength) for strength in (0.0, 0.5, 1.0)]
    assert got == sorted(set(got))
    assert got[2] > 2 * got[0]
    assert got[0] < 20


@pytest.mark.parametrize("kind", sorted(FAULTS))
@given(
    seed=st.integers(0, 99), strength=st.floats(0, 1), shape=st.sampled_from([(64, 64), (17, 40)])
)
def test_any_strength_and_shape_gives_a_picture(kind, seed, strength, shape) -> None:
    made = scene(seed, shape)
    got = spoil(made, kind, strength)
    assert got.dtype == np.uint8
    assert got.shape == shape
    np.testing.assert_array_equal(got, spoil(scene(seed, shape), kind, strength))


def test_noise_has_the_strength_it_says() -> None:
    """From 1 to 20 grey levels, geometrically."""
    flat = np.full((200, 200), 128, np.float32)
    for strength, sigma in ((0.0, 1.0), (0.5, 20**0.5), (1.0, 20.0)):
        got = spoil(Scene(flat, flat, flat, np.random.default_rng(1)), "noise", strength)
        rounding = 1 / 12
        assert got.std() == pytest.approx((sigma**2 + rounding) ** 0.5, rel=0.03)


def test_grid_repeats_every_four_pixels_and_keeps_the_mean() -> None:
    flat = np.full((64, 64), 128, np.float32)
    for seed in range(10):
        got = spoil(Scene(flat, flat, flat, np.random.default_rng(seed)), "grid", 1.0)
        np.testing.assert_array_equal(got[4:], got[:-4])
        np.testing.assert_array_equal(got[:, 4:], got[:, :-4])
        assert got.std() == pytest.approx(10, abs=1)
        assert got.mean() == pytest.approx(128, abs=1)


def test_ghost_is_the_mean_of_two_at_most() -> None:
    made = scene()
    expected = np.rint((made.image + made.other) / 2)
    assert np.abs(spoil(made, "ghost", 1.0) - expected).max() <= 1


def test_scrambled_keeps_the_spectrum_and_loses_the_places() -> None:
    made = scene()
    got = spoil(made, "scrambled", 0.5).astype(np.float32)
    power, before = (np.abs(np.fft.rfft2(x - x.mean())) ** 2 for x in (got, made.image))
    fine = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None]) > 0.2
    assert power[fine].sum() == pytest.approx(before[fine].sum(), rel=0.15)
    ours, theirs = (np.fft.irfft2(np.fft.rfft2(x) * fine).ravel() for x in (got, made.image))
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.2


def test_soft_loses_weak_waves_and_keeps_the_mean() -> None:
    made = scene()
    got = spoil(made, "soft", 1.0).astype(np.float32)
    assert got.mean() == pytest.approx(made.image.mean(), abs=0.5)
    assert np.abs(np.diff(got)).mean() < 0.8 * np.abs(np.diff(made.image)).mean()


def test_smooth_spoils_a_patch_and_spares_the_rest() -> None:
    made = scene()
    changed = spoil(made, "smooth", 1.0) != made.image
    assert 0.01 < changed.mean() < 0.7
    assert not changed[[0, 0, -1, -1], [0, -1, 0, -1]].all()


def test_collage_has_one_patient_on_each_side() -> None:
    made = scene()
    got = spoil(made, "collage", 1.0)
    ours, theirs = np.abs(got - made.image) < 1, np.abs(got - made.other) < 1
    assert ours.mean() > 0.2
    assert theirs.mean() > 0.2
    assert (ours | theirs).mean() > 0.6


def test_turned_keeps_the_pixels_in_other_places() -> None:
    for seed in range(8):
        made = scene(seed)
        got = spoil(made, "turned", 0.0)
        np.testing.assert_array_equal(np.sort(got, axis=None), np.sort(made.image, axis=None))
        assert (got != made.image).mean() > 0.5


def test_phantom_takes_its_place() -> None:
    made = scene()
    np.testing.assert_array_equal(spoil(made, "phantom", 0.0), made.phantom)
