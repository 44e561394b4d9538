"""The copy check as a whole: every view's examination, and what they say together.

Three rules speak of copying; all are kept from false alarms by design:

- **certain**: a single image is nearer to one training patient than chance would bring any of
  so many images (`CERTAIN` an audit);
- **repeated**: so is the mean of a group of images that resemble one another, which may each be
  covered with noise (`REPEATED` an audit);
- **excess**: more patients are imitated closely than chance lets be (`EXCESS` an audit), by at
  least `LEAST_EXCESS` of the images, of which it looks at no more than two a training patient.
  What may be less is a note, and is not called copying.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.privacy.examination import (
    PIXELS,
    STYLE_PATIENTS,
    Examination,
    Patients,
    Sides,
    examine,
    numbered,
)
from xraygan.privacy.figures import (
    classic_figures,
    closest_pairs,
    correlation_figures,
    imitated_share,
    most_imitated,
    view_figures,
)
from xraygan.sets import ImageSet

EXCESS = 0.002
"""Chance that an honest generator is called copying by the excess rule, all views together."""
LEAST_EXCESS = 0.005
"""An excess that may be smaller than this share of the images is not called copying."""


@dataclass(frozen=True, eq=False)
class Copies:
    """What the copy check found.

    Attributes:
        figures: name to figure, the headline first: of those that say copying the largest.
        closest_pairs: the most suspicious pairs, worst first: "synthetic" and "train" (indices),
            "similarity" (correlation of pixels, shifts and flips allowed) and "ratio".
        most_imitated: one record a patient, most imitated first: "images" (a count) and "train",
            the index of one of the patient's films.
        reasons: why there is copying, in sentences; empty where none was found.
        recognised: kind of planted copy to the share that a single look recognises.
        notes: plain sentences.
        slight: those of the notes on an excess that is too small to be called copying.
        of_few: the note that many images are near to few patients, if they are.
        compared: synthetic images.
        grouped: those among which groups that resemble one another were sought.
        counted: those among which patients imitated were counted.
    """

    figures: Mapping[str, Estimate]
    closest_pairs: tuple[Mapping[str, float | int], ...]
    most_imitated: tuple[Mapping[str, int], ...]
    reasons: tuple[str, ...]
    recognised: Mapping[str, float]
    notes: tuple[str, ...]
    slight: tuple[str, ...] = ()
    of_few: tuple[str, ...] = ()
    compared: int = 0
    grouped: int = 0
    counted: int = 0

    @property
    def found(self) -> bool:
        """Whether there is copying."""
        return bool(self.reasons)


def find_copies(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    features: Mapping[str, tuple[NDArray, NDArray, NDArray]],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Copies:
    """Compare every synthetic image with every training image, in pixels and in features.

    Args:
        train: what the generator was trained on, of at least six patients.
        holdout: images of at least three other patients.
        synthetic: what the generator made; its classes are not looked at.
        features: feature space to tables of the three sets, the main one first.
        seed: of the halves, the planted copies and the resampling.
        progress: called with (comparisons done, comparisons in all).

    Returns:
        The findings.

    Raises:
        ValueError: too few patients, or images of different sizes.

    Guarantees: an honest generator, whose images are to the training patients as other films
    of the same kind are, is called copying with a chance of at most `CERTAIN` + `REPEATED` +
    `EXCESS`, where log ratios and leads fall off at least as fast as an exponential
    (`chance.Tail`).
    """
    patients = Patients.of(train, seed)
    others = numbered(holdout.patients)
    every = {PIXELS: Sides(train.images, holdout.images, synthetic.images)}
    every |= {name: Sides(*tables) for name, tables in features.items()}
    each = 2 * len(synthetic) + 2 * len(patients.null) + len(holdout)
    count = _Counter(progress, len(every) * each)
    examinations = [
        examine(name, sides, patients, others, len(every), seed=seed, progress=count)
        for name, sides in every.items()
    ]
    figures: dict[str, Estimate] = {}
    for seen in examinations:
        figures |= view_figures(seen, others)
    correlated, correlation, index = correlation_figures(
        train, holdout, synthetic, examinations[0], patients.number
    )
    figures |= correlated
    for name, tables in features.items():
        figures |= classic_figures(name, tables, holdout, seed)
    judged = [_judged(seen, len(examinations)) for seen in examinations]
    slight = tuple(said for judgement in judged for said in judgement.slight)
    found = [key for judgement in judged for key in judgement.reasons]
    of_few = _of_few_patients(figures, found)
    by_pixels = examinations[0]
    headline = sorted(found, key=lambda key: -figures[key].value)[:1]
    return Copies(
        figures={key: figures[key] for key in dict.fromkeys([*headline, *figures])},
        closest_pairs=closest_pairs(by_pixels, correlation, index),
        most_imitated=most_imitated(examinations, patients),
        reasons=tuple(said for judgement in judged for said in judgement.reasons.values()),
        recognised={k: found / n for k, (found, n) in by_pixels.planted.items()},
        notes=(*slight, *of_few, *_notes(patients, others)),
        slight=slight,
        of_few=of_few,
        compared=len(synthetic),
        grouped=by_pixels.repeated[1] if by_pixels.repeated else 0,
        counted=by_pixels.far.n,
    )


class _Counter:
    """Adds up comparisons for whoever watches."""

    def __init__(self, report: Callable[[int, int], None] | None, total: int) -> None:
        self._report, self._total, self._done = report, total, 0

    def __call__(self, done: int) -> None:
        self._done += done
        if self._report:
            self._report(self._done, self._total)


@dataclass(frozen=True)
class _Judgement:
    """What one view says.

    Attributes:
        reasons: why it speaks of copying, a sentence a rule, by the figure that shows it.
        slight: a sentence on an excess that is too small for it.
    """

    reasons: Mapping[str, str]
    slight: tuple[str, ...]


def _judged(seen: Examination, views: int) -> _Judgement:
    reasons, slight = {}, []
    pixels = seen.name == PIXELS
    where, at = ("pixels", "") if pixels else (f"the features of {seen.name}", f"@{seen.name}")
    certain = int(seen.certain.sum())
    if certain:
        reasons[f"certain_copies{at}"] = (
            f"By {where}, {certain:,} of {len(seen.certain):,} synthetic images "
            f"{'is' if certain == 1 else 'are'} nearer to one training patient than chance would "
            "bring a single one."
        )
    if seen.repeated and seen.repeated[0]:
        many, looked_at = seen.repeated
        reasons["repeated_copies"] = (
            f"{many:,} of {looked_at:,} synthetic images repeat few films, such that the mean of "
            "those that resemble one another is nearer to one training patient than chance would "
            "bring a single image."
        )
    if seen.p_value < EXCESS / views:
        level = seen.most_surprising
        said = (
            f"By {where}, {level.found:,} training patients are imitated by {level.n:,} synthetic "
            f"images more closely than {100 * (1 - level.chance):.3g}% of real films come to "
            f"another patient; chance alone would make it about {level.chance * level.n:,.0f}"
        )
        if imitated_share(seen).low > LEAST_EXCESS:
            reasons[f"copied_share{at}"] = f"{said}."
        else:
            slight.append(
                f"{said} (p = {seen.p_value:.1g}). That is not called copying, since what is "
                f"beyond chance may be less than {100 * LEAST_EXCESS:g}% of the images."
            )
    return _Judgement(reasons, tuple(slight))


def _of_few_patients(figures: Mapping[str, Estimate], found: Sequence[str]) -> tuple[str, ...]:
    """A note where many images are near to few patients and no rule speaks of copying."""
    share = figures["copied_share"]
    if found or share.floor_high is None or not share.low > share.floor_high:
        return ()
    return (
        f"{share.value:.0%} of the synthetic images are nearer to a training patient than real "
        "films come to another's, and yet not to more patients than chance explains. A generator "
        "that repeats a few images looks like this by luck; so may one that has learnt a few "
        "patients by heart. Look at the closest pairs before you share these images.",
    )


def _notes(patients: Patients, others: NDArray[np.intp]) -> tuple[str, ...]:
    notes = []
    if others.max() + 1 < STYLE_PATIENTS:
        notes.append(
            f"With {others.max() + 1} held-out patients the generator's style cannot "
            f"be told from copying (that takes {STYLE_PATIENTS}): chance was taken from training "
            "images alone."
        )
    if len(patients.null) < 100:
        notes.append(
            f"Chance was calibrated on {len(patients.null)} training patients only, so that only "
            "very close copies can be recognised."
        )
    return tuple(notes)
