import numpy as np
import pytest

from xraygan.config import ModelSettings, TrainingSettings
from xraygan.errors import XrayganError
from xraygan.training.base import fit_base
from xraygan.training.state import TrainState

TRAINING = TrainingSettings(batch=4, seed=1)


@pytest.fixture(scope="module")
def arrays(tiny: ModelSettings) -> dict[str, np.ndarray]:
    """A state in which every number is another."""
    state = TrainState(tiny, TRAINING)
    random = np.random.default_rng(0)
    made = {
        name: np.asarray(random.uniform(0.1, 1, array.shape)).astype(array.dtype)
        for name, array in state.to_arrays().items()
    }
    made["images_seen"] = np.array(2**40, np.int64)
    return made


@pytest.fixture(scope="module")
def state(tiny: ModelSettings) -> TrainState:
    return TrainState(tiny, TRAINING)


def test_round_trip(state: TrainState, arrays: dict[str, np.ndarray]) -> None:
    state.from_arrays(arrays)
    back = state.to_arrays()
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array), name


def test_everything_that_training_changes_is_in_it(state: TrainState) -> None:
    kept = {id(variable) for variable in state._variables().values()}
    for network in (state.generator, state.discriminator):
        assert {id(weight) for weight in network.weights} <= kept
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        assert {id(variable) for variable in optimizer.variables} <= kept
    assert {id(weight) for weight in state.average.trainable_variables} <= kept


def test_the_average_keeps_the_generators_base(
    state: TrainState, arrays: dict[str, np.ndarray]
) -> None:
    state.from_arrays(arrays)
    pairs = zip(state.average.weights, state.generator.weights, strict=True)
    frozen = [(a, g) for a, g in pairs if not a.trainable]
    assert len(frozen) == 4
    assert all(np.array_equal(a, g) for a, g in frozen)


def test_set_base_reaches_both_generators(tiny: ModelSettings, state: TrainState) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 32, 32), np.uint8)
    base = fit_base(images, np.eye(2, dtype=np.float32)[np.arange(20) % 2], tiny)
    state.set_base(base)
    for network in (state.generator, state.average):
        layer = network.get_layer("base")
        assert all(np.array_equal(getattr(layer, name), value) for name, value in base.items())
    weights = zip(state.generator.weights, state.average.weights, strict=True)
    assert all(np.array_equal(g, a) for g, a in weights)


def test_other_settings_are_refused(state: TrainState, arrays: dict[str, np.ndarray]) -> None:
    less = {name: array for name, array in arrays.items() if name != "generator.005"}
    for wrong in (less, arrays | {"generator.999": np.zeros(1)}):
        with pytest.raises(XrayganError, match=r"'generator\.\d+' is not in both"):
            state.from_arrays(wrong)
    with pytest.raises(XrayganError, match=r"'generator\.005' has shape"):
        state.from_arrays(arrays | {"generator.005": np.zeros((1, 2, 3), np.float32)})
