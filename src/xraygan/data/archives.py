"""zip and tar read where they are: nothing is unpacked to disk, and nothing hostile gets in."""

import lzma
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from xraygan.data.entries import (
    IMAGE_ENDINGS,
    Entry,
    Identity,
    Place,
    Tree,
    nfc,
    sort_key,
    stamp,
)
from xraygan.data.headers import MAX_FILE_BYTES, MOST_MEMBERS, Refusal
from xraygan.data.walk import is_ignored, is_own_manifest
from xraygan.errors import XrayganError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

# Only deflate is read in a zip: Python unpacks others without a bound on what it holds at once.
# Deflate cannot do better than 1032 : 1 and images hardly better than 2 : 1; tables and empty
# DICOM pixels do well. Source: RFC 1951; https://www.zlib.net/zlib_tech.html.
_MOST_RATIO = 200
_RATIO_COUNTS_FROM = 64 * 2**20
_MOST_HEADER_BYTES = 2**20
_SIDECARS = ("cls", "json")
# What the standard library lets out when it meets damaged bytes; a name that is not UTF-8 is a
# ValueError, a member of a kind that zipfile does not read its NotImplementedError.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, IndexError, OverflowError),
    *(struct.error, zlib.error, lzma.LZMAError, tarfile.TarError),
)
_ZIP_FAULTS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, *_UNREADABLE)


def archive_tree(path: Path) -> Tree:
    """What a zip or tar holds, as if it had been unpacked.

    Links, devices, encrypted members and names that occur twice are listed as refused.

    Raises:
        XrayganError: no such archive, or one with a name that leads out of it, or that unpacks to
            more than 200 times its size: nobody made that in good faith.
    """
    try:
        if path.name.lower().endswith(".zip"):
            members, refused = _zip_members(path)
        else:
            members, refused = _tar_members(path)
    except _ZIP_FAULTS as error:
        line = " ".join(str(error).split())[:200]
        raise XrayganError(
            f"archive {path}: cannot be read ({line}); copy or download it again"
        ) from None
    return _as_tree(members, refused)


def joined(trees: Iterable[Tree]) -> Tree:
    """Several archives as one: a name that occurs in two of them is refused in the later one."""
    whole = Tree()
    folders: set[tuple[str, ...]] = set()
    names: set[str] = set()
    for tree in trees:
        for entry in tree.files:
            if entry.name in names:
                whole.refused.append((entry.name, "several archives hold a file of this name"))
            else:
                names.add(entry.name)
                whole.files.append(entry)
        whole.refused += tree.refused
        folders.update(tree.folders)
    whole.files.sort(key=lambda entry: sort_key(entry.name))
    whole.folders = sorted(folders)
    whole.refused = sorted(set(whole.refused))
    return whole


@dataclass(frozen=True)
class _ZipMember:
    """A file in a zip; any order of reading is as good."""

    archive: "_Zip"
    info: zipfile.ZipInfo
    rank: int = 0

    @property
    def identity(self) -> Identity:
        """Of the archive, with the member's size, checksum and place."""
        place = self.info.CRC << 40 ^ self.info.header_offset
        return self.info.file_size, *self.archive.stamp, place

    def read(self) -> bytes:
        """The whole member; its CRC is checked."""
        try:
            return self.archive.read(self.info)
        except _ZIP_FAULTS as error:
            raise _damaged(error) from None


class _Zip:
    """One open zip for many threads."""

    def __init__(self, path: Path) -> None:
        self.stamp = stamp(path.stat())
        self.file = zipfile.ZipFile(path)
        self._lock = threading.Lock()

    def read(self, info: zipfile.ZipInfo) -> bytes:
        # Opening and closing count users of one file; reading itself is safe in many threads.
        with self._lock:
            member = self.file.open(info)
        try:
            return _bounded(member.read(MAX_FILE_BYTES + 1))
        finally:
            with self._lock:
                member.close()


