"""What the pages share: runs, models, films, jobs and studies."""

from pathlib import Path

import numpy as np
from starlette.requests import Request

from xraygan.web.catalogue import Catalogue, Run
from xraygan.web.closest import Films
from xraygan.web.guard import Access
from xraygan.web.jobs import Jobs
from xraygan.web.painter import Asked, Painter, Remembered
from xraygan.web.studies import Studies

CLOSEST = 64
"""Answers about closest films that are remembered."""


class Studio:
    """Everything behind the pages.

    Args:
        folder: where runs are, and where new ones go.
        access: who may ask.
        data: folders that may be trained on, by the name that the pages use.
        device: as for `xraygan.training.device.use_device`.
    """

    def __init__(
        self,
        folder: Path,
        access: Access,
        data: dict[str, Path] | None = None,
        device: str = "auto",
    ) -> None:
        self.access = access
        self.catalogue = Catalogue(folder)
        self.painter = Painter(device)
        self.films = Films()
        self.jobs = Jobs(folder, data or {}, device)
        self.studies = Studies(folder)
        self._closest = Remembered(CLOSEST)

    def close(self) -> None:
        """Stop what was started: training writes its checkpoint first."""
        self.painter.close()
        self.jobs.close()

    def closest_to(
        self, run: Run, asked: Asked, pixels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The training films closest to one image of a model; see `Films.closest`."""
        key = (run.key, asked, pixels.tobytes())
        return self.painter.do(
            lambda: self._closest.get(key, lambda: self.films.closest(run, pixels))
        )


def studio_of(request: Request) -> Studio:
    """The studio that a request is for."""
    return request.app.state.studio
