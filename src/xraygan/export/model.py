"""The generator alone, in the forms that others run: ONNX and Keras, checked against ours."""

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions
from xraygan.models.files import Model
from xraygan.models.generator import build_generator
from xraygan.models.memory import refusing_memory_faults
from xraygan.models.sample import CHUNK, drawn, latents, to_grey
from xraygan.runs import replacing
from xraygan.version import __version__

ONNX, KERAS = "generator.onnx", "generator.keras"
CHECKED = 100
"""Seeds on which an exported model is compared with ours."""


@dataclass(frozen=True)
class Difference:
    """How far an exported model is from the Keras generator in float32, over `CHECKED` seeds.

    Attributes:
        output: largest absolute difference, where black is -1 and white is 1.
        grey_levels: largest difference of the 8-bit images.
    """

    output: float
    grey_levels: int


def in_float32(model: Model) -> keras.Model:
    """The same generator computing in float32, whatever it was trained in."""
    network = model.description.network.model_copy(update={"compute_dtype": "float32"})
    generator = build_generator(network)
    generator.set_weights(model.generator.get_weights())
    return generator


def require_onnx() -> None:
    """See that ONNX can be written, before anything is.

    Raises:
        XrayganError: the extra is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401  (what Keras writes it with)
    except ModuleNotFoundError as error:
        raise XrayganError(
            f"ONNX needs an extra ({error.name}): pip install 'xraygan[onnx]', or say which forms "
            "are wanted with --format safetensors"
        ) from None


def provenance(model: Model, stated: dict[str, str | None]) -> dict[str, Any]:
    """What `provenance.json` says of an exported model; `stated` is what its owner says."""
    return {
        "form": "model",
        "notice": model.description.notice,
        "classes": list(model.description.classes),
        "model_sha256": model.sha256,
        **stated,
        "made_with": f"xraygan {__version__}",
    }


def write_onnx(model: Model, path: Path) -> Difference:
    """Write an ONNX file of inputs z, noise and condition and one image, and check it.

    Its metadata have, as JSON, "classes": their names, and "conditions": what to give as condition
    for each, [classes, labels].

    Raises:
        XrayganError: the extra is not installed, or the file does not do what the model does.
    """
    require_onnx()
    import onnx
    import onnxruntime

    generator = in_float32(model)
    generator(_inputs(model, range(1)))  # Keras exports what has been called
    with replacing(path) as partial:
        with warnings.catch_warnings():  # Keras 3.15 asks NumPy for a name that will change
            warnings.simplefilter("ignore", FutureWarning)
            generator.export(partial, format="onnx", verbose=False)
        written = onnx.load(partial)
        onnx.helper.set_model_props(written, _metadata(model))
        onnx.save(written, partial)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(os.fspath(partial), options)

        def run(inputs: list[np.ndarray]) -> np.ndarray:
            names = ("z", "noise", "condition")
            return np.asarray(session.run(None, dict(zip(names, inputs, strict=True)))[0])

        return _compared(model, generator, run)


def write_keras(model: Model, path: Path) -> Difference:
    """Write a `.keras` file, and check what Keras reads from it.

    It names layers of this package: whoever reads it imports `xraygan.models.generator` before. No
    code is in it.
    """
    generator = in_float32(model)
    with replacing(path) as partial:
        generator.save(partial)
        again: keras.Model = keras.saving.load_model(partial, compile=False, safe_mode=True)  # pyright: ignore[reportAssignmentType]
        return _compared(
            model, generator, lambda inputs: np.asarray(again.predict_on_batch(inputs))
        )


def _compared(model: Model, generator: keras.Model, run: Any) -> Difference:
    inputs = _inputs(model, range(CHECKED))
    ours = drawn(generator, inputs)
    parts = ([v[start : start + CHUNK] for v in inputs] for start in range(0, CHECKED, CHUNK))
    with refusing_memory_faults("checking the exported model"):
        theirs = np.concatenate([run(part) for part in parts])
    grey = np.abs(to_grey(ours).astype(int) - to_grey(theirs).astype(int))
    found = Difference(float(np.abs(ours - theirs).max()), int(grey.max()))
    if found.grey_levels > 1:
        raise XrayganError(
            f"the exported model differs from ours by {found.grey_levels} grey levels: not "
            "written; --format safetensors is the model itself"
        )
    return found


def _metadata(model: Model) -> dict[str, str]:
    """Of the classes that the generator has learnt, in the order in which they take turns."""
    trained = list(model.trained_classes)
    conditions = class_conditions(model.description.network)[trained].astype(int).tolist()
    classes = [model.description.classes[number] for number in trained]
    return {
        "classes": json.dumps(classes, ensure_ascii=False),
        "conditions": json.dumps(conditions),
    }


def _inputs(model: Model, seeds: range) -> list[np.ndarray]:
    """Image 0 of each seed, the classes in turn."""
    network = model.description.network
    drawn = [latents(network, seed, 0) for seed in seeds]
    condition = class_conditions(network)
    return [
        np.stack([z for z, _ in drawn]),
        np.stack([noise for _, noise in drawn]),
        condition[np.arange(len(seeds)) % network.num_classes],
    ]
