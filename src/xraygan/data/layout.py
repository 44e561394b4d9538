"""Where in a tree of folders the splits and the classes lie, by the names of the folders alone."""

from collections.abc import Collection

from xraygan.data.entries import Entry, Tree, printable
from xraygan.data.listing import split_named
from xraygan.errors import XrayganError

Parts = tuple[str, ...]


def above(files: Collection[Parts]) -> set[Parts]:
    """Every folder that leads to one of these files, the root left out."""
    folders = {parts[:-1] for parts in files}
    return {parts[:depth] for parts in folders for depth in range(1, len(parts) + 1)}


def find_root(tree: Tree, images: Collection[Parts], pictured: Collection[Parts]) -> Parts:
    """The folder that holds the split folders, or else the class folders.

    Descends while a single folder holds pictures, has no images beside it or in it, and holds
    folders. A folder of programs or texts counts for nothing. An empty one may be meant for a
    class, and keeps its neighbour a class unless that one holds split folders.

    Args:
        tree: of the source.
        images: parts of every image file.
        pictured: every folder that leads to a picture, in whatever format.
    """
    direct, filled = {parts[:-1] for parts in images}, above([e.parts for e in tree.files])
    root: Parts = ()
    while True:
        folders = children(pictured, root)
        if len(folders) != 1 or any(split_named(parts[-1]) for parts in folders):
            return root
        inner = children(pictured, folders[0])
        if not any(split_named(parts[-1]) for parts in inner):
            empty = any(parts not in filled for parts in children(tree.folders, root))
            if empty or not inner or root in direct or folders[0] in direct:
                return root
        root = folders[0]


def children(folders: Collection[Parts], root: Parts) -> list[Parts]:
    """The folders directly in one."""
    return [parts for parts in folders if parts[:-1] == root]


def levels(images: Collection[Entry], depth: int, split_layout: bool) -> tuple[int | None, int]:
    """Which part of a path is the split (None: none is), and which is the class.

    Args:
        images: below the root.
        depth: of the root.
        split_layout: the folders directly in the root are split folders.

    Raises:
        XrayganError: split folders lie in some class folders, where they cannot be used.
    """
    if split_layout:
        class_at = depth + 1
        while _is_wrapped(images, depth, class_at):
            class_at += 1
        return depth, class_at
    holding = [
        entry.parts for entry in images if any(map(split_named, entry.parts[depth + 1 : -1]))
    ]
    if not holding:
        return None, depth
    # CLASS/train/FILE throughout; with more folders between, the outer ones are no classes.
    if len(holding) == len(images) and {len(parts) for parts in holding} == {depth + 3}:
        return depth + 1, depth
    parts = min(holding)
    inner = next(filter(split_named, parts[depth + 1 : -1]))
    raise XrayganError(
        f"split folders ('{printable(inner)}') lie in '{printable(parts[depth])}' as if that were "
        "a class; give the folder that they lie in as the source, or arrange all films as "
        "train/CLASS/FILE or CLASS/train/FILE"
    )


def _is_wrapped(images: Collection[Entry], split_at: int, class_at: int) -> bool:
    """Whether the split folders hold one and the same folder, and that the class folders.

    A folder called as its split (`train/train`, as archives are unpacked) is the same in each.
    Folders of classes are the same in every split (one split has them all); those of patients,
    within a single class, are not.
    """
    if not images or any(len(entry.parts) < class_at + 3 for entry in images):
        return False
    found: dict[str | None, set[str]] = {}
    wrappers = set()
    for entry in images:
        split, wrapper = split_named(entry.parts[split_at]), entry.parts[class_at]
        found.setdefault(split, set()).add(entry.parts[class_at + 1])
        wrappers.add("" if split_named(wrapper) == split else wrapper)
    return len(wrappers) == 1 and set().union(*found.values()) in found.values()
