"""Any source of chest films to one list of files with their classes, splits and facts.

A source is a folder or an archive. Its files are listed; the first format that recognises its
tables gives rows; each row finds its file; what the user did not ask for is left out.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from xraygan.config import PixelSettings
from xraygan.data.archives import ARCHIVE_SUFFIXES, archive_tree, joined
from xraygan.data.entries import DiskFile, Entry, Tree, nfc, sort_key
from xraygan.data.folders import (
    check_not_empty,
    interpret,
    is_dicom_name,
    list_dicom,
    may_be_dicom,
    not_an_image,
)
from xraygan.data.formats import chexpert, dicom_sets, nih, padchest, plain, stylegan, tuberculosis
from xraygan.data.formats.base import Row, Table
from xraygan.data.formats.plain import passed_over
from xraygan.data.listing import (
    ImageFile,
    Listing,
    is_left_out,
    left_out,
    left_out_notes,
    split_named,
)
from xraygan.data.medmnist import list_medmnist, list_parts
from xraygan.data.query import as_name
from xraygan.data.selection import Selection, Stated, several_note
from xraygan.data.tables import is_table, values
from xraygan.data.walk import walk_folder
from xraygan.errors import XrayganError

# In the order in which they are tried: the more particular the names, the earlier.
_FORMATS: Mapping[str, Callable[[Tree, PixelSettings], Table | None]] = {
    "nih": nih.table,
    "chexpert": chexpert.chexpert,
    "mimic": chexpert.mimic,
    "padchest": padchest.table,
    "rsna": dicom_sets.rsna,
    "vindr": dicom_sets.vindr,
    "stylegan": stylegan.table,
    "imagefolder": plain.imagefolder,
    "csv": plain.csv_table,
    "tuberculosis": tuberculosis.table,
}
# What a table is understood as, where it is given by itself.
_BY_TABLE = ("nih", "chexpert", "padchest", "vindr", "imagefolder")
# So many last parts of a path tell a file from others: patient, study, image.
_TAIL = 3
_SEVERAL = "several files have the name that the table gives"


def list_source(source: Path, settings: PixelSettings, skip: Collection[Path] = ()) -> Listing:
    """List the films of a folder, an archive, a table with its folder, or an `.npz`.

    Args:
        source: see `docs/data.md` for what is recognised.
        settings: format, column, labels, multi_label, negative, views and where count.
        skip: folders to leave out (the cache, if someone put it inside the source).

    Raises:
        XrayganError: no such source, an archive that is refused, a table that cannot be
            understood, a question about a column that is not there.
    """
    if not source.exists():
        raise XrayganError(f"data folder {source} does not exist; check the path")
    if settings.format == "medmnist" or source.suffix == ".npz":
        return _selected(list_medmnist(source), settings)
    tree, settings = _open(source, settings, skip)
    check_not_empty(source, tree)
    plain.check_finished(source, tree)
    arrays = _parts(tree, settings, (".npz",)) if source.is_dir() else []
    if arrays := [source / entry.name for entry in arrays if len(entry.parts) == 1]:
        return _selected(list_parts(arrays), settings)
    table = _recognised(source, tree, settings)
    if table is None:
        if settings.format == "dicom":
            return _selected(list_dicom(tree), settings)
        listing = interpret(tree, sure=settings.format == "folders")
        if settings.format != "folders":
            listing = replace(listing, notes=(*listing.notes, *passed_over(tree, settings)))
        return _selected(listing, settings)
    return _matched(tree, table, settings)


def _open(
    source: Path, settings: PixelSettings, skip: Collection[Path]
) -> tuple[Tree, PixelSettings]:
    """The tree of a source; a table stands for its folder."""
    if source.is_dir():
        tree = walk_folder(source, skip)
        if archives := _parts(tree, settings, ARCHIVE_SUFFIXES):
            # A collection's table may lie beside the archives that hold its films.
            tree.files = [e for e in tree.files if is_table(e.name) or e.name.endswith(".txt")]
            tree = joined([tree, *(_unpacked(source, archive) for archive in archives)])
        return tree, settings
    name = source.name.lower()
    if name.endswith(ARCHIVE_SUFFIXES):
        return archive_tree(source), settings
    if is_table(name):
        tree = walk_folder(source.parent, skip)
        tree.files = [entry for entry in tree.files if not is_table(entry.name)]
        # By its own name, since the one that `xraygan generate` writes is passed over elsewhere.
        tree.files.append(Entry((source.name,), DiskFile(str(source), source.stat())))
        if settings.format == "auto":
            known = (kind for kind in _BY_TABLE if _FORMATS[kind](tree, settings))
            settings = settings.model_copy(update={"format": next(known, "csv")})
        return tree, settings
    raise XrayganError(
        f"{source} is a file that is no source; give a folder, a table (.csv, .jsonl), an archive "
        f"({', '.join(ARCHIVE_SUFFIXES)}) or a MedMNIST .npz"
    )


def _parts(tree: Tree, settings: PixelSettings, endings: tuple[str, ...]) -> list[Entry]:
    """The files of these endings in a folder that holds them in the place of images."""
    # The films of an export have no ending, and a viewer may be packed beside them.
    exported = settings.format == "dicom"
    for entry in tree.files:
        if not not_an_image(entry.name) or (exported and is_dicom_name(entry.name)):
            return []
    return [entry for entry in tree.files if entry.name.lower().endswith(endings)]


def _unpacked(source: Path, archive: Entry) -> Tree:
    """What an archive of a folder holds, as if it had been unpacked where it lies."""
    tree, above = archive_tree(source / archive.name), archive.parts[:-1]
    return Tree(
        [Entry((*above, *entry.parts), entry.place) for entry in tree.files],
        [(*above, *parts) for parts in tree.folders],
        [("/".join((*above, name)), reason) for name, reason in tree.refused],
    )


def _recognised(source: Path, tree: Tree, settings: PixelSettings) -> Table | None:
    if settings.format in ("folders", "dicom"):
        return None
    if settings.format != "auto":
        found = _FORMATS[settings.format](tree, settings)
        if found is None:
            raise XrayganError(
                f"--format {settings.format}: {source} holds no such table or names; see "
                "docs/data.md for what is looked for"
            )
        return found
    return next((table for read in _FORMATS.values() if (table := read(tree, settings))), None)


def _selected(listing: Listing, settings: PixelSettings) -> Listing:
    """Class folders and arrays, with the user's wishes applied."""
    selection = Selection(settings, multi_label=settings.multi_label)
    selection.check_labels({label for file in listing.files for label in _labels(file)})
    classes: dict[tuple[str, ...], tuple[str, str]] = {}
    files, refused = [], list(listing.refused)
    for file in listing.files:
        labels = _labels(file)
        stated = (file.label, *labels)
        if stated not in classes:
            said = Stated(frozenset(labels), negative=not file.label)
            classes[stated] = selection.class_of(said)
        label, reason = classes[stated]
        if not reason and not may_be_dicom(file.name, settings):
            reason = selection.why_not(file.facts, file.split, label, file.labels, {})
        if reason:
            refused.append((file.name, reason))
        else:
            files.append(file if label == file.label else _relabelled(file, label))
    listing = replace(listing, label_sets=settings.multi_label)
    return _listing(files, refused, listing)


