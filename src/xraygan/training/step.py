"""One training step, whole: the method of this project on one screen."""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportIndexIssue=false

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from xraygan.config import TrainingSettings
from xraygan.training import losses
from xraygan.training.augment import augment, draw_moves
from xraygan.training.schedules import scheduled
from xraygan.training.state import TrainState
from xraygan.training.workers import ALONE, Workers

Metrics = dict[str, tf.Tensor]
Judge = Callable[[tf.Tensor], tf.Tensor]
PENALTY_EVERY = 4
"""R1 and R2 are taken every so many steps, that much heavier (Karras et al. 2020, arXiv
1912.04958, appendix B): three quarters of the steps then need no second derivative."""
SMALLEST_PULL = 1e-20
"""Below it a fake is 46 apart from its real, and the division would leave float32."""
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
    last_augmentation: tf.Tensor,
    settings: TrainingSettings,
    workers: Workers = ALONE,
) -> Metrics:
    """Both networks learn once from one batch.

    Both gradients are taken at the same weights. The discriminator is run once, not three
    times: the generator's gradient comes out of the discriminator's own backward pass.

    Workers draw what is random for the whole batch and keep their share of it, and gradients are
    means over all: so many learn what one would, but for rounding.

    Args:
        state: networks, optimisers, average and count; changed in place.
        reals: [B, R, R, 1] float32 in [-1, 1], this worker's share of a batch.
        conditions: [B, K] float32, their classes, which the fakes take too.
        total_images: scalar float32, images seen when training ends.
        last_augmentation: scalar float32, probability of each augmentation then.
        settings: the game's numbers.
        workers: who share the batch.

    Returns:
        Scalars by name, float32, of this share. `r1` and `r2` are `PENALTY_EVERY` times the
        penalties where they are taken and 0 elsewhere, so that a mean over steps is the
        penalties' own.
    """
    batch = settings.batch
    seen = tf.cast(state.images_seen, tf.float32)
    now = scheduled(seen, total_images, last_augmentation, settings, reals.shape[1])
    step = tf.cast(state.images_seen // batch, tf.int32)
    mine = workers.rows(batch)
    latent_seed, move_seed = tf.unstack(tf.random.split(tf.stack([settings.seed, step]), 2))

    with tf.GradientTape() as generator_tape:
        z, noise = (part[mine] for part in draw_latents(state.generator, batch, latent_seed))
        fakes = state.generator([z, noise, conditions], training=True)

    images = tf.concat([reals, tf.stop_gradient(fakes)], axis=0)
    both_conditions = tf.concat([conditions, conditions], axis=0)

    moves = draw_moves(2 * batch, now.augmentation, move_seed)
    moves = tf.concat([part[mine] for part in tf.split(moves, 2)], axis=0)

    def judge(images: tf.Tensor) -> tf.Tensor:
        moved = augment(images, moves)
        return state.discriminator([moved, both_conditions], training=True)

    d_weights = state.discriminator.trainable_variables
    scores, slopes, r1, r2, d_gradients = tf.cond(
        tf.equal(tf.math.floormod(step, PENALTY_EVERY), 0),
        lambda: _penalised(judge, images, d_weights, PENALTY_EVERY * now.gamma),
        lambda: _plain(judge, images, d_weights),
    )
    real_scores, fake_scores = tf.split(scores, 2)

    pair_slopes = losses.generator_loss_slope(real_scores, fake_scores)
    pair_slopes /= tf.cast(tf.shape(pair_slopes)[0], tf.float32)
    g_gradients = generator_tape.gradient(
        fakes,
        state.generator.trainable_variables,
        output_gradients=pair_slopes[:, None, None, :] * slopes,
    )

    gradients = workers.mean([*d_gradients, *g_gradients])
    d_gradients, g_gradients = gradients[: len(d_weights)], gradients[len(d_weights) :]
    state.apply(d_gradients, g_gradients, now.learning_rate, now.ema_decay)
    state.images_seen.assign_add(batch)
    return {
        "d_loss": tf.reduce_mean(losses.discriminator_loss(real_scores, fake_scores)),
        "g_loss": tf.reduce_mean(losses.generator_loss(real_scores, fake_scores)),
        "r1": PENALTY_EVERY * r1,
        "r2": PENALTY_EVERY * r2,
        "real_score": tf.reduce_mean(real_scores),
        "fake_score": tf.reduce_mean(fake_scores),
        "fake_spread": tf.reduce_mean(tf.math.reduce_std(fakes, axis=0)),
        "gradient_norm": tf.linalg.global_norm(gradients),
    }


class _Judgement(NamedTuple):
    """The discriminator's pass over reals, then as many fakes."""

    scores: tf.Tensor
    """[2B, 1] float32."""
    slopes: tf.Tensor
    """d(score) / d(image) of the fakes, [B, R, R, 1] float32."""
    r1: tf.Tensor
    """Mean penalty of the reals, scalar; 0 where none was taken."""
    r2: tf.Tensor
    """The same of the fakes."""
    gradients: list[tf.Tensor]
    """Of the discriminator's objective with respect to its weights."""


def _penalised(judge: Judge, images: tf.Tensor, weights: list[Any], gamma: tf.Tensor) -> _Judgement:
    """Loss and penalties: two backward passes, one through the other."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            scores = judge(images)
        slopes = inner.gradient(scores, images)
        penalties = losses.zero_centred_penalty(losses.tilted(slopes))
        r1, r2 = (tf.reduce_mean(part) for part in tf.split(penalties, 2))
        loss = tf.reduce_mean(losses.discriminator_loss(*tf.split(scores, 2)))
        objective = loss + gamma / 2 * (r1 + r2)
    fake_slopes = tf.split(slopes, 2)[1]
    return _Judgement(scores, fake_slopes, r1, r2, outer.gradient(objective, weights))


def _plain(judge: Judge, images: tf.Tensor, weights: list[Any]) -> _Judgement:
    """Loss alone: one backward pass, for weights and images.

    Images do not meet in the discriminator, so an image's slope is its gradient of the loss
    divided by the slope of the loss at its score.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = judge(images)
        real_scores, fake_scores = tf.split(scores, 2)
        loss = tf.reduce_mean(losses.discriminator_loss(real_scores, fake_scores))
    *gradients, of_images = tape.gradient(loss, [*weights, images])
    of_fakes = tf.split(of_images, 2)[1]
    pull = losses.discriminator_loss_slope(real_scores, fake_scores)
    pull /= tf.cast(tf.shape(pull)[0], tf.float32)
    slopes = of_fakes / tf.maximum(pull, SMALLEST_PULL)[:, None, None, :]
    return _Judgement(scores, slopes, tf.zeros([]), tf.zeros([]), gradients)


def compiled_steps(state: TrainState, settings: TrainingSettings, workers: Workers = ALONE) -> Any:
    """Several steps as one graph call; with several workers all of them have to make it.

    Returns:
        A `tf.function` of images uint8 [N, R, R] (on the device once, not a copy a step),
        conditions float32 [N, K], the order int32 [S, B] in which this worker sees them,
        `total_images` and `last_augmentation`; it runs S steps and returns each metric's mean
        over them and over workers.
    """
    image, condition = state.discriminator.inputs
    side, share = image.shape[1], settings.batch // workers.count
    signature = [
        tf.TensorSpec([None, side, side], tf.uint8),
        tf.TensorSpec([None, condition.shape[1]], tf.float32),
        tf.TensorSpec([None, share], tf.int32),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([], tf.float32),
    ]

    @tf.function(input_signature=signature)
    def steps(
        images: tf.Tensor,
        conditions: tf.Tensor,
        order: tf.Tensor,
        total_images: tf.Tensor,
        last_augmentation: tf.Tensor,
    ) -> Metrics:
        sums = dict.fromkeys(METRICS, tf.zeros([]))
        for number in tf.range(tf.shape(order)[0]):
            reals = tf.cast(tf.gather(images, order[number]), tf.float32) / 127.5 - 1
            chosen = tf.gather(conditions, order[number])
            fresh = train_step(
                state, reals[..., None], chosen, total_images, last_augmentation, settings, workers
            )
            sums = {name: sums[name] + value for name, value in fresh.items()}
        count = tf.cast(tf.shape(order)[0], tf.float32)
        means = workers.mean([sums[name] / count for name in METRICS])
        return dict(zip(METRICS, means, strict=True))

    return steps
