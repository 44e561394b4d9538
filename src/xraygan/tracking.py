"""`--track`: figures and synthetic sample grids, also for TensorBoard or MLflow.

Nothing real goes there: a tracker is told of metrics and of grids of generated images alone.
"""

import contextlib
import importlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from xraygan.errors import StoppedError, XrayganError
from xraygan.runs import RunFolder, read_json, refusing_disk_faults, write_json

Tracker = Literal["tensorboard", "mlflow"]
Faults = tuple[type[Exception], ...]
FOLDER = "tensorboard"
MLFLOW_RUN = "mlflow.json"
EXPERIMENT = "xraygan"


@contextlib.contextmanager
def tracking(
    name: Tracker | None, run: RunFolder, parameters: dict[str, Any], note: Callable[[str], None]
) -> Iterator[None]:
    """Tell a tracker of what this run writes while entered.

    Args:
        name: "tensorboard" (event files in the run folder) or "mlflow" (MLFLOW_TRACKING_URI, or
            MLflow's own default; experiment MLFLOW_EXPERIMENT_NAME or `xraygan`); None for none.
        run: the run; a resumed one goes on in its MLflow run.
        parameters: settings, said once; the resolution is among them.
        note: told where to look, and of the first fault after that, with which tracking ends.

    Raises:
        XrayganError: the package is missing, or the tracker cannot be reached at the start.
    """
    if name is None:
        yield
        return
    check_tracker(name)
    tracker = TensorBoard(run.path) if name == "tensorboard" else MLflow(run.path, parameters)
    note(str(tracker))
    run.listener = listener = _WhileItWorks(name, tracker, note)
    ended = "FAILED"
    try:
        yield
        ended = "FINISHED"
    except StoppedError:
        ended = "KILLED"
        raise
    finally:
        run.listener = None
        listener.close(ended)


def check_tracker(name: str | None) -> None:
    """See that a tracker is there, before anything is done for it.

    Raises:
        XrayganError: no such tracker is known, or its package is missing.
    """
    if name is None:
        return
    if name not in ("tensorboard", "mlflow"):
        raise XrayganError(f"--track {name}: use tensorboard or mlflow")
    if importlib.util.find_spec(name) is None:
        raise XrayganError(f"--track {name} needs: pip install 'xraygan[track]'")


@contextlib.contextmanager
def _refusing(name: str, faults: Faults, remedy: str) -> Iterator[None]:
    """Turn a tracker's fault at the start into one clear line."""
    try:
        yield
    except faults as error:
        raise XrayganError(
            f"--track {name}: {_words(error)}; {remedy}, or leave --track out: the run goes on "
            "where it was"
        ) from None


def _words(error: Exception) -> str:
    """What a tracker says of its fault, in one line, after TensorFlow's own place."""
    return " ".join(str(error).rpartition("}} ")[2].split())[:200]


class _WhileItWorks:
    """Tells a tracker until it fails: a run that nobody watches does not end with its tracker.

    Args:
        name: of the tracker.
        tracker: who is told.
        note: told of the first fault.
    """

    def __init__(
        self, name: str, tracker: "TensorBoard | MLflow", note: Callable[[str], None]
    ) -> None:
        self._name, self._tracker, self._note = name, tracker, note
        self._works = True

    def metrics(self, values: dict[str, Any]) -> None:
        """Every figure, against images seen."""
        self._tell(lambda: self._tracker.metrics(values))

    def picture(self, path: Path, images_seen: int) -> None:
        """A sample grid."""
        self._tell(lambda: self._tracker.picture(path, images_seen))

    def close(self, status: str) -> None:
        """The run has ended."""
        if self._works:
            self._tell(lambda: self._tracker.close(status))
        else:  # a store may be there again, and its run would seem to go on
            with contextlib.suppress(*self._tracker.faults):
                self._tracker.close(status)

    def _tell(self, tell: Callable[[], None]) -> None:
        if not self._works:
            return
        try:
            tell()
        except self._tracker.faults as error:
            self._works = False
            self._note(
                f"--track {self._name}: {_words(error)}; nothing more is tracked, and the run "
                "itself lacks nothing"
            )


