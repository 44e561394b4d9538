"""Pieces that both networks are built from: plain Keras 3 layers and nothing of the batch.

No layer here looks across the batch, so an image never depends on its neighbours.
"""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportReturnType=false, reportOptionalSubscript=false

import math

import keras
import numpy as np
from keras import layers, ops

SLOPE = 0.2
"""Negative slope of every LeakyReLU (Huang et al. 2024, arXiv 2501.05441)."""


class Initialisers:
    """Seeded initialisers in the order in which layers are built.

    Fix-up scaling (Zhang et al. 2019, arXiv 1901.09321, as in arXiv 2501.05441): with L
    residual blocks, the inner convolutions start at gain L^(-1/4) and the last at zero, so
    that every block starts as the identity.

    Args:
        seed: any non-negative integer; equal seeds give equal weights.
        num_blocks: residual blocks in the network, L >= 1.
    """

    def __init__(self, seed: int, num_blocks: int) -> None:
        self._seed = seed
        self._count = 0
        self._block_gain = math.sqrt(2 / (1 + SLOPE**2)) * num_blocks ** (-0.25)

    def normal(self, gain: float = 1.0) -> keras.Initializer:
        """N(0, gain² / fan_in)."""
        self._count += 1
        return keras.initializers.VarianceScaling(
            gain**2, "fan_in", "untruncated_normal", seed=self._seed * 1009 + self._count
        )

    def inner(self) -> keras.Initializer:
        """For the full convolutions inside a residual block."""
        return self.normal(self._block_gain)

    def depthwise(self, channels: int, inside_block: bool) -> keras.Initializer:
        """For depthwise kernels: Keras counts their fan-in as if they mixed the channels."""
        gain = self._block_gain if inside_block else 1.0
        return self.normal(gain * math.sqrt(channels))


@keras.saving.register_keras_serializable("xraygan")
class SpaceToDepth(layers.Layer):
    """[B, H, W, C] to [B, H/factor, W/factor, C*factor²]: no pixel is lost, no work is done."""

    def __init__(self, factor: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Rearrange; linear, and its own inverse is depth to space."""
        _, height, width, channels = images.shape
        f = self.factor
        blocks = ops.reshape(images, (-1, height // f, f, width // f, f, channels))
        blocks = ops.transpose(blocks, (0, 1, 3, 2, 4, 5))
        return ops.reshape(blocks, (-1, height // f, width // f, f * f * channels))

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("xraygan")
class DoubledBicubic(layers.Layer):
    """Images [B, S, S, 1] at twice the side, bicubic, as two products with a matrix.

    The same values as Keras's bicubic upsampling (Keys 1981, a = -1/2; at the edges the weights
    that are left are made to sum to 1), which TensorFlow has for processors alone.
    """

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """[B, S, S, 1] to [B, 2 S, 2 S, 1]."""
        matrix = ops.convert_to_tensor(_doubling(images.shape[1]), images.dtype)
        doubled = ops.matmul(ops.matmul(matrix, images[..., 0]), ops.transpose(matrix))
        return doubled[..., None]


def _doubling(side: int) -> np.ndarray:
    """What each pixel contributes to each of twice as many along one axis, [2 side, side]."""
    places = (np.arange(2 * side) + 0.5) / 2 - 0.5
    away = np.abs(places[:, None] - np.arange(side))
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    weights = np.where(away <= 1, near, np.where(away < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


def activate(features: keras.KerasTensor) -> keras.KerasTensor:
    """LeakyReLU in the type of its input."""
    return layers.LeakyReLU(SLOPE, dtype=features.dtype)(features)


def residual_block(
    features: keras.KerasTensor,
    initialisers: Initialisers,
    shift: keras.KerasTensor | None = None,
) -> keras.KerasTensor:
    """Two 3×3 convolutions around an identity trunk; starts as the identity.

    Args:
        features: [B, H, W, C].
        initialisers: of the network.
        shift: [B, C] added between the convolutions: how a condition enters.
    """
    width = features.shape[-1]
    inner = activate(features)
    inner = conv(inner, width, 3, initialisers.inner())
    if shift is not None:
        inner = layers.Add(dtype=inner.dtype)([inner, layers.Reshape((1, 1, width))(shift)])
    inner = activate(inner)
    inner = conv(inner, width, 3, "zeros")
    return layers.Add(dtype=inner.dtype)([features, inner])


def inverted_block(features: keras.KerasTensor, initialisers: Initialisers) -> keras.KerasTensor:
    """1×1 to twice the width, depthwise 3×3, 1×1 back, around an identity trunk.

    Depthwise, where the published block is grouped: grouped convolutions run on one core
    of a CPU or not at all. Starts as the identity.

    Args:
        features: [B, H, W, C].
        initialisers: of the network.
    """
    width = features.shape[-1]
    inner = activate(conv(features, 2 * width, 1, initialisers.inner()))
    inner = layers.DepthwiseConv2D(
        3,
        padding="same",
        depthwise_initializer=initialisers.depthwise(2 * width, inside_block=True),
        dtype=_policy(inner),
    )(inner)
    inner = activate(inner)
    inner = conv(inner, width, 1, "zeros", use_bias=False)
    return layers.Add(dtype=inner.dtype)([features, inner])


def conv(
    features: keras.KerasTensor,
    width: int,
    kernel: int,
    initialiser: keras.Initializer | str,
    use_bias: bool = True,
) -> keras.KerasTensor:
    """Convolution with zero padding, computed in the type of its input."""
    return layers.Conv2D(
        width,
        kernel,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=initialiser,
        dtype=_policy(features),
    )(features)


def downsample(features: keras.KerasTensor) -> keras.KerasTensor:
    """Half the side by the mean of 2×2."""
    return layers.AveragePooling2D(2, dtype=features.dtype)(features)


def upsample(features: keras.KerasTensor) -> keras.KerasTensor:
    """Twice the side, bilinear: it cannot draw the grid that pixel shuffles draw."""
    return layers.UpSampling2D(2, interpolation="bilinear", dtype=features.dtype)(features)


def cast(features: keras.KerasTensor, dtype: str) -> keras.KerasTensor:
    """To another floating-point type, as a layer."""
    if features.dtype == dtype:
        return features
    return Cast(dtype)(features)


@keras.saving.register_keras_serializable("xraygan")
class Cast(layers.Layer):
    """To another floating-point type."""

    def __init__(self, to: str, **kwargs: object) -> None:
        super().__init__(**{**kwargs, "dtype": to, "autocast": False})
        self.to = to

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """The same values in the other type."""
        return ops.cast(features, self.to)

    def compute_output_spec(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Shape as it came, type as asked."""
        return keras.KerasTensor(features.shape, dtype=self.to)

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        return {"name": self.name, "to": self.to}


def _policy(features: keras.KerasTensor) -> str:
    """Weights stay float32 whatever the computation's type is."""
    return "mixed_bfloat16" if features.dtype == "bfloat16" else features.dtype
