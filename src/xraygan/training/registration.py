"""Registers films to their own common anatomy: where each point of a film lies in it.

Dense inverse search optical flow (Kroeger et al. 2016, arXiv 1603.03590; OpenCV's) finds where
each point of a film lies in the mean film; the mean of the films so registered is sharper, and
they are registered to it again.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from xraygan.models.base import margin, splines

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
    """Each film where the mean film has each point, float32 [N, S', S'] in 0 to 255, with a margin
    around the mean film: S' = `anatomy_side(S)`."""
    seen: np.ndarray
    """Which points lie within each film, bool [N, S', S']; elsewhere its edge is continued."""
    displacement: np.ndarray
    """From a film's points to the common anatomy's, float32 [N, 2, GRID, GRID] in pixels: right,
    then down."""


def register(films: np.ndarray) -> Registered:
    """Films as appearances in their common anatomy, and displacements.

    Args:
        films: float32 [N, S, S] in 0 to 255, N >= 1; equal films give equal results.
    """
    return place(films, _mean_film(films))


def place(films: np.ndarray, anatomy: np.ndarray) -> Registered:
    """Films as appearances in an anatomy that is known, and displacements.

    Args:
        films: float32 [N, S, S] in 0 to 255, N >= 1.
        anatomy: the mean film, float32 [S, S] in 0 to 255.
    """
    side = films.shape[1]
    grids = _each(partial(_displacement, _relief(anatomy), ROUNDS[-1] * side / 64), films)
    placed = _each(partial(_appearance, margin(side)), films, grids)
    return Registered(
        np.stack([film for film, _ in placed]),
        np.stack([seen for _, seen in placed]),
        np.stack(grids),
    )


def _mean_film(films: np.ndarray) -> np.ndarray:
    """The mean of films registered to it, float32 [S, S]."""
    side = films.shape[1]
    chosen = films[np.linspace(0, len(films) - 1, min(len(films), TEMPLATE_FILMS)).astype(int)]
    anatomy = chosen.mean(axis=0)
    for smoothness in ROUNDS:
        grids = _each(partial(_displacement, _relief(anatomy), smoothness * side / 64), chosen)
        placed = _each(partial(_appearance, 0), chosen, grids)
        centre = _full(np.mean(grids, axis=0), side)
        anatomy = _sampled(np.mean([film for film, _ in placed], axis=0), *_places(centre))
    return anatomy


def _each(work: Callable[..., Any], *columns: Any) -> list[Any]:
    """In as many threads as there are cores; OpenCV lets go of the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            return list(pool.map(work, *columns))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for films not begun
            raise


def _displacement(relief: np.ndarray, smoothness: float, film: np.ndarray) -> np.ndarray:
    """A film's displacement to the anatomy whose relief is given."""
    side = len(film)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    flow = search.calc(_relief(film), relief, None)  # type: ignore[arg-type]  # no first guess
    flow = cv2.GaussianBlur(flow, (0, 0), smoothness)
    flow = np.clip(flow.transpose(2, 0, 1), -FARTHEST * side, FARTHEST * side)
    towards = np.linalg.pinv(splines(side))
    return (towards @ flow @ towards.T).astype(np.float32)


def _appearance(edge: int, film: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A film in the common anatomy with a margin, and which points of it the film shows."""
    back = np.pad(_inverse(_full(grid, len(film))), ((0, 0), (edge, edge), (edge, edge)), "edge")
    places = _places(back, edge)
    seen = np.all([(place >= -0.5) & (place <= len(film) - 0.5) for place in places], axis=0)
    return _sampled(film, *places), seen


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


def _places(displacement: np.ndarray, edge: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Where displacements lead from their own points: columns, then lines."""
    y, x = np.mgrid[: displacement.shape[1], : displacement.shape[2]].astype(np.float32) - edge
    return x + displacement[0], y + displacement[1]


def _sampled(film: np.ndarray, columns: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The film at these places, its edge continued."""
    return cv2.remap(film, columns, lines, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _inverse(displacement: np.ndarray) -> np.ndarray:
    """The displacement back, by fixed-point steps."""
    back = -displacement
    for _ in range(INVERSE_STEPS):
        places = _places(back)
        back = -np.stack([_sampled(part, *places) for part in displacement])
    return back
