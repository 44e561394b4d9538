"""Feeds the compiled step with the right images in the right order."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from xraygan.config import TrainingSettings
from xraygan.data.batches import BatchOrder
from xraygan.models.memory import is_lack_of_memory, memory_faults
from xraygan.training.schedules import last_augmentation
from xraygan.training.state import TrainState
from xraygan.training.step import PENALTY_EVERY, compiled_steps
from xraygan.training.workers import ALONE, GONE, Workers

DEVICE_BYTES, HOST_BYTES = 2 << 30, 256 << 20
"""Data sets up to this size lie on a GPU, or are copied whole where the processor computes and the
copy takes the films' own memory; larger ones are copied a call at a time."""
UNTIMED_IMAGES = 10**6
"""Any total will do while the speed is measured."""


@dataclass(frozen=True)
class TrainingData:
    """What the networks learn from.

    Attributes:
        images: uint8 [N, R, R].
        labels: int32 [N], class numbers.
        class_conditions: float32 [classes, K], what the networks are told of each class.
    """

    images: np.ndarray
    labels: np.ndarray
    class_conditions: np.ndarray

    @property
    def conditions(self) -> np.ndarray:
        """Of each image, float32 [N, K]."""
        return self.class_conditions[self.labels]


class Trainer:
    """Feeds the compiled step; knows nothing of files.

    Args:
        state: what training changes.
        settings: the game's numbers.
        data: the training images.
        workers: who train together, each with a trainer on the same data.
    """

    def __init__(
        self,
        state: TrainState,
        settings: TrainingSettings,
        data: TrainingData,
        workers: Workers = ALONE,
    ) -> None:
        self.state = state
        self.batch = settings.batch
        self._workers = workers
        self._others_know = False
        self._amid_steps = False
        self._settings = settings
        self._data = data
        self._order = BatchOrder(len(data.images), settings.seed)
        self._steps = compiled_steps(state, settings, workers)
        self._conditions = data.conditions
        self._on_device: tuple[tf.Tensor, tf.Tensor] | None = None
        most = DEVICE_BYTES if tf.config.get_visible_devices("GPU") else HOST_BYTES
        if data.images.nbytes <= most:
            try:
                self._on_device = tf.constant(data.images), tf.constant(self._conditions)
            except memory_faults() as error:  # a small device has no room for all of them
                if not is_lack_of_memory(error):
                    raise

    @property
    def images_seen(self) -> int:
        """How many real images the discriminator has seen."""
        return int(self.state.images_seen.numpy())

    def last_augmentation(self, total_images: int) -> float:
        """The probability of each augmentation when training ends after so many images."""
        return last_augmentation(self._settings, total_images, len(self._data.images))

    def epoch(self) -> float:
        """Passes over the data so far."""
        return self._order.epoch(self.images_seen)

    def real_spread(self) -> float:
        """Mean over pixels of the standard deviation in a batch of reals, [-1, 1] intensity."""
        size = 32, self.batch // self._workers.count
        rows = np.random.default_rng(0).integers(len(self._data.images), size=size)
        stacks = (self._data.images[batch].astype(np.float32) / 127.5 for batch in rows)
        return float(np.mean([stack.std(axis=0).mean() for stack in stacks]))

    def compile(self) -> None:
        """Trace the graph now, some ten seconds, so that no step is timed with it."""
        self._steps.get_concrete_function()

    def run(self, steps: int, total_images: int) -> dict[str, float]:
        """Train some steps in one graph call, and all workers with it; each metric's mean."""
        self._amid_steps = True
        self._tell(steps, total_images)
        metrics = self._run(steps, total_images)
        self._amid_steps = False
        return metrics

    def follow(self) -> None:
        """Train what worker 0 trains, until it lets the others go."""
        while True:
            steps, total_images = self._told()
            if steps == 0:
                return
            self._run(steps, total_images)

    @contextlib.contextmanager
    def leading(self) -> Iterator[None]:
        """While entered the other workers wait for what comes; then they are let go.

        Not where this one was torn out of its steps: the others wait within theirs, would not
        hear it, and both sides would wait for ever. They end when this process does.
        """
        try:
            yield
        finally:
            if not self._amid_steps:
                with contextlib.suppress(*GONE):
                    self._tell(0, 0)

    def _tell(self, steps: int, total_images: int) -> None:
        if self._workers.count == 1:
            return
        self._workers.from_leader(np.array([steps, total_images, not self._others_know], np.int64))
        if not self._others_know:
            self._share_state()
        self._others_know = True

    def _told(self) -> tuple[int, int]:
        steps, total_images, state = self._workers.from_leader(np.zeros(3, np.int64)).tolist()
        if state:
            self._share_state()
        return steps, total_images

    def _share_state(self) -> None:
        arrays = self.state.to_arrays()
        shared = {name: self._workers.from_leader(value) for name, value in arrays.items()}
        if not self._workers.leads:
            self.state.from_arrays(shared)

    def _run(self, steps: int, total_images: int) -> dict[str, float]:
        order = self._order.indices(self.images_seen, steps * self.batch)
        order = order.reshape(steps, self.batch)[:, self._workers.rows(self.batch)]
        images, conditions, rows = self._rows(order.reshape(-1))
        metrics = self._steps(
            images,
            conditions,
            tf.constant(rows.reshape(order.shape)),
            tf.constant(total_images, tf.float32),
            tf.constant(self.last_augmentation(total_images), tf.float32),
        )
        return {name: float(value) for name, value in metrics.items()}

    def _rows(self, order: np.ndarray) -> tuple[tf.Tensor, tf.Tensor, np.ndarray]:
        if self._on_device:
            return *self._on_device, order
        rows = tf.constant(self._data.images[order]), tf.constant(self._conditions[order])
        return *rows, np.arange(len(order), dtype=np.int32)

    def measure_rate(self, seconds: float) -> float:
        """Images a second, after the graph is compiled; the state is as before."""
        before = self.state.to_arrays()
        self.run(PENALTY_EVERY, UNTIMED_IMAGES)
        start, seen = time.monotonic(), self.images_seen
        while time.monotonic() - start < seconds:
            self.run(PENALTY_EVERY, UNTIMED_IMAGES)
        rate = (self.images_seen - seen) / (time.monotonic() - start)
        self.state.from_arrays(before)
        self._others_know = False
        return rate
