"""Which folder `train` takes, and what it refuses before there is one."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from studio_run import SIDE, write_films
from xraygan.api import Trained, train
from xraygan.errors import StoppedError, XrayganError
from xraygan.progress import Reporter
from xraygan.runs import numbered_runs, read_config
from xraygan.training import session

SETTINGS = {"resolution": SIDE, "preset": "small", "kimg": 0.1, "batch": 4}


def begin(*arguments: Path, **options: Any) -> Trained:
    return train(*arguments, device="cpu", reporter=Reporter(quiet=True), **options)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return write_films(tmp_path / "films", 4)


@pytest.fixture
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever trains is stopped while it registers its films."""

    def stop(*_: object) -> None:
        raise StoppedError(2, "stopped")

    monkeypatch.setattr(session, "fit_base", stop)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"batch": 64}, "more than the 8 training images"),
        ({"start": "phantom"}, "no learnt weights for --resolution 32"),
    ],
)
@pytest.mark.parametrize("numbered", [True, False])
def test_what_cannot_be_begun_leaves_no_folder(
    films: Path, tmp_path: Path, asked: dict, said: str, numbered: bool
) -> None:
    place = {"outdir": tmp_path / "runs"} if numbered else {"run_dir": tmp_path / "runs"}
    with pytest.raises(XrayganError, match=said):
        begin(films, **place, **(SETTINGS | asked))
    assert not (tmp_path / "runs").exists()


def test_a_missing_tracker_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(XrayganError, match=r"--track mlflow needs: pip install"):
        begin(tmp_path / "no-films", tmp_path / "runs", track="mlflow")
    assert not (tmp_path / "runs").exists()


def test_a_new_run_in_a_folder_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(XrayganError, match=r"--new and --run-dir .*a are both given: leave one"):
        begin(tmp_path / "no-films", run_dir=tmp_path / "a", new=True)
    assert not (tmp_path / "a").exists()


@pytest.mark.usefixtures("_stopped")
def test_force_asks_which_run_where_none_has_these_settings(films: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    changed = SETTINGS | {"gamma": 0.2}
    with pytest.raises(StoppedError):
        begin(films, runs, force=True, **SETTINGS)
    with pytest.raises(XrayganError, match=r"--force: no run in .*name the one .*by --run-dir"):
        begin(films, runs, force=True, **changed)
    assert len(numbered_runs(runs)) == 1
    with pytest.raises(StoppedError):
        begin(films, runs, force=True, **SETTINGS)
    assert len(numbered_runs(runs)) == 1, "this one was found"
    with pytest.raises(StoppedError):
        begin(films, runs, force=True, new=True, **changed)
    assert len(numbered_runs(runs)) == 2


@pytest.mark.usefixtures("_stopped")
def test_a_run_that_learnt_nothing_takes_other_settings(films: Path, tmp_path: Path) -> None:
    for settings in (SETTINGS, SETTINGS | {"resolution": 64, "preset": "base"}):
        with pytest.raises(StoppedError):
            begin(films, run_dir=tmp_path / "run", **settings)
    config = read_config(tmp_path / "run")
    assert config is not None
    assert config["model"]["resolution"] == 64


@pytest.mark.usefixtures("_stopped")
@pytest.mark.parametrize("new", [False, True])
def test_who_is_stopped_is_told_how_to_go_on(films: Path, tmp_path: Path, new: bool) -> None:
    """The same command with --new would begin another run."""
    with pytest.raises(StoppedError) as stopped:
        begin(films, tmp_path / "runs", new=new, **SETTINGS)
    [run] = numbered_runs(tmp_path / "runs")
    ways = ("the same command again", f"it again with --run-dir {run} instead of --new")
    assert str(stopped.value) == f"stopped; start {ways[new]} to go on"
    assert stopped.value.exit_code == 130


@pytest.fixture
def _stopped_amid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever trains is stopped after its first checkpoint."""

    def stop(*_: object) -> None:
        raise StoppedError(15, "stopped amid")

    monkeypatch.setattr(session, "train_loop", stop)


@pytest.mark.usefixtures("_stopped_amid")
def test_an_unfinished_run_that_was_begun_otherwise_is_told_of(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(StoppedError):
        begin(films, runs, **SETTINGS)
    assert "begun otherwise" not in capsys.readouterr().err
    with pytest.raises(StoppedError):
        begin(films, runs, **(SETTINGS | {"gamma": 0.2}))
    first, second = numbered_runs(runs)
    told = capsys.readouterr().err
    assert f"{first} is not finished, and was begun otherwise: training.gamma was" in told
    assert f"--run-dir {first} with --force goes on" in told
    log = (second / "log.txt").read_text(encoding="utf-8")
    assert "Only 8 training images" in log
    assert log.rstrip().endswith("stopped amid; start the same command again to go on")


def test_a_length_that_is_passed_already_is_refused(films: Path, tmp_path: Path) -> None:
    begin(films, run_dir=tmp_path / "run", **SETTINGS)
    before = (tmp_path / "run/config.json").read_bytes()
    with pytest.raises(XrayganError, match="100 images are seen already, and 52 are asked for"):
        begin(films, run_dir=tmp_path / "run", force=True, **(SETTINGS | {"kimg": 0.05}))
    assert (tmp_path / "run/config.json").read_bytes() == before