def _labels(file: ImageFile) -> tuple[str, ...]:
    return file.labels or ((file.label,) if file.label else ())


def _relabelled(file: ImageFile, label: str) -> ImageFile:
    return ImageFile(file.name, file.place, file.split, label, file.labels, file.facts)


def _matched(tree: Tree, table: Table, settings: PixelSettings) -> Listing:
    """Rows with their files."""
    label_sets = settings.multi_label or table.label_sets
    selection = Selection(settings, table.frame.columns, label_sets)
    selection.check_labels({f for row in table.rows for f in row.stated.labels})
    asked = table.frame.columns if selection.asks_columns else []
    columns = {as_name(str(name)): values(table.frame, name) for name in asked}
    index = _Index(tree)
    files: dict[str, ImageFile] = {}
    rows: dict[str, Row] = {}
    refused = dict(tree.refused)
    for row in table.rows:
        entry, reason = index.find(table.folder, row.file)
        if entry is None:
            refused[row.file or f"row {row.line + 1}"] = reason
            continue
        if entry.name in rows:
            if rows[entry.name].stated != row.stated:
                refused[entry.name] = "rows of the table contradict each other about it"
                files.pop(entry.name, None)
            continue
        rows[entry.name] = row
        if row.split is None and table.folder_splits:
            row = replace(row, split=_split_around(entry))
        file, reason = _wanted(entry, row, columns, selection)
        if file is None:
            refused[entry.name] = reason
        else:
            files[entry.name] = file
    for entry in tree.files:
        if entry.name not in rows and not not_an_image(entry.name):
            refused[entry.name] = left_out("no row of the table names it")
    _check_any(rows, table, refused)
    listing = Listing((), (), (), table.format, table.final, label_sets)
    return _listing(list(files.values()), list(refused.items()), listing)


