"""Pictures from a run folder, taken apart, checked and made small enough to embed.

A page stays under ten megabytes whatever the run: each kind of picture has a budget of pixels,
and PNG spends little more than a byte on the worst of them.
"""

import csv
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraygan.errors import XrayganError
from xraygan.pictures import GRID_COLUMNS, GRID_PICTURES, grid, shown_classes
from xraygan.report.content import Pair, Picture
from xraygan.runs import INTERNAL, MOST_IMITATED, sample_grids

EXAMPLES = 20
"""Synthetic images of each class at most."""
EXAMPLE_PIXELS = 2_000_000
REALS = 20
REAL_PIXELS = 1_500_000
MOMENTS = 4
MOMENT_TILES = 6
MOMENT_PIXELS = 1_000_000
PAIRS = 20
PAIR_PIXELS = 1_500_000
LARGEST_TILE = 256
# Grids as pictures.save_grid writes them.
_GAP, _DOUBLED_UP_TO = 2, 64


def examples(
    synthetic: Path, classes: Sequence[str], resolution: int
) -> tuple[dict[str, tuple[Picture, ...]], Counter[str]]:
    """The first synthetic images of each class, and how many there are.

    Args:
        synthetic: folder with manifest.csv; may be missing.
        classes: whose images are wanted.
        resolution: their side; files of another size are passed over.

    Returns:
        Pictures by class, and all images by class.

    Raises:
        XrayganError: the manifest is damaged.
    """
    share, side = _room(EXAMPLE_PIXELS, len(classes), EXAMPLES, resolution)
    found: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in classes}
    counts: Counter[str] = Counter()
    for name, file in _manifest(synthetic):
        counts[name] += 1
        if name in found and len(found[name]) < share:
            image = _read_grey(synthetic / file, synthetic)
            if image is not None and image.shape == (resolution, resolution):
                found[name].append(image)
    shown = {
        name: tuple(
            picture(image, f"Synthetic chest X-ray of class {name}, example {n}", side)
            for n, image in enumerate(images, 1)
        )
        for name, images in found.items()
    }
    return shown, counts


def moments(run: Path, counts: Sequence[int], resolution: int) -> tuple[tuple[float, Picture], ...]:
    """The same noise at some snapshots from the first to the last: a row of pictures a class.

    Args:
        run: the run folder.
        counts: training images by class number.
        resolution: side of the images.

    Returns:
        (thousand images seen, picture), oldest first; empty where there are no grids.
    """
    files = list(sample_grids(run).items())
    chosen = sorted({round(i) for i in np.linspace(0, len(files) - 1, MOMENTS)} if files else ())
    shown = []
    for kimg, path in (files[i] for i in chosen):
        drawn = [GRID_PICTURES if count else 0 for count in counts]
        rows = [row for row in by_class(_tiles(path, run, resolution), drawn) if row]
        if rows:
            shown.append((kimg, _moment(rows, kimg, resolution)))
    return tuple(shown)


