"""From any source folder to a checked, de-duplicated, patient-split data set on disk."""

import contextlib
import gc
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs

from xraygan.config import DataSettings, PixelSettings
from xraygan.data import store
from xraygan.data.build import FORMAT_VERSION, SHARED, Arrange, as_it_is, build, for_training
from xraygan.data.dataset import Dataset
from xraygan.data.duplicates import is_duplicate
from xraygan.data.entries import sort_key
from xraygan.data.folders import may_be_dicom
from xraygan.data.hashes import hash_files
from xraygan.data.ingest import ingest, picture_sha256, strict_error
from xraygan.data.listing import Listing, is_left_out
from xraygan.data.manifest import column
from xraygan.data.reuse import Earlier, pixels_key
from xraygan.data.sources import list_source
from xraygan.data.splits import compile_pattern
from xraygan.errors import XrayganError

# Settings that change neither pixels nor splits.
_NOT_IN_KEY = {"strict"}
# What a prepared data set brings of its own; hidden, so that no reader takes it for films.
_OWN_CACHE = ".cache"


def default_cache_dir() -> Path:
    """The folder named by XRAYGAN_CACHE, or the user's cache folder."""
    named = os.environ.get("XRAYGAN_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("xraygan"))


def prepare(
    source: Path,
    settings: DataSettings,
    cache_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    skip: Collection[Path] = (),
) -> Dataset:
    """Check, de-duplicate, split by patient and cache a source of X-rays.

    The second call with the same files and settings only reads the cache, and once more the files
    that the machine could not read.

    Args:
        source: a folder, archive or table; see `xraygan.data.sources.list_source`.
        settings: resolution, fit, patients, validation, strictness and what to take.
        cache_dir: where to keep the result; see `default_cache_dir`.
        progress: called with (files decoded, files) while the cache is being built, or files that
            could not be read are tried again.
        skip: folders inside the source to leave out.

    Raises:
        XrayganError: no such folder, nothing usable in it, a refused file where `strict`, a
            bad patient pattern, a cache that cannot be written.
    """
    return _cached(source, settings, cache_dir, progress, for_training, skip)


def write_own_cache(source: Path, resolution: int) -> None:
    """Put what `prepare` makes of a prepared data set into the data set itself.

    Wherever it is taken then, the first start need not decode its images.

    Args:
        source: what `xraygan.data.prepared.write_dataset` wrote.
        resolution: side of its images; all else as by default.

    Raises:
        XrayganError: the folder cannot be written.
    """
    own = source / _OWN_CACHE
    settings = DataSettings.model_validate({"resolution": resolution})
    dataset = _cached(source, settings, own, None, for_training)
    store.remove_all_but(dataset.folder)


def has_own_cache(source: Path) -> bool:
    """Whether `write_own_cache` was here."""
    return any((source / _OWN_CACHE).glob(f"*/{store.DESCRIPTION}"))


def load_cached(fingerprint: str, cache_dir: Path | None = None) -> Dataset | None:
    """A data set that was prepared on this machine before, by its fingerprint.

    Args:
        fingerprint: as `Dataset.fingerprint` and a run's config.json have it.
        cache_dir: as for `prepare`.

    Returns:
        The data set; None where it is not in the cache, or the text is no fingerprint.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
        return None
    shared = fingerprint[:SHARED]
    for folder in (cache_dir or default_cache_dir()).glob(shared + "?" * (64 - SHARED)):
        dataset = _load(folder)
        if dataset is not None and dataset.fingerprint == fingerprint:
            return dataset
    return None


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
    return _cached(source, settings, cache_dir, progress, as_it_is)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Listing 100,000 files makes objects that all stay: collecting takes a third of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _cached(
    source: Path,
    settings: PixelSettings,
    cache_dir: Path | None,
    progress: Callable[[int, int], None] | None,
    arrange: Arrange,
    skip: Collection[Path] = (),
) -> Dataset:
    source = Path(source)
    cache_dir = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    compile_pattern(settings.patient_pattern)
    with _without_collector():
        listing = list_source(source, settings, skip=[cache_dir, *skip])
        _check_dicom_extra(listing, settings)
        # A cache that cannot be written may still be read: building is where that matters.
        with contextlib.suppress(OSError):
            store.make_private(cache_dir)
        index_name = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:32]
        hashes, unreadable = hash_files(listing.files, cache_dir / "index" / f"{index_name}.json")
        early = [*listing.refused, *unreadable]
        faults = [item for item in early if not is_left_out(item[1])]
        if settings.strict and faults:
            raise strict_error(*min(faults, key=lambda item: sort_key(item[0])))
        key = _key(listing, hashes, early, settings)
        dataset = _load(cache_dir / key)
    if dataset is not None and not _refuses_as_before(dataset, listing, hashes, settings, progress):
        dataset = None  # Windows does not move files that are mapped
    if dataset is None:
        with store.temporary_folder(cache_dir, key) as folder:
            own = source / _OWN_CACHE / key
            if listing.final and _is_intact(own, key, hashes):
                shutil.copytree(own, folder, dirs_exist_ok=True, ignore=_links)
            else:
                known = _earlier(cache_dir, settings)
                build(
                    folder, source, listing, hashes, early, settings, key, progress, arrange, known
                )
            store.publish(folder, cache_dir / key)
        dataset = _load(cache_dir / key)
    if dataset is None:
        raise XrayganError(f"the cache {cache_dir / key} was changed while it was being read")
    if settings.strict:
        _check_strict(dataset.refused)
    return dataset


def _check_dicom_extra(listing: Listing, settings: PixelSettings) -> None:
    """Say what is missing before 50,000 files are read in vain.

    Raises:
        XrayganError: there are DICOM files, and nothing to read them with.
    """
    if importlib.util.find_spec("pydicom") is not None:
        return
    files = sum(may_be_dicom(file.name, settings) for file in listing.files)
    if files:
        raise XrayganError(f"{files:,} DICOM files need an extra: pip install 'xraygan[dicom]'")


def _key(
    listing: Listing,
    hashes: dict[str, str],
    early: list[tuple[str, str]],
    settings: PixelSettings,
) -> str:
    """SHA-256 over all that decides the result."""
    content = {
        "format": FORMAT_VERSION,
        "settings": settings.model_dump(mode="json", exclude=_NOT_IN_KEY),
        "notes": listing.notes,
        "final": listing.final,
        "label_sets": listing.label_sets,
        "files": [
            [
                *(name, hashes[name], file.split, file.label, file.labels),
                [*vars(file.facts).values()],
                sorted(file.columns.items()),
            ]
            for file in listing.files
            if (name := file.name) in hashes
        ],
        "refused": sorted(early),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _load(folder: Path) -> Dataset | None:
    """The data set in a cache folder; None if it is missing, incomplete or damaged."""
    description = store.read_description(folder)
    if description is None or description.get("format") != FORMAT_VERSION:
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
        source_format=description["source_format"],
        final=description["final"],
        label_sets=description["label_sets"],
        passing=tuple(description["passing"]),
    )


def _refuses_as_before(
    dataset: Dataset,
    listing: Listing,
    hashes: dict[str, str],
    settings: PixelSettings,
    progress: Callable[[int, int], None] | None,
) -> bool:
    """Whether files that the machine could not read cannot be read today either."""
    if not dataset.passing:
        return True
    names = set(dataset.passing)
    files = [file for file in listing.files if file.name in names]
    files.sort(key=lambda file: file.place.rank)
    _, _, passing = ingest(files, hashes, settings, io.BytesIO(), progress)
    return len(passing) == len(files)


def _links(folder: str, names: list[str]) -> list[str]:
    """Names in a folder that lead elsewhere: what is not the folder's own is not copied."""
    return [name for name in names if (Path(folder) / name).is_symlink()]


def _is_intact(own: Path, key: str, hashes: Mapping[str, str]) -> bool:
    """Whether a prepared data set's own cache is of these files, and holds their very pixels."""
    dataset = None if own.is_symlink() else _load(own)
    if dataset is None or dataset.passing or dataset.fingerprint != key:
        return False
    names, known = column(dataset.manifest, "name"), column(dataset.manifest, "sha256")
    if any(hashes.get(name) != sha256 for name, sha256 in zip(names, known, strict=True)):
        return False
    pixels = column(dataset.manifest, "pixel_sha256")
    return all(
        picture_sha256(image, image.shape) == sha256
        for image, sha256 in zip(dataset.images, pixels, strict=True)
    )


def _earlier(cache_dir: Path, settings: PixelSettings) -> Iterator[Earlier]:
    """What `Reuse` asks for, of the data sets whose pixels are made in the same way."""
    for description in cache_dir.glob(f"*/{store.DESCRIPTION}"):
        found = store.read_description(description.parent)
        if found and found.get("pixels") == pixels_key(settings):
            dataset = _load(description.parent)
            if dataset is not None:
                yield dataset.images, dataset.manifest, store.read_told(description.parent)


def _check_strict(refused: pd.DataFrame) -> None:
    for name, reason in refused.itertuples(index=False, name=None):
        if not is_duplicate(reason) and not is_left_out(reason):
            raise strict_error(name, reason)
