"""Does the audit find leaks that are known, and clear generators that are honest?

    python benchmarks/validate_audit.py --data ../shared/data/chest_xray

Real films of three groups of patients: trained on, held out, and fresh, the last in place of
an honest generator's images. Then a share of the fresh films is replaced by disguised copies
of training films. Prints a Markdown table of verdicts, and how often the honest generator is
called a leak over repeated splits of the patients.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.phantom import phantom_images
from xraygan.estimates import proportion
from xraygan.evaluation.spaces import make_space
from xraygan.privacy.audit import NOTHING, Audit, audit
from xraygan.privacy.planted import PLANTED, plant
from xraygan.sets import ImageSet

SHARES = (0.01, 0.05, 0.2, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--train", type=int, default=1000, help="films trained on")
    parser.add_argument("--synthetic", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=20, help="splits for the false alarms")
    arguments = parser.parse_args()
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    films = prepare(arguments.data, settings).image_set("train", "val", "test")
    print("| images | verdict | copied share (95 %) | strongest attack (95 %) |\n|---|---|---|---|")
    train, holdout, fresh = split(films, arguments.train, arguments.synthetic, seed=0)
    trial = Trial(train, holdout)
    drawn, classes = phantom_images(arguments.synthetic, arguments.resolution, seed=0)
    phantoms = ImageSet(drawn, classes.astype(np.int32), names(len(drawn)), films.classes[:2])
    show("fresh patients (honest)", trial.audit(fresh))
    show("fresh phantoms (honest)", trial.audit(phantoms))
    for share in SHARES:
        for kind, disguise in PLANTED.items():
            copies = plant(train.images, disguise, round(share * len(fresh)))
            images = np.concatenate([copies, fresh.images[len(copies) :]])
            made = ImageSet(images, fresh.labels, fresh.patients, fresh.classes)
            show(f"{share:.0%} copies, {PLANTED[kind].words}", trial.audit(made))
    alarms = 0
    for seed in range(1, arguments.repeats + 1):
        train, holdout, fresh = split(films, arguments.train, arguments.synthetic, seed)
        alarms += Trial(train, holdout).audit(fresh).verdict != NOTHING
    rate = proportion(alarms, arguments.repeats)
    print(
        f"\nHonest generator called a leak: {alarms} of {arguments.repeats} splits "
        f"(95 %: {rate.low:.3f} to {rate.high:.3f})"
    )


def split(films: ImageSet, train: int, made: int, seed: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Films of disjoint patients: at most `train` trained on, a quarter held out, `made` fresh."""
    everyone = np.random.default_rng(seed).permutation(np.unique(films.patients.astype(str)))
    half, rest = len(everyone) // 2, len(everyone) * 3 // 4
    groups = (
        films.rows(np.isin(films.patients.astype(str), part))
        for part in (everyone[:half], everyone[half:rest], everyone[rest:])
    )
    trained, holdout, fresh = groups
    trained, fresh = some(trained, train, seed), some(fresh, made, seed)
    fresh = ImageSet(fresh.images, fresh.labels, names(len(fresh)), fresh.classes)
    return trained, holdout, fresh


def some(films: ImageSet, most: int, seed: int) -> ImageSet:
    """Films by chance, at most so many."""
    return films.rows(np.sort(np.random.default_rng(seed).permutation(len(films))[:most]))


def names(count: int) -> Any:
    return np.array([f"made {number}" for number in range(count)], object)


class Trial:
    """Training and held-out films of one split, described once for every audit against them."""

    def __init__(self, train: ImageSet, holdout: ImageSet) -> None:
        self.train, self.holdout = train, holdout
        self.space = make_space("filter-bank-1", train)
        self.tables = self.space.describe(train.images), self.space.describe(holdout.images)

    def audit(self, made: ImageSet) -> Audit:
        """The audit of one set of made images."""
        tables = (*self.tables, self.space.describe(made.images))
        return audit(self.train, self.holdout, made, {self.space.name: tables})


def show(name: str, found: Audit) -> None:
    share = found.copies.figures["copied_share"]
    attack, success = max(
        found.membership.attacks.items(), key=lambda pair: pair[1].auc.value, default=("–", None)
    )
    auc = f"{attack} {success.auc.value:.2f} ({success.auc.low:.2f} to {success.auc.high:.2f})"
    print(
        f"| {name} | **{found.verdict}** | {share.value:.3f} ({share.low:.3f} to "
        f"{share.high:.3f}) | {auc if success else '–'} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
