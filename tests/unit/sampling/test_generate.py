"""Folders of synthetic images: labels, names, provenance, and what is refused."""

import csv
import dataclasses
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.models.files import Model, ModelFile
from xraygan.models.generator import build_generator
from xraygan.models.sample import sample
from xraygan.sampling.generate import COLUMNS, generate_arrays, label_of, write_images
from xraygan.sampling.request import Request

CLASSES = ("NORMAL", "Lungenentzündung 肺炎")
COUNTS = (30, 70)


@pytest.fixture(scope="module")
def model(tiny: ModelSettings) -> Model:
    generator = build_generator(tiny)
    random = np.random.default_rng(0)
    for weight in generator.get_layer("base").weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    facts = {"network": tiny, "classes": CLASSES, "class_counts": COUNTS, "images_seen": 9}
    return Model(generator, ModelFile.parse({**facts, "weights_sha256": "ab" * 32}, "test"))


def renamed(model: Model, **changed: object) -> Model:
    return dataclasses.replace(model, description=model.description.model_copy(update=changed))


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def labels_of(model: Model, request: Request, count: int) -> list[int]:
    return [label_of(model, request, index) for index in range(count)]


def test_labels_are_balanced(model: Model) -> None:
    assert labels_of(model, Request(6), 6) == [0, 1, 0, 1, 0, 1]


def test_labels_of_one_class(model: Model) -> None:
    assert set(labels_of(model, Request(5, class_name=CLASSES[1]), 5)) == {1}
    with pytest.raises(XrayganError, match="--class COVID: the model knows NORMAL, Lungen"):
        label_of(model, Request(5, class_name="COVID"), 0)


def test_labels_in_the_training_datas_proportions(model: Model) -> None:
    request = Request(1, seed=3, like_train=True)
    count = 4000
    labels = labels_of(model, request, count)
    # Five standard deviations: 2/3 and 3/2 of the proportion are far outside.
    assert np.mean(labels) == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / count))
    assert labels == labels_of(model, request, count)
    assert labels != labels_of(model, Request(1, seed=4, like_train=True), count)
    empty_class = renamed(model, class_counts=(0, 5))
    assert set(labels_of(empty_class, request, 200)) == {1}
    assert set(labels_of(renamed(model, class_counts=(5, 0)), request, 200)) == {0}


def test_arrays(model: Model, tiny: ModelSettings) -> None:
    images, labels = generate_arrays(model, Request(7, seed=2, first=30))
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    expected = sample(model.generator, tiny, 2, range(30, 37), labels.tolist())
    assert np.array_equal(images, expected)
    batches, _ = generate_arrays(model, Request(300))  # more than are made at once
    assert len(batches) == 300
    assert np.array_equal(batches[280:], generate_arrays(model, Request(20, first=280))[0])


def test_a_folder_of_images(model: Model, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "neu ü" / "synthetic"
    manifest = write_images(model, Request(5, seed=2), out, lambda *at: told.append(at))
    assert manifest == out / "manifest.csv"
    assert told == [(5, 5)]
    images, labels = generate_arrays(model, Request(5, seed=2))
    rows = rows_of(manifest)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 5
    for index, row in enumerate(rows):
        name = CLASSES[labels[index]]
        assert row == {
            "file": f"{name}/seed0000000002_{index:08d}.png",
            "class": name,
            "seed": "2",
            "index": str(index),
            "model_sha256": "ab" * 32,
        }
        with Image.open(out / row["file"]) as picture:
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), images[index])
            text = picture.text
        assert text["Synthetic"] == "yes"
        assert text["Class"] == name
        assert (text["Seed"], text["Index"]) == ("2", str(index))
        assert text["Model-SHA256"] == model.sha256
        assert text["Software"].startswith("xraygan ")
        assert "Not for diagnosis" in text["Description"]
    assert len(contents(out)) == 6, "nothing half-written is left"


def test_the_same_call_again_changes_nothing(model: Model, tmp_path: Path) -> None:
    write_images(model, Request(5), tmp_path)
    before = contents(tmp_path)
    write_images(model, Request(5), tmp_path)
    assert contents(tmp_path) == before


def test_calls_into_one_folder_add_up(model: Model, tmp_path: Path) -> None:
    for request in (
        Request(4),
        Request(4, first=2),  # two of them again
        Request(3, seed=1),
        Request(2, class_name=CLASSES[1]),  # index 0 in another class is another image
    ):
        manifest = write_images(model, request, tmp_path)
    rows = rows_of(manifest)
    files = [row["file"] for row in rows]
    assert Counter(files).most_common(1)[0][1] == 1
    assert sorted(files) == sorted(name for name in contents(tmp_path) if name.endswith(".png"))
    assert len(files) == 6 + 3 + 1


def test_folders_that_are_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.docx").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(XrayganError, match="holds other files; give a new or empty folder"):
        write_images(model, Request(2), tmp_path / "other")
    with pytest.raises(XrayganError, match="cannot be written"):
        write_images(model, Request(2), tmp_path / "other" / "thesis.docx")
    with pytest.raises(XrayganError, match="the model knows"):
        write_images(model, Request(2, class_name="COVID"), tmp_path / "new")
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()

    write_images(model, Request(2), tmp_path / "ours")
    before = contents(tmp_path)
    with pytest.raises(XrayganError, match="images of another model"):
        write_images(renamed(model, weights_sha256="cd" * 32), Request(2), tmp_path / "ours")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    [
        b"file,class,seed,index,model_sha256\nx.png,NORMAL,0,0," + b"ab" * 32 + b"\ny.png,\n",
        b"name,age\nA,3\n",
        b"\xff\xfe\x00\x01\n\xff\n",
        b"file,class,seed,index,model_sha256\nx.png,NORMAL,zero,0," + b"ab" * 32 + b"\n",
        b"file,class,seed,index,model_sha256\nx.png,NORMAL\n",
    ],
    ids=["cut second row", "another table", "no text", "no number", "cut row"],
)
def test_a_manifest_that_is_not_ours(model: Model, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest.csv").write_bytes(text)
    with pytest.raises(XrayganError, match=r"give another folder|holds other files"):
        write_images(model, Request(2), tmp_path)
    assert (tmp_path / "manifest.csv").read_bytes() == text


def test_a_class_named_like_the_manifest(model: Model, tmp_path: Path) -> None:
    clash = renamed(model, classes=("A", "manifest.csv"))
    with pytest.raises(XrayganError, match="cannot be written"):
        write_images(clash, Request(2), tmp_path)
