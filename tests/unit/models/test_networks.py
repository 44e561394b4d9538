"""The contract that both networks keep at every size and in both types."""

import keras
import numpy as np
import pytest

from xraygan.config import ModelSettings
from xraygan.models.base import (
    GRID,
    BandGains,
    Displaced,
    LinearGaussian,
    bands,
    margin,
    splines,
)
from xraygan.models.discriminator import build_discriminator
from xraygan.models.generator import RESIDUAL_GAIN, build_generator, uncalibrated
from xraygan.models.sample import latents
from xraygan.presets import DISCRIMINATOR_STAGES

BATCH = 2


def settings_of(resolution: int, dtype: str, num_classes: int = 3) -> ModelSettings:
    return ModelSettings(
        resolution=resolution,
        num_classes=num_classes,
        latent=5,
        generator_widths=(8, 8, 8, 8),
        discriminator_widths=(8,) * DISCRIMINATOR_STAGES[resolution],
        compute_dtype=dtype,
    )


def inputs_of(settings: ModelSettings, seed: int = 0, batch: int = BATCH) -> list[np.ndarray]:
    drawn = [latents(settings, seed, index) for index in range(batch)]
    z, noise = (np.stack(part) for part in zip(*drawn, strict=True))
    classes = np.arange(batch) % settings.num_classes
    return [z, noise, np.eye(settings.num_classes, dtype=np.float32)[classes]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512])
def test_contract(resolution: int, dtype: str) -> None:
    settings = settings_of(resolution, dtype)
    generator, discriminator = build_generator(settings), build_discriminator(settings)
    inputs = inputs_of(settings)
    images = np.asarray(generator(inputs))
    scores = np.asarray(discriminator([images, inputs[2]]))

    assert images.shape == (BATCH, resolution, resolution, 1)
    assert scores.shape == (BATCH, 1)
    for output in (images, scores):
        assert output.dtype == "float32"
        assert np.isfinite(output).all()
    for network in (generator, discriminator):
        assert {weight.dtype for weight in network.weights} == {"float32"}
        assert all(np.isfinite(weight).all() for weight in network.get_weights())
    frozen = {w.path for w in generator.weights} - {w.path for w in generator.trainable_weights}
    fitted = [generator.get_layer(name).weights for name in ("base", "calibration")]
    assert frozen == {w.path for weights in fitted for w in weights}


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_weights_follow_the_seed(build: object, tiny: ModelSettings) -> None:
    one, again, other = (build(tiny, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_image_does_not_depend_on_its_neighbours(tiny: ModelSettings) -> None:
    generator = build_generator(tiny)
    inputs = inputs_of(tiny, batch=4)
    changed = [np.concatenate([part[:1], np.ones_like(part[1:])]) for part in inputs]
    assert np.array_equal(generator(inputs)[0], generator(changed)[0])


def test_the_class_reaches_the_score(tiny: ModelSettings) -> None:
    discriminator = build_discriminator(tiny)
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype(np.float32)
    one, two = np.eye(2, dtype=np.float32)[:, None]
    assert discriminator([image, one]) != discriminator([image, two])


def fitted(generator: keras.Model, seed: int = 0) -> LinearGaussian:
    """Give the base a random mean, components and factors."""
    random = np.random.default_rng(seed)
    base = generator.get_layer("base")
    for weight in base.weights:
        weight.assign(random.normal(0, 0.2, weight.shape))
    return base


@pytest.mark.parametrize("resolution", [32, 128])
def test_a_new_generator_draws_its_base(resolution: int) -> None:
    settings = settings_of(resolution, "float32")
    generator = build_generator(settings)
    base = fitted(generator)
    inputs = inputs_of(settings, batch=4)
    side = settings.base_resolution
    rows = base(inputs[0], inputs[2])
    image = Displaced(side)(rows)
    while side < resolution:
        side *= 2
        image = keras.layers.UpSampling2D(2, interpolation="bicubic")(image)
    image = BandGains(settings.num_bands)(image, rows[:, -settings.num_bands :])
    difference = np.asarray(generator(inputs)) - np.asarray(image)
    assert 0 < difference.std() < 5 * RESIDUAL_GAIN
    assert difference.std() < np.asarray(image).std() / 3


def test_linear_gaussian_is_its_formula() -> None:
    layer = LinearGaussian(length=16, latent=3, num_labels=2)
    random = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    mean, components, class_means, factors = layer.get_weights()
    z = random.normal(size=(5, 3)).astype(np.float32)
    condition = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.25, 0.75], [0, 1]], np.float32)
    made = np.asarray(layer(z, condition)).reshape(5, 16)
    for row in range(5):
        factor = sum(condition[row, k] * factors[k] for k in range(2))
        centre = sum(condition[row, k] * class_means[k] for k in range(2))
        assert np.allclose(made[row], (z[row] @ factor + centre) @ components + mean, atol=1e-4)


