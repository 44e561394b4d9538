"""The feature space sees what spoils a picture, and more of it as it gets worse."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from xraygan.evaluation.features import (
    FEATURE_SPACE,
    Standardiser,
    family_sizes,
    filter_bank_features,
    standardise,
)
from xraygan.evaluation.filters import ORIENTATIONS, octaves
from xraygan.evaluation.kernel import kernel_distance


def made_up(count: int, seed: int, side: int = 64) -> np.ndarray:
    """Bands across two dark ovals, each picture with its own phase, tilt and contrast."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    pictures = []
    for _ in range(count):
        centre, tilt, phase = random.normal(0.45, 0.04), random.normal(0, 0.2), random.uniform(0, 6)
        ovals = np.exp(-(((np.abs(x) - centre) / 0.3) ** 4) - (y / 0.8) ** 4)
        bands = np.tanh(4 * np.sin((18 + random.normal()) * (y + tilt * np.abs(x)) + phase))
        ground = cv2.GaussianBlur(random.normal(size=(side, side)), (0, 0), 1.0)
        values = 160 - 90 * ovals + random.uniform(8, 20) * bands * ovals + 12 * ground
        pictures.append(values)
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)


def noise(images: np.ndarray, sigma: float) -> np.ndarray:
    noisy = images + np.random.default_rng(9).normal(0, sigma, images.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(i, (0, 0), sigma) for i in images])


def jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    coded = [cv2.imencode(".jpg", i, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for i in images]
    return np.stack([cv2.imdecode(c, cv2.IMREAD_GRAYSCALE) for c in coded])


def ghost(images: np.ndarray, alpha: float) -> np.ndarray:
    mixed = (1 - alpha) * images + alpha * np.roll(images, 1, axis=0)
    return np.rint(mixed).astype(np.uint8)


def checkerboard(images: np.ndarray, amplitude: float) -> np.ndarray:
    board = 1 - 2 * (np.indices(images.shape[1:]).sum(axis=0) % 2)
    return np.clip(np.rint(images + amplitude * board), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sets() -> tuple[np.ndarray, np.ndarray]:
    return made_up(240, 1), made_up(240, 2)


@pytest.fixture(scope="module")
def scaled(sets) -> tuple[Standardiser, np.ndarray]:
    raw = filter_bank_features(sets[0])
    standardiser = standardise(raw)
    return standardiser, standardiser.apply(raw)


def distance(scaled, images: np.ndarray) -> float:
    standardiser, real = scaled
    features = standardiser.apply(filter_bank_features(images))
    return kernel_distance(real, features, subsets=2).value


@pytest.mark.parametrize(
    ("spoil", "severities", "times_floor"),
    [
        (noise, (2, 4, 8), 10),
        (blur, (0.5, 0.8, 1.2), 10),
        (jpeg, (90, 50, 20), 3),
        (ghost, (0.1, 0.2, 0.4), 3),
        (checkerboard, (1, 3, 6), 10),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_distance_grows_with_severity(sets, scaled, spoil, severities, times_floor) -> None:
    floor = abs(distance(scaled, sets[1]))
    got = [distance(scaled, spoil(sets[1], severity)) for severity in severities]
    assert got == sorted(got)
    assert got[0] > times_floor * floor


def test_anatomy_counts(sets, scaled) -> None:
    floor = abs(distance(scaled, sets[1]))
    swapped = np.roll(sets[1], 32, axis=2)
    assert distance(scaled, swapped) > 30 * floor
    upside_down = np.ascontiguousarray(sets[1][:, :48])  # half the picture's place is wrong
    assert distance(scaled, np.pad(upside_down, ((0, 0), (16, 0), (0, 0)), "edge")) > 10 * floor


def test_features_of_an_image_depend_on_it_alone() -> None:
    images = made_up(70, 3)
    together = filter_bank_features(images)
    alone = np.concatenate([filter_bank_features(images[i : i + 1]) for i in (0, 33, 69)])
    np.testing.assert_allclose(together[[0, 33, 69]], alone, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(together, filter_bank_features(images))


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (32, 32), (64, 64), (75, 50), (128, 96)])
def test_sizes_and_families_agree(size) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    features = filter_bank_features(images)
    assert features.shape == (3, sum(family_sizes(*size).values()))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_images_over_256_px_are_area_averaged() -> None:
    small = made_up(2, 4, side=256)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(filter_bank_features(large), filter_bank_features(small))
    assert sum(family_sizes(512, 512).values()) == len(filter_bank_features(small)[0])


def test_flat_images_have_no_energy() -> None:
    flat = np.full((2, 64, 64), 77, np.uint8)
    features = filter_bank_features(flat)
    sizes = family_sizes(64, 64)
    np.testing.assert_allclose(features[:, : sizes["energy"]], 0, atol=1e-3)
    thumbnail = features[:, -sizes["intensity"] : -3]
    np.testing.assert_allclose(thumbnail, 77 / 255, rtol=1e-5)


def test_lattice_answers_to_its_own_period() -> None:
    """A carrier of amplitude 3 has coherent energy 9 at its period and none elsewhere."""
    y, x = np.indices((64, 64))
    columns = np.where(x % 2, 3, -3)
    board = np.where((x + y) % 2, 3, -3)
    quarter = np.rint(9 * np.cos(np.pi / 2 * y))
    sizes = family_sizes(64, 64)
    stop = -sizes["intensity"]
    pictures = (100 + np.stack([columns, board, quarter])).astype(np.uint8)
    lattice = filter_bank_features(pictures)[:, stop - sizes["lattice"] : stop]
    silent = np.log(0.25)
    # Order: vertical period (none, 2, 4) by horizontal period (none, 2, 4), without the first.
    for row, place, energy in ((0, 0, 9), (1, 3, 9), (2, 5, 81 / 2)):
        expected = np.full(8, silent)
        expected[place] = np.log(energy + 0.25)
        np.testing.assert_allclose(lattice[row], expected, atol=1e-3)


def test_no_images_give_no_rows() -> None:
    assert filter_bank_features(np.empty((0, 64, 64), np.uint8)).shape == (0, 507)


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
@pytest.mark.parametrize("octave", [1, 2, 3])
def test_a_grating_answers_in_its_own_band_with_its_amplitude(orientation, octave) -> None:
    """At a band's centre the radial and angular responses are 1: |z| is the amplitude."""
    y, x = np.mgrid[:64, :64]
    angle = np.pi * orientation / ORIENTATIONS
    frequency = 2.0 ** -(octave + 1)
    phase = 2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle))
    grating = (10 * np.cos(phase + 0.3)).astype(np.float32)[None]
    responses = [np.abs(band[0]).mean(axis=(1, 2)) for band in octaves(grating)]
    strongest = max((r.max(), s, int(r.argmax())) for s, r in enumerate(responses))
    assert strongest[1:] == (octave, orientation)
    middle = np.abs(list(octaves(grating))[octave][0, orientation])
    margin = len(middle) // 4
    assert np.median(middle[margin:-margin, margin:-margin]) == pytest.approx(10, rel=0.06)


def test_standardised_reference_has_unit_families() -> None:
    reference = np.random.default_rng(5).normal(7, 3, (4000, 507))
    standard = standardise(reference).apply(reference)
    assert (standard.astype(float) ** 2).mean() == pytest.approx(0.6, abs=0.05)  # E asinh(z)²
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=0.2)


