"""What the appearance model's components tell of the films that they were fitted on.

    python benchmarks/base_leak.py --data ../shared/data/chest_xray
    python benchmarks/base_leak.py --data ../shared/data/chest_xray --variant pooled-components

For each number of films: as many components as the rules give; then films that were fitted on and
films of other patients are registered to the model's mean film, and what its components leave of
them is compared, as whoever has the model's file can do. The AUC is the chance that of a film of
each kind less is left of the one that was fitted on.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.metrics import roc_auc_score

import variants
from xraygan.config import DataSettings, ModelSettings, TrainingSettings
from xraygan.data.cache import prepare
from xraygan.models.base import anatomy_side, margin
from xraygan.models.conditions import class_conditions
from xraygan.presets import model_settings
from xraygan.training.base import fit_base, levelled_films
from xraygan.training.registration import place

FILMS = (0, 1000, 300, 100)
"""Films fitted on; 0 stands for all of the training split."""
SUSPECTS = 500
"""At most so many films of each kind are looked at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--variant", nargs="*", default=[], metavar="NAME")
    arguments = parser.parse_args()
    for name in arguments.variant:
        variants.apply(name)
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    dataset = prepare(arguments.data, settings)
    films, others = dataset.image_set("train"), dataset.image_set("val", "test").images
    order = np.random.default_rng(0).permutation(len(films))
    print("| films | components | left of films fitted on | of others | AUC |\n" + "|---" * 5 + "|")
    for count in FILMS:
        train = films.rows(np.isin(np.arange(len(films)), order[: count or None]))
        network = model_settings(
            TrainingSettings.parse({}, "options"),
            arguments.resolution,
            dataset.labels_of_classes,
            len(train),
            len(set(train.patients.tolist())),
            "float32",
        )
        base = fit_base(train.images, class_conditions(network)[train.labels], network)
        chosen = np.random.default_rng(1).permutation(len(train))[:SUSPECTS]
        ours, theirs = (
            left(base, network, kind) for kind in (train.images[chosen], others[:SUSPECTS])
        )
        known = np.repeat([1, 0], [len(ours), len(theirs)])
        auc = roc_auc_score(known, -np.concatenate([ours, theirs]))
        print(
            f"| {len(train):,} | {network.latent} | {ours.mean():.3f} | {theirs.mean():.3f} "
            f"| {auc:.2f} |",
            flush=True,
        )


def left(base: dict[str, Any], network: ModelSettings, images: np.ndarray) -> np.ndarray:
    """Root mean square of what components leave of each film, as a share of its deviation, [N]."""
    side, edge = network.base_resolution, margin(network.base_resolution)
    width = anatomy_side(side)
    mean = base["mean"][: width**2].reshape(width, width)
    axes, _ = np.linalg.qr(base["components"][:, : width**2].T)
    films, _ = levelled_films(images, np.arange(len(images)), side, network.num_bands)
    appearance, seen, _ = place(films, (mean[edge:-edge, edge:-edge] + 1) * 127.5)
    whole = np.where(seen, appearance / 127.5 - 1 - mean, 0).reshape(len(films), -1)
    rest = (whole - whole @ axes @ axes.T) * seen.reshape(len(films), -1)
    return np.linalg.norm(rest, axis=1) / np.linalg.norm(whole, axis=1)


if __name__ == "__main__":
    main()
