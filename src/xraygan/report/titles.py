"""What regimes, attacks and sets are called before a reader."""

import re

from xraygan.privacy.words import ATTACKS

REGIMES = {
    "trtr": "Real films (TRTR): the reference",
    "tstr": "Synthetic images only (TSTR)",
    "trts": "Real films, tested on synthetic images (TRTS)",
    "classical_augmentation": "Real films, turned, shifted and lit anew (augmentation)",
    "real_duplicated": "Real films, each twice: the control for 1 × synthetic",
    "synthetic_then_real": "Synthetic images first, then real films",
    "label_shuffled": "Synthetic images with labels mixed up: a control near 0.5",
}

RATIO = re.compile(r"real_plus_synthetic_([\d.]+)")
FEW = re.compile(r"low_(\d+)_real(_plus_synthetic)?")


def regime_title(key: str) -> str:
    """What a training regime of the utility measures, or a difference of two, is called."""
    if "_minus_" in key:
        first, _, second = key.partition("_minus_")
        return f"{regime_title(first)}, minus: {regime_title(second)}"
    ratio = RATIO.fullmatch(key)
    few = FEW.fullmatch(key)
    if ratio:
        return f"Real films and {ratio[1]} × as many synthetic images"
    if few:
        return f"{few[1]} real films" + (" and synthetic images" if few[2] else " only")
    return REGIMES.get(key) or in_words(key)


def attack_title(key: str) -> str:
    """What a membership attack goes by."""
    attack, _, space = key.partition("@")
    title = in_words(ATTACKS.get(attack, attack))
    return f"{title}, in {space}" if space else title


def set_title(name: str) -> str:
    """What a set of images is called before "images"."""
    return {"train": "training", "holdout": "held-out"}.get(name, name)


def in_words(key: str) -> str:
    """A key as words: "mode_drop" becomes "Mode drop"."""
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
