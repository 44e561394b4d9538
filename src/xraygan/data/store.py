"""One prepared data set on disk: written whole or not at all, checked when read."""

import contextlib
import csv
import hashlib
import io
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from xraygan.errors import XrayganError
from xraygan.runs import sha256_of, sync_folder

IMAGES = "images.npy"
MANIFEST = "manifest.csv"
REFUSED = "refused.csv"
DESCRIPTION = "dataset.json"
TOLD = "dicom.json"

MANIFEST_COLUMNS = (
    "name",
    "split",
    "label",
    "patient",
    "sha256",
    "pixel_sha256",
    "width",
    "height",
    "labels",
    "view",
    "age",
    "sex",
    "burned_in",
    "held_back",
)
REFUSED_COLUMNS = ("name", "reason")
_PARTIAL = ".partial-"
_LOCKS = "locks"
# What is older was left by a process that died, unless it is locked.
_ABANDONED_S = 2 * 86400


def npy_header(count: int, resolution: int) -> bytes:
    """Header of a .npy file of uint8 [count, resolution, resolution].

    Its length does not depend on `count`: numpy leaves room for the first axis to grow.
    """
    stream = io.BytesIO()
    shape = (count, resolution, resolution)
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def raw_images(path: Path, count: int, resolution: int) -> np.ndarray:
    """The raw rows after a header, as `reorder` finds them: uint8 [count, R, R], read-only."""
    shape = (count, resolution, resolution)
    return np.memmap(path, np.uint8, "r", offset=len(npy_header(count, resolution)), shape=shape)


def reorder(path: Path, count: int, resolution: int, order: np.ndarray) -> None:
    """Turn raw rows after a header into a finished .npy of the rows in `order`, in place.

    Args:
        path: file of `npy_header` followed by `count` images.
        count: images in it.
        resolution: their side.
        order: row numbers to keep, in their new order, without repeats.
    """
    header = npy_header(len(order), resolution)
    if len(order):
        rows = np.memmap(
            path, np.uint8, "r+", offset=len(header), shape=(count, resolution, resolution)
        )
        _permute(rows, order)
        rows.flush()
        del rows
    with path.open("r+b") as stream:
        stream.write(header)
        stream.truncate(len(header) + len(order) * resolution * resolution)
        os.fsync(stream.fileno())


def _permute(rows: np.ndarray, order: np.ndarray) -> None:
    """rows[:len(order)] = rows[order], one row of extra memory: each cycle is walked once."""
    rest = np.setdiff1d(np.arange(len(rows)), order)
    source = np.concatenate([order, rest])
    done = np.zeros(len(rows), bool)
    for start in range(len(rows)):
        if done[start] or source[start] == start:
            continue
        first, position = rows[start].copy(), start
        while source[position] != start:
            rows[position] = rows[source[position]]
            done[position] = True
            position = source[position]
        rows[position] = first
        done[position] = True


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write text and whole numbers as CSV; any file name survives, undecodable bytes too."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        write_rows(stream, table)
        stream.flush()
        os.fsync(stream.fileno())


