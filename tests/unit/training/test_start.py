from pathlib import Path

import numpy as np
import pytest

from studio_run import write_films
from xraygan.api import train
from xraygan.config import ModelSettings, TrainingSettings
from xraygan.presets import model_settings
from xraygan.training import start
from xraygan.training.start import (
    find_start,
    set_start,
    start_sentence,
    write_start,
)
from xraygan.training.state import TrainState

FACTS = {"images": 12_000, "simulated_films": 800}
CLASSES = {
    "one class": [["any"]],
    "three classes": [["a"], ["b"], ["c"]],
    "sets of labels": [["a"], ["a", "b"], ["b", "c"]],
}


def network_of(
    labels: list[list[str]], resolution: int = 64, preset: str = "base"
) -> ModelSettings:
    training = TrainingSettings(preset=preset)
    return model_settings(training, resolution, labels, 60, 60, "float32")


def state_of(network: ModelSettings, seed: int = 3) -> TrainState:
    return TrainState(network, TrainingSettings(seed=seed))


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("resolution", [64, 128, 256])
def test_the_packages_own_files_fit_whatever_the_classes(resolution: int, classes: str) -> None:
    network = network_of(CLASSES[classes], resolution)
    state = state_of(network)
    facts = set_start(state, network)
    assert facts is not None, "no file, or one of other networks: benchmarks/make_start.py"
    assert facts["images"] >= 10_000
    for generated, average in zip(state.generator.weights, state.average.weights, strict=True):
        assert np.array_equal(generated, average)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of random networks in place of the package's own."""
    path = tmp_path / "starts" / "own.safetensors"
    monkeypatch.setattr(start, "start_file", lambda _: path)
    network = network_of(CLASSES["one class"], 32)
    write_start(path, state_of(network, seed=9), network, FACTS)
    return path


def test_every_class_begins_as_the_one_that_was_learnt(own: Path) -> None:
    random = np.random.default_rng(0)
    image = random.normal(size=(1, 32, 32, 1)).astype(np.float32)
    one = network_of(CLASSES["one class"], 32)
    learnt = state_of(one)
    set_start(learnt, one)
    score = learnt.discriminator([image, np.ones((1, 1), np.float32)])
    three = network_of(CLASSES["three classes"], 32)
    state = state_of(three)
    assert set_start(state, three) == FACTS
    for condition in np.eye(3, dtype=np.float32):
        found = state.discriminator([image, condition[None]])
        assert np.allclose(found, score, atol=1e-5)
    film = drawn(state, three, np.eye(3, dtype=np.float32)[:1])
    assert np.array_equal(film, drawn(state, three, np.eye(3, dtype=np.float32)[2:]))


def test_a_film_of_several_labels_begins_as_that_one_class_too(own: Path) -> None:
    sets = network_of(CLASSES["sets of labels"], 32)
    state = state_of(sets)
    set_start(state, sets)
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype(np.float32)
    single, both = np.array([[1, 0, 0]], np.float32), np.array([[1, 1, 0]], np.float32)
    scores = [state.discriminator([image, condition]) for condition in (single, both)]
    assert np.allclose(*scores, atol=1e-5)
    assert np.array_equal(drawn(state, sets, single), drawn(state, sets, both))


def drawn(state: TrainState, network: ModelSettings, condition: np.ndarray) -> np.ndarray:
    """One film; nothing is in the base, so that the condition speaks through the refiner alone."""
    side = network.resolution
    noise = np.random.default_rng(1).normal(size=(1, side, side, 1)).astype(np.float32)
    return np.asarray(state.generator([np.zeros((1, network.latent)), noise, condition]))


def test_what_is_written_is_the_average(own: Path) -> None:
    network = network_of(CLASSES["one class"], 32)
    written, read = state_of(network, seed=5), state_of(network, seed=6)
    for variable in written.average.trainable_variables:
        variable.assign(0 * variable + 0.25)
    write_start(own, written, network, FACTS)
    set_start(read, network)
    found = start._variables(read)
    assert np.all(np.asarray(found.pop(start._BIAS)) == 0.5), "the bias, and the one class's row"
    assert np.all(np.asarray(found.pop(start._KNOWN))[1:] == 0.25)
    made = [np.asarray(value) for name, value in found.items() if name.startswith("generator")]
    assert made and all(np.all(value == 0.25) for value in made)


def test_networks_of_another_shape_begin_at_random(own: Path) -> None:
    network = network_of(CLASSES["one class"], 32, "small")
    state, untouched = state_of(network), state_of(network)
    assert set_start(state, network) is None
    own.unlink()
    network = network_of(CLASSES["one class"], 32)
    assert set_start(state_of(network), network) is None
    pairs = zip(state.generator.weights, untouched.generator.weights, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_the_log_says_where_the_networks_begin() -> None:
    assert start_sentence(FACTS).endswith("12,000 images of 800 simulated films left them")
    assert "at random" in start_sentence(None)


def test_at_256_the_discriminator_judges_as_at_128_and_a_finer_stage_is_left_to_learn() -> None:
    small, large = network_of(CLASSES["one class"], 128), network_of(CLASSES["one class"], 256)
    learnt, state = state_of(small), state_of(large)
    set_start(learnt, small)
    set_start(state, large, learnt_at=128)
    image = np.random.default_rng(0).normal(size=(2, 128, 128, 1)).astype(np.float32)
    enlarged = image.repeat(2, axis=1).repeat(2, axis=2)
    condition = np.ones((2, 1), np.float32)
    expected = learnt.discriminator([image, condition])
    assert np.allclose(state.discriminator([enlarged, condition]), expected, rtol=1e-3, atol=1e-3)
    known = np.asarray(start._variables(state)[start._KNOWN])
    assert not known[1].any(), "the strength of the band that is new"
    assert known[2].any()
    noise = np.random.default_rng(1).normal(size=(1, 256, 256, 1)).astype(np.float32)
    halved = noise.reshape(1, 128, 2, 128, 2, 1).mean(axis=(2, 4)) * 2
    z, one = np.zeros((1, large.latent), np.float32), condition[:1]
    coarse = np.asarray(learnt.generator([z, halved, one]))
    fine = np.asarray(state.generator([z, noise, one]))
    assert np.abs(fine.reshape(1, 128, 2, 128, 2, 1).mean(axis=(2, 4)) - coarse).mean() < 0.01


def test_weights_that_fit_are_found_before_anything_is_built() -> None:
    assert find_start(network_of(CLASSES["one class"], 128)) == start.start_file(128)
    assert find_start(network_of(CLASSES["one class"], 256)) == start.start_file(128)
    assert find_start(network_of(CLASSES["one class"], 32)) is None
    assert find_start(network_of(CLASSES["one class"], 64, preset="small")) is None


@pytest.mark.parametrize("choice", ["auto", "phantom", "random"])
def test_a_run_begins_as_told(own: Path, tmp_path: Path, choice: str) -> None:
    run = train(
        write_films(tmp_path / "films"),
        run_dir=tmp_path / "run",
        resolution=32,
        kimg=0.008,
        start=choice,
        device="cpu",
    )
    assert run.config["start"] == (None if choice == "random" else FACTS)
