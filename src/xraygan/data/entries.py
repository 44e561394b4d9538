"""The files of a source, wherever they lie: on disk, in an archive, in an array."""

import itertools
import os
import stat
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from xraygan.data.headers import JPEG_SUFFIXES, MAX_FILE_BYTES, PNG_SUFFIXES, Refusal

IMAGE_ENDINGS = (*JPEG_SUFFIXES, *PNG_SUFFIXES)

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file replaced by a FIFO meanwhile must not hang
    | getattr(os, "O_BINARY", 0)
)


Identity = tuple[int, int, int, int, int]
"""Size, then modification time and change of status in ns and inode of the file it lies in, and
the place in that file (0: it is the file)."""


class Place(Protocol):
    """Where the bytes of one file are."""

    @property
    def identity(self) -> Identity:
        """The same while the content is the same."""
        ...

    @property
    def rank(self) -> int:
        """Where it lies in a stream that is only read forwards; 0 where any order is as good."""
        ...

    def read(self) -> bytes:
        """The whole file.

        Raises:
            Refusal: it cannot be read, or is over 512 MiB.
        """
        ...


class DiskFile(NamedTuple):
    """A plain file on disk; `status` is that of a link's target."""

    path: str
    status: os.stat_result
    rank: int = 0

    @property
    def identity(self) -> Identity:
        """Of the file."""
        return self.status.st_size, *stamp(self.status), 0

    def read(self) -> bytes:
        """The whole file; see `read_bytes`."""
        return read_bytes(self.path)


class Entry(NamedTuple):
    """A file of a source: `parts` lead to it from the source's root."""

    parts: tuple[str, ...]
    place: Place

    @property
    def name(self) -> str:
        """Posix path relative to the source."""
        return "/".join(self.parts)


@dataclass
class Tree:
    """What a folder or an archive holds.

    Attributes:
        files: every plain file.
        folders: parts of every folder, the root left out.
        refused: (name, reason) of everything else.
    """

    files: list[Entry] = field(default_factory=list)
    folders: list[tuple[str, ...]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @cached_property
    def sidecars(self) -> list[Entry]:
        """The files that are no images by their names; asked for once the tree is whole."""
        return [
            entry for entry in self.files if not entry.parts[-1].lower().endswith(IMAGE_ENDINGS)
        ]

    @cached_property
    def common(self) -> tuple[str, ...]:
        """Parts of the folder that all files lie in; () where that is the source itself."""
        if not self.files:
            return ()
        first, last = min(f.parts[:-1] for f in self.files), max(f.parts[:-1] for f in self.files)
        same = zip(first, last, strict=False)
        return tuple(one for one, other in itertools.takewhile(lambda p: p[0] == p[1], same))


def stamp(status: os.stat_result) -> tuple[int, int, int]:
    """Modification time and change of status in ns, and inode.

    The modification time alone can be set back, and `cp -p`, `rsync -t` and `tar` do; the change
    of status cannot (POSIX). Where it is the time of creation (Windows) it does no harm.
    """
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


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
            # Asked for much more, it would fetch fresh memory for each file.
            data = stream.read(status.st_size + 1)
        if len(data) > status.st_size:
            raise Refusal("the file grew while it was being read")
        return data
    except OSError as error:
        raise Refusal(f"the file cannot be read: {error.strerror or error}") from None


def printable(name: str) -> str:
    """A file name as text that any terminal takes: undecodable bytes and newlines escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def nfc(text: str) -> str:
    """Unicode-normalised, so that names written by any system compare."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def sort_key(name: str) -> tuple[str, str]:
    """Order of names that is the same on every file system (NFC or NFD)."""
    return nfc(name), name
