"""Whom members are told from: patients held back at random, or all validation and test films.

    python benchmarks/held_out.py --data ../shared/data/chest_xray results

The first lines are kernel distances of real training films to either group of held-out films: where
one is not near 0, that group differs from the training films by itself. Then each run's images are
audited twice, and what the best attack by images reaches stands beside what a classifier of the
films alone does.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import xraygan
from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.evaluation.kernel import Kernel
from xraygan.evaluation.spaces import make_space
from xraygan.privacy.audit import audit
from xraygan.sets import ImageSet

SPACE = "filter-bank-1"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="*", help="run folders")
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--num", type=int, default=2000, help="images of each run")
    arguments = parser.parse_args()
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    dataset = prepare(arguments.data, settings)
    train, held_out = dataset.image_set("train"), dataset.image_set("val", "test")
    alike = np.asarray(held_out.at_random, bool)
    groups = {
        "held back at random": held_out.rows(alike),
        "of other folders": held_out.rows(~alike),
    }
    space = make_space(SPACE, train)
    described = {name: space.describe(part.images) for name, part in groups.items()}
    of_train, of_held_out = space.describe(train.images), space.describe(held_out.images)
    some = np.random.default_rng(0).choice(len(train), min(2000, len(train)), replace=False)
    for name, features in described.items():
        reference = Kernel(features, groups[name].patients)
        distance = reference.distance(of_train[some], train.patients[some])
        print(f"real training films to {len(features):,} {name}: KID {distance.value:.3f}")
    print("\n| run | members are told from | verdict | films alone | best by images |")
    print("|---" * 5 + "|")
    for run in arguments.runs:
        images, labels = xraygan.generate(run, arguments.num, seed=1, like_train=True)
        made = ImageSet.of_nobody(images, labels, train.classes)
        tables = {SPACE: (of_train, of_held_out, space.describe(images))}
        for sets in (held_out, replace(held_out, at_random=None)):
            found = audit(train, sets, made, tables).membership
            best = max(found.attacks.values(), key=lambda attack: attack.auc.value)
            blind = best.blind_auc
            cells = [f"{e.value:.3f} ({e.low:.3f} to {e.high:.3f})" for e in (blind, best.auc)]
            said = ", ".join(found.leaks) or "no leak"
            print(f"| {run.name} | {found.others:,} | {said} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
