import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from xraygan.models import blocks

SMALL_BLOCKS = {"residual": blocks.residual_block, "inverted": blocks.inverted_block}


def images(side: int = 8, channels: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, side, side, channels)).astype(np.float32)


@pytest.mark.parametrize(("factor", "channels"), [(2, 1), (2, 3), (4, 1)])
def test_space_to_depth_is_tensorflows(factor: int, channels: int) -> None:
    batch = images(8, channels)
    ours = blocks.SpaceToDepth(factor)(batch)
    assert np.array_equal(ours, tf.nn.space_to_depth(batch, factor))


def test_layers_build_again_from_their_config() -> None:
    for layer in (blocks.SpaceToDepth(4), blocks.Cast("bfloat16")):
        again = type(layer).from_config(layer.get_config())
        batch = images(8, 1)
        assert again(batch).dtype == layer(batch).dtype
        assert again(batch).shape == layer(batch).shape


@pytest.mark.parametrize("name", SMALL_BLOCKS)
def test_a_block_starts_as_the_identity_and_does_not_stay_one(name: str) -> None:
    entry = keras.Input((8, 8, 6))
    model = keras.Model(entry, SMALL_BLOCKS[name](entry, blocks.Initialisers(0, num_blocks=2)))
    batch = images()
    assert np.array_equal(model(batch), batch)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(batch) - 1))
    slopes = tape.gradient(loss, model.trainable_variables)
    assert any(np.abs(slope).max() > 0 for slope in slopes), "a block that cannot learn"


def test_a_shift_moves_a_residual_block_once_it_has_learnt() -> None:
    entry, shift = keras.Input((8, 8, 6)), keras.Input((6,))
    made = blocks.residual_block(entry, blocks.Initialisers(0, num_blocks=2), shift)
    model = keras.Model([entry, shift], made)
    model.set_weights([w + 0.1 for w in model.get_weights()])
    zero, one = np.zeros((3, 6), np.float32), np.ones((3, 6), np.float32)
    assert not np.allclose(model([images(), zero]), model([images(), one]))


def deviation(initialiser: keras.Initializer, shape: tuple[int, ...]) -> float:
    return float(np.std(np.asarray(initialiser(shape))))


def test_initial_deviations_are_those_of_fix_up() -> None:
    num_blocks = 7
    starts = blocks.Initialisers(3, num_blocks)
    gain = math.sqrt(2 / 1.04) * num_blocks**-0.25
    shape = (3, 3, 64, 96)
    fan_in = 3 * 3 * 64
    assert deviation(starts.normal(), shape) == pytest.approx(fan_in**-0.5, rel=0.02)
    assert deviation(starts.normal(1.39), shape) == pytest.approx(1.39 * fan_in**-0.5, rel=0.02)
    assert deviation(starts.inner(), shape) == pytest.approx(gain * fan_in**-0.5, rel=0.02)
    # A depthwise 3×3 output sums nine products, however many channels there are.
    kernel = (3, 3, 4000, 1)
    inside = starts.depthwise(4000, inside_block=True)
    outside = starts.depthwise(4000, inside_block=False)
    assert deviation(inside, kernel) == pytest.approx(gain / 3, rel=0.02)
    assert deviation(outside, kernel) == pytest.approx(1 / 3, rel=0.02)


def test_initialisers_follow_their_seed_and_their_order() -> None:
    first, again, other = (blocks.Initialisers(seed, 1).normal() for seed in (1, 1, 2))
    shape = (3, 3, 4, 4)
    assert np.array_equal(first(shape), again(shape))
    assert not np.array_equal(first(shape), other(shape))
    starts = blocks.Initialisers(1, 1)
    assert not np.array_equal(starts.normal()(shape), starts.normal()(shape))


def test_upsampling_draws_no_grid() -> None:
    entry = keras.Input((8, 8, 1))
    double = keras.Model(entry, blocks.upsample(entry))
    constant = np.full((1, 8, 8, 1), 0.7, np.float32)
    assert np.allclose(double(constant), 0.7)
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32)[None, None, :, None], (1, 8, 8, 1))
    made = np.asarray(double(ramp))[0, :, :, 0]
    # Half-pixel centres: output column j looks at j/2 - 1/4, clamped at the border.
    expected = np.clip(np.arange(16) / 2 - 0.25, 0, 7)
    assert np.allclose(made, expected, atol=1e-6)


def test_downsampling_is_the_mean_of_two_by_two() -> None:
    entry = keras.Input((8, 8, 6))
    half = keras.Model(entry, blocks.downsample(entry))
    batch = images()
    assert np.allclose(half(batch), batch.reshape(3, 4, 2, 4, 2, 6).mean(axis=(2, 4)), atol=1e-6)


def test_activation_and_cast() -> None:
    entry = keras.Input((2, 2, 1))
    assert blocks.cast(entry, "float32") is entry
    made = blocks.activate(blocks.cast(entry, "bfloat16"))
    assert made.dtype == "bfloat16"
    model = keras.Model(entry, blocks.cast(made, "float32"))
    batch = np.array([-1, 0, 1, 2], np.float32).reshape(1, 2, 2, 1)
    assert np.allclose(np.ravel(model(batch)), [-0.2, 0, 1, 2], atol=2e-3)


@pytest.mark.parametrize("side", [3, 8, 64])
def test_bicubic_doubling_is_that_of_keras(side: int) -> None:
    images = np.random.default_rng(0).normal(size=(2, side, side, 1)).astype(np.float32)
    expected = keras.layers.UpSampling2D(2, interpolation="bicubic")(images)
    np.testing.assert_allclose(blocks.DoubledBicubic()(images), expected, atol=1e-5)
