"""What synthetic images that resemble one another have in common, noise taken off.

A generator that knows a few films by heart may hide each under noise: no single image is a certain
copy, and there are few patients to count. The mean of the images that repeat one film is that film
again. Which images belong together is decided by the synthetic images alone, so that nothing draws
a mean towards a training film.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.privacy.ratios import References
from xraygan.privacy.views import View, shrunk
from xraygan.sets import some_rows

LEAST_REPEATS = 3
"""Images that make a group."""
MOST_GROUPED = 5000
"""Images that are looked at; of more, so many by chance."""
_ALIKE_BY_CHANCE = 0.01
_PAIRED = 1000


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of synthetic images that resemble one another; no image is in two.

    Attributes:
        means: uint8 [G, h, w], the mean image of each, as small as views look at it.
        sizes: int [G], how many images it is of.
        looked_at: how many images were.
    """

    means: NDArray[np.uint8]
    sizes: NDArray[np.intp]
    looked_at: int

    @classmethod
    def of(cls, images: NDArray[np.uint8], view: View, alike: float, seed: int = 0) -> "Groups":
        """Each image in turn gathers those that are alike to it and in no group yet.

        Args:
            images: uint8 [N, H, W]; may be a memory map.
            view: describes images.
            alike: the cosine beyond which two images are alike.
            seed: of the images that are looked at.
        """
        rows = some_rows(len(images), MOST_GROUPED, seed)
        images = shrunk(images, rows)
        described, free = view.describe(images), np.ones(len(rows), bool)
        means, sizes = [], []
        for number in range(len(rows)):
            if not free[number]:
                continue
            near = free & (described @ described[number] > alike)
            near[number] = True
            if near.sum() >= LEAST_REPEATS:
                free &= ~near
                means.append(np.rint(images[near].mean(axis=0)).astype(np.uint8))
                sizes.append(near.sum())
        stacked = np.stack(means) if means else np.empty((0, *images.shape[1:]), np.uint8)
        return cls(stacked, np.array(sizes, np.intp), len(rows))


def alike_beyond(films: References, seed: int = 0) -> float:
    """The cosine that one in a hundred pairs of films of different patients passes."""
    rows = some_rows(len(films.patients), _PAIRED, seed)
    cosines = films.described[rows] @ films.described[rows].T
    others = films.patients[rows, None] != films.patients[None, rows]
    return float(np.quantile(cosines[others], 1 - _ALIKE_BY_CHANCE))
