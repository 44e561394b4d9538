"""Every schedule as a function of images seen, so that batch size changes none of them."""

from typing import NamedTuple

import tensorflow as tf

from xraygan.config import TrainingSettings

WARM_UP_IMAGES = 2000.0
"""Adam's first steps are as large as its rate in every weight; a ramp keeps the base whole."""


class Scheduled(NamedTuple):
    """What holds at one moment of training; float32 scalars."""

    learning_rate: tf.Tensor
    gamma: tf.Tensor
    augmentation: tf.Tensor
    ema_decay: tf.Tensor


def cosine(progress: tf.Tensor, start: float, end: float) -> tf.Tensor:
    """From `start` at progress 0 to `end` at 1 along half a cosine; flat after."""
    progress = tf.clip_by_value(progress, 0.0, 1.0)
    return end + (start - end) * 0.5 * (1 + tf.cos(progress * 3.14159265))


def scheduled(
    images_seen: tf.Tensor, total_images: tf.Tensor, settings: TrainingSettings
) -> Scheduled:
    """All scheduled values after `images_seen` of `total_images` (float32 scalars)."""
    progress = images_seen / total_images
    warm_up = tf.minimum(1.0, images_seen / tf.minimum(WARM_UP_IMAGES, total_images / 20))
    half_life = tf.minimum(tf.constant(settings.ema_half_life, tf.float32), images_seen / 10)
    return Scheduled(
        learning_rate=warm_up
        * cosine(progress, settings.learning_rate, settings.learning_rate * settings.final_rate),
        gamma=cosine(progress, settings.gamma, settings.gamma / 10),
        augmentation=cosine(progress, 0.0, settings.augmentation),
        ema_decay=tf.pow(0.5, float(settings.batch) / tf.maximum(half_life, 1e-3)),
    )
