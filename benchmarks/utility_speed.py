"""What the utility measures cost, and what they say where the answer is known.

    python benchmarks/utility_speed.py --data chest_xray
    python benchmarks/utility_speed.py --data chest_xray --synth generated --extent full

Without --synth three kinds of "synthetic" images are tried: copies of the real training images,
draws from a Gaussian in each class's 256 leading principal components, and noise. Prints the
seconds of one training, then a Markdown table for each kind.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from xraygan.config import PixelSettings
from xraygan.data.collection import read_sets
from xraygan.evaluation.diagnoser import BATCH, Diagnoser, shrunk
from xraygan.evaluation.exam import MEASURES
from xraygan.evaluation.regimes import course, plan
from xraygan.evaluation.utility import SEEDS, STEPS, measure_utility
from xraygan.evaluation.utility_plot import plot_utility
from xraygan.sets import ImageSet

COMPONENTS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--synth", type=Path, help="folder of synthetic images")
    parser.add_argument("--extent", choices=["basic", "full"], default="basic")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--kinds", nargs="*", default=["copies", "gaussian", "noise"])
    parser.add_argument("--plot", type=Path, help="PNG to draw the last table to")
    arguments = parser.parse_args()
    train, test, given = read(arguments)
    print(f"{len(train):,} training, {len(test):,} test images\n")
    print_training_time(train, arguments.steps)
    kinds = {"given": given} if given is not None else {k: KINDS[k](train) for k in arguments.kinds}
    for name, synthetic in kinds.items():
        start = time.monotonic()
        found = measure_utility(
            train,
            test,
            synthetic,
            extent=arguments.extent,
            seeds=arguments.seeds,
            steps=arguments.steps,
        )
        print(f"\n{name}: {len(synthetic):,} images, {time.monotonic() - start:.1f} s\n")
        print_table(found)
        if arguments.plot is not None:
            arguments.plot.write_bytes(plot_utility(found))


def read(arguments: argparse.Namespace) -> tuple[ImageSet, ImageSet, ImageSet | None]:
    folders = {"train": arguments.data, "real": arguments.data / "test"}
    if arguments.synth is not None:
        folders["synthetic"] = arguments.synth
    settings = PixelSettings(resolution=arguments.resolution)
    sets = read_sets(folders, settings).sets
    return sets["train"], sets["real"], sets.get("synthetic")


def print_training_time(train: ImageSet, steps: int) -> None:
    regime = plan(train.labels, train.labels, "basic", 0)[0]["trtr"]
    rows, labels = course(regime, steps * BATCH, 0)
    images = shrunk(train.images)[rows]
    start = time.monotonic()
    diagnoser = Diagnoser(len(train.classes))
    diagnoser.train(images[:BATCH], labels[:BATCH], 0)
    compiled = time.monotonic()
    diagnoser.train(images, labels, 0)
    print(f"to build and compile: {compiled - start:.1f} s")
    print(f"one training of {steps} steps: {time.monotonic() - compiled:.1f} s")


def print_table(found: dict) -> None:
    print("| regime | " + " | ".join(MEASURES) + " | trained on |")
    print("|---" * (len(MEASURES) + 2) + "|")
    for name, item in found.items():
        if name == "notes" or item is None:
            continue
        if "auc_difference" in item:
            print(f"| {name} | {cell(item['auc_difference'])} |" + " |" * len(MEASURES))
            continue
        counts = "{real:,} real, {synthetic:,} synthetic".format(**item["trained_on"])
        print(f"| {name} | " + " | ".join(cell(item[m]) for m in MEASURES) + f" | {counts} |")
    print()
    for note in found["notes"]:
        print(f"- {note}")


def cell(figure) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def copies(train: ImageSet) -> ImageSet:
    return ImageSet.of_nobody(train.images, train.labels, train.classes)


def gaussian(train: ImageSet) -> ImageSet:
    """As many images of each class from a Gaussian in its principal components."""
    draw = np.random.default_rng(0)
    made = np.empty_like(train.images)
    for label in range(len(train.classes)):
        rows = np.flatnonzero(train.labels == label)
        pixels = train.images[rows].reshape(len(rows), -1).astype(np.float32)
        mean = pixels.mean(axis=0)
        _, spread, axes = np.linalg.svd(pixels - mean, full_matrices=False)
        kept = min(COMPONENTS, len(rows) - 1)
        z = draw.normal(size=(len(rows), kept)) * spread[:kept] / np.sqrt(len(rows))
        drawn = np.clip(np.rint(z @ axes[:kept] + mean), 0, 255)
        made[rows] = drawn.reshape(len(rows), *train.images.shape[1:])
    return ImageSet.of_nobody(made, train.labels, train.classes)


def noise(train: ImageSet) -> ImageSet:
    images = np.random.default_rng(0).integers(0, 256, train.images.shape)
    return ImageSet.of_nobody(images.astype(np.uint8), train.labels, train.classes)


KINDS = {"copies": copies, "gaussian": gaussian, "noise": noise}


if __name__ == "__main__":
    main()
