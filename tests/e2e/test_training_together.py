"""Two processes that train one model: what each holds, writes and says."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from program import MODULE, TINY, environment, metrics, run, start, wait_until, write_films
from safetensors.numpy import load_file

STEP = """
import sys
import numpy as np
from safetensors.numpy import save_file
from xraygan.config import TrainingSettings
from xraygan.data.phantom import phantom_images
from xraygan.models.conditions import class_conditions
from xraygan.presets import model_settings
from xraygan.training.base import fit_base
from xraygan.training.device import use_device_together
use, workers = use_device_together("cpu", print)
said = [workers.text_from_leader(text if workers.leads else "other") for text in ("", "\u00e9")]
if said != ["", "\u00e9"]:
    sys.exit(f"worker {workers.rank} understood {said}")
from xraygan.training.state import TrainState
from xraygan.training.trainer import Trainer, TrainingData
images, labels = phantom_images(24, 32, seed=0)[:2]
# The seed of weights differs: the others have to take worker 0's.
training = TrainingSettings(preset="small", start="random", augmentation=1.0)
network = model_settings(training, 32, [["a"], ["b"]], 24, 24, "float32")
state = TrainState(network, training.model_copy(update={"seed": workers.rank}))
data = TrainingData(images, labels, class_conditions(network))
state.set_base(fit_base(images, data.conditions, network))
trainer = Trainer(state, training, data, workers)
if workers.leads:
    with trainer.leading():
        print(trainer.run(2, 4000))
        print(trainer.run(1, 4000))
else:
    trainer.follow()
save_file(state.to_arrays(), sys.argv[1])
"""
FILMS = {"train/NORMAL": 30, "train/PNEUMONIA": 30, "val/NORMAL": 4, "test/NORMAL": 4}


def cluster(count: int = 2) -> list[dict[str, str]]:
    """The environment of each worker; free ports."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
    return [
        environment(
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}
            )
        )
        for rank in range(count)
    ]


def together(commands: list[list[object]], timeout_s: float = 600) -> list[subprocess.Popen]:
    """Both to their ends; their output in `said`."""
    processes = [
        subprocess.Popen(
            [str(part) for part in command],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command, env in zip(commands, cluster(), strict=True)
    ]
    for process in processes:
        process.said = process.communicate(timeout=timeout_s)[0]
    return processes


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_films(tmp_path_factory.mktemp("ward") / "films", FILMS)


def test_two_workers_learn_what_one_learns(tmp_path: Path) -> None:
    ends = together([[sys.executable, "-c", STEP, tmp_path / name] for name in ("w0", "w1")])
    assert [end.returncode for end in ends] == [0, 0], [end.said for end in ends]
    assert run([sys.executable, "-c", STEP, tmp_path / "alone"]).code == 0
    first, second, alone = (load_file(tmp_path / name) for name in ("w0", "w1", "alone"))
    assert first.keys() == second.keys() == alone.keys()
    assert all(np.array_equal(value, second[name]) for name, value in first.items())
    differences = np.concatenate(
        [
            np.abs(value - alone[name]).reshape(-1)
            for name, value in first.items()
            if "optimizer" not in name
        ]
    )
    # Adam's steps have one size: where a gradient is all rounding its sign is, too.
    assert (differences > 1e-5).mean() < 0.01


def test_the_whole_job_by_two_workers(films: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    command = [*MODULE, "run", films, "-o", folder, *TINY, "--kimg", "0.2", "--num", "20"]
    first, second = together(
        [command, [*MODULE, "run", films, "-o", tmp_path / "no", *command[5:]]]
    )
    assert first.returncode == second.returncode == 0, (first.said, second.said)
    assert second.said.splitlines()[-1] == "xraygan: worker 1 is done; worker 0 has the results"
    assert not (tmp_path / "no").exists()
    assert metrics(folder)[-1]["images_seen"] == 200
    assert (folder / "report.html").exists()
    assert "WARNING" not in first.said + second.said
    # Again, in the finished folder: nothing to train, and nobody is left waiting.
    first, second = together([command, command])
    assert first.returncode == second.returncode == 0, (first.said, second.said)
    assert "already trained on 200 images" in first.said


def test_other_images_are_refused_by_both(films: Path, tmp_path: Path) -> None:
    others = write_films(tmp_path / "others", FILMS, seed=1)
    commands = [
        [*MODULE, "train", "--data", data, "--run-dir", tmp_path / "r", *TINY[:-2]]
        for data in (films, others)
    ]
    for end in together(commands):
        assert end.returncode == 2, end.said
        assert end.said.splitlines()[-1].startswith(
            "xraygan: error: worker 1 has other images than worker 0: start all by the same"
        )
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_who_waits_for_the_others_can_be_stopped(films: Path, tmp_path: Path, rank: int) -> None:
    command = [*MODULE, "train", "--data", films, "--run-dir", tmp_path / "r", *TINY[:-2]]
    process = start(command, tmp_path / "log", env=cluster()[rank])
    assert wait_until(lambda: "waiting for all to join" in (tmp_path / "log").read_text(), process)
    time.sleep(3)  # until TensorFlow does the waiting
    process.send_signal(signal.SIGINT)
    assert process.wait(30) in (-signal.SIGINT, 130)


@pytest.mark.slow
def test_who_is_left_alone_says_so_and_the_run_goes_on(films: Path, tmp_path: Path) -> None:
    folder, logs = tmp_path / "r", [tmp_path / "0", tmp_path / "1"]
    command = [*MODULE, "train", "--data", films, "--run-dir", folder, *TINY[:-2], "--kimg", "8"]
    command += ["--snapshot-kimg", "1"]
    first, second = (start(command, log, env=env) for log, env in zip(logs, cluster(), strict=True))
    assert wait_until(lambda: "1,200 of 8,000 images" in logs[0].read_text(), first)  # a snapshot
    second.kill()
    assert first.wait(120) == 2, logs[0].read_text()
    assert "worker 0: another worker has ended" in logs[0].read_text().splitlines()[-1]
    assert "Traceback" not in logs[0].read_text()

    # Alone: the same run, from its checkpoint. Stopped by a signal, it ends as ever.
    process = start(command, logs[0])
    assert wait_until(lambda: "going on after" in logs[0].read_text(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143, logs[0].read_text()


@pytest.mark.slow
def test_a_signal_at_worker_0_stops_both(films: Path, tmp_path: Path) -> None:
    folder, logs = tmp_path / "r", [tmp_path / "0", tmp_path / "1"]
    command = [*MODULE, "train", "--data", films, "--run-dir", folder, *TINY[:-2], "--kimg", "8"]
    first, second = (start(command, log, env=env) for log, env in zip(logs, cluster(), strict=True))
    assert wait_until(lambda: "of 8,000 images, epoch" in logs[0].read_text(), first)
    for process in (first, second):
        process.send_signal(signal.SIGINT)
    assert first.wait(60) == 130, logs[0].read_text()
    assert "start the same command again to go on" in logs[0].read_text()
    assert second.wait(60) == 0, logs[1].read_text()
