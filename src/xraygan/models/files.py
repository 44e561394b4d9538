"""The published model: a generator as arrays and JSON, never as code.

`model/` holds `generator.safetensors` and `generator.json`. Nothing in either is executed;
the network is built by this package from bounded numbers, and every array must have the
shape that this network expects before it is used.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from xraygan.config import ModelSettings, Settings
from xraygan.errors import XrayganError
from xraygan.models.generator import build_generator
from xraygan.names import ClassName
from xraygan.runs import refusing_disk_faults, sha256_of, sync_folder, write_json, write_whole

WEIGHTS = "generator.safetensors"
DESCRIPTION = "generator.json"
NEXT = "next-generator.json"
"""The description of weights that are being replaced, until it has its own name."""
FORMAT = 4
"""1 had no displacement in its base, 2 no margin around its anatomy, 3 no calibration."""
MAX_DESCRIPTION_BYTES = 1 << 20


class ModelFile(Settings):
    """What `generator.json` says."""

    format: int = Field(FORMAT, ge=FORMAT, le=FORMAT)
    network: ModelSettings
    classes: tuple[ClassName, ...] = Field(min_length=1, max_length=4096)
    class_counts: tuple[Annotated[int, Field(ge=0, le=10**12)], ...]
    images_seen: int = Field(ge=0)
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    made_with: dict[str, str] = Field(default_factory=dict)
    notice: str = ""


@dataclass(frozen=True)
class Model:
    """A loaded generator and what is known of it."""

    generator: keras.Model
    description: ModelFile

    @property
    def sha256(self) -> str:
        """Hash of the weights: the model's identity in manifests."""
        return self.description.weights_sha256

    @property
    def trained_classes(self) -> tuple[int, ...]:
        """Numbers of the classes that the training images had: of others it knows nothing."""
        counts = enumerate(self.description.class_counts)
        return tuple(number for number, count in counts if count)

    def class_number(self, name: str) -> int:
        """The number of a class; a set of labels in any order.

        Raises:
            XrayganError: the model has no such class, or was trained on no image of it.
        """
        known = {self.description.classes[number]: number for number in self.trained_classes}
        if name in known:
            return known[name]
        if self.description.network.label_sets:
            for each, number in known.items():
                if sorted(each.split("+")) == sorted(name.split("+")):
                    return number
        raise XrayganError(f"--class {name}: the model was trained on {', '.join(known)}")


def save_model(folder: Path, generator: keras.Model, facts: dict[str, Any]) -> str:
    """Write the generator's weights and description.

    Args:
        folder: made where it does not exist.
        generator: the averaged generator, calibrated.
        facts: the fields of `ModelFile` but `weights_sha256`.

    Returns:
        SHA-256 of the weights file.
    """
    with refusing_disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    data = save({f"{n:03d}": np.asarray(w) for n, w in enumerate(generator.weights)})
    digest = hashlib.sha256(data).hexdigest()
    description = ModelFile.parse({**facts, "weights_sha256": digest}, "model")
    write_json(folder / NEXT, description.model_dump(mode="json"))
    write_whole(folder / WEIGHTS, data)
    with refusing_disk_faults(folder):
        (folder / NEXT).replace(folder / DESCRIPTION)
        sync_folder(folder)
    return digest


def copy_model(source: Path, folder: Path, sha256: str) -> None:
    """Copy a model's two files to a folder that is there.

    Raises:
        XrayganError: there is none, it is damaged, or its weights are no longer those of `sha256`.
    """
    found = _find_folder(source)
    data = (found / WEIGHTS).read_bytes()
    description = _described(found, data)
    if description.weights_sha256 != sha256:
        raise XrayganError(f"{found}: another model was written while it was read; try again")
    write_whole(folder / WEIGHTS, data)
    write_json(folder / DESCRIPTION, description.model_dump(mode="json"))


