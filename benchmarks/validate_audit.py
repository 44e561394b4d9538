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
    parser.add_argument("--synthetic", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=20, help="splits for the false alarms")
    arguments = parser.parse_args()
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    films = prepare(arguments.data, settings).image_set("train", "val", "test")
    print("| images | verdict | copied share (95 %) | strongest attack (95 %) |\n|---|---|---|---|")
    train, holdout, fresh = split(films, arguments.synthetic, seed=0)
    drawn, classes = phantom_images(arguments.synthetic, arguments.resolution, seed=0)
    phantoms = ImageSet(drawn, classes.astype(np.int32), names(len(drawn)), films.classes[:2])
    show("fresh patients (honest)", examine(train, holdout, fresh))
    show("fresh phantoms (honest)", examine(train, holdout, phantoms))
    for share in SHARES:
        for kind, disguise in PLANTED.items():
            copies = plant(train.images, disguise, round(share * len(fresh)))
            images = np.concatenate([copies, fresh.images[len(copies) :]])
            made = ImageSet(images, fresh.labels, fresh.patients, fresh.classes)
            show(f"{share:.0%} copies, {PLANTED[kind].words}", examine(train, holdout, made))
    alarms = 0
    for seed in range(1, arguments.repeats + 1):
        alarms += examine(*split(films, arguments.synthetic, seed)).verdict != NOTHING
    rate = proportion(alarms, arguments.repeats)
    print(
        f"\nHonest generator called a leak: {alarms} of {arguments.repeats} splits "
        f"(95 %: {rate.low:.3f} to {rate.high:.3f})"
    )


def split(films: ImageSet, synthetic: int, seed: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Films of disjoint patients: half trained on, a quarter held out, one each of the rest."""
    everyone = np.unique(films.patients.astype(str))
    everyone = np.random.default_rng(seed).permutation(everyone)
    half, rest = len(everyone) // 2, len(everyone) * 3 // 4
    groups = [
        np.isin(films.patients.astype(str), part)
        for part in (everyone[:half], everyone[half:rest], everyone[rest:])
    ]
    train, holdout, fresh = (films.rows(group) for group in groups)
    chosen = np.random.default_rng(seed).permutation(len(fresh))[:synthetic]
    fresh = fresh.rows(np.sort(chosen))
    made = ImageSet(fresh.images, fresh.labels, names(len(fresh)), fresh.classes)
    return train, holdout, made


def names(count: int) -> Any:
    return np.array([f"made {number}" for number in range(count)], object)


def examine(train: ImageSet, holdout: ImageSet, made: ImageSet) -> Audit:
    space = make_space("filter-bank-1", train)
    tables = tuple(space.describe(part.images) for part in (train, holdout, made))
    return audit(train, holdout, made, {space.name: tables})


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
