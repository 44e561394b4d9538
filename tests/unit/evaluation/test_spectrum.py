"""Spectra of waves and noise, whose power is known, and distances that order faults."""

import numpy as np
import pytest
from films import blurred, films

from xraygan.evaluation.spectrum import radial_spectra, spectrum_distance


def names(count: int) -> np.ndarray:
    return np.arange(count).astype(object)


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    noise = np.random.default_rng(0).normal(128, 20, (400, 32, 48))
    spectra = radial_spectra(np.clip(np.rint(noise), 0, 255).astype(np.uint8))
    assert spectra.shape == (400, 15)
    power = (10 ** (spectra / 10)).mean(axis=0)
    np.testing.assert_allclose(power, 20**2, rtol=0.1)


@pytest.mark.parametrize("cycles", [3, 10, 25])
def test_a_wave_is_in_its_ring(cycles) -> None:
    x = np.arange(64)
    wave = np.rint(128 + 60 * np.cos(2 * np.pi * cycles * x / 64))
    for image in (np.tile(wave, (64, 1)), np.tile(wave[:, None], (1, 64))):
        spectrum = radial_spectra(image[None].astype(np.uint8))[0]
        assert spectrum.argmax() == cycles - 1


def test_the_last_ring_holds_the_checkerboard() -> None:
    board = (128 + 4 * (-1.0) ** (np.arange(64)[:, None] + np.arange(64))).astype(np.uint8)
    assert radial_spectra(board[None])[0].argmax() == 30


def test_flat_images_have_the_power_of_rounding() -> None:
    flat = radial_spectra(np.full((2, 16, 16), 9, np.uint8))
    np.testing.assert_allclose(flat, 10 * np.log10(1 / 12), atol=1e-6)


def test_turned_and_brightened_images_have_one_spectrum() -> None:
    pictures = np.clip(films(5, 1).images, 20, 200)
    spectra = radial_spectra(pictures)
    np.testing.assert_allclose(radial_spectra(pictures[:, ::-1, ::-1]), spectra, atol=1e-2)
    np.testing.assert_allclose(radial_spectra(pictures.transpose(0, 2, 1)), spectra, atol=1e-2)
    np.testing.assert_allclose(radial_spectra(pictures + 30), spectra, atol=1e-2)


def test_distance_is_the_root_mean_square_of_a_shift() -> None:
    x = np.random.default_rng(2).normal(size=(40, 7))
    shift = np.arange(7.0)
    got = spectrum_distance(x, x + shift, names(40), names(40))
    assert got.value == pytest.approx(np.sqrt((shift**2).mean()))
    assert got.low <= got.value <= got.high
    assert got.n == 40


def test_blur_and_noise_order_and_reals_are_near_nothing() -> None:
    real, other = films(80, 3).images, films(80, 4).images
    random = np.random.default_rng(5)

    def distance(images: np.ndarray) -> float:
        spectra = radial_spectra(real), radial_spectra(images.astype(np.uint8))
        return spectrum_distance(*spectra, names(80), names(80)).value

    floor = distance(other)
    soft = [distance(blurred(other, sigma)) for sigma in (0.4, 0.7, 1.2)]
    noisy = [
        distance(np.clip(np.rint(other + random.normal(0, s, other.shape)), 0, 255))
        for s in (6, 12, 24)
    ]
    for worse in (soft, noisy):
        assert [floor, *worse] == sorted([floor, *worse])
    assert min(soft[1], noisy[1]) > 3 * floor


def test_wrong_input_is_refused() -> None:
    with pytest.raises(TypeError, match="uint8"):
        radial_spectra(np.zeros((2, 8, 8)))
    with pytest.raises(ValueError, match=">= 4"):
        radial_spectra(np.zeros((2, 3, 8), np.uint8))
    assert radial_spectra(np.zeros((0, 8, 8), np.uint8)).shape[0] == 0
