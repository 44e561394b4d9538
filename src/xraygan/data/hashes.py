"""The SHA-256 of every source file, remembered so that a second start reads no pixels."""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xraygan.data.headers import Refusal
from xraygan.data.listing import ImageFile

_INDEX_VERSION = 2
# A file written to this recently could change again without a new time stamp.
_SETTLED_NS = 2_000_000_000


def worker_count() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hash_files(
    files: Sequence[ImageFile], index_path: Path
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """SHA-256 of every file's bytes, from the index where nothing changed.

    Args:
        files: of one source.
        index_path: JSON file that remembers what `identity` tells of each; written
            anew where it is missing, damaged or out of date. That it cannot be written
            costs time on the next start and nothing else.

    Returns:
        Hexadecimal hash by file name, and the refused (name, reason).
    """
    index = _load_index(index_path)
    hashes: dict[str, str] = {}
    unknown = []
    for file in sorted(files, key=lambda file: file.place.rank):
        remembered = index.get(file.name)
        if remembered is not None and remembered[:-1] == [*file.place.identity]:
            hashes[file.name] = remembered[-1]
        else:
            unknown.append(file)
    refused: list[tuple[str, str]] = []
    now_ns = time.time_ns()
    youngest = now_ns - _SETTLED_NS
    unsettled = {f.name for f in unknown if max(f.place.identity[1:3]) > youngest}
    try:
        with contextlib.closing(_hash_all(unknown)) as digests:
            for name, digest, reason in digests:
                if digest:
                    hashes[name] = digest
                else:
                    refused.append((name, reason))
    finally:  # whoever stops it keeps what is done
        if unknown or len(index) != len(hashes):
            settled = {
                file.name: [*file.place.identity, hashes[file.name]]
                for file in files
                if file.name in hashes and file.name not in unsettled
            }
            if settled != index:
                _save_index(index_path, settled)
    return hashes, refused


def _hash_all(files: Sequence[ImageFile]) -> Generator[tuple[str, str, str], None, None]:
    """(name, hash, reason) of each file; those in a stream are read in its order.

    Closed early, it hashes no more than what is being hashed.
    """
    if any(file.place.rank for file in files):
        yield from ((file.name, *_hash_file(file)) for file in files)
        return
    pool = ThreadPoolExecutor(worker_count())
    try:
        for file, found in zip(files, pool.map(_hash_file, files), strict=True):
            yield file.name, *found
    finally:
        pool.shutdown(cancel_futures=True)


def _hash_file(file: ImageFile) -> tuple[str, str]:
    """(hash, "") or ("", reason)."""
    try:
        return hashlib.sha256(file.place.read()).hexdigest(), ""
    except Refusal as refusal:
        return "", str(refusal)


def _load_index(path: Path) -> dict[str, list]:
    """The remembered entries; none if the index is missing or damaged."""
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _INDEX_VERSION:
            return {}
        files = content["files"]
        return files if all(isinstance(entry[-1], str) for entry in files.values()) else {}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def _save_index(path: Path, entries: dict[str, list]) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
        try:
            with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123
                json.dump({"version": _INDEX_VERSION, "files": entries}, stream)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
