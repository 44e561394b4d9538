"""A test of classifiers: figures on patients, with intervals for other patients and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import CONFIDENCE, Estimate, unseen, widened
from xraygan.evaluation import scores
from xraygan.sets import ImageSet

MEASURES = ("auc", "sensitivity", "specificity", "ece")
RESAMPLES = 1000

_SOUND = frozenset(
    {"normal", "healthy", "negative", "no finding", "no findings", "control", "none", "0"}
)

Figures = dict[str, NDArray[np.float64]]
"""By measure: [1 + R], the figure on the test set and on each of its resamples."""


@dataclass(frozen=True)
class Exam:
    """Test images with resamples of their patients, the same for every classifier.

    Make it with `Exam.of`.

    Attributes:
        test: the images.
        weights: [1 + R, N], how often each image occurs; the first row is all ones.
        balanced: the same with all classes equally frequent.
        finding: the class that counts as ill; None: each in turn.
        unseen: the largest share of patients that may well be misjudged though none is.
        seed: of everything drawn.
    """

    test: ImageSet
    weights: NDArray[np.float64]
    balanced: NDArray[np.float64]
    finding: int | None
    unseen: float
    seed: int

    @classmethod
    def of(cls, test: ImageSet, *, seed: int = 0, resamples: int = RESAMPLES) -> "Exam":
        """An exam on these images; every class must be among them."""
        weights = patient_weights(test.labels, test.patients, resamples, seed)
        balanced = scores.equal_classes(test.labels, weights)
        fewest = int(patients_per_class(test).min())
        return cls(test, weights, balanced, finding_of(test.classes), unseen(fewest), seed)

    def figures(self, probabilities: NDArray[np.float64]) -> Figures:
        """What one classifier achieves.

        Args:
            probabilities: [N, C], rows sum to 1, for equally frequent classes.
        """
        labels = self.test.labels
        return {
            "auc": scores.auc(labels, probabilities, self.weights),
            "sensitivity": scores.sensitivity(labels, probabilities, self.finding, self.weights),
            "specificity": scores.specificity(labels, probabilities, self.finding, self.weights),
            "ece": scores.calibration_error(labels, probabilities, self.balanced),
        }

    def estimate(
        self, figures: NDArray[np.float64], *, least: float = 0.0, reflected: bool = False
    ) -> Estimate:
        """The mean over trainings, with an interval of some width within [least, 1].

        Where no resample differs (no image was misjudged, say), the interval allows for as many
        errors as may go unseen among the patients of the smallest class (Clopper and Pearson).

        Args:
            figures: [S, 1 + R], one row a training.
            least: the least value that the figure can have.
            reflected: resampling raises the figure by itself, as it does a mean of absolute
                differences: the interval is turned round the figure (Davison and Hinkley 1997,
                section 5.2, the basic bootstrap), and holds it.
        """
        found = over_seeds(figures, len(self.test), seed=self.seed)
        if reflected:
            ends = 2 * found.value - found.high, 2 * found.value - found.low
            found = replace(found, low=min(ends[0], found.value), high=max(ends[1], found.value))
        return widened(found, self.unseen, least)


def finding_of(classes: Sequence[str]) -> int | None:
    """Which of two classes is the illness: the one not named like health, else the last.

    Args:
        classes: names.

    Returns:
        Its index; None for any other number of classes.
    """
    if len(classes) != 2:
        return None
    first, second = (name.strip().lower().replace("_", " ") in _SOUND for name in classes)
    return 0 if second and not first else 1


def patients_per_class(part: ImageSet) -> NDArray[np.intp]:
    """How many patients have an image of each class, [C]."""
    return np.array(
        [len(set(part.patients[part.labels == k].tolist())) for k in range(len(part.classes))]
    )


def patient_weights(
    labels: NDArray[np.integer],
    patients: NDArray[np.object_],
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """How often each record occurs in each bootstrap resample of the patients.

    Patients are drawn with replacement as wholes, class by class (a patient of several classes
    belongs to the rarest of them). A resample that lost a class all the same is drawn again.

    Args:
        labels: [N].
        patients: [N], equal where the patient is.
        resamples: R.
        seed: of the draws.

    Returns:
        [1 + R, N]; the first row is all ones.

    Source: Davison and Hinkley 1997, section 3.8.
    """
    keys, patient_of = np.unique(patients.astype(str), return_inverse=True)
    has = np.zeros((len(keys), int(labels.max()) + 1), bool)
    has[patient_of, labels] = True
    rarest = np.where(has, has.sum(axis=0), len(keys) + 1).argmin(axis=1)
    draw = np.random.default_rng(seed)
    counts = np.ones((1 + resamples, len(keys)))
    missing = np.arange(1, 1 + resamples)
    while len(missing):
        for label in np.unique(rarest):
            members = np.flatnonzero(rarest == label)
            even = np.full(len(members), 1 / len(members))
            drawn = draw.multinomial(len(members), even, size=len(missing))
            counts[np.ix_(missing, members)] = drawn
        there = counts[missing] @ has[:, has.any(axis=0)] > 0
        missing = missing[~there.all(axis=1)]
    return counts[:, patient_of]


def over_seeds(figures: NDArray[np.floating], n: int, *, seed: int = 0) -> Estimate:
    """The mean over trainings with an interval for other patients and other seeds.

    Resample b is the mean over trainings on the patients of resample b, moved by a draw from
    Student's t with S - 1 degrees of freedom times the standard error over trainings. A
    bootstrap of three trainings would claim to know how much seeds matter; t does not.

    Args:
        figures: [S, 1 + R], S >= 2 trainings, R >= 1 resamples of the test patients, the same
            ones for every training; the first column is the test set as it is.
        n: test images.
        seed: of the draws from Student's t.

    Returns:
        The mean of the first column; the 95 % interval may reach beyond the figure's range.

    Raises:
        ValueError: fewer than two trainings, or no resample.
    """
    if figures.ndim != 2 or min(figures.shape) < 2:
        raise ValueError(f"figures of shape {figures.shape}: expected [S >= 2, 1 + R >= 2]")
    trainings, resamples = len(figures), figures.shape[1] - 1
    error = figures[:, 0].std(ddof=1) / np.sqrt(trainings)
    moves = error * np.random.default_rng(seed).standard_t(trainings - 1, resamples)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(figures[:, 1:].mean(axis=0) + moves, [tail, 1 - tail])
    return Estimate(float(figures[:, 0].mean()), float(low), float(high), n)
