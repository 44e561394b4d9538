"""The generator: linear statistics of the training images first, a convolutional refiner after.

The base draws an image from a class's Gaussian in the leading principal components: it is
varied from the first second, but soft and ghosted. The refiner, a small U-shaped network
that starts as the identity, is what the adversarial game trains.
"""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportReturnType=false, reportOptionalOperand=false

from typing import Any

import keras
from keras import layers, ops

from xraygan.config import ModelSettings
from xraygan.models import blocks

RESIDUAL_GAIN = 0.03


@keras.saving.register_keras_serializable("xraygan")
class LinearGaussian(layers.Layer):
    """z ~ N(0, I) to an image with a label's mean and covariance; nothing here is trained.

    image = (z · L_c + m_c) · W + m, with W the shared principal components, and m_c and L_c
    the label's mean and transposed Cholesky factor in them. A condition of several labels
    mixes their means and factors by its weights, as shares of their sum.

    Args:
        resolution: side of the image.
        latent: number of components.
        num_labels: K.
    """

    def __init__(self, resolution: int, latent: int, num_labels: int, **kwargs: object) -> None:
        super().__init__(**kwargs, trainable=False)
        self.resolution = resolution
        self.latent = latent
        self.num_labels = num_labels
        pixels = resolution * resolution
        zeros = {"initializer": "zeros", "trainable": False, "dtype": "float32"}
        self.mean = self.add_weight(shape=(pixels,), name="mean", **zeros)
        self.components = self.add_weight(shape=(latent, pixels), name="components", **zeros)
        self.class_means = self.add_weight(shape=(num_labels, latent), name="class_means", **zeros)
        self.class_factors = self.add_weight(
            shape=(num_labels, latent, latent), name="class_factors", **zeros
        )

    def call(self, z: keras.KerasTensor, condition: keras.KerasTensor) -> keras.KerasTensor:
        """[B, latent] and [B, K] to [B, resolution, resolution, 1] in about [-1, 1]."""
        shares: Any = condition / ops.sum(condition, axis=1, keepdims=True)
        coordinates = ops.matmul(shares, self.class_means)
        for number in range(self.num_labels):
            weight = shares[:, number : number + 1]
            coordinates = coordinates + weight * ops.matmul(z, self.class_factors[number])
        image = ops.matmul(coordinates, self.components) + self.mean
        return ops.reshape(image, (-1, self.resolution, self.resolution, 1))

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        config = super().get_config()
        config.pop("trainable", None)
        return config | {
            "resolution": self.resolution,
            "latent": self.latent,
            "num_labels": self.num_labels,
        }


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
    base = LinearGaussian(
        base_side, settings.latent, settings.num_labels, name="base", dtype="float32"
    )(z, condition)
    initialisers = blocks.Initialisers(seed, num_blocks=7)

    drawn = _rescaled_noise(noise, settings.resolution // base_side, settings.noise_scale)
    entry = layers.Concatenate(dtype="float32")([base, drawn])
    entry = blocks.cast(entry, settings.compute_dtype)
    trunk = _refiner(entry, condition, widths, initialisers)

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
    return keras.Model([z, noise, condition], image, name="generator")


def _refiner(
    entry: keras.KerasTensor,
    condition: keras.KerasTensor,
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
    shift_value = blocks.cast(shift(condition), trunk.dtype)
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
    image = layers.UpSampling2D(2, interpolation="bicubic", dtype="float32")(image)
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
