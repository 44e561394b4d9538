"""Registers films to their own common anatomy: where each point of a film lies in it.

Dense inverse search optical flow (Kroeger et al. 2016, arXiv 1603.03590; OpenCV's) finds where
each point of a film lies in the mean film; the mean of the films so registered is sharper, and
they are registered to it again.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from xraygan.models.base import splines

ROUNDS = (12, 8, 5)
"""How smooth displacements are while the mean film sharpens: σ in 64ths of the side."""
TEMPLATE_FILMS = 500
"""So many films make the mean film."""
FARTHEST = 14 / 64
"""No point is displaced by more, as a share of the side."""
INVERSE_STEPS = 8


class Registered(NamedTuple):
    """Films in their common anatomy."""

    appearance: np.ndarray
    """Each film where the mean film has each point, float32 [N, S, S] in 0 to 255."""
    displacement: np.ndarray
    """From a film's points to the common anatomy's, float32 [N, 2, GRID, GRID] in pixels: right,
    then down."""


def register(films: np.ndarray) -> Registered:
    """Films as appearances in their common anatomy, and displacements.

    Args:
        films: float32 [N, S, S] in 0 to 255, N >= 1; equal films give equal results.
    """
    side = films.shape[1]
    chosen = films[np.linspace(0, len(films) - 1, min(len(films), TEMPLATE_FILMS)).astype(int)]
    anatomy = chosen.mean(axis=0)
    for smoothness in ROUNDS:
        found = _each(partial(_place, _relief(anatomy), smoothness * side / 64), chosen)
        centre = _full(np.mean([grid for _, grid in found], axis=0), side)
        anatomy = _sampled(np.mean([film for film, _ in found], axis=0), centre)
    found = _each(partial(_place, _relief(anatomy), ROUNDS[-1] * side / 64), films)
    return Registered(np.stack([film for film, _ in found]), np.stack([grid for _, grid in found]))


def _each(work: partial, films: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """In as many threads as there are cores; OpenCV lets go of the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, films))


def _place(
    relief: np.ndarray, smoothness: float, film: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A film in the anatomy whose relief is given: its appearance and its displacement."""
    side = len(film)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    flow = search.calc(_relief(film), relief, None)  # type: ignore[arg-type]  # no first guess
    flow = cv2.GaussianBlur(flow, (0, 0), smoothness)
    flow = np.clip(flow.transpose(2, 0, 1), -FARTHEST * side, FARTHEST * side)
    towards = np.linalg.pinv(splines(side))
    grid = (towards @ flow @ towards.T).astype(np.float32)
    return _sampled(film, _inverse(_full(grid, side))), grid


def _relief(film: np.ndarray) -> np.ndarray:
    """What stands out of its surroundings, whatever the exposure, uint8."""
    scale = len(film) / 64
    rest = film - cv2.GaussianBlur(film, (0, 0), 10 * scale)
    spread = np.sqrt(cv2.GaussianBlur(rest**2, (0, 0), 10 * scale) + 20)
    relief = cv2.GaussianBlur(rest / spread, (0, 0), 0.8 * scale)
    return np.clip(127 + 45 * relief, 0, 255).astype(np.uint8)


def _full(grid: np.ndarray, side: int) -> np.ndarray:
    """Displacements [2, GRID, GRID] at every pixel, [2, S, S]."""
    return (splines(side) @ grid @ splines(side).T).astype(np.float32)


def _sampled(film: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """The film from where the displacement leads, mirrored at the edges."""
    y, x = np.mgrid[: len(film), : len(film)].astype(np.float32)
    return cv2.remap(
        film,
        x + displacement[0],
        y + displacement[1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def _inverse(displacement: np.ndarray) -> np.ndarray:
    """The displacement back, by fixed-point steps."""
    back = -displacement
    for _ in range(INVERSE_STEPS):
        back = -np.stack([_sampled(part, back) for part in displacement])
    return back
