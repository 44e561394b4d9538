"""What a view is called, in tables and in DICOM alike."""

import functools
import re
import unicodedata

# In this order: a word for a view that is not from the front settles it, whatever stands beside.
_WORDS = {
    view: re.compile(words)
    for view, words in {
        "LATERAL": r"\b(?:[LR]L|[LR]LD|[LR]?LAT)\b|(?<!BI)LATERAL|\bSAGITTAL|DECUB|SEITL"
        r"|PROFIL|PERFIL",
        "OBLIQUE": r"\bOBL|\bSCHRAE?G|\b(?:[LR][AP]O|[LR]LO)\b",
        "LORDOTIC": r"\bLORDO|\bAPICAL",
        "COSTAL": r"\bCOSTAL\b",
        "OTHER": r"\bAXIAL|\bTANGENTIAL|\bSWIMMER",
        "PA": r"\bP ?A\b|\bPOSTERI?O ?ANTERI|\bPOST ?ANT\b",
        "AP": r"\bA ?P\b|\bANTERI?O ?POSTERI|\bANT ?POST\b",
        "FRONTAL": r"\bFRONTALE?\b|\bFRENTE\b",
    }.items()
}
VIEWS = frozenset(_WORDS)
"""What `known_view` gives; "FRONTAL" is one of PA and AP, "OTHER" is known to be neither."""
_PADCHEST_LATERAL = "L"


def plain(text: str) -> str:
    """Text in capitals, without marks on letters and without dots."""
    letters = unicodedata.normalize("NFKD", text.upper()).replace(".", "")
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@functools.lru_cache(maxsize=1024)
def known_view(text: str) -> str | None:
    """One of `VIEWS`; None where no word is known: nothing of the text itself comes out."""
    if text.strip().upper() == _PADCHEST_LATERAL:
        return "LATERAL"
    # "LAT_ERECT" is two words, and "\b" is no end of one before an underscore.
    words = re.sub(r"[^A-Z]+", " ", plain(text))
    found = [view for view, pattern in _WORDS.items() if pattern.search(words)]
    if found[:2] == ["PA", "AP"]:
        return "FRONTAL"
    return found[0] if found else None


def parse_view(text: str) -> str | None:
    """A `known_view`, else the text itself in capitals; None for none."""
    return known_view(text) or text.strip().upper() or None
