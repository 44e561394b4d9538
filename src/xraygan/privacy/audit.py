"""The privacy audit: copies and membership, one verdict, in plain words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraygan.errors import TooFewError, XrayganError
from xraygan.evaluation.feature_cache import content_hash
from xraygan.privacy import words
from xraygan.privacy.copies import Copies, find_copies
from xraygan.privacy.membership import Membership, infer_membership
from xraygan.sets import ImageSet

COPYING, LEAK, NOTHING = "copying found", "membership leak found", "nothing found"
LEAST_TRAIN_PATIENTS, LEAST_HOLDOUT_PATIENTS, LEAST_SYNTHETIC = 12, 3, 1
FEW_SYNTHETIC = 500
"""Fewer images tell an attacker little, and an audit as little."""

Tables = tuple[NDArray, NDArray, NDArray]


@dataclass(frozen=True, eq=False)
class Audit:
    """What the audit found.

    Attributes:
        verdict: `COPYING`, `LEAK` or `NOTHING`, in this order of precedence.
        copies: the copy check.
        membership: the attacks.
        sets: name to counts and hash of the three sets as they were compared.
        notes: plain sentences.
    """

    verdict: str
    copies: Copies
    membership: Membership
    sets: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """audit.json: numbers, counts, plain words; nothing that leads to a film or a patient.

        "closest_pairs" and "patients" are without the rows: that of a training film says who is
        meant to whoever has these films, that of a synthetic image where to look for likenesses.
        """
        return {
            "verdict": self.verdict,
            "explanation": words.explanation(self.copies, self.membership),
            "tested": words.tested(self.copies, self.membership),
            "not_tested": words.not_tested(self.membership),
            "does_not_prove": words.DOES_NOT_PROVE,
            "copies": {key: figure.as_dict() for key, figure in self.copies.figures.items()},
            "membership": {
                name: attack.as_dict() for name, attack in self.membership.attacks.items()
            },
            "membership_tests": {
                name: {"p_value": attack.p_value, "leak": attack.leak, "by_hits": attack.by_hits}
                for name, attack in self.membership.attacks.items()
            },
            "closest_pairs": [_unnamed(pair) for pair in self.copies.closest_pairs],
            "patients": {"most_imitated": [_unnamed(one) for one in self.copies.most_imitated]},
            "sets": {name: dict(facts) for name, facts in self.sets.items()},
            "notes": list(self.notes),
        }


def _unnamed(record: Mapping[str, float | int]) -> dict[str, float | int]:
    return {key: value for key, value in record.items() if key not in ("train", "synthetic")}


def audit(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    features: Mapping[str, Tables],
    discriminator_scores: tuple[NDArray, NDArray] | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Audit:
    """Look for copies of training images and for signs of who was trained on.

    Args:
        train: the images the generator was trained on, with their patients.
        holdout: images of other patients, drawn from the same source; those of patients who
            are in train as well are left out, with a note.
        synthetic: what the generator made, the more the better (2,000 and up).
        features: feature space to tables [N, D], [M, D], [S, D] of the three sets, the main
            space first; may be empty.
        discriminator_scores: its scores of train [N] and of holdout [M], higher for "real".
        seed: of every random choice; the same seed gives the same figures.
        progress: called with ("copies" or "membership", done, total).

    Returns:
        The audit.

    Raises:
        XrayganError: too few patients or images, images of different sizes, or no patient in
            holdout who is not in train.
        ValueError: tables or scores whose rows are not the sets' images.

    Guarantees: where held-out patients differ from the training patients by chance alone, the
    levels of all tests together leave an honest generator a chance of `CERTAIN` + `REPEATED` +
    `EXCESS` + `ALARM` (0.9 %) to be given another verdict than "nothing found";
    docs/validation.md has what was counted. Nothing is promised the other way: what is not found
    may still be there.
    """
    _check_rows(train, holdout, synthetic, features, discriminator_scores)
    holdout, features, discriminator_scores, notes = _disjoint(
        train, holdout, features, discriminator_scores
    )
    check_patients(train, holdout)
    if len(synthetic) < LEAST_SYNTHETIC:
        raise XrayganError("there is no synthetic image to audit; generate some first")

    def step(name: str) -> Callable[[int, int], None] | None:
        return partial(progress, name) if progress else None

    copies = find_copies(train, holdout, synthetic, features, seed=seed, progress=step("copies"))
    membership = infer_membership(
        train,
        holdout,
        synthetic,
        features,
        discriminator_scores,
        seed=seed,
        progress=step("membership"),
    )
    return Audit(
        verdict=COPYING if copies.found else LEAK if membership.leaks else NOTHING,
        copies=copies,
        membership=membership,
        sets={
            "train": _facts(train),
            "holdout": _facts(holdout),
            "synthetic": _facts(synthetic) | {"patients": None},
        },
        notes=(*notes, *_few(len(synthetic)), *copies.notes, *membership.notes),
    )


def _few(synthetic: int) -> list[str]:
    if synthetic >= FEW_SYNTHETIC:
        return []
    return [
        f"Only {synthetic:,} synthetic images were looked at: what {FEW_SYNTHETIC} and more of the "
        "same generator would give away may not show in so few."
    ]


def _check_rows(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    features: Mapping[str, Tables],
    scores: tuple[NDArray, NDArray] | None,
) -> None:
    counts = len(train), len(holdout), len(synthetic)
    for name, tables in features.items():
        if tuple(map(len, tables)) != counts:
            raise ValueError(f"{name}: tables of {[*map(len, tables)]} rows for {counts} images")
    if scores is not None and tuple(map(len, scores)) != counts[:2]:
        raise ValueError(f"scores of {[*map(len, scores)]} images for {counts[:2]}")
    sizes = {s.images.shape[1:] for s in (train, holdout, synthetic) if len(s)}
    if len(sizes) > 1:
        shown = ", ".join(f"{h}×{w}" for h, w in sorted(sizes))
        raise XrayganError(
            f"the three sets have images of different sizes ({shown} px); read all of them at "
            "one resolution"
        )


def _disjoint(
    train: ImageSet,
    holdout: ImageSet,
    features: Mapping[str, Tables],
    scores: tuple[NDArray, NDArray] | None,
) -> tuple[ImageSet, Mapping[str, Tables], tuple[NDArray, NDArray] | None, list[str]]:
    """The held-out set without patients who are in train, with a note of how many that were."""
    trained = set(train.patients.tolist())
    kept = np.array([patient not in trained for patient in holdout.patients.tolist()], bool)
    if kept.all():
        return holdout, features, scores, []
    if not kept.any():
        raise TooFewError(
            "every held-out patient is in the training set as well: give films of patients whom "
            "the generator was not trained on, or tell patients apart (--patient-pattern)"
        )
    gone = len(set(holdout.patients[~kept].tolist()))
    note = (
        f"{gone:,} held-out patients with {int((~kept).sum()):,} images are in the training set as "
        "well and were left out."
    )
    features = {name: (a, b[kept], c) for name, (a, b, c) in features.items()}
    if scores is not None:
        scores = scores[0], scores[1][kept]
    return holdout.rows(kept), features, scores, [note]


def check_patients(train: ImageSet, holdout: ImageSet) -> None:
    """See that an audit has enough patients on either side.

    Raises:
        TooFewError: there are not.
    """
    for name, found, least in (
        ("training set", len(set(train.patients.tolist())), LEAST_TRAIN_PATIENTS),
        (
            "held-out set (patients not trained on)",
            len(set(holdout.patients.tolist())),
            LEAST_HOLDOUT_PATIENTS,
        ),
    ):
        if found < least:
            raise TooFewError(
                f"the {name} has {found} patients and an audit needs at least {least}; add films "
                "of more patients, or tell patients apart (--patient-pattern, where films are read)"
            )


def _facts(images: ImageSet) -> dict[str, Any]:
    return {
        "n": len(images),
        "patients": len(set(images.patients.tolist())),
        "sha256": content_hash(images.images),
    }
