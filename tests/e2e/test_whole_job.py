"""The main job from a folder of films to a labelled synthetic set."""

import csv
import json
import re
import shutil

import pytest
from PIL import Image
from program import TINY, metrics, run, write_films, xraygan

from xraygan.runs import IMITATED_FILMS, INTERNAL, sha256_of


def test_finished_run_names_its_results(finished):
    assert finished.ended.code == 0, finished.ended
    assert "Traceback" not in finished.ended.stderr
    lines = dict(line.split(": ", 1) for line in finished.ended.stdout.splitlines())
    assert {name: path.strip() for name, path in lines.items()} == {
        "synthetic images": str(finished.folder / "synthetic"),
        "picture grid": str(finished.folder / "synthetic.png"),
        "summary": str(finished.folder / "summary.md"),
        "report": str(finished.folder / "report.html"),
    }


def test_finished_run_has_every_file(finished):
    names = """
        config.json metrics.jsonl log.txt reals.png fakes000000.png fakes000000_200.png losses.png
        model/generator.safetensors model/generator.json synthetic/manifest.csv synthetic.png
        summary.json summary.md evaluation.json audit.json report.html report.json
        model-card.md data-card.md internal/closest-pairs.png
        checkpoints/000000000200/state.safetensors
    """
    expected = names.split()
    assert [name for name in expected if not (finished.folder / name).is_file()] == []
    for picture in finished.folder.rglob("*.png"):
        Image.open(picture).verify()


def test_metrics_count_up(finished):
    rows = metrics(finished.folder)
    seen = [row["images_seen"] for row in rows]
    assert seen == sorted(set(seen))
    assert seen[-1] == 200
    assert {"d_loss", "g_loss", "kid", "kid_floor"} <= set(rows[-1])


def test_the_tracker_is_told_figures_and_grids(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished.folder / "tensorboard"), {"tensors": 0}).Reload()
    assert {"d_loss", "g_loss", "kid", "fakes"} <= set(events.Tags()["tensors"])
    assert [event.step for event in events.Tensors("fakes")] == [0, 200]
    assert [event.step for event in events.Tensors("d_loss")][-1] == 200


def test_synthetic_set_is_labelled_and_says_so(finished):
    folder = finished.folder / "synthetic"
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert {row["file"] for row in rows} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png")
    }
    assert [row["class"] for row in rows].count("PNEUMONIA") == 10
    for row in rows:
        picture = Image.open(folder / row["file"])
        assert (picture.mode, picture.size) == ("L", (32, 32))
        assert picture.info["Class"] == row["class"] == row["file"].split("/")[0]
        assert picture.info["Model-SHA256"] == row["model_sha256"]


def test_summary_measures_against_a_floor(finished):
    summary = json.loads((finished.folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["kid"]["low"] <= summary["kid"]["value"] <= summary["kid"]["high"]
    assert summary["kid"]["floor"] < summary["kid"]["high"]
    assert summary["verdict"] in {"copying found", "membership leak found", "nothing found"}
    assert "not anonymous" in (finished.folder / "summary.md").read_text(encoding="utf-8")


def test_the_evidence_says_of_which_images_it_is(finished):
    manifest = sha256_of(finished.folder / "synthetic/manifest.csv")
    for name in ("evaluation.json", "audit.json"):
        found = json.loads((finished.folder / name).read_text(encoding="utf-8"))
        assert found["manifest_sha256"] == manifest
    report = json.loads((finished.folder / "report.json").read_text(encoding="utf-8"))
    assert report["warnings"] == []


FOR_THE_HOUSE = {"config.json", "log.txt", "summary.json", "summary.md"}
"""May name the data's folder, as the guide says."""


def test_no_output_names_a_patient_or_the_source(finished):
    table = finished.folder / INTERNAL / IMITATED_FILMS  # for the house, which has to know
    for path in finished.folder.rglob("*"):
        if path.is_file() and path != table:
            content = path.read_bytes()
            assert not re.search(rb"person\d", content), path
            secret = finished.data if path.name in FOR_THE_HOUSE else finished.data.name
            assert str(secret).encode() not in content, path
    for text in (finished.ended.stdout, finished.ended.stderr):
        assert "person" not in text
        assert str(finished.data) not in text


def test_same_command_again_only_measures(finished):
    before = (finished.folder / "model/generator.safetensors").stat().st_mtime_ns
    again = run([*finished.command, "--json"])
    assert again.code == 0, again
    assert "already trained on 200 images" in again.stderr
    summary = json.loads(again.stdout)
    assert summary["paths"]["run"] == str(finished.folder)
    assert summary["kid"]["floor"] is not None
    assert (finished.folder / "model/generator.safetensors").stat().st_mtime_ns == before


def test_without_its_checkpoints_a_finished_run_stays_as_it_is(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    shutil.rmtree(folder / "checkpoints")
    command = [folder if str(part) == str(finished.folder) else part for part in finished.command]
    model, course = folder / "model/generator.safetensors", folder / "metrics.jsonl"
    before = model.read_bytes(), course.read_bytes()
    again = run(command)
    assert again.code == 0, again
    assert "checkpoints are gone" in again.stderr
    assert (model.read_bytes(), course.read_bytes()) == before
    longer = run([*command, "--kimg", "0.4", "--force"])
    assert longer.code == 2
    assert "cannot go on" in longer.refusal()
    assert (model.read_bytes(), course.read_bytes()) == before


@pytest.mark.slow
def test_interval_of_minutes_becomes_a_number_that_is_kept(films, tmp_path):
    command = ["run", films, "-o", tmp_path / "r", *TINY, "--minutes", "0.2", "--num", "4"]
    first = xraygan(*command)
    assert first.code == 0, first
    config = json.loads((tmp_path / "r/config.json").read_text())
    assert config["total_images"] % 8 == 0
    assert metrics(tmp_path / "r")[-1]["images_seen"] == config["total_images"]
    again = xraygan(*command)
    assert "already trained" in again.stderr
    assert "measuring the speed" not in again.stderr
    assert (
        json.loads((tmp_path / "r/config.json").read_text())["total_images"]
        == (config["total_images"])
    )


@pytest.mark.slow
def test_longer_with_force_goes_on_and_renews_the_synthetic_set(tmp_path):
    data = write_films(tmp_path / "d", {"train/A": 20, "train/B": 20})
    command = ["run", data, "-o", tmp_path / "r", *TINY, "--num", "4"]
    assert xraygan(*command, "--kimg", "0.05").code == 0
    longer = xraygan(*command, "--kimg", "0.1", "--force")
    assert longer.code == 0, longer
    assert "going on after 56 of 104 images" in longer.stderr
    model = json.loads((tmp_path / "r/model/generator.json").read_text())["weights_sha256"]
    with (tmp_path / "r/synthetic/manifest.csv").open(encoding="utf-8") as file:
        assert {row["model_sha256"] for row in csv.DictReader(file)} == {model}
    assert len(list((tmp_path / "r").glob("synthetic-*/manifest.csv"))) == 1


@pytest.mark.slow
def test_show_without_a_screen_is_one_sentence(tmp_path):
    data = write_films(tmp_path / "d", {"A": 12})
    settings = [*TINY, "--batch", "4", "--kimg", "0.02", "--num", "2"]
    ended = xraygan("run", data, "-o", tmp_path / "r", *settings, "--show")
    assert ended.code == 0, ended
    assert ended.stderr.count("--show: this session has no screen") == 1
