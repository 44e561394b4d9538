"""Which images are compared with which, so that neither counts nor class balance decide."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.errors import TooFewError
from xraygan.sets import ImageSet

LEAST = 10
"""Images of a set, or of a class in it, with which a figure is given at all."""
FEW_PATIENTS = 4
"""With fewer, intervals by patient say nothing; that of KID is by image then."""
RARER = 2
"""A class that is so many times rarer among the synthetic images is named."""
MOST = 10_000
"""Images of a set; from more, so many are drawn, but for figures of `everything`."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some images of a set, which is not copied.

    Attributes:
        part: the set; may be a memory map.
        index: positions in it, intp [n].
    """

    part: ImageSet
    index: NDArray[np.intp]

    @classmethod
    def all_of(cls, part: ImageSet) -> "Chosen":
        """Every image of a set."""
        return cls(part, np.arange(len(part)))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images, uint8 [n, H, W]: a copy with each call."""
        return self.part.images[self.index]

    def each(self) -> Iterator[NDArray[np.uint8]]:
        """One image [H, W] after the other."""
        return (self.part.images[row] for row in self.index)

    @property
    def labels(self) -> NDArray[np.int32]:
        """Their classes, [n]."""
        return self.part.labels[self.index]

    @property
    def patients(self) -> NDArray[np.object_]:
        """Whose images they are, [n]."""
        return self.part.patients[self.index]

    def rows(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Chosen":
        """Some of these."""
        return Chosen(self.part, self.index[rows])

    def image_set(self, rows: NDArray[np.integer]) -> ImageSet:
        """A copy of some of these."""
        return self.part.rows(self.index[rows])


@dataclass(frozen=True, eq=False)
class Rows:
    """Positions in the three sets of `Sides`: one comparison and its floor.

    Attributes:
        reference: intp [N].
        synthetic: intp [n].
        control: intp [n], or None.
    """

    reference: NDArray[np.intp]
    synthetic: NDArray[np.intp]
    control: NDArray[np.intp] | None


@dataclass(frozen=True, eq=False)
class Sides:
    """The sets that figures are measured on; no class has more images than in the reference.

    Attributes:
        reference: real images that both others are compared with.
        synthetic: made images, in random order.
        control: other patients' real images, in random order: they stand in for made images
            to give the floor. None where there are too few.
    """

    reference: Chosen
    synthetic: Chosen
    control: Chosen | None

    def overall(self) -> Rows:
        """All of the reference; as many made and control images in its class shares.

        A class of the reference that the synthetic images lack stays in the reference, and the
        others keep their proportions: a missing class is missing variety.
        """
        wanted, made = _counts(self.reference), _counts(self.synthetic)
        present = self.present()
        count = _most_at_shares(wanted * present, made)
        if self.control is None:
            rows = _drawn(self.synthetic.labels, _at_shares(count, wanted * present))
            return Rows(np.arange(len(self.reference)), rows, None)
        there = _counts(self.control)
        count = min(count, _most_at_shares(wanted, there))
        sizes, of_control = _at_shares(count, wanted * present), _at_shares(count, wanted)
        if (present | (wanted == 0)).all():  # rare classes may be fewer on either side
            sizes = of_control = np.minimum(of_control, np.minimum(made, there))
        return Rows(
            np.arange(len(self.reference)),
            _drawn(self.synthetic.labels, sizes),
            _drawn(self.control.labels, of_control),
        )

    def of_class(self, label: int) -> Rows | None:
        """All of the reference's images of a class, and as many others; None with too few."""
        reference = np.flatnonzero(self.reference.labels == label)
        made = np.flatnonzero(self.synthetic.labels == label)
        count = min(len(reference), len(made))
        if count < LEAST:
            return None
        control = None
        if self.control is not None:
            control = np.flatnonzero(self.control.labels == label)
            if len(control) < LEAST:
                control = None
            else:
                count = min(count, len(control))
        return Rows(reference, made[:count], None if control is None else control[:count])

    def present(self) -> NDArray[np.bool_]:
        """Classes of the reference of which there are made images to speak of, [C]."""
        wanted, made = _counts(self.reference), _counts(self.synthetic)
        return (wanted > 0) & (made >= np.minimum(wanted, LEAST))


def comparable_sides(
    real: ImageSet, synthetic: ImageSet, train: ImageSet | None, *, seed: int = 0
) -> tuple[Sides, list[str]]:
    """Choose reference and control.

    The control is of training images of other patients where they allow at least as many images
    to be compared as half of the real ones would, or as could be compared without a control;
    otherwise the real images are parted by patient, and one half is the reference.

    Args:
        real: images of patients whom the generator was not trained on.
        synthetic: made images.
        train: what it was trained on, or None.
        seed: of every choice.

    Returns:
        The sides, and sentences for the reader on what was chosen and left out.

    Raises:
        TooFewError: under ten real or synthetic images of common classes.
        ValueError: sets of different classes or image sizes.
    """
    _check(real, synthetic, train)
    draw = np.random.default_rng(seed)
    drawn, notes = _capped(Chosen.all_of(real), draw)
    alone = _against(drawn, synthetic, None, draw)
    if len(drawn) < LEAST or _comparable(alone) < LEAST:
        raise TooFewError(
            f"fidelity: {len(real):,} real images ({_class_names(drawn)}) and {len(synthetic):,} "
            f"synthetic ones ({_class_names(Chosen.all_of(synthetic))}) have under {LEAST} of a "
            "class in common; give more images, in folders with the same class names or, on one "
            "side, in no class folders"
        )
    sides, floor_note = _with_control(drawn, synthetic, train, alone, draw)
    used = len(sides.overall().synthetic)
    notes += [floor_note, *_few_patients(sides), *_class_notes(drawn, synthetic, sides)]
    drawn = (
        ", drawn to the real class shares, so that the balance of classes does not pass for a fault"
        if len(real.classes) > 1
        else ""
    )
    notes.append(
        f"Overall figures compare {len(sides.reference):,} real images with {used:,} of "
        f"{len(synthetic):,} synthetic ones{drawn}."
    )
    return sides, notes


def everything(
    real: ImageSet, synthetic: ImageSet, train: ImageSet | None, *, seed: int = 0
) -> list[Chosen] | None:
    """All real images and many others, for a figure that any number can enter, of large sets.

    Args:
        real: as for `comparable_sides`.
        synthetic: made images.
        train: what the generator was trained on, or None.
        seed: of the choice.

    Returns:
        All real images; made ones in their class shares; and, where at least 10,000 training
        images of other patients are in these shares, as many of those. Then both are as many as
        the smaller of the two sets gives, since FID falls as images are added; else the made
        ones are as many as there are. None where there are not more than 10,000 real images,
        or under 10,000 made ones in their shares.
    """
    every, made = Chosen.all_of(real), Chosen.all_of(synthetic)
    present = Sides(every, made, None).present()
    if len(real) <= MOST or not present.any():
        return None
    wanted = _counts(every)
    count = _most_at_shares(wanted * present, _counts(made))
    if count < MOST:
        return None
    others = None
    if train is not None:
        among = Chosen(train, np.flatnonzero(~_known(train, real)))
        of_both = min(count, _most_at_shares(wanted, _counts(among)))
        if of_both >= MOST:
            count, others = of_both, among
    draw = np.random.default_rng(seed)
    chosen = [every, _ascending(_any_of(made, _at_shares(count, wanted * present), draw))]
    if others is not None:
        chosen.append(_ascending(_any_of(others, _at_shares(count, wanted), draw)))
    return chosen


def _check(real: ImageSet, synthetic: ImageSet, train: ImageSet | None) -> None:
    sets = [real, synthetic] + ([train] if train is not None else [])
    if len({part.classes for part in sets}) > 1:
        raise ValueError(f"classes {[part.classes for part in sets]}: expected one list")
    sizes = {part.images.shape[1:] for part in sets}
    if len(sizes) > 1:
        raise ValueError(f"images of sizes {sorted(sizes)}: expected one")


def _capped(real: Chosen, draw: np.random.Generator) -> tuple[Chosen, list[str]]:
    if len(real) <= MOST:
        return real, []
    rows = np.sort(draw.permutation(len(real))[:MOST])
    return real.rows(rows), [f"{MOST:,} of {len(real):,} real images were drawn at random."]


def _with_control(
    real: Chosen,
    synthetic: ImageSet,
    train: ImageSet | None,
    alone: Sides,
    draw: np.random.Generator,
) -> tuple[Sides, str]:
    """The sides with the better control, and a note on what the floor is."""
    halves = _halves(real, draw)
    parted = _against(halves[0], synthetic, halves[1], draw) if halves else None
    most_parted = _comparable(parted) if parted else 0
    shared = 0
    if train is not None:
        known = _known(train, real)
        shared = len(set(train.patients[known].tolist()))
        others = _against(real, synthetic, Chosen(train, np.flatnonzero(~known)), draw)
        if _comparable(others) >= max(LEAST, min(most_parted, _comparable(alone))):
            note = "Floors compare the real images with training images of other patients."
            return others, note + _shared_note(shared)
    if parted and most_parted >= LEAST:
        note = "Floors compare one half of the real patients with the other; all figures are "
        note += "measured against the first half."
        few = " The training images are too few for floors." if train is not None else ""
        return parted, note + few + _shared_note(shared)
    return alone, "There are too few real images or patients for a floor."


def _known(train: ImageSet, real: ImageSet | Chosen) -> NDArray[np.bool_]:
    """Training images of patients who are among the real ones as well."""
    return np.isin(train.patients.astype(str), real.patients.astype(str))


def _shared_note(shared: int) -> str:
    if not shared:
        return ""
    return (
        f" {shared:,} patients are in both the real and the training images: the real ones are "
        "then no test of what was learnt by heart."
    )


def _comparable(sides: Sides) -> int:
    """How many images the smaller of synthetic and control would have, overall."""
    if not sides.present().any():
        return 0
    rows = sides.overall()
    return min(len(rows.synthetic), len(rows.synthetic if rows.control is None else rows.control))


def _against(
    reference: Chosen, synthetic: ImageSet, control: Chosen | None, draw: np.random.Generator
) -> Sides:
    """Sides with no more of a class than the reference."""
    most = _counts(reference)
    made = _any_of(Chosen.all_of(synthetic), most, draw)
    return Sides(reference, made, None if control is None else _any_of(control, most, draw))


def _any_of(chosen: Chosen, counts: NDArray[np.int64], draw: np.random.Generator) -> Chosen:
    """So many of each class at random, fewer where there are fewer, in random order."""
    shuffled = chosen.rows(draw.permutation(len(chosen)))
    return shuffled.rows(_drawn(shuffled.labels, counts))


def _ascending(chosen: Chosen) -> Chosen:
    """The same in the set's own order: a memory map is then read once through."""
    return Chosen(chosen.part, np.sort(chosen.index))


def _halves(real: Chosen, draw: np.random.Generator) -> tuple[Chosen, Chosen] | None:
    """Two sets of whole patients with about as many images of each class; None with one."""
    _, first, case = np.unique(real.patients.astype(str), return_index=True, return_inverse=True)
    if len(first) < 2:
        return None
    size = np.bincount(case)
    order = np.lexsort((draw.random(len(first)), -size, real.labels[first]))
    in_second = np.empty(len(first), bool)
    in_second[order] = np.arange(len(first)) % 2 == 1
    return real.rows(~in_second[case]), real.rows(in_second[case])


def _counts(chosen: Chosen) -> NDArray[np.int64]:
    return np.bincount(chosen.labels, minlength=len(chosen.part.classes))


def _most_at_shares(wanted: NDArray[np.int64], there: NDArray[np.int64]) -> int:
    """How many images can be drawn in the wanted proportions; rare classes do not limit it."""
    limiting = wanted >= min(LEAST, wanted.max())
    return int((there[limiting] * wanted.sum() // wanted[limiting]).min())


def _at_shares(count: int, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    return count * wanted // wanted.sum()


def _drawn(labels: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[np.intp]:
    """The first so many rows of each class, in order."""
    rows = [np.flatnonzero(labels == label)[:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(rows))


def _few_patients(sides: Sides) -> list[str]:
    """A sentence on each side of real images of so few patients that intervals mean little."""
    notes = []
    for part, whose in ((sides.reference, "real"), (sides.control, "other real")):
        count = len(set(part.patients.tolist())) if part is not None else FEW_PATIENTS
        if count < FEW_PATIENTS:
            notes.append(
                f"The {whose} images are of {count:,} {'patient' if count == 1 else 'patients'}: "
                "intervals are by patient, and of so few they are too narrow, or there are none."
            )
    return notes


def _class_names(chosen: Chosen) -> str:
    names = (name for name, n in zip(chosen.part.classes, _counts(chosen), strict=True) if n)
    return ", ".join(names) or "of no class"


def _class_notes(real: Chosen, synthetic: ImageSet, sides: Sides) -> list[str]:
    notes = []
    made_of = _counts(Chosen.all_of(synthetic))
    counts = zip(synthetic.classes, _counts(real), made_of, strict=True)
    for label, (name, reals, made) in enumerate(counts):
        if reals == 0 and made:
            notes.append(f"Class {name} has no real image: its synthetic ones are left out.")
        elif reals and not sides.present()[label]:
            notes.append(
                f"Class {name} has {reals:,} real and {made:,} synthetic images: overall it "
                "counts as missing, and there are no figures for it alone."
            )
        elif made * len(real) * RARER < reals * len(synthetic):
            notes.append(
                f"Class {name} is {reals / len(real):.1%} of the real images and "
                f"{made / len(synthetic):.1%} of the synthetic ones. Overall figures compare no "
                "more images than there are in the real shares, and so do not show this."
            )
        if reals and sides.present()[label] and sides.of_class(label) is None:
            notes.append(
                f"Class {name} has {reals:,} real and {made:,} synthetic images: too few for "
                "figures of its own."
            )
    return notes
