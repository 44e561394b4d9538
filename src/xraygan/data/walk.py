"""The plain files and folders under a source folder; of the files none but our own is opened."""

import contextlib
import os
import stat
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path

from xraygan.data.entries import DiskFile, Entry, Tree, sort_key
from xraygan.data.listing import DESCRIPTION, PREPARED, left_out
from xraygan.data.tables import read_columns
from xraygan.errors import XrayganError
from xraygan.runs import CONFIG, LITTER, is_run, read_json

_IGNORED = LITTER | {"phantom.json"}  # what `xraygan phantom` writes beside images
# The table that `xraygan generate` writes, not one of the user's by that name.
_OWN_MANIFEST = "manifest.csv"
_OWN_COLUMNS = ("file", "class", "seed", "index", "psi", "model_sha256")


def is_ignored(name: str) -> bool:
    """Whether a file or folder is what systems leave about: hidden, or known by its name."""
    return name.startswith(".") or name.lower() in _IGNORED


def is_own_manifest(entry: Entry) -> bool:
    """Whether a file is the table that `xraygan generate` writes beside its images."""
    return entry.parts[-1] == _OWN_MANIFEST and read_columns(entry) == _OWN_COLUMNS


def walk_folder(source: Path, skip: Collection[Path] = ()) -> Tree:
    """List a folder; links to folders are followed once, what xraygan wrote is left out.

    Args:
        source: an existing folder.
        skip: folders to leave out (the cache, if someone put it inside the source).
    """
    return _Walk(source, set(_identities(skip))).tree


def _identities(folders: Collection[Path]) -> Iterator[tuple[int, int]]:
    """Device and inode of the folders that there are, where the file system has inodes."""
    for folder in folders:
        with contextlib.suppress(OSError):
            status = folder.stat()
            if status.st_ino:
                yield status.st_dev, status.st_ino


def _of_ours(folder: Path, names: Collection[str]) -> str | None:
    """What a folder among films is that xraygan wrote; None of any other."""
    if CONFIG in names and is_run(folder):
        return "results of an earlier run"
    if DESCRIPTION in names:
        with contextlib.suppress(XrayganError):  # a damaged one is somebody else's
            found = read_json(folder / DESCRIPTION)
            if isinstance(found, dict) and found.get("format") == PREPARED:
                return "a prepared data set"
    if _OWN_MANIFEST in names and (manifest := folder / _OWN_MANIFEST).is_file():
        place = DiskFile(str(manifest), manifest.stat())
        if is_own_manifest(Entry((_OWN_MANIFEST,), place)):
            return "images that were generated"
    return None


class _Walk:
    def __init__(self, source: Path, skip: set[tuple[int, int]]) -> None:
        self.tree = Tree()
        # A link to a folder above the source would lead through the whole disk.
        above = [folder.stat() for folder in source.resolve().parents]
        seen = {(status.st_dev, status.st_ino): "it lies above the data" for status in above}
        # Links come after all real folders, so that a real folder keeps its own name.
        pending: deque[tuple[tuple[str, ...], str]] = deque([((), str(source))])
        links: deque[tuple[tuple[str, ...], str]] = deque()
        while pending or links:
            parts, path = (pending or links).popleft()
            try:
                status = os.stat(path)  # noqa: PTH116 - undecodable names stay plain strings
                identity = (status.st_dev, status.st_ino)
                if identity in skip and parts:
                    continue
                if identity in seen and status.st_ino and parts:
                    self._refuse(parts, f"not followed: {seen[identity]}")
                    continue
                seen[identity] = "the folder was read under another name"
                with os.scandir(path) as listed:
                    entries = sorted(listed, key=lambda entry: sort_key(entry.name))
                if parts and (what := _of_ours(Path(path), {entry.name for entry in entries})):
                    self._refuse(parts, left_out(what))
                    continue
                subfolders, linked = self._sorted(parts, entries)
            except OSError as error:
                self._refuse(parts, f"the folder cannot be read: {error.strerror}")
                continue
            if parts:
                self.tree.folders.append(parts)
            # Depth first, in order of names.
            pending.extendleft(reversed(subfolders))
            links.extend(linked)

    def _refuse(self, parts: tuple[str, ...], reason: str) -> None:
        self.tree.refused.append(("/".join(parts) + "/", reason))

    def _sorted(
        self, parts: tuple[str, ...], entries: list[os.DirEntry[str]]
    ) -> tuple[list[tuple[tuple[str, ...], str]], list[tuple[tuple[str, ...], str]]]:
        """Sort one folder's entries into files, real sub-folders and links to folders."""
        subfolders, links = [], []
        for entry in entries:
            if is_ignored(entry.name):
                continue
            here = (*parts, entry.name)
            try:
                status = entry.stat()
            except OSError as error:
                what = "a broken link" if entry.is_symlink() else "cannot be reached"
                self.tree.refused.append(("/".join(here), f"{what}: {error.strerror}"))
                continue
            if stat.S_ISDIR(status.st_mode):
                (links if entry.is_symlink() else subfolders).append((here, entry.path))
            elif stat.S_ISREG(status.st_mode):
                file = Entry(here, DiskFile(entry.path, status))
                if not is_own_manifest(file):
                    self.tree.files.append(file)
            else:
                self.tree.refused.append(("/".join(here), "not a plain file (a pipe or a device)"))
        return subfolders, links
