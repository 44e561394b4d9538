"""The generator in other forms draws what ours draws."""

import dataclasses
import json
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.export import model as export
from xraygan.models.files import Model, ModelFile
from xraygan.models.generator import build_generator
from xraygan.sampling.generate import generate_arrays
from xraygan.sampling.request import Request

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "onnx_generate.py"


def made(settings: ModelSettings, classes: tuple[str, ...] = ("A", "B")) -> Model:
    generator = build_generator(settings)
    random = np.random.default_rng(0)
    for weight in generator.weights:
        weight.assign(random.normal(0, 0.1, weight.shape))
    counts = (1,) * len(classes)
    facts = {"network": settings, "classes": classes, "class_counts": counts, "images_seen": 9}
    return Model(generator, ModelFile.parse({**facts, "weights_sha256": "ab" * 32}, "test"))


@pytest.fixture(scope="module", params=[(32, "float32"), (128, "bfloat16")], ids=["32", "128"])
def model(request, tiny: ModelSettings) -> Model:
    side, dtype = request.param
    return made(tiny.model_copy(update={"resolution": side, "compute_dtype": dtype}))


def test_onnx(model: Model, tmp_path: Path) -> None:
    difference = export.write_onnx(model, tmp_path / "g.onnx")
    assert difference.output < 1e-4
    assert difference.grey_levels <= 1
    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"))
    shapes = {tensor.name: tensor.shape[1:] for tensor in session.get_inputs()}
    side = model.description.network.resolution
    assert shapes == {"z": [8], "noise": [side, side, 1], "condition": [2]}
    assert [path.name for path in tmp_path.iterdir()] == ["g.onnx"]


def test_keras(model: Model, tmp_path: Path) -> None:
    difference = export.write_keras(model, tmp_path / "g.keras")
    assert difference.output == 0
    reads = "import sys, keras, xraygan.models.generator as _; "
    reads += "print(keras.saving.load_model(sys.argv[1], compile=False).count_params())"
    command = [sys.executable, "-c", reads, str(tmp_path / "g.keras")]
    read = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(read.stdout) == model.generator.count_params()


def test_what_differs_is_not_written(model: Model, tmp_path: Path, monkeypatch) -> None:
    plain = export.in_float32

    def other(model: Model) -> keras.Model:
        generator = plain(model)
        predict = generator.predict_on_batch
        generator.predict_on_batch = lambda inputs: predict(inputs) + 0.02
        return generator

    monkeypatch.setattr(export, "in_float32", other)
    with pytest.raises(XrayganError, match="differs from ours by"):
        export.write_keras(model, tmp_path / "g.keras")
    assert not list(tmp_path.iterdir()), "nor a part of it"


def test_the_example_draws_our_pictures(tiny: ModelSettings, tmp_path: Path, monkeypatch) -> None:
    draws_ours(made(tiny), tmp_path, monkeypatch)
    assert len(EXAMPLE.read_text().splitlines()) <= 35


def test_the_example_draws_classes_that_are_sets_of_labels(
    tiny: ModelSettings, tmp_path: Path, monkeypatch, capsys
) -> None:
    sets = {"num_classes": 3, "label_sets": ((0,), (0, 1), (2, 3))}
    model = made(tiny.model_copy(update=sets), ("A", "A+B", "C+ü"))
    draws_ours(model, tmp_path, monkeypatch)
    assert "classes in turn: A, A+B, C+ü" in capsys.readouterr().out
    said = onnxruntime.InferenceSession(str(tmp_path / "g.onnx")).get_modelmeta()
    assert json.loads(said.custom_metadata_map["classes"]) == ["A", "A+B", "C+ü"]
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]
    assert json.loads(said.custom_metadata_map["conditions"]) == expected


def test_the_example_draws_no_class_that_was_not_trained_on(
    tiny: ModelSettings, tmp_path: Path, monkeypatch, capsys
) -> None:
    model = made(tiny)
    description = model.description.model_copy(update={"class_counts": (0, 5)})
    draws_ours(dataclasses.replace(model, description=description), tmp_path, monkeypatch)
    assert capsys.readouterr().out.strip().endswith(f"in turn: {model.description.classes[1]}")


def draws_ours(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export.write_onnx(model, tmp_path / "g.onnx")
    monkeypatch.setattr(
        sys, "argv", ["onnx_generate.py", str(tmp_path / "g.onnx"), "5", str(tmp_path / "i.npy")]
    )
    runpy.run_path(str(EXAMPLE))
    ours, _ = generate_arrays(model, Request(5))
    difference = np.load(tmp_path / "i.npy").astype(int) - ours
    assert np.abs(difference).max() <= 1


def test_the_example_needs_nothing_else() -> None:
    code = EXAMPLE.read_text().replace("main(sys.argv", "print(sorted(sys.modules)) #")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'onnxruntime'" in ended.stdout
    assert "'tensorflow'" not in ended.stdout
    assert "'xraygan'" not in ended.stdout
