"""The server's end: what it started ends with it, however it is ended."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from xraygan.cli.main import main

pytestmark = pytest.mark.skipif(
    not (hasattr(signal, "SIGHUP") and Path("/proc/self/task").is_dir()),
    reason="no SIGHUP, or no /proc to find the started process in",
)


@contextlib.contextmanager
def studio(folder: Path, hang_up: signal.Handlers):
    """A studio in a process of its own, started with this answer to a closed terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "xraygan", "studio", str(folder), "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, hang_up),
    )
    try:
        yield process, process.stdout.readline().split()[1].rstrip("/")
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def ask(home: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(home).netloc, timeout=60)
    headers = {"Origin": home, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(fields) if fields else None
    connection.request("POST" if fields else "GET", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def start_training(home: str) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', ask(home, "/train")[1])[1]
    fields = {"form_token": token, "data": "phantom", "resolution": "32", "minutes": "5"}
    assert ask(home, "/train", fields)[0] == 303


def children(process: subprocess.Popen) -> list[int]:
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(word) for task in tasks for word in task.read_text().split()]


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_no_training_is_left_behind(tmp_path, number):
    with studio(tmp_path / "runs", signal.SIG_DFL) as (process, home):
        start_training(home)
        (started,) = children(process)
        process.send_signal(number)
        try:
            assert process.wait(90) == 143
            assert not alive(started)
        finally:
            if alive(started):
                os.kill(started, signal.SIGKILL)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_not_there_yet_is_said(tmp_path, capsys, there):
    folder = tmp_path / "runs"
    if there:
        folder.mkdir()
    with pytest.raises(SystemExit, match="2"):  # before it opens anything, for want of a token
        main(["studio", str(folder), "--host", "192.0.2.1"])
    assert (f"{folder}: there is no such folder yet" in capsys.readouterr().err) != there


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path):
    with studio(tmp_path / "runs", signal.SIG_IGN) as (process, home):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert ask(home, "/")[0] == 200
        assert process.poll() is None
