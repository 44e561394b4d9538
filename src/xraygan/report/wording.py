"""Numbers and foreign text as a reader should meet them."""

import math
import re
import unicodedata
from collections.abc import Iterable

from xraygan.estimates import Estimate

WITHHELD = "(left out: it names a file or a source)"

_MOST_DECIMALS = 6
_NAMES_A_FILE = re.compile(
    r"""(?:^|[\s"'`(\[=:,;])(?:file:|~?/|[A-Za-z]:[\\/]|\\\\|\.{1,2}[\\/])\S"""
    r"|\.(?:jpe?g|png|dcm|dicom|tiff?|bmp|gif|webp|csv|npy|npz|zip|tar|gz)\b",
    re.IGNORECASE,
)


def number(value: float | None, decimals: int = 3) -> str:
    """A number with a true minus sign and thousands apart; a dash for what is not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "−")


def decimals_of(value: float, low: float | None, high: float | None) -> int:
    """Decimals that show half the interval's width with two digits, with one from 0.355 up.

    Without an interval the figure has three digits. Source: Particle Data Group, Review of
    Particle Physics, Introduction, section 5.3 (the digits of an uncertainty).
    """
    width = 0.0 if low is None or high is None else high - low
    half = width / 2 if math.isfinite(width) else 0.0
    scale = half or abs(value) / 10
    if not (math.isfinite(scale) and scale > 0):
        return 2
    power = math.floor(math.log10(scale))
    digits = 1 if half and half >= 3.55 * 10.0**power else 2
    return min(max(digits - 1 - power, 0), _MOST_DECIMALS)


def value_of(estimate: Estimate) -> str:
    """The figure alone."""
    return number(estimate.value, decimals_of(estimate.value, estimate.low, estimate.high))


def interval_of(estimate: Estimate) -> str:
    """The 95 % interval: "0.098 to 0.137"."""
    decimals = decimals_of(estimate.value, estimate.low, estimate.high)
    return f"{number(estimate.low, decimals)} to {number(estimate.high, decimals)}"


def floor_of(estimate: Estimate) -> str:
    """The real-against-real figure with its interval, or a dash."""
    if estimate.floor is None:
        return "–"
    decimals = decimals_of(estimate.floor, estimate.floor_low, estimate.floor_high)
    text = number(estimate.floor, decimals)
    if estimate.floor_low is None or estimate.floor_high is None:
        return text
    low, high = number(estimate.floor_low, decimals), number(estimate.floor_high, decimals)
    return f"{text} ({low} to {high})"


def clean(text: str) -> str:
    """Foreign text that can neither break a line nor turn a page round.

    Control characters and lone surrogates become U+FFFD; marks that change the direction of
    what follows are dropped; white space is one blank.
    """
    shown = (
        " " if c.isspace() else "\ufffd" if unicodedata.category(c) in {"Cc", "Cs"} else c
        for c in text
        if unicodedata.bidirectional(c) not in _DIRECTIONS
    )
    return " ".join("".join(shown).split())


_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


_ORDINARY = frozenset(
    re.findall(
        r"\w+",
        """
    age all anatomy another area attack attacks audit augmentation bank baseline best cases chance
    chest class classes collection collections control controls copied copies copy copying data
    database dataset datasets density disease distance evaluation evidence exam examples export
    feature features figures film films filter final finding findings folder found full gan
    generated generator group held holdout image images imaging inception input kernel labels leak
    leaks left likeness lung lungs made measured member members membership model models net network
    new none normal nothing number original other others output part patient patients phantom
    picture pictures pixels plain planted private public radiographs random raw real reals reference
    references release report result results right run runs safe same sample samples scans score
    scores seed set sets sex shared side size small source split splits studies study subset
    synthetic test tested testing train trained training true utility val validation verdict
    verdicts views weights whole work xray xrays
    """,
    )
)
"""Words of our own sentences that folders are called as well: such a name tells nothing."""


class Censor:
    """Lets plain sentences through and holds back those that name a file or the data's source.

    Args:
        names: of the source and its like, which must not appear as whole words; those under
            three letters and ordinary single words ("images") tell nothing and are ignored.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        folded = (clean(name).casefold() for name in names)
        telling = [name for name in folded if len(name) > 2 and name not in _ORDINARY]
        self._names = [re.compile(_as_a_word(name)) for name in telling]

    def __call__(self, text: object) -> str:
        """The cleaned text, or a remark that it was left out."""
        cleaned = clean(str(text))
        lower = cleaned.casefold()
        if _NAMES_A_FILE.search(cleaned) or any(name.search(lower) for name in self._names):
            return WITHHELD
        return cleaned


def _as_a_word(name: str) -> str:
    """A pattern for a name that is no part of a longer word; an underscore ends a word."""
    before = r"(?<![^\W_])" if name[0].isalnum() else ""
    after = r"(?![^\W_])" if name[-1].isalnum() else ""
    return f"{before}{re.escape(name)}{after}"


def count(value: float | None) -> str:
    """A whole number with thousands apart; a dash for what is unknown."""
    return number(value, 0)


def setting(value: object) -> str:
    """A setting's value as a reader knows it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
