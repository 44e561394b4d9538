"""The generator: statistics of the training images first, a convolutional refiner after.

The base draws an image's appearance, displacement and sharpness from a class's Gaussian in the
leading principal components: it is varied from the first second, but soft. The refiner, a small
U-shaped network that starts as the identity, is what the adversarial game trains. The last
layer gives films the moments that training films have; the game does without it.
"""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportReturnType=false, reportOptionalOperand=false

import keras
from keras import layers

from xraygan.config import ModelSettings
from xraygan.models import blocks
from xraygan.models.base import BandGains, Displaced, LinearGaussian, row_length
from xraygan.models.calibration import Calibrated

RESIDUAL_GAIN = 0.03


def build_generator(settings: ModelSettings, seed: int = 0) -> keras.Model:
    """The generator as a plain Keras model, before its base is fitted.

    Args:
        settings: sizes, widths and types.
        seed: of the initial weights.

    Returns:
        A model of three inputs, `z` [B, latent] float32 ~ N(0, I), `noise`
        [B, R, R, 1] float32 ~ N(0, I) and `condition` [B, K] float32 (see
        `class_conditions`), and one output, [B, R, R, 1] float32 where black is -1 and white
        is 1. Values beyond are clipped at export alone: a clip or tanh here would starve its
        gradient.
    """
    widths = settings.generator_widths
    base_side = settings.base_resolution
    z = keras.Input((settings.latent,), name="z")
    noise = keras.Input((settings.resolution, settings.resolution, 1), name="noise")
    condition = keras.Input((settings.num_labels,), name="condition")
    length = row_length(base_side, settings.num_bands)
    row = LinearGaussian(
        length, settings.latent, settings.num_labels, name="base", dtype="float32"
    )(z, condition)
    base = Displaced(base_side, dtype="float32")(row)
    strengths = row[:, -settings.num_bands :]
    initialisers = blocks.Initialisers(seed, num_blocks=6)

    drawn = _rescaled_noise(noise, settings.resolution // base_side, settings.noise_scale)
    entry = layers.Concatenate(dtype="float32")([base, drawn])
    entry = blocks.cast(entry, settings.compute_dtype)
    known = layers.Concatenate(dtype="float32")([condition, strengths])
    trunk = _refiner(entry, known, widths, initialisers)

    full = blocks.upsample(blocks.conv(trunk, widths[-1], 1, initialisers.normal()))
    full = layers.Add(dtype=full.dtype)(
        [full, blocks.conv(entry, widths[-1], 3, initialisers.normal())]
    )
    full = blocks.conv(blocks.activate(full), widths[-1], 3, initialisers.normal(1.39))
    image = layers.Add(dtype="float32")([base, _to_image(full, initialisers)])

    side, width = base_side, widths[-1]
    while side < settings.resolution:
        side *= 2
        width = max(width * 3 // 4, 8)
        image, full = _finer(image, full, noise, side, width, settings, initialisers)
    image = BandGains(settings.num_bands, dtype="float32")(image, strengths)
    image = Calibrated(
        settings.resolution, settings.num_labels, name="calibration", dtype="float32"
    )(image, condition)
    return keras.Model([z, noise, condition], image, name="generator")


def uncalibrated(generator: keras.Model) -> keras.Model:
    """The part that learns: all but the last layer, of the same inputs and weights."""
    films, _ = generator.get_layer("calibration").input
    return keras.Model(generator.inputs, films, name=generator.name)


def _refiner(
    entry: keras.KerasTensor,
    known: keras.KerasTensor,
    widths: tuple[int, ...],
    initialisers: blocks.Initialisers,
) -> keras.KerasTensor:
    """Down twice from half the base's side, up again: [B, S, S, 2] to [B, S/2, S/2, w]."""
    fine, middle, coarse = widths[:3]
    trunk = blocks.SpaceToDepth(2, dtype=entry.dtype)(entry)
    trunk = blocks.conv(trunk, fine, 3, initialisers.normal())
    skip_fine = blocks.residual_block(trunk, initialisers)
    trunk = blocks.conv(blocks.downsample(skip_fine), middle, 1, initialisers.normal())
    skip_middle = blocks.residual_block(trunk, initialisers)
    trunk = blocks.conv(blocks.downsample(skip_middle), coarse, 1, initialisers.normal())
    shift = layers.Dense(coarse, kernel_initializer=initialisers.normal(), dtype="float32")
    shift_value = blocks.cast(shift(known), trunk.dtype)
    trunk = blocks.residual_block(trunk, initialisers, shift_value)
    trunk = blocks.residual_block(trunk, initialisers, shift_value)
    trunk = blocks.upsample(blocks.conv(trunk, middle, 1, initialisers.normal()))
    trunk = layers.Add(dtype=trunk.dtype)([trunk, skip_middle])
    trunk = blocks.residual_block(trunk, initialisers)
    trunk = blocks.upsample(blocks.conv(trunk, fine, 1, initialisers.normal()))
    trunk = layers.Add(dtype=trunk.dtype)([trunk, skip_fine])
    return blocks.residual_block(trunk, initialisers)


def _finer(
    image: keras.KerasTensor,
    features: keras.KerasTensor,
    noise: keras.KerasTensor,
    side: int,
    width: int,
    settings: ModelSettings,
    initialisers: blocks.Initialisers,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """One doubling above the base: features and image go up, and a residual is added."""
    drawn = _rescaled_noise(noise, settings.resolution // side, settings.noise_scale)
    drawn = blocks.cast(drawn, features.dtype)
    features = blocks.upsample(blocks.conv(features, width, 1, initialisers.normal()))
    features = layers.Add(dtype=features.dtype)(
        [features, blocks.conv(drawn, width, 3, initialisers.normal())]
    )
    features = blocks.conv(blocks.activate(features), width, 3, initialisers.normal(1.39))
    image = blocks.DoubledBicubic(dtype="float32")(image)
    image = layers.Add(dtype="float32")([image, _to_image(features, initialisers)])
    return image, features


def _to_image(features: keras.KerasTensor, initialisers: blocks.Initialisers) -> keras.KerasTensor:
    """3×3 to one channel, small at first: the image starts as what it is added to.

    The factor stands outside the weights: Adam moves every weight alike, and small weights
    would be overturned in a few steps.
    """
    image = blocks.conv(blocks.activate(features), 1, 3, initialisers.normal())
    return layers.Rescaling(RESIDUAL_GAIN, dtype="float32")(blocks.cast(image, "float32"))


def _rescaled_noise(noise: keras.KerasTensor, factor: int, scale: float) -> keras.KerasTensor:
    """The noise image at 1/factor of its side; averaging factor² values divides σ by factor."""
    if factor > 1:
        noise = layers.AveragePooling2D(factor, dtype="float32")(noise)
    return layers.Rescaling(scale * factor, dtype="float32")(noise)
