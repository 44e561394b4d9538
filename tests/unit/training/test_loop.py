import errno
import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xraygan.config import RunSettings
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import RunFolder
from xraygan.training.checkpoint import Checkpoint, save_checkpoint
from xraygan.training.identity import check_same_run, data_before, find_run
from xraygan.training.loop import (
    carried,
    intervals,
    remember_best,
    snapshot_images,
    train_loop,
    whole_steps,
)
from xraygan.training.session import publish
from xraygan.training.step import METRICS


@pytest.mark.parametrize(("images", "steps"), [(1, 32), (32, 32), (33, 64), (1000, 1024)])
def test_whole_steps(images: int, steps: int) -> None:
    assert whole_steps(images, 32) == steps


@pytest.mark.parametrize("batch", [2, 16, 32, 100, 4096])
@pytest.mark.parametrize("wanted", [1, 200, 1000, 5000, 50_000])
def test_every_snapshot_falls_on_a_tick(wanted: int, batch: int) -> None:
    tick, snapshot = intervals(wanted, batch)
    assert tick % batch == 0
    assert snapshot % tick == 0
    assert snapshot == batch or abs(snapshot - wanted) < max(batch * 5, wanted / 5)


@pytest.mark.parametrize(
    ("total", "images"), [(64, 1000), (20_000, 1000), (100_000, 5000), (1_000_000, 50_000)]
)
def test_a_snapshot_every_twentieth_of_the_run(total: int, images: int) -> None:
    assert snapshot_images(RunSettings(), total) == images


def test_snapshots_as_set() -> None:
    settings = RunSettings.parse({"output": {"snapshot_kimg": 0.25}}, "test")
    assert snapshot_images(settings, 10**6) == 250
    settings = RunSettings.parse({"output": {"snapshot_kimg": 1e-9}}, "test")
    assert snapshot_images(settings, 10**6) == 1


def test_the_best_snapshot_is_remembered() -> None:
    facts: dict = {}
    for seen, kid in ((32, 0.5), (64, 0.2), (96, 0.3)):
        remember_best(facts, seen, {"kid": kid})
    remember_best(facts, 128, {})
    assert facts == {"best": 64, "best_kid": 0.2}


def test_the_best_snapshot_of_other_data_is_forgotten() -> None:
    facts = {"seconds": 9.0, "warned": ["few"], "best": 64, "best_kid": 0.2, "data": "c"}
    assert carried(facts, "c") == facts
    others = {"seconds": 9.0, "warned": ["few"], "data": "d"}
    assert carried(facts, "d") == others
    remember_best(others, 96, {"kid": 0.9})
    assert carried(others, "d")["best"] == 96
    assert carried({"best": 64, "best_kid": 0.2}, "c") == {"data": "c"}, "nobody knows of which"


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.note = self.notes.append


def described(**training: object) -> dict:
    settings = RunSettings.parse({"training": training}, "test").model_dump(mode="json")
    data = {"fingerprint": "f", "content": "c", "counts": {"train/A": 10}, "classes": ["A"]}
    return {"settings": settings, "data": data, "model": {}, "versions": {"keras": "3.15"}}


def of_other_data(then: dict) -> dict:
    data = {**then["data"], "fingerprint": "g", "content": "d", "counts": {"train/A": 12}}
    return {**then, "data": data}


def test_a_run_goes_on_only_as_it_was_begun(tmp_path) -> None:
    then, reporter = described(batch=8), Notes()
    check_same_run(tmp_path, then, described(batch=8), False, reporter)
    assert reporter.notes == []

    for now, message in (
        (described(batch=16), "training.batch was 8, is 16"),
        (described(batch=8) | {"versions": {"keras": "4"}}, "keras was 3.15, is 4"),
        (of_other_data(then), r"the data changed \(10 images then, 12 now\)"),
    ):
        with pytest.raises(XrayganError, match=f"begun otherwise: {message}"):
            check_same_run(tmp_path, then, now, False, reporter)
        check_same_run(tmp_path, then, now, True, reporter)
    assert len(reporter.notes) == 3

    for now, message in (
        (described(batch=8, preset="small"), "training.preset was 'base', is 'small'"),
        (described(batch=8, precision="float32"), "training.precision was 'auto'"),
        (described(batch=8) | {"data": {**then["data"], "classes": ["A", "B"]}}, "classes were A"),
    ):
        with pytest.raises(XrayganError, match=f"begun otherwise: .*{message}.*or put it back"):
            check_same_run(tmp_path, then, now, True, reporter)

    other_output = described(batch=8)
    other_output["settings"]["output"]["num"] = 7
    check_same_run(tmp_path, then, other_output, False, reporter)


def test_a_published_run_keeps_its_data_with_force_too(tmp_path: Path) -> None:
    then = described(batch=8) | {"published": 2000}
    other_split = described(batch=8)
    other_split["settings"]["data"]["split_seed"] = 1
    for now, message in (
        (of_other_data(described(batch=8)), "the data changed"),
        (other_split, "data.split_seed was 0, is 1"),
    ):
        with pytest.raises(XrayganError, match=f"{message}.*another --results, train: --new"):
            check_same_run(tmp_path, then, now, True, Notes())
    longer, notes = described(batch=8, kimg=9), Notes()
    check_same_run(tmp_path, then, longer, True, notes)
    assert "going on in spite of: training.kimg" in notes.notes[0]


def test_a_finished_run_of_the_same_length_is_left_as_it_was(tmp_path: Path) -> None:
    then, notes = described(batch=8) | {"published": 2000}, Notes()
    now = described(batch=8, gamma=0.2)
    with pytest.raises(XrayganError, match=r"gamma was 1\.0, is 0\.2.*--force to take the"):
        check_same_run(tmp_path, then, now, False, notes)
    check_same_run(tmp_path, then, now, True, notes)
    assert "this run is finished and left as it was, in spite of: training.gamma" in notes.notes[0]