class TensorBoard:
    """Event files in the run folder.

    Args:
        run: the run folder.

    Raises:
        XrayganError: they cannot be written.
    """

    def __init__(self, run: Path) -> None:
        import tensorflow as tf

        self._summary = tf.summary
        self.faults: Faults = (tf.errors.OpError, OSError)
        self._folder = run / FOLDER
        with refusing_disk_faults(self._folder):
            self._folder.mkdir(exist_ok=True)
        with _refusing("tensorboard", self.faults, f"make room for {self._folder}"):
            self._writer = tf.summary.create_file_writer(str(self._folder))

    def __str__(self) -> str:
        return f"look at it with: tensorboard --logdir {self._folder}"

    def metrics(self, values: dict[str, Any]) -> None:
        """Every figure, against images seen."""
        with self._writer.as_default(step=values["images_seen"]):
            for name, value in _figures(values).items():
                self._summary.scalar(name, value)
            self._writer.flush()

    def picture(self, path: Path, images_seen: int) -> None:
        """A sample grid."""
        with Image.open(path) as file:
            grid = np.asarray(file.convert("L"))
        with self._writer.as_default(step=images_seen):
            self._summary.image("fakes", grid[None, :, :, None])
            self._writer.flush()

    def close(self, _: str) -> None:
        """End the file."""
        self._writer.close()


class MLflow:
    """A run of MLflow.

    Args:
        run: the run folder, whose `mlflow.json` names the MLflow run once it is begun.
        parameters: settings of the run.

    Raises:
        XrayganError: MLflow's store cannot be used.
    """

    def __init__(self, run: Path, parameters: dict[str, Any]) -> None:
        mlflow = importlib.import_module("mlflow")
        self.faults: Faults = (Exception,)  # a store of files raises plain ones
        begun = read_json(run / MLFLOW_RUN)
        remedy = "set MLFLOW_TRACKING_URI to a server or a store that works"
        with _refusing("mlflow", self.faults, remedy):
            self._client = mlflow.MlflowClient()
            if begun is None:
                number = re.match(r"\d{5,}(?=-)", run.name)  # after it comes the data's own name
                name = f"{number[0] if number else EXPERIMENT}-{parameters['resolution']}"
                begun = {"run_id": self._begin(name, parameters)}
            self._id: str = begun["run_id"]
            self._client.update_run(self._id, status="RUNNING")
        if not (run / MLFLOW_RUN).exists():
            write_json(run / MLFLOW_RUN, begun)
        self._place = mlflow.get_tracking_uri()

    def __str__(self) -> str:
        return f"MLflow run {self._id} in {self._place}"

    def metrics(self, values: dict[str, Any]) -> None:
        """Every figure, against images seen."""
        for name, value in _figures(values).items():
            self._client.log_metric(self._id, name, value, step=values["images_seen"])

    def picture(self, path: Path, images_seen: int) -> None:
        """A sample grid, as an artifact, by images seen."""
        self._client.log_artifact(self._id, str(path), f"fakes/{images_seen:012d}")

    def close(self, status: str) -> None:
        """The run ends as "FINISHED", "KILLED" or "FAILED"; resumed, it runs again."""
        self._client.set_terminated(self._id, status)

    def _begin(self, name: str, parameters: dict[str, Any]) -> str:
        wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(wanted)
        experiment = known.experiment_id if known else self._client.create_experiment(wanted)
        begun = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in parameters.items():
            self._client.log_param(begun, key, value)
        return begun


def _figures(values: dict[str, Any]) -> dict[str, float]:
    kept = {k: v for k, v in values.items() if k != "images_seen" and isinstance(v, (int, float))}
    return {name: float(value) for name, value in kept.items()}
