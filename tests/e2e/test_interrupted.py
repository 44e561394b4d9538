"""Kills, signals and damage in the middle of a run: the end is the same, bit for bit."""

import contextlib
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from program import MODULE, metrics, model_bytes, newest_arrays, run, start, wait_until

KILLS = 20

pytestmark = pytest.mark.slow


def same_end(folder: Path, other: Path) -> bool:
    assert [row["images_seen"] for row in metrics(folder)] == sorted(
        {row["images_seen"] for row in metrics(folder)}
    )
    return (newest_arrays(folder), model_bytes(folder)) == (
        newest_arrays(other),
        model_bytes(other),
    )


def checkpoints(folder: Path) -> set[str]:
    return {p.name for p in (folder / "checkpoints").glob("[0-9]*")}


def test_snapshots_come_as_often_as_asked(uninterrupted):
    measured = [row["images_seen"] for row in metrics(uninterrupted) if "kid" in row]
    assert 7 <= len(measured) <= 9, measured


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_in_training_leaves_a_checkpoint(
    films, slow_settings, uninterrupted, tmp_path, number, code
):
    folder, log = tmp_path / "r", tmp_path / "log"
    # No checkpoint is due between the first step and the end: the second is the signal's.
    settings = [*slow_settings, "--snapshot-kimg", "2", "--checkpoint-seconds", "1000"]
    process = start([*MODULE, "run", films, "-o", folder, *settings], log)
    assert wait_until(lambda: "of 2,000 images, epoch" in log.read_text(), process)
    process.send_signal(number)
    asked = time.monotonic()
    assert process.wait(30) == code, log.read_text()
    assert time.monotonic() - asked < 10
    assert "Traceback" not in log.read_text()
    assert "start the same command again to go on" in log.read_text().splitlines()[-1]
    first, second = sorted(checkpoints(folder))
    assert int(first) == 0 < int(second)
    rest = run([*MODULE, "run", films, "-o", folder, *settings])
    assert rest.code == 0, rest
    assert "going on after" in rest.stderr
    assert newest_arrays(folder) == newest_arrays(uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_at_any_moment_shows_no_traceback(films, slow_settings, tmp_path, number):
    """From the command line's own imports over TensorFlow's to the compiling of the graph."""
    rng = random.Random(int(number))
    for moment in (0.6, *(rng.uniform(0.6, 12) for _ in range(5))):
        log = tmp_path / f"log{moment:.3f}"
        process = start([*MODULE, "run", films, "-o", tmp_path / "r", *slow_settings], log)
        time.sleep(moment)
        process.send_signal(number)
        code = process.wait(60)
        print(f"signal {number} after {moment:.1f} s: {code}", flush=True)
        assert code == 128 + number, (moment, log.read_text())
        assert "Traceback" not in log.read_text(), (moment, log.read_text())


def written(path: Path) -> int:
    """When, in nanoseconds; 0 for what has gone meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return 0


MOMENTS = ("start", "training", "checkpoint", "imports", "snapshot", "tracing", "checkpoint")


def kill_at(
    moment: str, process: subprocess.Popen, folder: Path, log: Path, rng: random.Random
) -> bool:
    """Kill the process at a moment of this kind; whether it was still alive."""

    def tracing() -> bool:
        return any(words in log.read_text() for words in ("going on after", "images to see"))

    def wait_for_change(pattern: str) -> None:
        before = {(p, written(p)) for p in folder.glob(pattern)}
        wait_until(
            lambda: any((p, written(p)) not in before for p in folder.glob(pattern)), process
        )

    if moment == "start":
        time.sleep(rng.uniform(0, 3))
    elif moment == "imports":
        time.sleep(rng.uniform(3, 9))
    else:
        wait_until(tracing, process)
        if moment == "tracing":
            time.sleep(rng.uniform(0, 8))
        elif moment == "snapshot":
            wait_for_change("fakes*.png")  # then come the model, the KID, the checkpoint
            time.sleep(rng.uniform(0, 0.5))
        else:
            wait_for_change("checkpoints/*")
            time.sleep(rng.uniform(0, 4))
            if moment == "checkpoint":
                wait_for_change("checkpoints/*")
                time.sleep(rng.uniform(0, 0.02))
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def test_kill_at_random_moments(films, slow_settings, uninterrupted, cache, tmp_path):
    rng = random.Random(20)
    folder = tmp_path / "r"
    command = [*MODULE, "run", films, "-o", folder, *slow_settings]
    killed = 0
    for number in range(KILLS):
        moment = MOMENTS[number % len(MOMENTS)]
        if moment == "start":
            shutil.rmtree(cache)  # so that there is data to be read
        log = tmp_path / f"log{number}"
        began = time.monotonic()
        was_alive = kill_at(moment, start(command, log), folder, log, rng)
        killed += was_alive
        at = sorted(checkpoints(folder))[-1:] or ["nothing"]
        after = time.monotonic() - began
        print(f"kill {number + 1} ({moment}) after {after:.1f} s, checkpoint {at[0]}", flush=True)
        assert "Traceback" not in log.read_text(), log.read_text()
        assert "xraygan: error" not in log.read_text(), log.read_text()
    rest = run(command)
    assert rest.code == 0, rest
    assert killed >= KILLS - 2, "the run is too short for this many kills"
    assert same_end(folder, uninterrupted)
    left = [p.name for p in folder.rglob(".*") if p.name != ".lock"]
    assert [name for name in left if name.startswith((".writing", ".removing"))] == []


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_newest_checkpoint_falls_back(
    films, slow_settings, uninterrupted, tmp_path, damage
):
    folder = tmp_path / "r"
    shutil.copytree(uninterrupted, folder)
    names = sorted(checkpoints(folder))
    newest = folder / "checkpoints" / names[-1] / "state.safetensors"
    data = bytearray(newest.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    else:
        del data[len(data) // 2 :]
    newest.write_bytes(data)
    ended = run([*MODULE, "run", films, "-o", folder, *slow_settings])
    assert ended.code == 0, ended
    assert f"{names[-1]}: damaged" in ended.stderr
    assert "falling back to the checkpoint before" in ended.stderr
    assert f"going on after {int(names[-2]):,} of 2,000 images" in ended.stderr
    assert same_end(folder, uninterrupted)
