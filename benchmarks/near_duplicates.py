"""Where films of different patients end and copies of one film begin, and what looking costs.

    python benchmarks/near_duplicates.py --data chest_xray
    python benchmarks/near_duplicates.py --data chest_xray --resolution 32 --many 100000

Prints the pairs found; how alike the nearest films of different patients are, over all pairs,
and what the tail of that (exponential in Fisher's z over its highest 300) says about larger
sets; what a white frame round every film makes of both; the share of copies found, each made from
the file at its own size; and with `--many` the time and the memory for so many made films.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.dataset import Dataset
from xraygan.data.near import ALIKE, fine_structure, near_pairs

Image = NDArray[np.uint8]
COPIES = 200
TAIL = 300
FRAMES = (0.005, 0.01, 0.02, 0.03, 0.06, 0.1)
"""Widths of the frames, in sides."""
_FINE = 8


def jpeg(image: Image, quality: int) -> Image:
    return cv2.imdecode(cv2.imencode(".jpg", image, [1, quality])[1], cv2.IMREAD_GRAYSCALE)


def at_32_px(image: Image) -> Image:
    return cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)


def stretched(image: Image, slope: float, offset: float) -> Image:
    return np.clip(image * slope + offset, 0, 255).astype(np.uint8)


def cut(image: Image, share: float) -> Image:
    rows, columns = (round(side * share) for side in image.shape)
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def turned(image: Image, degrees: float) -> Image:
    height, width = image.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


KINDS: dict[str, Callable[[Image], Image]] = {
    "JPEG at quality 90": lambda x: jpeg(x, 90),
    "JPEG at quality 30": lambda x: jpeg(x, 30),
    "JPEG at quality 10": lambda x: jpeg(x, 10),
    "32 px, then JPEG at quality 70": lambda x: jpeg(at_32_px(x), 70),
    "32 px, then JPEG at quality 50": lambda x: jpeg(at_32_px(x), 50),
    "half the size": lambda x: cv2.resize(x, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "gamma 0.7": lambda x: (255 * (x / 255) ** 0.7).astype(np.uint8),
    "window: darks cut off, 1.3 times the contrast": lambda x: stretched(x, 1.3, -40),
    "histogram equalised": cv2.equalizeHist,
    "local contrast (CLAHE)": lambda x: cv2.createCLAHE(2.0, (8, 8)).apply(x),
    "negative": lambda x: 255 - x,
    "turned by 1°": lambda x: turned(x, 1),
    "1 % cut off each side": lambda x: cut(x, 0.01),
    "2 % cut off each side": lambda x: cut(x, 0.02),
    "mirrored": lambda x: np.ascontiguousarray(x[:, ::-1]),
}


def framed(image: Image, share: float) -> Image:
    """With a white frame painted over its edge, as if before it was reduced."""
    side = len(image)
    large = cv2.resize(image, (side * _FINE, side * _FINE), interpolation=cv2.INTER_NEAREST)
    width = round(share * len(large))
    large[:width] = large[-width:] = large[:, :width] = large[:, -width:] = 255
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def strangers(dataset: Dataset, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The likeness of every pair of films of different patients."""
    fine = fine_structure(images).reshape(len(images), -1)
    patients = dataset.manifest["patient"].to_numpy()
    found = []
    for row in range(len(fine) - 1):
        likeness = np.abs(fine[row + 1 :] @ fine[row])
        found.append(likeness[patients[row + 1 :] != patients[row]])
    return np.concatenate(found)


def expected_in(count: int, likeness: NDArray[np.float32]) -> float:
    """Pairs of strangers beyond `ALIKE` in a set of so many films, by the tail of these."""
    highest = np.arctanh(np.sort(likeness)[-TAIL:])
    scale = (highest[1:] - highest[0]).mean()
    beyond = TAIL / len(likeness) * np.exp(-(np.arctanh(ALIKE) - highest[0]) / scale)
    return float(beyond * count * (count - 1) / 2)


def copies_found(source: Path, dataset: Dataset) -> None:
    side = dataset.images.shape[1]
    rows = np.random.default_rng(0).choice(len(dataset.images), COPIES, replace=False)
    names = dataset.manifest["name"].to_numpy()[rows]
    originals = [cv2.imread(str(source / name), cv2.IMREAD_GRAYSCALE) for name in names]
    print("\n| copy | found | median likeness |\n|---|---|---|")
    for kind, change in KINDS.items():
        copies = np.stack(
            [
                cv2.resize(change(x), (side, side), interpolation=cv2.INTER_AREA)
                for x in originals
                if x is not None
            ]
        )
        pairs, _ = near_pairs(np.concatenate([dataset.images, copies]))
        found = {b - len(dataset.images) for a, b in pairs.tolist() if b >= len(dataset.images)}
        alike = np.abs((fine_structure(copies) * fine_structure(dataset.images[rows])).sum((1, 2)))
        print(f"| {kind} | {len(found) / COPIES:.1%} | {np.median(alike):.3f} |")


def cost(dataset: Dataset, many: int) -> None:
    """Time and memory for made films: mixtures of three real ones, moved a little."""
    rng = np.random.default_rng(0)
    images = np.empty((many, *dataset.images.shape[1:]), np.uint8)
    for row in range(many):
        three = dataset.images[rng.choice(len(dataset.images), 3, replace=False)]
        mixed = np.tensordot(rng.dirichlet((1, 1, 1)), three, 1)
        images[row] = np.roll(mixed, rng.integers(-3, 4, 2), (0, 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for count in (many // 4, many // 2, many):
        start = time.perf_counter()
        pairs, _ = near_pairs(images[:count])
        print(f"{count:,} films: {time.perf_counter() - start:.1f} s, {len(pairs):,} pairs")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"memory beyond the films: {(after - before) / 1024:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real films")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--many", type=int, default=0, help="made films to time")
    arguments = parser.parse_args()
    settings = DataSettings(resolution=arguments.resolution, near_duplicates="ignore")
    dataset = prepare(arguments.data, settings)
    pairs, _ = near_pairs(dataset.images)
    print(f"{len(dataset.images):,} films at {arguments.resolution} px: {len(pairs)} pairs found")
    if arguments.many:
        cost(dataset, arguments.many)
        return
    likeness = strangers(dataset, dataset.images)
    print(f"{len(likeness):,} pairs of different patients; the most alike:", np.sort(likeness)[-5:])
    for count in (len(dataset.images), 100_000):
        print(f"false pairs expected in {count:,} films: {expected_in(count, likeness):.2g}")
    for share in FRAMES:
        images = np.stack([framed(image, share) for image in dataset.images])
        pairs, highest = near_pairs(images)[0], strangers(dataset, images).max()
        print(
            f"with a frame of {share:.1%}: {len(pairs)} pairs found, the most alike {highest:.3f}"
        )
    copies_found(arguments.data, dataset)


if __name__ == "__main__":
    main()
