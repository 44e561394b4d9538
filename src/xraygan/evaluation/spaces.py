"""Feature spaces by name, each on the scale of a set of real images.

| name | made of | needs |
|---|---|---|
| filter-bank-1 | oriented filters and their statistics, nothing learnt | nothing |
| chest-net-1 | a small network trained here on real images and phantoms | TensorFlow |
| inception | InceptionV3, trained on photographs | its weights |
| torchxrayvision | DenseNet-121, trained on seven sets of chest X-rays | an extra, its weights |
| rad-dino | vision transformer, self-supervised on chest X-rays | an extra, its weights |

No space downloads anything. What each of the first two sees is measured by
benchmarks/feature_space.py.
"""

import difflib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xraygan.errors import TooFewError, XrayganError
from xraygan.evaluation.decorrelation import decorrelate
from xraygan.evaluation.feature_cache import FeatureSpace, content_hash, features
from xraygan.evaluation.features import FEATURE_SPACE, filter_bank_features, standardise
from xraygan.sets import ImageSet

__all__ = ["FEATURE_SPACES", "FeatureSpace", "features", "make_space"]

CHEST_NET = "chest-net-1"
OWN_SPACES = (FEATURE_SPACE, CHEST_NET)
BY_TENSORFLOW = (CHEST_NET, "inception")
FEATURE_SPACES = (*OWN_SPACES, "inception", "torchxrayvision", "rad-dino")
MOST_REFERENCE = 20_000
"""At most so many reference images, evenly taken, set the scale: a table of all is too large."""

Phantoms = Callable[[int, int], NDArray[np.uint8]]
"""From (count, side in pixels) to simulated films uint8 [count, side, side], always the same."""


def make_space(
    name: str,
    reference: ImageSet,
    *,
    cache: Path | None = None,
    seed: int = 0,
    phantoms: Phantoms | None = None,
) -> FeatureSpace:
    """A feature space, ready to describe images of the reference's size.

    Args:
        name: one of `FEATURE_SPACES`.
        reference: real images; they set the scale (of many, `MOST_REFERENCE` evenly taken), and
            chest-net-1 is trained on them.
        cache: folder for the reference's features and for trained networks; None: nothing is kept.
        seed: of the training, for chest-net-1.
        phantoms: where chest-net-1 gets simulated films from; without, it is trained on the
            reference alone. Called only when a network is trained.

    Returns:
        The space; equal arguments give an equal fingerprint on one machine.

    Raises:
        XrayganError: an unknown name, too few reference images, or weights or packages that
            are not there (with how to get them).
    """
    raw = _raw_space(name, reference, cache, seed, phantoms)
    if len(reference) < 2:
        raise TooFewError(
            f"feature space {name}: {len(reference)} reference images; the scale needs at least 2"
        )
    table = features(raw, reference.images[:: -(-len(reference) // MOST_REFERENCE)], cache=cache)
    scale = _scale(name, table)
    fingerprint = content_hash(raw.fingerprint, table)
    return FeatureSpace(name, fingerprint, lambda images: scale(raw.describe(images)))


def _scale(name: str, table: NDArray[np.float32]) -> Callable[[NDArray], NDArray[np.float32]]:
    """From raw features to standard ones, fitted on the reference's."""
    if name == FEATURE_SPACE:
        return standardise(table).apply
    even = np.ones(table.shape[1])
    if name != CHEST_NET:
        return standardise(table, weights=even).apply
    decorrelation = decorrelate(table)
    standardiser = standardise(decorrelation.apply(table), weights=even)
    return lambda features: standardiser.apply(decorrelation.apply(features))


def _raw_space(
    name: str,
    reference: ImageSet,
    cache: Path | None,
    seed: int,
    phantoms: Phantoms | None,
) -> FeatureSpace:
    """The space before its scale. TensorFlow and PyTorch are imported only where they are used."""
    if name == FEATURE_SPACE:
        return FeatureSpace(name, content_hash(name), filter_bank_features)
    if name == CHEST_NET:
        from xraygan.evaluation.chest_net import chest_net

        return chest_net(reference, cache=cache, seed=seed, phantoms=phantoms)
    from xraygan.evaluation import pretrained

    loaders = {
        "inception": pretrained.inception,
        "torchxrayvision": pretrained.torchxrayvision,
        "rad-dino": pretrained.rad_dino,
    }
    if name not in loaders:
        near = difflib.get_close_matches(name, FEATURE_SPACES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise XrayganError(
            f"there is no feature space '{name}'; {hint}there are {', '.join(FEATURE_SPACES)}"
        )
    return loaders[name]()
