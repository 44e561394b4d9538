"""Small made-up trees in the shape of real collections."""

from collections.abc import Iterable
from pathlib import Path

from data_pictures import write

from xraygan.config import PixelSettings
from xraygan.data.listing import Listing
from xraygan.data.sources import list_source


def films(root: Path, *names: str, start: int = 0) -> Path:
    """A film at each of these names, no two alike."""
    for seed, name in enumerate(names, start=start):
        write(root / name, seed, height=40, width=40)
    return root


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def listed(source: Path, **settings: object) -> Listing:
    return list_source(source, PixelSettings(**settings))


def classes(listing: Listing) -> dict[str, str]:
    """Class by file name (without folders)."""
    return {file.name.rpartition("/")[2]: file.label for file in listing.files}


def why(listing: Listing) -> dict[str, str]:
    return {name.rpartition("/")[2]: reason for name, reason in listing.refused}


def one(listing: Listing, name: str):
    """The file whose name ends so."""
    (found,) = (file for file in listing.files if file.name.endswith(name))
    return found


def joined(parts: Iterable[str]) -> str:
    return ",".join(parts)
