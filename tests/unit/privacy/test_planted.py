"""Disguises do what they say."""

import numpy as np

from xraygan.privacy.planted import PLANTED, Disguise, disguised, plant


def test_exact_copies_are_exact() -> None:
    images = np.random.default_rng(1).integers(0, 256, (20, 32, 32), dtype=np.uint8)
    copies = plant(images, PLANTED["exact"], 7)
    assert len(copies) == 7
    assert all((images == copy).all(axis=(1, 2)).any() for copy in copies)
    assert len(plant(images, PLANTED["exact"], 99)) == 20


def test_noise_has_its_strength() -> None:
    grey = np.full((10, 64, 64), 128, np.uint8)
    made = disguised(grey, Disguise("", noise=0.1), np.random.default_rng(2))
    assert abs(made.std() - 25.5) < 0.5
    assert abs(made.mean() - 128) < 0.5


def test_shifts_go_down_and_left_and_mirrors_exchange_sides() -> None:
    images = np.random.default_rng(3).integers(0, 256, (1, 32, 32), dtype=np.uint8)
    made = disguised(images, Disguise("", shift=1 / 16), np.random.default_rng(0))
    np.testing.assert_array_equal(made[:, 2:, :-2], images[:, :-2, 2:])
    np.testing.assert_array_equal(made[:, 0], made[:, 1])
    mirrored = disguised(images, Disguise("", mirrored=True), np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored, images[:, :, ::-1])
