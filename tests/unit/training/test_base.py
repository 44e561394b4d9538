import cv2
import numpy as np
import pytest

from xraygan.config import ModelSettings
from xraygan.data.phantom import phantom_images
from xraygan.models.base import BandGains, Displaced, LinearGaussian
from xraygan.training import base as base_module
from xraygan.training.base import fit_base, fit_gaussian

SIDE = 8


def gaussian_films(count: int, rank: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict]:
    """Films of a known Gaussian of low rank in two classes of other means, other spreads."""
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(random.normal(size=(SIDE * SIDE, rank)))[0].T
    spreads = np.array([[0.9, 0.6, 0.3], [0.3, 0.9, 0.6]])
    means = np.array([[0.5, 0.0, -0.3], [-0.5, 0.2, 0.3]])
    labels = np.arange(count, dtype=np.int32) % 2
    coordinates = random.normal(size=(count, rank)) * spreads[labels] + means[labels]
    pixels = (coordinates @ directions).reshape(count, SIDE, SIDE)
    images = np.clip(np.rint(pixels * 127.5 + 127.5), 0, 255).astype(np.uint8)
    truth = {
        "mean": means @ directions,
        "covariance": [directions.T @ np.diag(s**2) @ directions for s in spreads],
    }
    return images, labels, truth


def one_hot(labels: np.ndarray, count: int = 2) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[labels]


def rows_of(images: np.ndarray) -> np.ndarray:
    return (images.reshape(len(images), -1) / 127.5 - 1).astype(np.float32)


def moments(base: dict[str, np.ndarray], label: int) -> tuple[np.ndarray, np.ndarray]:
    root = base["class_factors"][label] @ base["components"]
    return base["class_means"][label] @ base["components"] + base["mean"], root.T @ root


def test_recovers_the_mean_and_covariance_of_each_class() -> None:
    images, labels, truth = gaussian_films(20_000)
    base = fit_gaussian(rows_of(images), one_hot(labels), 3)
    for label in range(2):
        mean, covariance = moments(base, label)
        assert np.abs(mean - truth["mean"][label]).max() < 0.02
        assert np.abs(covariance - truth["covariance"][label]).max() < 0.02


def test_what_it_fits_is_what_the_layer_takes_and_draws() -> None:
    images, labels, truth = gaussian_films(4000)
    layer = LinearGaussian(SIDE * SIDE, 3, 2)
    for name, value in fit_gaussian(rows_of(images), one_hot(labels), 3).items():
        assert value.dtype == np.float32
        getattr(layer, name).assign(value)
    z = np.random.default_rng(5).normal(size=(4000, 3)).astype(np.float32)
    drawn = np.asarray(layer(z, np.eye(2, dtype=np.float32)[np.ones(4000, int)]))
    drawn = drawn.reshape(4000, -1)
    assert np.abs(drawn.mean(axis=0) - truth["mean"][1]).max() < 0.05
    assert np.abs(np.cov(drawn.T) - truth["covariance"][1]).max() < 0.05


def test_shrinkage_by_its_formula() -> None:
    images, labels, _ = gaussian_films(40)
    latent = 4
    base = fit_gaussian(rows_of(images), one_hot(labels), latent)
    pixels = images.reshape(40, -1) / 127.5 - 1
    coordinates = (pixels - pixels.mean(axis=0)) @ base["components"].T
    parts = [coordinates[labels == label] for label in range(2)]
    within = sum((len(part) - 1) * np.cov(part.T) for part in parts) / 38
    weight = latent / (latent + 20)
    for label, part in enumerate(parts):
        expected = (1 - weight) * np.cov(part.T) + weight * within
        factor = base["class_factors"][label]
        assert np.allclose(factor.T @ factor, expected, atol=1e-4)


def test_components_are_the_leading_ones() -> None:
    images, labels, _ = gaussian_films(300)
    components = fit_gaussian(rows_of(images), one_hot(labels), 3)["components"]
    pixels = images.reshape(300, -1) / 127.5 - 1
    exact = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][:3]
    assert np.allclose(np.abs(np.sum(components * exact, axis=1)), 1, atol=1e-3)