def _moment(rows: list[list[NDArray[np.uint8]]], kimg: float, resolution: int) -> Picture:
    shown = rows[: max(MOMENT_PIXELS // (MOMENTS * MOMENT_TILES * 64 * 64), 1)]
    count, side = _room(MOMENT_PIXELS // MOMENTS, len(shown), MOMENT_TILES, resolution)
    small = [np.stack([shrink(tile, side) for tile in row[:count]]) for row in shown]
    alt = f"Synthetic images of the same noise after {kimg} thousand images, a row for each class"
    return encode(grid(small), alt)


def reals(run: Path, counts: Mapping[str, int], resolution: int) -> dict[str, tuple[Picture, ...]]:
    """Real training images by class, from `reals.png`; empty where it is missing or differs.

    Args:
        run: the run folder.
        counts: training images by class, in the order of class numbers.
        resolution: side of the images.
    """
    rows = by_class(_tiles(run / "reals.png", run, resolution), list(counts.values()))
    share, side = _room(REAL_PIXELS, len(counts), REALS, resolution)
    return {
        name: tuple(
            picture(tile, f"Real training image of class {name}, example {n}", side)
            for n, tile in enumerate(row[:share], 1)
        )
        for name, row in zip(counts, rows, strict=False)
    }


def pairs(file: Path) -> tuple[Pair, ...]:
    """The closest pairs that the audit left in the house, in its order: the worst first.

    They are as large as the audit looked at them, which need not be the run's resolution.

    Raises:
        XrayganError: the file is damaged.
    """
    if not file.is_file():
        return ()
    try:
        with np.load(file, allow_pickle=False) as arrays:
            similarity = arrays["similarity"]
            shown = arrays["synthetic"], arrays["train"], arrays["difference"]
        resolution = shown[0].shape[-1]
        shape = (len(similarity), resolution, resolution)
        if similarity.dtype.kind != "f" or similarity.ndim != 1:
            raise ValueError(f"similarities of {similarity.dtype} {similarity.shape}")
        for images in shown:
            if images.dtype != np.uint8 or images.shape != shape:
                raise ValueError(f"images of {images.dtype} {images.shape}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise XrayganError(f"{file}: cannot be read ({error}); run xraygan audit again") from None
    _, side = _room(PAIR_PIXELS, 3, PAIRS, resolution)
    return tuple(
        _pair(shown[0][i], shown[1][i], shown[2][i], float(similarity[i]), i + 1, side)
        for i in range(min(len(similarity), PAIRS))
    )


def most_imitated(run: Path, resolution: int) -> tuple[Picture, ...]:
    """A film of each of the most imitated patients, as the audit left them in the house."""
    rows = _tiles(run / INTERNAL / MOST_IMITATED, run, resolution)
    films = [tile for row in rows for tile in row]
    return tuple(
        picture(film, f"Film of the patient of rank {rank}", LARGEST_TILE)
        for rank, film in enumerate(films, 1)
    )


def _pair(
    made: NDArray[np.uint8],
    trained: NDArray[np.uint8],
    difference: NDArray[np.uint8],
    similarity: float,
    rank: int,
    side: int,
) -> Pair:
    return Pair(
        picture(made, f"Pair {rank}: synthetic image", side),
        picture(trained, f"Pair {rank}: real training image", side),
        picture(
            difference,
            f"Pair {rank}: synthetic, laid upon the real one, minus it; mid grey where equal",
            side,
        ),
        similarity,
    )


def _manifest(synthetic: Path) -> Iterator[tuple[str, str]]:
    manifest = synthetic / "manifest.csv"
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, strict=True):
                if row["class"] is None or row["file"] is None:
                    raise ValueError("a row is cut short")
                yield row["class"], row["file"]
    except FileNotFoundError:
        return
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise XrayganError(
            f"{manifest}: cannot be read ({error}); generate the images again"
        ) from None


def _read_grey(path: Path, inside: Path) -> NDArray[np.uint8] | None:
    """A grey PNG of bounded size that lies inside a folder, or None."""
    try:
        if not path.resolve().is_relative_to(inside.resolve()):
            return None
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode != "L":
                return None
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _tiles(path: Path, inside: Path, resolution: int) -> list[list[NDArray[np.uint8]]]:
    """A grid that `save_grid` wrote, taken apart; empty if it is missing or of another shape."""
    drawn = _read_grey(path, inside)
    if drawn is None:
        return []
    drawn = drawn[::2, ::2] if resolution <= _DOUBLED_UP_TO else drawn
    step = resolution + _GAP
    if any((side - _GAP) % step for side in drawn.shape):
        return []
    starts = [range(_GAP, side, step) for side in drawn.shape]
    return [
        [drawn[top : top + resolution, left : left + resolution] for left in starts[1]]
        for top in starts[0]
    ]


def by_class(
    rows: list[list[NDArray[np.uint8]]], available: Sequence[int]
) -> list[list[NDArray[np.uint8]]]:
    """A snapshot's grid as the images of each class.

    Args:
        rows: of the grid.
        available: images of each class that there were to draw.

    Returns:
        Images a class, without padding; empty where the grid cannot be such a one.
    """
    shown = shown_classes(available)
    drawn = [min(count, shown.get(number, 0)) for number, count in enumerate(available)]
    heights = [math.ceil(count / GRID_COLUMNS) for count in drawn]
    if not rows or sum(heights) != len(rows):
        return []
    ends = np.cumsum(heights)
    return [
        [tile for row in rows[end - height : end] for tile in row][:count]
        for end, height, count in zip(ends, heights, drawn, strict=True)
    ]


def _room(pixels: int, classes: int, most: int, resolution: int) -> tuple[int, int]:
    """How many pictures a class may show and at what side, within a budget of pixels."""
    per_class = pixels // max(classes, 1)
    side = min(resolution, LARGEST_TILE)
    while side > 32 and per_class // side**2 < min(most, 8):
        side //= 2
    return max(min(most, per_class // side**2), 1), side


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A square image area-averaged to `side`, if it is larger."""
    if image.shape[0] <= side:
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def picture(image: NDArray[np.uint8], alt: str, side: int) -> Picture:
    """One image [R, R] as a picture of at most `side` pixels."""
    return encode(shrink(image, side), alt)


def encode(image: NDArray[np.uint8], alt: str) -> Picture:
    """A grey image [H, W] as PNG."""
    level = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    data = cv2.imencode(".png", np.ascontiguousarray(image), level)[1].tobytes()
    return Picture(data, alt, image.shape[1], image.shape[0])
