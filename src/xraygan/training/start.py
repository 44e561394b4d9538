"""Where both networks begin: weights that were learnt on simulated films, never on a patient.

The files lie in `starts/`, one for each resolution that has one; `benchmarks/make_start.py`
makes them. They know one class, whose row stands for every class of the user's data.
"""

# Keras types neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from xraygan.config import ModelSettings
from xraygan.training.state import TrainState

_SHAPE = ("resolution", "generator_widths", "discriminator_widths")


def start_file(resolution: int) -> Path:
    """The package's own file for this side; it need not be there."""
    return Path(__file__).parent / "starts" / f"phantom-{resolution}.safetensors"


def set_start(state: TrainState, network: ModelSettings) -> dict[str, Any] | None:
    """Give the networks the weights that fit their shape.

    Args:
        state: fresh; its generator, its average and its discriminator are changed in place.
        network: their shape.

    Returns:
        What is known of the weights: "images" seen and "simulated_films" drawn. None where
        there are none for this resolution and preset, and the networks begin at random.
    """
    path = start_file(network.resolution)
    if not path.exists():
        return None
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["start"])
        if facts.pop("shape") != _shape(network):
            return None
        arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    for name, variable in _variables(state).items():
        variable.assign(_for_classes(arrays[name], variable.shape))
    state.average.set_weights(state.generator.get_weights())
    return facts


def start_sentence(facts: Mapping[str, Any] | None) -> str:
    """What `set_start` did: for the log and for who waits."""
    if facts is None:
        return "no start for this resolution and preset: the networks begin at random"
    return (
        f"the networks begin where {facts['images']:,} images of "
        f"{facts['simulated_films']:,} simulated films left them"
    )


def write_start(
    path: Path, state: TrainState, network: ModelSettings, facts: Mapping[str, int]
) -> None:
    """Write the averaged generator and the discriminator of a run of one class, as float16."""
    state.generator.set_weights(state.average.get_weights())
    arrays = {
        name: np.asarray(variable).astype(np.float16)
        for name, variable in _variables(state).items()
    }
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(save(arrays, {"start": json.dumps({"shape": _shape(network), **facts})}))


def _shape(network: ModelSettings) -> dict[str, Any]:
    return {name: network.model_dump(mode="json")[name] for name in _SHAPE}


def _variables(state: TrainState) -> dict[str, Any]:
    groups = {
        "generator": state.generator.trainable_variables,
        "discriminator": state.discriminator.trainable_variables,
    }
    return {
        f"{group}.{number:03d}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }


def _for_classes(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The one class's row, the first, once for each class that `shape` has room for."""
    more = shape[0] - len(array)
    return np.concatenate([np.repeat(array[:1], more, axis=0), array]) if more else array