def finite(base: dict[str, np.ndarray]) -> None:
    assert all(np.isfinite(value).all() for value in base.values())


def test_one_class() -> None:
    images, labels, _ = gaussian_films(50)
    base = fit_gaussian(rows_of(images), one_hot(labels * 0, 1), 3)
    finite(base)
    mean, _ = moments(base, 0)
    assert np.allclose(mean, images.reshape(50, -1).mean(axis=0) / 127.5 - 1, atol=1e-4)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0], [1, 1]])
def test_two_images(labels: list[int]) -> None:
    images, _, _ = gaussian_films(2)
    base = fit_gaussian(rows_of(images), one_hot(np.array(labels)), 1)
    finite(base)
    for label in range(2):
        present = images[np.array(labels) == label].reshape(-1, SIDE * SIDE) / 127.5 - 1
        if len(present) == 2:
            assert np.allclose(moments(base, label)[0], present.mean(axis=0), atol=1e-2)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_equal_images(count: int) -> None:
    images = np.repeat(gaussian_films(1)[0], count, axis=0)
    base = fit_gaussian(rows_of(images), one_hot(np.zeros(count, int), 1), max(1, count - 1))
    finite(base)
    mean, covariance = moments(base, 0)
    assert np.allclose(mean, images[0].ravel() / 127.5 - 1, atol=1e-4)
    assert np.abs(covariance).max() < 1e-3


def test_a_class_of_one_image_borrows_the_others_variety() -> None:
    images, labels, _ = gaussian_films(101)
    labels = (np.arange(101) == 100).astype(np.int32)
    base = fit_gaussian(rows_of(images), one_hot(labels), 3)
    finite(base)
    pixels = images[:100].reshape(100, -1) / 127.5 - 1
    coordinates = pixels @ base["components"].T
    factor = base["class_factors"][1]
    assert np.allclose(factor.T @ factor, np.cov(coordinates.T), atol=1e-3)


def test_rows_made_of_each_film_do_not_pass_for_films() -> None:
    """Of 40 films come 4,000 rows: a class's own covariance weighs as of its films."""
    images, labels, _ = gaussian_films(40)
    rows, conditions = rows_of(images), one_hot(labels)
    once = fit_gaussian(rows, conditions, 4)
    again = fit_gaussian(np.tile(rows, (7, 1)), np.tile(conditions, (7, 1)), 4, 7)
    for label in range(2):
        assert np.allclose(moments(once, label)[1], moments(again, label)[1], atol=1e-4)


def test_a_class_of_one_film_is_as_varied_as_the_others() -> None:
    films = phantom_images(100, 32, seed=1)[0]
    labels = (np.arange(100) == 99).astype(np.int32)
    network = network_of(32, 49)
    base = fit_base(films, one_hot(labels), network)
    spreads = [np.trace(moments(base, label)[1]) for label in range(2)]
    assert spreads[1] == pytest.approx(spreads[0], rel=0.1)


def test_what_a_class_has_in_common_stays_as_it_is() -> None:
    """Fine detail is exchanged between films, and what all films of a class show is not."""
    random = np.random.default_rng(0)
    marks = random.normal(size=(2, 48, 48)).astype(np.float32)
    labels = np.repeat([0, 1], [50, 20])
    films = marks[labels] + 0.5 * random.normal(size=(70, 48, 48)).astype(np.float32)
    rows = np.hstack([films.reshape(70, -1), random.normal(size=(70, 3))]).astype(np.float32)
    made, conditions, mixtures = base_module._localised(rows, one_hot(labels), 48)
    assert len(made) == 70 * mixtures >= base_module.LEAST_ROWS
    for label in range(2):
        found = made[conditions[:, label] == 1].mean(axis=0)
        assert np.abs(found - rows[labels == label].mean(axis=0)).std() < 0.05


