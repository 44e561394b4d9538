"""The adversarial game: relativistic pairing loss and zero-centred penalties.

Source of all of it: Huang et al. 2024, arXiv 2501.05441, section 2.
"""

import tensorflow as tf


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
        gradient: d(sum of scores)/d(image), [B, H, W, C], per unit of [-1, 1] intensity,
            with respect to the image before augmentation.

    Returns:
        [B] float32, before the factor gamma / 2.
    """
    return tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])
