"""The ways to train that are compared: from which images each one draws, and how often.

| key | trained on |
|---|---|
| trtr | the real training images: the reference (tested on synthetic images it is `trts`) |
| tstr | synthetic images, as many of each class as there are real ones, where there are |
| real_plus_synthetic_R | reals, and R times as many synthetic images of each class |
| classical_augmentation | reals, turned, scaled, shifted and lit anew each time |
| real_duplicated | reals, each twice: what real_plus_synthetic_1 has to beat, and nearly trtr |
| synthetic_then_real | half of the steps on the images of tstr, then half on all reals |
| low_K_real | K reals in the classes' proportions, another choice for each seed |
| low_K_real_plus_synthetic | those K in one half of the draws, the images of tstr in the other |
| label_shuffled | the images of tstr with their labels mixed up: a control, its AUC is about 0.5 |

Every regime takes the same number of steps with the same learning rates, and every batch holds
all classes equally often, so that neither effort nor the classes' shares differ. Each draws as many
images from what it has, none again before all were drawn: of more images than that it sees a part,
and synthetic images take the place of real ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

RATIOS = (0.25, 0.5, 1, 2, 4)
FEW = (10, 50, 200)
LEAST_SHARE = 0.5
"""A ratio is measured where at least this share of the synthetic images it needs is there."""

ROTATION = 0.08  # standard deviation, radians
LOG_SCALE = 0.08  # standard deviation
SHIFT = 3 / 64  # standard deviation, share of the side
GAIN = 0.1  # standard deviation
OFFSET = 12.0  # standard deviation, grey levels

Rows = NDArray[np.intp]
Pools = tuple[Rows, ...]
"""For each class the rows to draw from; a row that is there twice is drawn twice as often."""


@dataclass(frozen=True)
class Regime:
    """One way to train.

    Attributes:
        phases: pools, each for an equal part of the steps. Rows from 0 are real, those from
            the number of reals on synthetic.
        moved: whether each image is moved at random each time it is drawn.
    """

    phases: tuple[Pools, ...]
    moved: bool = False


def plan(
    real: NDArray[np.int32],
    synthetic: NDArray[np.int32],
    extent: Literal["basic", "full"],
    seed: int,
) -> tuple[dict[str, Regime], list[str]]:
    """The regimes that these images allow.

    Args:
        real: labels [N] in [0, C), every class among them.
        synthetic: labels [M], likewise.
        extent: "basic" gives trtr, tstr, real_plus_synthetic_1 and label_shuffled, "full" all.
        seed: which images are chosen, where not all are; names and notes do not depend on it.

    Returns:
        Regimes by name; and sentences on what had to be left out or made do with.
    """
    draw = np.random.default_rng([seed, 0])
    classes = range(int(real.max()) + 1)
    reals = tuple(np.flatnonzero(real == k) for k in classes)
    made = tuple(len(real) + np.flatnonzero(synthetic == k) for k in classes)
    alike = tuple(taken(m, min(len(m), len(r)), draw) for m, r in zip(made, reals, strict=True))
    notes = []
    if any(len(a) < len(r) for a, r in zip(alike, reals, strict=True)):
        notes.append(
            f"Utility: {_total(alike):,} synthetic images stand against {_total(reals):,} real "
            "ones; in a class with fewer, each is seen more often."
        )
    control = Regime((_shuffled(alike, draw),))
    regimes = {"trtr": Regime((reals,)), "tstr": Regime((alike,))}
    regimes |= _mixed(reals, made, RATIOS if extent == "full" else (1,), seed, notes)
    if extent == "full":
        regimes["classical_augmentation"] = Regime((reals,), moved=True)
        regimes["real_duplicated"] = Regime((tuple(np.tile(r, 2) for r in reals),))
        regimes["synthetic_then_real"] = Regime((alike, reals))
        regimes |= _few(reals, alike, draw, notes)
    return {**regimes, "label_shuffled": control}, notes


def taken(rows: Rows, count: int, draw: np.random.Generator) -> Rows:
    """Rows in random order, all of them before any comes again.

    Args:
        rows: at least one.
        count: how many to take.
        draw: where the order comes from.
    """
    passes = -(-count // len(rows))
    return np.concatenate([rows[:0], *(draw.permutation(rows) for _ in range(passes))])[:count]


def course(regime: Regime, images: int, seed: int) -> tuple[Rows, NDArray[np.int32]]:
    """What a training sees, image by image, the classes taking turns.

    Args:
        regime: from where.
        images: how many, over all phases.
        seed: of the order.

    Returns:
        Rows and labels, [images] each.
    """
    draw = np.random.default_rng([seed, 1])
    labels = np.arange(images, dtype=np.int32) % len(regime.phases[0])
    rows = np.empty(images, np.intp)
    parts = np.array_split(np.arange(images), len(regime.phases))
    for pools, part in zip(regime.phases, parts, strict=True):
        for label, pool in enumerate(pools):
            places = part[labels[part] == label]
            rows[places] = taken(pool, len(places), draw)
    return rows, labels


def move(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Each image turned, scaled, shifted and lit a little differently; never mirrored.

    Borders repeat the edge. Left and right stay: the heart is on one side.

    Args:
        images: [N, H, W].
        seed: of the draws.

    Returns:
        [N, H, W].
    """
    draws = np.random.default_rng([seed, 2]).normal(size=(len(images), 6))
    return np.stack([_moved(image, *d) for image, d in zip(images, draws, strict=True)])


