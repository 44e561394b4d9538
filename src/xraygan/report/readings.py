"""What each figure is called and how it is read, in one sentence."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from xraygan.privacy.planted import PLANTED
from xraygan.privacy.words import ATTACKS
from xraygan.report.titles import FEW, RATIO, REGIMES, in_words

Topic = Literal["fidelity", "utility", "membership", "copies"]
"""What a figure is of: where its key belongs."""


@dataclass(frozen=True)
class Reading:
    """How to read one figure.

    Attributes:
        title: its name for a reader.
        sentence: how to read it.
        better: where better lies; "floor" is as near as can be to the real films' figure.
        least: the smallest value it can have, None without a bound.
        most: the largest.
        chance: the value that says nothing, if it has one.
        even_steps: drawn so that even steps are powers of ten, from `chance` up.
    """

    title: str
    sentence: str
    better: Literal["lower", "higher", "floor", "none"] = "none"
    least: float | None = None
    most: float | None = None
    chance: float | None = None
    even_steps: bool = False

    @property
    def direction(self) -> str:
        """Where better lies, in words."""
        return {
            "lower": "lower is better",
            "higher": "higher is better",
            "floor": "best where the real films' own figure lies",
            "none": "",
        }[self.better]


_MEASURES = {
    "kid": Reading(
        "Kernel distance (KID)",
        "How far the synthetic images as a whole lie from real films of patients who were not "
        "trained on: 0 is no difference, and no generator can be expected below the real films' "
        "own figure.",
        "lower",
        0,
    ),
    "fid": Reading(
        "Fréchet distance (FID)",
        "The distance between the two sets' means and spreads. Few images raise it, so it can "
        "only be compared with the real films' own figure beside it.",
        "lower",
        0,
    ),
    "fid_all": Reading(
        "FID of all images",
        "The same distance over all real films and as many synthetic images as fit their class "
        "shares and the floor's training films, given where there are more than 10,000 films and "
        "at least 10,000 images: so many hardly raise it.",
        "lower",
        0,
    ),
    "fid_ratio": Reading(
        "FID ratio",
        "The real films' own FID divided by this one: near 1, the synthetic images are as near "
        "to real films as other real films are; near 0, far from them.",
        "higher",
        0,
        1,
    ),
    "precision": Reading(
        "Precision",
        "The share of synthetic images that lie among real films: low means that many look "
        "like no real film.",
        "higher",
        0,
        1,
    ),
    "recall": Reading(
        "Recall",
        "The share of real films that lie among the synthetic images: low means that kinds of "
        "films are missing.",
        "higher",
        0,
        1,
    ),
    "density": Reading(
        "Density",
        "How deep synthetic images lie among real films: about 1 for real films themselves, less "
        "where synthetic images lie apart from them.",
        "higher",
        0,
    ),
    "coverage": Reading(
        "Coverage",
        "The share of real films that have a synthetic image as near as their own neighbours: "
        "low means that parts of the real variety are missing.",
        "higher",
        0,
        1,
    ),
    "classifier_auc": Reading(
        "Told apart by a classifier (AUC)",
        "How well a classifier tells synthetic from real: 0.5 is guessing, 1 is always right.",
        "lower",
        0.5,
        1,
        0.5,
    ),
    "ms_ssim": Reading(
        "Likeness within a class (MS-SSIM)",
        "How alike two synthetic images of one class are on average: above the real films' "
        "figure there is too little variety, below it too much noise.",
        "floor",
        0,
        1,
    ),
    "swd": Reading(
        "Texture distance (sliced Wasserstein)",
        "How much small patches differ from those of real films, over all scales.",
        "lower",
        0,
    ),
    "spectrum": Reading(
        "Power-spectrum distance",
        "How much the strength of coarse and fine structure differs from that of real films: "
        "blur, noise and grids raise it.",
        "lower",
        0,
    ),
}

_CLASSIFIERS = {
    "auc": Reading(
        "AUC",
        "The chance that a film with the finding is scored above one without: 0.5 is guessing, "
        "1 is always right.",
        "higher",
        0.4,
        1,
        0.5,
    ),
    "sensitivity": Reading(
        "Sensitivity", "The share of films with the finding that are found.", "higher", 0, 1
    ),
    "specificity": Reading(
        "Specificity", "The share of films without the finding that are called so.", "higher", 0, 1
    ),
    "auc_difference": Reading(
        "Difference in AUC",
        "Patient by patient and seed by seed: above 0 the first way of training is better.",
        "higher",
        chance=0,
    ),
    "ece": Reading(
        "Calibration error (ECE)",
        "How far stated probabilities lie from what came true.",
        "lower",
        0,
        1,
    ),
}

_MEMBERSHIP = {
    "auc": Reading(
        "AUC",
        "The chance that a film that was trained on is scored above one that was not: 0.5 is "
        "guessing. The control is the same attack where there is nothing to tell.",
        "lower",
        0.4,
        1,
        0.5,
    ),
    "blind_auc": Reading(
        "AUC without synthetic images",
        "A classifier that tells members from others by the films alone. Far from 0.5 the two "
        "sets differ by themselves, and an attack says something only where it does better.",
        "none",
        0.4,
        1,
        0.5,
    ),
    "blind_tpr_at_1_percent": Reading(
        "Members named without synthetic images, at 1 % false alarms",
        "The same classifier's share: an attack says something only where it names more.",
        "none",
        0,
        0.2,
        0.01,
    ),
    "tpr_at_1_percent": Reading(
        "Members named at 1 % false alarms",
        "The share of training films that the attack names while it accuses one other film in a "
        "hundred: 0.01 is guessing. The threshold is set on the other films, and how exactly they "
        "tell it is not in the interval.",
        "lower",
        0,
        1,
        0.01,
        even_steps=True,
    ),
    "tpr_at_0.1_percent": Reading(
        "Members named at 0.1 % false alarms",
        "The same while it accuses one other film in a thousand: 0.001 is guessing.",
        "lower",
        0,
        1,
        0.001,
        even_steps=True,
    ),
}

_COPIES = {
    "copied_share": Reading(
        "Copied share",
        "The share of synthetic images that are nearer to one training patient than all but about "
        "one in a hundred real films (of under 200 patients, one of half of them) come to "
        "another's, with that share taken off. Each image counts, "
        "and a generator that repeats itself may be near by luck many times; the verdict counts "
        "patients.",
        "lower",
        0,
    ),
    "certain_copies": Reading(
        "Certain copies",
        "The share of synthetic images so near to one training patient that chance would bring "
        "none of them there.",
        "lower",
        0,
    ),
    "repeated_copies": Reading(
        "Copies by repetition",
        "The share of synthetic images in groups that resemble one another and whose mean is so "
        "near to one training patient that chance would bring no image there: a film that is "
        "repeated under noise.",
        "lower",
        0,
    ),
    "nearest_is_training": Reading(
        "Nearest film is a training film",
        "The share of synthetic images that are nearer to training films than to held-out ones: "
        "well above the control, the generator leans on its training films.",
        "floor",
        0,
        1,
    ),
    "calibrated_ratio": Reading(
        "Calibrated distance ratio, training films",
        "How near the nearest patient is, as a share of the distance to the next ones (median): "
        "well below the control is a sign of copies.",
        "floor",
        0,
        1,
    ),
    "calibrated_ratio_to_holdout": Reading(
        "Calibrated distance ratio, held-out films",
        "The same ratio against patients who were not trained on, for comparison.",
        "floor",
        0,
        1,
    ),
    "nearest_correlation": Reading(
        "Correlation with the nearest training film",
        "Correlation of pixels, shifts and flips allowed (median): well above the control is a "
        "sign of copies; 1 is the same picture.",
        "floor",
        0,
        1,
    ),
    "auth_pct": Reading(
        "Authentic images (AuthPct)",
        "The share of synthetic images that are not nearer to a training film than other "
        "training films are: well below the control is a sign of copies.",
        "floor",
        0,
        1,
    ),
    "c_t": Reading(
        "Data-copying test (C_T)",
        "About 0 where synthetic images are as near to training films as held-out films are; far "
        "below 0 they copy, far above 0 they lie apart.",
        "none",
        chance=0,
    ),
}
_PLANTED = Reading(
    "",
    "Of copies planted for control, the share that a single look recognises: what the check can "
    "see.",
    "higher",
    0,
    1,
)

_TOPICS: dict[Topic, dict[str, Reading]] = {
    "fidelity": _MEASURES,
    "utility": _CLASSIFIERS,
    "membership": _MEMBERSHIP,
    "copies": _COPIES,
}

_OTHER_KEYS = {"control_auc", "real", "synthetic", "train", "holdout"}
"""The control of an attack, and the sets of images."""
_KNOWN = {*REGIMES, *ATTACKS, *_OTHER_KEYS}.union(*_TOPICS.values())
_LEVEL = re.compile(r"swd_level_(\d+)")


def is_known(key: str) -> bool:
    """Whether a key (without its feature space) is one that the package itself writes."""
    if "_minus_" in key:
        return all(map(is_known, key.split("_minus_")))
    planted = key.startswith("planted_") and key.removeprefix("planted_") in PLANTED
    return key in _KNOWN or planted or any(k.fullmatch(key) for k in (_LEVEL, RATIO, FEW))


def reading_of(key: str, topic: Topic = "fidelity") -> Reading:
    """How to read a figure by its key in evaluation.json or audit.json.

    Args:
        key: "kid", "kid@inception", "swd_level_0", "auc".
        topic: where the key belongs.

    Returns:
        Its title and sentence; a key that is not known has its own words and no sentence.
    """
    measure, _, space = key.partition("@")
    level = _LEVEL.fullmatch(measure)
    if level:
        found = replace(
            _MEASURES["swd"],
            title=f"Texture distance, scale {level[1]}",
            sentence="The same at one scale alone; scale 0 is the finest structure.",
        )
    elif measure.startswith("planted_"):
        found = replace(_PLANTED, title=f"Planted copies recognised: {_disguise(measure)}")
    else:
        found = _TOPICS[topic].get(measure) or Reading(in_words(measure), "")
    return replace(found, title=f"{found.title}, in {space}") if space else found


def _disguise(key: str) -> str:
    """How planted copies were hidden."""
    kind = key.removeprefix("planted_")
    return PLANTED[kind].words if kind in PLANTED else kind.replace("_", " ")
