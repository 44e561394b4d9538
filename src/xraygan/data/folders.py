"""Class folders: what each folder name means.

Nothing is opened here: only names count. Whatever is not an image by its name becomes an entry
in `refused`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from xraygan.config import PixelSettings
from xraygan.data.entries import IMAGE_ENDINGS, Entry, Tree, nfc
from xraygan.data.layout import above, children, find_root, levels
from xraygan.data.listing import SINGLE_CLASS, ImageFile, Listing, left_out, split_named
from xraygan.data.selection import check_class_name
from xraygan.data.splits import is_synthetic
from xraygan.errors import XrayganError

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
# More class folders than this are not classes, with DICOM or few films in them.
_MANY_CLASSES, _FEW_FILMS = 20, 10
NO_IMAGE = "not an image by its name (.jpg, .jpeg, .png or .dcm)"
SAY_FOLDERS = "say --format folders if classes they are: their names are published"
# "masks", "lung masks", "leftMask", "mask_png": outlines that people drew, not films.
_MASK = re.compile(r"masks?(?![a-z])", re.IGNORECASE)
# What a prepared data set holds beside its images.
_OUR_TABLES = frozenset(
    {"dataset.json", "metadata.csv", "refused.csv"}
    | {f"{split}/metadata.csv" for split in ("train", "val", "test")}
)
# Formats people do keep X-rays in: the reason should name them.
_KNOWN_UNREAD = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".heic": "HEIF",
    ".jp2": "JPEG 2000",
    ".nii": "NIfTI",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
}


def check_not_empty(source: Path, tree: Tree) -> None:
    """Raise the fault of a source without files.

    Raises:
        XrayganError: it holds none.
    """
    if not tree.files:
        cause = f" ({tree.refused[0][1]})" if tree.refused else ""
        raise XrayganError(
            f"data folder {source} holds no files{cause}; "
            "it needs images in class folders, such as NORMAL/, or within train/, test/ and val/"
        )


def interpret(tree: Tree, sure: bool = False) -> Listing:
    """Give the files their splits and classes from the folder names.

    Args:
        tree: of the source.
        sure: the user says that images lie in folders by class.

    Raises:
        XrayganError: the folders are patients', not classes', the name of one is of no use, or
            splits lie where they cannot be used.
    """
    notes: list[str] = []
    refused = list(tree.refused)
    named = [(entry.parts, not_an_image(entry.name)) for entry in tree.files]
    pictured = above([parts for parts, reason in named if reason != NO_IMAGE])
    root = find_root(tree, [parts for parts, reason in named if not reason], pictured)
    depth = len(root)
    inside = [
        entry
        for entry in tree.files
        if entry.parts[:depth] == root and entry.name not in _OUR_TABLES
    ]
    refused += [
        (entry.name, "outside the data folders")
        for entry in tree.files
        if entry.parts[:depth] != root
    ]
    if root:
        notes.append(f"The data were found in a sub-folder, {len(root)} deep.")
    split_layout = any(split_named(parts[-1]) for parts in children(pictured, root))
    if split_layout:
        inside = list(_leave_out_strangers(inside, tree.folders, root, refused, notes))
    images = list(_leave_out_others(inside, depth, refused))
    split_at, class_at = levels(images, depth, split_layout)
    if split_layout and class_at > depth + 1:
        notes.append("The class folders lie in one more folder within each split folder.")
    in_class = [entry for entry in images if len(entry.parts) > class_at + 1]
    if images and not in_class:
        notes.append(f"There are no class folders: all images form one class, '{SINGLE_CLASS}'.")
    elif len(in_class) < len(images):
        reason = "not inside a class folder"
        refused += [(e.name, reason) for e in images if len(e.parts) <= class_at + 1]
        images = in_class
    files = [
        ImageFile(
            name=entry.name,
            place=entry.place,
            split=None if split_at is None else split_named(entry.parts[split_at]),
            label=_class_named(entry.parts[class_at]) if in_class else SINGLE_CLASS,
        )
        for entry in images
    ]
    _check_classes(files, sure)
    for label in sorted({file.label for file in files}):
        check_class_name(label, "class folder", "rename it")
    notes += _class_notes(tree, images, files, root, class_at, split_layout)
    return Listing(tuple(files), tuple(refused), tuple(notes))


def _check_classes(files: list[ImageFile], sure: bool) -> None:
    """Exports come in a folder a patient: no classes, and no names to publish."""
    labels = {file.label for file in files}
    if len(labels) <= _MANY_CLASSES:
        return
    dicom = 2 * sum(is_dicom_name(file.name) for file in files) > len(files)
    few = not sure and len(files) < _FEW_FILMS * len(labels)
    if (dicom or few) and not all(is_synthetic(file.name) for file in files):
        other = "take all as one class with --format dicom" if dicom else SAY_FOLDERS
        raise XrayganError(
            f"the {'DICOM files' if dicom else 'images'} lie in {len(labels)} folders: these look "
            f"like patients, not classes; give their classes in a table (--format csv), or {other}"
        )


def is_dicom_name(name: str) -> bool:
    """Whether a file may be DICOM by the ending of its name, or because it has none."""
    if name.lower().endswith(IMAGE_ENDINGS):
        return False
    suffix = _suffix(name)
    return suffix in DICOM_SUFFIXES or not suffix


def _suffix(name: str) -> str:
    """The ending in lower case; "" for a UID such as CR.1.2.840.10008, which has none."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - names may hold any bytes
    return "" if suffix[1:].isdecimal() else suffix


