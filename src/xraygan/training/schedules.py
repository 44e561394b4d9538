"""Every schedule as a function of images seen: batch size changes the ramp at the start alone."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from xraygan.config import TrainingSettings

WARM_UP_IMAGES, WARM_UP_BATCH = 2000.0, 8.0
"""Adam's first steps are as large as its rate in every weight; a ramp keeps the base whole: so many
images, or a twentieth of a short run. A larger batch takes as many steps for it, up to a quarter of
the run."""

RATE, RATE_IMAGES = 1e-3, 30_000.0
"""Adam's rate at the start, and the longest run that has it; in longer ones it is smaller by the
square root. As long as it is high, films get no better (docs/experiments.md)."""

MOST_AVERAGED = 0.1
"""The longest half-life of the generator's average, as a share of the images seen so far."""

VIEWS, AUGMENTATION = (30.0, 120.0), (0.3, 0.8)
"""How often a film is seen in all, and how likely each augmentation is then at the end."""


def gamma_left(resolution: int) -> float:
    """The share of γ left at the end.

    Above 64 pixels the discriminator draws ahead as soon as its penalties fall
    (docs/experiments.md); there they stay.
    """
    return 0.1 if resolution <= 64 else 1.0


class Scheduled(NamedTuple):
    """What holds at one moment of training; float32 scalars."""

    learning_rate: tf.Tensor
    gamma: tf.Tensor
    augmentation: tf.Tensor
    ema_decay: tf.Tensor


def cosine(progress: tf.Tensor, start: float | tf.Tensor, end: float | tf.Tensor) -> tf.Tensor:
    """From `start` at progress 0 to `end` at 1 along half a cosine; flat after."""
    progress = tf.clip_by_value(progress, 0.0, 1.0)
    return end + (start - end) * 0.5 * (1 + tf.cos(progress * 3.14159265))


def last_augmentation(settings: TrainingSettings, total_images: int, num_images: int) -> float:
    """The probability of each augmentation at the end, in [0, 1]: as set, or by how often.

    The more often a film is seen, the more a discriminator can know it by heart. Between 30
    and 120 times the probability rises with the logarithm; it is flat outside.

    Args:
        settings: for `augmentation`.
        total_images: images to see.
        num_images: training images.
    """
    if settings.augmentation is not None:
        return settings.augmentation
    return float(np.interp(np.log(total_images / num_images), np.log(VIEWS), AUGMENTATION))


def first_rate(settings: TrainingSettings, total_images: float | tf.Tensor) -> float | tf.Tensor:
    """Adam's rate at the start: as set, or by the length of the run.

    Args:
        settings: for `learning_rate`.
        total_images: images to see.
    """
    if settings.learning_rate is not None:
        return settings.learning_rate
    return RATE * (RATE_IMAGES / tf.maximum(RATE_IMAGES, total_images)) ** 0.5


def scheduled(
    images_seen: tf.Tensor,
    total_images: tf.Tensor,
    last_augmentation: tf.Tensor,
    settings: TrainingSettings,
    resolution: int,
) -> Scheduled:
    """All scheduled values after `images_seen` of `total_images` (float32 scalars)."""
    progress = images_seen / total_images
    rate = first_rate(settings, total_images)
    ramp = tf.minimum(WARM_UP_IMAGES, total_images / 20) * max(1.0, settings.batch / WARM_UP_BATCH)
    warm_up = tf.minimum(1.0, images_seen / tf.minimum(ramp, total_images / 4))
    half_life = tf.minimum(
        tf.constant(settings.ema_half_life, tf.float32), images_seen * MOST_AVERAGED
    )
    return Scheduled(
        learning_rate=warm_up * cosine(progress, rate, rate * settings.final_rate),
        gamma=cosine(progress, settings.gamma, settings.gamma * gamma_left(resolution)),
        augmentation=cosine(progress, 0.0, last_augmentation),
        ema_decay=tf.pow(0.5, float(settings.batch) / tf.maximum(half_life, 1e-3)),
    )
