"""The plain Keras DCGAN that a reader would write from the original description.

Radford et al. 2016 (arXiv 1511.06434) in the shape of Keras' tutorials: transposed 5×5
convolutions, batch normalisation, binary cross-entropy, Adam 2e-4 (0.5), batch 64.
"""

import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

LATENT = 100
BATCH = 64


@dataclass(frozen=True)
class Outcome:
    """What a budget of seconds bought."""

    images: np.ndarray
    images_seen: int
    images_per_second: float
    seconds: float


def train_dcgan(reals: np.ndarray, seconds: float, num: int, seed: int = 0) -> Outcome:
    """Train for `seconds` after compilation and draw `num` images, uint8 [num, R, R]."""
    keras.utils.set_random_seed(seed)
    side = reals.shape[1]
    generator, discriminator = _generator(side), _discriminator(side)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    g_adam, d_adam = (keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))

    @tf.function
    def step(images: tf.Tensor) -> tf.Tensor:
        z = tf.random.normal([BATCH, LATENT])
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fakes = generator(z, training=True)
            real_scores = discriminator(images, training=True)
            fake_scores = discriminator(fakes, training=True)
            g_loss = entropy(tf.ones_like(fake_scores), fake_scores)
            d_loss = entropy(tf.ones_like(real_scores), real_scores) + entropy(
                tf.zeros_like(fake_scores), fake_scores
            )
        g_adam.apply_gradients(
            zip(
                g_tape.gradient(g_loss, generator.trainable_variables),
                generator.trainable_variables,
                strict=True,
            )
        )
        d_adam.apply_gradients(
            zip(
                d_tape.gradient(d_loss, discriminator.trainable_variables),
                discriminator.trainable_variables,
                strict=True,
            )
        )
        return d_loss

    scaled = (reals.astype(np.float32) / 127.5 - 1)[..., None]
    batches = iter(
        tf.data.Dataset.from_tensor_slices(scaled)
        .shuffle(len(scaled), seed=seed)
        .batch(BATCH, drop_remainder=True)
        .repeat()
        .prefetch(2)
    )
    step(next(batches))
    start, seen = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        step(next(batches)).numpy()
        seen += BATCH
    took = time.monotonic() - start
    latents = np.random.default_rng(seed).normal(size=(num, LATENT)).astype(np.float32)
    made = generator.predict(latents, batch_size=BATCH, verbose=0)[..., 0]
    images = np.clip(np.rint(made * 127.5 + 127.5), 0, 255).astype(np.uint8)
    return Outcome(images, seen, seen / took, took)


def _generator(side: int) -> keras.Model:
    start = side // 16
    model = keras.Sequential([keras.Input((LATENT,))])
    model.add(layers.Dense(start * start * 256, use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU())
    model.add(layers.Reshape((start, start, 256)))
    for width in (128, 64, 32):
        model.add(layers.Conv2DTranspose(width, 5, 2, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.LeakyReLU())
    model.add(layers.Conv2DTranspose(1, 5, 2, padding="same", activation="tanh"))
    return model


def _discriminator(side: int) -> keras.Model:
    model = keras.Sequential([keras.Input((side, side, 1))])
    for width in (32, 64, 128):
        model.add(layers.Conv2D(width, 5, 2, padding="same"))
        model.add(layers.LeakyReLU())
        model.add(layers.Dropout(0.3))
    model.add(layers.Flatten())
    model.add(layers.Dense(1))
    return model
