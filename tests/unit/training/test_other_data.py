"""A run whose films changed under it, and a folder that is no run."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from studio_run import CLASSES, SIDE, write_films
from xraygan import evidence
from xraygan.api import making, train
from xraygan.api.preparing import training_data
from xraygan.config import DataSettings, RunSettings
from xraygan.data.cache import prepare
from xraygan.errors import StoppedError, XrayganError
from xraygan.progress import Reporter
from xraygan.runs import write_json
from xraygan.training import session
from xraygan.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from xraygan.training.identity import Choices, describe
from xraygan.training.trainer import Trainer

EARLIER = {"counts": {"train/A": 70, "train/B": 5, "val/A": 9}}


@dataclass(frozen=True)
class Found:
    notes: tuple[str, ...]
    sets: dict[str, dict]

    def as_dict(self) -> dict:
        return {}


@pytest.mark.parametrize("config", ["{}", '{"name": "a package"}', "[1"])
def test_a_folder_with_a_foreign_config_is_refused_and_left_as_it_is(
    tmp_path: Path, config: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(XrayganError, match=r"config\.json"):
        train(tmp_path / "no-data", run_dir=tmp_path, device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_what_was_trained_on_other_films_before_is_not_audited_by_its_own_splits(
    tmp_path: Path,
) -> None:
    films = write_films(tmp_path / "films", 4)
    settings = RunSettings.parse({"data": {"resolution": SIDE}}, "test")
    dataset = prepare(films, settings.data)
    config = {
        "settings": settings.model_dump(mode="json"),
        "data": {"fingerprint": dataset.fingerprint, "classes": list(CLASSES), "counts": {}},
        "model": {},
        "versions": {},
    }
    quiet = Reporter(quiet=True)
    write_json(tmp_path / "config.json", config)
    assert training_data(tmp_path, films, quiet).content == dataset.content
    write_json(tmp_path / "config.json", {**config, "data_before": [EARLIER]})
    with pytest.raises(XrayganError, match="trained on other films before"):
        training_data(tmp_path, films, quiet)


def test_evidence_says_that_other_films_were_trained_on_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = write_films(tmp_path / "films", 4)
    dataset = prepare(films, DataSettings.model_validate({"resolution": SIDE}))
    pair = np.zeros((4, SIDE, SIDE), np.uint8), np.zeros(4, np.int32)
    settings = RunSettings.parse({"output": {"evidence": "basic"}}, "test")
    # The figures are not looked at here, and take minutes.
    monkeypatch.setattr(evidence, "evaluate", lambda *_: {"notes": [], "sets": {}, "utility": None})
    monkeypatch.setattr(evidence, "look_for_leaks", lambda *_: Found(("audited",), {}))
    monkeypatch.setattr(
        evidence, "write_audit", lambda folder, found, *_: write_json(folder / "a", found.notes)
    )
    for before, others in (([EARLIER], 1), ([], 0)):
        trained = making.Trained(tmp_path, {"data_before": before}, dataset)
        making._evidence(trained, pair, pair, {}, settings, Reporter(quiet=True))
        for file in ("evaluation.json", "a"):
            text = (tmp_path / file).read_text()
            assert text.count("trained on others (75 training films)") == others


def test_a_run_counts_patients_in_several_splits(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 4)
    film = next((films / "train" / CLASSES[0]).iterdir())
    image = cv2.imread(str(film), cv2.IMREAD_GRAYSCALE)
    name = film.name.replace("_virus_", "_virus_9")
    cv2.imwrite(str(films / "test" / CLASSES[0] / name), 255 - image)
    for keep in (True, False):
        data = {"resolution": SIDE, "keep_splits": keep}
        settings = RunSettings.parse({"data": data}, "test")
        described = describe(prepare(films, settings.data), settings, Choices("cpu", "films"))
        assert described["data"]["in_several_splits"] == keep


def test_images_made_among_the_films_are_none_of_them(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 4) / "train"  # class folders alone
    settings = RunSettings.parse({"data": {"resolution": SIDE}}, "test")
    dataset = prepare(films, settings.data)
    run = tmp_path / "run"
    run.mkdir()
    data = {"fingerprint": dataset.fingerprint, "content": dataset.content, "classes": CLASSES}
    config = {"settings": settings.model_dump(mode="json"), "data": {**data, "counts": {}}}
    write_json(run / "config.json", {**config, "model": {}, "versions": {}})
    made = films / "more" / CLASSES[1]
    made.mkdir(parents=True)
    shutil.copy(next((films / CLASSES[1]).iterdir()), made / "copy.png")
    cv2.imwrite(str(made / "000001.png"), np.eye(SIDE, dtype=np.uint8) * 200)
    quiet = Reporter(quiet=True)
    assert training_data(run, films, quiet, films / "more").content == dataset.content
    with pytest.raises(XrayganError, match="is not what"):
        training_data(run, films, quiet)


@pytest.mark.parametrize("others", [False, True])
def test_what_was_the_best_on_other_films_is_not_carried_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    carried: list[dict] = []

    def stop(*arguments: Any) -> None:
        carried.append(arguments[-1])
        raise StoppedError(15, "before the first step")

    monkeypatch.setattr(session, "train_loop", stop)
    monkeypatch.setattr(Trainer, "compile", lambda _: None)
    films, run = write_films(tmp_path / "films", 4), tmp_path / "run"
    settings = {"resolution": SIDE, "preset": "small", "kimg": 0.1, "batch": 4}
    quiet = Reporter(quiet=True)
    with pytest.raises(StoppedError):
        train(films, run_dir=run, device="cpu", reporter=quiet, **settings)
    first = load_checkpoint(run / "checkpoints" / f"{0:012d}")
    facts = {**first.facts, "best": 0, "best_kid": 0.1}
    save_checkpoint(run / "checkpoints", Checkpoint(4, first.arrays, facts))
    if others:
        next((films / "train" / CLASSES[0]).iterdir()).unlink()
    with pytest.raises(StoppedError):
        train(films, run_dir=run, device="cpu", force=others, reporter=quiet, **settings)
    assert ("best" in carried[-1]) is not others
    assert (carried[-1]["data"] == first.facts["data"]) is not others
