"""Checkpoints that survive kills, full disks and flipped bits.

A checkpoint is a folder named by the images seen, holding `state.safetensors` and
`state.json`. It is written beside, flushed to the disk and renamed, so that a folder with
a checkpoint's name is complete; the hashes inside say whether it still is.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xraygan.errors import XrayganError
from xraygan.runs import refusing_disk_faults, sync_folder

KEPT = 2
ARRAYS = "state.safetensors"
FACTS = "state.json"
_DAMAGE = (
    *(FileNotFoundError, NotADirectoryError, IsADirectoryError),
    *(ValueError, KeyError, TypeError, AttributeError, SafetensorError),
)


class DamagedError(XrayganError):
    """A checkpoint is not whole: a file is missing, cut, or changed."""


@dataclass(frozen=True)
class Checkpoint:
    """One complete checkpoint: arrays by name, and facts that JSON can hold."""

    images_seen: int
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, best: int | None = None) -> Path:
    """Write a checkpoint, then remove all but it, the one before and the best.

    One of more images is damaged: training fell back from it, and it would pass for the newest.

    Args:
        folder: the run's `checkpoints/`.
        checkpoint: what to write.
        best: `images_seen` of the one to keep besides.

    Returns:
        Its folder.

    Raises:
        XrayganError: the disk is full or read-only, or one of this name cannot be read just now;
            older checkpoints are as they were.
    """
    final = folder / f"{checkpoint.images_seen:012d}"
    with refusing_disk_faults(folder):
        if final.exists():
            if _is_intact(final):
                return final
            shutil.rmtree(final)
        beside = folder / f".writing-{checkpoint.images_seen:012d}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        try:
            arrays = save(checkpoint.arrays)
            _write_synced(beside / ARRAYS, arrays)
            facts = {
                "images_seen": checkpoint.images_seen,
                "facts": checkpoint.facts,
                "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
            }
            facts["sha256"] = _digest(facts)
            _write_synced(beside / FACTS, json.dumps(facts, indent=1).encode())
            sync_folder(beside)
            beside.rename(final)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        sync_folder(folder)
        _remove_old(folder, final.name, best)
    return final


def load_newest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is intact, or None where there is none.

    Args:
        folder: the run's `checkpoints/`.
        warn: told, in a sentence, of each damaged checkpoint that was passed over.

    Raises:
        XrayganError: there are checkpoints, and every one is damaged; or one cannot be read just
            now, and may be whole.
    """
    found = list_checkpoints(folder)
    for path in reversed(found):
        try:
            return load_checkpoint(path)
        except DamagedError as error:
            warn(f"{error}; falling back to the checkpoint before")
    if found:
        raise XrayganError(
            f"{folder}: every checkpoint is damaged; delete the run folder to start again"
        )
    return None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint and check its hashes.

    Raises:
        DamagedError: a file is missing, cut, or changed.
        XrayganError: it cannot be read just now.
    """
    with _refusing_read_faults(path):
        try:
            record = json.loads((path / FACTS).read_bytes())
            claimed = record.pop("sha256")
            # Read once and whole: a file that is mapped and emptied would end the program.
            data = (path / ARRAYS).read_bytes()
            found = hashlib.sha256(data).hexdigest()
            if claimed != _digest(record) or record["arrays_sha256"] != found:
                raise DamagedError(f"checkpoint {path}: damaged (its hash does not match)")
            arrays = load(data)
        except _DAMAGE as error:
            raise DamagedError(f"checkpoint {path}: damaged ({error})") from None
    return Checkpoint(record["images_seen"], arrays, record["facts"])


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints in a run's `checkpoints/`, fewest images first.

    Raises:
        XrayganError: the folder cannot be read just now.
    """
    with _refusing_read_faults(folder):
        try:
            found = list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(path for path in found if re.fullmatch(r"\d{12}", path.name))


def _remove_old(folder: Path, newest: str, best: int | None) -> None:
    names = [path.name for path in list_checkpoints(folder) if path.name <= newest]
    kept = set(names[-KEPT:])
    if best is not None:
        kept.add(f"{best:012d}")
    for path in list_checkpoints(folder):
        if path.name not in kept:
            doomed = path.with_name(f".removing-{path.name}")
            path.rename(doomed)
            _remove(doomed)
    for pattern in (".removing-*", ".writing-*"):  # what a kill has left
        for left in folder.glob(pattern):
            _remove(left)


def _remove(folder: Path) -> None:
    """Delete what no longer has a checkpoint's name.

    Its files are emptied first: what is deleted on a mounted Google Drive goes to a bin, which the
    quota counts. Files that have another name as well, or lie behind a link, are spared.
    """
    for name in () if folder.is_symlink() else (ARRAYS, FACTS):
        with contextlib.suppress(OSError):
            file = (folder / name).lstat()
            if stat.S_ISREG(file.st_mode) and file.st_nlink <= 1:
                os.truncate(folder / name, 0)
    shutil.rmtree(folder, ignore_errors=True)


def _is_intact(path: Path) -> bool:
    try:
        load_checkpoint(path)
    except DamagedError:
        return False
    return True


@contextlib.contextmanager
def _refusing_read_faults(path: Path) -> Iterator[None]:
    """Turn a drive that does not answer into one clear line: what lies there may be whole."""
    try:
        yield
    except OSError as error:
        raise XrayganError(
            f"{path}: cannot be read just now ({error.strerror or error}); nothing was changed; "
            "try again"
        ) from None


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
