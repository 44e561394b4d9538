"""What trackers are told, read back with the trackers' own readers."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from xraygan.errors import StoppedError, TrainingFailedError, XrayganError
from xraygan.pictures import save_grid
from xraygan.runs import RunFolder
from xraygan.tracking import tracking

ROW = {"images_seen": 320, "epoch": 1.5, "d_loss": 0.7, "kid": 0.25}
SETTINGS = {"resolution": 32, "batch": 8, "gamma": 0.3}


def told(run: RunFolder, name: Any, row: dict[str, Any] = ROW) -> list[str]:
    """One tick and one grid; the notes."""
    notes: list[str] = []
    with tracking(name, run, SETTINGS, notes.append):
        run.add_metrics(row)
        path = run.path / "fakes000000.png"
        save_grid(path, [np.full((3, 32, 32), 200, np.uint8)])
        if run.listener:
            run.listener.picture(path, row["images_seen"])
    assert run.listener is None
    return notes


def test_none_is_told_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert told(run, None) == []
    assert {path.name for path in run.path.iterdir()} == {
        "checkpoints",
        "metrics.jsonl",
        "fakes000000.png",
    }


def test_tensorboard_reads_figures_and_the_grid(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    run = RunFolder(tmp_path / "run")
    assert str(run.path / "tensorboard") in told(run, "tensorboard")[0]
    events = EventAccumulator(str(run.path / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()["tensors"]
    assert set(tags) == {"epoch", "d_loss", "kid", "fakes"}
    [kid] = events.Tensors("kid")
    assert (kid.step, make_ndarray(kid.tensor_proto)) == (320, 0.25)
    [grid] = events.Tensors("fakes")
    assert make_ndarray(grid.tensor_proto)[2].startswith(b"\x89PNG")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    mlflow = pytest.importorskip("mlflow")
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(uri)
    return uri


def test_mlflow_reads_figures_settings_and_the_grid_of_a_resumed_run(
    tmp_path: Path, store: str
) -> None:
    import mlflow

    run = RunFolder(tmp_path / "00012-ward-7-32")
    told(run, "mlflow")
    told(run, "mlflow", {**ROW, "images_seen": 640, "kid": 0.125})
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("xraygan")
    [found] = client.search_runs([experiment.experiment_id])
    assert found.info.run_id == json.loads((run.path / "mlflow.json").read_text())["run_id"]
    assert (found.info.run_name, found.info.status) == ("00012-32", "FINISHED")
    assert found.data.params == {"resolution": "32", "batch": "8", "gamma": "0.3"}
    history = client.get_metric_history(found.info.run_id, "kid")
    assert [(point.step, point.value) for point in history] == [(320, 0.25), (640, 0.125)]
    assert len(client.list_artifacts(found.info.run_id, "fakes")) == 2


def test_mlflow_needs_no_server(tmp_path: Path) -> None:
    """In a process of its own, as a user without any setting of MLflow runs it."""
    for name in ("mlflow", "alembic"):
        pytest.importorskip(name)
    code = (
        "from pathlib import Path\n"
        "from xraygan.runs import RunFolder\n"
        "from xraygan.tracking import tracking\n"
        "run = RunFolder(Path('run'))\n"
        "with tracking('mlflow', run, {'resolution': 32}, print):\n"
        "    run.add_metrics({'images_seen': 8, 'kid': 0.5})\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "sqlite:" in done.stdout
    assert (tmp_path / "mlflow.db").is_file()


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoppedError(15, "stopped"), "KILLED"), (TrainingFailedError("nan"), "FAILED")],
)
def test_mlflow_hears_how_a_run_ended(
    tmp_path: Path, store: str, error: BaseException, status: str
) -> None:
    import mlflow

    run = RunFolder(tmp_path / "run")
    with pytest.raises(type(error)), tracking("mlflow", run, SETTINGS, print):
        raise error
    found = mlflow.MlflowClient().get_run(
        json.loads((run.path / "mlflow.json").read_text())["run_id"]
    )
    assert found.info.status == status


def test_a_store_that_goes_while_training_is_told_once_and_the_run_goes_on(
    tmp_path: Path, store: str
) -> None:
    run = RunFolder(tmp_path / "run")
    notes: list[str] = []
    with tracking("mlflow", run, SETTINGS, notes.append):
        run.add_metrics(ROW)
        shutil.rmtree(tmp_path / "mlruns")
        run.add_metrics({**ROW, "images_seen": 640})
        run.add_metrics({**ROW, "images_seen": 960})
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["images_seen"] for line in lines] == [320, 640, 960]
    assert len(notes) == 2
    assert notes[1].startswith("--track mlflow: ")
    assert notes[1].endswith("; nothing more is tracked, and the run itself lacks nothing")


def test_a_servers_refusal_of_a_picture_ends_no_run(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    def refused(*_: object) -> None:
        raise requests.HTTPError("502 Server Error:\nBad Gateway")

    monkeypatch.setattr("mlflow.MlflowClient.log_artifact", refused)
    notes = told(RunFolder(tmp_path / "run"), "mlflow")
    assert "--track mlflow: 502 Server Error: Bad Gateway; nothing more" in notes[1]


@pytest.mark.parametrize("ended", [None, StoppedError(2, "stopped")])
def test_a_tracker_that_is_gone_at_the_end_changes_no_end(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch, ended: BaseException | None
) -> None:
    import requests

    def gone(*_: object) -> None:
        raise requests.ConnectionError("the server is gone")

    monkeypatch.setattr("mlflow.MlflowClient.set_terminated", gone)
    notes: list[str] = []
    run = RunFolder(tmp_path / "run")
    expected = pytest.raises(StoppedError) if ended else contextlib.nullcontext()
    with expected, tracking("mlflow", run, SETTINGS, notes.append):
        if ended:
            raise ended
    assert notes[-1].startswith("--track mlflow: the server is gone; ")


def test_an_mlflow_run_that_is_gone_is_one_clear_line(tmp_path: Path, store: str) -> None:
    run = RunFolder(tmp_path / "run")
    (run.path / "mlflow.json").write_text('{"run_id": "0123456789abcdef"}')
    with pytest.raises(XrayganError, match=r"--track mlflow: .*leave --track out"):
        told(run, "mlflow")


def test_event_files_that_cannot_be_written_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    message = rf"--track tensorboard: {re.escape(str(run.path))}.*make room for .*leave --track out"
    (run.path / "tensorboard").symlink_to("/proc")  # where nobody can make a file
    with pytest.raises(XrayganError, match=message):
        told(run, "tensorboard")
    (run.path / "tensorboard").unlink()

    def full(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    for name in ("scalar", "image"):
        with monkeypatch.context() as patch:
            patch.setattr(tf.summary, name, full)
            notes = told(run, "tensorboard")
        assert notes[1].startswith("--track tensorboard: No space left on device; nothing more")
        assert len(notes) == 2


def test_another_name_or_a_missing_package_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    with pytest.raises(XrayganError, match="--track wandb: use tensorboard or mlflow"):
        told(run, "wandb")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(XrayganError, match=r"needs: pip install 'xraygan\[track\]'"):
        told(run, "tensorboard")
