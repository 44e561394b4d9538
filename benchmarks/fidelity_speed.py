"""How long the fidelity measures take, one by one, and what memory they need.

    python benchmarks/fidelity_speed.py --num 10000

Compares as many made images with as many others (textures with chest-like smoothness: the time
does not depend on what they show) and prints a Markdown table. Features are drawn at random, of
the primary space's width: describing images is no part of what is timed. The rate of the
neighbour search is set beside NumPy's own rate of the same matrix products in the same run.
Last comes what `xraygan evaluate` does once the images are read, features included, and the same
again from its cache. Peak memory is printed before that, of the measures on random features, and at
the end, of `evaluate` as well.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from xraygan.evaluation.classifier import told_apart
from xraygan.evaluation.feature_cache import FeatureSpace
from xraygan.evaluation.features import family_sizes
from xraygan.evaluation.fidelity import measure_fidelity
from xraygan.evaluation.frechet import Cloud, frechet_figures
from xraygan.evaluation.kernel import kernel_distance
from xraygan.evaluation.neighbours import neighbourhood
from xraygan.evaluation.pyramid import sliced_wasserstein_figures
from xraygan.evaluation.similarity import similarity_within
from xraygan.evaluation.spectrum import radial_spectra, spectrum_distance
from xraygan.evidence import Measures, evaluate
from xraygan.progress import Reporter
from xraygan.sets import ImageSet

BLOCK = 512
CHEST_NET_WIDTH = 640


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--num", type=int, default=10_000)
    parser.add_argument("--resolution", type=int, default=64)
    arguments = parser.parse_args()
    num, side = arguments.num, arguments.resolution
    width = sum(family_sizes(side, side).values())
    real, made, train = (films(num, side, seed) for seed in range(3))
    x, y = (random_features(part.images, width) for part in (real, made))
    print(f"{num:,} against {num:,} images of {side} px, {os.cpu_count()} cores\n")
    print("| measure, once, without its floor | seconds |\n|---|---|")
    for name, part in parts(real, made, x, y).items():
        timed(name, part)
    print_rates(x, y)
    print(f"\nmemory so far: {peak_gib():.2f} GiB, {held_gib(real, made, train):.2f} of it images")
    spaces = {
        str(size): FeatureSpace(
            "random", "-", lambda images, size=size: random_features(images, size)
        )
        for size in (width, CHEST_NET_WIDTH)
    }
    print(
        "\n| all measures, overall and by class, with intervals and floors | seconds |\n|---|---|"
    )
    one = {str(width): spaces[str(width)]}
    timed("in one space", lambda: measure_fidelity(real, made, train, one))
    timed(
        "in two, as evaluate does unless told", lambda: measure_fidelity(real, made, train, spaces)
    )
    print(f"\npeak memory so far, without features of images: {peak_gib():.2f} GiB")
    print("\n| evaluate, images read | seconds |\n|---|---|")
    measures = Measures.model_validate({"spaces": ("filter-bank-1",), "utility": "none"})
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XRAYGAN_CACHE"] = folder
        for name in ("features and all measures", "again, from the cache"):
            timed(name, lambda: evaluate(real, made, train, measures, Reporter()))
    print(f"\npeak memory: {peak_gib():.2f} GiB")


def parts(
    real: ImageSet, made: ImageSet, x: np.ndarray, y: np.ndarray
) -> dict[str, Callable[[], Any]]:
    return {
        "kid": lambda: kernel_distance(y, x),
        "fid, fid_ratio": lambda: frechet_figures(Cloud(x, real.patients), Cloud(y, made.patients)),
        "precision, recall, density, coverage": lambda: neighbourhood(x, y),
        "classifier_auc": lambda: told_apart(x, y, real.patients, made.patients),
        "ms_ssim": lambda: similarity_within(made.images, made.labels, made.patients),
        "swd": lambda: sliced_wasserstein_figures(
            real.images, made.images, real.patients, made.patients
        ),
        "spectrum": lambda: spectrum_distance(
            radial_spectra(real.images), radial_spectra(made.images), real.patients, made.patients
        ),
    }


def timed(name: str, part: Callable[[], Any]) -> None:
    start = time.perf_counter()
    part()
    print(f"| {name} | {time.perf_counter() - start:.1f} |", flush=True)


def print_rates(x: np.ndarray, y: np.ndarray) -> None:
    """Best of three each, in turns: three searches' products and as many of NumPy's.

    NumPy writes each block over the one before it, as the search does: fresh memory costs as much
    as a product.
    """
    plain, search = [], []
    block = np.empty((BLOCK, max(len(x), len(y))), x.dtype)
    for _ in range(3):
        start = time.perf_counter()
        for a, b in ((x, x), (y, y), (x, y)):
            for row in range(0, len(a), BLOCK):
                part = a[row : row + BLOCK]
                np.matmul(part, b.T, out=block[: len(part), : len(b)])
        middle = time.perf_counter()
        neighbourhood(x, y)
        plain.append(middle - start)
        search.append(time.perf_counter() - middle)
    operations = 3 * 2 * len(x) * len(y) * x.shape[1] / 1e9
    rates = operations / min(search), operations / min(plain)
    print(
        f"\nneighbours: {rates[0]:.0f} GFLOP/s, NumPy's products alone {rates[1]:.0f} GFLOP/s, "
        f"ratio {rates[0] / rates[1]:.2f}"
    )


def films(count: int, side: int, seed: int) -> ImageSet:
    """Smooth noise with grain, two films a patient, two classes."""
    random = np.random.default_rng(seed)
    images = np.empty((count, side, side), np.uint8)
    for row in range(count):
        field = random.standard_normal((side, side), np.float32)
        smooth = cv2.GaussianBlur(field, (0, 0), 2)
        images[row] = np.clip(128 + 300 * smooth + 4 * field, 0, 255)
    patients = np.array([f"{seed} {n // 2}" for n in range(count)], object)
    labels = (np.arange(count) // 2 % 2).astype(np.int32)
    return ImageSet(images, labels, patients, ("a", "b"))


def random_features(images: np.ndarray, width: int) -> np.ndarray:
    random = np.random.default_rng(int(images[0].sum()))
    return random.standard_normal((len(images), width), np.float32)


def held_gib(*sets: ImageSet) -> float:
    return sum(part.images.nbytes for part in sets) / 2**30


def peak_gib() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


if __name__ == "__main__":
    main()
