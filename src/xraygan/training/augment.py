"""Differentiable augmentation that keeps a chest X-ray a chest X-ray.

Small rotation, scale, shift, and exposure. No left-right flip (the heart is on the left),
no quarter turns. Borders repeat the edge, for reals and fakes alike: zeros would show the
discriminator which images were moved.
"""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportOptionalOperand=false, reportOperatorIssue=false

import tensorflow as tf

ROTATION = 0.08  # standard deviation, radians
LOG_SCALE = 0.08  # standard deviation
SHIFT = 4 / 64  # standard deviation, share of the side
EXPOSURE = 0.15  # standard deviation of gain and of offset, [-1, 1] intensity


def draw_moves(batch: int, probability: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """How each image is moved, with `probability`, and its exposure changed, with `probability`.

    Args:
        batch: B.
        probability: scalar in [0, 1].
        seed: [2] int32; equal seeds give equal draws.

    Returns:
        [B, 6] float32, in standard deviations, 0 where nothing is done: turn, scale, shift right
        and down, gain, offset.
    """
    draw_seed, choice_seed = tf.unstack(tf.random.split(seed, 2))
    draws = tf.random.stateless_normal([batch, 6], draw_seed)
    chosen = tf.random.stateless_uniform([batch, 2], choice_seed) < probability
    return draws * tf.cast(tf.repeat(chosen, [4, 2], axis=1), tf.float32)


def augment(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Images moved, and exposed, as drawn.

    Args:
        images: [B, H, W, 1] float32 in [-1, 1].
        draws: [B, 6] float32, of `draw_moves`.

    Returns:
        [B, H, W, 1] float32, a differentiable (twice, and linear) function of the images.
    """
    moved = _move(images, *tf.unstack(draws[:, :4], axis=1))
    gain = 1 + EXPOSURE * draws[:, 4, None, None, None]
    return moved * gain + EXPOSURE * draws[:, 5, None, None, None]


def _move(
    images: tf.Tensor, turn: tf.Tensor, scale: tf.Tensor, right: tf.Tensor, down: tf.Tensor
) -> tf.Tensor:
    """Bilinear sampling under a rotation, scale and shift about the centre."""
    height, width = images.shape[1], images.shape[2]
    angle, zoom = ROTATION * turn, tf.exp(LOG_SCALE * scale)
    cosine, sine = zoom * tf.cos(angle), zoom * tf.sin(angle)
    y, x = tf.meshgrid(
        tf.range(height, dtype=tf.float32) - (height - 1) / 2,
        tf.range(width, dtype=tf.float32) - (width - 1) / 2,
        indexing="ij",
    )
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    source_x = cosine * x - sine * y + (width - 1) / 2 + SHIFT * width * right[:, None, None]
    source_y = sine * x + cosine * y + (height - 1) / 2 + SHIFT * height * down[:, None, None]
    source_x = tf.clip_by_value(source_x, 0.0, width - 1.0)
    source_y = tf.clip_by_value(source_y, 0.0, height - 1.0)
    left = tf.clip_by_value(tf.floor(source_x), 0.0, width - 2.0)
    top = tf.clip_by_value(tf.floor(source_y), 0.0, height - 2.0)
    weight_x = tf.reshape(source_x - left, [-1, height * width, 1])
    weight_y = tf.reshape(source_y - top, [-1, height * width, 1])
    corner = tf.reshape(tf.cast(top * width + left, tf.int32), [-1, height * width])
    flat = tf.reshape(images, [-1, height * width, 1])

    def pixel(offset: int) -> tf.Tensor:
        return tf.gather(flat, corner + offset, batch_dims=1)

    upper = pixel(0) * (1 - weight_x) + pixel(1) * weight_x
    lower = pixel(width) * (1 - weight_x) + pixel(width + 1) * weight_x
    return tf.reshape(upper * (1 - weight_y) + lower * weight_y, tf.shape(images))
