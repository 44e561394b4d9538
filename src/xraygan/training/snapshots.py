"""What a run shows of itself: the same latents drawn again and again, a model, a figure."""

from pathlib import Path

import numpy as np

from xraygan.config import ModelSettings
from xraygan.evaluation.realism import LEAST_IMAGES, RealismMeter
from xraygan.models.files import save_model
from xraygan.models.sample import sample
from xraygan.pictures import GRID_COLUMNS, Display, class_blocks, save_grid, shown_classes
from xraygan.progress import Reporter
from xraygan.runs import RunFolder, grid_name
from xraygan.sets import ImageSet
from xraygan.training.calibration import Calibrator
from xraygan.training.state import TrainState
from xraygan.training.trainer import TrainingData

SNAPSHOT_IMAGES = 500
"""Images behind the figure of one snapshot, and as many others behind its calibration."""
MEASURE_SEED = 2**31
"""Not the seed of the pictures, nor one that a run's own seed can be."""


IMAGES_A_SPREAD = 16
"""Images of a class whose spread is told."""
MOST_SPREADS = 16
"""Classes, the largest ones, whose spread is looked at."""


def class_spreads(images: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """How much images of one class differ: the mean over pixels of their standard deviation.

    Args:
        images: uint8 [N, H, W].
        labels: int [N].

    Returns:
        By class, grey levels.
    """
    return {
        int(label): float(images[labels == label].std(axis=0).mean()) for label in np.unique(labels)
    }


def realism_meter(train: ImageSet, validation: ImageSet, reporter: Reporter) -> RealismMeter | None:
    """What measures a run's snapshots; where there are too few films none, which is told."""
    sets = {"validation": len(validation), "training": len(train)}
    few = min(sets, key=lambda name: sets[name])
    if sets[few] >= LEAST_IMAGES:
        return RealismMeter(train, validation)
    reporter.note(
        f"{sets[few]} {few} images: too few to measure how real the pictures are, which takes "
        f"{LEAST_IMAGES}; look at them instead"
    )
    return None


def _some_of_each_class(data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    """Films and labels of the largest classes, as many of each; of classes that have enough."""
    counts = np.bincount(data.labels)
    largest = np.argsort(-counts, kind="stable")[:MOST_SPREADS]
    rows = [
        np.flatnonzero(data.labels == label)[:: counts[label] // IMAGES_A_SPREAD][:IMAGES_A_SPREAD]
        for label in largest
        if counts[label] >= IMAGES_A_SPREAD
    ]
    chosen = np.sort(np.concatenate(rows)) if rows else np.empty(0, np.intp)
    return data.images[chosen], data.labels[chosen]


class Snapshots:
    """Writes the grids and the model, and measures, whenever the loop asks.

    Args:
        run: where to write.
        state: whose published generator is drawn from.
        network: its shape.
        data: the training images, for `reals.png`.
        validation: as `data`, other patients; may be empty.
        meter: measures the figure; None where there are too few films.
        classes: names, in the order of class numbers.
        model_facts: the fields of the model's description that do not change.
        seed: of the grids' latents.
        reporter: told what cannot be shown or measured.
        show: also display each grid.
    """

    def __init__(
        self,
        run: RunFolder,
        state: TrainState,
        network: ModelSettings,
        *,
        data: TrainingData,
        validation: TrainingData,
        meter: RealismMeter | None,
        classes: tuple[str, ...],
        model_facts: dict,
        seed: int,
        reporter: Reporter,
        show: bool,
    ) -> None:
        self._run, self._state, self._network = run, state, network
        self._facts = {**model_facts, "network": network, "classes": classes}
        self._reporter = reporter
        self._display = Display() if show else None
        self._calibrator = Calibrator(state.published, network, data)
        self._seed = seed
        self._shown = shown_classes(np.bincount(data.labels, minlength=len(classes)).tolist())
        self._validation = validation
        self._class_spreads = class_spreads(*_some_of_each_class(data))
        self._meter = meter
        self._write_reals(data)

    def __call__(self, images_seen: int) -> dict[str, float]:
        """One snapshot: `grid_name`, the model, the KID."""
        self.calibrate()
        self.write_grid(images_seen)
        self.write_model(images_seen)
        return self.measure() | self.measure_spread()

    def show_beginning(self) -> None:
        """The grid and the model before anything is learnt; there is nothing to measure yet."""
        self.calibrate()
        self.write_grid(0)
        self.write_model(0)

    def calibrate(self) -> None:
        """Fit the published generator's last layer: before a grid or the model is written."""
        self._calibrator.fit(SNAPSHOT_IMAGES)

    def write_grid(self, images_seen: int) -> None:
        """Draw the same latents with the present average."""
        labels = np.repeat(list(self._shown), list(self._shown.values()))
        images = self._sample(self._seed, np.arange(len(labels)), labels)
        path = self._run.path / grid_name(images_seen)
        save_grid(path, class_blocks(images, labels, GRID_COLUMNS))
        if self._run.listener:
            self._run.listener.picture(path, images_seen)
        self.show(path)

    def write_model(self, images_seen: int) -> None:
        """Replace `model/` by the present average."""
        facts = {**self._facts, "images_seen": images_seen}
        save_model(self._run.path / "model", self._state.published, facts)

    def measure(self) -> dict[str, float]:
        """KID with its interval and floor, in the validation images' class proportions."""
        if self._meter is None:
            return {}
        count = SNAPSHOT_IMAGES
        order = np.arange(count) * len(self._validation.labels) // count
        labels = np.sort(self._validation.labels)[order]
        images = self._sample(MEASURE_SEED, np.arange(count), labels)
        distance, floor = self._meter.kernel_distance(images), self._meter.floor
        return {
            "kid": distance.value,
            "kid_low": distance.low,
            "kid_high": distance.high,
            "kid_floor": floor.value,
            "kid_floor_high": floor.high,
        }

    def measure_spread(self) -> dict[str, float]:
        """How varied the least varied class is: its images' spread as a share of its films'."""
        films = self._class_spreads
        if not films:
            return {}
        labels = np.repeat(sorted(films), IMAGES_A_SPREAD)
        images = self._sample(MEASURE_SEED, np.arange(len(labels)), labels)
        made = class_spreads(images, labels)
        return {"least_class_spread": min(made[k] / max(films[k], 1e-6) for k in films)}

    def show(self, path: Path) -> None:
        """Display a picture, where that was asked for and is possible."""
        if self._display:
            problem = self._display.show(path)
            if problem:
                self._reporter.note(problem)
                self._display = None

    def _write_reals(self, data: TrainingData) -> None:
        rows = []
        for label, most in self._shown.items():
            mine = data.images[np.flatnonzero(data.labels == label)[:most]]
            rows += [mine[s : s + GRID_COLUMNS] for s in range(0, len(mine), GRID_COLUMNS)]
        path = self._run.path / "reals.png"
        save_grid(path, rows)
        self.show(path)

    def _sample(self, seed: int, indices: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return sample(self._state.published, self._network, seed, indices.tolist(), labels.tolist())
