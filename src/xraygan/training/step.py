"""One training step, whole: the method of this project on one screen."""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportIndexIssue=false

from typing import Any

import keras
import tensorflow as tf

from xraygan.config import TrainingSettings
from xraygan.training import losses
from xraygan.training.augment import augment
from xraygan.training.schedules import scheduled
from xraygan.training.state import TrainState

Metrics = dict[str, tf.Tensor]
METRICS = (
    *("d_loss", "g_loss", "r1", "r2", "real_score", "fake_score"),
    *("fake_spread", "gradient_norm"),
)
"""What `train_step` returns."""


def draw_latents(
    generator: keras.Model, batch: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Z [B, latent] and the noise image [B, R, R, 1], both N(0, 1), from a [2] int32 seed."""
    z_seed, noise_seed = tf.unstack(tf.random.split(seed, 2))
    z = tf.random.stateless_normal([batch, generator.input[0].shape[1]], z_seed)
    noise = tf.random.stateless_normal([batch, *generator.input[1].shape[1:]], noise_seed)
    return z, noise


def train_step(
    state: TrainState,
    reals: tf.Tensor,
    conditions: tf.Tensor,
    total_images: tf.Tensor,
    settings: TrainingSettings,
) -> Metrics:
    """Both networks learn once from one batch.

    Both gradients are taken at the same weights. The discriminator then is run once, not
    three times: the generator's gradient through it is the gradient that R2 needs anyway,
    times the slope of the loss of each pair.

    Args:
        state: networks, optimisers, average and count; changed in place.
        reals: [B, R, R, 1] float32 in [-1, 1].
        conditions: [B, K] float32, their classes, which the fakes take too.
        total_images: scalar float32, images seen when training ends.
        settings: the game's numbers.

    Returns:
        Scalars by name, float32.
    """
    batch = settings.batch
    now = scheduled(tf.cast(state.images_seen, tf.float32), total_images, settings)
    step = tf.cast(state.images_seen // batch, tf.int32)
    latent_seed, move_seed = tf.unstack(tf.random.split(tf.stack([settings.seed, step]), 2))

    with tf.GradientTape() as generator_tape:
        z, noise = draw_latents(state.generator, batch, latent_seed)
        fakes = state.generator([z, noise, conditions], training=True)

    images = tf.concat([reals, tf.stop_gradient(fakes)], axis=0)
    both_conditions = tf.concat([conditions, conditions], axis=0)
    with tf.GradientTape() as discriminator_tape:
        with tf.GradientTape() as image_tape:
            image_tape.watch(images)
            moved = augment(images, now.augmentation, move_seed)
            scores = state.discriminator([moved, both_conditions], training=True)
        slopes = image_tape.gradient(scores, images)
        penalties = losses.zero_centred_penalty(slopes)
        real_scores, fake_scores = tf.split(scores, 2)
        d_loss = tf.reduce_mean(losses.discriminator_loss(real_scores, fake_scores))
        r1, r2 = (tf.reduce_mean(part) for part in tf.split(penalties, 2))
        objective = d_loss + now.gamma / 2 * (r1 + r2)
    d_weights = state.discriminator.trainable_variables
    d_gradients = discriminator_tape.gradient(objective, d_weights)

    pair_slopes = losses.generator_loss_slope(real_scores, fake_scores) / batch
    fake_slopes = tf.stop_gradient(pair_slopes[:, None, None, :] * slopes[batch:])
    g_weights = state.generator.trainable_variables
    g_gradients = generator_tape.gradient(fakes, g_weights, output_gradients=fake_slopes)

    state.apply(d_gradients, g_gradients, now.learning_rate, now.ema_decay)
    state.images_seen.assign_add(batch)
    return {
        "d_loss": d_loss,
        "g_loss": tf.reduce_mean(losses.generator_loss(real_scores, fake_scores)),
        "r1": r1,
        "r2": r2,
        "real_score": tf.reduce_mean(real_scores),
        "fake_score": tf.reduce_mean(fake_scores),
        "fake_spread": tf.reduce_mean(tf.math.reduce_std(fakes, axis=0)),
        "gradient_norm": tf.linalg.global_norm(d_gradients + g_gradients),
    }


def compiled_steps(state: TrainState, settings: TrainingSettings) -> Any:
    """Several steps as one graph call.

    Returns:
        A `tf.function` of images uint8 [N, R, R] (on the device once, not a copy a step),
        conditions float32 [N, K], the order int32 [S, B] in which to see them, and
        `total_images`; it runs S steps and returns each metric's mean over them.
    """
    image, condition = state.discriminator.inputs
    side, batch = image.shape[1], settings.batch
    signature = [
        tf.TensorSpec([None, side, side], tf.uint8),
        tf.TensorSpec([None, condition.shape[1]], tf.float32),
        tf.TensorSpec([None, batch], tf.int32),
        tf.TensorSpec([], tf.float32),
    ]

    @tf.function(input_signature=signature)
    def steps(
        images: tf.Tensor, conditions: tf.Tensor, order: tf.Tensor, total_images: tf.Tensor
    ) -> Metrics:
        sums = dict.fromkeys(METRICS, tf.zeros([]))
        for number in tf.range(tf.shape(order)[0]):
            reals = tf.cast(tf.gather(images, order[number]), tf.float32) / 127.5 - 1
            chosen = tf.gather(conditions, order[number])
            fresh = train_step(state, reals[..., None], chosen, total_images, settings)
            sums = {name: sums[name] + value for name, value in fresh.items()}
        count = tf.cast(tf.shape(order)[0], tf.float32)
        return {name: value / count for name, value in sums.items()}

    return steps
