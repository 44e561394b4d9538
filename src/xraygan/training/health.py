"""Signs that the game goes wrong, and what to do about each."""

from collections.abc import Mapping, Sequence

TICKS = 3
"""A sign counts when it holds for so many ticks: one tick may be bad luck."""
OVERWHELMED = 0.1
"""D's loss below this: it is sure of 9 pairs in 10 and more; ln 2 is balance."""
COLLAPSED = 0.5
"""Fakes of a batch that differ from one another less than this share of the reals' spread."""
UNMOVED = 0.68
"""D's loss above this, after `SETTLED` images: it tells nothing apart; ln 2 = .693 is guessing."""
SETTLED = 10_000


def concerns(rows: Sequence[Mapping[str, float]], real_spread: float) -> dict[str, str]:
    """What the last ticks give reason to say.

    Args:
        rows: of metrics.jsonl, oldest first.
        real_spread: mean over pixels of the reals' standard deviation in a batch, [-1, 1]
            intensity, as "fake_spread" is of the fakes.

    Returns:
        Kind of concern to one sentence with a remedy; empty where all is well.
    """
    last = rows[-TICKS:]
    if len(last) < TICKS:
        return {}
    found = {}
    loss = max(row["d_loss"] for row in last)
    if loss < OVERWHELMED:
        found["overwhelmed"] = (
            f"the discriminator overwhelms the generator (D loss {loss:.2f}; balance is 0.69): "
            "the pictures will hardly improve from here; start a new run with three times the "
            "--gamma, or with more training images"
        )
    spread = max(row["fake_spread"] for row in last)
    if spread < COLLAPSED * real_spread:
        found["collapsed"] = (
            f"the generator's images are much more alike than real ones (spread {spread:.2f}, "
            f"reals {real_spread:.2f}): it is collapsing; start a new run with half the "
            "--learning-rate, or with three times the --gamma"
        )
    spreads = [row["least_class_spread"] for row in rows if "least_class_spread" in row][-2:]
    if "collapsed" not in found and len(spreads) == 2 and max(spreads) < COLLAPSED:
        found["class collapsed"] = (
            f"the generator's images of one class are much more alike than its films (spread "
            f"{max(spreads):.0%} of theirs): it is collapsing; start a new run with half the "
            "--learning-rate, or with three times the --gamma"
        )
    if last[0].get("images_seen", 0) >= SETTLED and min(row["d_loss"] for row in last) > UNMOVED:
        found["unmoved"] = (
            f"the discriminator tells nothing apart (D loss {loss:.2f}; 0.69 is guessing), so that "
            "the pictures stay as they began; start a new run with a third of the --gamma, or "
            "with a higher --learning-rate"
        )
    return found
