"""What was measured, as a report has it: figures, evaluation and audit, frozen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xraygan.estimates import Estimate
from xraygan.privacy.audit import LEAK, NOTHING
from xraygan.privacy.membership import DISCRIMINATOR
from xraygan.report.readings import Reading, Topic, reading_of

BLIND = "blind_"
"""How figures of a classifier that sees no synthetic image begin."""


@dataclass(frozen=True)
class Figure:
    """One figure under the name it was measured by.

    Attributes:
        key: as in evaluation.json or audit.json: "kid", "kid@inception", "tstr".
        estimate: value, interval, count, floor; a value that could not be measured is NaN. An
            attack's floor is its control.
        topic: where the key belongs.
    """

    key: str
    estimate: Estimate
    topic: Topic = "fidelity"

    @property
    def reading(self) -> Reading:
        """Its title and how to read it."""
        return reading_of(self.key, self.topic)

    @property
    def elsewhere(self) -> bool:
        """Whether it was measured in another than the first feature space."""
        return "@" in self.key

    @property
    def is_measured(self) -> bool:
        """Whether there is a value: there is none where too few films were held out, say."""
        return math.isfinite(self.estimate.value)

    @property
    def planted(self) -> bool:
        """Whether it says what an audit can see, not what it saw."""
        return self.key.startswith("planted_")


@dataclass(frozen=True)
class SetFacts:
    """A set of images that something was measured on, without saying whose or where.

    Attributes:
        name: "real", "synthetic", "train", "holdout".
        images: how many; None where the file does not say.
        patients: how many; None where unknown.
        sha256: of the set, or None.
    """

    name: str
    images: int | None
    patients: int | None
    sha256: str | None


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json.

    Attributes:
        figures: over all classes.
        per_class: figures by class name.
        utility: figures by training regime, "auc" among them.
        differences: of two regimes' AUC, by "a_minus_b".
        trained_on: by training regime, images by "real" and "synthetic".
        utility_notes: what to keep in mind on utility.
        sets: what was measured on.
        notes: what to keep in mind.
        manifest_sha256: of the synthetic images, where it says so.
    """

    figures: tuple[Figure, ...]
    per_class: Mapping[str, tuple[Figure, ...]]
    utility: Mapping[str, tuple[Figure, ...]]
    differences: Mapping[str, Figure]
    trained_on: Mapping[str, Mapping[str, int]]
    utility_notes: tuple[str, ...]
    sets: tuple[SetFacts, ...]
    notes: tuple[str, ...]
    manifest_sha256: str | None = None

    def figure(self, key: str) -> Estimate | None:
        """One figure over all classes, if it was measured."""
        return next((f.estimate for f in self.figures if f.key == key), None)

    @property
    def spaces_by_measure(self) -> dict[str, dict[str, Figure]]:
        """Figures in further feature spaces, measure by measure: {key: {space: figure}}."""
        return _by_space(self.figures)

    @property
    def classes_by_measure(self) -> dict[str, dict[str, Figure]]:
        """Figures per class, measure by measure: {key: {class: figure}}."""
        return _turned(self.per_class)

    @property
    def regimes_by_measure(self) -> dict[str, dict[str, Figure]]:
        """Figures of utility, measure by measure: {key: {regime: figure}}."""
        return _turned(self.utility)


@dataclass(frozen=True)
class Audit:
    """audit.json, without anything that leads to an image or a patient.

    Attributes:
        verdict: "copying found", "membership leak found" or "nothing found".
        explanation: the same in plain words.
        tested: what was.
        not_tested: what was not.
        does_not_prove: what must not be concluded.
        copies: figures of the copy check.
        membership: figures by attack.
        similarities: of the closest pairs, highest first.
        imitated: one record of counts a patient, most imitated first.
        sets: what was measured on.
        notes: what to keep in mind.
        leaking: which attacks count as a leak.
        by_hits: which of these by the members they name, and not by their AUC.
        manifest_sha256: of the synthetic images, where it says so.
    """

    verdict: str
    explanation: str
    tested: tuple[str, ...]
    not_tested: tuple[str, ...]
    does_not_prove: str
    copies: tuple[Figure, ...]
    membership: Mapping[str, tuple[Figure, ...]]
    similarities: tuple[float, ...]
    imitated: tuple[Mapping[str, int], ...]
    sets: tuple[SetFacts, ...]
    notes: tuple[str, ...]
    leaking: tuple[str, ...] = ()
    by_hits: tuple[str, ...] = ()
    manifest_sha256: str | None = None

    @property
    def spaces_by_measure(self) -> dict[str, dict[str, Figure]]:
        """Figures on copies in feature spaces, measure by measure: {key: {space: figure}}."""
        return _by_space(self.copies)

    @property
    def attacks_by_measure(self) -> dict[str, dict[str, Figure]]:
        """Figures of membership by measure, {key: {attack: figure}}, where any was measured."""
        return {
            key: row
            for key, row in _turned(self.membership).items()
            if not key.startswith(BLIND) and any(each.is_measured for each in row.values())
        }

    @property
    def blind(self) -> tuple[Figure, ...]:
        """What is told from the films alone: the same beside every attack."""
        figures = next(iter(self.membership.values()), ())
        return tuple(figure for figure in figures if figure.key.startswith(BLIND))

    @property
    def told_by_images(self) -> bool:
        """Whether the images tell who was trained on, and not the discriminator alone."""
        return self.verdict == LEAK and set(self.leaking) != {DISCRIMINATOR}

    @property
    def clear(self) -> bool:
        """Whether it found nothing."""
        return self.verdict == NOTHING


def _turned(table: Mapping[str, tuple[Figure, ...]]) -> dict[str, dict[str, Figure]]:
    """Rows for columns: {row: figures} as {key: {row: figure}}."""
    turned: dict[str, dict[str, Figure]] = {}
    for row, figures in table.items():
        for figure in figures:
            turned.setdefault(figure.key, {})[row] = figure
    return turned


def _by_space(figures: tuple[Figure, ...]) -> dict[str, dict[str, Figure]]:
    """Those under a key as "kid@inception", as {"kid": {"inception": figure}}."""
    rows: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        measure, _, space = figure.key.partition("@")
        if space:
            rows.setdefault(measure, {})[space] = figure
    return rows
