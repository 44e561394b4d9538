"""Work on files from strangers in a process of its own, which can be killed.

Decoders written in C can crash, hang or ask for all memory on a hostile file. Here one function
runs in a helper process: a plain new interpreter (nothing is forked, so TensorFlow and threads
do not matter) that reads jobs from a pipe and answers on another, keeps no open file besides,
and whose terminal is nowhere. It gets a limit on memory, and on processor time for each job
where the platform has them (POSIX), and is killed when it takes too long by the clock.
What comes back is JSON and bytes: nothing is unpickled.
"""

import atexit
import contextlib
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from xraygan.data.headers import PassingRefusal, Refusal
from xraygan.errors import XrayganError

try:
    import resource
except ImportError:  # Windows has no such limits: the clock alone watches there.
    resource = None

Work = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], list[memoryview]]]
"""What a helper does: (settings, payload) to (answer, parts of the answer's payload)."""

CPU_SECONDS = 5
"""Processor time that one job may take, at most; the clock's limit where there is no other."""
MEMORY_BYTES = 2 * 2**30
"""Address space of a helper."""

# By the clock a busy machine must not refuse what an idle one reads.
_CLOCK_SECONDS = 60 if resource else CPU_SECONDS
_START_SECONDS = 60
_IDLE_SECONDS = 60
_MAX_HELPERS = 4
_MAX_ANSWER_BYTES = 2**30
_SIZES = struct.Struct(">QQ")

_idle: dict[str, list["_Helper"]] = {}
_guard = threading.Lock()
_running = threading.BoundedSemaphore(_MAX_HELPERS)


def run_killable(work: str, settings: dict[str, Any], payload: bytes) -> tuple[dict, memoryview]:
    """Run a `Work` function in a helper process; helpers are kept for the next call.

    Safe to call from many threads: four helpers at most run at a time.

    Args:
        work: "package.module:function", importable, of type `Work`.
        settings: goes through JSON.
        payload: the file.

    Returns:
        What the function returned, the parts of its payload joined.

    Raises:
        Refusal: the function's own; a `PassingRefusal` where it took too long, needed too much
            memory or crashed.
        XrayganError: the helper process cannot be started at all.
    """
    with _running:
        helper = _take(work)
        seasoned = helper.jobs > 0
        try:
            return helper.run(settings, payload)
        except _CrashError:
            if not seasoned:
                raise PassingRefusal("its decoder crashed on it") from None
        finally:
            _give_back(work, helper)
        # Perhaps it fell asleep, or an earlier file had damaged it: a new one decides.
        helper = _Helper(work)
        try:
            return helper.run(settings, payload)
        except _CrashError:
            raise PassingRefusal("its decoder crashed on it") from None
        finally:
            _give_back(work, helper)


def _take(work: str) -> "_Helper":
    with _guard:
        waiting = _idle.setdefault(work, [])
        while waiting:
            helper = waiting.pop()
            if helper.alive():
                return helper
            helper.kill()
    return _Helper(work)


def _give_back(work: str, helper: "_Helper") -> None:
    if helper.alive():
        with _guard:
            _idle.setdefault(work, []).append(helper)
    else:
        helper.kill()


def stop_helpers() -> None:
    """End all helpers that wait for work; they end by themselves after a minute, on POSIX."""
    with _guard:
        helpers = [helper for waiting in _idle.values() for helper in waiting]
        _idle.clear()
    for helper in helpers:
        helper.kill()


def _forget_helpers() -> None:
    """A forked copy of this process may not talk to its parent's helpers."""
    global _guard, _running
    _idle.clear()
    _guard = threading.Lock()
    _running = threading.BoundedSemaphore(_MAX_HELPERS)


atexit.register(stop_helpers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


_NOT_STARTED = (
    "the helper process that decodes DICOM does not start; check that memory is free and that this "
    "works: python -c 'import xraygan.data.dicom_parsing'"
)


def _started(work: str) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __spec__.name, work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                # Threads of numpy's libraries only cost address space here.
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
            },
            # Ctrl-C in the terminal must not end what the parent still waits for.
            start_new_session=True,
        )
    except OSError as error:
        raise XrayganError(f"{_NOT_STARTED} ({error.strerror})") from None