def test_linear_gaussian_has_the_classes_mean_and_covariance() -> None:
    layer = LinearGaussian(length=16, latent=3, num_labels=2)
    random = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    mean, components, class_means, factors = layer.get_weights()
    count = 100_000
    z = random.normal(size=(count, 3)).astype(np.float32)
    for label in range(2):
        condition = np.eye(2, dtype=np.float32)[np.full(count, label)]
        made = np.asarray(layer(z, condition)).reshape(count, 16)
        root = factors[label] @ components
        covariance = root.T @ root
        scale = np.sqrt(np.diag(covariance).max())
        expected = class_means[label] @ components + mean
        assert np.abs(made.mean(axis=0) - expected).max() < 5 * scale / np.sqrt(count)
        assert np.abs(np.cov(made.T) - covariance).max() < 0.03 * scale**2


def test_linear_gaussian_learns_nothing_and_builds_again() -> None:
    layer = LinearGaussian(length=16, latent=3, num_labels=2)
    assert layer.trainable_weights == []
    again = LinearGaussian.from_config(layer.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
    assert again.trainable_weights == []


def test_a_displaced_film_is_sampled_where_its_displacement_leads() -> None:
    """Keys' cubic gives a parabola exactly, between the pixels too."""
    side, edge = 16, margin(16)

    def parabola(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return 0.02 * x**2 - 0.03 * x * y + 0.01 * y**2 + 0.1 * x - 0.5

    y, x = np.mgrid[-edge : side + edge, -edge : side + edge].astype(np.float32)
    shifts = np.random.default_rng(2).uniform(-0.5, 0.5, (2, GRID, GRID)).astype(np.float32)
    row = np.concatenate([parabola(y, x).ravel(), shifts.ravel()])[None]
    made = np.asarray(Displaced(side)(row))[0, ..., 0]
    right, down = splines(side) @ shifts @ splines(side).T
    y, x = np.mgrid[:side, :side].astype(np.float32)
    inside = np.s_[1:-1, 1:-1]  # Keys' cubic takes two points on each side
    assert np.allclose(made[inside], parabola(y + down, x + right)[inside], atol=1e-4)


def test_an_even_displacement_moves_everything_alike() -> None:
    side, edge = 16, margin(16)
    anatomy = np.random.default_rng(3).normal(size=(side + 2 * edge,) * 2).astype(np.float32)
    shift = np.repeat([2.0, -1.0], GRID * GRID).astype(np.float32)
    made = np.asarray(Displaced(side)(np.hstack([anatomy.ravel(), shift])[None]))[0, ..., 0]
    assert edge == 2
    assert np.allclose(made, anatomy[1:17, 4:20], atol=1e-4)


def test_past_the_anatomy_its_edge_is_continued() -> None:
    side = 16
    anatomy = np.random.default_rng(3).normal(size=(20, 20)).astype(np.float32)
    shift = np.repeat([0.0, 30.0], GRID * GRID).astype(np.float32)
    made = np.asarray(Displaced(side)(np.hstack([anatomy.ravel(), shift])[None]))[0, ..., 0]
    assert np.allclose(made, anatomy[-1, 2:18], atol=1e-4)


def test_bands_of_detail_add_up_and_follow_their_gains() -> None:
    films = np.random.default_rng(4).normal(size=(3, 32, 32, 1)).astype(np.float32)
    same = BandGains(2)(films, np.zeros((3, 2), np.float32))
    assert np.allclose(same, films, atol=1e-5)
    plain, rest = bands(films, 2)
    assert rest.shape == (3, 8, 8, 1)
    for number, band in enumerate(plain):
        strengths = np.zeros((3, 2), np.float32)
        strengths[:, number] = np.log([0.5, 1, 2])
        made = bands(BandGains(2)(films, strengths), 2)[0][number]
        ratios = np.std(made, axis=(1, 2, 3)) / np.std(band, axis=(1, 2, 3))
        assert ratios[0] < 0.8  # bands overlap: half of noise's second is in its first
        assert np.isclose(ratios[1], 1)
        assert ratios[2] > 1.4


def test_what_learns_is_the_generator_without_its_last_layer(tiny: ModelSettings) -> None:
    generator = build_generator(tiny)
    before, inputs = uncalibrated(generator), inputs_of(tiny)
    assert len(before.weights) == len(generator.weights) - 4
    assert all(
        weight is own for weight, own in zip(before.weights, generator.weights, strict=False)
    )
    generator.get_layer("calibration").coarse_shift.assign(np.full((2, 64), 0.5, np.float32))
    assert not np.allclose(before(inputs), generator(inputs))
