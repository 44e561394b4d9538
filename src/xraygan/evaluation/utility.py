"""Does a model that is trained on synthetic images work on real patients?

The same small network is trained in many ways, with the same effort each, and tested on real
patients that no training has seen. The ways to train are described in `regimes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from xraygan.evaluation.exam import MEASURES, Exam, Figures, finding_of, patients_per_class
from xraygan.evaluation.regimes import Regime, course, move, plan
from xraygan.sets import ImageSet

if TYPE_CHECKING:  # imports TensorFlow
    from xraygan.evaluation.diagnoser import Diagnoser

STEPS = 256
SEEDS = (0, 1, 2)
LEAST_PER_CLASS = 5
"""A class with fewer patients (synthetic: images) in one of the sets is left out."""
AT_ONCE = 512
"""Images at full size."""
MOST_REAL, MOST_SYNTHETIC = 5_000, 20_000
"""Images of a class; no training draws more, so larger classes are thinned at random."""

DIFFERENCES = (
    ("tstr", "trtr"),
    ("real_plus_synthetic_1", "real_duplicated"),
    ("synthetic_then_real", "trtr"),
    ("low_10_real_plus_synthetic", "low_10_real"),
    ("low_50_real_plus_synthetic", "low_50_real"),
    ("low_200_real_plus_synthetic", "low_200_real"),
)
"""Pairs of regimes whose AUC is compared, patient by patient and seed by seed."""

Progress = Callable[[int, int], None]


def measure_utility(
    train: ImageSet,
    test: ImageSet,
    synthetic: ImageSet,
    *,
    seeds: Sequence[int] = SEEDS,
    extent: Literal["basic", "full"] = "basic",
    steps: int = STEPS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a small network on real and on synthetic images; test it on real patients.

    Everything is stated for equally frequent classes: batches hold every class equally often, the
    most probable class decides (for two classes a threshold of 0.5, chosen on no data at all),
    and ECE weights the classes equally. For more than two classes AUC, sensitivity and
    specificity are means of one class against the rest.

    The intervals are for other test patients and other seeds (first weights, order, choice of
    images): patients are drawn again as wholes, and each resample's mean over trainings is moved
    by Student's t times the standard error over trainings (`exam.over_seeds`). They are not for
    other training patients or synthetic images, except where a few are chosen by seed.

    Args:
        train: real images to train on.
        test: real images of other patients; those of patients who are in train as well are left
            out, with a note.
        synthetic: images of any generator that has seen no test patient.
        seeds: one training of each regime for each, at least 3, none twice; equal seeds give
            equal figures on one machine.
        extent: "basic" (trtr, tstr, trts, real_plus_synthetic_1, label_shuffled) or "full",
            every regime.
        steps: gradient steps of every training, of `diagnoser.BATCH` images each.
        progress: called with (trainings done, trainings in all).

    Returns:
        For JSON: for each regime {"auc": an `Estimate` as a dict, "sensitivity": …,
        "specificity": …, "ece": …, "images": test images, "seeds": …, "trained_on": {"real": …,
        "synthetic": …}}; for each difference, named as "tstr_minus_trtr", {"auc_difference": …,
        "images": …, "seeds": …}; and "notes", sentences for the reader. Where fewer than two
        classes are in all three sets, trtr, tstr and trts are None, and a note says so.

    Raises:
        ValueError: fewer than 3 different seeds, or sets that differ in classes or image size.
    """
    _check(train, test, synthetic, seeds)
    test, notes = _of_others(test, train)
    kept, left_out = _shared_classes(train, test, synthetic)
    notes += left_out
    if len(kept) < 2:
        undefined = (
            "Utility is not defined: it needs two classes to tell apart, each with "
            f"{LEAST_PER_CLASS} patients or synthetic images in every set."
        )
        return {"trtr": None, "tstr": None, "trts": None, "notes": [*notes, undefined]}
    from xraygan.evaluation.diagnoser import Diagnoser

    seed = seeds[0]
    real_exam = Exam.of(_shrunk(test, kept, MOST_REAL, seed), seed=seed)
    synthetic_exam = Exam.of(_shrunk(synthetic, kept, MOST_REAL, seed), seed=seed)
    bench = _Bench(
        Diagnoser(len(kept)),
        _shrunk(train, kept, MOST_REAL, seed),
        _shrunk(synthetic, kept, MOST_SYNTHETIC, seed),
        steps,
    )
    found, trained_on, remarks = _trainings(
        bench, real_exam, synthetic_exam, extent, seeds, progress
    )
    results = {
        name: _summary(rows, synthetic_exam if name == "trts" else real_exam)
        | {"trained_on": trained_on[name]}
        for name, rows in found.items()
    }
    results |= {
        f"{a}_minus_{b}": _difference(found[a], found[b], real_exam)
        for a, b in DIFFERENCES
        if a in found and b in found
    }
    drawn = steps * bench.diagnoser.batch
    notes += [*remarks, _how_to_read(bench.real.classes, steps, drawn, len(seeds))]
    return {**results, "notes": notes}


def _of_others(test: ImageSet, train: ImageSet) -> tuple[ImageSet, list[str]]:
    """The test images without those of patients who are in train, with a note of how many."""
    trained = set(train.patients.tolist())
    known = np.array([patient in trained for patient in test.patients.tolist()], bool)
    if not known.any():
        return test, []
    note = (
        f"Utility: {len(set(test.patients[known].tolist())):,} patients with {known.sum():,} test "
        "images are in the training images as well and were left out of the test."
    )
    return test.rows(~known), [note]


