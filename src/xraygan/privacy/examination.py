"""Are synthetic images copies of training images? One view's evidence.

For every synthetic image the *calibrated ratio* to the training patients (is this one a copy?) and
the *lead* of its nearest one (are there more such than chance lets be?) are compared with three
things: those of training images to other patients (what honest images come to by chance), that
of both to held-out patients (the generator's style), and that of copies planted on purpose (what
the view could have seen).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.privacy.chance import Excess, Tail, excess, far_excess, style_factor
from xraygan.privacy.planted import PLANTED, plant
from xraygan.privacy.ratios import Nearest, References, nearest_patients
from xraygan.privacy.repeats import Groups, alike_beyond
from xraygan.privacy.views import MOST_FITTED, FeatureView, PixelView, View, evenly
from xraygan.sets import ImageSet, some_rows

CERTAIN = 0.002
"""Chance that an honest generator has any image called a certain copy, all views together."""
REPEATED = 0.001
"""Chance that the mean of any of its images that resemble one another is called one."""
PIXELS = "pixels"
CANDIDATES = 20
MOST_NULL = 2000
STYLE_PATIENTS = 30
"""Held-out patients below which a generator's style is not told."""
_CHANCES = (0.05, 0.01)
_FAR_CHANCE = 0.002
_PLANTED_EACH = 50
IMAGES_A_PATIENT = 2
"""Of more synthetic images than so many times the training patients the excess rules look at so
many, drawn at random: where images are many, chance alone has each patient imitated once."""


@dataclass(frozen=True, eq=False)
class Sides:
    """What a view looks at: images uint8 [n, H, W], or features [n, D] of the same images."""

    train: NDArray
    holdout: NDArray
    synthetic: NDArray


@dataclass(frozen=True, eq=False)
class Patients:
    """Who is who in the training set, in numbers.

    Attributes:
        number: int [N], 0 to P - 1.
        fitted: int, rows of one half of the patients, as many as views are fitted on.
        null: int, one row of each patient of the other half: the queries for chance. Their
            films, like synthetic images, are new to the view.
    """

    number: NDArray[np.intp]
    fitted: NDArray[np.intp]
    null: NDArray[np.intp]

    @classmethod
    def of(cls, train: ImageSet, seed: int) -> "Patients":
        """Number the patients and cut them in halves at random."""
        generator = np.random.default_rng(seed)
        number = numbered(train.patients)
        half = generator.permutation(number.max() + 1) % 2 == 0
        shuffled = generator.permutation(len(number))
        _, first = np.unique(number[shuffled], return_index=True)
        one_each = shuffled[first]
        null = generator.permutation(one_each[~half[number[one_each]]])[:MOST_NULL]
        fitted = np.flatnonzero(half[number])
        return cls(number, fitted[evenly(len(fitted), MOST_FITTED)], null)


def numbered(patients: NDArray[np.object_]) -> NDArray[np.intp]:
    """Equal numbers from 0 for equal patients, [N]."""
    return np.unique(patients.astype(str), return_inverse=True)[1]


@dataclass(frozen=True, eq=False)
class Examination:
    """What one view saw.

    Attributes:
        name: `PIXELS` or the feature space.
        synthetic: nearest training patients of synthetic images.
        null: of training images among other training patients.
        holdout: of held-out images.
        synthetic_unseen: nearest held-out patients of synthetic images.
        null_unseen: of the same training images.
        style: factor by which levels of leads are raised for the generator's style.
        bound: the log ratio beyond which a single image is certainly a copy.
        excesses: at each level of chance that real images reach, the strictest last.
        far: at a level that hardly any real image reaches.
        planted: kind of planted copy to how many were certain, and how many there were; empty
            for features.
        repeated: how many of the images that were grouped are in groups whose mean is certainly a
            copy, and how many were grouped; None for features.
    """

    name: str
    synthetic: Nearest
    null: Nearest
    holdout: Nearest
    synthetic_unseen: Nearest
    null_unseen: Nearest
    style: float
    bound: float
    excesses: tuple[Excess, ...]
    far: Excess
    planted: Mapping[str, tuple[int, int]]
    repeated: tuple[int, int] | None = None

    @property
    def certain(self) -> NDArray[np.bool_]:
        """Which synthetic images are certainly copies, [S]."""
        return self.synthetic.log_ratio > self.bound

    @property
    def close(self) -> NDArray[np.bool_]:
        """Which are nearer than all but about one in a hundred real images, [S]."""
        return self.synthetic.lead > self.excesses[-1].level

    @property
    def most_surprising(self) -> Excess:
        """The excess with the smallest p-value."""
        return min((*self.excesses, self.far), key=lambda level: level.p_value)

    @property
    def p_value(self) -> float:
        """Of the most surprising excess, with the number of levels accounted for."""
        return min(1.0, (len(self.excesses) + 1) * self.most_surprising.p_value)


