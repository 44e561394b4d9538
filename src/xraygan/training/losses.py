"""The adversarial game: relativistic pairing loss and zero-centred penalties.

Source: Huang et al. 2024, arXiv 2501.05441, section 2. That fine detail is penalised less is ours.
"""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false

import numpy as np
import tensorflow as tf

from xraygan.models.calibration import cosines

GAMMA_SIDE = 64
"""Slopes count as those of films of this side: γ means the same at every resolution."""
COARSE_CYCLES, TILT = 4.0, 0.8
"""Beyond so many cycles a film, slopes count by (COARSE_CYCLES / cycles) ** TILT."""


def discriminator_loss(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """softplus(-(D(x) - D(x̂))) of each pair.

    Args:
        real_scores: [B, 1] float32, D(x).
        fake_scores: [B, 1] float32, D(x̂), of fakes with the reals' classes.

    Returns:
        [B, 1] float32; ln 2 where the discriminator cannot tell.
    """
    return tf.nn.softplus(fake_scores - real_scores)


def discriminator_loss_slope(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """d(discriminator_loss) / d(fake score) of each pair, [B, 1] float32 in (0, 1)."""
    return tf.sigmoid(fake_scores - real_scores)


def generator_loss(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """softplus(-(D(x̂) - D(x))) of each pair: the discriminator's game turned round.

    Args and returns as for `discriminator_loss`.
    """
    return tf.nn.softplus(real_scores - fake_scores)


def generator_loss_slope(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """d(generator_loss) / d(fake score) of each pair, [B, 1] float32 in (-1, 0)."""
    return -tf.sigmoid(real_scores - fake_scores)


def zero_centred_penalty(gradient: tf.Tensor) -> tf.Tensor:
    """Squared gradient norm of each image: R1 on reals, R2 on fakes.

    Args:
        gradient: d(sum of scores)/d(image), [B, H, W, C], per unit of [-1, 1] intensity, with
            respect to the image before augmentation; or what `tilted` makes of it.

    Returns:
        [B] float32, before the factor gamma / 2.
    """
    return tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])


def tilted(gradient: tf.Tensor) -> tf.Tensor:
    """A gradient's cosine coefficients, the finer the smaller, for `zero_centred_penalty`.

    Films vary much in what is coarse and little in what is fine. A penalty on slopes in pixels
    therefore lets the discriminator see coarse errors and hardly any in fine detail: to be sure of
    those it would have to be steep. In coordinates in which films vary more alike it may be.

    The same film with twice the side has coefficients twice as large, and an equally sure
    discriminator half the slopes; they are taken times the side for that.

    Args:
        gradient: [B, R, R, 1] float32.

    Returns:
        [B, R, R, 1] float32: the lowest coefficients first; up to `COARSE_CYCLES` a film (along
        both axes together) they are as in pixels where R is `GAMMA_SIDE`.
    """
    side = gradient.shape[1]
    transform = cosines(side)
    spectrum = tf.einsum("ui,bij,vj->buv", transform, gradient[..., 0], transform)
    return (spectrum * frequency_weights(side))[..., None]


def frequency_weights(side: int) -> np.ndarray:
    """What `tilted` takes each cosine coefficient times, float32 [side, side]."""
    rows, columns = np.mgrid[:side, :side] / 2  # the n-th cosine has n / 2 cycles
    cycles = np.maximum(np.hypot(rows, columns), COARSE_CYCLES)
    return (side / GAMMA_SIDE * (COARSE_CYCLES / cycles) ** TILT).astype(np.float32)
