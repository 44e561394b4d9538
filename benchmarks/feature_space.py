"""Does the kernel distance on our features order faults as a person would?

    python benchmarks/feature_space.py --data chest_xray

Halves the training patients, takes one half as the reference, spoils the other
in known ways and prints a Markdown table: kernel distance × 1000 with its 95 %
interval, sliced Wasserstein × 1000 (fine to coarse), coverage.
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

from xraygan.evaluation.features import FEATURE_SPACE, filter_bank_features, standardise
from xraygan.evaluation.kernel import kernel_distance
from xraygan.evaluation.neighbours import coverage
from xraygan.evaluation.pyramid import sliced_wasserstein

Images = NDArray[np.uint8]
SIDE = 64
MOST = 1000  # images of each set that coverage and SWD look at


def read(folder: Path) -> tuple[Images, NDArray[np.int64], NDArray[np.str_]]:
    """Images, labels and patients of one split."""
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
    return np.stack(images), np.array(labels), np.array(patients)


def thinned(rows: NDArray) -> NDArray:
    return rows[:: max(1, len(rows) // MOST)][:MOST]


def to_bytes(values: NDArray) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def noise(images: Images, sigma: float) -> Images:
    return to_bytes(images + np.random.default_rng(1).normal(0, sigma, images.shape))


def blur(images: Images, sigma: float) -> Images:
    return np.stack([cv2.GaussianBlur(i, (0, 0), sigma) for i in images])


def jpeg(images: Images, quality: int) -> Images:
    coded = (cv2.imencode(".jpg", i, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for i in images)
    return np.stack([cv2.imdecode(c, cv2.IMREAD_GRAYSCALE) for c in coded])


def checkerboard(images: Images, amplitude: float, period: int) -> Images:
    squares = (np.indices(images.shape[1:]) // (period // 2)).sum(axis=0)
    return to_bytes(images + amplitude * (1.0 - 2.0 * (squares % 2)))


def ghost(images: Images, alpha: float) -> Images:
    other = images[np.random.default_rng(2).permutation(len(images))]
    return to_bytes((1 - alpha) * images + alpha * other.astype(np.float64))


def smear(images: Images) -> Images:
    """A vertical 9-px smear in a 24×24 patch at a random place: ribs go missing."""
    random, result = np.random.default_rng(3), images.copy()
    for image, spoilt in zip(images, result, strict=True):
        y, x = random.integers(8, 32, 2)
        spoilt[y : y + 24, x : x + 24] = cv2.blur(image, (1, 9))[y : y + 24, x : x + 24]
    return result


def warp(images: Images, sigma: float) -> Images:
    """Smooth random displacements of `sigma` px: bent ribs, wavy outlines."""
    random = np.random.default_rng(4)
    grid_y, grid_x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    result = []
    for image in images:
        shift = random.normal(size=(SIDE, SIDE, 2)).astype(np.float32)
        shift = cv2.GaussianBlur(shift, (0, 0), 5)
        shift *= sigma / shift.std()
        x, y = grid_x + shift[..., 0], grid_y + shift[..., 1]
        result.append(cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    return np.stack(result)


def linear_model(images: Images, labels: NDArray[np.int64], components: int) -> Images:
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


def cases(images: Images, labels: NDArray[np.int64], test: Images) -> Iterator[tuple[str, Images]]:
    yield "other patients (floor)", images
    yield "test folder", test
    for quality in (90, 70, 50, 20):
        yield f"JPEG quality {quality}", jpeg(images, quality)
    for sigma in (2, 4, 8):
        yield f"noise σ {sigma}", noise(images, sigma)
    for sigma in (0.3, 0.4, 0.5, 0.8, 1.2):
        yield f"blur σ {sigma} px", blur(images, sigma)
    yield "2-px checkerboard, amplitude 1", checkerboard(images, 1, 2)
    yield "2-px checkerboard, amplitude 3", checkerboard(images, 3, 2)
    yield "4-px checkerboard, amplitude 3", checkerboard(images, 3, 4)
    for alpha in (0.1, 0.2, 0.4):
        yield f"ghost of another, α {alpha}", ghost(images, alpha)
    yield "24-px patch smeared", smear(images)
    yield "warped by 1 px", warp(images, 1)
    yield "warped by 2 px", warp(images, 2)
    yield "left and right halves swapped", np.roll(images, SIDE // 2, axis=2)
    yield "mirrored", np.ascontiguousarray(images[:, :, ::-1])
    yield "NORMAL only", images[labels == 0]
    yield "PNEUMONIA only", images[labels == 1]
    yield "every 16th image, 16 times", np.repeat(images[::16], 16, axis=0)
    yield "Gaussian in 512 components a class", linear_model(images, labels, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and test/")
    data = parser.parse_args().data
    images, labels, patients = read(data / "train")
    names = np.random.default_rng(0).permutation(np.unique(patients))
    first = np.isin(patients, names[: len(names) // 2])
    reference, rest = images[first], images[~first]
    start = time.perf_counter()
    raw = filter_bank_features(reference)
    speed = len(reference) / (time.perf_counter() - start)
    standardiser = standardise(raw)
    real = standardiser.apply(raw)
    print(f"{FEATURE_SPACE}, {raw.shape[1]} features, {speed:.0f} images/s, ", end="")
    print(f"{len(reference)} reference images\n")
    print("| images | distance ×1000 | 95 % | SWD ×1000 | coverage | density |")
    print("|---|---|---|---|---|---|")
    for name, spoilt in cases(rest, labels[~first], read(data / "test")[0]):
        features = standardiser.apply(filter_bank_features(spoilt))
        distance = kernel_distance(real, features, subsets=50)
        levels = sliced_wasserstein(
            thinned(reference), thinned(spoilt), patches_per_image=16, projections=64
        )
        cover = coverage(thinned(real), thinned(features))
        interval = f"{1000 * distance.low:.1f} … {1000 * distance.high:.1f}"
        swd = ", ".join(f"{level:.0f}" for level in levels)
        row = (name, f"{1000 * distance.value:.1f}", interval, swd)
        print("|", " | ".join(row), f"| {cover.coverage:.2f} | {cover.density:.2f} |", flush=True)


if __name__ == "__main__":
    main()