def is_mask(parts: tuple[str, ...]) -> bool:
    """Whether a file lies in a folder of masks, by the parts that lead to it."""
    return any(_MASK.search(part) for part in parts[:-1])


def may_be_dicom(name: str, settings: PixelSettings) -> bool:
    """Whether a file is to be read as DICOM: by its name, or because the user said so."""
    return is_dicom_name(name) or settings.format == "dicom"


def list_dicom(tree: Tree) -> Listing:
    """`--format dicom`: every file that may be DICOM, in one class, whatever its folder.

    Exports have a folder for each patient, and files without an ending. Others are left out.

    Raises:
        XrayganError: there is no such file.

    Source: DICOM PS3.10, section 8.2: file names have no ending; DICOMDIR is the index.
    """
    films = [entry for entry in tree.files if entry.parts[-1].upper() != "DICOMDIR"]
    named = [entry for entry in films if is_dicom_name(entry.name)]
    if not named:
        raise XrayganError("--format dicom: no file is called .dcm or .dicom, or has no ending")
    files = [ImageFile(entry.name, entry.place, None, SINGLE_CLASS) for entry in named]
    why = left_out("not called as DICOM is (.dcm, .dicom or no ending)")
    others = [(entry.name, why) for entry in films if not is_dicom_name(entry.name)]
    note = f"All films form one class, '{SINGLE_CLASS}': the folders of DICOM are not classes."
    return Listing(tuple(files), (*tree.refused, *others), (note,), "dicom")


def _class_named(folder: str) -> str:
    """The class that a folder is of: blanks that nobody sees make no other one."""
    return " ".join(nfc(folder).split()) or folder


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
    holding = {parts[:-1] for parts in folders if split_named(parts[-1])}
    for entry in entries:
        folder = entry.parts[len(root)]
        if len(entry.parts) == len(root) + 1:
            reason = not_an_image(entry.name) or "not inside a class folder"
            refused.append((entry.name, reason))
        elif split_named(folder):
            yield entry
        elif (*root, folder) in holding:
            copies[folder] = copies.get(folder, 0) + 1
        else:
            refused.append((entry.name, "beside the split folders: not used"))
    notes += [
        f"A second set of split folders beside the first ({count} files) is not used."
        for count in copies.values()
    ]


def _leave_out_others(
    entries: list[Entry], depth: int, refused: list[tuple[str, str]]
) -> Iterator[Entry]:
    """The images that are no masks by the folders below the root; the rest is refused."""
    for entry in entries:
        reason = not_an_image(entry.name)
        if not reason and is_mask(entry.parts[depth:]):
            reason = left_out("in a folder of masks")
        if reason:
            refused.append((entry.name, reason))
        else:
            yield entry


def _class_notes(
    tree: Tree,
    images: list[Entry],
    files: list[ImageFile],
    root: tuple[str, ...],
    class_at: int,
    split_layout: bool,
) -> list[str]:
    """Sentences about class folders: empty, told apart by case alone, or perhaps no classes."""
    notes = []
    labels = {file.label for file in files}
    if labels != {SINGLE_CLASS}:
        empty = {
            _class_named(parts[-1])
            for parts in tree.folders
            if len(parts) == class_at + 1
            and parts[: len(root)] == root
            and (not split_layout or split_named(parts[len(root)]))
        } - labels
        if empty:
            named = ", ".join(map(repr, sorted(empty)[:3])) + ", …" * (len(empty) > 3)
            notes.append(
                f"Class folders without images, dropped: {len(empty)} ({named}); fill or delete "
                "them."
            )
    by_case: dict[str, list[str]] = {}
    for label in sorted(labels):
        by_case.setdefault(label.casefold(), []).append(label)
    notes += [
        f"Class names {' and '.join(map(repr, same))} differ only in case and count as "
        "different classes; rename the folders if they are one."
        for same in by_case.values()
        if len(same) > 1
    ]
    if _hold_the_same_folders(images, class_at):
        notes.append(
            "All class folders hold folders of the same names: if those are the classes, call the "
            "outer ones train, val and test."
        )
    return notes


def _hold_the_same_folders(images: list[Entry], class_at: int) -> bool:
    """Whether there are several class folders, all with the same folders, two or more, in them."""
    inner: dict[str, set[str]] = {}
    for entry in images:
        inside = entry.parts[class_at + 1 : -1][:1]
        names = inner.setdefault(entry.parts[class_at], set())
        names.update(name for name in inside if not split_named(name))
    first = next(iter(inner.values()), set())
    return len(inner) > 1 and len(first) > 1 and all(names == first for names in inner.values())


def not_an_image(name: str) -> str | None:
    """Why a file is no image by its name, or None if it may be one."""
    if name.lower().endswith(IMAGE_ENDINGS):
        return None
    suffix = _suffix(name)
    if suffix in DICOM_SUFFIXES:
        return None
    if suffix in _KNOWN_UNREAD:
        return f"{_KNOWN_UNREAD[suffix]} is not read yet; only JPEG, PNG and DICOM are read"
    return NO_IMAGE
