"""Membership inference: can it be told from synthetic images whether a film was trained on?

Every figure has two controls beside it. *Member against member*: the attack tells one half of
the training patients from the other, which nobody can: what it reaches is chance, among so many
patients. It decides nothing; chance is what the permutations take care of. *Blind*: a classifier
tells members from others with no generator at all; where it succeeds, the two sets differ by
themselves and an attack's success means nothing unless it is larger.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.privacy import attacks
from xraygan.privacy.attacks import Described
from xraygan.privacy.blind import blind_scores
from xraygan.privacy.roc import Suspects, area_with_interval, hits_at, surprise
from xraygan.privacy.suspects import Sample, halves
from xraygan.privacy.views import FeatureView, PixelView, shrunk
from xraygan.sets import ImageSet

ALARM = 0.004
"""Chance that any attack is called a leak where members and others are exchangeable."""
LEVEL = 0.0009
"""Level of the permutation test that goes with `ALARM`. Attacks with a reference take it from the
suspects themselves, each fold's from the other, which no permutation repeats: on honest Gaussian
draws their area spreads by up to a sixth more than among permutations, and 0.4 % takes 0.09 %."""
MARGIN = 0.02
"""An area that may be this near to .5, and hits this near to their false alarms, are no leak."""
FEW_FALSE_ALARMS, FEWEST_FALSE_ALARMS = 0.01, 0.001
NOT_TESTED = "Membership was not tested"
"""How the note begins that says why there is no attack."""
DISCRIMINATOR = "logan"
"""The one attack that needs more than synthetic images."""
LEAST_PATIENTS = 20
ENOUGH_AT_RANDOM = 100
"""So many held-out patients, drawn at random from those to train on, are who members are told from:
these differ by chance only, and others may not."""
MOST_SYNTHETIC = 20_000
"""Synthetic images that attackers look at, drawn at random: more change little and cost memory."""
Attacker = Callable[[Described], NDArray[np.float64]]
CALIBRATED = (attacks.gan_leaks_calibrated, attacks.domias)
"""Attacks that need a reference."""
_BY_PIXELS: Mapping[str, Attacker] = {
    "gan_leaks": attacks.gan_leaks,
    "gan_leaks_calibrated": attacks.gan_leaks_calibrated,
    "monte_carlo": attacks.monte_carlo,
    "domias": attacks.domias,
}
_BY_FEATURES = {name: _BY_PIXELS[name] for name in ("gan_leaks", "domias")}


@dataclass(frozen=True)
class Attack:
    """One attack's success.

    Attributes:
        auc: area under the curve, with an interval over patients.
        tpr_at_1_percent: share of members found at one false alarm in a hundred, with an interval
            over patients; its floor, and that of the next, is the same on two halves of the
            training patients.
        tpr_at_01_percent: in a thousand; not a number below 1,000 held-out images.
        control_auc: the same attack on two halves of the training patients.
        blind_auc: members told from others without synthetic images.
        blind_tpr_at_1_percent: share of members found so.
        p_value: of the better of area and hits, adjusted over all attacks.
        leak: whether it counts as a leak.
        by_hits: it does so by its hits alone, not by its area.
    """

    auc: Estimate
    tpr_at_1_percent: Estimate
    tpr_at_01_percent: Estimate
    control_auc: Estimate
    blind_auc: Estimate
    blind_tpr_at_1_percent: Estimate
    p_value: float
    leak: bool
    by_hits: bool = False

    @property
    def explained(self) -> bool:
        """Whether chance does not explain it, and yet the margin or the blind control do."""
        return self.p_value <= LEVEL and not self.leak

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Figures by the names of audit.json."""
        return {
            "auc": self.auc.as_dict(),
            "tpr_at_1_percent": self.tpr_at_1_percent.as_dict(),
            "tpr_at_0.1_percent": self.tpr_at_01_percent.as_dict(),
            "control_auc": self.control_auc.as_dict(),
            "blind_auc": self.blind_auc.as_dict(),
            "blind_tpr_at_1_percent": self.blind_tpr_at_1_percent.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class Membership:
    """What the attacks found.

    Attributes:
        attacks: name to success; "@" names a feature space, none is pixels. Empty where there
            are too few patients.
        members: how many training images were attacked.
        others: how many held-out ones.
        notes: plain sentences.
        exchangeable: the others were drawn at random from the patients to train on.
    """

    attacks: Mapping[str, Attack]
    members: int
    others: int
    notes: tuple[str, ...]
    exchangeable: bool = False

    @property
    def leaks(self) -> tuple[str, ...]:
        """Names of the attacks that are leaks, the most successful first."""
        found = [name for name, attack in self.attacks.items() if attack.leak]
        return tuple(sorted(found, key=lambda name: -self.attacks[name].auc.value))


def infer_membership(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    features: Mapping[str, tuple[NDArray, NDArray, NDArray]],
    discriminator_scores: tuple[NDArray, NDArray] | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Membership:
    """Try every attack on training and held-out images of equal class shares.

    Args:
        train: what the generator was trained on: the members.
        holdout: images of other patients: the others. Where `ENOUGH_AT_RANDOM` of them were drawn
            at random from those to train on, these alone. Each half of their patients is the
            reference for attacks on the other half.
        synthetic: what the generator made.
        features: feature space to tables of the three sets.
        discriminator_scores: of train [N] and holdout [M], higher for "real".
        seed: of samples, folds, permutations.
        progress: called with (attacks tried, attacks).

    Returns:
        The attacks' success.

    Guarantees: where members and others are exchangeable, any attack is called a leak with a
    chance of at most `ALARM`. None the other way: what no attack tells may still be told.
    """
    alike = _drawn_alike(train, holdout, seed)
    if alike is not None and not alike.all():
        holdout = holdout.rows(alike)
        features = {name: (a, b[alike], c) for name, (a, b, c) in features.items()}
        if discriminator_scores is not None:
            discriminator_scores = discriminator_scores[0], discriminator_scores[1][alike]
    sample = Sample.draw(train, holdout, seed)
    if sample.fewest_patients < LEAST_PATIENTS:
        note = (
            f"{NOT_TESTED}: one side has {sample.fewest_patients} patients of the "
            f"classes that both have, and {LEAST_PATIENTS} are needed."
        )
        return Membership({}, 0, 0, (note,))
    made, features, notes = _at_most(synthetic.images, features, seed)
    if alike is not None and not alike.all():
        notes.append(
            f"Attackers had to tell members from the {int(alike.sum()):,} held-out images whose "
            f"patients were drawn at random from those to train on; the {int((~alike).sum()):,} "
            "others may differ by themselves, and count for copies alone."
        )
    if sample.classes_left_out:
        notes.append(
            f"Films of {sample.classes_left_out} of {len(train.classes)} classes were not "
            "attacked: too few were trained on beside those held out."
        )
    if sample.left_out:
        notes.append(
            f"Attackers were tried on {len(sample.fold):,} images; {sample.left_out:,} more, of "
            "patients drawn at random, were left out."
        )
    material = _Material(sample, train, holdout, made, features)
    scores = _all_scores(material, progress)
    if discriminator_scores is not None:
        scores[DISCRIMINATOR] = sample.take(*discriminator_scores).astype(np.float64)
    suspects = sample.suspects
    guesses = blind_scores(suspects, material.blind_table(), seed=seed)
    blind = Blind(
        area_with_interval(suspects, guesses, seed=seed),
        hits_at(suspects, guesses, FEW_FALSE_ALARMS, seed=seed),
    )
    chance = surprise(suspects, scores, FEW_FALSE_ALARMS, seed=seed)
    tried = {
        name: _judge(
            suspects,
            values,
            blind,
            (chance.area[name], chance.hits[name]),
            seed,
            exchangeable=alike is not None,
        )
        for name, values in scores.items()
    }
    others = int((~suspects.member).sum())
    return Membership(
        tried,
        len(suspects.member) - others,
        others,
        (*notes, *_notes(others, blind)),
        exchangeable=alike is not None,
    )


def _drawn_alike(train: ImageSet, holdout: ImageSet, seed: int) -> NDArray[np.bool_] | None:
    """Which held-out images are of patients drawn at random, if enough of these can be attacked."""
    found = holdout.at_random
    if found is None or not found.any():
        return None
    sample = Sample.draw(train, holdout.rows(found), seed)
    return found if sample.patients(members=False) >= ENOUGH_AT_RANDOM else None


def _at_most(
    synthetic: NDArray[np.uint8],
    features: Mapping[str, tuple[NDArray, NDArray, NDArray]],
    seed: int,
) -> tuple[NDArray[np.uint8], Mapping[str, tuple[NDArray, NDArray, NDArray]], list[str]]:
    """At most MOST_SYNTHETIC images, shrunk, their features, and a note of those left out.

    In an order by chance: attacks that look at the first ones must not meet one class alone.
    """
    rows = np.random.default_rng(seed).permutation(len(synthetic))[:MOST_SYNTHETIC]
    features = {name: (a, b, made[rows]) for name, (a, b, made) in features.items()}
    notes = []
    if len(rows) < len(synthetic):
        notes = [f"Attackers looked at {len(rows):,} of {len(synthetic):,} synthetic images."]
    return shrunk(synthetic, rows), features, notes


@dataclass(frozen=True)
class Blind:
    """What a classifier achieves without synthetic images."""

    auc: Estimate
    hits: Estimate


@dataclass(frozen=True, eq=False)
class _Material:
    """What attackers look at; synthetic images and suspects as small as they look at them."""

    sample: Sample
    train: ImageSet
    holdout: ImageSet
    synthetic: NDArray[np.uint8]
    features: Mapping[str, tuple[NDArray, NDArray, NDArray]]

    def suspects(self) -> NDArray[np.uint8]:
        """Shrunk film by film: 100,000 of them at full size would fill the memory."""
        sides = (self.train, self.sample.train_rows), (self.holdout, self.sample.holdout_rows)
        return np.concatenate([shrunk(side.images, rows) for side, rows in sides])

    def blind_table(self) -> NDArray[np.float32]:
        """The rows of all feature spaces side by side, or small pictures where there is none."""
        if not self.features:
            coarse = self.train.images[:, ::4, ::4], self.holdout.images[:, ::4, ::4]
            return _flat(self.sample.take(*coarse))
        tables = [self.sample.take(table[0], table[1]) for table in self.features.values()]
        return np.concatenate(tables, axis=1)


def _all_scores(
    material: _Material, progress: Callable[[int, int], None] | None
) -> dict[str, NDArray[np.float64]]:
    """Attack to scores [N]; attackers' views are fitted on synthetic images alone."""
    sample, images, synthetic = material.sample, material.suspects(), material.synthetic
    view = PixelView.fit(synthetic)
    by_pixels = view.describe(images), view.describe(synthetic)
    jobs = [(name, attack, by_pixels) for name, attack in _BY_PIXELS.items()]
    as_they_are = _flat(images), _flat(synthetic)
    jobs.append(("reconstruction", attacks.reconstruction, as_they_are))
    for space, (train, holdout, made) in material.features.items():
        seen = FeatureView.fit(made)
        by_features = seen.describe(sample.take(train, holdout)), seen.describe(made)
        jobs += [(f"{name}@{space}", attack, by_features) for name, attack in _BY_FEATURES.items()]
    scores = {}
    for done, (name, attack, (suspects, made)) in enumerate(jobs, start=1):
        scores[name] = _scores(sample, attack, suspects, made)
        if progress:
            progress(done, len(jobs))
    return scores


def _scores(
    sample: Sample, attack: Attacker, suspects: NDArray[np.float32], made: NDArray[np.float32]
) -> NDArray[np.float64]:
    """One attack on every suspect; each fold, with the other as reference, on one scale."""
    if attack not in CALIBRATED:
        return attack(Described(suspects, made, made[:0]))
    scores = np.empty(len(suspects))
    for fold in (0, 1):
        mine = sample.fold == fold
        found = attack(Described(suspects[mine], made, suspects[sample.reference(fold)]))
        low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
        scores[mine] = (found - middle) / max(float(high - low), 1e-12)
    return scores


def _judge(
    suspects: Suspects,
    scores: NDArray[np.float64],
    blind: Blind,
    p_values: tuple[float, float],
    seed: int,
    *,
    exchangeable: bool,
) -> Attack:
    """An attack leaks where chance, margin and the blind control are left behind.

    Where members and others are exchangeable the control is noise, and stands beside only.
    """
    auc = area_with_interval(suspects, scores, seed=seed)
    halves_of_members, of_members = _control(suspects, seed), scores[suspects.member]
    control = area_with_interval(halves_of_members, of_members, seed=seed)
    hits, rare_hits = (
        hits_at(suspects, scores, rate, seed=seed).beside(
            hits_at(halves_of_members, of_members, rate, seed=seed)
        )
        for rate in (FEW_FALSE_ALARMS, FEWEST_FALSE_ALARMS)
    )
    by_area = (
        p_values[0] <= LEVEL
        and auc.low > 0.5 + MARGIN
        and (exchangeable or auc.value > blind.auc.high)
    )
    by_hits = (
        p_values[1] <= LEVEL
        and hits.low > FEW_FALSE_ALARMS + MARGIN
        and (exchangeable or hits.value > blind.hits.high)
    )
    return Attack(
        auc=auc,
        tpr_at_1_percent=hits,
        tpr_at_01_percent=rare_hits,
        control_auc=control,
        blind_auc=blind.auc,
        blind_tpr_at_1_percent=blind.hits,
        p_value=min(p_values),
        leak=by_area or by_hits,
        by_hits=by_hits and not by_area,
    )


def _control(suspects: Suspects, seed: int) -> Suspects:
    """The members alone, one half of their patients taken for members."""
    member = suspects.member
    half = halves(suspects.patients[member], np.random.default_rng(seed))
    return Suspects(half, suspects.patients[member], suspects.strata[member])


def _notes(others: int, blind: Blind) -> tuple[str, ...]:
    notes = []
    if others * FEWEST_FALSE_ALARMS < 1:
        notes.append(
            f"With {others:,} held-out images no attack can be measured at one false alarm in "
            "1,000; that takes 1,000 of them."
        )
    if others * FEW_FALSE_ALARMS < 1:
        notes.append(
            f"With {others:,} held-out images no attack can be measured at one false alarm in "
            "100; that takes 100 of them."
        )
    if blind.auc.low > 0.5 + MARGIN:
        notes.append(
            "Training and held-out images can be told apart without any synthetic image "
            f"(area {blind.auc.value:.2f}, 95 % interval {blind.auc.low:.2f} to "
            f"{blind.auc.high:.2f}): the two sets differ by themselves, and only what attacks "
            "achieve beyond that counts. Hold images out at random, by patient, to test more "
            "sharply."
        )
    return tuple(notes)


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32)