def test_of_too_many_films_those_of_large_classes_are_passed_over(monkeypatch) -> None:
    monkeypatch.setattr(base_module, "MAX_IMAGES", 100)
    labels = np.repeat([0, 1, 2], [300, 5, 60])
    chosen = base_module.chosen_films(one_hot(labels, 3))
    assert np.bincount(labels[chosen]).tolist() == [47, 5, 47]
    assert np.all(np.diff(chosen) > 0)
    assert np.array_equal(base_module.chosen_films(one_hot(labels[:100], 3)), np.arange(100))


def network_of(resolution: int, latent: int, num_classes: int = 2) -> ModelSettings:
    return ModelSettings(
        resolution=resolution,
        num_classes=num_classes,
        latent=latent,
        generator_widths=(8, 8, 8, 8),
        discriminator_widths=(8, 8, 8),
    )


def films_of(base: dict[str, np.ndarray], network: ModelSettings, count: int) -> np.ndarray:
    """Drawn as the generator draws them, the first at z = 0."""
    layer = LinearGaussian(base["mean"].size, network.latent, network.num_labels)
    for name, value in base.items():
        getattr(layer, name).assign(value)
    z = np.random.default_rng(1).normal(size=(count, network.latent)).astype(np.float32)
    z[0] = 0
    condition = np.zeros((count, network.num_labels), np.float32)
    condition[:, 0] = 1
    rows = layer(z, condition)
    films = Displaced(network.base_resolution)(rows)
    if network.base_resolution == network.resolution:
        films = BandGains(network.num_bands)(films, rows[:, -network.num_bands :])
    return np.asarray(films)[..., 0]


def test_larger_images_are_averaged_down() -> None:
    fine = np.random.default_rng(0).integers(0, 256, (6, 128, 128), np.uint8)
    labels = np.array([0, 1] * 3, np.int32)
    coarse = np.stack([cv2.resize(f, (64, 64), interpolation=cv2.INTER_AREA) for f in fine])
    networks = network_of(128, 5), network_of(64, 5)
    one, two = (
        films_of(fit_base(films, one_hot(labels), network), network, 2)
        for films, network in zip((fine, coarse), networks, strict=True)
    )
    assert one.shape == two.shape == (2, 64, 64)
    assert np.abs(one[0] - two[0]).mean() < 0.2 * np.abs(two[0]).mean() + 0.02


def test_one_film_is_its_own_anatomy() -> None:
    film = phantom_images(1, 64, seed=3)[0]
    network = network_of(64, 1, 1)
    base = fit_base(film, one_hot(np.zeros(1, int), 1), network)
    drawn = films_of(base, network, 1)[0]
    assert np.abs(drawn - rows_of(film).reshape(64, 64)).mean() < 0.02


def test_films_that_differ_in_place_alone_are_drawn_in_place() -> None:
    """Without displacement a mixture of shifted films has two outlines."""
    film = phantom_images(1, 64, seed=3)[0][0]
    shifts = np.random.default_rng(0).uniform(-4, 4, (60, 2))
    moves = [np.float32([[1, 0, right], [0, 1, down]]) for right, down in shifts]
    films = np.stack([cv2.warpAffine(film, m, (64, 64), borderMode=1) for m in moves])
    network = network_of(64, 4, 1)
    drawn = films_of(fit_base(films, one_hot(np.zeros(60, int), 1), network), network, 20)
    sharpness = np.abs(np.diff(drawn, axis=1)).mean()
    assert sharpness > 0.85 * np.abs(np.diff(films / 127.5, axis=1)).mean()
    assert drawn.std(axis=0).mean() > 0.5 * (films / 127.5).std(axis=0).mean()


