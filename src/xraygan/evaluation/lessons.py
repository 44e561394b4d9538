"""What the chest network is taught from: spoilt films, and what was done to each."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.evaluation import windows
from xraygan.evaluation.bounded import LARGEST_SIDE, bounded
from xraygan.evaluation.damage import FAULTS, WHOLE, Scene, spoil
from xraygan.sets import ImageSet

KINDS = tuple(FAULTS)
GRADED = np.array([kind not in WHOLE for kind in KINDS])
"""Which kinds have a strength, [K]."""
PHANTOMS = 800
UNKNOWN = -1

_NO_LONGER_THE_PATIENT = frozenset({"phantom", "collage", "turned"})
_CLEAN_SHARE = 0.2
_PHANTOM_SHARE = 0.15
_VIEWS = 40

Phantoms = Callable[[int, int], NDArray[np.uint8]]
"""From (count, side) to simulated films uint8 [count, side, side], always the same ones; the
side is a power of two from 32 to 256 px."""


@dataclass(frozen=True)
class Batch:
    """Pictures and answers.

    Attributes:
        images: uint8 [B, h, w].
        kinds: int32 [B], index into `KINDS`.
        strengths: float32 [B] in [0, 1]; 0 where the kind has none.
        labels: int32 [B], the class, or UNKNOWN.
    """

    images: NDArray[np.uint8]
    kinds: NDArray[np.int32]
    strengths: NDArray[np.float32]
    labels: NDArray[np.int32]


class Lessons:
    """A course in batches; batch i is a function of the reference, the seed and i.

    Where phantoms are given, few real films are shown some dozen times each and phantoms fill
    the rest of the course: that leaves little to learn by heart.

    Args:
        reference: real films, at least two.
        phantoms: where simulated films come from, or None.
        images: length of the course.
        seed: of everything drawn.
    """

    def __init__(
        self, reference: ImageSet, phantoms: Phantoms | None, images: int, seed: int
    ) -> None:
        self._reference = reference
        self._seed = seed
        self._phantoms: NDArray[np.uint8] | None = None
        self._phantom_share = 0.0
        if phantoms is not None:
            self._phantoms = _drawn_like(reference.images, phantoms)
            self._phantom_share = max(_PHANTOM_SHARE, 1 - _VIEWS * len(reference) / images)

    def batch(self, number: int, size: int) -> Batch:
        """The course's batch `number`, of `size` pictures."""
        draw = np.random.default_rng([self._seed, number])
        rows = [self._picture(draw) for _ in range(size)]
        images, kinds, strengths, labels = zip(*rows, strict=True)
        return Batch(
            np.stack(images),
            np.array(kinds, np.int32),
            np.array(strengths, np.float32),
            np.array(labels, np.int32),
        )

    def _picture(self, draw: np.random.Generator) -> tuple[NDArray[np.uint8], int, float, int]:
        simulated = bool(draw.random() < self._phantom_share)
        scene, label = self._scene(draw, simulated)
        kind, strength = self._kind(draw), float(draw.random())
        image = spoil(scene, kind, strength)
        if simulated and kind == "none":
            kind = "phantom"
        number = KINDS.index(kind)
        if kind in _NO_LONGER_THE_PATIENT:
            label = UNKNOWN
        return image, number, strength if GRADED[number] else 0.0, label

    def _kind(self, draw: np.random.Generator) -> str:
        if draw.random() < _CLEAN_SHARE:
            return "none"
        faults = KINDS[1:] if self._phantoms is not None else KINDS[1:-1]
        return faults[int(draw.integers(len(faults)))]

    def _scene(self, draw: np.random.Generator, simulated: bool) -> tuple[Scene, int]:
        """Two films of one source and a phantom through one window; the first one's label."""
        films = self._reference.images
        first = int(draw.integers(len(films)))
        second = (first + int(draw.integers(1, len(films)))) % len(films)
        picture, other, label = films[first], films[second], int(self._reference.labels[first])
        phantom = picture
        if self._phantoms is not None:
            chosen = self._phantoms[draw.integers(0, len(self._phantoms), 3)]
            phantom = chosen[0]
            if simulated:
                picture, other, label = chosen[1], chosen[2], UNKNOWN
        look, is_whole = _window(draw, *films.shape[1:])
        picture, other, phantom = (
            look(film).astype(np.float32) for film in (picture, other, phantom)
        )
        return Scene(picture, other, phantom, draw), label if is_whole else UNKNOWN


def _window(
    draw: np.random.Generator, height: int, width: int
) -> tuple[Callable[[NDArray[np.uint8]], NDArray[np.uint8]], bool]:
    """A way to look at films of this size: as wholes, or half of the time at one place."""
    if windows.fits(height, width) or draw.random() < 0.5:
        return windows.whole, True
    shrink = min(1.0, LARGEST_SIDE / max(height, width))
    height, width = round(height * shrink), round(width * shrink)
    tall, broad = windows.window_size(height, width)
    top, left = draw.integers(0, height - tall + 1), draw.integers(0, width - broad + 1)
    return lambda film: bounded(film[None])[0, top : top + tall, left : left + broad], False


def _drawn_like(films: NDArray[np.uint8], phantoms: Phantoms) -> NDArray[np.uint8]:
    """Phantoms of the films' size, uint8 [PHANTOMS, H, W]."""
    height, width = films.shape[1:]
    side = min(max(1 << (max(height, width) - 1).bit_length(), 32), LARGEST_SIDE)
    drawn = phantoms(PHANTOMS, side)
    if drawn.shape[1:] == (height, width):
        return drawn
    return np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in drawn])
