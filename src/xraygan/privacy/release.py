"""The release filter: leaves out synthetic images that come too near to a training patient.

A filter is no guarantee. It removes what one measure of likeness sees, image by image; it does
not change what the generator has learnt, and images just below the bound stay. The audit is to
be run again on what is left.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.errors import XrayganError
from xraygan.privacy.examination import Patients
from xraygan.privacy.ratios import References, nearest_patients
from xraygan.privacy.views import PixelView
from xraygan.sets import ImageSet

LEAST_PATIENTS = 6


@dataclass(frozen=True, eq=False)
class CopyBound:
    """How near a synthetic image may come to a training patient.

    Attributes:
        level: lead beyond which an image counts as a copy.
        chance: share of honest images that are left out as well, from the bound's rank among the
            real films that it was calibrated on.
    """

    level: float
    chance: float
    _view: PixelView
    _references: References

    def is_copy(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which images are to be left out.

        Args:
            images: uint8 [N, H, W], of the training images' size.

        Returns:
            bool [N].
        """
        return nearest_patients(self._view, images, self._references).lead > self.level


def fit_bound(
    train: ImageSet, holdout: ImageSet | None = None, *, chance: float = 0.01, seed: int = 0
) -> CopyBound:
    """Calibrate the bound on how near real films of other patients come.

    Args:
        train: what the generator was trained on, of at least six patients.
        holdout: more films to calibrate with; those of training patients are passed over.
        chance: share of honest images that may be left out, in (0, 1). With N films to calibrate
            on, the next larger multiple of 1 / (N + 1) is taken.
        seed: of the halves: filters are fitted on one half of the patients, chance is measured
            on the other.

    Returns:
        The bound. It holds descriptions of the training images in memory.

    Raises:
        XrayganError: too few patients.
        ValueError: chance outside (0, 1).

    Guarantees: none about privacy. An honest image that is exchangeable with the films of
    calibration is left out with a chance of at most the bound's `chance`.

    Source: ranks of exchangeable values, Vovk, Gammerman and Shafer 2005, Algorithmic
    Learning in a Random World.
    """
    if not 0 < chance < 1:
        raise ValueError(f"chance is {chance}: expected between 0 and 1")
    found = len(set(train.patients.tolist()))
    if found < LEAST_PATIENTS:
        raise XrayganError(
            f"the training set has {found} patients and the copy filter needs at least "
            f"{LEAST_PATIENTS}; leave --filter copies out, or add films of more patients"
        )
    patients = Patients.of(train, seed)
    view = PixelView.fit(train.images[patients.fitted])
    references = References.of(view.describe(train.images), patients.number)
    own = patients.number[patients.null]
    null = nearest_patients(view, train.images[patients.null], references, own=own).lead
    if holdout is not None:
        trained = set(train.patients.tolist())
        others = np.array([key not in trained for key in holdout.patients.tolist()], bool)
        seen = nearest_patients(view, holdout.images[others], references)
        null = np.concatenate([null, seen.lead])
    # Of the level, from the largest down: rather too many images are left out than too few.
    rank = min(math.ceil(chance * (len(null) + 1)), len(null))
    level = float(np.sort(null)[-rank])
    return CopyBound(level, rank / (len(null) + 1), view, references)