def write_rows(stream: TextIO, table: pd.DataFrame) -> None:
    """Write a table as CSV, every value in quotes."""
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(table.columns)
    writer.writerows(table.itertuples(index=False, name=None))


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read what `write_table` wrote: every value as str, columns of dtype object.

    Raises:
        ValueError: not such a table.
    """
    # pandas' own reader takes "NA" for a missing value and "001" for a number.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        rows = list(csv.reader(stream))
    if not rows or tuple(rows[0]) != columns:
        raise ValueError(f"{path.name} has other columns")
    return pd.DataFrame(rows[1:], columns=list(columns), dtype=object)


def write_told(folder: Path, told: Mapping[str, list]) -> None:
    """Write what DICOM files say of themselves (`reuse.own_values`), by the hash of their bytes."""
    with (folder / TOLD).open("w", encoding="ascii") as stream:
        json.dump(told, stream)
        stream.flush()
        os.fsync(stream.fileno())


def read_told(folder: Path) -> dict[str, list]:
    """What `write_told` wrote into a data set whose description was read; {} where it did not."""
    path = folder / TOLD
    return json.loads(path.read_bytes()) if path.is_file() else {}


def write_description(folder: Path, description: dict[str, object]) -> None:
    """Write dataset.json last: it vouches for the other files."""
    content = dict(description)
    content["images_bytes"] = (folder / IMAGES).stat().st_size
    names = [name for name in (MANIFEST, REFUSED, TOLD) if (folder / name).is_file()]
    content["files"] = {name: sha256_of(folder / name) for name in names}
    content["checksum"] = _checksum(content)
    with (folder / DESCRIPTION).open("w", encoding="ascii") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def read_description(folder: Path) -> dict | None:
    """The description of a complete, undamaged data set; None for anything else."""
    try:
        content = json.loads((folder / DESCRIPTION).read_bytes())
        checksum = content.pop("checksum")
        if checksum != _checksum(content):
            return None
        if (folder / IMAGES).stat().st_size != content["images_bytes"]:
            return None
        if any(sha256_of(folder / name) != sha for name, sha in content["files"].items()):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return content


def publish(temporary: Path, final: Path) -> None:
    """Rename a finished folder into place; whoever comes second keeps the first one's.

    A damaged data set in the way is replaced, and so is one that lacks files (`passing`), unless
    this one is the same.

    Raises:
        OSError: the file system refuses.
    """
    sync_folder(temporary)
    for attempt in range(10):
        try:
            temporary.rename(final)
            break
        except OSError:
            there = read_description(final)
            if there and (not there.get("passing") or there == read_description(temporary)):
                return
            if attempt == 9 or not final.exists():
                raise
            aside = temporary.with_name(f"{temporary.name}-{attempt}")
            final.rename(aside)
            _remove(aside)
    sync_folder(final.parent)


@contextlib.contextmanager
def temporary_folder(cache_dir: Path, key: str) -> Iterator[Path]:
    """A folder beside the final one, gone afterwards unless it was renamed.

    Raises:
        XrayganError: the cache cannot be written (full disk, read-only folder).
    """
    try:
        make_private(cache_dir)
        _remove_abandoned(cache_dir)
        folder, lock = claim(cache_dir, key)
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            lock.release()
            remove_unused(folder)
    except BrokenPipeError:  # the progress display's reader went away: not the cache's fault
        raise
    except OSError as error:
        raise XrayganError(
            f"the cache folder {cache_dir} cannot be written ({error.strerror or error}); make "
            "room there, or name another folder in the environment variable XRAYGAN_CACHE"
        ) from None


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that exists keeps its mode."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def claim(cache_dir: Path, prefix: str) -> tuple[Path, FileLock]:
    """A new name in the cache, and the lock that keeps what is made there from `remove_unused`.

    The system itself frees it when the process dies.
    """
    path = cache_dir / f"{prefix}{_PARTIAL}{secrets.token_hex(4)}"
    lock = lock_of(path)
    lock.acquire()
    return path, lock


def unfinished(cache_dir: Path, prefix: str = "*") -> list[Path]:
    """What lies under names that were claimed, by others too."""
    return sorted(cache_dir.glob(f"{prefix}{_PARTIAL}*"))


def remove_unused(path: Path) -> None:
    """Remove what lies under a claimed name, unless a process holds its lock."""
    lock = lock_of(path)
    with contextlib.suppress(Timeout, OSError):
        with lock.acquire(timeout=0):
            _remove(path)
        Path(lock.lock_file).unlink(missing_ok=True)


def lock_of(path: Path) -> FileLock:
    """The lock of what has, or will have, this name in the cache."""
    locks = path.parent / _LOCKS
    make_private(locks)
    return FileLock(locks / path.name)


def _remove_abandoned(cache_dir: Path) -> None:
    limit = time.time() - _ABANDONED_S
    for path in unfinished(cache_dir):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < limit:
                remove_unused(path)


def remove_all_but(folder: Path) -> None:
    """Remove what lies beside a data set in its cache."""
    for path in folder.parent.iterdir():
        if path != folder:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()
