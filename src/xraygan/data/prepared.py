"""A prepared data set as a folder that any tool reads: PNG by split and class, and tables."""

import contextlib
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from xraygan.config import DataSettings, shareable
from xraygan.data import store
from xraygan.data.cache import has_own_cache, write_own_cache
from xraygan.data.dataset import Dataset
from xraygan.data.duplicates import without_name
from xraygan.data.entries import sort_key
from xraygan.data.listing import DESCRIPTION, PREPARED
from xraygan.data.manifest import SPLITS, column, set_column
from xraygan.data.pseudonyms import pseudonym, pseudonym_of_unknown, read_salt
from xraygan.data.views import known_view
from xraygan.errors import XrayganError
from xraygan.names import class_folders
from xraygan.runs import (
    is_litter,
    read_json,
    refusing_disk_faults,
    sha256_of,
    write_json,
    write_whole,
)
from xraygan.version import __version__

METADATA, REFUSED = "metadata.csv", "refused.csv"
_TOLD = ("view", "age", "sex", "labels", "burned_in", "held_back")
_COLUMNS = ("file_name", "label", "split", "patient", *_TOLD)


def write_dataset(
    dataset: Dataset,
    out: Path,
    settings: DataSettings,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write `{split}/{class}/*.png`, metadata.csv (a split's too), refused.csv and dataset.json.

    What `xraygan.data.cache.prepare` makes of them lies beside them (`write_own_cache`).

    Nothing in it names a patient or a source file: images are called by a hash of their pixels,
    patients and refused files by keyed hashes whose salt stays in the cache. An interrupted call
    is taken up by the next; a call with nothing new writes nothing; images of an earlier state
    of the data set are removed.

    Args:
        dataset: what `xraygan.data.cache.prepare` gave.
        out: a new or empty folder, or one that this function wrote.
        settings: those that the data set was made with.
        progress: called with (images written, images).

    Returns:
        What dataset.json holds, and "unchanged": whether it was so before.

    Raises:
        XrayganError: a folder that holds something else, or that cannot be written.
    """
    check_target(out)
    with refusing_disk_faults(out):
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            return _write(dataset, out, settings, progress)


def _write(
    dataset: Dataset,
    out: Path,
    settings: DataSettings,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    salt = read_salt(dataset.folder.parent)
    metadata = _metadata(dataset, salt)
    tables = {METADATA: _csv(metadata), **_split_tables(metadata)}
    tables[REFUSED] = _csv(_refused(dataset, salt))
    description = _description(dataset, settings, metadata)
    description["files"] = {
        name: hashlib.sha256(table).hexdigest() for name, table in tables.items()
    }
    unchanged = _is_whole(out, description, set(column(metadata, "file_name")))
    if not unchanged:
        _write_files(dataset, out, metadata, tables, description, progress)
    if not unchanged or not has_own_cache(out):
        write_own_cache(out, description["resolution"])
    return {**description, "unchanged": unchanged}


def _write_files(
    dataset: Dataset,
    out: Path,
    metadata: pd.DataFrame,
    tables: dict[str, bytes],
    description: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Images, tables, and last the description, which vouches for them."""
    write_json(out / DESCRIPTION, {"format": PREPARED, "complete": False})
    names = column(metadata, "file_name")
    for done, (name, image) in enumerate(zip(names, dataset.images, strict=True), start=1):
        _write_image(out / name, image)
        if progress:
            progress(done, len(names))
    _remove_others(out, {*names, *tables})
    for name, table in tables.items():
        write_whole(out / name, table)
    write_json(out / DESCRIPTION, description)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise XrayganError(
            f"{out}: another xraygan is writing here; wait for it, or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_target(out: Path) -> None:
    """See that a data set may be written there, before any film is read.

    Raises:
        XrayganError: a file, or a folder that holds something else.
    """
    if out.exists() and not out.is_dir():
        raise XrayganError(f"--out {out}: is a file; name a folder")
    if not out.exists() or all(p.name == ".lock" or is_litter(p) for p in out.iterdir()):
        return
    found = read_json(out / DESCRIPTION)
    if not isinstance(found, dict) or found.get("format") != PREPARED:
        raise XrayganError(
            f"--out {out}: holds something else than a prepared data set; name a new folder"
        )


def _metadata(dataset: Dataset, salt: bytes) -> pd.DataFrame:
    """One row an image, in the data set's order."""
    manifest = dataset.manifest
    folders = class_folders(dataset.classes)
    labels, splits = column(manifest, "label"), column(manifest, "split")
    taken: Counter[str] = Counter()
    names = []
    for image, split, label in zip(dataset.images, splits, labels, strict=True):
        name = f"{split}/{folders[label]}/{hashlib.sha256(image.tobytes()).hexdigest()[:16]}"
        taken[name] += 1
        again = f"-{taken[name]}" if taken[name] > 1 else ""
        names.append(f"{name}{again}.png")
    patients = column(manifest, "patient")
    keys = patients  # what was prepared before has keys already
    if not dataset.final:
        films = set(column(manifest, "name"))
        keys = [(pseudonym_of_unknown if p in films else pseudonym)(salt, p) for p in patients]
    given = {name: column(manifest, name) for name in _TOLD}
    given["view"] = [known_view(view) or "" for view in given["view"]]  # free text stays here
    table = {"file_name": names, "label": labels, "split": splits, "patient": keys, **given}
    return pd.DataFrame(table, columns=list(_COLUMNS), dtype=object)


def _split_tables(metadata: pd.DataFrame) -> dict[str, bytes]:
    """The rows of each split, for its own folder: where there are splits `datasets` looks there."""
    found = {}
    for split in SPLITS:
        rows = metadata[metadata["split"] == split].copy()
        names = [name.removeprefix(f"{split}/") for name in column(rows, "file_name")]
        if names:
            set_column(rows, "file_name", names)
            found[f"{split}/{METADATA}"] = _csv(rows)
    return found


def _refused(dataset: Dataset, salt: bytes) -> pd.DataFrame:
    """Every refused file by its keyed hash, and why; the cache's own list has the names."""
    rows = [
        (pseudonym(salt, name), without_name(why))
        for name, why in dataset.refused.itertuples(index=False, name=None)
    ]
    return pd.DataFrame(rows, columns=["file", "reason"], dtype=object)


def _description(
    dataset: Dataset, settings: DataSettings, metadata: pd.DataFrame
) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    pairs = zip(column(metadata, "split"), column(metadata, "label"), strict=True)
    for (split, label), number in sorted(Counter(pairs).items()):
        counts[split][label] = number
    names = hashlib.sha256("\n".join(sorted(column(metadata, "file_name"))).encode())
    reasons = Counter(column(_refused(dataset, b""), "reason"))
    return {
        "format": PREPARED,
        "complete": True,
        "made_by": f"xraygan {__version__}",
        "source_format": dataset.source_format,
        "fingerprint": dataset.fingerprint,
        "settings": shareable(DataSettings, settings.model_dump(mode="json")),
        "resolution": int(dataset.images.shape[1]),
        "classes": list(dataset.classes),
        "label_sets": dataset.label_sets,
        "counts": counts,
        "patients": {split: dataset.patients(split) for split in SPLITS},
        "of_unknown_patients": {split: dataset.of_unknown_patients(split) for split in SPLITS},
        "refused": dict(sorted(reasons.items())),
        "images_sha256": names.hexdigest(),
    }


def _is_whole(out: Path, description: dict[str, Any], names: Set[str]) -> bool:
    """Whether the folder holds this very data set already, with images of these names."""
    if read_json(out / DESCRIPTION) != description:
        return False
    files = description["files"]
    if any(not (out / name).is_file() or sha256_of(out / name) != files[name] for name in files):
        return False
    there = {path.relative_to(out).as_posix() for path in _images(out) if path.stat().st_size}
    return there == names


def _images(out: Path) -> Iterator[Path]:
    for split in SPLITS:
        yield from (out / split).glob("*/*.png")


def _write_image(path: Path, image: np.ndarray) -> None:
    data = cv2.imencode(".png", image)[1].tobytes()
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A hidden name: no reader takes a half-written image for one.
    beside = path.with_name(f".{path.name}.partial")
    beside.write_bytes(data)
    beside.replace(path)


def _remove_others(out: Path, names: set[str]) -> None:
    """Remove images and tables of an earlier state, and folders that they leave empty."""
    halves = (path for split in SPLITS for path in (out / split).glob("*/.*.png.partial"))
    for path in [*_images(out), *halves, *(out / split / METADATA for split in SPLITS)]:
        if path.relative_to(out).as_posix() not in names:
            path.unlink(missing_ok=True)
    for split in SPLITS:
        for folder in (out / split).glob("*"):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _csv(table: pd.DataFrame) -> bytes:
    names = column(table, str(table.columns[0]))
    rows = table.iloc[sorted(range(len(names)), key=lambda row: sort_key(names[row]))]
    stream = io.StringIO()
    store.write_rows(stream, rows)
    return stream.getvalue().encode("utf-8", "surrogateescape")
