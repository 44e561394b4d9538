"""What the appearance model alone tells of the films that it was fitted on.

    python benchmarks/base_leak.py --data ../shared/data/chest_xray
    python benchmarks/base_leak.py --data ../shared/data/chest_xray --variant pooled-components

For each number of films: as many components as the rules give, 2,000 images of an untrained
generator, and the audit's attack that puts films together from synthetic images. Its AUC is the
chance that of a training film and another patient's the first is taken for the one trained on.
The untrained generator is the worst case: training adds what no component has.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import variants
from xraygan.config import DataSettings, TrainingSettings
from xraygan.data.cache import prepare
from xraygan.models.conditions import class_conditions
from xraygan.models.sample import sample
from xraygan.presets import model_settings
from xraygan.privacy.membership import infer_membership
from xraygan.sets import ImageSet
from xraygan.training.base import fit_base
from xraygan.training.state import TrainState

NUM = 2000
FILMS = (0, 1000, 300, 100)
"""Films fitted on; 0 stands for all of the training split."""


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
    films, holdout = dataset.image_set("train"), dataset.image_set("val", "test")
    order = np.random.default_rng(0).permutation(len(films))
    print("| films | components | AUC of the reconstruction attack (95 %) |\n|---|---|---|")
    for count in FILMS:
        train = films.rows(np.isin(np.arange(len(films)), order[: count or None]))
        components, synthetic = drawn(train, dataset.labels_of_classes, arguments.resolution)
        attack = infer_membership(train, holdout, synthetic, {}).attacks["reconstruction"]
        auc = attack.auc
        interval = f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
        print(f"| {len(train):,} | {components} | {interval} |", flush=True)


def drawn(train: ImageSet, labels_of_classes: Any, resolution: int) -> tuple[int, ImageSet]:
    """How many components the rules give, and NUM images of the untrained generator."""
    training = TrainingSettings.parse({}, "options")
    patients = len(set(train.patients.tolist()))
    network = model_settings(
        training, resolution, labels_of_classes, len(train), patients, "float32"
    )
    network = variants.reshape(network)
    state = TrainState(network, training)
    conditions = class_conditions(network)[train.labels]
    state.set_base(fit_base(train.images, conditions, network))
    labels = np.random.default_rng(1).choice(train.labels, NUM).astype(np.int32)
    images = sample(state.average, network, 1, range(NUM), labels.tolist())
    names = np.array([f"synthetic-{number}" for number in range(NUM)], object)
    return network.latent, ImageSet(images, labels, names, train.classes)


if __name__ == "__main__":
    main()
