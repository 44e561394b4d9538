"""What the audit says in plain words."""

from collections.abc import Mapping
from typing import Any

from xraygan.estimates import Estimate
from xraygan.privacy.copies import Copies
from xraygan.privacy.membership import DISCRIMINATOR, LEVEL, MARGIN, Attack, Membership
from xraygan.privacy.planted import PLANTED

DOES_NOT_PROVE = (
    "That the images or the model are anonymous, or private in any formal sense: this is no "
    "differential privacy and no legal opinion. An audit can find leaks; it cannot show that "
    "there are none. Other attacks, more synthetic images, or knowledge of a patient from "
    "elsewhere may give away what was not found here."
)
IN_PART = "Audited: the first"
"""How the note begins that an audit looked at a part of the images."""
NEARLY_ALL = 0.9
"""The share of planted copies from which it is said that one would have been recognised."""
WORTH_A_WORD = 0.01
"""The p of an attack that is no leak and is told of all the same."""
ATTACKS = {
    "gan_leaks": "nearest synthetic image (GAN-Leaks)",
    "gan_leaks_calibrated": "nearest synthetic image beside nearest other film (GAN-Leaks)",
    "monte_carlo": "synthetic images within a radius (Monte Carlo)",
    "domias": "density of synthetic images beside that of other films (DOMIAS)",
    "reconstruction": "film put together from synthetic images",
    DISCRIMINATOR: "the discriminator, which is not shared (LOGAN)",
}
"""What each attack looks at."""


def in_one_line(audit: Mapping[str, Any]) -> str:
    """The verdict of what audit.json holds, and that it is of copies alone where it is."""
    return audit["verdict"] + ("" if audit["membership"] else " (membership was not tested)")


def explanation(copies: Copies, membership: Membership) -> str:
    """The verdict in a few sentences."""
    if copies.found:
        first = "Synthetic images copy training images. " + " ".join(copies.reasons)
        return f"{first} {_attacks_said(membership)} Do not share these images or this model."
    excess = ", nor were more patients imitated than chance explains."
    if copies.slight:
        excess = (
            ". More patients were imitated than chance explains, by too few of the images to be "
            "called copying: see the notes."
        )
    elif copies.of_few:
        excess = (
            ". Many are near to few patients, not to more of them than chance explains: look at "
            "the closest pairs before you share, and see the notes."
        )
    nothing = (
        "No synthetic image, and no mean of images that resemble one another, is a certain copy of "
        "a training film"
        f"{excess} {_power(copies)}"
    )
    if membership.leaks == (DISCRIMINATOR,):
        return (
            f"{_attacks_said(membership)} That attack needs the discriminator, which is in the "
            "checkpoints and neither in the images nor in an exported model; no attack by the "
            f"synthetic images succeeded. {nothing} Do not share the discriminator or the "
            "checkpoints."
        )
    if membership.leaks:
        guess = "Whoever has a patient's film and the synthetic images can guess whether it was "
        guess += "trained on"
        if not membership.exchangeable:
            guess += ", unless held-out films differ from training films by themselves in a way "
            guess += "that the control does not see"
        return (
            f"{_attacks_said(membership)} {guess}. {nothing} Do not share these images or this "
            "model."
        )
    return f"{nothing} {_attacks_said(membership)}"


def tested(copies: Copies, membership: Membership) -> list[str]:
    """What was looked for, and how."""
    spaces = sorted({key.partition("@")[2] for key in copies.figures if "@" in key})
    also = f", and by the features of {' and '.join(spaces)}" if spaces else ""
    attacks = list(dict.fromkeys(name.partition("@")[0] for name in membership.attacks))
    said = [
        "Copies: every synthetic image against every training image, by pixels with shifts of up "
        f"to a sixteenth of the side, left-right flips and noise{also}; by pixels also the means "
        "of images that resemble one another; beside how near real films of other patients come."
        f"{_in_part(copies)}",
        f"Single copies planted for control: {_planted(copies.recognised)}.",
    ]
    if attacks:
        said.append(
            f"Membership of {membership.members:,} training images against {membership.others:,} "
            f"held-out ones, by {len(attacks)} kinds of attack: "
            + "; ".join(ATTACKS.get(name, name) for name in attacks)
            + "."
        )
    return said


def _in_part(copies: Copies) -> str:
    """Of how many images the means are and patients were counted, where that is not of all."""
    said = []
    if copies.grouped < copies.compared:
        said.append(f"means are of {copies.grouped:,}")
    if copies.counted < copies.compared:
        said.append(f"patients imitated were counted among {copies.counted:,}")
    return f" Of {copies.compared:,} images {' and '.join(said)}, drawn at random." if said else ""