def test_standardise_by_hand() -> None:
    reference = np.array([[0.0, 5.0], [4.0, 5.0]])
    standardiser = standardise(reference, weights=np.ones(2), floor=0.5)
    np.testing.assert_allclose(
        standardiser.apply(np.array([[6.0, 6.0]])), [[np.arcsinh(2.0), np.arcsinh(2.0)]], rtol=1e-6
    )


def test_wrong_input_is_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        filter_bank_features(np.zeros((1, 64, 64)))
    with pytest.raises(ValueError, match=r"\[N, H, W\]"):
        filter_bank_features(np.zeros((64, 64), np.uint8))
    with pytest.raises(ValueError, match="16 px"):
        filter_bank_features(np.zeros((1, 64, 12), np.uint8))
    with pytest.raises(ValueError, match=FEATURE_SPACE):
        standardise(np.zeros((5, 500)))
    with pytest.raises(ValueError, match="another size"):
        standardise(np.zeros((5, 3)), weights=np.ones(3)).apply(np.zeros((5, 4)))


@pytest.mark.data
def test_real_patients_are_near_and_spoilt_ones_far() -> None:
    root = os.environ.get("XRAYGAN_TEST_DATA")
    if not root:
        pytest.skip("XRAYGAN_TEST_DATA is not set")
    paths = sorted(Path(root, "chest_xray", "train", "PNEUMONIA").glob("*.jpeg"))[:1200]
    patients = sorted({p.name.rsplit("_", 1)[0] for p in paths})
    first = set(np.random.default_rng(0).permutation(patients)[: len(patients) // 2])
    halves: list[list[np.ndarray]] = [[], []]
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
        halves[path.name.rsplit("_", 1)[0] in first].append(image)
    real, other = np.stack(halves[0]), np.stack(halves[1])
    raw = filter_bank_features(real)
    scaled = standardise(raw), standardise(raw).apply(raw)
    floor = abs(distance(scaled, other))
    assert floor < 0.01
    assert distance(scaled, jpeg(other, 90)) > 2 * floor
    assert distance(scaled, jpeg(other, 50)) < distance(scaled, noise(other, 4))
    assert distance(scaled, noise(other, 4)) < distance(scaled, blur(other, 0.8))
