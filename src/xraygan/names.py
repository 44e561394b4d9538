"""Names of classes, and of the folders that hold their images on any system."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

_NOT_IN_FOLDER_NAMES = re.compile(r'[/\\<>:"|?*\x00-\x1f\ud800-\udfff]')
_LONGEST_FOLDER_NAME = 200
_LONGEST_IN_BYTES = 100
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def is_folder_name(name: str) -> bool:
    """Whether a folder can be called so, inside the folder it is made in.

    Lone surrogates, which stand for bytes that are not UTF-8, are in no such name.
    """
    fits = 0 < len(name) <= _LONGEST_FOLDER_NAME and name not in {".", ".."}
    return fits and not _NOT_IN_FOLDER_NAMES.search(name)


def check_inside(file: str) -> None:
    """See that a relative path leads nowhere else, on any system.

    Raises:
        ValueError: it is absolute, has a drive or leads upwards.
    """
    if not isinstance(file, str) or not file or not all(map(is_folder_name, file.split("/"))):
        raise ValueError("a file outside the folder")


def _class_name(name: str) -> str:
    if not is_folder_name(name):
        raise ValueError("a class name must be usable as a folder's name")
    return name


ClassName = Annotated[str, AfterValidator(_class_name)]
"""Of a class, which is also the name of its folder but for what some systems cannot have."""


def class_folders(classes: Iterable[str]) -> dict[str, str]:
    """A folder for each class, the same on every system: mostly the class's own name.

    No blank or dot at its ends, of some 100 bytes at most, no name of a Windows device, and
    different from the others without regard to case (a number is added).
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for label in classes:
        plain = label.strip(" .").encode()[:_LONGEST_IN_BYTES].decode(errors="ignore").strip(" .")
        plain = plain or "class"
        if _WINDOWS_DEVICES.fullmatch(plain):
            stem, dot, ending = plain.partition(".")
            plain = f"{stem}_{dot}{ending}"
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.casefold())
        found[label] = name
    return found
