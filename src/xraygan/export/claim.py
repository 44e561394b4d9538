"""A folder to export to is new, empty, or an earlier export of the same: never somebody else's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xraygan.errors import XrayganError
from xraygan.runs import read_json, write_json

PROVENANCE = "provenance.json"


def claim(out: Path, facts: dict[str, Any], same: Sequence[str]) -> Path:
    """Use a folder, and write what is exported into its `provenance.json`.

    Args:
        out: made where it does not exist.
        facts: what is exported.
        same: names of the facts that an earlier export has to share.

    Returns:
        The file.

    Raises:
        XrayganError: the folder holds something else.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = read_json(out / PROVENANCE)
    if found is None and any(out.iterdir()):
        raise XrayganError(f"{out}: holds other files; give a new or empty folder")
    if found is not None and (
        not isinstance(found, dict) or any(found.get(key) != facts[key] for key in same)
    ):
        raise XrayganError(f"{out}: holds another export; give another folder or delete this one")
    write_json(out / PROVENANCE, facts)
    return out / PROVENANCE
