"""Which measure of fidelity sees which fault of real pictures, and does it rise with severity?

    python benchmarks/validate_fidelity.py --data ../shared/data/chest_xray

Real films of two groups of patients. One is the reference; the other, spoilt in known ways,
stands in for synthetic images; a third gives the floor. Prints a Markdown table of faults by
measures: the figure at the mildest and at the worst severity, with ✓ where it gets worse at every
step from the unspoilt films on (what is within the floor's interval counts as equal) and ends
outside that interval, and – where it does not see the fault.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from faults import GRADED
from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.phantom import phantom_images
from xraygan.evaluation.fidelity import measure_fidelity
from xraygan.evaluation.spaces import make_space
from xraygan.sets import ImageSet

MEASURES = {
    "kid": 1,
    "fid": 1,
    "precision": -1,
    "recall": -1,
    "density": -1,
    "coverage": -1,
    "classifier_auc": 1,
    "ms_ssim": 1,
    "swd": 1,
    "spectrum": 1,
}
"""Measure to the direction that is worse: 1 for up."""
IN_A_SPACE = tuple(name for name in MEASURES if name not in ("ms_ssim", "swd", "spectrum"))
MISSING = {"{} of the patients missing": (0.5, 0.8, 0.95)}
REPEATED = {"each image {} times": (2, 4, 16)}
SHIFTED = {"{} of NORMAL missing": (0.5, 1.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--images", type=int, default=800, help="of each of three groups")
    parser.add_argument("--spaces", nargs="+", default=["filter-bank-1"])
    parser.add_argument("--cache", type=Path, help="keep trained networks here")
    arguments = parser.parse_args()
    settings = DataSettings.parse({"resolution": 64}, "options")
    films = prepare(arguments.data, settings).image_set("train", "val", "test")
    reference, control, rest = thirds(films, arguments.images)
    spaces = {
        name: make_space(
            name,
            control,
            cache=arguments.cache,
            phantoms=lambda count, side: phantom_images(count, side, seed=0)[0],
        )
        for name in arguments.spaces
    }
    names = [name for name in MEASURES if name not in IN_A_SPACE]
    names = [
        f"{name}{suffix}" for suffix in suffixes(arguments.spaces) for name in IN_A_SPACE
    ] + names
    print(f"{len(reference)} reference films, {len(rest)} to spoil, {len(control)} for the floor\n")
    print(f"| fault | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|", flush=True)
    unspoilt = measure_fidelity(reference, rest, control, spaces)
    values = (f"{unspoilt[name]['value']:.3g}" for name in names)
    print(f"| none | {' | '.join(values)} |", flush=True)
    for fault, versions in cases(rest):
        found = [measure_fidelity(reference, version, control, spaces) for version in versions]
        cells = (
            cell([figures[name] for figures in (unspoilt, *found)], direction(name))
            for name in names
        )
        print(f"| {fault} | {' | '.join(cells)} |", flush=True)


def suffixes(spaces: Sequence[str]) -> list[str]:
    return ["", *(f"@{name}" for name in spaces[1:])]


def direction(name: str) -> int:
    return MEASURES[name.partition("@")[0]]


def thirds(films: ImageSet, most: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Three groups of patients by chance, at most so many films of each."""
    random = np.random.default_rng(0)
    everyone, patient = np.unique(films.patients.astype(str), return_inverse=True)
    numbers = (random.permutation(len(everyone)) % 3)[patient]
    parts = (random.permutation(np.flatnonzero(numbers == part))[:most] for part in range(3))
    first, second, third = (films.rows(np.sort(part)) for part in parts)
    return first, second, third


def cases(rest: ImageSet) -> Iterator[tuple[str, list[ImageSet]]]:
    """Faults, mildest version first."""
    for name, (fault, severities) in GRADED.items():
        yield (
            title(name, severities),
            [made(rest, fault(rest.images, severity)) for severity in severities],
        )
    for name, shares in MISSING.items():
        yield title(name, shares), [rest.rows(without_patients(rest, share)) for share in shares]
    for name, times in REPEATED.items():
        yield title(name, times), [rest.rows(repeated(len(rest), count)) for count in times]
    for name, shares in SHIFTED.items():
        yield title(name, shares), [rest.rows(without_class(rest, share)) for share in shares]


def title(name: str, severities: Sequence[float]) -> str:
    return name.format(", ".join(f"{severity:g}" for severity in severities))


def made(rest: ImageSet, images: Any) -> ImageSet:
    return ImageSet(images, rest.labels, rest.patients, rest.classes)


def without_patients(rest: ImageSet, share: float) -> Any:
    """Rows of the patients that are left, repeated to the old count."""
    names = rest.patients.astype(str)
    everyone = np.random.default_rng(1).permutation(np.unique(names))
    kept = np.flatnonzero(np.isin(names, everyone[round(share * len(everyone)) :]))
    return np.resize(kept, len(rest))


def repeated(count: int, times: int) -> Any:
    return np.resize(np.random.default_rng(2).permutation(count)[: count // times], count)


def without_class(rest: ImageSet, share: float) -> Any:
    normal = np.flatnonzero(rest.labels == 0)
    gone = np.random.default_rng(3).permutation(normal)[: round(share * len(normal))]
    return np.setdiff1d(np.arange(len(rest)), gone)


def cell(figures: list[dict[str, Any]], worse: int) -> str:
    """The mildest and the worst figure, and whether all of them tell the severity.

    Each figure is judged by how far it is beyond the interval of its own floor, since floors of
    fewer images are others. `figures` begins with the unspoilt films'.
    """
    beyond = [
        worse * figure["value"] - max(worse * figure["floor_low"], worse * figure["floor_high"])
        for figure in figures
    ]
    edge = max(beyond[0], 0.0)
    beyond = [max(value, edge) for value in beyond]
    sees = beyond == sorted(beyond) and beyond[-1] > edge
    return f"{figures[1]['value']:.3g} to {figures[-1]['value']:.3g} {'✓' if sees else '–'}"


if __name__ == "__main__":
    main()