class _CrashError(Exception):
    """The helper ended, or answered nonsense, during a job."""


class _Helper:
    """One helper process and the pipes to it; one job at a time.

    Attributes:
        jobs: how many it was given.
    """

    def __init__(self, work: str) -> None:
        self.jobs = 0
        self._late = False
        self._process = _started(work)
        try:
            with self._killed_after(_START_SECONDS):
                ready = _pipe(self._process.stdout).read(1)
        except BaseException:
            self.kill()
            raise
        if not ready:
            self.kill()
            raise XrayganError(_NOT_STARTED)

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process now, and wait for it."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                _pipe(stream).close()

    def run(self, settings: dict[str, Any], payload: bytes) -> tuple[dict, memoryview]:
        """One job; whatever interrupts it ends the process, so that no answer is mixed up."""
        self.jobs += 1
        finished = False
        try:
            with self._killed_after(_CLOCK_SECONDS):
                _send(_pipe(self._process.stdin), settings, [memoryview(payload)])
                answer, content = _receive(_pipe(self._process.stdout))
            finished = True
        except (OSError, EOFError, ValueError) as error:
            self.kill()
            if self._late or self._process.returncode == -getattr(signal, "SIGXCPU", 0):
                raise PassingRefusal(f"decoding it takes more than {CPU_SECONDS} s") from None
            raise _CrashError from error
        finally:
            if not finished:
                self.kill()
        if "refused" in answer:
            kind = PassingRefusal if answer.get("passing") else Refusal
            raise kind(answer["refused"])
        return answer, memoryview(content)

    @contextlib.contextmanager
    def _killed_after(self, seconds: float):
        timer = threading.Timer(seconds, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _too_late(self) -> None:
        self._late = True
        with contextlib.suppress(OSError):
            self._process.kill()


def _pipe(stream: Any) -> BinaryIO:
    if stream is None:
        raise TypeError("the helper was started without pipes")
    return stream


def _send(stream: BinaryIO, answer: dict[str, Any], parts: list[memoryview]) -> None:
    head = json.dumps(answer).encode("ascii")
    stream.write(_SIZES.pack(len(head), sum(part.nbytes for part in parts)))
    stream.write(head)
    for part in parts:
        stream.write(part)
    stream.flush()


def _receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """One message: EOFError where it ends early, ValueError where it is none."""
    head_size, size = _SIZES.unpack(_read(stream, _SIZES.size))
    if max(head_size, size) > _MAX_ANSWER_BYTES:
        raise ValueError("a message larger than any picture")
    return json.loads(_read(stream, head_size)), _read(stream, size)


def _read(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _serve(work_name: str) -> None:
    """The helper's side: jobs from stdin, answers to stdout, until stdin ends."""
    jobs, answers = _private_pipes()
    module, function = work_name.split(":")
    work: Work = getattr(importlib.import_module(module), function)
    _limit_memory()
    answers.write(b"!")
    answers.flush()
    while True:
        _set_alarm(_IDLE_SECONDS)
        try:
            settings, payload = _receive(jobs)
        except EOFError:
            return
        _set_alarm(0)
        _limit_time()
        try:
            answer, parts = work(settings, payload)
        except Refusal as refusal:
            answer, parts = _refused(refusal), []
        except MemoryError:
            gib = MEMORY_BYTES / 2**30
            reason = f"decoding it takes more than {gib:.0f} GiB of memory"
            answer, parts = _refused(PassingRefusal(reason)), []
        _send(answers, answer, parts)
        del answer, parts, payload


def _refused(refusal: Refusal) -> dict[str, Any]:
    return {"refused": str(refusal), "passing": isinstance(refusal, PassingRefusal)}


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes under other numbers, so that no library can write into them."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return jobs, answers


def _limit_memory() -> None:
    if resource is None:
        return
    for kind, limit in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # the user's own limit is lower
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _limit_time() -> None:
    """The process ends by SIGXCPU when this job has used up its seconds."""
    if resource is None:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, hard))


def _set_alarm(seconds: int) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    _serve(sys.argv[1])
