"""Do the kernel distances in our feature spaces order faults as a person would?

    python benchmarks/feature_space.py --data chest_xray
    python benchmarks/feature_space.py --data chest_xray --reference 50 --seed 1

Halves the training patients, takes one half as the reference, spoils the other in known ways
and prints a Markdown table: kernel distance × 1000 with its 95 % interval and coverage in each
space, sliced Wasserstein × 1000 (fine to coarse). Below it: which faults do not rise with
their severity, how alike the spaces rank all of them, and how long each took.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from faults import GRADED, SIDE, Images, to_bytes
from xraygan.evaluation.kernel import kernel_distance
from xraygan.evaluation.neighbours import coverage
from xraygan.evaluation.pyramid import sliced_wasserstein
from xraygan.evaluation.spaces import FeatureSpace, make_space
from xraygan.sets import ImageSet

FLOOR = "other patients (floor)"
MOST = 1000  # images of each set that coverage and SWD look at


def read(folder: Path) -> ImageSet:
    """One split."""
    images, labels, patients = [], [], []
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        for path in sorted((folder / name).glob("*.jpeg")):
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            match = re.match(r"person\d+_[a-z]+|(NORMAL2-)?IM-\d+", path.name)
            if image is None or match is None:
                sys.exit(f"{path}: not an image of the Kermany set")
            images.append(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
            labels.append(label)
            patients.append(match[0])
    if not images:
        sys.exit(f"{folder}: expected NORMAL/*.jpeg and PNEUMONIA/*.jpeg")
    return ImageSet(
        np.stack(images),
        np.array(labels, np.int32),
        np.array(patients, object),
        ("NORMAL", "PNEUMONIA"),
    )


def thinned(rows: NDArray) -> NDArray:
    return rows[:: max(1, len(rows) // MOST)][:MOST]


def linear_model(images: Images, labels: NDArray[np.int32], components: int) -> Images:
    """Samples of a Gaussian in each class's leading principal components."""
    random, result = np.random.default_rng(5), np.empty_like(images)
    for label in np.unique(labels):
        rows = images[labels == label].reshape((labels == label).sum(), -1).astype(np.float64)
        mean = rows.mean(axis=0)
        values, axes = np.linalg.eigh(np.cov(rows.T))
        values, axes = np.maximum(values[-components:], 0), axes[:, -components:]
        draws = (random.normal(size=(len(rows), len(values))) * np.sqrt(values)) @ axes.T
        result[labels == label] = to_bytes(mean + draws).reshape(-1, *images.shape[1:])
    return result