def _wanted(
    entry: Entry, row: Row, columns: Mapping[str, list[str]], selection: Selection
) -> tuple[ImageFile | None, str]:
    label, reason = selection.class_of(row.stated)
    labels = row.stated.labels
    line = {name: texts[row.line] for name, texts in columns.items()}
    # What DICOM says of itself counts too, and is not known before it is read.
    if not reason and not is_dicom_name(entry.name):
        reason = selection.why_not(row.facts, row.split, label, labels, line)
    if reason:
        return None, reason
    kept = line if is_dicom_name(entry.name) else {}
    return ImageFile(entry.name, entry.place, row.split, nfc(label), labels, row.facts, kept), ""


def _split_around(entry: Entry) -> str | None:
    """The split whose folder a file lies in."""
    return next(filter(None, map(split_named, entry.parts[:-1])), None)


def _check_any(rows: Mapping[str, Row], table: Table, refused: Mapping[str, str]) -> None:
    if rows or not table.rows:
        return
    files = f"the {len(table.rows):,} files that the table names"
    if _SEVERAL in refused.values():
        raise XrayganError(
            f"{files} are there more than once (read as {table.format}): several folders hold "
            "files of the same names, at other sizes perhaps; move all but one of them away"
        )
    raise XrayganError(
        f"none of {files} is there (read as {table.format}); give the folder that holds both the "
        "table and the images"
    )


def _listing(files: list[ImageFile], refused: list[tuple[str, str]], listing: Listing) -> Listing:
    """The listing with these files and refusals, sorted, and with what is to be said of them."""
    notes = list(listing.notes)
    reasons = Counter(reason for _, reason in refused if is_left_out(reason))
    notes += several_note(reasons) + left_out_notes(reasons)
    files.sort(key=lambda file: sort_key(file.name))
    refused.sort(key=lambda item: sort_key(item[0]))
    return replace(listing, files=tuple(files), refused=tuple(refused), notes=tuple(notes))


class _Index:
    """The image files of a tree by path, by its last parts, by name, by name without ending.

    Args:
        tree: of the source.
        alike: makes one text of names that count as the same.
    """

    def __init__(self, tree: Tree, alike: Callable[[str], str] = nfc) -> None:
        self._tree, self._alike = tree, alike
        self._paths: dict[str, Entry | None] = {}
        self._tails: dict[str, Entry | None] = {}
        self._names: dict[str, Entry | None] = {}
        for entry in tree.files:
            if not_an_image(entry.name) and not is_dicom_name(entry.name):
                continue
            parts = [alike(part) for part in entry.parts]
            path, tail, name = "/".join(parts), _tail(parts), parts[-1]
            self._paths[path] = None if path in self._paths else entry
            self._tails[tail] = None if tail in self._tails else entry
            for key in {name, name.rpartition(".")[0]}:
                self._names[key] = None if key in self._names else entry

    @cached_property
    def _whatever_case(self) -> "_Index":
        return _Index(self._tree, lambda text: nfc(text.casefold()))

    def find(self, folder: tuple[str, ...], file: str) -> tuple[Entry | None, str]:
        """The file that a row means, or None and why."""
        parts = [self._alike(part) for part in file.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return None, "the table's path leads out of the data folder, or is empty"
        candidates = [parts[start:] for start in range(len(parts))]
        candidates.insert(0, [*map(self._alike, folder), *parts])
        for candidate in candidates:
            entry = self._paths.get("/".join(candidate))
            if entry is not None:
                return entry, ""
        # Collections are unpacked into folders with other names than their tables say.
        names = self._names if len(parts) == 1 else self._tails
        if (key := _tail(parts)) in names:
            named = names[key]
            return named, "" if named else _SEVERAL
        if self._alike is nfc:
            return self._whatever_case.find(folder, file)
        return None, "named by the table, and not there"


def _tail(parts: list[str]) -> str:
    return "/".join(parts[-_TAIL:])
