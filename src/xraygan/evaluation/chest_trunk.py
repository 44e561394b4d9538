"""The chest network: from films of any size to the averages and spreads of its channels."""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportReturnType=false, reportOptionalSubscript=false, reportOptionalOperand=false

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from xraygan.evaluation import windows

BATCH = 64
"""Films that go through the network together."""

_WIDTHS = (32, 64, 96, 128)


def build_trunk(seed: int) -> keras.Model:
    """From images [B, h, w, 1] in [-1, 1] to features [B, 640], float32.

    Every layer has a name of its own: Keras would number them on through the process, and the
    order in which TensorFlow adds gradients up goes by names.
    """
    seeds = iter(range(seed * 1009, seed * 1009 + 1009))
    image = keras.Input((None, None, 1), name="image")
    flow, found = image, []
    for stage, width in enumerate(_WIDTHS):
        kernel, stride = (4, 2) if stage == 0 else (3, 1)
        flow = _convolution(flow, width, kernel, stride, next(seeds))
        flow = _convolution(flow, width, 3, 1, next(seeds))
        found.append(Statistics(dtype="float32", name=f"statistics_{stage}")(flow))
        if stage < len(_WIDTHS) - 1:
            flow = layers.AveragePooling2D(
                2, padding="same", dtype="float32", name=f"pool_{stage}"
            )(flow)
    features = layers.Concatenate(dtype="float32", name="features")(found)
    return keras.Model(image, features, name="trunk")


class Statistics(layers.Layer):
    """Mean and standard deviation of each channel over positions, [B, 2 C]."""

    def call(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        """From [B, h, w, C]."""
        mean = ops.mean(maps, axis=(1, 2), keepdims=True)
        variance = ops.mean(ops.square(maps - mean), axis=(1, 2))
        return ops.concatenate([mean[:, 0, 0], ops.sqrt(variance + 1e-3)], axis=-1)


def _convolution(
    flow: keras.KerasTensor, width: int, kernel: int, stride: int, seed: int
) -> keras.KerasTensor:
    flow = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=seed),
        dtype="float32",
        name=f"convolution_{seed}",
    )(flow)
    flow = layers.BatchNormalization(momentum=0.9, dtype="float32", name=f"norm_{seed}")(flow)
    return layers.LeakyReLU(0.2, dtype="float32", name=f"activation_{seed}")(flow)


def describer(trunk: keras.Model) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The features of films of any size, each for itself.

    Returns:
        From uint8 [N, H, W] to float32 [N, 640], or [N, 1280] for films larger than the window:
        those of the whole, then the mean of those of its tiles.
    """

    @tf.function(reduce_retracing=True)
    def forward(images: Any) -> Any:
        return trunk(scaled(images), training=False)

    def describe(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if images.ndim != 3 or min(images.shape[1:]) < 16:
            raise ValueError(f"images of shape {images.shape}: expected [N, H, W] from 16 px on")
        rows = [_described(forward, images[i : i + BATCH]) for i in _starts(len(images))]
        return np.concatenate(rows)

    return describe


def _starts(count: int) -> range:
    return range(0, max(count, 1), BATCH)


def _described(forward: Callable[[Any], Any], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of at most a batch of films, always computed as a whole batch.

    A batch of another size may be summed in another order: an image's features must not depend
    on how many others came with it.
    """
    padded = np.zeros((BATCH, *images.shape[1:]), np.uint8)
    padded[: len(images)] = images
    seen = [windows.views(image) for image in padded]
    maps = [forward(tf.constant(np.stack(view))).numpy() for view in zip(*seen, strict=True)]
    parts = [maps[0]] if len(maps) == 1 else [maps[0], np.mean(maps[1:], axis=0)]
    return np.concatenate(parts, axis=1)[: len(images)]


def scaled(images: Any) -> Any:
    """From uint8 [B, h, w] to float32 [B, h, w, 1] in [-1, 1]."""
    return tf.cast(images, tf.float32)[..., None] / 127.5 - 1
