"""The SHA-256 of every source file, remembered so that a second start reads no pixels."""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xraygan.data.folders import ImageFile
from xraygan.data.headers import MAX_FILE_BYTES, Refusal

_INDEX_VERSION = 1
# A file written to this recently could change again without a new time stamp.
_SETTLED_NS = 2_000_000_000
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file replaced by a FIFO meanwhile must not hang
    | getattr(os, "O_BINARY", 0)
)


def worker_count() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_bytes(path: str) -> bytes:
    """The whole of a plain file.

    Raises:
        Refusal: unreadable, no plain file any more, or over 512 MiB.
    """
    try:
        descriptor = os.open(path, _FLAGS)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Refusal("not a plain file (a pipe or a device)")
            if status.st_size > MAX_FILE_BYTES:
                raise Refusal(f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB")
            return stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise Refusal(f"the file cannot be read: {error.strerror or error}") from None


def hash_files(
    files: Sequence[ImageFile], index_path: Path
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """SHA-256 of every file's bytes, from the index where nothing changed.

    Args:
        files: of one source.
        index_path: JSON file that remembers size, modification time and inode; written
            anew where it is missing, damaged or out of date. That it cannot be written
            costs time on the next start and nothing else.

    Returns:
        Hexadecimal hash by file name, and the refused (name, reason).
    """
    index = _load_index(index_path)
    hashes: dict[str, str] = {}
    unknown = []
    for file in files:
        remembered = index.get(file.name)
        if remembered is not None and remembered[:3] == _identity(file):
            hashes[file.name] = remembered[3]
        else:
            unknown.append(file)
    refused: list[tuple[str, str]] = []
    now_ns = time.time_ns()
    with ThreadPoolExecutor(worker_count()) as pool:
        for file, (digest, reason) in zip(unknown, pool.map(_hash_file, unknown), strict=True):
            if digest:
                hashes[file.name] = digest
            else:
                refused.append((file.name, reason))
    if unknown or len(index) != len(hashes):
        unsettled = {f.name for f in unknown if f.status.st_mtime_ns > now_ns - _SETTLED_NS}
        entries = {
            file.name: [*_identity(file), hashes[file.name]]
            for file in files
            if file.name in hashes and file.name not in unsettled
        }
        if entries != index:
            _save_index(index_path, entries)
    return hashes, refused


def _hash_file(file: ImageFile) -> tuple[str, str]:
    """(hash, "") or ("", reason)."""
    try:
        return hashlib.sha256(read_bytes(file.path)).hexdigest(), ""
    except Refusal as refusal:
        return "", str(refusal)


def _identity(file: ImageFile) -> list[int]:
    return [file.status.st_size, file.status.st_mtime_ns, file.status.st_ino]


def _load_index(path: Path) -> dict[str, list]:
    """The remembered entries; none if the index is missing or damaged."""
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _INDEX_VERSION:
            return {}
        return {
            name: [int(size), int(time_ns), int(inode), str(digest)]
            for name, (size, time_ns, inode, digest) in content["files"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
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