def _moved(
    image: NDArray[np.uint8],
    turn: float,
    scale: float,
    right: float,
    down: float,
    gain: float,
    offset: float,
) -> NDArray[np.uint8]:
    height, width = image.shape
    middle = (width - 1) / 2, (height - 1) / 2
    matrix = cv2.getRotationMatrix2D(middle, np.degrees(ROTATION * turn), np.exp(LOG_SCALE * scale))
    matrix[:, 2] += SHIFT * width * right, SHIFT * height * down
    moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    exposed = moved * np.float32(1 + GAIN * gain) + np.float32(OFFSET * offset)
    return np.asarray(cv2.convertScaleAbs(np.maximum(exposed, 0)), np.uint8)


def _mixed(
    reals: Pools, made: Pools, ratios: Sequence[float], seed: int, notes: list[str]
) -> dict[str, Regime]:
    """Reals and synthetic images together, class by class in the same ratio.

    One ratio for the whole set would let a network learn that synthetic means one class,
    wherever the classes' shares differ between reals and synthetic images.
    """
    regimes = {}
    for ratio in ratios:
        draw = np.random.default_rng([seed, 4, round(100 * ratio)])
        training = f"training on real images and {ratio:g} × as many synthetic ones"
        wanted = [round(ratio * len(r)) for r in reals]
        there = min(len(m) / max(w, 1) for m, w in zip(made, wanted, strict=True))
        if there < LEAST_SHARE:
            notes.append(
                f"Utility: {training} is left out: it needs {sum(wanted):,} synthetic images in "
                f"the real classes' proportions, and there are {_total(made):,}; make more with "
                "xraygan generate --like-train."
            )
            continue
        if there < 1:
            notes.append(
                f"Utility: {training} shows some synthetic images up to {1 / there:.1f} times as "
                "often as real ones, since there are fewer than it needs."
            )
        added = (taken(m, w, draw) for m, w in zip(made, wanted, strict=True))
        regimes[f"real_plus_synthetic_{ratio:g}"] = Regime(
            (tuple(np.concatenate(both) for both in zip(reals, added, strict=True)),)
        )
    return regimes


def _few(
    reals: Pools, alike: Pools, draw: np.random.Generator, notes: list[str]
) -> dict[str, Regime]:
    """Few reals, alone and with synthetic images; the fewer are among the more."""
    regimes = {}
    orders = [draw.permutation(r) for r in reals]
    for count in FEW:
        if not len(reals) <= count <= _total(reals) / 2:
            notes.append(
                f"Utility: training on {count} real images alone is left out: with "
                f"{_total(reals):,} of {len(reals)} classes, {count} are no small part of them."
            )
            continue
        sizes = _proportional([len(r) for r in reals], count)
        few = tuple(order[:size] for order, size in zip(orders, sizes, strict=True))
        halves = tuple(
            np.concatenate([made, taken(rows, len(made), draw)])
            for made, rows in zip(alike, few, strict=True)
        )
        regimes[f"low_{count}_real"] = Regime((few,))
        regimes[f"low_{count}_real_plus_synthetic"] = Regime((halves,))
    return regimes


def _proportional(counts: Sequence[int], total: int) -> list[int]:
    """`total` shared out in proportion to `counts`, at least one each (largest remainders)."""
    spare = total - len(counts)
    exact = np.array(counts) * spare / sum(counts)
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: spare - shares.sum()]] += 1
    return (shares + 1).tolist()


def _shuffled(pools: Pools, draw: np.random.Generator) -> Pools:
    """The same rows dealt out to classes of the same sizes at random."""
    rows = draw.permutation(np.concatenate(pools))
    return tuple(np.split(rows, np.cumsum([len(p) for p in pools])[:-1]))


def _total(pools: Pools) -> int:
    return sum(map(len, pools))
