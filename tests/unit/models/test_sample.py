import keras
import numpy as np
import pytest
import tensorflow as tf

from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.models.generator import build_generator
from xraygan.models.sample import CHUNK, drawn, latents, sample, to_grey


@pytest.fixture(scope="module")
def generator(tiny: ModelSettings) -> keras.Model:
    made = build_generator(tiny)
    random = np.random.default_rng(0)
    for weight in made.get_layer("base").weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    return made


@pytest.fixture(scope="module")
def image_17(generator: keras.Model, tiny: ModelSettings) -> np.ndarray:
    return sample(generator, tiny, 3, [17], [1])[0]


def test_image_17_is_image_17_in_any_company(
    generator: keras.Model, tiny: ModelSettings, image_17: np.ndarray
) -> None:
    indices = np.arange(100)
    labels = indices % 2
    among = sample(generator, tiny, 3, indices.tolist(), labels.tolist())
    assert among.dtype == np.uint8
    assert among.shape == (100, 32, 32)
    assert np.array_equal(among[17], image_17)

    order = np.random.default_rng(0).permutation(100)
    shuffled = sample(generator, tiny, 3, order.tolist(), labels[order].tolist())
    assert np.array_equal(shuffled, among[order])

    part = sample(generator, tiny, 3, range(15, 60), (np.arange(15, 60) % 2).tolist())
    assert np.array_equal(part, among[15:60])


def test_one_index_twice_in_two_classes(
    generator: keras.Model, tiny: ModelSettings, image_17: np.ndarray
) -> None:
    first, second, third = sample(generator, tiny, 3, [17, 17, 17], [0, 1, 1])
    assert np.array_equal(second, image_17)
    assert np.array_equal(third, image_17)
    assert not np.array_equal(first, image_17)


def test_other_seeds_and_indices_are_other_images(
    generator: keras.Model, tiny: ModelSettings, image_17: np.ndarray
) -> None:
    other_index = sample(generator, tiny, 3, [17 + CHUNK, 18], [1, 1])
    other_seed = sample(generator, tiny, 4, [17], [1])
    for image in (*other_index, *other_seed):
        assert not np.array_equal(image, image_17)


def test_no_images(generator: keras.Model, tiny: ModelSettings) -> None:
    assert sample(generator, tiny, 0, [], []).shape == (0, 32, 32)


def greedy(*_: object) -> None:
    tf.random.stateless_normal([2**23, 2**23], [1, 2])


def no_room(*_: object) -> None:
    raise tf.errors.InternalError(None, None, "Dst tensor\nis not initialized.")


@pytest.mark.parametrize(("fault", "words"), [(greedy, "OOM when"), (no_room, "Dst tensor is not")])
def test_a_lack_of_memory_is_one_clear_line(
    generator: keras.Model, tiny: ModelSettings, monkeypatch, fault, words: str
) -> None:
    monkeypatch.setattr(generator, "predict_on_batch", fault)
    said = rf"^out of memory drawing 32 images at once \({words}[^\n]*\): close other programs"
    with pytest.raises(XrayganError, match=said):
        sample(generator, tiny, 3, [17], [1])
    with pytest.raises(XrayganError, match=said):
        drawn(generator, [np.zeros((CHUNK, 8), np.float32)])


def test_latents_are_standard_normal_and_independent(tiny: ModelSettings) -> None:
    parts = [latents(tiny, 0, index) for index in range(300)]
    z = np.stack([part[0] for part in parts])
    noise = np.stack([part[1] for part in parts])
    assert z.dtype == noise.dtype == np.float32
    assert noise.shape == (300, 32, 32, 1)
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(noise.std() - 1) < 5 / np.sqrt(noise.size)
    correlation = np.corrcoef(noise.reshape(300, -1)) - np.eye(300)
    assert np.abs(correlation).max() < 6 / 32
    assert latents(tiny, 2**31, 2**62)[0].shape == (8,), "the largest numbers that can be asked"


def test_export_rounds_and_clips() -> None:
    values = np.array([-9, -1, 0, 1, 9, -1 + 1.4 / 127.5], np.float32).reshape(1, 1, 6, 1)
    assert to_grey(values).ravel().tolist() == [0, 0, 128, 255, 255, 1]
