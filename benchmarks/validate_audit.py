"""Does the audit find leaks that are known, and clear generators that are honest?

    python benchmarks/validate_audit.py --data ../shared/data/chest_xray
    python benchmarks/validate_audit.py --phantoms 300 --resolution 32 --train 100 --synthetic 100
    python benchmarks/validate_audit.py --phantoms 20 --train 240 --synthetic 160 --copied 0.1

Real films of three groups of patients: trained on, held out, and fresh, the last in place of
an honest generator's images. Then a share of the fresh films is replaced by disguised copies
of training films, by images that only lean on training films, and once more with few films
trained on. Prints Markdown tables of verdicts, and how often the honest generator is called a
leak over repeated splits of the patients. With `--phantoms` nothing but this is counted, over so
many audits of phantoms, each of patients of its own; with `--copied` such a share of the images of
each are copies under 20 % noise, and what is counted is how often they are noticed.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.phantom import CLASSES, phantom_images
from xraygan.estimates import proportion
from xraygan.evaluation.spaces import make_space
from xraygan.privacy.audit import COPYING, LEAK, NOTHING, Audit, audit
from xraygan.privacy.planted import PLANTED, plant
from xraygan.sets import ImageSet

SHARES = (0.01, 0.05, 0.2, 1.0)
HARD_SHARE = 0.05
MANY = 3000
"""Images that all lean on few training films."""
HELD_OUT = 40
"""Phantoms held out of an audit of phantoms."""
HEADER = "| images | verdict | copied share (95 %) | strongest attack (95 %) |\n|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of chest X-rays")
    source.add_argument("--phantoms", type=int, help="audits of phantoms, and nothing else")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--train", type=int, default=1000, help="films trained on")
    parser.add_argument("--synthetic", type=int, default=500)
    parser.add_argument("--few", type=int, default=100, help="films of a small training set")
    parser.add_argument("--repeats", type=int, default=20, help="splits for the false alarms")
    parser.add_argument("--copied", type=float, default=0, help="with --phantoms: share of copies")
    arguments = parser.parse_args()
    if arguments.data is None:
        sizes = arguments.train, HELD_OUT, arguments.synthetic
        print_phantom_alarms(arguments.phantoms, arguments.resolution, sizes, arguments.copied)
        return
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    films = prepare(arguments.data, settings).image_set("train", "val", "test")
    train, holdout, fresh = split(films, arguments.train, arguments.synthetic, seed=0)
    trial = Trial(train, holdout)
    drawn, classes = phantom_images(arguments.synthetic, arguments.resolution, seed=0)
    phantoms = ImageSet.of_nobody(drawn, classes, films.classes[:2])
    print(HEADER)
    show("fresh patients (honest)", trial.audit(fresh))
    show("fresh phantoms (honest)", trial.audit(phantoms))
    for share in SHARES:
        show_planted(trial, fresh, share)
    print(f"\n{HARD_SHARE:.0%} of the images lean on training films:\n\n{HEADER}")
    count = round(HARD_SHARE * len(fresh))
    for name, make in HARD.items():
        show(name, trial.audit(mixed(make(train, fresh, count), fresh)))
    print(f"\n{arguments.few} films trained on:\n\n{HEADER}")
    train, holdout, fresh = split(films, arguments.few, arguments.synthetic, seed=0)
    trial = Trial(train, holdout)
    show("fresh patients (honest)", trial.audit(fresh))
    show_planted(trial, fresh, HARD_SHARE)
    show(f"{MANY:,} images, each six tenths a training film", trial.audit(leaning(train, fresh)))
    print("\nHonest generator called a leak:")
    for trained in (arguments.train, arguments.few):
        alarms = 0
        for seed in range(1, arguments.repeats + 1):
            train, holdout, fresh = split(films, trained, arguments.synthetic, seed)
            alarms += Trial(train, holdout).audit(fresh).verdict != NOTHING
        print(f"- {trained} films trained on: {rate_of(alarms, arguments.repeats)}", flush=True)


def print_phantom_alarms(
    audits: int, side: int, sizes: tuple[int, int, int], copied: float
) -> None:
    """How often phantoms, copied or not, are called anything but "nothing found"."""
    verdicts = []
    for seed in range(audits):
        drawn, labels = phantom_images(sum(sizes), side, seed)
        everyone = ImageSet.of_nobody(drawn, labels, CLASSES, "phantom")
        train, holdout, fresh = (
            everyone.rows(rows) for rows in np.split(np.arange(len(drawn)), np.cumsum(sizes)[:-1])
        )
        noisy = PLANTED["noise_20_percent"]
        copies = plant(train.images, noisy, round(copied * len(fresh)), seed)
        found = Trial(train, holdout).audit(mixed(copies, fresh))
        verdicts.append(found.verdict)
        if found.verdict != NOTHING:
            print(f"seed {seed}: {found.verdict}. {' '.join(found.copies.reasons)}", flush=True)
    for verdict in (COPYING, LEAK):
        print(f"{verdict}: {rate_of(verdicts.count(verdict), audits)}")
    print(f"either: {rate_of(audits - verdicts.count(NOTHING), audits)}")


def rate_of(alarms: int, audits: int) -> str:
    """How many, with the interval of Clopper and Pearson."""
    rate = proportion(alarms, audits)
    return f"{alarms} of {audits} (95 %: {rate.low:.3f} to {rate.high:.3f})"


def show_planted(trial: "Trial", fresh: ImageSet, share: float) -> None:
    """A line for every kind of planted copy."""
    for kind, disguise in PLANTED.items():
        copies = plant(trial.train.images, disguise, round(share * len(fresh)))
        show(f"{share:.0%} copies, {PLANTED[kind].words}", trial.audit(mixed(copies, fresh)))


def mixed(copies: NDArray[np.uint8], fresh: ImageSet) -> ImageSet:
    """Fresh films with the first ones replaced."""
    images = np.concatenate([copies, fresh.images[len(copies) :]])
    return ImageSet(images, fresh.labels, fresh.patients, fresh.classes)


Maker = Callable[[ImageSet, ImageSet, int], NDArray[np.uint8]]


def drawn_from(train: ImageSet, count: int) -> NDArray[np.uint8]:
    """The same films at every call."""
    return train.images[np.random.default_rng(1).permutation(len(train))[:count]]


def grey(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blend_of_two(share: float) -> Maker:
    def make(train: ImageSet, _: ImageSet, count: int) -> NDArray[np.uint8]:
        films = drawn_from(train, count).astype(np.float64)
        return grey(share * films + (1 - share) * np.roll(films, 1, axis=0))

    return make


def blend_with_fresh(share: float) -> Maker:
    def make(train: ImageSet, fresh: ImageSet, count: int) -> NDArray[np.uint8]:
        return grey(share * drawn_from(train, count) + (1 - share) * fresh.images[:count])

    return make


def leaning(train: ImageSet, fresh: ImageSet) -> ImageSet:
    """MANY images, each of a training film and a fresh one laid over it."""
    random = np.random.default_rng(1)
    films, others = (
        side.images[random.integers(0, len(side), MANY)].astype(np.float64)
        for side in (train, fresh)
    )
    labels = np.zeros(MANY, np.int32)
    return ImageSet.of_nobody(grey(0.6 * films + 0.4 * others), labels, fresh.classes)


def exposed(train: ImageSet, _: ImageSet, count: int) -> NDArray[np.uint8]:
    return grey(178 * (drawn_from(train, count) / 255) ** 0.6 + 25)


def mean_of_patient(train: ImageSet, _: ImageSet, count: int) -> NDArray[np.uint8]:
    keys, films = np.unique(train.patients.astype(str), return_counts=True)
    several = np.random.default_rng(1).permutation(keys[films > 1])[:count]
    return np.stack([grey(train.images[train.patients == key].mean(axis=0)) for key in several])


def upper_half(train: ImageSet, fresh: ImageSet, count: int) -> NDArray[np.uint8]:
    images, half = fresh.images[:count].copy(), train.images.shape[1] // 2
    images[:, :half] = drawn_from(train, count)[:, :half]
    return images


def repeated(films: int) -> Maker:
    """So many training films again and again, each time under other noise."""

    def make(train: ImageSet, _: ImageSet, count: int) -> NDArray[np.uint8]:
        few = np.resize(drawn_from(train, films), (count, *train.images.shape[1:]))
        return plant(few, PLANTED["noise_20_percent"], count)

    return make


def turned(degrees: float, scale: float = 1.0) -> Maker:
    def make(train: ImageSet, _: ImageSet, count: int) -> NDArray[np.uint8]:
        side = train.images.shape[1]
        middle = (side / 2 - 0.5, side / 2 - 0.5)
        matrix = cv2.getRotationMatrix2D(middle, degrees, scale)
        moved = [
            cv2.warpAffine(film, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
            for film in drawn_from(train, count)
        ]
        return np.stack(moved).astype(np.uint8)

    return make


def blurred(train: ImageSet, _: ImageSet, count: int) -> NDArray[np.uint8]:
    soft = [cv2.GaussianBlur(film, (0, 0), 1.5) for film in drawn_from(train, count)]
    return np.stack(soft).astype(np.uint8)


HARD: dict[str, Maker] = {
    "seven tenths one training film, three another": blend_of_two(0.7),
    "halves of two training films, laid over each other": blend_of_two(0.5),
    "seven tenths a training film, three a fresh one": blend_with_fresh(0.7),
    "half a training film, half a fresh one, laid over each other": blend_with_fresh(0.5),
    "other exposure (gamma 0.6, contrast 0.7)": exposed,
    "the mean of one patient's films": mean_of_patient,
    "the upper half of a training film, the lower of a fresh one": upper_half,
    "turned by 3°": turned(3),
    "turned by 6°": turned(6),
    "enlarged by 6 %": turned(0, 1.06),
    "blurred by 1.5 px": blurred,
    "one training film again and again, covered with 20 % noise": repeated(1),
    "three training films again and again, covered with 20 % noise": repeated(3),
}


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
    return trained, holdout, ImageSet.of_nobody(fresh.images, fresh.labels, fresh.classes)


def some(films: ImageSet, most: int, seed: int) -> ImageSet:
    """Films by chance, at most so many."""
    return films.rows(np.sort(np.random.default_rng(seed).permutation(len(films))[:most]))


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
    strongest = "–"
    if attacks := found.membership.attacks:
        attack = max(attacks, key=lambda each: attacks[each].auc.value)
        auc = attacks[attack].auc
        strongest = f"{attack} {auc.value:.2f} ({auc.low:.2f} to {auc.high:.2f})"
    print(
        f"| {name} | **{found.verdict}** | {share.value:.3f} ({share.low:.3f} to "
        f"{share.high:.3f}) | {strongest} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
