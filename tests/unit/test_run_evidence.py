"""What `run` measures of its own images: whose they are, whose patients, and what may fail."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from report_run import films
from studio_run import make_run
from xraygan.api import making
from xraygan.api.making import Trained, _evidence
from xraygan.caveats import CHOSEN_BEFORE_AUDIT, CHOSEN_BEFORE_EVALUATION
from xraygan.config import DataSettings, RunSettings
from xraygan.data.cache import prepare
from xraygan.errors import StoppedError, XrayganError
from xraygan.progress import Reporter
from xraygan.runs import AUDIT, EVALUATION, IMITATED_FILMS, INTERNAL, read_json

SETTINGS = RunSettings.model_validate({"output": {"evidence": "basic", "num": 12}})
FACTS = {"model_sha256": "ab" * 32, "manifest_sha256": "cd" * 32}
SMALL = DataSettings.model_validate({"resolution": 32, "validation_fraction": 0.3})


def write_split(folder: Path, count: int, unknown: int, seed: int) -> None:
    """Films of as many patients; some are called so that they tell none."""
    for number, film in enumerate(films(count, 32, seed)):
        told = f"person{seed}{number:03d}_virus_{number}.png"
        path = folder / "AB"[number % 2] / (f"scan-{number}.png" if number < unknown else told)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film).save(path)


def measure(
    root: Path, train: int, held_out: int, config: dict[str, Any] | None = None
) -> tuple[Any, Any, list[str]]:
    """What a run in `root/run` that copied its training films says of itself."""
    write_split(root / "source" / "train", train, 3, 1)
    write_split(root / "source" / "test", held_out, 2, 2)
    (root / "run").mkdir(exist_ok=True)
    dataset = prepare(root / "source", SMALL, root / "cache")
    images, labels = dataset.split("train")
    made = np.resize(images, (40, 32, 32)), np.resize(labels, 40)
    written = made[0][:12], made[1][:12]
    trained = Trained(root / "run", config or {}, dataset)
    return _evidence(trained, made, written, FACTS, SETTINGS, Reporter(quiet=True))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory):
    """A folder with the source and the run, and what the run says."""
    root = tmp_path_factory.mktemp("copied")
    return root, measure(root, 40, 6)


def test_that_validation_films_chose_the_model_is_said(copied, tmp_path):
    _, (evaluation, audit, _) = copied
    assert CHOSEN_BEFORE_EVALUATION not in evaluation["notes"]
    assert CHOSEN_BEFORE_AUDIT not in audit["notes"]
    evaluation, audit, _ = measure(tmp_path, 40, 12, {"published": 8, "total_images": 16})
    assert CHOSEN_BEFORE_EVALUATION in evaluation["notes"]
    assert CHOSEN_BEFORE_AUDIT in audit["notes"]


def test_both_files_say_of_which_images_and_patients_they_are(copied):
    root, (evaluation, audit, notes) = copied
    assert notes == []
    for found, name, role in ((evaluation, EVALUATION, "real"), (audit, AUDIT, "holdout")):
        kept = read_json(root / "run" / name)
        assert {key: kept[key] for key in FACTS} == FACTS
        assert kept["sets"] == found["sets"]
        assert kept["sets"]["train"]["of_unknown_patients"] > 0
        unknown = {part: kept["sets"][part]["of_unknown_patients"] for part in ("train", role)}
        assert sum(unknown.values()) == 5
        for part, count in unknown.items():
            said = f"{count} of {kept['sets'][part]['n']} {part} images do not tell their patient"
            assert any(said in note for note in kept["notes"])


def test_the_house_can_find_the_films_that_are_imitated(copied):
    root, (_, audit, _) = copied
    assert audit["verdict"] == "copying found"
    with (root / "run" / INTERNAL / IMITATED_FILMS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ranked = audit["patients"]["most_imitated"]
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, len(ranked) + 1)]
    assert all((root / "source" / row["file"]).is_file() for row in rows)
    assert all(row["patient"] in row["file"] for row in rows)
    assert "person" not in (root / "run" / AUDIT).read_text(encoding="utf-8")


def test_too_few_films_leave_a_run_without_figures(tmp_path):
    evaluation, audit, notes = measure(tmp_path, 10, 2)
    assert evaluation is audit is None
    assert [note.partition(":")[0] for note in notes] == ["Not evaluated", "Not audited"]
    assert not (tmp_path / "run" / EVALUATION).exists()


@pytest.mark.parametrize("name", [EVALUATION, AUDIT])
def test_a_disk_that_refuses_is_no_lack_of_films(tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(XrayganError, match="cannot be written"):
        measure(tmp_path, 40, 6)


def test_the_images_of_a_finished_run_are_of_its_own_seed(tmp_path, monkeypatch):
    run, asked = make_run(tmp_path, "run", None, seed=3), []

    def stop(*_: Any, **options: Any) -> None:
        asked.append(options["seed"])
        raise StoppedError(2, "before they are made")

    finished = Trained(run, read_json(run / "config.json"), None)
    monkeypatch.setattr(making, "train", lambda *_, **__: finished)
    monkeypatch.setattr(making, "generate", stop)
    with pytest.raises(StoppedError):
        making.run(tmp_path / "films", run, seed=5, force=True)
    assert asked == [3]
