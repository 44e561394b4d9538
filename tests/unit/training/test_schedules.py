import math

import numpy as np
import pytest
import tensorflow as tf

from xraygan.config import TrainingSettings
from xraygan.training.schedules import (
    WARM_UP_IMAGES,
    Scheduled,
    cosine,
    last_augmentation,
    scheduled,
)

SETTINGS = TrainingSettings(
    gamma=2, learning_rate=1e-3, final_rate=0.2, ema_half_life=5000, batch=32
)
TOTAL = 200_000


def after(
    images: float, total: float = TOTAL, resolution: int = 64, **changed: object
) -> Scheduled:
    settings = SETTINGS.model_copy(update=changed)
    numbers = (tf.constant(number, tf.float32) for number in (images, total, 0.4))
    values = scheduled(*numbers, settings, resolution)
    return Scheduled(*(float(value) for value in values))


def test_cosine() -> None:
    progress = tf.constant([-1, 0, 0.25, 0.5, 1, 7], tf.float32)
    quarter = 2 + 4 * (1 + math.sqrt(0.5)) / 2
    assert np.allclose(cosine(progress, 6, 2), [6, 6, quarter, 4, 2, 2], atol=1e-6)


def test_the_end() -> None:
    end = after(TOTAL)
    assert end.learning_rate == pytest.approx(1e-3 * 0.2)
    assert end.gamma == pytest.approx(0.2)
    assert end.augmentation == pytest.approx(0.4)


def test_augmentation_follows_from_how_often_a_film_is_seen() -> None:
    ends = [last_augmentation(SETTINGS, views * 500, 500) for views in (1, 30, 60, 120, 999)]
    assert ends == pytest.approx([0.3, 0.3, 0.55, 0.8, 0.8], abs=1e-4)
    told = SETTINGS.model_copy(update={"augmentation": 0.0})
    assert last_augmentation(told, 10**6, 500) == 0


def test_the_start() -> None:
    start = after(0)
    assert start.gamma == pytest.approx(2)
    assert start.augmentation == 0
    assert start.ema_decay == 0
    assert start.learning_rate == 0


def test_warm_up_is_a_ramp_of_2000_images_or_a_twentieth_of_a_short_run() -> None:
    for images in (500, 1000, 2000, 3000):
        plain = float(cosine(tf.constant(images / TOTAL), 1e-3, 2e-4))
        ramp = min(1, images / WARM_UP_IMAGES)
        assert after(images, batch=8).learning_rate == pytest.approx(ramp * plain)
    plain = float(cosine(tf.constant(0.025), 1e-3, 2e-4))
    assert after(25, 1000, batch=8).learning_rate == pytest.approx(plain / 2)


def test_batch_size_changes_only_warm_up_and_the_decay_of_a_step() -> None:
    for images in (100, 5000, 150_000):
        small, large = after(images, batch=16), after(images, batch=64)
        assert small[1:3] == large[1:3]
        assert small.ema_decay**4 == pytest.approx(large.ema_decay)


def test_ema_decay_halves_over_its_half_life() -> None:
    assert after(TOTAL).ema_decay == pytest.approx(0.5 ** (32 / 5000))
    assert after(10_000).ema_decay == pytest.approx(0.5 ** (32 / 1000))


def test_large_batches_warm_up_for_as_many_steps() -> None:
    plain = float(cosine(tf.constant(5000 / TOTAL), 1e-3, 2e-4))
    assert after(5000, batch=32).learning_rate == pytest.approx(plain * 5000 / (250 * 32))
    plain = float(cosine(tf.constant(0.1), 1e-3, 2e-4))
    assert after(1000, 10_000, batch=32).learning_rate == pytest.approx(plain * 1000 / (500 * 4))
    assert after(1000, 10_000, batch=64).learning_rate == pytest.approx(plain * 1000 / 2500)


def test_above_64_pixels_penalties_stay() -> None:
    assert after(TOTAL, resolution=32).gamma == pytest.approx(0.2)
    assert after(TOTAL, resolution=128).gamma == after(0, resolution=128).gamma == 2


def test_rates_are_lower_in_long_runs_unless_told() -> None:
    def rate(total: float, **changed: object) -> float:
        return after(total, total, **changed).learning_rate / SETTINGS.final_rate

    rates = [rate(images, learning_rate=None) for images in (3000, 30_000, 120_000, 480_000)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])
    assert rate(480_000, learning_rate=2e-3) == pytest.approx(2e-3)
