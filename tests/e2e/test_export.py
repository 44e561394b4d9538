"""`xraygan export` and `generate` in parts, as a user meets them."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from program import MODULE, in_one_process, start, wait_until, xraygan

from fresh_environment import checked, environment_with
from report_run import audit
from xraygan.data.phantom import write_phantom

MODEL_FILES = [
    *("README.md", "checks.json", "generator.json", "generator.keras"),
    *("generator.onnx", "generator.safetensors"),
    "provenance.json",
]
"""All that an exported model is: nothing of the run beside it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some seconds on phantoms."""
    root = tmp_path_factory.mktemp("export")
    write_phantom(root / "films", 40, 32, seed=0)
    ended = xraygan(
        *("run", root / "films", "--results", root / "run", "--resolution", "32", "--kimg", "0.1"),
        *("--preset", "small", "--num", "12", "--evidence", "none"),
    )
    assert ended.code == 0, ended.stderr
    return root / "run"


def test_hand_a_model_and_a_data_set_on(run: Path, tmp_path: Path) -> None:
    model, data, again = in_one_process(
        ["export", "model", run, "--out", tmp_path / "model", "--json"],
        ["export", "data", run / "synthetic", "--out", tmp_path / "data", "--licence", "CC0 1.0"],
        ["prepare", tmp_path / "data", "--resolution", "32", "--out", tmp_path / "back", "--json"],
    )
    assert [ended.code for ended in (model, data, again)] == [0] * 3, (model, data, again)
    found = json.loads(model.stdout)
    assert found["checks"]["onnx"]["grey_levels"] <= 1
    assert all(Path(path).is_file() for path in found["files"])
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == MODEL_FILES
    assert "pipeline_tag" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    card = (tmp_path / "data" / "README.md").read_text(encoding="utf-8")
    assert "license: cc0-1.0" in card
    assert "12 synthetic" in card
    counts = json.loads(again.stdout)["counts"]
    assert sum(sum(classes.values()) for classes in counts.values()) == 12


IMAGE_FOLDER = """
import sys
import numpy as np
from torchvision.datasets import ImageFolder

