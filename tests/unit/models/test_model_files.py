"""The published model: what is saved comes back, and nothing else is let in."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.models import files
from xraygan.models.files import (
    DESCRIPTION,
    FORMAT,
    WEIGHTS,
    copy_model,
    is_whole,
    load_model,
    save_model,
)
from xraygan.models.generator import build_generator
from xraygan.models.sample import sample


def facts_of(settings: ModelSettings, **changed: Any) -> dict[str, Any]:
    facts = {
        "network": settings,
        "classes": ("NORMAL", "Bakterielle Pneumonie — 肺炎"),
        "class_counts": (30, 70),
        "images_seen": 640,
    }
    return facts | changed


@pytest.fixture(scope="module")
def original(tiny: ModelSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    generator = build_generator(tiny)
    random = np.random.default_rng(0)
    for weight in generator.get_layer("base").weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    save_model(run / "model", generator, facts_of(tiny))
    np.save(run / "images.npy", sample(generator, tiny, 5, range(6), [0, 1] * 3))
    return run


@pytest.fixture
def model(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original / "model", tmp_path / "model"))


@pytest.mark.parametrize("part", ["", "model", f"model/{WEIGHTS}", f"model/{DESCRIPTION}"])
def test_what_is_saved_comes_back(original: Path, part: str) -> None:
    loaded = load_model(original / part)
    network = loaded.description.network
    images = sample(loaded.generator, network, 5, range(6), [0, 1] * 3)
    assert np.array_equal(images, np.load(original / "images.npy"))
    assert loaded.description.classes[1] == "Bakterielle Pneumonie — 肺炎"
    assert loaded.sha256 == hashlib.sha256((original / "model" / WEIGHTS).read_bytes()).hexdigest()


def test_saving_needs_a_folder_that_can_be_written(tiny: ModelSettings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(XrayganError, match="cannot be written"):
        save_model(tmp_path / "file" / "model", build_generator(tiny), facts_of(tiny))


class Bomb:
    """Unpickling it would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.trace,))


def test_a_pickle_by_our_name_is_refused_unread(model: Path, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    (model / WEIGHTS).write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(XrayganError, match="cannot be read"):
        load_model(model)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.pkl", "weights.safetensors"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(XrayganError, match="can carry code and are refused"):
        load_model(tmp_path / name)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(XrayganError, match="no such file or folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(XrayganError, match="give a run folder"):
        load_model(tmp_path)


def edit(model: Path, change: Callable[[dict], object]) -> None:
    file = model / DESCRIPTION
    values = json.loads(file.read_text(encoding="utf-8"))
    change(values)
    file.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent", 10**9),
        ("latent", 0),
        ("latent", "8; import os"),
        ("generator_widths", [10**6] * 4),
        ("generator_widths", [8] * 5),
        ("generator_widths", [8, 8, 8, 0]),
        ("discriminator_widths", []),
        ("discriminator_widths", [8] * 1000),
        ("num_classes", 10**9),
        ("num_classes", -1),
        ("resolution", 4096),
        ("resolution", 65536),
        ("noise_scale", float("nan")),
        ("noise_scale", float("inf")),
        ("compute_dtype", "float64"),
        ("surprise", 1),
    ],
)
def test_shape_bombs_are_refused_before_a_network_is_built(
    model: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(files, "build_generator", lambda *_: pytest.fail("it was built"))
    edit(model, lambda values: values["network"].update({name: value}))
    with pytest.raises(XrayganError, match=name):
        load_model(model)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "", "\0", "..", ".", "a\nb", "C:", "x" * 201]
)
def test_class_names_that_are_no_folder_names(model: Path, name: str) -> None:
    edit(model, lambda values: values.update(classes=["NORMAL", name]))
    with pytest.raises(XrayganError, match="classes"):
        load_model(model)


@given(name=st.text(max_size=130))
def test_a_class_name_is_refused_or_stays_in_its_folder(name: str) -> None:
    values = {
        "network": {
            "resolution": 32,
            "num_classes": 1,
            "latent": 1,
            "generator_widths": [8] * 4,
            "discriminator_widths": [8],
        },
        "classes": [name],
        "class_counts": [1],
        "images_seen": 0,
        "weights_sha256": "0" * 64,
    }
    try:
        accepted = files.ModelFile.parse(values, "test").classes[0]
    except XrayganError:
        return
    folder = Path("out")
    assert (folder / accepted).parent == folder
    assert (folder / accepted).name == accepted


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["ONE"]},
        {"class_counts": [1]},
        {"class_counts": [1, -1]},
        {"class_counts": [0, 0]},
        {"class_counts": [1, 10**400]},
        {"format": 1},
        {"format": FORMAT + 1},
        {"weights_sha256": "abc"},
        {"images_seen": -1},
        {"made_with": {"a": {"b": "c"}}},
    ],
)
def test_descriptions_that_do_not_fit(model: Path, change: dict) -> None:
    edit(model, lambda values: values.update(change))
    with pytest.raises(XrayganError, match="model"):
        load_model(model)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b'"generator"',
        b"{",
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"notice": "' + b"x" * (1 << 20) + b'"}',
    ],
    ids=["empty", "list", "null", "string", "cut", "utf-16", "deep list", "deep dict", "1 MiB"],
)
def test_json_bombs(model: Path, text: bytes) -> None:
    (model / DESCRIPTION).write_bytes(text)
    with pytest.raises(XrayganError) as refused:
        load_model(model)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("depth", [50, 300, 600, 900, 1500])
