"""A small R3GAN after its published recipe: the strongest plain peer that fits this machine.

Huang et al. 2024 (arXiv 2501.05441): a learned 4×4 basis scaled by a linear layer of z and
the class, stages of inverted residual blocks with fix-up initialisation, resampling with
[1, 3, 3, 1], a mirrored discriminator, the relativistic pairing loss with R1 and R2 at every
step, and one cosine for all schedules. Smaller than published, as two cores ask for: widths
48 to 128, batch 32, the work at half resolution (space to depth), and depthwise convolutions
for grouped ones, which TensorFlow runs on one core.
"""

import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from dcgan import Outcome
from xraygan.models import blocks
from xraygan.training import losses
from xraygan.training.augment import augment, draw_moves
from xraygan.training.device import compute_dtype

LATENT, BATCH = 64, 32
WIDTHS = (48, 96, 128, 128)  # fine to coarse
RATES, BETAS, AUGMENTATION = (2e-4, 5e-5), (0.9, 0.99), 0.3
GAMMA = 2 / 3  # published for 64×64 colour: 2; a grey channel has three times the gradient
HALF_LIFE = 10_000.0


class Resample(layers.Layer):
    """Twice or half the side with the [1, 3, 3, 1] kernel."""

    def __init__(self, up: bool, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.up = up

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """[B, S, S, C] to [B, 2S, 2S, C] or [B, S/2, S/2, C]."""
        tap = np.array([1, 3, 3, 1], np.float32)
        kernel = np.outer(tap, tap) / (16 if self.up else 64)
        channels = features.shape[-1]
        stacked = ops.cast(np.repeat(kernel[:, :, None, None], channels, axis=2), features.dtype)
        padded = ops.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
        if not self.up:
            return ops.depthwise_conv(padded, stacked, strides=2)
        spread = _between_zeros(padded)
        return ops.depthwise_conv(spread, stacked, padding="same")[:, 2:-2, 2:-2]


def _between_zeros(features: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] to [B, 2H, 2W, C], zeros between the values."""
    zeros = tf.zeros_like(features)
    rows = tf.stack([features, zeros], axis=3)
    rows = tf.reshape(rows, [-1, rows.shape[1], 2 * rows.shape[2], features.shape[-1]])
    stacked = tf.stack([rows, tf.zeros_like(rows)], axis=2)
    return tf.reshape(stacked, [-1, 2 * rows.shape[1], rows.shape[2], features.shape[-1]])


class Basis(layers.Layer):
    """A learned 4×4 picture of `width` channels, its channels scaled."""

    def __init__(self, width: int) -> None:
        super().__init__(dtype="float32")
        self.basis = self.add_weight(shape=(4, 4, width), initializer="random_normal")

    def call(self, scales: keras.KerasTensor) -> keras.KerasTensor:
        """[B, width] to [B, 4, 4, width]."""
        return scales[:, None, None, :] * self.basis


def build_generator(side: int, classes: int, seed: int, dtype: str) -> keras.Model:
    z, condition = keras.Input((LATENT,)), keras.Input((classes,))
    start = blocks.Initialisers(seed, num_blocks=2 * len(WIDTHS))
    scales = layers.Concatenate()([z, layers.Dense(LATENT, use_bias=False)(condition)])
    features = Basis(WIDTHS[-1])(layers.Dense(WIDTHS[-1], use_bias=False)(scales))
    for number, width in enumerate(reversed(WIDTHS)):
        if number:
            if features.shape[-1] != width:
                features = blocks.conv(features, width, 1, start.normal(), use_bias=False)
            features = Resample(True, features.dtype)(features)
        for _ in range(2):
            features = blocks.inverted_block(features, start)
        features = blocks.cast(features, dtype)  # 4×4 stays float32
    factor = side // features.shape[1]
    image = blocks.cast(blocks.conv(features, factor**2, 1, start.normal()), "float32")
    image = layers.Lambda(lambda x: tf.nn.depth_to_space(x, factor))(image)
    return keras.Model([z, condition], image)


def build_discriminator(side: int, classes: int, seed: int, dtype: str) -> keras.Model:
    image, condition = keras.Input((side, side, 1)), keras.Input((classes,))
    start = blocks.Initialisers(seed + 1, num_blocks=2 * len(WIDTHS))
    features = blocks.SpaceToDepth(side // (4 * 2 ** (len(WIDTHS) - 1)))(image)
    features = blocks.conv(blocks.cast(features, dtype), WIDTHS[0], 1, start.normal())
    for number, width in enumerate(WIDTHS):
        if number:
            features = Resample(False, features.dtype)(features)
            if features.shape[1] == 4:
                features = blocks.cast(features, "float32")
            if features.shape[-1] != width:
                features = blocks.conv(features, width, 1, start.normal(), use_bias=False)
        for _ in range(2):
            features = blocks.inverted_block(features, start)
    features = layers.DepthwiseConv2D(
        4, use_bias=False, depthwise_initializer=start.depthwise(WIDTHS[-1], inside_block=False)
    )(features)
    features = layers.Dense(WIDTHS[-1], use_bias=False)(layers.Flatten()(features))
    embedding = layers.Dense(WIDTHS[-1], use_bias=False, kernel_initializer="random_normal")
    score = layers.Dot(1)([features, embedding(condition)])
    return keras.Model([image, condition], score)


def train_r3gan(
    reals: np.ndarray, labels: np.ndarray, seconds: float, num: int, seed: int = 0
) -> tuple[Outcome, np.ndarray]:
    """Train for `seconds` after compilation; `num` images of the average, and their labels.

    Schedules run over the seconds, as the number of images is not known before.
    """
    keras.utils.set_random_seed(seed)
    side, classes = reals.shape[1], int(labels.max()) + 1
    shape = (side, classes, seed, compute_dtype("auto", "cpu"))
    generator, average = build_generator(*shape), build_generator(*shape)
    discriminator = build_discriminator(*shape)
    average.set_weights(generator.get_weights())
    adams = [keras.optimizers.Adam(RATES[0], beta_1=0.0, beta_2=BETAS[0]) for _ in range(2)]
    for adam, network in zip(adams, (generator, discriminator), strict=True):
        adam.build(network.trainable_variables)
    step = _step(generator, discriminator, average, adams)
    random = np.random.default_rng(seed)
    scaled = (reals.astype(np.float32) / 127.5 - 1)[..., None]
    onehot = np.eye(classes, dtype=np.float32)[labels]

    def batch() -> tuple[tf.Tensor, tf.Tensor]:
        rows = random.choice(len(scaled), BATCH, replace=False)
        return tf.constant(scaled[rows]), tf.constant(onehot[rows])

    step(*batch(), tf.constant(0.0), tf.constant(0.0))
    start, seen = time.monotonic(), 0
    while (spent := time.monotonic() - start) < seconds:
        decay = 0.5 ** (BATCH / max(min(HALF_LIFE, seen / 10), 1e-3))
        step(*batch(), tf.constant(spent / seconds, tf.float32), tf.constant(decay, tf.float32))
        seen += BATCH
    took = time.monotonic() - start
    drawn = random.choice(labels, num)
    latents = random.normal(size=(num, LATENT)).astype(np.float32)
    made = average.predict(
        [latents, np.eye(classes, dtype=np.float32)[drawn]], batch_size=BATCH, verbose=0
    )
    images = np.clip(np.rint(made[..., 0] * 127.5 + 127.5), 0, 255).astype(np.uint8)
    return Outcome(images, seen, seen / took, took), drawn.astype(np.int32)


def _step(
    generator: keras.Model,
    discriminator: keras.Model,
    average: keras.Model,
    adams: list[keras.optimizers.Optimizer],
) -> tf.types.experimental.PolymorphicFunction:
    def between(progress: tf.Tensor, start: float, end: float) -> tf.Tensor:
        return end + (start - end) * 0.5 * (1 + tf.cos(progress * np.pi))

    @tf.function
    def step(
        reals: tf.Tensor, conditions: tf.Tensor, progress: tf.Tensor, decay: tf.Tensor
    ) -> None:
        chance = between(progress, 0.0, AUGMENTATION)
        gamma = between(progress, GAMMA, GAMMA / 10)
        seeds = tf.random.uniform([2, 2], maxval=2**30, dtype=tf.int32)
        for adam in adams:
            adam.learning_rate.assign(between(progress, *RATES))
            adam.beta_2 = between(progress, *BETAS)
        with tf.GradientTape() as tape:
            fakes = generator([tf.random.normal([BATCH, LATENT]), conditions], training=True)
            scores = [
                discriminator(
                    [augment(images, draw_moves(BATCH, chance, seed)), conditions], training=True
                )
                for images, seed in zip((reals, fakes), tf.unstack(seeds), strict=True)
            ]
            g_loss = tf.reduce_mean(losses.generator_loss(*scores))
        weights = [weight.value for weight in generator.trainable_variables]
        adams[0].apply(tape.gradient(g_loss, weights), generator.trainable_variables)

        fakes = generator([tf.random.normal([BATCH, LATENT]), conditions], training=True)
        images = tf.concat([reals, fakes], 0)
        both = tf.concat([conditions, conditions], 0)
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(images)
                seen = augment(images, draw_moves(2 * BATCH, chance, seeds[0]))
                both_scores = discriminator([seen, both], training=True)
            slopes = inner.gradient(both_scores, images)
            penalty = tf.reduce_mean(losses.zero_centred_penalty(slopes))
            d_loss = tf.reduce_mean(losses.discriminator_loss(*tf.split(both_scores, 2)))
            # The mean is over reals and fakes together: twice the half of each.
            objective = d_loss + gamma * penalty
        weights = [weight.value for weight in discriminator.trainable_variables]
        adams[1].apply(tape.gradient(objective, weights), discriminator.trainable_variables)
        for kept, weight in zip(
            average.trainable_variables, generator.trainable_variables, strict=True
        ):
            kept.assign(weight + decay * (kept - weight))

    return step