loaded = ImageFolder(sys.argv[1])
images, numbers = zip(*loaded)
np.savez(
    sys.argv[2],
    images=np.stack(images),
    classes=[loaded.classes[number] for number in numbers],
    files=[path for path, _ in loaded.samples],
)
"""


@pytest.mark.slow
def test_a_data_set_in_torchvision(run: Path, tmp_path: Path) -> None:
    """In its own environment. PyTorch comes with libraries for GPUs, five gigabytes, unless pip
    knows of its wheels without them.
    """
    out = tmp_path / "data"
    ended = xraygan("export", "data", run / "synthetic", "--out", out, "--format", "imagefolder")
    assert ended.code == 0, ended.stderr
    with environment_with("torchvision", tmp_path) as variables:
        read = ["python", "-c", IMAGE_FOLDER, out / "train", tmp_path / "read.npz"]
        checked(read, env=variables)
    with np.load(tmp_path / "read.npz") as read:
        files, classes, images = ([*read[name]] for name in ("files", "classes", "images"))
    assert len(files) == 12
    assert sorted(files) == sorted(map(str, out.rglob("*.png")))
    assert set(classes) == {"NORMAL", "PNEUMONIA"}
    assert classes == [Path(file).parent.name for file in files]
    for file, image in zip(files, images, strict=True):
        grey = np.asarray(Image.open(file))
        assert np.array_equal(image, np.stack([grey] * 3, axis=-1)), file


def test_a_model_that_the_audit_warns_of(run: Path, tmp_path: Path) -> None:
    told = tmp_path / "run"
    shutil.copytree(run, told)
    (told / "audit.json").write_text(json.dumps(audit("copying found")), encoding="utf-8")
    export = ["export", "model", "--format", "safetensors", "--json", "--out"]
    warned, silent = in_one_process(
        [*export, tmp_path / "warned", told], [*export, tmp_path / "silent", run]
    )
    assert (warned.code, silent.code) == (0, 0), (warned, silent)
    assert json.loads(warned.stdout)["verdict"] == "copying found"
    assert "the audit's verdict: copying found. Synthetic images are" in warned.stderr
    assert json.loads(silent.stdout)["verdict"] is None
    assert "the audit's verdict" not in silent.stderr


@pytest.mark.parametrize("form", ["webdataset", "dicom"])
def test_other_forms_are_read_back(run: Path, tmp_path: Path, form: str) -> None:
    export = ["export", "data", run / "synthetic", "--out", tmp_path / "data", "--format", form]
    written, again = in_one_process(
        [*export, "--json"],
        ["prepare", tmp_path / "data", "--resolution", "32", "--out", tmp_path / "back", "--json"],
    )
    assert [written.code, again.code] == [0, 0], (written, again)
    assert json.loads(written.stdout)
    counts = json.loads(again.stdout)["counts"]
    assert sum(sum(classes.values()) for classes in counts.values()) == 12


def test_what_lies_between_images(run: Path, tmp_path: Path) -> None:
    explore = ["explore", "--model", run, "--steps", "3", "--json", "--out"]
    seeds, classes, odd, one, nowhere, many = in_one_process(
        [*explore, tmp_path / "seeds.png", "--seeds", "1,2"],
        [*explore, tmp_path / "classes.gif", "--seeds", "1", "--along", "classes"],
        [*explore, tmp_path / "odd.png", "--seeds", "1;2"],
        [*explore, tmp_path / "one.png", "--along", "classes", "--to-class", "NORMAL"],
        [*explore, tmp_path / "nowhere.png", "--to-class", "NOPE"],
        [*explore, tmp_path / "many.png", "--along", "classes", "--directions", "99"],
    )
    for ended in (seeds, classes):
        assert ended.code == 0, ended
        assert json.loads(ended.stdout)
    assert (tmp_path / "seeds.png").is_file()
    assert (tmp_path / "classes.gif").is_file()
    assert "expected numbers such as 1,2,3" in odd.refusal()
    assert "both ends are NORMAL; name two with --class and --to-class" in one.refusal()
    assert "--to-class NOPE: goes with --along classes" in nowhere.refusal()
    assert "--directions 99: goes with --along directions" in many.refusal()
    assert not (tmp_path / "one.png").exists()


def test_images_of_an_earlier_model_in_a_run(run: Path, tmp_path: Path) -> None:
    """They lie in its folder, aside; no card, but what the owners say is there all the same."""
    spoilt = tmp_path / "run"
    shutil.copytree(run, spoilt)
    description = spoilt / "model" / "generator.json"
    facts = json.loads(description.read_text(encoding="utf-8"))
    description.write_text(json.dumps(facts | {"weights_sha256": "ab" * 32}), encoding="utf-8")
    export = ["export", "data", spoilt / "synthetic", "--out"]
    stated = ["--data-licence", "CC BY 4.0", "--attribution", "the hospital"]
    aside, named = in_one_process(
        [*export, tmp_path / "aside", *stated],
        [*export, tmp_path / "named", "--run", spoilt],
    )
    assert aside.code == 0, aside
    assert "is not the one that made these images" in aside.stderr
    assert not (tmp_path / "aside" / "README.md").exists()
    told = json.loads((tmp_path / "aside" / "provenance.json").read_text(encoding="utf-8"))
    assert told["licence_of_training_data"] == "CC BY 4.0"
    assert told["attribution_of_training_data"] == "the hospital"
    assert "name the run that did with --run" in named.refusal()
    assert not (tmp_path / "named").exists()


def test_the_card_and_the_checks_are_of_what_is_there(run: Path, tmp_path: Path) -> None:
    export = ["export", "model", run, "--out", tmp_path / "model", "--format"]
    onnx, both = in_one_process([*export, "onnx"], [*export, "keras"])
    assert (onnx.code, both.code) == (0, 0), (onnx, both)
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "generator.onnx" in card
    assert "generator.keras" in card
    assert "generator.safetensors" not in card
    checks = json.loads((tmp_path / "model" / "checks.json").read_text(encoding="utf-8"))
    assert {"onnx", "keras"} <= set(checks)


def test_a_model_goes_to_no_folder_of_anything_else(run: Path, tmp_path: Path) -> None:
    """A stranger's README stays; the same call again is welcome, another model's is not."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "README.md").write_text("mine")
    export = ["export", "model", run, "--format", "safetensors", "--out"]
    licences = ["--licence", "CC0 1.0", "--data-licence", "CC BY 4.0"]
    refused, first, again, dataset = in_one_process(
        [*export, mine],
        [*export, tmp_path / "model"],
        [*export, tmp_path / "model", *licences, "--json"],
        ["export", "data", run / "synthetic", "--out", tmp_path / "model"],
    )
    assert "holds other files" in refused.refusal()
    assert [path.name for path in mine.iterdir()] == ["README.md"]
    assert (mine / "README.md").read_text() == "mine"
    assert (first.code, again.code) == (0, 0), (first, again)
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "license: cc0-1.0" in card
    assert "Licence of the training data: CC BY 4.0." in card
    assert {Path(path).name for path in json.loads(again.stdout)["files"]} == {
        path.name for path in (tmp_path / "model").iterdir()
    }
    assert "holds another export" in dataset.refusal()

    provenance = tmp_path / "model" / "provenance.json"
    facts = json.loads(provenance.read_text(encoding="utf-8"))
    provenance.write_text(json.dumps(facts | {"model_sha256": "ab" * 32}), encoding="utf-8")
    [other] = in_one_process([*export, tmp_path / "model"])
    assert "holds another export" in other.refusal()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model", "nowhere", "--out", "o"], "there is no such file or folder"),
        (["model", "{run}", "--out", "o", "--format", "pickle"], "choose of safetensors"),
        (["model", "{run}", "--out", "{run}"], "holds other files"),
        (["data", "{run}", "--out", "o"], "no manifest.csv"),
        (["data", "{run}/synthetic", "--out", "{run}"], "holds other files"),
        (["data", "{run}/synthetic", "--out", "o", "--run", "nowhere"], "nowhere"),
    ],
)
def test_bad_input(run: Path, tmp_path: Path, monkeypatch, arguments, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (ended,) = in_one_process(["export", *(word.replace("{run}", str(run)) for word in arguments)])
    assert ended.code == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_bad_requests(run: Path, tmp_path: Path) -> None:
    base = ["generate", "--model", run, "--out", tmp_path / "o"]
    ended = in_one_process(
        [*base, "--shard", "5/3"],
        [*base, "--shard", "a/b"],
        [*base, "--psi", "-1"],
        [*base, "--bits", "12"],
    )
    for one, said in zip(
        ended, ("choose 1/N", "a form like 3/16", "--psi", "8 or 16"), strict=True
    ):
        assert one.code == 2
        assert said in one.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_two_workers_write_into_one_folder_at_the_same_time(run: Path, tmp_path: Path) -> None:
    command = [*MODULE, "generate", "--model", run, "--num", "600", "--out"]
    started = [
        start([*command, tmp_path / out, "--shard", shard], tmp_path / "log")
        for out, shard in (("shared", "1/2"), ("shared", "2/2"), ("whole", "1/1"))
    ]
    log = tmp_path / "log"
    assert [worker.wait() for worker in started] == [0, 0, 0], log.read_text(encoding="utf-8")
    files = {
        path.relative_to(tmp_path / "whole")
        for path in (tmp_path / "whole").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert len(files) == 601
    for path in files:
        assert (tmp_path / "shared" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()
    assert len(list((tmp_path / "shared").rglob("*.png"))) == 600


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_while_generating(run: Path, tmp_path: Path) -> None:
    """A killed shard is redone, a finished one is kept, and the bytes are those of one go."""
    command = ["generate", "--model", run, "--num", "8300", "--out", tmp_path / "o"]
    killed = start([*MODULE, *command], tmp_path / "log")
    wait_until(lambda: len(list((tmp_path / "o").glob(".part-*.jsonl"))) >= 1, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(list((tmp_path / "o").glob(".part-*.jsonl"))) < 3
    kept = {path: path.stat().st_ino for path in (tmp_path / "o").glob("*/*000000??.png")}
    whole = [*command[:-1], tmp_path / "whole"]
    ended = in_one_process(command, whole)
    assert [one.code for one in ended] == [0, 0], ended
    assert {path: path.stat().st_ino for path in kept} == kept, "what was whole was made again"
    files = sorted((tmp_path / "whole").rglob("*.png"))
    assert len(files) == 8300
    for path in files[::7]:
        again = tmp_path / "o" / path.relative_to(tmp_path / "whole")
        assert again.read_bytes() == path.read_bytes()
    manifests = [(tmp_path / name / "manifest.csv").read_bytes() for name in ("o", "whole")]
    assert manifests[0] == manifests[1]
