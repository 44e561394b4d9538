import math

import numpy as np
import pytest
import tensorflow as tf

from xraygan.training import losses

SCORES = np.random.default_rng(0).normal(0, 5, (2, 64, 1)).astype(np.float32)


def test_a_draw_costs_ln_2() -> None:
    same = tf.constant(SCORES[0])
    assert np.allclose(losses.discriminator_loss(same, same), math.log(2))
    assert np.allclose(losses.generator_loss(same, same), math.log(2))
    assert np.allclose(losses.generator_loss_slope(same, same), -0.5)


def test_closed_forms() -> None:
    real, fake = SCORES.astype(np.float64)
    assert np.allclose(losses.discriminator_loss(*SCORES), np.log1p(np.exp(fake - real)), rtol=1e-5)
    assert np.allclose(losses.generator_loss(*SCORES), np.log1p(np.exp(real - fake)), rtol=1e-5)


@pytest.mark.parametrize("margin", [-500.0, 500.0])
def test_no_overflow(margin: float) -> None:
    real, fake = tf.constant([[margin]]), tf.constant([[0.0]])
    assert float(losses.discriminator_loss(real, fake)[0, 0]) == max(-margin, 0)
    assert float(losses.generator_loss(real, fake)[0, 0]) == max(margin, 0)
    assert math.isfinite(losses.generator_loss_slope(real, fake)[0, 0])


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_the_slope_is_that_of_the_loss(network: str) -> None:
    real, fake = tf.constant(SCORES[0]), tf.constant(SCORES[1])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = getattr(losses, f"{network}_loss")(real, fake)
    slope = getattr(losses, f"{network}_loss_slope")(real, fake)
    assert np.allclose(slope, tape.gradient(loss, fake), atol=1e-6)


def test_penalty_by_hand() -> None:
    gradient = np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1)
    expected = [sum(n * n for n in range(12)), sum(n * n for n in range(12, 24))]
    assert losses.zero_centred_penalty(gradient).numpy().tolist() == expected


def wave(rows: int, columns: int, side: int = 64) -> np.ndarray:
    """One cosine of this many half cycles along each axis, of unit length, [1, side, side, 1]."""
    places = (np.arange(side) + 0.5) * np.pi / side
    made = np.outer(np.cos(rows * places), np.cos(columns * places))
    return (made / np.linalg.norm(made)).astype(np.float32)[None, ..., None]


@pytest.mark.parametrize(
    ("rows", "columns", "weight"),
    [
        (0, 0, 1.0),
        (8, 0, 1.0),
        (4, 6, 1.0),
        (16, 0, 0.5**0.8),
        (0, 32, 0.25**0.8),
        (48, 64 - 1, (8 / math.hypot(48, 63)) ** 0.8),
    ],
)
def test_slopes_in_fine_detail_count_less(rows: int, columns: int, weight: float) -> None:
    found = losses.tilted(tf.constant(wave(rows, columns)))
    assert found.shape == (1, 64, 64, 1)
    place = np.unravel_index(np.abs(found.numpy()).argmax(), (1, 64, 64, 1))
    assert place == (0, rows, columns, 0)
    assert float(losses.zero_centred_penalty(found)[0]) == pytest.approx(weight**2, rel=1e-4)


@pytest.mark.parametrize("side", [32, 128, 256])
def test_equally_sure_is_equally_penalised_at_every_side(side: int) -> None:
    """A film with more pixels has larger coefficients, and a slope per coefficient is smaller."""
    film, same = wave(8, 12), wave(8, 12, side)
    share = 64 / side  # of the height that a wave of unit length has
    found = float(losses.zero_centred_penalty(losses.tilted(tf.constant(share * same)))[0])
    expected = float(losses.zero_centred_penalty(losses.tilted(tf.constant(film)))[0])
    assert found == pytest.approx(expected, rel=1e-4)


def test_coarse_slopes_count_as_in_pixels() -> None:
    coarse = sum(wave(rows, columns) for rows in range(5) for columns in range(5))
    plain, now = (
        float(losses.zero_centred_penalty(tf.constant(part))[0])
        for part in (coarse, losses.tilted(tf.constant(coarse)))
    )
    assert now == pytest.approx(plain, rel=1e-4)