def examine(
    name: str,
    sides: Sides,
    patients: Patients,
    holdout_patients: NDArray[np.intp],
    views: int,
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Examination:
    """Look for copies in one view.

    Args:
        name: `PIXELS`, or a feature space's name.
        sides: images uint8 for pixels, features for the rest.
        patients: of train, at least six.
        holdout_patients: int [M] from 0, at least three.
        views: how many views the audit has; they share the false alarms.
        seed: of the planted copies and of the images that the excess rules look at.
        progress: called with the number of comparisons done since the last call.

    Returns:
        The examination.

    Raises:
        ValueError: too few patients.
    """
    pixels = name == PIXELS
    view: View = (PixelView if pixels else FeatureView).fit(sides.train[patients.fitted])
    seen = References.of(view.describe(sides.train), patients.number)
    unseen = References.of(view.describe(sides.holdout), holdout_patients)
    real, own = sides.train[patients.null], patients.number[patients.null]

    def near(queries: NDArray, references: References, count: int = 1) -> Nearest:
        return nearest_patients(view, queries, references, candidates=count, progress=progress)

    candidates = CANDIDATES if pixels else 1  # of features none is asked for
    synthetic = near(sides.synthetic, seen, candidates)
    null = nearest_patients(view, real, seen, own=own, progress=progress)
    synthetic_unseen, null_unseen = near(sides.synthetic, unseen), near(real, unseen)
    ratio_style, style = 1.0, 1.0
    if unseen.count >= STYLE_PATIENTS:
        ratio_style = style_factor(synthetic_unseen.log_ratio, null_unseen.log_ratio)
        style = style_factor(synthetic_unseen.lead, null_unseen.lead)
    tail = Tail.fit(null.log_ratio)
    bound = ratio_style * tail.level(CERTAIN / views / len(sides.synthetic))
    repeated = None
    if pixels:
        groups = Groups.of(sides.synthetic, view, alike_beyond(seen, seed), seed)
        surest = REPEATED / max(len(groups.means), 1)
        repeated = _repeated(view, groups, seen, ratio_style * tail.level(surest))
    looked_at = some_rows(len(sides.synthetic), IMAGES_A_PATIENT * seen.count, seed)
    made = synthetic.lead[looked_at], synthetic.patient[looked_at]
    return Examination(
        name=name,
        synthetic=synthetic,
        null=null,
        holdout=near(sides.holdout, seen, candidates),
        synthetic_unseen=synthetic_unseen,
        null_unseen=null_unseen,
        style=style,
        bound=bound,
        excesses=tuple(excess(*made, null.lead, chance, style) for chance in _CHANCES),
        far=far_excess(*made, Tail.fit(null.lead), _FAR_CHANCE, style),
        planted=_recognised(view, sides.train, seen, bound, seed) if pixels else {},
        repeated=repeated,
    )


def _repeated(view: View, groups: Groups, seen: References, bound: float) -> tuple[int, int]:
    """How many images are in groups whose mean is certainly a copy, of how many."""
    certain = nearest_patients(view, groups.means, seen).log_ratio > bound
    return int(groups.sizes[certain].sum()), groups.looked_at


def _recognised(
    view: View, train: NDArray[np.uint8], seen: References, bound: float, seed: int
) -> dict[str, tuple[int, int]]:
    """How many copies planted on purpose are certain, of how many, by kind."""
    found = {}
    for kind, disguise in PLANTED.items():
        copies = plant(train, disguise, _PLANTED_EACH, seed)
        certain = nearest_patients(view, copies, seen).log_ratio > bound
        found[kind] = (int(certain.sum()), len(certain))
    return found
