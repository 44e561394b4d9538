"""Where both networks begin: weights that were learnt on simulated films, never on a patient.

The files lie in `starts/`; `benchmarks/make_start.py` makes them. They know one class, whose row
stands for every class of the user's data. The networks of 256² are those of 128² with one finer
stage in the generator and finer patches under the discriminator: where there are no weights of
their own they begin with the coarser ones.
"""

# Keras types neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from xraygan.config import ModelSettings
from xraygan.training.state import TrainState

_WIDTHS = ("generator_widths", "discriminator_widths")
_KNOWN = "generator.dense.00.kernel"
_BIAS = "generator.dense.00.bias"
_CLASSES = "discriminator.class_embedding.00.kernel"
_STEM = "discriminator.conv2d.00.kernel"


def start_file(resolution: int) -> Path:
    """The package's own file of weights learnt at this side; it need not be there."""
    return Path(__file__).parent / "starts" / f"phantom-{resolution}.safetensors"


def find_start(network: ModelSettings, learnt_at: int | None = None) -> Path | None:
    """The file of weights that fit these networks; None where there is none.

    Args:
        network: their shape.
        learnt_at: as for `set_start`.
    """
    sides = [learnt_at] if learnt_at else [network.resolution, network.resolution // 2]
    path = next((file for file in map(start_file, sides) if file.exists()), None)
    return path if path is not None and _facts(path)["widths"] == _widths(network) else None


def set_start(
    state: TrainState, network: ModelSettings, learnt_at: int | None = None
) -> dict[str, Any] | None:
    """Give the networks the weights that fit their shape; what is finer stays as it is.

    Args:
        state: fresh; its generator, its average and its discriminator are changed in place.
        network: their shape.
        learnt_at: resolution of the weights: the network's own or half of it. None: the
            network's own where there are such, or else half.

    Returns:
        What is known of the weights: "images" seen and "simulated_films" drawn. None where
        there are none for this resolution and preset, and the networks begin at random.
    """
    path = find_start(network, learnt_at)
    if path is None:
        return None
    facts = {name: value for name, value in _facts(path).items() if name != "widths"}
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    # The one class that was learnt is what every film is, whatever labels it has.
    arrays[_BIAS] = arrays[_BIAS] + arrays[_KNOWN][0]
    arrays[_KNOWN][0] = 0
    variables = _variables(state)
    for name, array in arrays.items():
        variables[name].assign(_fitted(name, array, variables[name].shape, network))
    _silence_finer_stage(set(variables) - set(arrays), variables)
    state.average.set_weights(state.generator.get_weights())
    return facts


def start_sentence(facts: Mapping[str, Any] | None) -> str:
    """What `set_start` did: for the log and for who waits."""
    if facts is None:
        return "the networks begin at random"
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
    path.write_bytes(save(arrays, {"start": json.dumps({"widths": _widths(network), **facts})}))


def _facts(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["start"])


def _widths(network: ModelSettings) -> dict[str, Any]:
    return {name: network.model_dump(mode="json")[name] for name in _WIDTHS}


def _variables(state: TrainState) -> dict[str, keras.Variable]:
    """What is learnt, by network, layer in the order in which layers were built, and kind."""
    return {
        f"{network.name}.{kind}.{number:02d}.{variable.name}": variable
        for network in (state.generator, state.discriminator)
        for kind, layers in _built_layers(network).items()
        for number, layer in enumerate(layers)
        for variable in layer.trainable_variables
    }


def _built_layers(network: keras.Model) -> dict[str, list[keras.Layer]]:
    """Layers by the name that Keras numbers on, each kind in the order of the numbers.

    A network's own order goes by the longest way to the output, and a finer stage changes it.
    """
    numbered: dict[str, list[tuple[int, keras.Layer]]] = {}
    for layer in network.layers:
        kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name).groups()  # pyright: ignore[reportOptionalMemberAccess]
        numbered.setdefault(kind, []).append((int(number or 0), layer))
    return {
        kind: [layer for _, layer in sorted(layers, key=lambda each: each[0])]
        for kind, layers in numbered.items()
    }


def _fitted(
    name: str, array: np.ndarray, shape: tuple[int, ...], network: ModelSettings
) -> np.ndarray:
    """One array for other classes, or for the next resolution."""
    if name == _CLASSES:
        return np.repeat(array, network.num_labels, axis=0)
    if name == _KNOWN:  # rows: labels, then strengths of bands of detail, the finest first
        finer = shape[0] - network.num_labels - (len(array) - 1)
        unseen = np.zeros((finer, array.shape[1]), np.float32)
        return np.concatenate([np.repeat(array[:1], network.num_labels, axis=0), unseen, array[1:]])
    if name == _STEM and array.shape != tuple(shape):
        return _on_finer_patches(array)
    return array


def _silence_finer_stage(unseen: set[str], variables: Mapping[str, keras.Variable]) -> None:
    """Let a stage that nothing is known of add nothing to the film at first: its last kernel."""
    kernels = [name for name in unseen if name.startswith("generator.conv2d.")]
    kernels = [name for name in kernels if name.endswith(".kernel")]
    if kernels:
        last = variables[max(kernels)]
        last.assign(np.zeros(last.shape, np.float32))


def _on_finer_patches(kernel: np.ndarray) -> np.ndarray:
    """[k, k, f * f, w] to [k, k, 4 f * f, w]: the same of films averaged to half their side."""
    k, _, channels, width = kernel.shape
    side = round(channels**0.5)
    patches = kernel.reshape(k, k, side, side, width)
    finer = patches.repeat(2, axis=2).repeat(2, axis=3) / 4
    return finer.reshape(k, k, 4 * channels, width)
