"""A small network that tells classes apart, trained over and over at one price.

The graph is compiled once; each training begins from new weights drawn from its seed and takes
the number of steps it is given. There is no early stopping and nothing is chosen on test images.
"""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportIndexIssue=false, reportOptionalMemberAccess=false
# pyright: reportAttributeAccessIssue=false

from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

SIDE = 64  # px
BATCH = 32
LEARNING_RATE = 2e-3
WARM_UP = 16  # steps
WIDTHS = (24, 48, 72)

_STEPS_A_CALL = 32
_IMAGES_AT_ONCE = 256


def shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images at the size the network sees: SIDE × SIDE px.

    Larger ones are area-averaged, smaller ones enlarged (bilinear), others squashed.

    Args:
        images: uint8 [N, H, W].

    Returns:
        uint8 [N, SIDE, SIDE]; the same array where nothing is to be done.
    """
    height, width = images.shape[1:]
    if (height, width) == (SIDE, SIDE):
        return images
    way = cv2.INTER_AREA if min(height, width) >= SIDE else cv2.INTER_LINEAR
    resized = np.empty((len(images), SIDE, SIDE), np.uint8)
    for row, image in enumerate(images):
        resized[row] = cv2.resize(image, (SIDE, SIDE), interpolation=way)
    return resized


class Diagnoser:
    """The network, its optimiser and its compiled training.

    Equal arguments give equal weights on one machine.

    Args:
        classes: how many, at least 2.

    Attributes:
        batch: images of one step.

    Raises:
        ValueError: fewer than two classes.
    """

    batch = BATCH

    def __init__(self, classes: int) -> None:
        if classes < 2:
            raise ValueError(f"{classes} classes: there is nothing to tell apart")
        tf.config.experimental.enable_op_determinism()
        self._network = _network(classes)
        self._optimizer = keras.optimizers.Adam(LEARNING_RATE)
        self._optimizer.build(self._network.trainable_variables)
        self._learn = self._compiled()
        self._logits = tf.function(
            lambda images: self._network(_scaled(images), training=False),
            input_signature=[tf.TensorSpec([None, SIDE, SIDE], tf.uint8)],
        )

    def train(self, images: NDArray[np.uint8], labels: NDArray[np.int32], seed: int) -> None:
        """Forget everything, then learn from these images once, in their order.

        Args:
            images: uint8 [S × BATCH, SIDE, SIDE], S steps.
            labels: int32 [S × BATCH].
            seed: of the first weights.

        Raises:
            ValueError: no whole number of batches, at least one.
        """
        steps, rest = divmod(len(images), BATCH)
        if rest or not steps or len(labels) != len(images):
            raise ValueError(
                f"{len(images)} images and {len(labels)} labels: expected a multiple of {BATCH}"
            )
        self._forget(seed)
        batches = images.reshape(steps, BATCH, SIDE, SIDE)
        answers = labels.reshape(steps, BATCH)
        rates = learning_rates(steps)
        for start in range(0, steps, _STEPS_A_CALL):
            part = slice(start, start + _STEPS_A_CALL)
            self._learn(batches[part], answers[part], rates[part])

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How probable each class is, if all were equally frequent as in training.

        Args:
            images: uint8 [N, SIDE, SIDE].

        Returns:
            [N, C]; rows sum to 1.
        """
        starts = range(0, len(images), _IMAGES_AT_ONCE)
        logits = np.concatenate(
            [self._logits(images[start : start + _IMAGES_AT_ONCE]) for start in starts]
        ).astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def _forget(self, seed: int) -> None:
        """New weights, an optimiser that has seen nothing."""
        draw = np.random.default_rng([seed, 3])
        for weight in self._network.weights:
            weight.assign(_first_value(weight, draw))
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape))

    def _compiled(self) -> Any:
        signature = [
            tf.TensorSpec([None, BATCH, SIDE, SIDE], tf.uint8),
            tf.TensorSpec([None, BATCH], tf.int32),
            tf.TensorSpec([None], tf.float32),
        ]

        @tf.function(input_signature=signature)
        def learn(images: tf.Tensor, labels: tf.Tensor, rates: tf.Tensor) -> None:
            for step in tf.range(tf.shape(rates)[0]):
                self._step(images[step], labels[step], rates[step])

        return learn

    def _step(self, images: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> None:
        weights = self._network.trainable_variables
        with tf.GradientTape() as tape:
            logits = self._network(_scaled(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        self._optimizer.learning_rate.assign(rate)
        self._optimizer.apply(tape.gradient(loss, weights), weights)


def learning_rates(steps: int) -> NDArray[np.float32]:
    """A short rise, then half a cosine to zero, [steps]."""
    number = np.arange(steps)
    rise = np.minimum(1, (number + 1) / WARM_UP)
    return (LEARNING_RATE * rise * (1 + np.cos(np.pi * number / steps)) / 2).astype(np.float32)


def _scaled(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32)[..., None] / 127.5 - 1


def _network(classes: int) -> keras.Model:
    """Six convolutions from 64² to 8², their mean, and a linear layer."""
    images = keras.Input((SIDE, SIDE, 1))
    narrow, middle, wide = WIDTHS
    features = _convolution(images, narrow, 5, strides=4)
    features = _convolution(features, narrow, 3)
    features = layers.MaxPooling2D(2)(features)
    features = _convolution(features, middle, 3)
    features = _convolution(features, middle, 3)
    features = layers.MaxPooling2D(2)(features)
    features = _convolution(features, wide, 3)
    features = layers.GlobalAveragePooling2D()(features)
    return keras.Model(images, layers.Dense(classes)(features))


def _convolution(
    features: keras.KerasTensor, width: int, kernel: int, strides: int = 1
) -> keras.KerasTensor:
    features = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False)(
        features
    )
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))


def _first_value(weight: keras.Variable, draw: np.random.Generator) -> NDArray[np.float64]:
    """N(0, 2 / fan-in) for kernels (He et al. 2015); what leaves things as they are for others."""
    if weight.name == "kernel":
        fan_in = np.prod(weight.shape[:-1])
        return draw.normal(0, np.sqrt(2 / fan_in), weight.shape)
    if weight.name in {"gamma", "moving_variance"}:
        return np.ones(weight.shape)
    return np.zeros(weight.shape)
