"""A folder to export to is new, empty, or an earlier export of the same: never somebody else's."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from xraygan.errors import XrayganError
from xraygan.runs import is_litter, read_json, write_json

PROVENANCE = "provenance.json"


@contextlib.contextmanager
def claimed(out: Path, facts: dict[str, Any], same: Sequence[str]) -> Iterator[Path]:
    """Use a folder, and write `provenance.json` once everything else is there.

    What is refused on the way leaves nothing in a folder that was new or empty. What is killed
    leaves a hidden file of the same facts in its place, by which the same call goes on.

    Args:
        out: made where it does not exist.
        facts: what is exported.
        same: names of the facts that an earlier export has to share.

    Yields:
        Where the facts will be.

    Raises:
        XrayganError: the folder holds something else.
    """
    provenance, begun = out / PROVENANCE, out / f".{PROVENANCE}"
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    found = read_json(provenance) or read_json(begun)
    if found is None and not all(map(is_litter, out.iterdir())):
        raise XrayganError(f"{out}: holds other files; give a new or empty folder")
    if found is not None and (
        not isinstance(found, dict) or any(found.get(key) != facts[key] for key in same)
    ):
        raise XrayganError(f"{out}: holds another export; give another folder or delete this one")
    if found is None:
        write_json(begun, facts)
    try:
        yield provenance
    except BaseException:
        if made:
            shutil.rmtree(out)
        elif found is None:
            _empty(out)
        raise
    write_json(provenance, facts)
    begun.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if is_litter(path):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
