"""A prepared data set as two pages: figures to read, and contact sheets for the house."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from xraygan.config import DataSettings
from xraygan.data.dataset import Dataset
from xraygan.data.folders import is_dicom_name
from xraygan.data.manifest import SPLITS, column
from xraygan.data.views import known_view
from xraygan.pictures import grid
from xraygan.report import plots, wording
from xraygan.report.content import Picture
from xraygan.report.tiles import encode, shrink
from xraygan.runs import INTERNAL, refusing_disk_faults, write_whole
from xraygan.version import __version__

PAGE, SHEETS = "summary.html", "contact-sheets.html"
MARK = "INTERNAL: this page shows patients. It must not leave the house."
NOT_KNOWN = "not known"
STEPS = 64
"""Steps of an intensity histogram, four grey levels each."""
_COLUMNS, _SHOWN, _SHOWN_TEXT, _TILE = 16, 64, 256, 96
_OLDEST = 90


@dataclass(frozen=True)
class ClassIntensity:
    """The grey levels of one class.

    Attributes:
        name: of the class.
        drawing: the histogram, as SVG.
        mean: grey level of 255.
        spread: standard deviation over all pixels, in grey levels.
        black: share of pixels that are 0.
        white: share of pixels that are 255.
    """

    name: str
    drawing: str
    mean: float
    spread: float
    black: float
    white: float


@dataclass(frozen=True)
class Sheet:
    """Films side by side.

    Attributes:
        title: what they have in common.
        shown: how many there are on it.
        all: how many there were.
        picture: the sheet; None where there are none.
    """

    title: str
    shown: int
    all: int
    picture: Picture | None


def write_pages(out: Path, dataset: Dataset, description: Mapping[str, Any]) -> list[Path]:
    """Write `summary.html` and, in a folder for its owner alone, `internal/contact-sheets.html`.

    The first holds figures and no film, file name or patient; the second shows films.

    Args:
        out: folder of the data set.
        dataset: what was written into it.
        description: what its dataset.json holds.

    Returns:
        The two files.

    Raises:
        XrayganError: a disk that refuses.
    """
    page, sheets = pages_of(out)
    with refusing_disk_faults(sheets.parent):
        sheets.parent.mkdir(exist_ok=True)
        sheets.parent.chmod(0o700)
    write_whole(page, render_summary(dataset, description).encode())
    write_whole(sheets, render_sheets(dataset).encode())
    return [page, sheets]


def pages_of(out: Path) -> tuple[Path, Path]:
    """Where the pages of a data set lie: the summary, and the contact sheets."""
    return out / PAGE, out / INTERNAL / SHEETS


def render_summary(dataset: Dataset, description: Mapping[str, Any]) -> str:
    """The page of figures, whole in itself."""
    views = column(dataset.manifest, "view")
    return _render(
        "dataset.html.j2",
        description=description,
        total=len(dataset.images),
        unknown=sum(description["of_unknown_patients"].values()),
        splits=SPLITS,
        looked_for_text=description["settings"]["find_text"]
        or description["source_format"] == "dicom"
        or any(map(is_dicom_name, column(dataset.manifest, "name"))),
        suspected=sum(map(bool, column(dataset.manifest, "burned_in"))),
        known={
            "View": _counted(dataset, (known_view(view) or "" for view in views)),
            "Age in years": _counted(dataset, map(decade, column(dataset.manifest, "age"))),
            "Sex": _counted(dataset, column(dataset.manifest, "sex")),
        },
        intensities=intensities(dataset),
        settings={
            name: (value, DataSettings.model_fields[name].description or "")
            for name, value in description["settings"].items()
        },
    )


def render_sheets(dataset: Dataset) -> str:
    """The contact sheets: some films of each class, and those suspected to have text in them."""
    labels = np.array(column(dataset.manifest, "label"), object)
    suspects = np.array(list(map(bool, column(dataset.manifest, "burned_in"))), bool)
    found = [_sheet(name, dataset.images, labels == name, _SHOWN) for name in dataset.classes]
    text = _sheet("Text suspected", dataset.images, suspects, _SHOWN_TEXT)
    return _render("contact-sheets.html.j2", sheets=found, text=text, notes=dataset.notes)


def intensities(dataset: Dataset) -> list[ClassIntensity]:
    """The grey levels of each class, over all its images."""
    labels = column(dataset.manifest, "label")
    counts = {name: np.zeros(256, np.int64) for name in dataset.classes}
    for image, label in zip(dataset.images, labels, strict=True):
        counts[label] += np.bincount(image.ravel(), minlength=256)
    return [_intensity(name, levels / levels.sum()) for name, levels in counts.items()]


def decade(age: str) -> str:
    """Ten years that an age lies in: "40 to 49"; "90 and over"; "" where it is not known."""
    if not age:
        return ""
    start = 10 * math.floor(float(age) / 10)
    return f"{start} to {start + 9}" if start < _OLDEST else f"{_OLDEST} and over"


def _intensity(name: str, shares: np.ndarray) -> ClassIntensity:
    grey = np.arange(256)
    mean = float(shares @ grey)
    title = f"{name}: share of pixels by grey level"
    steps = shares.reshape(STEPS, -1).sum(axis=1).tolist()
    return ClassIntensity(
        name,
        plots.histogram(steps, title, ("0, black", "255, white")),
        mean,
        float(np.sqrt(shares @ (grey - mean) ** 2)),
        float(shares[0]),
        float(shares[-1]),
    )


def _counted(dataset: Dataset, values: Iterable[str]) -> dict[str, dict[str, int]]:
    """Images by value and split; nothing where no value is known."""
    splits = column(dataset.manifest, "split")
    found = Counter(zip(values, splits, strict=True))
    names = sorted({value for value, _ in found if value}, key=_in_order)
    if not names:
        return {}
    told = {name: {split: found[name, split] for split in SPLITS} for name in names}
    unknown = {split: found["", split] for split in SPLITS}
    return told | ({NOT_KNOWN: unknown} if any(unknown.values()) else {})


def _in_order(name: str) -> tuple[int, str]:
    """Decades by their first year, other names by the alphabet."""
    first = name.partition(" ")[0]
    return (int(first) if first.isdecimal() else 0, name)


def _sheet(title: str, images: np.ndarray, wanted: Sequence[bool] | np.ndarray, most: int) -> Sheet:
    rows = np.flatnonzero(wanted)
    # Evenly over the set, so that every split and source folder is seen.
    shown = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]
    if not len(shown):
        return Sheet(title, 0, 0, None)
    side = min(images.shape[1], _TILE)
    tiles = np.stack([shrink(images[row], side) for row in shown])
    lines = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)]
    return Sheet(title, len(shown), len(rows), encode(grid(lines), f"{title}: real films"))


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("xraygan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": wording.count}
    return environment.get_template(template).render(version=__version__, mark=MARK, **values)
