import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from xraygan.data import killable
from xraygan.data.headers import PassingRefusal, Refusal
from xraygan.data.killable import run_killable, stop_helpers
from xraygan.errors import XrayganError

WORK = "killable_jobs:work"
posix = pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")


@pytest.fixture(autouse=True, scope="module")
def no_helper_is_left() -> Iterator[None]:
    yield
    stop_helpers()


def job(do: str = "echo", payload: bytes = b"", **settings: Any) -> tuple[dict, memoryview]:
    return run_killable(WORK, {"do": do, **settings}, payload)


def refusal(do: str, **settings: Any) -> str:
    """What may pass, unless the work itself refuses."""
    with pytest.raises(Refusal) as caught:
        job(do, **settings)
    assert isinstance(caught.value, PassingRefusal) == (do != "refuse")
    return str(caught.value)


def pid() -> int:
    return job()[0]["pid"]


def test_payload_goes_there_and_back_and_the_helper_is_kept() -> None:
    content = bytes(range(256)) * 40_000
    answer, parts = job(payload=content)
    assert bytes(parts) == content * 2
    assert pid() == answer["pid"] != os.getpid()


def test_a_refusal_passes_and_the_helper_goes_on() -> None:
    before = pid()
    assert refusal("refuse") == "this is refused"
    assert refusal("pass") == "not on this machine"
    assert pid() == before


@pytest.mark.parametrize("how", ["fail", pytest.param("crash", marks=posix)])
def test_a_crash_is_a_refusal_and_the_next_job_runs(how: str) -> None:
    before = pid()
    assert "crashed" in refusal(how)
    assert pid() != before


@posix
@pytest.mark.slow
def test_endless_work_is_killed_in_time() -> None:
    pid()
    start = time.monotonic()
    assert "more than 5 s" in refusal("spin")
    # Processor time is limited; a busy machine takes longer by the clock.
    assert time.monotonic() - start < 40
    assert pid()


def test_sleeping_is_killed_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killable, "_CLOCK_SECONDS", 0.3)
    start = time.monotonic()
    assert "more than 5 s" in refusal("sleep", seconds=30)
    assert time.monotonic() - start < 5


@posix
def test_memory_is_limited() -> None:
    assert job("allocate", bytes=500 * 2**20)[0]["bytes"] == 500 * 2**20
    assert "2 GiB of memory" in refusal("allocate", bytes=3 * 2**30)
    assert pid()


def test_an_interrupted_job_leaves_no_answer_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = pid()

    def interrupted(*_: object) -> tuple[dict, bytes]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(killable, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            job(payload=b"first")
    answer, parts = job(payload=b"second")
    assert bytes(parts) == b"secondsecond"
    assert answer["pid"] != before


@posix
def test_a_helper_that_died_while_idle_is_replaced() -> None:
    os.kill(pid(), signal.SIGKILL)
    assert job(payload=b"x")[0]["pid"]


def test_many_threads_get_their_own_answers() -> None:
    def one(n: int) -> tuple[bool, int]:
        content = str(n).encode() * 1000
        answer, parts = job(payload=content)
        return bytes(parts) == content * 2, answer["pid"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(64)))
    assert all(right for right, _ in results)
    assert len({helper for _, helper in results}) <= 4


def test_what_a_library_prints_reaches_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    stop_helpers()
    assert bytes(job("chatter", b"x")[1]) == b"xx"
    shown = capfd.readouterr()
    assert "DOE" not in shown.out + shown.err


def test_a_helper_that_cannot_start_is_the_users_business() -> None:
    with pytest.raises(XrayganError, match="does not start"):
        run_killable("no_such_module:work", {}, b"")


def _in_a_fork(queue: "multiprocessing.Queue[int]") -> None:
    queue.put(pid())


@posix
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    before = pid()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_fork, args=(queue,))
    child.start()
    assert queue.get(timeout=60) != before
    child.join(60)
    assert pid() == before


def test_helpers_end_with_the_program(tmp_path: Path) -> None:
    code = (
        "from xraygan.data.killable import run_killable\n"
        "print(run_killable('killable_jobs:work', {'do': 'echo'}, b'')[0]['pid'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{int(done.stdout)}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{int(done.stdout)}").exists()
