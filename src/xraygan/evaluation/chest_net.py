"""A feature space learnt from the user's own films and from phantoms, with nothing downloaded.

A small network is taught what was done to a picture (one of fourteen faults, most of them in any
strength, or none), how strongly, and which class the patient is in. What it then measures in an
image on the way to the answers is the feature space. Where phantoms are given, no film is shown
more than some dozen times on average, and mostly spoilt, so that few can be learnt by heart.
"""

import contextlib
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xraygan.errors import TooFewError, XrayganError
from xraygan.evaluation.chest_course import train
from xraygan.evaluation.chest_trunk import build_trunk, describer
from xraygan.evaluation.feature_cache import FeatureSpace, content_hash
from xraygan.evaluation.lessons import Phantoms
from xraygan.runs import private_folder, read_json, write_json, write_whole
from xraygan.sets import ImageSet
from xraygan.version import __version__

NAME = "chest-net-1"
LEAST_IMAGES = 20
COURSE = 32_000
"""Images shown in training."""


def chest_net(
    reference: ImageSet,
    *,
    cache: Path | None = None,
    seed: int = 0,
    phantoms: Phantoms | None = None,
    course: int | None = None,
) -> FeatureSpace:
    """The network trained on this reference, from the cache where it is there.

    What is kept has seen patients: it stays in the user's own cache and is no part of any
    model, data set or report.

    Args:
        reference: real films, at least LEAST_IMAGES.
        cache: folder for the weights; None: nothing is kept.
        seed: of weights and lessons; equal seeds give equal weights, bit for bit, on one machine.
        phantoms: where simulated films come from; without, the course is of real films alone.
        course: images shown in training; None: COURSE.

    Returns:
        The space before its scale.

    Raises:
        XrayganError: too few reference images, or the cache cannot be written.
    """
    if len(reference) < LEAST_IMAGES:
        raise TooFewError(
            f"feature space {NAME}: {len(reference)} reference images; it is trained on at least "
            f"{LEAST_IMAGES}: give more, or use filter-bank-1"
        )
    course = COURSE if course is None else course
    # How many classes there are decides the head, whether they have films here or not.
    classes = len(reference.classes)
    settings = (NAME, __version__, f"{seed} {course} {phantoms is not None} {classes}")
    key = content_hash(*settings, reference.images, reference.labels)
    path = cache / f"{NAME}-{key[:40]}.safetensors" if cache is not None else None
    trunk = build_trunk(seed)
    weights = _read(path, trunk) if path else None
    if weights is None:
        start = time.perf_counter()
        weights = train(reference, phantoms, course, seed)
        facts = {"seconds": round(time.perf_counter() - start), "course": course, "seed": seed}
        if path:
            _write(path, weights, facts | {"reference": len(reference)})
    trunk.set_weights(weights)
    return FeatureSpace(NAME, content_hash(NAME, *weights), describer(trunk))


def _write(path: Path, weights: list[NDArray[np.float32]], facts: dict[str, Any]) -> None:
    private_folder(path.parent)
    write_whole(path, save({f"{n:03d}": weight for n, weight in enumerate(weights)}))
    digest = content_hash(*weights)
    write_json(path.with_suffix(".json"), facts | {"name": NAME, "weights_sha256": digest})


def _read(path: Path, trunk: keras.Model) -> list[NDArray[np.float32]] | None:
    """What `_write` wrote, or None where it is absent or damaged."""
    with contextlib.suppress(OSError, SafetensorError, KeyError, XrayganError):
        arrays = load(path.read_bytes())
        weights = [arrays[f"{n:03d}"] for n in range(len(trunk.weights))]
        facts = read_json(path.with_suffix(".json"))
        shapes = [tuple(weight.shape) for weight in trunk.weights]
        whole = isinstance(facts, dict) and facts.get("weights_sha256") == content_hash(*weights)
        if whole and [weight.shape for weight in weights] == shapes:
            return weights
    return None
