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
        note: told where to look.

    Raises:
        XrayganError: the package is missing, or the tracker cannot be reached.
    """
    if name is None:
        yield
        return
    check_tracker(name)
    tracker = TensorBoard(run.path) if name == "tensorboard" else MLflow(run.path, parameters)
    note(str(tracker))
    run.listener = tracker
    ended = "FAILED"
    try:
        yield
        ended = "FINISHED"
    except StoppedError:
        ended = "KILLED"
        raise
    finally:
        run.listener = None
        try:
            tracker.close(ended)
        except XrayganError as error:
            if ended == "FINISHED":
                raise
            note(str(error))  # what ended the run is on its way, and says more


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
def _refusing(name: str, fault: type[Exception], remedy: str) -> Iterator[None]:
    """Turn a tracker's fault into one clear line."""
    try:
        yield
    except fault as error:
        words = " ".join(str(error).rpartition("}} ")[2].split())  # after TensorFlow's own place
        raise XrayganError(
            f"--track {name}: {words[:200]}; {remedy}, or leave --track out: the run goes on "
            "where it was"
        ) from None


class TensorBoard:
    """Event files in the run folder.

    Args:
        run: the run folder.

    Raises:
        XrayganError: they cannot be written.
    """

    def __init__(self, run: Path) -> None:
        import tensorflow as tf

        self._summary, self._fault = tf.summary, tf.errors.OpError
        self._folder = run / FOLDER
        with refusing_disk_faults(self._folder):
            self._folder.mkdir(exist_ok=True)
        with self._refusing():
            self._writer = tf.summary.create_file_writer(str(self._folder))

    def __str__(self) -> str:
        return f"look at it with: tensorboard --logdir {self._folder}"

    def metrics(self, values: dict[str, Any]) -> None:
        """Every figure, against images seen."""
        with self._refusing(), self._writer.as_default(step=values["images_seen"]):
            for name, value in _figures(values).items():
                self._summary.scalar(name, value)
            self._writer.flush()

    def picture(self, path: Path, images_seen: int) -> None:
        """A sample grid."""
        with Image.open(path) as file:
            grid = np.asarray(file.convert("L"))
        with self._refusing(), self._writer.as_default(step=images_seen):
            self._summary.image("fakes", grid[None, :, :, None])
            self._writer.flush()

    def close(self, _: str) -> None:
        """End the file."""
        with self._refusing():
            self._writer.close()

    def _refusing(self) -> contextlib.AbstractContextManager[None]:
        return _refusing("tensorboard", self._fault, f"make room for {self._folder}")


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
        self._fault = importlib.import_module("mlflow.exceptions").MlflowException
        begun = read_json(run / MLFLOW_RUN)
        with self._refusing():
            self._client = mlflow.MlflowClient()
            if begun is None:
                number = re.match(r"\d{5,}(?=-)", run.name)  # after it comes the data's own name
                name = f"{number[0] if number else EXPERIMENT}-{parameters['resolution']}"
                begun = {"run_id": self._begin(name, parameters)}
                write_json(run / MLFLOW_RUN, begun)
            self._id: str = begun["run_id"]
            self._client.update_run(self._id, status="RUNNING")
        self._place = mlflow.get_tracking_uri()

    def __str__(self) -> str:
        return f"MLflow run {self._id} in {self._place}"

    def metrics(self, values: dict[str, Any]) -> None:
        """Every figure, against images seen."""
        with self._refusing():
            for name, value in _figures(values).items():
                self._client.log_metric(self._id, name, value, step=values["images_seen"])

    def picture(self, path: Path, images_seen: int) -> None:
        """A sample grid, as an artifact, by images seen."""
        with self._refusing():
            self._client.log_artifact(self._id, str(path), f"fakes/{images_seen:012d}")

    def close(self, status: str) -> None:
        """The run ends as "FINISHED", "KILLED" or "FAILED"; resumed, it runs again."""
        with self._refusing():
            self._client.set_terminated(self._id, status)

    def _begin(self, name: str, parameters: dict[str, Any]) -> str:
        wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(wanted)
        experiment = known.experiment_id if known else self._client.create_experiment(wanted)
        begun = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in parameters.items():
            self._client.log_param(begun, key, value)
        return begun

    def _refusing(self) -> contextlib.AbstractContextManager[None]:
        remedy = "set MLFLOW_TRACKING_URI to a server or a store that works"
        return _refusing("mlflow", self._fault, remedy)


def _figures(values: dict[str, Any]) -> dict[str, float]:
    kept = {k: v for k, v in values.items() if k != "images_seen" and isinstance(v, (int, float))}
    return {name: float(value) for name, value in kept.items()}
