"""Find the image files of a source folder, and what each folder name means.

Nothing is opened here: only names and file status. Whatever is not a plain file (a FIFO, a
socket), cannot be reached, or is not an image by its name becomes an entry in `refused`.
"""

import os
import stat
import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xraygan.data.headers import JPEG_SUFFIXES, PNG_SUFFIXES
from xraygan.errors import XrayganError

SINGLE_CLASS = "images"

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_IGNORED = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"}
    | {"phantom.json", "manifest.csv"}  # what `xraygan` itself writes beside images
)
# Formats people do keep X-rays in: the reason should name them.
_KNOWN_UNREAD = {
    ".bmp": "BMP",
    ".dcm": "DICOM",
    ".dicom": "DICOM",
    ".gif": "GIF",
    ".heic": "HEIF",
    ".jp2": "JPEG 2000",
    ".nii": "NIfTI",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
}


@dataclass(frozen=True)
class Entry:
    """A plain file: `parts` lead to it from the source; `status` is that of its target."""

    parts: tuple[str, ...]
    path: str
    status: os.stat_result

    @property
    def name(self) -> str:
        """Posix path relative to the source."""
        return "/".join(self.parts)


@dataclass(frozen=True)
class ImageFile:
    """An image file by its name: not opened yet.

    Attributes:
        name: posix path relative to the source, as on disk.
        path: where to open it.
        split: "train", "val" or "test"; None if the folders do not say.
        label: class name, Unicode-normalised (NFC).
        status: size, modification time and inode.
    """

    name: str
    path: str
    split: str | None
    label: str
    status: os.stat_result


@dataclass(frozen=True)
class Listing:
    """What a source folder holds: `files` and `refused` (name, reason) sorted by name."""

    files: tuple[ImageFile, ...]
    refused: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def printable(name: str) -> str:
    """A file name as text that any terminal takes: undecodable bytes and newlines escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def sort_key(name: str) -> tuple[str, str]:
    """Order of names that is the same on every file system (NFC or NFD)."""
    return unicodedata.normalize("NFC", name), name


def list_images(source: Path, skip: Path | None = None) -> Listing:
    """Walk a source folder and give every image file its split and class.

    Args:
        source: `train/ val/ test/` with class folders, class folders alone, or images alone.
        skip: a folder to leave out (the cache, if someone put it inside the source).

    Raises:
        XrayganError: the source is no folder, is empty, or cannot be read.
    """
    if not source.exists():
        raise XrayganError(f"data folder {source} does not exist; check the path")
    if not source.is_dir():
        raise XrayganError(
            f"{source} is a file, not a folder; give the folder that holds train/ val/ test/ "
            "or the class folders (unpack archives first)"
        )
    walk = _Walk(source, skip)
    if not walk.files:
        cause = f" ({walk.refused[0][0]}: {walk.refused[0][1]})" if walk.refused else ""
        raise XrayganError(
            f"data folder {source} holds no files{cause}; "
            "put images into train/CLASS/, or into class folders"
        )
    return _interpret(walk)


class _Walk:
    """The plain files and folders under a source; links to folders are followed once.

    Attributes:
        files: every plain file.
        folders: parts of every folder entered, the source itself left out.
        refused: (name, reason) of everything else.
    """

    def __init__(self, source: Path, skip: Path | None) -> None:
        self.files: list[Entry] = []
        self.folders: list[tuple[str, ...]] = []
        self.refused: list[tuple[str, str]] = []
        self._skip = skip.resolve() if skip else None
        # A link to a folder above the source would lead through the whole disk.
        above = [folder.stat() for folder in source.resolve().parents]
        seen = {(status.st_dev, status.st_ino): "a folder above" for status in above}
        # Links come after all real folders, so that a real folder keeps its own name.
        pending: deque[tuple[tuple[str, ...], str]] = deque([((), str(source))])
        links: deque[tuple[tuple[str, ...], str]] = deque()
        while pending or links:
            parts, path = (pending or links).popleft()
            try:
                status = os.stat(path)  # noqa: PTH116 - undecodable names stay plain strings
                identity = (status.st_dev, status.st_ino)
                if identity in seen and status.st_ino and parts:
                    self._refuse(parts, f"not followed: it is the same folder as {seen[identity]}")
                    continue
                seen[identity] = "/".join(parts) or "the data folder"
                subfolders, linked = self._read_folder(parts, path)
            except OSError as error:
                self._refuse(parts, f"the folder cannot be read: {error.strerror}")
                continue
            if parts:
                self.folders.append(parts)
            # Depth first, in order of names.
            pending.extendleft(reversed(subfolders))
            links.extend(linked)

    def _refuse(self, parts: tuple[str, ...], reason: str) -> None:
        self.refused.append(("/".join(parts) + "/", reason))

    def _read_folder(
        self, parts: tuple[str, ...], path: str
    ) -> tuple[list[tuple[tuple[str, ...], str]], list[tuple[tuple[str, ...], str]]]:
        """Sort one folder's entries into files, real sub-folders and links to folders."""
        subfolders, links = [], []
        with os.scandir(path) as listed:
            entries = sorted(listed, key=lambda entry: sort_key(entry.name))
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _IGNORED:
                continue
            here = (*parts, entry.name)
            try:
                status = entry.stat()
            except OSError as error:
                what = "a broken link" if entry.is_symlink() else "cannot be reached"
                self.refused.append(("/".join(here), f"{what}: {error.strerror}"))
                continue
            if stat.S_ISDIR(status.st_mode):
                if self._skip is None or Path(entry.path).resolve() != self._skip:
                    (links if entry.is_symlink() else subfolders).append((here, entry.path))
            elif stat.S_ISREG(status.st_mode):
                self.files.append(Entry(here, entry.path, status))
            else:
                self.refused.append(("/".join(here), "not a plain file (a pipe or a device)"))
        return subfolders, links