def is_whole(folder: Path) -> bool:
    """Whether `save_model` wrote both files of this folder to their end."""
    try:
        return _read_description(folder / DESCRIPTION).weights_sha256 == sha256_of(folder / WEIGHTS)
    except (XrayganError, OSError):
        return False


def load_model(path: Path) -> Model:
    """A generator from a run folder, a model folder, or either file in it.

    Raises:
        XrayganError: there is none, or it is not one of ours, damaged, or hostile.
    """
    folder = _find_folder(path)
    network = _read_description(folder / DESCRIPTION).network
    weights = folder / WEIGHTS
    generator = build_generator(network)
    expected = {f"{n:03d}": tuple(w.shape) for n, w in enumerate(generator.weights)}
    try:
        _check_shapes(weights, expected)
        data = weights.read_bytes()
        found = load(data)
    except (OSError, SafetensorError) as error:
        raise XrayganError(f"model {weights}: cannot be read ({error})") from None
    description = _described(folder, data)
    if description.network != network:
        raise XrayganError(f"model {folder}: was replaced while it was read; try again")
    arrays = [found[name] for name in expected]
    if not all(np.isfinite(array).all() for array in arrays):
        raise XrayganError(f"model {weights}: holds values that are not finite; not loaded")
    generator.set_weights(arrays)
    return Model(generator, description)


def _find_folder(path: Path) -> Path:
    if path.is_file():
        if path.name in (WEIGHTS, DESCRIPTION):
            return path.parent
        raise XrayganError(
            f"model {path}: only {WEIGHTS} with {DESCRIPTION} beside it is read; pickles, "
            ".h5 and .keras files can carry code and are refused"
        )
    for folder in (path, path / "model"):
        if (folder / WEIGHTS).is_file() and (folder / DESCRIPTION).is_file():
            return folder
    if not path.exists():
        raise XrayganError(f"model {path}: there is no such file or folder")
    raise XrayganError(
        f"model {path}: no {WEIGHTS} with {DESCRIPTION} in it; give a run folder "
        "(runs/00000-…) that has written its first snapshot"
    )


def _described(folder: Path, weights: bytes) -> ModelFile:
    """The description of these weights.

    They are replaced one after the other: whoever reads in between, or after a kill in between,
    finds the right one beside.

    Raises:
        XrayganError: there is none; the weights are not those that were written.
    """
    digest = hashlib.sha256(weights).hexdigest()
    for name in (DESCRIPTION, NEXT, DESCRIPTION):  # the one beside may have got its name just now
        if (folder / name).is_file():
            description = _read_description(folder / name)
            if description.weights_sha256 == digest:
                return description
    raise XrayganError(f"model {folder / WEIGHTS}: damaged (its hash does not match)")


def _read_description(path: Path) -> ModelFile:
    try:
        if path.stat().st_size > MAX_DESCRIPTION_BYTES:
            raise XrayganError(f"model {path}: larger than 1 MiB; not loaded")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise XrayganError(f"model {path}: cannot be read ({error})") from None
    if not isinstance(values, dict):
        raise XrayganError(f"model {path}: not a description of a model")
    description = ModelFile.parse(values, f"model {path}")
    lengths = {len(description.classes), len(description.class_counts)}
    if lengths != {description.network.num_classes} or not sum(description.class_counts):
        raise XrayganError(f"model {path}: its classes do not fit its network; not loaded")
    return description


def _check_shapes(path: Path, expected: dict[str, tuple[int, ...]]) -> None:
    """Compare the file's header with the network before a single array is read."""
    with safe_open(path, framework="numpy") as file:
        found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        if set(found) != set(expected):
            raise XrayganError(f"model {path}: its arrays are not those of its network")
        for name, shape in expected.items():
            if tuple(found[name].get_shape()) != shape or found[name].get_dtype() != "F32":
                raise XrayganError(
                    f"model {path}: array {name} is {found[name].get_shape()}, the network "
                    f"needs {shape}; not loaded"
                )
