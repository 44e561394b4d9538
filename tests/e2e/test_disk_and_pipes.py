"""Disks that refuse, and readers that go away."""

import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from program import MODULE, SCRIPT, TINY, run, xraygan


def at_most(size: int):
    """For a child process: no file larger than this, as on a disk that is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_results_cannot_be_a_folder(films, tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = xraygan("run", films, "-o", tmp_path / "file", *TINY)
    assert str(tmp_path / "file") in ended.refusal()
    assert (tmp_path / "file").read_text() == "in the way"


def test_stdout_closed_by_its_reader():
    process = subprocess.Popen(
        [*MODULE, "run", ".", "--dry-run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)
    assert stderr == b""


def test_no_stdout_at_all():
    ended = run(["sh", "-c", '"$@" >&-', "sh", *MODULE, "run", ".", "--dry-run"])
    assert (ended.code, ended.stderr) == (0, "")


@pytest.mark.parametrize("form", [["--json"], []])
def test_stdout_on_a_full_disk(form):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*MODULE, "run", ".", "--dry-run", *form],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("xraygan: error: standard output: No space left on device; free")


@pytest.mark.slow
def test_stdout_closed_before_the_result(finished):
    process = subprocess.Popen(
        [*map(str, finished.command), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    stderr = process.stderr.read().decode()
    process.wait(60)
    assert "Traceback" not in stderr
    assert "already trained" in stderr


@pytest.mark.slow
@pytest.mark.parametrize("size", [2_000, 200_000, 2_000_000])
def test_full_disk_leaves_the_checkpoint_before(finished, tmp_path, size):
    """Small pictures, the model, or only the checkpoint meet the limit."""
    folder = tmp_path / "r"
    shutil.copytree(finished.folder, folder)
    state = folder / "checkpoints/000000000200/state.safetensors"
    before = state.read_bytes()
    longer = [*TINY, "--kimg", "0.25", "--num", "20", "--force"]
    command = [*SCRIPT, "--data", finished.data, "--results", folder, *longer]
    ended = run(command, preexec_fn=at_most(size))
    assert "free some space" in ended.refusal()
    assert state.read_bytes() == before
    rest = run(command)
    assert rest.code == 0, rest