def test_films_are_drawn_as_sharp_and_as_soft_as_the_real_ones() -> None:
    """Mixed in pixels, sharp and soft films would all be of one sharpness."""
    films = phantom_images(120, 64, seed=5)[0]
    films[1::2] = [cv2.GaussianBlur(film, (0, 0), 1.5) for film in films[1::2]]
    network = network_of(64, 24, 1)
    drawn = films_of(fit_base(films, one_hot(np.zeros(120, int), 1), network), network, 200)
    spreads = [
        np.log(np.abs(np.diff(part, axis=2)).mean(axis=(1, 2))).std()
        for part in (rows_of(films).reshape(-1, 64, 64), drawn)
    ]
    assert spreads[1] > 0.6 * spreads[0]


def test_what_a_film_does_not_show_is_taken_from_films_that_do() -> None:
    """Films cut from one large scene at different places continue as the scene does."""
    scene = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(96, 96)), (0, 0), 4)
    scene = np.clip(127 + 600 * scene, 0, 255).astype(np.float32)
    places = np.random.default_rng(1).integers(10, 23, (80, 2))
    films = np.stack([scene[y : y + 64, x : x + 64] for y, x in places]).astype(np.uint8)
    network = network_of(64, 3, 1)
    base = fit_base(films, one_hot(np.zeros(80, int), 1), network)
    anatomy = base["mean"][: 80 * 80].reshape(80, 80) * 127.5 + 127.5
    found = cv2.matchTemplate(scene, anatomy[2:78, 2:78].astype(np.float32), cv2.TM_SQDIFF)
    assert np.sqrt(found.min() / 76**2) < 0.2 * scene.std()


def test_components_follow_what_films_have_in_common_and_not_single_films() -> None:
    """Films of the same kind that were not fitted are put together nearly as well."""
    random = np.random.default_rng(0)
    scene = phantom_images(1, 64, seed=3)[0][0].astype(np.float32)
    grain = [cv2.GaussianBlur(random.normal(size=(64, 64)), (0, 0), 3) for _ in range(160)]
    films = np.clip(scene + 60 * np.stack(grain), 0, 255).astype(np.uint8)
    network = network_of(64, 40, 1)
    base = fit_base(films[:80], one_hot(np.zeros(80, int), 1), network)
    components, mean = (
        base[name][..., : 80 * 80].reshape(-1, 80, 80)[:, 8:-8, 8:-8].reshape(-1, 64 * 64)
        for name in ("components", "mean")
    )
    rests = rows_of(films) - mean
    told = components.T @ np.linalg.lstsq(components.T, rests.T, rcond=None)[0]
    errors = np.sqrt(((rests.T - told) ** 2).mean(axis=0))
    assert errors[:80].mean() > 0.8 * errors[80:].mean()


def test_the_same_films_give_the_same_base() -> None:
    images, labels, *_ = phantom_images(60, 32, seed=0)
    one, two = (fit_base(images, one_hot(labels), network_of(32, 3)) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_labels_that_come_together_are_told_apart() -> None:
    """Each label adds something of its own: what it adds is found, not what goes with it."""
    random = np.random.default_rng(4)
    directions = np.linalg.qr(random.normal(size=(SIDE * SIDE, 3)))[0].T
    kinds = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)
    conditions = kinds[random.integers(0, 5, 6000)]
    added = np.diag([0.8, -0.6, 0.5])
    shares = conditions / conditions.sum(axis=1, keepdims=True)
    coordinates = shares @ added + random.normal(0, 0.2, (6000, 3))
    base = fit_gaussian((coordinates @ directions).astype(np.float32), conditions, 3)
    found = base["class_means"] @ base["components"] + base["mean"]
    assert np.allclose(found @ directions.T, added, atol=0.05)


def test_the_mean_of_one_film_is_not_that_film() -> None:
    images, _, _ = gaussian_films(200)
    labels = (np.arange(200) == 199).astype(np.int32)
    base = fit_gaussian(rows_of(images), one_hot(labels), 3)
    film = (rows_of(images)[199] - base["mean"]) @ base["components"].T
    assert np.linalg.norm(base["class_means"][1]) < 0.15 * np.linalg.norm(film)
