"""Who is attacked: members and others in equal class shares, cut in two folds by patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.evaluation.exam import patients_per_class
from xraygan.privacy.roc import Suspects
from xraygan.sets import ImageSet

MOST_MEMBERS_EACH = 4
"""Members for each held-out image; more hardly narrow an interval."""
MOST_SUSPECTS = 20_000
"""Images that are attacked; of more, about so many are kept, of patients drawn at random."""
WORTH_A_CLASS = 2.0
_FEW_PATIENTS = 10  # of a class, that are kept where images are left out


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of the training and of the held-out set that are attacked.

    Attributes:
        train_rows: int [A].
        holdout_rows: int [B].
        suspects: of the A + B images, training images first.
        fold: int [A + B], 0 or 1, equal for films of one patient: held-out images of one fold
            are the reference for attacks on the other.
        left_out: images that would be attacked as well, but for `MOST_SUSPECTS`.
        classes_left_out: classes that both sets have and that are not attacked.
    """

    train_rows: NDArray[np.intp]
    holdout_rows: NDArray[np.intp]
    suspects: Suspects
    fold: NDArray[np.intp]
    left_out: int = 0
    classes_left_out: int = 0

    @classmethod
    def draw(cls, train: ImageSet, holdout: ImageSet, seed: int) -> "Sample":
        """Training images at random, as many of each class for each held-out image of it.

        Classes that one of the sets lacks are left out: their share would tell the sets apart. So
        are those of which too few were trained on: all others would have to be as few.
        From too many images for memory, patients are drawn on both sides beforehand, as large a
        share of each class on either.
        """
        generator = np.random.default_rng(seed)
        inside, outside = np.arange(len(train)), np.arange(len(holdout))
        members, others = _attacked(train.labels, holdout.labels, len(train.classes))
        could = int(members.sum() + others.sum())
        if could > MOST_SUSPECTS:
            fewest = np.minimum(patients_per_class(train), patients_per_class(holdout))
            shares = np.clip(_FEW_PATIENTS / np.maximum(fewest, 1), MOST_SUSPECTS / could, 1)
            inside, outside = (
                _of_some_patients(part, shares, generator) for part in (train, holdout)
            )
            members, others = _attacked(
                train.labels[inside], holdout.labels[outside], len(train.classes)
            )
        rows = [np.empty(0, np.intp)]
        shared = np.flatnonzero(others)
        for label in shared:
            mine = generator.permutation(inside[train.labels[inside] == label])
            rows.append(mine[: members[label]])
        train_rows = np.sort(np.concatenate(rows))
        holdout_rows = outside[np.isin(holdout.labels[outside], shared)]
        member = np.arange(len(train_rows) + len(holdout_rows)) < len(train_rows)
        keys = [f"member {key}" for key in train.patients[train_rows]]
        keys += [f"other {key}" for key in holdout.patients[holdout_rows]]
        labels = np.concatenate([train.labels[train_rows], holdout.labels[holdout_rows]])
        patients = np.array(keys, object)
        fold = _folds(patients, labels, member, generator)
        suspects = Suspects(member, patients, 2 * labels.astype(np.intp) + fold)
        both = np.intersect1d(train.labels, holdout.labels)
        return cls(
            train_rows,
            holdout_rows,
            suspects,
            fold,
            max(could - len(member), 0),
            len(both) - len(shared),
        )

    def take(self, train: NDArray, holdout: NDArray) -> NDArray:
        """These rows of two tables, one below the other."""
        return np.concatenate([train[self.train_rows], holdout[self.holdout_rows]])

    def reference(self, fold: int) -> NDArray[np.bool_]:
        """Which images are the reference where this fold is attacked."""
        return ~self.suspects.member & (self.fold != fold)

    @property
    def fewest_patients(self) -> int:
        """On the smaller side."""
        return min(self.patients(members=True), self.patients(members=False))

    def patients(self, *, members: bool) -> int:
        """How many are attacked of those who were trained on, or of the others."""
        return len(set(self.suspects.patients[self.suspects.member == members]))


def halves(patients: NDArray[np.object_], generator: np.random.Generator) -> NDArray[np.bool_]:
    """One half of the patients, at random, as a mask over their images."""
    keys, of = np.unique(patients.astype(str), return_inverse=True)
    return (generator.permutation(len(keys)) % 2 == 0)[of]


def _attacked(
    train_labels: NDArray[np.integer], holdout_labels: NDArray[np.integer], classes: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many training and held-out images of each class are attacked, [C] each.

    Members are as many for each held-out image in all classes. Those with the fewest are left out
    where that makes the harmonic mean of members and others `WORTH_A_CLASS` times as large.
    """
    inside, outside = (
        np.bincount(labels, minlength=classes) for labels in (train_labels, holdout_labels)
    )
    ratio = np.where(outside > 0, inside / np.maximum(outside, 1), 0)
    ratio = np.minimum(ratio, MOST_MEMBERS_EACH)
    each, most = 0.0, 0.0
    for least in np.unique(ratio[ratio > 0]):
        worth = 2 * least / (1 + least) * outside[ratio >= least].sum()
        if worth >= WORTH_A_CLASS * most:
            each, most = least, worth
    others = np.where((ratio >= each) & (each > 0), outside, 0)
    return (each * others).astype(np.intp), others


def _of_some_patients(
    part: ImageSet, shares: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of whole patients at random, at most such a share of each class's images.

    A patient is of the class of their first image; of each class there is one at least.
    """
    _, first, of = np.unique(part.patients.astype(str), return_index=True, return_inverse=True)
    count, label = np.bincount(of), part.labels[first]
    kept = np.zeros(len(first), bool)
    for number, share in enumerate(shares):
        mine = generator.permutation(np.flatnonzero(label == number))
        images = np.cumsum(count[mine])
        kept[mine[images <= share * count[mine].sum()]] = True
        kept[mine[:1]] = True
    return np.flatnonzero(kept[of])


def _folds(
    patients: NDArray[np.object_],
    labels: NDArray[np.integer],
    member: NDArray[np.bool_],
    generator: np.random.Generator,
) -> NDArray[np.intp]:
    """0 or 1 by patient: half of each side's patients of a class, and of those alone in theirs."""
    _, first, of = np.unique(patients.astype(str), return_index=True, return_inverse=True)
    of_patient = np.zeros(len(first), np.intp)
    for side in (True, False):
        alone = np.zeros(len(first), bool)
        for label in np.unique(labels):
            mine = np.flatnonzero((member[first] == side) & (labels[first] == label))
            if len(mine) == 1:
                alone[mine] = True
            else:
                of_patient[generator.permutation(mine)[::2]] = 1
        of_patient[generator.permutation(np.flatnonzero(alone))[::2]] = 1
    return of_patient[of]
