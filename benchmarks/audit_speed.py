"""How long an audit takes, part by part.

    python benchmarks/audit_speed.py --train 4000 --holdout 300 --synthetic 2000

Times the parts of one audit on random images with chest-like smoothness (the time does not
depend on what they show) and prints a Markdown table, beside the same machine's rate of plain
matrix products. Features are drawn at random: describing images is not part of an audit.
"""

import argparse
import os
import time
from collections.abc import Callable

import cv2
import numpy as np

from xraygan.privacy.audit import audit
from xraygan.privacy.copies import find_copies
from xraygan.privacy.membership import infer_membership
from xraygan.privacy.release import fit_bound
from xraygan.sets import ImageSet

FEATURES = 507


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--holdout", type=int, default=300)
    parser.add_argument("--synthetic", type=int, default=2000)
    parser.add_argument("--resolution", type=int, default=64)
    arguments = parser.parse_args()
    counts = arguments.train, arguments.holdout, arguments.synthetic
    sets = [films(n, arguments.resolution, seed) for seed, n in enumerate(counts)]
    random = np.random.default_rng(9)
    tables = {"any": tuple(random.normal(size=(n, FEATURES)).astype(np.float32) for n in counts)}
    bound = fit_bound(sets[0])
    parts: dict[str, Callable[[], object]] = {
        "copies, pixels": lambda: find_copies(*sets, {}),
        "copies, pixels and one feature space": lambda: find_copies(*sets, tables),
        "membership": lambda: infer_membership(*sets, tables),
        "the whole audit": lambda: audit(*sets, tables),
        "calibrating the release filter": lambda: fit_bound(sets[0], sets[1]),
        "filtering all synthetic images": lambda: bound.is_copy(sets[2].images),
    }
    print(
        f"{counts[0]:,} training, {counts[1]:,} held-out, {counts[2]:,} synthetic images of "
        f"{arguments.resolution} px, {os.cpu_count()} cores, "
        f"{matmul_rate():.0f} GFLOP/s in float32 matrix products\n"
    )
    print("| part | seconds |\n|---|---|")
    for name, part in parts.items():
        start = time.perf_counter()
        part()
        print(f"| {name} | {time.perf_counter() - start:.1f} |", flush=True)


def films(count: int, side: int, seed: int) -> ImageSet:
    """Smooth noise, two films a patient."""
    random = np.random.default_rng(seed)
    fields = random.normal(size=(count, side, side)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(field, (0, 0), 2) for field in fields])
    images = np.clip(128 + 300 * smooth, 0, 255).astype(np.uint8)
    patients = np.array([f"{seed} {i // 2}" for i in range(count)], object)
    labels = (np.arange(count) % 2).astype(np.int32)
    return ImageSet(images, labels, patients, ("a", "b"))


def matmul_rate(side: int = 2048) -> float:
    """GFLOP/s of a square product, the best of five."""
    a = np.ones((side, side), np.float32)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best / 1e9


if __name__ == "__main__":
    main()
