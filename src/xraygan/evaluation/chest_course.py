"""How the chest network is taught: what was done to a film, how strongly, and its class."""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportReturnType=false, reportOptionalSubscript=false, reportOptionalOperand=false

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from xraygan.evaluation.chest_trunk import BATCH, build_trunk, scaled
from xraygan.evaluation.lessons import GRADED, KINDS, Batch, Lessons, Phantoms
from xraygan.sets import ImageSet

_RATE = 2e-3
_WARM_UP = 20  # batches
_STRENGTH_WEIGHT = 2.0
_LABEL_WEIGHT = 0.5
_LABEL_DOUBT = 0.1


def train(
    reference: ImageSet, phantoms: Phantoms | None, course: int, seed: int
) -> list[NDArray[np.float32]]:
    """Teach a network.

    Args:
        reference: real films.
        phantoms: where simulated films come from, or None.
        course: images to show, at least one batch of them.
        seed: of everything random.

    Returns:
        The trunk's weights, in its order.
    """
    tf.config.experimental.enable_op_determinism()
    lessons = Lessons(reference, phantoms, course, seed)
    trunk = build_trunk(seed)
    classes = len(reference.classes)
    step = _compiled_step(_with_heads(trunk, classes, seed), classes)
    steps = max(1, course // BATCH)
    for number in range(steps):
        rate = _RATE * min(1, (number + 1) / _WARM_UP)
        rate *= (1 + math.cos(math.pi * number / steps)) / 2
        step(lessons.batch(number, BATCH), rate)
    return [np.asarray(weight) for weight in trunk.weights]


def _compiled_step(network: keras.Model, classes: int) -> Callable[[Batch, float], None]:
    optimizer = keras.optimizers.AdamW(_RATE, weight_decay=0.01, beta_2=0.99)
    optimizer.build(network.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(images: Any, kinds: Any, strengths: Any, labels: Any, rate: Any) -> None:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            answers = network(scaled(images), training=True)
            loss = _loss(answers, kinds, strengths, labels, classes)
        # The head of a single class is not asked: its gradient is zero.
        weights = [weight.value for weight in network.trainable_variables]
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        optimizer.apply(gradients, network.trainable_variables)

    def learn(batch: Batch, rate: float) -> None:
        answers = (batch.kinds, batch.strengths, batch.labels)
        step(tf.constant(batch.images), *map(tf.constant, answers), tf.constant(rate, tf.float32))

    return learn


def _loss(answers: Any, kinds: Any, strengths: Any, labels: Any, classes: int) -> Any:
    """Cross-entropy of kind and class, squared error of strength; unknown answers do not count."""
    said_kind, said_strength, said_label = answers
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(logits=said_kind, labels=kinds)
    )
    graded = tf.cast(tf.gather(tf.constant(GRADED), kinds), tf.float32)
    miss = tf.square(tf.gather(said_strength, kinds, batch_dims=1) - strengths)
    loss += _STRENGTH_WEIGHT * _mean_where(miss, graded)
    if classes > 1:
        known = tf.cast(labels >= 0, tf.float32)
        truth = tf.one_hot(tf.maximum(labels, 0), classes)
        truth = truth * (1 - _LABEL_DOUBT) + _LABEL_DOUBT / classes
        wrong = tf.nn.softmax_cross_entropy_with_logits(logits=said_label, labels=truth)
        loss += _LABEL_WEIGHT * _mean_where(wrong, known)
    return loss


def _mean_where(values: Any, chosen: Any) -> Any:
    return tf.reduce_sum(values * chosen) / tf.maximum(tf.reduce_sum(chosen), 1.0)


def _with_heads(trunk: keras.Model, classes: int, seed: int) -> keras.Model:
    """Linear answers from the features: kinds [B, K], strengths [B, K], classes [B, C]."""
    features = layers.BatchNormalization(momentum=0.9, dtype="float32", name="norm_heads")(
        trunk.output
    )
    answers = [
        layers.Dense(
            width,
            kernel_initializer=keras.initializers.GlorotNormal(seed=seed * 1009 + 500 + number),
            dtype="float32",
            name=f"answer_{number}",
        )(features)
        for number, width in enumerate((len(KINDS), len(KINDS), classes))
    ]
    return keras.Model(trunk.input, answers, name="pupil")