def _interpret(walk: _Walk) -> Listing:
    """Give the files their splits and classes from the folder names."""
    notes: list[str] = []
    refused = list(walk.refused)
    root = _find_root(walk)
    depth = len(root)
    inside = [entry for entry in walk.files if entry.parts[:depth] == root]
    refused += [
        (entry.name, "outside the data folders")
        for entry in walk.files
        if entry.parts[:depth] != root
    ]
    if root:
        notes.append(f"The data were found in the sub-folder {'/'.join(root)}.")
    split_layout = any(_split_of(parts[depth]) for parts in walk.folders if _below(parts, root))
    if split_layout:
        inside = list(_leave_out_strangers(inside, walk.folders, root, refused, notes))
    class_depth = depth + split_layout
    images = []
    for entry in inside:
        reason = _not_an_image(entry.name)
        if reason:
            refused.append((entry.name, reason))
        else:
            images.append(entry)
    in_class = [entry for entry in images if len(entry.parts) > class_depth + 1]
    if images and not in_class:
        notes.append(f"There are no class folders: all images form one class, '{SINGLE_CLASS}'.")
    elif len(in_class) < len(images):
        reason = "not inside a class folder"
        refused += [(e.name, reason) for e in images if len(e.parts) <= class_depth + 1]
        images = in_class
    files = [
        ImageFile(
            name=entry.name,
            path=entry.path,
            split=_split_of(entry.parts[depth]) if split_layout else None,
            label=_nfc(entry.parts[class_depth]) if in_class else SINGLE_CLASS,
            status=entry.status,
        )
        for entry in images
    ]
    notes += _class_notes(walk, files, root, class_depth, split_layout)
    files.sort(key=lambda file: sort_key(file.name))
    refused.sort(key=lambda item: sort_key(item[0]))
    return Listing(tuple(files), tuple(refused), tuple(notes))


def _find_root(walk: _Walk) -> tuple[str, ...]:
    """Descend while there is one folder, without images beside it, that holds folders."""
    root: tuple[str, ...] = ()
    while True:
        folders = _children(walk.folders, root)
        if any(_split_of(parts[-1]) for parts in folders):
            return root
        if len(folders) != 1 or not _children(walk.folders, folders[0]):
            return root
        for entry in walk.files:
            beside = entry.parts[:-1] in (root, folders[0])
            if beside and not _not_an_image(entry.name) and not _holds_splits(walk, folders[0]):
                return root
        root = folders[0]


def _children(folders: list[tuple[str, ...]], root: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [parts for parts in folders if parts[:-1] == root]


def _holds_splits(walk: _Walk, folder: tuple[str, ...]) -> bool:
    return any(_split_of(parts[-1]) for parts in _children(walk.folders, folder))


def _below(parts: tuple[str, ...], root: tuple[str, ...]) -> bool:
    return len(parts) > len(root) and parts[: len(root)] == root


def _leave_out_strangers(
    entries: list[Entry],
    folders: list[tuple[str, ...]],
    root: tuple[str, ...],
    refused: list[tuple[str, str]],
    notes: list[str],
) -> Iterator[Entry]:
    """The entries of the split folders; what lies beside them is refused or noted.

    The Kaggle archive holds a second copy of everything in chest_xray/chest_xray: a folder
    beside train/ that itself holds split folders is such a copy.
    """
    copies: dict[str, int] = {}
    for entry in entries:
        folder = entry.parts[len(root)]
        if len(entry.parts) == len(root) + 1:
            reason = _not_an_image(entry.name) or "not inside a class folder"
            refused.append((entry.name, reason))
        elif _split_of(folder):
            yield entry
        elif any(_split_of(parts[-1]) for parts in _children(folders, (*root, folder))):
            copies[folder] = copies.get(folder, 0) + 1
        else:
            refused.append((entry.name, f"beside the split folders, in {folder}/: not used"))
    notes += [
        f"The folder {name} holds a second set of split folders ({count} files): not used."
        for name, count in copies.items()
    ]


def _class_notes(
    walk: _Walk,
    files: list[ImageFile],
    root: tuple[str, ...],
    class_depth: int,
    split_layout: bool,
) -> list[str]:
    """Sentences about empty class folders and class names that differ only in case."""
    notes = []
    labels = {file.label for file in files}
    if labels != {SINGLE_CLASS}:
        empty = {
            _nfc(parts[-1])
            for parts in walk.folders
            if len(parts) == class_depth + 1
            and parts[: len(root)] == root
            and (not split_layout or _split_of(parts[len(root)]))
        } - labels
        notes += [f"Class folder '{label}' holds no images: dropped." for label in sorted(empty)]
    by_case: dict[str, list[str]] = {}
    for label in sorted(labels):
        by_case.setdefault(label.casefold(), []).append(label)
    notes += [
        f"Class names {' and '.join(map(repr, same))} differ only in case and count as "
        "different classes; rename the folders if they are one."
        for same in by_case.values()
        if len(same) > 1
    ]
    return notes


def _not_an_image(name: str) -> str | None:
    """Why a file is no image by its name, or None if it may be one."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - names may hold any bytes
    if suffix in JPEG_SUFFIXES or suffix in PNG_SUFFIXES:
        return None
    if suffix in _KNOWN_UNREAD:
        return f"{_KNOWN_UNREAD[suffix]} is not read yet; only JPEG and PNG are read"
    return "not an image by its name (.jpg, .jpeg or .png)"


def _split_of(folder: str) -> str | None:
    return _SPLITS.get(folder.lower())


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
