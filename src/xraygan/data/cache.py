"""From any source folder to a checked, de-duplicated, patient-split data set on disk."""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs

from xraygan.config import DataSettings, PixelSettings
from xraygan.data import store
from xraygan.data.folders import Listing, list_images, printable, sort_key
from xraygan.data.hashes import hash_files
from xraygan.data.ingest import ingest, strict_error
from xraygan.data.splits import SPLITS, assign, column, compile_pattern, is_duplicate, keep_all
from xraygan.errors import XrayganError
from xraygan.sets import ImageSet

# Part of every key: raise it when the same files and settings give other pixels or splits.
_FORMAT_VERSION = 1
# Settings that change neither pixels nor splits.
_NOT_IN_KEY = {"strict"}
_FEW_TRAINING_IMAGES = 100


@dataclass(frozen=True, eq=False)
class Dataset:
    """A prepared data set.

    Attributes:
        images: uint8 [N, R, R], memory-mapped read-only: training, then validation, then test
            images, each sorted by name.
        manifest: row i describes images[i]: name (posix path relative to the source), split
            ("train", "val", "test"), label, patient, sha256 (of the file's bytes),
            pixel_sha256 (of the decoded grey picture at full size, shape included), width and
            height (of the original, upright, in pixels).
        refused: name and reason of every file that is not used.
        classes: sorted; the index is the class number.
        notes: plain sentences for the user.
        fingerprint: the cache key: the same files and settings give the same one anywhere.
        folder: where in the cache it lies.
    """

    images: np.ndarray
    manifest: pd.DataFrame
    refused: pd.DataFrame
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str
    folder: Path

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and class numbers of one split, without copying the images.

        Args:
            name: "train", "val" or "test".

        Returns:
            uint8 [n, R, R], a read-only view of the memory map, and int32 [n].

        Raises:
            ValueError: another name.
        """
        rows = np.flatnonzero(self._in_split(name))
        start = int(rows[0]) if len(rows) else 0
        numbers = {label: number for number, label in enumerate(self.classes)}
        labels = column(self.manifest, "label")[start : start + len(rows)]
        return (
            self.images[start : start + len(rows)],
            np.array([numbers[label] for label in labels], np.int32),
        )

    def image_set(self, *splits: str) -> ImageSet:
        """The images of some splits, in this order, with labels and patients."""
        rows = np.concatenate([np.flatnonzero(self._in_split(name)) for name in splits])
        numbers = {label: number for number, label in enumerate(self.classes)}
        labels, patients = (column(self.manifest, name) for name in ("label", "patient"))
        return ImageSet(
            self.images[rows],
            np.array([numbers[labels[row]] for row in rows], np.int32),
            np.array([patients[row] for row in rows], object),
            self.classes,
        )

    @property
    def refused_list(self) -> Path:
        """The cache's `refused.csv`: private, since file names can hold patients' names."""
        return self.folder / store.REFUSED

    def patients(self, name: str) -> int:
        """How many different patients a split holds."""
        patients = column(self.manifest, "patient")
        return len({patients[row] for row in np.flatnonzero(self._in_split(name))})

    def _in_split(self, name: str) -> np.ndarray:
        if name not in SPLITS:
            raise ValueError(f"no split '{name}'; there are {', '.join(SPLITS)}")
        return np.array([split == name for split in column(self.manifest, "split")], bool)


def default_cache_dir() -> Path:
    """The folder named by XRAYGAN_CACHE, or the user's cache folder."""
    named = os.environ.get("XRAYGAN_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("xraygan"))


def prepare(
    source: Path,
    settings: DataSettings,
    cache_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Check, de-duplicate, split by patient and cache a folder of X-rays.

    The second call with the same files and settings only reads the cache.

    Args:
        source: `train/ val/ test/` with class folders, class folders alone, or images alone.
        settings: resolution, fit, patients, validation and strictness.
        cache_dir: where to keep the result; see `default_cache_dir`.
        progress: called with (files decoded, files) while the cache is being built.

    Raises:
        XrayganError: no such folder, nothing usable in it, a refused file where `strict`, a
            bad patient pattern, a cache that cannot be written.
    """
    return _cached(source, settings, cache_dir, progress, _for_training)


def read_all(
    source: Path,
    settings: PixelSettings,
    cache_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Read a folder of images as it is, through the same pixels' path and the same cache.

    Nothing is dropped, moved or held back: a copy among synthetic images has to be seen.

    Args:
        source: as for `prepare`.
        settings: resolution, fit, patients and strictness.
        cache_dir: as for `prepare`.
        progress: as for `prepare`.

    Raises:
        XrayganError: as for `prepare`.
    """
    return _cached(source, settings, cache_dir, progress, _as_it_is)


# From source, records, settings and the refused so far to the manifest's rows (not yet in
# order of splits), everything refused, and notes.
_Arrange = Callable[
    [Path, pd.DataFrame, Any, list[tuple[str, str]]],
    tuple[pd.DataFrame, list[tuple[str, str]], list[str]],
]


def _for_training(
    source: Path, table: pd.DataFrame, settings: DataSettings, refused: list[tuple[str, str]]
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    table, spare, notes = assign(table, settings)
    refused = sorted(refused + spare, key=lambda item: sort_key(item[0]))
    _check_enough(source, table, refused)
    return table, refused, notes + _size_notes(table, settings.resolution)


def _as_it_is(
    _source: Path, table: pd.DataFrame, settings: PixelSettings, refused: list[tuple[str, str]]
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    table, _, notes = keep_all(table, settings)
    return table, refused, notes


def _cached(
    source: Path,
    settings: PixelSettings,
    cache_dir: Path | None,
    progress: Callable[[int, int], None] | None,
    arrange: _Arrange,
) -> Dataset:
    source = Path(source)
    cache_dir = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    compile_pattern(settings.patient_pattern)
    listing = list_images(source, skip=cache_dir)
    # A cache that cannot be written may still be read: building is where that matters.
    with contextlib.suppress(OSError):
        store.make_private(cache_dir)
    index_name = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:32]
    hashes, unreadable = hash_files(listing.files, cache_dir / "index" / f"{index_name}.json")
    early = [*listing.refused, *unreadable]
    if settings.strict and early:
        raise strict_error(*min(early, key=lambda item: sort_key(item[0])))
    key = _key(listing, hashes, early, settings)
    dataset = _load(cache_dir / key)
    if dataset is None:
        with store.temporary_folder(cache_dir, key) as folder:
            _build(folder, source, listing, hashes, early, settings, key, progress, arrange)
            store.publish(folder, cache_dir / key)
        dataset = _load(cache_dir / key)
    if dataset is None:
        raise XrayganError(f"the cache {cache_dir / key} was changed while it was being read")
    if settings.strict:
        _check_strict(dataset.refused)
    return dataset


def _key(
    listing: Listing,
    hashes: dict[str, str],
    early: list[tuple[str, str]],
    settings: PixelSettings,
) -> str:
    """SHA-256 over all that decides the result."""
    content = {
        "format": _FORMAT_VERSION,
        "settings": settings.model_dump(mode="json", exclude=_NOT_IN_KEY),
        "notes": listing.notes,
        "files": sorted(hashes.items()),
        "refused": sorted(early),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _load(folder: Path) -> Dataset | None:
    """The data set in a cache folder; None if it is missing, incomplete or damaged."""
    description = store.read_description(folder)
    if description is None or description.get("format") != _FORMAT_VERSION:
        return None
    try:
        images = np.load(folder / store.IMAGES, mmap_mode="r", allow_pickle=False)
        manifest = store.read_table(folder / store.MANIFEST, store.MANIFEST_COLUMNS)
        refused = store.read_table(folder / store.REFUSED, store.REFUSED_COLUMNS)
    except (OSError, ValueError):
        return None
    side = description["resolution"]
    if images.shape != (len(manifest), side, side) or images.dtype != np.uint8:
        return None
    for side_name in ("width", "height"):
        manifest[side_name] = manifest[side_name].astype(np.int64)
    return Dataset(
        images=images,
        manifest=manifest,
        refused=refused,
        classes=tuple(description["classes"]),
        notes=tuple(description["notes"]),
        fingerprint=description["fingerprint"],
        folder=folder,
    )


def _build(
    folder: Path,
    source: Path,
    listing: Listing,
    hashes: dict[str, str],
    early: list[tuple[str, str]],
    settings: PixelSettings,
    key: str,
    progress: Callable[[int, int], None] | None,
    arrange: _Arrange,
) -> None:
    """Write a complete data set into an empty folder."""
    files = [file for file in listing.files if file.name in hashes]
    with (folder / store.IMAGES).open("wb") as stream:
        stream.write(store.npy_header(len(files), settings.resolution))
        records, undecodable = ingest(files, hashes, settings, stream, progress)
    refused = sorted(early + undecodable, key=lambda item: sort_key(item[0]))
    if not records:
        raise _nothing_usable(source, refused)
    columns = [column for column in store.MANIFEST_COLUMNS if column != "patient"]
    table = pd.DataFrame(records, columns=columns).astype(dict.fromkeys(columns[:5], object))
    table, refused, arrange_notes = arrange(source, table, settings, refused)
    ranks = [SPLITS.index(split) for split in column(table, "split")]
    rows = np.argsort(ranks, kind="stable")
    manifest = table[list(store.MANIFEST_COLUMNS)].iloc[rows]
    store.reorder(
        folder / store.IMAGES, len(records), settings.resolution, manifest.index.to_numpy()
    )
    store.write_table(folder / store.MANIFEST, manifest)
    store.write_table(
        folder / store.REFUSED, pd.DataFrame(refused, columns=list(store.REFUSED_COLUMNS))
    )
    store.write_description(
        folder,
        {
            "format": _FORMAT_VERSION,
            "fingerprint": key,
            "resolution": settings.resolution,
            "classes": sorted(set(manifest["label"])),
            "notes": [*listing.notes, *_refusal_notes(refused), *arrange_notes],
        },
    )


def _nothing_usable(source: Path, refused: list[tuple[str, str]]) -> XrayganError:
    reason, count = Counter(reason for _, reason in refused).most_common(1)[0]
    return XrayganError(
        f"no usable image in {source}: all {len(refused)} files were refused, "
        f"most often ({count}) because: {reason}"
    )


def _check_enough(source: Path, table: pd.DataFrame, refused: list[tuple[str, str]]) -> None:
    training = column(table, "split").count("train")
    if training >= 2:
        return
    others = f", {len(table) - training} for validation and test" if len(table) > training else ""
    cause = f" ({len(refused)} files refused, such as: {refused[0][1]})" if refused else ""
    raise XrayganError(
        f"{source} holds {training} usable training {'image' if training == 1 else 'images'}"
        f"{others}{cause}; training needs at least 2 different ones: add images to train/ or "
        "to the class folders"
    )


def _check_strict(refused: pd.DataFrame) -> None:
    for name, reason in refused.itertuples(index=False, name=None):
        if not is_duplicate(reason):
            raise strict_error(name, reason)


def _refusal_notes(refused: list[tuple[str, str]]) -> list[str]:
    reasons = Counter(reason for _, reason in refused if not is_duplicate(reason))
    if not reasons:
        return []
    reason, count = reasons.most_common(1)[0]
    return [f"{reasons.total()} files refused, most often ({count}): {printable(reason)}."]


def _size_notes(manifest: pd.DataFrame, resolution: int) -> list[str]:
    """Sentences about too little data, missing splits and enlarged images."""
    notes = []
    splits = column(manifest, "split")
    training = splits.count("train")
    if training < _FEW_TRAINING_IMAGES:
        notes.append(
            f"Only {training} training images: a model will copy them rather than learn; "
            "hundreds are a start, thousands are better."
        )
    rows = [row for row, split in enumerate(splits) if split == "train"]
    labels, patients = column(manifest, "label"), column(manifest, "patient")
    absent = sorted(set(labels) - {labels[row] for row in rows})
    notes += [f"Class '{label}' has no training images." for label in absent]
    if len({patients[row] for row in rows}) == 1:
        notes.append("All training images are of one patient.")
    if "val" not in splits:
        notes.append(
            "There is no validation split, and too few patients to make one: "
            "figures against validation images are not possible."
        )
    if "test" not in splits:
        notes.append("There is no test split: how useful the images are cannot be measured.")
    shorter = float(np.median(manifest[["width", "height"]].to_numpy(np.int64).min(axis=1)))
    if resolution > shorter:
        notes.append(
            f"The images are enlarged to {resolution} pixels from {shorter:.0f} (median of the "
            "shorter side): they gain no detail."
        )
    return notes
