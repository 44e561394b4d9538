"""The small network: learns what can be learnt, forgets it, and repeats itself."""

import cv2
import numpy as np
import pytest

from xraygan.evaluation.diagnoser import BATCH, SIDE, Diagnoser, learning_rates, shrunk


def patches(count: int, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright patch; its size tells the class."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int32)
    images = random.integers(60, 120, (count, SIDE, SIDE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        size = 8 + 10 * label
        top, left = random.integers(0, SIDE - size, 2)
        image[top : top + size, left : left + size] += 60
    return images, labels


@pytest.fixture(scope="module")
def diagnoser() -> Diagnoser:
    return Diagnoser(2)


@pytest.fixture(scope="module")
def lesson() -> tuple[np.ndarray, np.ndarray]:
    return patches(48 * BATCH)


def accuracy(diagnoser: Diagnoser, images: np.ndarray, labels: np.ndarray) -> float:
    return float((diagnoser.probabilities(images).argmax(axis=1) == labels).mean())


def test_learns_and_repeats_itself(diagnoser, lesson) -> None:
    test = patches(200, seed=1)
    diagnoser.train(*lesson, seed=0)
    first = diagnoser.probabilities(test[0])
    assert first.shape == (200, 2)
    np.testing.assert_allclose(first.sum(axis=1), 1)
    assert accuracy(diagnoser, *test) > 0.95
    diagnoser.train(*lesson, seed=1)
    assert (diagnoser.probabilities(test[0]) != first).any()
    diagnoser.train(*lesson, seed=0)
    np.testing.assert_array_equal(diagnoser.probabilities(test[0]), first)


def test_forgets_what_it_had_learnt(diagnoser, lesson) -> None:
    """After one step on the wrong answers nothing is left of the right ones."""
    test = patches(200, seed=2)
    diagnoser.train(*lesson, seed=0)
    diagnoser.train(lesson[0][:BATCH], lesson[1][:BATCH], seed=0)
    once = diagnoser.probabilities(test[0])
    fresh = Diagnoser(2)
    fresh.train(lesson[0][:BATCH], lesson[1][:BATCH], seed=0)
    np.testing.assert_array_equal(once, fresh.probabilities(test[0]))


def test_an_image_is_judged_for_itself(diagnoser, lesson) -> None:
    diagnoser.train(lesson[0][: 4 * BATCH], lesson[1][: 4 * BATCH], seed=0)
    images = patches(300, seed=3)[0]
    whole = diagnoser.probabilities(images)
    np.testing.assert_allclose(diagnoser.probabilities(images[7:8]), whole[7:8], atol=1e-5)


def test_three_classes() -> None:
    diagnoser = Diagnoser(3)
    diagnoser.train(*patches(48 * BATCH, 3), seed=0)
    assert accuracy(diagnoser, *patches(150, 3, seed=1)) > 0.85


def test_the_graph_is_traced_once(diagnoser, lesson) -> None:
    for steps in (1, 3, 35):
        diagnoser.train(lesson[0][: steps * BATCH], lesson[1][: steps * BATCH], seed=steps)
        diagnoser.probabilities(lesson[0][:steps])
    assert diagnoser._learn.experimental_get_tracing_count() == 1
    assert diagnoser._logits.experimental_get_tracing_count() == 1


def test_learning_rates_rise_and_fall() -> None:
    rates = learning_rates(100)
    top = int(rates.argmax())
    assert rates.dtype == np.float32 and len(rates) == 100
    assert 0 < rates[0] < rates[top]
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert 0 < rates[-1] < rates[top] / 100
    assert len(learning_rates(1)) == 1


@pytest.mark.parametrize("shape", [(64, 64), (32, 32), (256, 256), (96, 160)])
def test_images_of_any_size_are_seen_at_one(shape) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    got = shrunk(images)
    assert got.shape == (3, SIDE, SIDE) and got.dtype == np.uint8
    if shape == (256, 256):
        means = images.reshape(3, 64, 4, 64, 4).mean(axis=(2, 4))
        np.testing.assert_allclose(got, means, atol=0.51)
    if shape == (32, 32):
        expected = cv2.resize(images[1], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(got[1], expected)


def test_wrong_input_is_refused(diagnoser, lesson) -> None:
    with pytest.raises(ValueError, match="nothing to tell"):
        Diagnoser(1)
    with pytest.raises(ValueError, match="multiple"):
        diagnoser.train(lesson[0][: BATCH + 1], lesson[1][: BATCH + 1], seed=0)
    with pytest.raises(ValueError, match="multiple"):
        diagnoser.train(lesson[0][:0], lesson[1][:0], seed=0)
    with pytest.raises(ValueError, match="multiple"):
        diagnoser.train(lesson[0][:BATCH], lesson[1][: 2 * BATCH], seed=0)
