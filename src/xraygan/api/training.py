"""`train`: in the next numbered folder, in that of the same run, or in one that is named."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from xraygan.api.preparing import NO_DATA, prepare, settings_at_once, settings_from
from xraygan.config import RunSettings
from xraygan.errors import FollowedError, StoppedError, XrayganError
from xraygan.progress import Reporter
from xraygan.runs import PHANTOM, RunFolder, check_place, next_run, numbered_runs, read_config
from xraygan.tracking import Tracker, check_tracker, tracking
from xraygan.training.device import use_device_together

# Cheap imports only: TensorFlow and what needs it is imported where it is used.


@dataclass(frozen=True)
class Trained:
    """A finished training run.

    Attributes:
        path: its folder.
        config: what its config.json holds.
        dataset: what it was trained on, `xraygan.data.dataset.Dataset`.
    """

    path: Path
    config: dict[str, Any]
    dataset: Any


def train(
    data: str | Path | None = None,
    outdir: str | Path = "runs",
    *,
    settings: RunSettings | None = None,
    run_dir: str | Path | None = None,
    device: str = "auto",
    show: bool = False,
    force: bool = False,
    new: bool = False,
    track: Tracker | None = None,
    reporter: Reporter | None = None,
    **values: Any,
) -> Trained:
    """Train a GAN on a folder of chest X-rays; called again, goes on where it was.

    Args:
        data: the folder; None for the embedded phantom.
        outdir: run folders `00000-name`, `00001-name`, … are made here.
        settings: all settings at once; or give single ones as `values`.
        run_dir: train in this very folder instead of a numbered one.
        device: "auto", "cpu", "gpu" or "gpu:N".
        show: display sample grids as they are written.
        force: resume in spite of changed settings, data or versions; a finished run keeps its
            data.
        new: begin a new run even where one with these settings is there.
        track: log figures and sample grids for "tensorboard" or "mlflow" as well.
        reporter: where progress goes; stderr by default.
        **values: single settings by name, `kimg=100`, `resolution=64`, `seed=1`, ….

    Returns:
        The run's folder and configuration.

    Raises:
        XrayganError: see the message; nothing that was there is lost.
        FollowedError: this process was another worker than the first, and is done: where
            `TF_CONFIG` or Slurm names several, all make this call, and the first has the results.
    """
    settings = settings_at_once(settings, values) or settings_from(values)
    reporter = reporter or Reporter()
    reporter.log = None  # that of an earlier run
    check_tracker(track)
    check_place(run_dir, new)
    if run_dir is not None:
        read_config(Path(run_dir))  # something else's folder is refused before anything is done
    if data is None:
        reporter.note(NO_DATA)
    # Where results lie beside the films they are none of them, at the next start either.
    dataset = prepare(data, settings.data, reporter, skip=[Path(run_dir or outdir)])
    chosen, workers = use_device_together(device, reporter.note)
    from xraygan.data.entries import printable
    from xraygan.training import identity, plan

    name = printable(Path(data).resolve().name) if data is not None else PHANTOM
    choices = identity.Choices(device=chosen, source_name=name, show=show, force=force)
    described = identity.describe(dataset, settings, choices)
    with workers.exchanging():
        workers.check_batch(settings.training.batch)
        workers.agree(
            {
                "images": dataset.content,
                "settings": json.dumps(described["settings"]["training"]),
                "versions": json.dumps(described["versions"]),
            }
        )
    if not workers.leads:
        _follow(dataset, settings, workers)
    folder = Path(run_dir) if run_dir is not None else None
    if folder is None and not new:
        folder = _found(Path(outdir), described, force, reporter)
    if folder is None or identity.begun(folder) is None:
        plan.plan_network(dataset, settings, chosen)  # what is refused leaves no folder
    run = RunFolder(folder or next_run(Path(outdir), f"{name}-{settings.data.resolution}"))
    with run.locked(), _recording_faults(reporter), _told_how_to_go_on(run, new):
        return _trained(run, dataset, settings, choices, track, reporter, workers)


def _follow(dataset: Any, settings: RunSettings, workers: Any) -> NoReturn:
    """Train along with worker 0 to the end.

    Raises:
        FollowedError: that is done.
    """
    from xraygan.training import session

    with workers.exchanging(), _refusing_memory_faults(settings):
        session.follow_run(dataset, workers)
    raise FollowedError(f"worker {workers.rank} is done; worker 0 has the results")


def _found(outdir: Path, described: dict[str, Any], force: bool, reporter: Reporter) -> Path | None:
    """The numbered run to go on with; None where another is to be begun.

    One of the same source that is not finished and was begun otherwise is told of.

    Raises:
        XrayganError: --force is given, and it is not said of which run.
    """
    from xraygan.training import identity

    found = identity.find_run(outdir, described)
    if found is None and force and numbered_runs(outdir):
        raise XrayganError(
            f"--force: no run in {outdir} has these settings and data; name the one to go on with "
            "by --run-dir, or begin another with --new"
        )
    if found is None and (other := identity.find_unfinished(outdir, described)):
        path, how = other
        reporter.note(
            f"{path} is not finished, and was begun otherwise: {how}. This begins another run; "
            f"--run-dir {path} with --force goes on with that one"
        )
    return found


@contextlib.contextmanager
def _told_how_to_go_on(run: RunFolder, new: bool) -> Iterator[None]:
    """Whoever is stopped in a new run is not told to begin another one by the same command."""
    try:
        yield
    except StoppedError as stopped:
        if new:
            stopped.again = f"start it again with --run-dir {run.path} instead of --new to go on"
        raise


def _trained(
    run: RunFolder,
    dataset: Any,
    settings: RunSettings,
    choices: Any,
    track: Tracker | None,
    reporter: Reporter,
    workers: Any,
) -> Trained:
    """Train in a folder that is locked."""
    from xraygan.training import session

    reporter.log = run.log
    reporter.note(f"run folder: {run.path}")
    for note in dataset.notes:  # were said when the data were read
        reporter.record(note)
    parameters = {"resolution": settings.data.resolution, **settings.training.model_dump()}
    with (
        tracking(track, run, parameters, reporter.note),
        workers.exchanging(),
        _refusing_memory_faults(settings),
    ):
        config = session.train_run(run, dataset, settings, choices, reporter, workers)
    return Trained(run.path, config, dataset)


@contextlib.contextmanager
def _recording_faults(reporter: Reporter) -> Iterator[None]:
    """What ends a training stands in its log as well."""
    try:
        yield
    except (XrayganError, StoppedError) as fault:
        reporter.record(str(fault))
        raise


def _refusing_memory_faults(settings: RunSettings) -> contextlib.AbstractContextManager[None]:
    from xraygan.models.memory import refusing_memory_faults

    return refusing_memory_faults(
        f"with --batch {settings.training.batch}",
        "begin a new run with a smaller one, with --preset small, or with a lower --resolution",
    )
