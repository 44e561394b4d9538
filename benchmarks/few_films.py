"""What images of generators of few films give away, against other patients of the same folder.

    python benchmarks/experiment.py --data ../shared/data/chest_xray --out few --name plain \
        --limit 200 --kimg 24
    python benchmarks/few_films.py --data ../shared/data/chest_xray --limit 200 few/plain/images.npz

An audit of a run compares its training films with the set's validation and test films. Where the
folders differ by themselves, that looks like membership. Here the others are films of the training
folder too, of patients who are not among the `--limit` films that `experiment.py` trained on. The
first row is of real films of further patients in the place of synthetic ones: it is honest.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.privacy.audit import audit
from xraygan.sets import ImageSet

OTHERS = 700
"""Films of other patients, in the place of held-out ones."""
FRESH = 2000
"""Films of further patients, in the place of synthetic ones."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=Path, nargs="*", help="images.npz of an experiment")
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--limit", type=int, default=200, help="films that were trained on")
    arguments = parser.parse_args()
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    films = prepare(arguments.data, settings).image_set("train")
    train, others, fresh = groups(films, arguments.limit)
    print(
        "| images | verdict | copied share | GAN-Leaks, calibrated | DOMIAS |\n" + "|---" * 5 + "|"
    )
    print(row("real films of further patients", train, others, fresh), flush=True)
    for path in arguments.images:
        with np.load(path) as found:
            made, labels = found["images"], found["labels"].astype(np.int32)
        synthetic = ImageSet.of_nobody(made, labels, films.classes)
        print(row(path.parent.name, train, others, synthetic), flush=True)


def groups(films: ImageSet, limit: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """The films that `experiment.py` takes, some of other patients, and some of yet others."""
    order = np.random.default_rng(0).permutation(len(films))
    trained = np.isin(np.arange(len(films)), order[:limit])
    patients = films.patients.astype(str)
    rest = np.setdiff1d(patients, patients[trained])
    rest = rest[np.random.default_rng(1).permutation(len(rest))]
    first = int(len(rest) * OTHERS / (OTHERS + FRESH))
    parts = (np.flatnonzero(np.isin(patients, part)) for part in (rest[:first], rest[first:]))
    others, fresh = parts
    return films.rows(trained), films.rows(others[:OTHERS]), films.rows(fresh[:FRESH])


def row(name: str, train: ImageSet, others: ImageSet, synthetic: ImageSet) -> str:
    found = audit(train, others, synthetic, {}).as_dict()
    areas = [found["membership"][key]["auc"] for key in ("gan_leaks_calibrated", "domias")]
    cells = [f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f})" for area in areas]
    share = found["copies"]["copied_share"]["value"]
    return f"| {name} | {found['verdict']} | {share:.3f} | {cells[0]} | {cells[1]} |"


if __name__ == "__main__":
    main()
