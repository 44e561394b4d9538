"""MS-SSIM against an independent slow twin; pairs that are what they say."""

import cv2
import numpy as np
import pytest
from films import films
from scipy.ndimage import correlate

from xraygan.evaluation.similarity import ms_ssim, pairs_within, similarity_within


def twin(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2003 in float64 with a two-dimensional window, one pair."""
    t = np.arange(11) - 5
    window = np.exp(-(t[:, None] ** 2 + t**2) / (2 * 1.5**2))
    window /= window.sum()

    def blurred(image: np.ndarray) -> np.ndarray:
        return correlate(image, window, mode="constant")[5:-5, 5:-5]

    scales = 0
    while scales < 5 and min(x.shape) // 2**scales >= 11:
        scales += 1
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    weights = weights / weights.sum()
    a, b, product = x.astype(np.float64), y.astype(np.float64), 1.0
    for scale in range(scales):
        mean_a, mean_b = blurred(a), blurred(b)
        var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
        covariance = blurred(a * b) - mean_a * mean_b
        c1, c2 = 2.55**2, 7.65**2
        term = (2 * covariance + c2) / (var_a + var_b + c2)
        if scale == scales - 1:
            term = term * (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        product *= max(term.mean(), 0) ** weights[scale]
        height, width = (side // 2 * 2 for side in a.shape)
        a, b = (
            p[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
            for p in (a, b)
        )
    return float(product)


@pytest.mark.parametrize("side", [11, 16, 45, 64, 200])
def test_equals_the_twin(side) -> None:
    pictures = films(8, 1, side).images
    got = ms_ssim(pictures[:4], pictures[4:])
    expected = [twin(a, b) for a, b in zip(pictures[:4], pictures[4:], strict=True)]
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-5)


def test_more_pairs_than_a_block_and_no_square() -> None:
    pictures = films(140, 2).images[:, :40]
    got = ms_ssim(pictures[:70], pictures[70:])
    assert got.shape == (70,)
    assert got[69] == pytest.approx(twin(pictures[69], pictures[139]), rel=2e-4)


def test_itself_is_one_and_order_does_not_matter() -> None:
    pictures = films(6, 3).images
    np.testing.assert_allclose(ms_ssim(pictures, pictures), 1, atol=1e-5)
    x, y = pictures[:3], pictures[3:]
    np.testing.assert_allclose(ms_ssim(x, y), ms_ssim(y, x), atol=1e-6)
    flat = np.full((2, 64, 64), 7, np.uint8)
    np.testing.assert_allclose(ms_ssim(flat, flat), 1, atol=1e-5)
    np.testing.assert_array_equal(ms_ssim(255 - pictures, pictures), 0)


def test_falls_with_noise() -> None:
    pictures = films(10, 4).images
    random = np.random.default_rng(5)
    means = [
        ms_ssim(
            pictures,
            np.clip(pictures + random.normal(0, s, pictures.shape), 0, 255).astype(np.uint8),
        ).mean()
        for s in (0, 5, 15, 45)
    ]
    assert means == sorted(means, reverse=True)
    assert means[3] < 0.9


def test_pairs_are_of_one_class_and_two_patients_and_new() -> None:
    labels = np.array([0] * 12 + [1] * 30 + [2] * 2 + [3])
    patients = np.array([f"p{n // 3}" for n in range(45)], object)
    pairs = pairs_within(labels, patients, most=100, seed=1)
    assert (labels[pairs[:, 0]] == labels[pairs[:, 1]]).all()
    assert (patients[pairs[:, 0]] != patients[pairs[:, 1]]).all()
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
    assert 80 <= len(pairs) <= 100
    every = pairs_within(np.zeros(6, int), np.arange(6).astype(object), most=999)
    assert len(every) == 15


def test_collapse_shows_and_one_patient_says_nothing() -> None:
    made = films(60, 6)
    names = np.arange(60).astype(object)
    values = []
    for kept in (30, 8, 2):
        images = made.images[np.arange(60) % kept]
        got = similarity_within(images, made.labels[np.arange(60) % kept], names, most=300)
        assert got is not None and got.low <= got.value <= got.high
        values.append(got.value)
    assert values == sorted(values)
    assert values[2] == pytest.approx(1, abs=1e-5)
    same = np.array(["a"] * 60, object)
    assert similarity_within(made.images, made.labels, same) is None


def test_wrong_input_is_refused() -> None:
    pictures = films(4, 7).images
    with pytest.raises(TypeError, match="uint8"):
        ms_ssim(pictures, pictures.astype(float))
    with pytest.raises(ValueError, match=">= 11"):
        ms_ssim(pictures[:, :10], pictures[:, :10])
    with pytest.raises(ValueError, match="one"):
        ms_ssim(pictures, pictures[:2])


def test_large_images_are_compared_at_256_px() -> None:
    pictures = films(2, 8, 128).images
    large = np.stack([cv2.resize(p, (512, 512), interpolation=cv2.INTER_NEAREST) for p in pictures])
    middle = np.stack(
        [cv2.resize(p, (256, 256), interpolation=cv2.INTER_NEAREST) for p in pictures]
    )
    np.testing.assert_allclose(ms_ssim(large[:1], large[1:]), ms_ssim(middle[:1], middle[1:]))
