"""Sliced Wasserstein: zero on itself, the right level answers, severity orders."""

import functools
import tracemalloc

import cv2
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from xraygan.evaluation import pyramid
from xraygan.evaluation.pyramid import sliced_wasserstein, sliced_wasserstein_figures


def textured(count: int, seed: int, side: int = 64) -> np.ndarray:
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        coarse = cv2.GaussianBlur(random.normal(size=(side, side)), (0, 0), 6)
        fine = cv2.GaussianBlur(random.normal(size=(side, side)), (0, 0), 0.8) ** 3
        pictures.append(120 + 300 * coarse + 60 * fine)
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sets() -> tuple[np.ndarray, np.ndarray]:
    return textured(100, 1), textured(100, 2)


def test_noise_shows_in_the_finest_level_only(sets) -> None:
    floor = sliced_wasserstein(*sets, patches_per_image=32, projections=48)
    random = np.random.default_rng(3)
    levels = [floor]
    for sigma in (4, 8, 16):
        noisy = np.clip(np.rint(sets[1] + random.normal(0, sigma, sets[1].shape)), 0, 255)
        levels.append(
            sliced_wasserstein(
                sets[0], noisy.astype(np.uint8), patches_per_image=32, projections=48
            )
        )
    finest = [level[0] for level in levels]
    assert finest == sorted(finest)
    assert finest[1] > 1.5 * finest[0]
    assert levels[2][2] < 1.5 * floor[2]


def test_blur_orders(sets) -> None:
    finest = [
        sliced_wasserstein(
            sets[0],
            np.stack([cv2.GaussianBlur(i, (0, 0), sigma) for i in sets[1]]),
            patches_per_image=32,
            projections=48,
        )[0]
        for sigma in (0.4, 0.6, 1.0)
    ]
    assert finest == sorted(finest)


def test_mean_distance_is_scipys_along_each_direction() -> None:
    random = np.random.default_rng(4)
    x = random.normal(size=(300, 49)).astype(np.float32)
    y = random.normal(0.2, 1.5, size=(300, 49)).astype(np.float32)
    directions = random.normal(size=(49, 37))
    expected = np.mean([wasserstein_distance(x @ d, y @ d) for d in directions.T])
    assert pyramid._mean_distance(x, y, directions) == pytest.approx(expected, rel=1e-4)


def test_pyramid_adds_up_to_the_image(sets) -> None:
    levels = pyramid._pyramid(sets[0][:2], 3)
    rebuilt = levels[2][0]
    for level in (levels[1][0], levels[0][0]):
        rebuilt = level + cv2.pyrUp(rebuilt, dstsize=level.shape[::-1])
    np.testing.assert_allclose(rebuilt, sets[0][0], atol=1e-3)


def test_blocks_of_images_change_nothing(sets, monkeypatch) -> None:
    whole = sliced_wasserstein(*sets, patches_per_image=8, projections=8)
    monkeypatch.setattr(pyramid, "_IMAGES_AT_ONCE", 7)
    assert sliced_wasserstein(*sets, patches_per_image=8, projections=8) == whole


def test_patches_are_cut_from_the_pyramids_of_their_images() -> None:
    """Twin: whole pyramids, patch by patch, of an odd size."""
    images, rows, each = textured(9, 7, 61), np.array([1, 2, 5, 8]), 3
    generator = np.random.default_rng(8)
    sizes = pyramid._sizes((61, 61), 3)
    places = [pyramid._places(size, 12, generator) for size in sizes]
    found = pyramid._patches(images, rows, each, places)
    whole = pyramid._pyramid(images[rows], 3)
    assert [level.shape[1:] for level in whole] == sizes
    for patches, level, (top, left) in zip(found, whole, places, strict=True):
        cut = [level[n // each, top[n] : top[n] + 7, left[n] : left[n] + 7] for n in range(12)]
        expected = (np.stack(cut) - np.mean(cut)) / np.std(cut)
        np.testing.assert_allclose(patches, expected.reshape(12, 49), atol=1e-5)


def test_memory_does_not_follow_the_number_of_images(monkeypatch) -> None:
    monkeypatch.setattr(pyramid, "_IMAGES_AT_ONCE", 16)
    images = np.tile(textured(4, 1, 128), (100, 1, 1))
    whole = images.size * 4
    tracemalloc.start()
    sliced_wasserstein(images, images[::-1], patches_per_image=2, projections=2)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.4 * whole


@pytest.mark.parametrize(("side", "levels"), [(16, 1), (32, 2), (64, 3), (128, 4)])
def test_levels_follow_the_size(side, levels) -> None:
    got = sliced_wasserstein(textured(3, 5, side), textured(4, 6, side), patches_per_image=4)
    assert len(got) == levels


def test_deterministic_by_seed_and_blind_to_brightness(sets) -> None:
    few = sets[0][:20], sets[1][:30]
    sliced_wasserstein = functools.partial(pyramid.sliced_wasserstein, patches_per_image=16)
    assert sliced_wasserstein(*few, seed=1) == sliced_wasserstein(*few, seed=1)
    assert sliced_wasserstein(*few, seed=1) != sliced_wasserstein(*few, seed=2)
    dark = np.clip(sets[1], 40, 200)
    assert sliced_wasserstein(dark, dark - 30, seed=3) == pytest.approx(
        sliced_wasserstein(dark, dark, seed=3), rel=1e-3
    )


def test_flat_images_are_finite() -> None:
    flat = np.full((4, 64, 64), 9, np.uint8)
    assert sliced_wasserstein(flat, flat) == pytest.approx([0, 0, 0], abs=1e-6)


def test_wrong_input_is_refused() -> None:
    images = np.zeros((3, 64, 64), np.uint8)
    with pytest.raises(TypeError, match="uint8"):
        sliced_wasserstein(images, images.astype(float))
    with pytest.raises(ValueError, match="one size"):
        sliced_wasserstein(images, images[:, :32])
    with pytest.raises(ValueError, match="none empty"):
        sliced_wasserstein(images, images[:0])
    with pytest.raises(ValueError, match="levels do not fit"):
        sliced_wasserstein(images, images, levels=5)
    with pytest.raises(ValueError, match="projections"):
        sliced_wasserstein(images, images, projections=0)


def test_figures_are_those_of_the_distance_with_an_interval_around(sets) -> None:
    names = np.array([f"p{n // 2}" for n in range(100)], object)
    mean, levels = sliced_wasserstein_figures(*sets, names, names, seed=3)
    values = sliced_wasserstein(*sets, seed=3)
    assert [level.value for level in levels] == values
    assert mean.value == pytest.approx(np.mean(values))
    for figure in (mean, *levels):
        assert 0 <= figure.low < figure.value < figure.high
        assert figure.n == 100
    other, _ = sliced_wasserstein_figures(sets[0], textured(100, 9), names, names, seed=4)
    assert mean.low <= other.value <= mean.high


def test_the_interval_comes_from_both_sides(sets) -> None:
    """Uneven images make the distance uncertain on whichever side they are."""
    noise = np.random.default_rng(6).normal(size=sets[1].shape)
    uneven = np.clip(
        np.rint(sets[1] + 40 * (np.arange(100) % 7 == 0)[:, None, None] * noise), 0, 255
    )
    names = np.arange(100).astype(object)
    both = (sets[0], uneven.astype(np.uint8))
    widths = []
    for x, y in (both, both[::-1], sets):
        finest = sliced_wasserstein_figures(x, y, names, names)[1][0]
        widths.append(finest.high - finest.low)
    assert 0.5 < widths[0] / widths[1] < 2
    assert min(widths[:2]) > 1.5 * widths[2]
