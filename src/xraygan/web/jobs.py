"""Training in processes of their own: started from a form, watched, and stopped in peace."""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraygan.config import RunSettings
from xraygan.errors import XrayganError
from xraygan.runs import CONFIG, PHANTOM, refusing_disk_faults

FIELDS = {
    "resolution": "data",
    "preset": "training",
    "minutes": "training",
    "batch": "training",
    "seed": "training",
}
"""Settings that the form has, with their group."""
LAST_BYTES = 8192
CHECKPOINT_WAIT_S = 60
_STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM}
_ENDED_AT_ONCE = {1, -signal.SIGTERM}
"""Exit codes of a process that could not answer: any on Windows, one still starting elsewhere."""
_FOLDER = re.compile(r"run folder: (.+)\n")
"""Of a whole line: one that is being written ends nowhere."""
_OTHERS = {"TF_CONFIG", "SLURM_STEP_NUM_TASKS"}
"""By these a process knows that it trains together with others."""


@dataclass
class Job:
    """One training process.

    Attributes:
        key: what addresses call it.
        data: the data set's name.
        settings: what was asked for, by option.
        log: where its output goes.
        process: itself.
        verb: what it does, and into which folder.
        known: its run folder, once this process or an earlier one has said so.
        stopping: whether it was asked to stop.
    """

    key: str
    data: str
    settings: Mapping[str, Any]
    log: Path
    process: subprocess.Popen
    verb: tuple[str, ...]
    known: Path | None = None
    stopping: bool = False

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None

    @property
    def state(self) -> str:
        """In words."""
        code = self.process.poll()
        if code is None:
            return "stopping" if self.stopping else "running"
        if code in _STOPPED or (self.stopping and code in _ENDED_AT_ONCE):
            return "stopped"
        return "failed" if code else "finished"

    @property
    def last_line(self) -> str:
        """What it said last: a number of images, or why it failed."""
        lines = [line for line in self._end().splitlines() if line.strip()]
        return lines[-1].removeprefix("xraygan: ") if lines else ""

    @property
    def run(self) -> Path | None:
        """Its run folder, once it has said so."""
        if self.known is None:
            with (
                contextlib.suppress(OSError),
                self.log.open(encoding="utf-8", errors="replace") as log,
            ):
                found = next(filter(None, map(_FOLDER.match, log)), None)
                self.known = Path(found[1].strip()) if found else None
        return self.known

    def _end(self) -> str:
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(self.log.stat().st_size - LAST_BYTES, 0))
            return file.read(LAST_BYTES).decode("utf-8", "replace")
        return ""


class Jobs:
    """What was started here.

    Args:
        folder: where run folders are made.
        data: folders that may be trained on, by name; the phantom is always there.
        device: as for `xraygan.training.device.use_device`.
    """

    def __init__(self, folder: Path, data: Mapping[str, Path], device: str = "auto") -> None:
        self._folder, self._device = folder, device
        self._data: dict[str, Path | None] = {PHANTOM: None, **data}
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._logs = tempfile.TemporaryDirectory(prefix="xraygan-studio-")

    @property
    def sources(self) -> list[str]:
        """Names of what may be trained on."""
        return list(self._data)

    def all(self) -> list[Job]:
        """Every job, newest first."""
        return list(self._jobs.values())[::-1]

    def of_run(self, run: Path) -> Job | None:
        """The job that trains, or has trained, in a run folder."""
        found = [job for job in self.all() if job.run and job.run.resolve() == run.resolve()]
        return found[0] if found else None

    def start(self, fields: Mapping[str, str]) -> Job:
        """Begin a new run.

        Args:
            fields: `data`, one of `sources`, and texts of `FIELDS`.

        Raises:
            XrayganError: an unknown data set, a bad setting, or one is running already.
        """
        source = fields.get("data", "")
        if source not in self._data:
            raise XrayganError("choose a data set from the list")
        settings = _settings(fields)
        if (self._folder / CONFIG).exists():
            raise XrayganError("this studio shows one run; open one on a folder of runs to train")
        with self._lock:
            self._check_idle()
            job = self._begin(secrets.token_hex(6), source, settings, *self._new_run)
            self._jobs[job.key] = job
        return job

    def go_on(self, job: Job) -> None:
        """Take up again what was stopped: in the run's own folder, from its checkpoint.

        Raises:
            XrayganError: one is running already.
        """
        verb = job.verb
        if job.run and verb[0] == "train":
            verb = "train", "--run-dir", str(job.run)
        self._again(job, *verb)

    def measure(self, job: Job) -> None:
        """Make a finished run's data set, measure it and write its report.

        Raises:
            XrayganError: it has no run folder, or one is running already.
        """
        if job.run is None:
            raise XrayganError("this run has no folder yet")
        self._again(job, "run", "--results", str(job.run))

    def stop(self, job: Job) -> None:
        """Ask a job to write its checkpoint and end; asked again, it would end without."""
        if job.running and not job.stopping:
            job.stopping = True
            job.process.terminate()

    def close(self) -> None:
        """Stop everything, wait for the checkpoints, and throw the logs away."""
        for job in self._jobs.values():
            self.stop(job)
        for job in self._jobs.values():
            _wait_for_end(job.process)
        self._logs.cleanup()

    @property
    def _new_run(self) -> tuple[str, ...]:
        return "train", "--new", "--outdir", str(self._folder)

    def _again(self, job: Job, *verb: str) -> None:
        with self._lock:
            self._check_idle()
            self._jobs[job.key] = self._begin(job.key, job.data, job.settings, *verb, known=job.run)

    def _check_idle(self) -> None:
        if any(job.running for job in self._jobs.values()):
            raise XrayganError("a run that was started here is training; stop it first")

    def _begin(
        self,
        key: str,
        source: str,
        settings: Mapping[str, Any],
        *verb: str,
        known: Path | None = None,
    ) -> Job:
        log = Path(self._logs.name) / f"{key}.log"
        data = self._data[source]
        command = [sys.executable, "-m", "xraygan", *verb, "--device", self._device]
        command += ["--data", str(data.resolve())] if data else []
        for name, value in settings.items():
            command += [f"--{name}", str(value)]
        with refusing_disk_faults(self._folder), log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env=_of_a_job(),
            )
        return Job(key, source, settings, log, process, verb, known)


def _of_a_job() -> dict[str, str]:
    """The studio's environment, but what names others to train with: nobody starts those."""
    kept = {name: value for name, value in os.environ.items() if name not in _OTHERS}
    return kept | {"PYTHONIOENCODING": "utf-8"}  # as the log is read


def _wait_for_end(process: subprocess.Popen) -> None:
    """Until a job that was asked to end has ended: it is asked twice, then told.

    What a signal raises can be lost where nothing may be raised, in a finaliser for example.
    """
    for insist in (process.terminate, process.kill):
        try:
            process.wait(CHECKPOINT_WAIT_S / 2)
        except subprocess.TimeoutExpired:
            insist()
    process.wait()


def _settings(fields: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a form, checked as the command line checks them."""
    given = {name: fields[name].strip() for name in FIELDS if fields.get(name, "").strip()}
    nested: dict[str, dict[str, Any]] = {}
    for name, text in given.items():
        nested.setdefault(FIELDS[name], {})[name] = text
    checked = RunSettings.parse(nested, "the form")
    return {
        name: getattr(getattr(checked, group), name)
        for name, group in FIELDS.items()
        if name in given
    }