@dataclass(frozen=True)
class _Bench:
    """Where regimes are trained: the network, the images, the effort."""

    diagnoser: "Diagnoser"
    real: ImageSet
    synthetic: ImageSet
    steps: int

    def train(self, regime: Regime, seed: int) -> dict[str, int]:
        """Train; and how many different images of each kind that took."""
        rows, labels = course(regime, self.steps * self.diagnoser.batch, seed)
        is_real = rows < len(self.real)
        images = np.empty((len(rows), *self.real.images.shape[1:]), np.uint8)
        images[is_real] = self.real.images[rows[is_real]]
        images[~is_real] = self.synthetic.images[rows[~is_real] - len(self.real)]
        self.diagnoser.train(move(images, seed) if regime.moved else images, labels, seed)
        kinds = {"real": rows[is_real], "synthetic": rows[~is_real]}
        return {kind: len(np.unique(chosen)) for kind, chosen in kinds.items()}

    def take(self, exam: Exam) -> Figures:
        return exam.figures(self.diagnoser.probabilities(exam.test.images))


def _trainings(
    bench: _Bench,
    real_exam: Exam,
    synthetic_exam: Exam,
    extent: Literal["basic", "full"],
    seeds: Sequence[int],
    progress: Progress | None,
) -> tuple[dict[str, list[Figures]], dict[str, dict[str, int]], list[str]]:
    """Train every regime with every seed: figures, what was trained on, and notes."""
    found: dict[str, list[Figures]] = {}
    trained_on: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    done = 0
    for seed in seeds:
        regimes, notes = plan(bench.real.labels, bench.synthetic.labels, extent, seed)
        for name, regime in regimes.items():
            trained_on[name] = bench.train(regime, seed)
            found.setdefault(name, []).append(bench.take(real_exam))
            if name == "trtr":
                found.setdefault("trts", []).append(bench.take(synthetic_exam))
                trained_on["trts"] = trained_on[name]
            done += 1
            if progress is not None:
                progress(done, len(seeds) * len(regimes))
    return found, trained_on, notes


def _summary(found: Sequence[Figures], exam: Exam) -> dict[str, Any]:
    estimates = {
        measure: exam.estimate(
            np.stack([figures[measure] for figures in found]), reflected=measure == "ece"
        ).as_dict()
        for measure in MEASURES
    }
    return {**estimates, "images": len(exam.test), "seeds": len(found)}


def _difference(a: Sequence[Figures], b: Sequence[Figures], exam: Exam) -> dict[str, Any]:
    paired = np.stack([x["auc"] - y["auc"] for x, y in zip(a, b, strict=True)])
    estimate = exam.estimate(paired, least=-1.0).as_dict()
    return {"auc_difference": estimate, "images": len(exam.test), "seeds": len(a)}


def _check(train: ImageSet, test: ImageSet, synthetic: ImageSet, seeds: Sequence[int]) -> None:
    if len(set(seeds)) < max(3, len(seeds)):
        raise ValueError(f"seeds {list(seeds)}: expected at least 3, none twice")
    if not train.classes == test.classes == synthetic.classes:
        raise ValueError(
            f"classes {train.classes}, {test.classes} and {synthetic.classes}: expected one list"
        )
    sizes = {part.images.shape[1:] for part in (train, test, synthetic)}
    if len(sizes) > 1:
        raise ValueError(f"images of sizes {sorted(sizes)}: expected one")


def _shared_classes(*parts: ImageSet) -> tuple[np.ndarray, list[str]]:
    """The classes, by number, that all sets have enough of; and what was left out."""
    names = parts[0].classes
    fewest = np.min([patients_per_class(part) for part in parts], axis=0)
    kept = np.flatnonzero(fewest >= LEAST_PER_CLASS)
    notes = [
        f"Utility: class {name} is left out: one of the sets has {count} patients or images of "
        f"it, and {LEAST_PER_CLASS} are needed."
        for name, count in zip(names, fewest, strict=True)
        if count < LEAST_PER_CLASS
    ]
    return kept, notes


def _shrunk(part: ImageSet, kept: np.ndarray, most: int, seed: int) -> ImageSet:
    """At most so many images of each of these classes, numbered anew, at the network's size.

    Some at a time: 40,000 images of 512² would fill the memory before they are small.
    """
    from xraygan.evaluation.diagnoser import shrunk

    draw = np.random.default_rng(seed)
    rows = np.concatenate([draw.permutation(np.flatnonzero(part.labels == k))[:most] for k in kept])
    rows.sort()
    few = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    return ImageSet(
        np.concatenate([shrunk(part.images[some]) for some in few]),
        np.searchsorted(kept, part.labels[rows]).astype(np.int32),
        part.patients[rows],
        tuple(part.classes[k] for k in kept),
    )


def _how_to_read(classes: tuple[str, ...], steps: int, drawn: int, seeds: int) -> str:
    finding = finding_of(classes)
    found = "a class" if finding is None else classes[finding]
    return (
        f"Utility: every training took {steps:,} steps, {seeds} times over, and drew {drawn:,} "
        "images, every class as often; where there are more to draw from it saw a part of them, "
        "and adding synthetic images leaves out as many real ones. Sensitivity is the share of "
        f"{found} that is found, with all classes taken as equally frequent; the most probable "
        "class decides, a threshold that no test image has chosen. Intervals are for other test "
        "patients and other seeds of training, not for another draw of the synthetic images."
    )
