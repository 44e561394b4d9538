"""What a run's discriminator says of films, as the audit asks it."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from xraygan.config import ModelSettings, TrainingSettings
from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions
from xraygan.runs import write_json
from xraygan.sets import ImageSet
from xraygan.training.checkpoint import Checkpoint, save_checkpoint
from xraygan.training.scores import discriminator_scores
from xraygan.training.state import TrainState
from xraygan.training.trainer import Trainer, TrainingData

CLASSES = ("A", "B")


def films(count: int, seed: int, classes: tuple[str, ...] = CLASSES) -> ImageSet:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32), dtype=np.uint8)
    labels = np.arange(count, dtype=np.int32) % 2
    return ImageSet.of_nobody(images, labels, classes)


@pytest.fixture(scope="module")
def state(tiny: ModelSettings) -> TrainState:
    """After some steps on films of noise."""
    settings = TrainingSettings(augmentation=0.0, gamma=0.1)
    state, known = TrainState(tiny, settings), films(16, 0)
    data = TrainingData(known.images, known.labels, class_conditions(tiny))
    Trainer(state, settings, data).run(60, 4000)
    return state


@pytest.fixture
def run(tmp_path: Path, tiny: ModelSettings, state: TrainState) -> Path:
    config = {
        "settings": {"data": {}, "training": {}},
        "model": tiny.model_dump(mode="json"),
        "data": {"classes": list(CLASSES), "counts": {}, "fingerprint": ""},
        "versions": {},
    }
    write_json(tmp_path / "config.json", config)
    (tmp_path / "checkpoints").mkdir()
    arrays = state.to_arrays()
    save_checkpoint(tmp_path / "checkpoints", Checkpoint(480, arrays, {}))
    return tmp_path


def test_the_scores_are_those_of_the_network(
    run: Path, tiny: ModelSettings, state: TrainState
) -> None:
    asked = films(5, 1)
    [scores] = discriminator_scores(run, asked)
    pixels = asked.images[..., None].astype(np.float32) / 127.5 - 1
    conditions = class_conditions(tiny)[asked.labels]
    np.testing.assert_allclose(
        scores, np.asarray(state.discriminator([pixels, conditions]))[:, 0], rtol=1e-5
    )
    turned = films(5, 1, ("B", "A"))
    assert not np.allclose(discriminator_scores(run, turned)[0], scores), "the class counts"


def test_the_higher_the_more_real(run: Path) -> None:
    flat = ImageSet.of_nobody(np.full((8, 32, 32), 128, np.uint8), films(8, 0).labels, CLASSES)
    known, others = discriminator_scores(run, films(16, 0), flat)
    assert known.min() > others.max()


def test_a_lack_of_memory_is_one_clear_line(run: Path, monkeypatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        tf.random.stateless_normal([2**23, 2**23], [1, 2])

    monkeypatch.setattr(keras.Model, "__call__", greedy, raising=False)
    with pytest.raises(XrayganError, match=r"about 5 images at once .*\(CUDA_VISIBLE"):
        discriminator_scores(run, films(5, 1))


def test_classes_without_an_image_are_not_asked_about(run: Path) -> None:
    more = films(4, 2, ("A", "B", "made elsewhere"))
    assert len(discriminator_scores(run, more)[0]) == 4
    unknown = ImageSet(more.images, more.labels + 1, more.patients, more.classes)
    with pytest.raises(XrayganError, match="not made elsewhere"):
        discriminator_scores(run, unknown)


def test_a_checkpoint_of_other_networks_is_not_asked(run: Path, state: TrainState) -> None:
    own = state.to_arrays()
    other = {**own, "discriminator.000": np.zeros((3, 3), np.float32)}
    fewer = {name: array for name, array in own.items() if name != "discriminator.000"}
    for seen, arrays in ((488, other), (496, fewer)):
        save_checkpoint(run / "checkpoints", Checkpoint(seen, arrays, {}))
        with pytest.raises(XrayganError, match="of other networks than this version builds"):
            discriminator_scores(run, films(2, 0))


def test_what_cannot_be_asked(run: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayganError, match="no run folder"):
        discriminator_scores(tmp_path / "nothing", films(2, 0))
    large = ImageSet.of_nobody(np.zeros((2, 64, 64), np.uint8), np.zeros(2, np.int32), CLASSES)
    with pytest.raises(XrayganError, match="give --resolution 32"):
        discriminator_scores(run, large)
    for path in sorted((run / "checkpoints").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(XrayganError, match="no whole checkpoint"):
        discriminator_scores(run, films(2, 0))