def test_nesting_where_a_number_belongs(model: Path, depth: int) -> None:
    text = '{"images_seen":' + "[" * depth + "]" * depth + "}"
    (model / DESCRIPTION).write_text(text, encoding="utf-8")
    with pytest.raises(XrayganError) as refused:
        load_model(model)
    assert len(str(refused.value)) < 1000


def rewrite(model: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Change the arrays, with a hash to match: what an attacker would do."""
    arrays = load_file(model / WEIGHTS)
    change(arrays)
    save_file(arrays, model / WEIGHTS)
    digest = hashlib.sha256((model / WEIGHTS).read_bytes()).hexdigest()
    edit(model, lambda values: values.update(weights_sha256=digest))


def swap(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict], object]:
    return lambda arrays: arrays.update({name: make(arrays[name])})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("004", lambda a: a[:-1]), "array 004 is"),
        (swap("004", lambda a: a.ravel()), "array 004 is"),
        (swap("004", lambda a: np.zeros((0, *a.shape[1:]), np.float32)), "array 004 is"),
        (swap("004", lambda a: a.astype(np.float64)), "array 004 is"),
        (swap("004", lambda a: a.astype(np.int32)), "array 004 is"),
        (lambda arrays: arrays.pop("004"), "not those of its network"),
        (lambda arrays: arrays.update(extra=np.zeros(1, np.float32)), "not those of its network"),
        (swap("004", lambda a: a * np.float32("nan")), "not finite"),
        (swap("000", lambda a: a + np.float32("inf")), "not finite"),
    ],
)
def test_arrays_that_do_not_fit(model: Path, change: Callable, message: str) -> None:
    rewrite(model, change)
    with pytest.raises(XrayganError, match=message):
        load_model(model)


def test_a_flipped_bit_and_a_cut_are_found(model: Path) -> None:
    whole = (model / WEIGHTS).read_bytes()
    for position in (0, 9, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[position] ^= 1
        (model / WEIGHTS).write_bytes(changed)
        with pytest.raises(XrayganError, match="model"):
            load_model(model)
    (model / WEIGHTS).write_bytes(whole[:-1])
    with pytest.raises(XrayganError, match="cannot be read"):
        load_model(model)


@pytest.fixture
def later(tiny: ModelSettings, original: Path) -> keras.Model:
    """The same generator after some more images."""
    generator = load_model(original).generator
    generator.set_weights([np.asarray(weight) + 1 for weight in generator.weights])
    return generator


@pytest.mark.parametrize("moment", ["before the weights", "after the weights"])
def test_a_kill_between_the_two_files_leaves_a_model(
    tiny: ModelSettings,
    model: Path,
    later: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    def killed(path: Path, data: bytes) -> None:
        if moment == "after the weights":
            path.write_bytes(data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "write_whole", killed)
        save_model(model, later, facts_of(tiny, images_seen=1280))
    loaded = load_model(model)
    assert loaded.description.images_seen == (640 if moment == "before the weights" else 1280)
    assert loaded.sha256 == hashlib.sha256((model / WEIGHTS).read_bytes()).hexdigest()
    assert is_whole(model) == (moment == "before the weights")
    (tmp_path / "copy").mkdir()
    with pytest.raises(XrayganError, match="another model was written while it was read"):
        copy_model(model, tmp_path / "copy", "0" * 64)
    assert list((tmp_path / "copy").iterdir()) == []
    copy_model(model, tmp_path / "copy", loaded.sha256)
    assert load_model(tmp_path / "copy").description == loaded.description
    save_model(model, later, facts_of(tiny, images_seen=1280))
    assert sorted(path.name for path in model.iterdir()) == [DESCRIPTION, WEIGHTS]
    assert is_whole(model)


def test_a_model_that_is_replaced_while_it_is_read(
    tiny: ModelSettings, model: Path, later: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_and_train_on(*given) -> keras.Model:
        save_model(model, later, facts_of(tiny, images_seen=1280))
        return build_generator(*given)

    monkeypatch.setattr(files, "build_generator", build_and_train_on)
    loaded = load_model(model)
    assert loaded.description.images_seen == 1280
    for mine, theirs in zip(loaded.generator.weights, later.weights, strict=True):
        assert np.array_equal(mine, theirs)