def test_the_run_of_the_same_data_and_settings_is_found(tmp_path: Path) -> None:
    now = described(batch=8)
    stored = [now, now | {"source": "moved"}, of_other_data(now), described(batch=16)]
    for number, config in enumerate(stored):
        RunFolder(tmp_path / f"{number:05d}-chest_xray").write_config(config)
    for number, content in enumerate(("{", "[]", '{"settings": {}}'), start=len(stored)):
        folder = tmp_path / f"{number:05d}-foreign"
        folder.mkdir()
        (folder / "config.json").write_text(content)
    before = sorted(tmp_path.rglob("*"))
    assert find_run(tmp_path, now) == tmp_path / "00001-chest_xray"
    assert find_run(tmp_path, of_other_data(now)) == tmp_path / "00002-chest_xray"
    assert find_run(tmp_path, described(batch=4)) is None
    assert find_run(tmp_path / "none", now) is None
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_remembers_what_else_it_was_trained_on(tmp_path: Path) -> None:
    run, then = RunFolder(tmp_path), described(batch=8)
    now = of_other_data(then)
    assert data_before(run, then, now) == [], "nothing was learnt of it yet"
    save_checkpoint(tmp_path / "checkpoints", Checkpoint(0, {}, {}))
    assert data_before(run, then, then) == []
    now["data_before"] = data_before(run, then, now)
    assert now["data_before"] == [then["data"]]
    assert data_before(run, now, now) == [then["data"]]
    assert data_before(run, now, then) == [then["data"], now["data"]]


@pytest.mark.parametrize(
    ("best_kid", "checkpoint", "seen", "said"),
    [
        (0.1, "whole", 64, "the model after 64 images was better"),
        (0.1, "damaged", 128, "the last model is published"),
        (0.1, "missing", 128, "the last model is published"),
        (0.29, "whole", 128, None),
    ],
)
def test_the_last_model_is_published_or_an_earlier_one_if_it_can_be_read(
    tmp_path: Path, best_kid: float, checkpoint: str, seen: int, said: str | None
) -> None:
    run, reporter, written = RunFolder(tmp_path / "run"), Notes(), []
    row = {"images_seen": 128, "d_loss": 0.7, "g_loss": 0.7, "fake_spread": 0.5}
    run.add_metrics(row | {"kid": 0.3, "kid_low": 0.2, "kid_high": 0.4, "kid_floor": 0.0})
    arrays = {"weight": np.ones(3, np.float32)}
    if checkpoint != "missing":
        folder = save_checkpoint(run.path / "checkpoints", Checkpoint(64, arrays, {}))
        if checkpoint == "damaged":
            (folder / "state.safetensors").write_bytes(b"cut")
    count = SimpleNamespace(numpy=lambda: 128)
    state = SimpleNamespace(images_seen=count, from_arrays=lambda _: None)
    snapshots = SimpleNamespace(
        calibrate=lambda: written.append("calibrated"), write_model=written.append
    )
    facts = {"best": 64, "best_kid": best_kid}
    assert publish(run, state, snapshots, facts, reporter) == seen
    assert written == ["calibrated", seen]
    assert [note for note in reporter.notes if said and said in note] == reporter.notes
    assert bool(reporter.notes) == bool(said)


def test_a_better_model_that_cannot_be_read_just_now_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    row = {"images_seen": 128, "d_loss": 0.7, "g_loss": 0.7, "fake_spread": 0.5}
    run.add_metrics(row | {"kid": 0.3, "kid_low": 0.2, "kid_high": 0.4, "kid_floor": 0.0})
    save_checkpoint(run.path / "checkpoints", Checkpoint(64, {}, {}))

    def fail(_: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    count = SimpleNamespace(numpy=lambda: 128)
    state = SimpleNamespace(images_seen=count, from_arrays=lambda _: None)
    with pytest.raises(XrayganError, match="cannot be read just now"):
        publish(run, state, SimpleNamespace(), {"best": 64, "best_kid": 0.1}, Notes())


class OddBatches:
    """A trainer that goes on with larger batches, at a count that is no multiple of them."""

    batch = 32
    images_seen = 1040
    state = SimpleNamespace(to_arrays=lambda: {"weights": np.zeros(2, np.float32)})

    def run(self, steps: int, _total: int) -> dict[str, float]:
        self.images_seen += steps * self.batch
        return dict.fromkeys(METRICS, 0.5)

    def real_spread(self) -> float:
        return 0.5

    def epoch(self) -> float:
        return 1.0


def test_a_clock_that_jumps_changes_no_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, clock = RunFolder(tmp_path / "run"), itertools.count(10**9, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    settings = RunSettings.parse({"training": {"batch": 32}}, "test")
    facts: dict = {"seconds": 100.0}
    train_loop(run, OddBatches(), settings, 6000, lambda _: {}, Reporter(quiet=True), facts)
    seconds = [row["seconds"] for row in run.metrics()]
    assert seconds == sorted(seconds)
    assert 100 < seconds[0] <= seconds[-1] <= facts["seconds"] < 200
    assert min(row["images_per_second"] for row in run.metrics()) > 0


def test_a_run_that_goes_on_with_another_batch_still_shows_itself(tmp_path: Path) -> None:
    run, shown = RunFolder(tmp_path / "run"), []
    settings = RunSettings.parse({"training": {"batch": 32}}, "test")

    def snapshot(seen: int) -> dict[str, float]:
        shown.append(seen)
        return {}

    train_loop(run, OddBatches(), settings, 6000, snapshot, Reporter(quiet=True), {})
    assert len(shown) == 6
    assert len(run.metrics()) > 20
