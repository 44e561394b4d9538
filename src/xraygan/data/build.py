"""Build a data set: decode every file, arrange the films, write it whole into a folder."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xraygan.config import DataSettings, PixelSettings
from xraygan.data import store
from xraygan.data.entries import sort_key
from xraygan.data.folders import may_be_dicom
from xraygan.data.formats.dicom_sets import forget_film_ids
from xraygan.data.ingest import ingest
from xraygan.data.listing import Facts, Listing, is_left_out, left_out_notes
from xraygan.data.manifest import SPLITS, column, plural
from xraygan.data.near import near_pairs
from xraygan.data.pseudonyms import read_salt
from xraygan.data.remarks import (
    check_enough,
    check_folders_are_no_patients,
    chest_notes,
    enlarged_notes,
    grey_notes,
    nothing_usable,
    patient_notes,
    refusal_notes,
    size_notes,
    view_notes,
)
from xraygan.data.reuse import Earlier, Reuse, own_values, pixels_key
from xraygan.data.splits import assign, in_several_splits, keep_all

FORMAT_VERSION = 9
"""Part of every key: raise it when the same files and settings give other pixels or splits."""

SHARED = 32
"""How many figures of its fingerprint a data set shares with its key, at least."""

Arrange = Callable[
    [Path, Listing, pd.DataFrame, Any, list[tuple[str, str]], np.ndarray],
    tuple[pd.DataFrame, list[tuple[str, str]], list[str]],
]
"""From source, listing, records, settings, the refused so far and the images (in the order of the
records' index) to the manifest's rows (not yet in order of splits), everything refused, and notes.
"""


def for_training(
    source: Path,
    listing: Listing,
    table: pd.DataFrame,
    settings: DataSettings,
    refused: list[tuple[str, str]],
    images: np.ndarray,
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    """Splits by patient, without duplicates."""
    # What was prepared is taken as it is: at its size two films may look the same.
    if listing.final:
        table, spare, notes = keep_all(table, settings)
        if count := in_several_splits(column(table, "patient"), column(table, "split")):
            notes.append(
                f"{count} {plural(count, 'patient')} have images in more than one split of the "
                "prepared data set: figures measured on these splits are too good."
            )
    else:
        near = [] if settings.near_duplicates == "ignore" else near_pairs(images)[0].tolist()
        table, spare, notes = assign(table, settings, near)
    refused = sorted(refused + spare, key=lambda item: sort_key(item[0]))
    check_enough(source, table, refused)
    training = [split == "train" for split in column(table, "split")]
    notes += size_notes(table, settings.resolution)
    return table, refused, notes + grey_notes(images, table.index.to_numpy()[training])


def as_it_is(
    _source: Path,
    _listing: Listing,
    table: pd.DataFrame,
    settings: PixelSettings,
    refused: list[tuple[str, str]],
    _images: np.ndarray,
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    """Every film, where the folders put it."""
    table, _, notes = keep_all(table, settings)
    return table, refused, notes + enlarged_notes(table, settings.resolution)


def build(
    folder: Path,
    source: Path,
    listing: Listing,
    hashes: dict[str, str],
    early: list[tuple[str, str]],
    settings: PixelSettings,
    key: str,
    progress: Callable[[int, int], None] | None,
    arrange: Arrange,
    earlier: Iterable[Earlier],
) -> None:
    """Write a complete data set into an empty folder.

    Args:
        folder: in the cache.
        source: as the user named it.
        listing: what is in it.
        hashes: SHA-256 of the bytes by file name, of those that can be read.
        early: name and reason of what is refused already.
        settings: what makes pixels and splits.
        key: of all that decides the result; the data set's fingerprint, if it is all there.
        progress: called with (files decoded, files).
        arrange: `for_training` or `as_it_is`.
        earlier: see `Reuse`.

    Raises:
        XrayganError: nothing usable, or a refused file where `strict`.
        OSError: the folder cannot be written.
    """
    files = [file for file in listing.files if file.name in hashes]
    files.sort(key=lambda file: file.place.rank)
    dicom = any(may_be_dicom(file.name, settings) for file in files)
    salt = read_salt(folder.parent) if dicom else b""
    with (
        (folder / store.IMAGES).open("wb") as stream,
        Reuse(folder.parent, settings, earlier, salt) as reuse,
    ):
        stream.write(store.npy_header(len(files), settings.resolution))
        records, undecodable, passing = ingest(
            files, hashes, settings, stream, progress, salt, reuse
        )
    if listing.format == "rsna":
        forget_film_ids(records, salt)
    refused = sorted(early + undecodable, key=lambda item: sort_key(item[0]))
    if not records:
        raise nothing_usable(source, refused)
    check_folders_are_no_patients(records, listing, settings)
    columns = [*store.MANIFEST_COLUMNS, "own"]
    # Objects, not text: a file's name may hold bytes that are no text.
    table = pd.DataFrame(records, columns=columns, dtype=object)
    table = table.astype({"width": int, "height": int})
    names = column(table, "name")
    table = table.iloc[sorted(range(len(names)), key=lambda row: sort_key(names[row]))]
    images = store.raw_images(folder / store.IMAGES, len(records), settings.resolution)
    table, refused, arrange_notes = arrange(source, listing, table, settings, refused, images)
    del images  # Windows does not cut a file that is mapped
    ranks = [SPLITS.index(split) for split in column(table, "split")]
    rows = np.argsort(ranks, kind="stable")
    manifest = table[list(store.MANIFEST_COLUMNS)].iloc[rows]
    store.reorder(
        folder / store.IMAGES, len(records), settings.resolution, manifest.index.to_numpy()
    )
    store.write_table(folder / store.MANIFEST, manifest)
    told = {
        str(record["sha256"]): own_values(own, salt)
        for record in records
        if isinstance(own := record["own"], Facts)
    }
    if told:
        store.write_told(folder, told)
    store.write_table(
        folder / store.REFUSED,
        pd.DataFrame(refused, columns=list(store.REFUSED_COLUMNS), dtype=object),
    )
    store.write_description(
        folder,
        {
            "format": FORMAT_VERSION,
            "fingerprint": _fingerprint(key, passing),
            "passing": sorted(passing),
            "resolution": settings.resolution,
            "pixels": pixels_key(settings),
            "source_format": listing.format,
            "final": listing.final,
            "label_sets": listing.label_sets,
            "classes": sorted(set(manifest["label"])),
            "notes": [
                *listing.notes,
                *left_out_notes(Counter(r for _, r in undecodable if is_left_out(r))),
                *refusal_notes(refused),
                *view_notes(manifest, dicom),
                *chest_notes(table["own"].to_list()),
                *patient_notes(table["own"].to_list(), column(table, "patient")),
                *arrange_notes,
            ],
        },
    )


def _fingerprint(key: str, passing: Sequence[str]) -> str:
    """The key; of a data set that lacks what may be read elsewhere, its first half and another."""
    if not passing:
        return key
    text = json.dumps([key, *sorted(passing)], ensure_ascii=True)
    return key[:SHARED] + hashlib.sha256(text.encode("ascii")).hexdigest()[SHARED:]