def ungraded(rest: ImageSet, test: ImageSet, phantoms: Images) -> Iterator[tuple[str, Images]]:
    images, labels = rest.images, rest.labels
    yield "test folder", test.images
    yield "left and right halves swapped", np.roll(images, SIDE // 2, axis=2)
    yield "mirrored", np.ascontiguousarray(images[:, :, ::-1])
    yield "NORMAL only", images[labels == 0]
    yield "PNEUMONIA only", images[labels == 1]
    yield "half of the patients", rest.rows(of_half_the_patients(rest, 1)).images
    yield "every 16th image, 16 times", np.repeat(images[::16], 16, axis=0)
    gaussian = linear_model(images, labels, 512)
    yield "Gaussian in 512 components a class", gaussian
    yield "Gaussian in 128 components a class", linear_model(images, labels, 128)
    half = (np.arange(len(images)) % 2 == 0)[:, None, None]
    yield "half reals, half that Gaussian in 512", np.where(half, images, gaussian)
    yield "phantoms", phantoms


def of_half_the_patients(images: ImageSet, seed: int) -> NDArray[np.bool_]:
    patients = images.patients.astype(str)
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    return np.isin(patients, names[: len(names) // 2])


class Judge:
    """One space: distances to the reference, and every row it gave."""

    def __init__(self, space: FeatureSpace, real: ImageSet) -> None:
        self.space = space
        start = time.perf_counter()
        self.real = space.describe(real.images)
        self.speed = len(real) / (time.perf_counter() - start)
        self.values: dict[str, float] = {}
        self.floor = float("-inf")

    def row(self, name: str, images: Images) -> str:
        """Distance, interval and coverage of these images, as cells of a table."""
        features = self.space.describe(images)
        distance = kernel_distance(self.real, features, subsets=50)
        self.values[name] = distance.value
        if name == FLOOR:
            self.floor = distance.high
        cover = coverage(thinned(self.real), thinned(features)).coverage
        low, high = 1000 * distance.low, 1000 * distance.high
        return f"{1000 * distance.value:.1f} | {low:.1f} … {high:.1f} | {cover:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--spaces", nargs="+", default=["filter-bank-1", "chest-net-1"])
    parser.add_argument("--reference", type=int, help="make the spaces from N images only")
    parser.add_argument("--seed", type=int, default=0, help="of the network's training")
    parser.add_argument("--cache", type=Path, help="keep trained networks here")
    arguments = parser.parse_args()
    from xraygan.data.phantom import phantom_images

    train = read(arguments.data / "train")
    first = of_half_the_patients(train, 0)
    real, rest = train.rows(first), train.rows(~first)
    order = np.random.default_rng(3).permutation(len(real))[: arguments.reference]
    reference = real.rows(np.sort(order))
    judges = []
    for name in arguments.spaces:
        start = time.perf_counter()
        space = make_space(
            name,
            reference,
            cache=arguments.cache,
            seed=arguments.seed,
            phantoms=lambda count, side: phantom_images(count, side, seed=0)[0],
        )
        seconds = time.perf_counter() - start
        judges.append(Judge(space, real))
        print(f"{name}: made from {len(reference)} images in {seconds:.0f} s; ", end="")
        print(f"{judges[-1].real.shape[1]} features, {judges[-1].speed:.0f} images/s")
    print_table(judges, real, rest, read(arguments.data / "test"))
    print_verdict(judges)


def print_table(judges: list[Judge], real: ImageSet, rest: ImageSet, test: ImageSet) -> None:
    from xraygan.data.phantom import phantom_images

    heads = (f"{j.space.name} ×1000 | 95 % | coverage" for j in judges)
    print(f"\n| images | {' | '.join(heads)} | SWD ×1000 |")
    print("|---" * (2 + 3 * len(judges)) + "|")
    cases = [(FLOOR, rest.images)]
    cases += [
        (name.format(severity), fault(rest.images, severity))
        for name, (fault, severities) in GRADED.items()
        for severity in severities
    ]
    for name, images in [*cases, *ungraded(rest, test, phantom_images(1000, SIDE, 9)[0])]:
        levels = sliced_wasserstein(
            thinned(real.images), thinned(images), patches_per_image=16, projections=64
        )
        figures = " | ".join(judge.row(name, images) for judge in judges)
        print(f"| {name} | {figures} | {', '.join(f'{x:.0f}' for x in levels)} |", flush=True)


def print_verdict(judges: list[Judge]) -> None:
    """What does not rise; below the upper end of the floor's interval nothing is asked."""
    print()
    for judge in judges:
        wrong = []
        for name, (_, severities) in GRADED.items():
            rising = [max(judge.floor, judge.values[name.format(s)]) for s in severities]
            if rising != sorted(rising) or rising[-1] == judge.floor:
                wrong.append(name.format("…"))
        print(f"{judge.space.name}: does not rise with severity: {', '.join(wrong) or 'none'}")
    for other in judges[1:]:
        names = list(judges[0].values)
        first, second = ([judge.values[n] for n in names] for judge in (judges[0], other))
        rank = spearmanr(first, second)
        print(
            f"rank correlation of {judges[0].space.name} and {other.space.name} over "
            f"{len(names)} rows: {np.asarray(rank)[0]:.2f}"
        )


if __name__ == "__main__":
    main()