def not_tested(membership: Membership) -> list[str]:
    """What was not looked for."""
    said = [
        "Copies of parts of a film, single copies turned, warped or enlarged strongly, shifted by "
        "more than a sixteenth of the side, upside down or inverted, mixtures of films, and "
        "likenesses that only a network trained to recognise patients would see.",
        "Attackers who can train generators of their own for comparison (shadow models), who know "
        "the training code or its random seed, or who see the model's weights.",
        "Attributes of patients (age, sex, disease) that could be inferred, and linkage with other "
        "collections.",
        "Sets of synthetic images other than this one: each release needs an audit of its own.",
    ]
    if DISCRIMINATOR not in membership.attacks:
        said.insert(1, "The discriminator (LOGAN): its scores were not given. It is never shipped.")
    if not membership.attacks:
        said.insert(0, "Membership inference.")
    return said


def _attacks_said(membership: Membership) -> str:
    if not membership.attacks:
        return "Whether training images can be told from others was not tested."
    if membership.leaks:
        worst = membership.leaks[0]
        attack = membership.attacks[worst]
        figure, meaning = (
            attack.auc,
            "an area of {:.2f} (95 % interval {:.2f} to {:.2f}; 0.5 is guessing)",
        )
        if attack.by_hits:
            figure = attack.tpr_at_1_percent
            meaning = (
                "{:.1%} of the training images found at one false alarm in a hundred (95 % "
                "interval {:.1%} to {:.1%}; 1 % is guessing)"
            )
        said = meaning.format(figure.value, figure.low, figure.high)
        verb = "tells" if len(membership.leaks) == 1 else "tell"
        return (
            f"{len(membership.leaks)} of {len(membership.attacks)} attacks {verb} training images "
            f"from others; the best, by {attack_in_words(worst)}, with {said}."
            f"{_short_of_a_leak(membership)}"
        )
    best = _strongest(membership.attacks)
    return (
        f"None of {len(membership.attacks)} attacks told training images from others as a "
        f"leak would; the highest area was {_area(best.auc)}; 0.5 is guessing. A "
        "classifier that saw the films alone, and no synthetic image, reached "
        f"{_area(best.blind_auc)}.{_explained(membership)}{_short_of_a_leak(membership)}"
    )


def attack_in_words(name: str) -> str:
    """What an attack goes by, in words."""
    attack, _, space = name.partition("@")
    return ATTACKS.get(attack, attack) + (f" in {space}" if space else "")


def _short_of_a_leak(membership: Membership) -> str:
    """A sentence on the attacks that nearly passed the level of leaks."""
    near = {
        attack_in_words(name): attack.p_value
        for name, attack in sorted(membership.attacks.items(), key=lambda item: item[1].p_value)
        if LEVEL < attack.p_value <= WORTH_A_WORD
    }
    if not near:
        return ""
    said = " and ".join(f"by {words} (p = {p_value:.1g})" for words, p_value in near.items())
    which = "That" if len(near) == 1 else "Those"
    return (
        f" {which} {said} did better than chance, all attacks accounted for, short of the {LEVEL} "
        "of a leak; a small leak could hide in that."
    )


def _explained(membership: Membership) -> str:
    """How many attacks the controls alone keep from being leaks, and what that means."""
    count = sum(attack.explained for attack in membership.attacks.values())
    if not count:
        return ""
    why = f"since they did so by less than the margin of {MARGIN}"
    if not membership.exchangeable:
        why = (
            "since they did no better than that classifier may (two groups of films differ, if "
            f"only by chance) or by less than the margin of {MARGIN}"
        )
    return (
        f" {count} of the attacks did better than chance explains. They are not called a leak, "
        f"{why}; a small leak could hide in that."
    )


def _area(figure: Estimate) -> str:
    return f"{figure.value:.2f} (95 % interval {figure.low:.2f} to {figure.high:.2f})"


def _strongest(attacks: Mapping[str, Attack]) -> Attack:
    return max(attacks.values(), key=lambda attack: attack.auc.value)


def _power(copies: Copies) -> str:
    """What a copy check that found nothing could have found."""
    shares = copies.recognised.items()
    seen = [kind for kind, share in shares if share >= NEARLY_ALL]
    mostly = [kind for kind, share in shares if 0.5 <= share < NEARLY_ALL]
    missed = [kind for kind, share in shares if share < 0.5]
    said = []
    if seen:
        said.append(f"a single copy would have been recognised if {_either(seen)}")
    if mostly:
        said.append(
            f"mostly if {_either(mostly)}"
            if seen
            else f"a single copy would mostly have been recognised if {_either(mostly)}"
        )
    if missed:
        said.append(f"single copies that were {_either(missed)} would mostly have been missed")
    return ("; ".join(said)[:1].upper() + "; ".join(said)[1:] + ".") if said else ""


def _either(kinds: list[str]) -> str:
    return " or ".join(PLANTED[kind].words for kind in kinds)


def _planted(recognised: Mapping[str, float]) -> str:
    return "; ".join(f"{PLANTED[k].words}: {share:.0%} found" for k, share in recognised.items())
