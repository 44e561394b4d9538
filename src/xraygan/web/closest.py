"""The training films that come closest to a synthetic image: for the house alone."""

import threading

import numpy as np

from xraygan.data.cache import load_cached
from xraygan.data.dataset import Dataset
from xraygan.evaluation.neighbours import nearest
from xraygan.web.catalogue import Missing, Run

COUNT = 4


class Films:
    """The data sets of runs, where their cache is on this machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Dataset] = {}

    def of_run(self, run: Run) -> Dataset | None:
        """The data set that a run was trained on; None where it is not on this machine."""
        fingerprint = run.config.data.fingerprint
        with self._lock:
            found = self._known.get(fingerprint) or load_cached(fingerprint)
            if found is not None:
                self._known[fingerprint] = found
        if found is None or found.images.shape[1] != run.config.resolution:
            return None
        return found

    def closest(self, run: Run, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most similar training films.

        Args:
            run: whose data to search.
            image: uint8 [R, R].

        Returns:
            uint8 [n, R, R], closest first, and their correlation with the image, float32 [n].

        Raises:
            Missing: the run's data are not on this machine.
        """
        dataset = self.of_run(run)
        if dataset is None:
            raise Missing("the training films of this run are not on this machine")
        train, _ = dataset.split("train")
        similarity, rows = nearest(image[None], np.asarray(train), min(COUNT, len(train)))
        return np.asarray(train[rows[0]]), similarity[0]