def _zip_members(path: Path) -> tuple[list[tuple[str, Place]], list[tuple[str, str]]]:
    archive = _Zip(path)
    infos = archive.file.infolist()
    _check_size(path, sum(info.file_size for info in infos), len(infos))
    members: list[tuple[str, Place]] = []
    refused = []
    for info in infos:
        _check_name(path, info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            continue
        if kind not in (0, stat.S_IFREG):
            refused.append((info.filename, "a link or a device in the archive"))
        elif info.flag_bits & 1:
            refused.append((info.filename, "encrypted in the archive"))
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refused.append((info.filename, "packed by a method that is not read; use deflate"))
        elif info.file_size > MAX_FILE_BYTES:
            refused.append((info.filename, _too_large()))
        else:
            members.append((info.filename, _ZipMember(archive, info)))
    return members, refused


@dataclass(frozen=True)
class _TarMember:
    """A file in a tar; ranked by its place, since a compressed tar is read forwards."""

    archive: "_Tar"
    info: tarfile.TarInfo
    rank: int

    @property
    def identity(self) -> Identity:
        """Of the archive, with the member's size and place."""
        return self.info.size, *self.archive.stamp, self.info.offset_data

    def read(self) -> bytes:
        """The whole member."""
        try:
            return self.archive.read(self.info)
        except _UNREADABLE as error:
            raise _damaged(error) from None


@dataclass(eq=False)
class _Tar:
    """One tar; opened when it is first read."""

    path: Path
    stamp: tuple[int, int, int]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _file: tarfile.TarFile | None = None

    def read(self, info: tarfile.TarInfo) -> bytes:
        with self._lock:
            if self._file is None:
                self._file = tarfile.open(self.path)  # noqa: SIM115 - closed with the object
            stream = self._file.extractfile(info)
            if stream is None:
                raise Refusal("not a plain file in the archive")
            data = _bounded(stream.read(MAX_FILE_BYTES + 1))
        if len(data) != info.size:
            raise Refusal("the archive ends in the middle of it")
        return data

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()


class _Header(tarfile.TarInfo):
    """A member's header, whose long names and notes are read into memory before it is seen."""

    def _proc_member(self, file: tarfile.TarFile) -> tarfile.TarInfo:
        kinds = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE)
        if self.type in (*kinds, tarfile.XGLTYPE) and self.size > _MOST_HEADER_BYTES:
            raise tarfile.ReadError("a member's name or notes are larger than 1 MiB")
        return super()._proc_member(file)  # pyright: ignore[reportAttributeAccessIssue]


def _tar_members(path: Path) -> tuple[list[tuple[str, Place]], list[tuple[str, str]]]:
    archive = _Tar(path, stamp(path.stat()))
    members: list[tuple[str, Place]] = []
    refused = []
    total = count = 0
    with tarfile.open(path, tarinfo=_Header) as file:
        for info in file:
            total, count = total + info.size, count + 1
            # Before the content of this member is unpacked to reach the next.
            _check_size(path, total, count)
            _check_name(path, info.name)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                refused.append((info.name, "a link or a device in the archive"))
            elif info.size > MAX_FILE_BYTES:
                refused.append((info.name, _too_large()))
            else:
                members.append((info.name, _TarMember(archive, info, count)))
    return members, refused


def _check_size(path: Path, unpacked: int, count: int) -> None:
    packed = max(path.stat().st_size, 1)
    if unpacked > _RATIO_COUNTS_FROM and unpacked > _MOST_RATIO * packed:
        raise XrayganError(
            f"archive {path}: unpacks to more than {_MOST_RATIO} times its size, as a bomb does; "
            "unpack it yourself if you trust it"
        )
    if count > MOST_MEMBERS:
        raise XrayganError(f"archive {path}: more than {MOST_MEMBERS:,} members; split it")


def _check_name(path: Path, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
        raise XrayganError(
            f"archive {path}: holds a path that leads out of it ('..' or from the root); it is "
            "not read: make it again from the folder of the images"
        )


def _damaged(error: Exception) -> Refusal:
    """In words of our own: the library's hold the member's name, which may be a patient's."""
    if isinstance(error, NotImplementedError):  # zipfile: patched or strongly encrypted data
        return Refusal("packed in the archive by a method that is not read")
    sums = isinstance(error, zipfile.BadZipFile)
    return Refusal(f"damaged in the archive{': wrong checksum or header' if sums else ''}")


def _too_large() -> str:
    return f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB"


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise Refusal(_too_large())
    return data


def _as_tree(members: list[tuple[str, Place]], refused: list[tuple[str, str]]) -> Tree:
    """Members by their names, with the folders that these names imply."""
    tree = Tree(refused=refused)
    folders: set[tuple[str, ...]] = set()
    entries = [(_parts(name), place) for name, place in members]
    times = Counter(nfc("/".join(parts)) for parts, _ in entries)
    images = {(*parts[:-1], stem) for parts, _ in entries if (stem := _image_stem(parts))}
    for parts, place in entries:
        if not parts or any(map(is_ignored, parts)) or _is_sidecar(parts, images):
            continue
        if times[nfc("/".join(parts))] > 1:
            tree.refused.append(("/".join(parts), "the archive holds several files of this name"))
            continue
        if not is_own_manifest(entry := Entry(parts, place)):
            tree.files.append(entry)
        folders.update(parts[:depth] for depth in range(1, len(parts)))
    tree.files.sort(key=lambda entry: sort_key(entry.name))
    tree.folders = sorted(folders)
    tree.refused = sorted(set(tree.refused))
    return tree


def _image_stem(parts: tuple[str, ...]) -> str:
    stem, _, ending = parts[-1].rpartition(".") if parts else ("", "", "")
    return stem if f".{ending.lower()}" in IMAGE_ENDINGS else ""


def _is_sidecar(parts: tuple[str, ...], images: set[tuple[str, ...]]) -> bool:
    """Whether a file says something of the image of its name, as in a WebDataset."""
    stem, _, ending = parts[-1].rpartition(".")
    return ending in _SIDECARS and (*parts[:-1], stem) in images


def _parts(name: str) -> tuple[str, ...]:
    return tuple(p for p in name.replace("\\", "/").split("/") if p not in ("", "."))
