"""What a run's discriminator thinks of images: for the audit, never for sharing."""

from pathlib import Path

import keras
import numpy as np

from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions
from xraygan.models.discriminator import build_discriminator
from xraygan.models.memory import WITHOUT_DEVICE, refusing_memory_faults
from xraygan.runs import CONFIG, read_config
from xraygan.sets import ImageSet
from xraygan.training.checkpoint import load_newest
from xraygan.training.state import discriminator_weights

_AT_ONCE = 256


def discriminator_scores(run: Path, *sets: ImageSet) -> list[np.ndarray]:
    """Scores of images under the discriminator of a run's newest checkpoint.

    Args:
        run: a run folder with checkpoints.
        sets: images at the run's resolution, of classes that it knows.

    Returns:
        float32 [N] a set: the higher, the more real.

    Raises:
        XrayganError: no run, no checkpoint, images that do not fit its networks, or not enough
            memory.
    """
    config = read_config(run)
    if config is None:
        raise XrayganError(f"{run}: no run folder; give the folder that `xraygan train` wrote")
    network = ModelSettings.parse(config["model"], str(run / CONFIG))
    checkpoint = load_newest(run / "checkpoints", lambda _: None)
    if checkpoint is None:
        raise XrayganError(
            f"{run}: no whole checkpoint, so its discriminator cannot be asked; leave out --model "
            "or, with --data, move the folder of checkpoints away"
        )
    discriminator = build_discriminator(network)
    arrays = discriminator_weights(checkpoint.arrays)
    if [array.shape for array in arrays] != [tuple(w.shape) for w in discriminator.weights]:
        raise XrayganError(
            f"{run}: its checkpoint is of other networks than this version builds; leave out "
            "--model or, with --data, move the folder of checkpoints away"
        )
    discriminator.set_weights(arrays)
    classes = config["data"]["classes"]
    return [_scores(discriminator, network, classes, run, images) for images in sets]


def _scores(
    discriminator: keras.Model,
    network: ModelSettings,
    classes: list[str],
    run: Path,
    images: ImageSet,
) -> np.ndarray:
    if images.images.shape[1] != network.resolution:
        raise XrayganError(
            f"{run} was trained at {network.resolution} pixels, the images are "
            f"{images.images.shape[1]}: give --resolution {network.resolution}"
        )
    present = np.unique(images.labels)
    unknown = [name for name in map(images.classes.__getitem__, present) if name not in classes]
    if unknown:
        raise XrayganError(
            f"{run} knows the classes {', '.join(classes)}, not {unknown[0]}: its discriminator "
            "cannot be asked about these images; leave out --model"
        )
    numbers = np.zeros(len(images.classes), np.int32)
    numbers[present] = [classes.index(images.classes[label]) for label in present]
    conditions = class_conditions(network)
    parts = []
    for start in range(0, len(images), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        pixels = images.images[rows, ..., None].astype(np.float32) / 127.5 - 1
        condition = conditions[numbers[images.labels[rows]]]
        with refusing_memory_faults(
            f"asking the discriminator about {len(pixels)} images at once", WITHOUT_DEVICE
        ):
            parts.append(np.asarray(discriminator([pixels, condition], training=False))[:, 0])
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
