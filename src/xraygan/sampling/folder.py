"""A folder of synthetic images that can be shared, made in parts that survive a kill.

A part is some thousand images: its files are written first, then its record, a hidden file
that lists them with one hash over their bytes. What has a record that holds is never made
again; what has none is. `manifest.csv` is the records of all parts, one row an image.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from xraygan.errors import XrayganError
from xraygan.models.files import Model
from xraygan.names import class_folders
from xraygan.runs import is_litter, refusing_disk_faults, replacing
from xraygan.sampling import encode
from xraygan.sampling.dicom import dicom, require_dicom
from xraygan.sampling.encode import Picture
from xraygan.sampling.generate import batches, label_of
from xraygan.sampling.records import (
    MANIFEST,
    Head,
    clear_up,
    digest,
    is_whole,
    lies_within,
    of_family,
    read_head,
    records,
    remove_superseded,
    series_of,
    span,
    write_manifest,
    write_record,
)
from xraygan.sampling.request import Format, Part, Request, Shard, Written, parts, share

MOST_IMAGES, MOST_BYTES = 4096, 64 * 2**20
"""Of a part."""
_LOCK = ".lock"
_SUFFIXES = {"png": "png", "dicom": "dcm"}
"""Of the formats that give each image a file."""

LeaveOut = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Job:
    """One call's work.

    Attributes:
        model: as loaded.
        request: which images.
        out: the folder.
        format: of the files.
        leave_out: from images [n, R, R] to bool [n], which of them are not written.
    """

    model: Model
    request: Request
    out: Path
    format: Format
    leave_out: LeaveOut | None

    @cached_property
    def folders(self) -> dict[str, str]:
        """Of each class."""
        return class_folders(self.model.description.classes)

    def record(self, part: Part) -> Path:
        """Where a part's record lies."""
        return self.out / f"{self.series(self.request.family)}-{part.first:012d}-{part.num}.jsonl"

    def series(self, family: str) -> str:
        """How the names of a family's records begin."""
        return series_of(self.request.seed, family)

    @property
    def stem(self) -> str:
        """How a file of many images begins: as the family, with the class's folder for its name."""
        name = self.request.class_name
        return self.request.family_of(name and self.folders[name], self.request.like_train)


def write_images(
    model: Model,
    request: Request,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    leave_out: LeaveOut | None = None,
    *,
    format: Format = "png",
    shard: Shard | None = None,
) -> Written:
    """Write labelled images and `out/manifest.csv`, in constant memory.

    | format | files |
    |---|---|
    | png, dicom | `<CLASS>/seedSSSSSSSSSS_NNNNNNNN.png` or `.dcm` |
    | npz, webdataset | `seedSSSSSSSSSS_CLASSES_FIRST-LAST.npz` or `.tar`, each of some thousands |

    Another call into the same folder adds to it; the same call again makes only what is not
    whole; several workers may write their shards into one folder at the same time.

    Args:
        model: as loaded.
        request: which images.
        out: made where it does not exist.
        progress: called with images made and wanted.
        leave_out: from images [n, R, R] to bool [n], which of them are not written. Given,
            every image is made anew, so that all of them are asked for.
        format: of the files.
        shard: which share of the request; all of it by default.

    Returns:
        The manifest's path, and how many images were written and left out.

    Raises:
        XrayganError: the folder holds something else, or cannot be written.
    """
    label_of(model, request, request.first)
    if request.class_name is not None:  # a set of labels may be named in any order
        number = model.class_number(request.class_name)
        request = replace(request, class_name=model.description.classes[number])
    if format == "dicom":
        require_dicom()
    job = Job(model, request, out, format, leave_out)
    told = progress or _silent
    indices = share(request, shard or Shard())
    wanted, done, left_out = len(indices), 0, 0
    with refusing_disk_faults(out):
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            _claim(job)
            _check_once(job, indices)
            clear_up(out)
        with ThreadPoolExecutor() as pool:
            for part in parts(indices, _most(job)):
                there = _is_there(job, part)  # refuses what would be there twice, filtered or not
                if leave_out or not there:
                    left_out += _make(
                        job, part, pool, lambda made, before=done: told(before + made, wanted)
                    )
                else:
                    told(done + part.num, wanted)
                done += part.num
        with _locked(out):
            manifest = write_manifest(out)
            if not records(out):  # of an empty shard: the others' first parts are to come
                _mark(out).touch()
            return Written(manifest, wanted - left_out, left_out)


def _is_there(job: Job, part: Part) -> bool:
    """Whether a part is whole, by itself or within another one.

    Raises:
        XrayganError: it overlaps a part of a file that holds other images as well.
    """
    record = job.record(part)
    if is_whole(record):
        return True
    around = range(part.first, part.first + part.num)
    for other in of_family(record):
        theirs = span(other)
        if lies_within(around, theirs) and is_whole(other):
            return True
        overlap = theirs.start < around.stop and around.start < theirs.stop
        if overlap and job.format not in _SUFFIXES and not lies_within(theirs, around):
            raise XrayganError(
                f"{job.out}: has images {theirs.start} to {theirs.stop - 1} in one file, and "
                f"{around.start} to {around.stop - 1} overlap it; give another folder"
            )
    return False


def _make(job: Job, part: Part, pool: ThreadPoolExecutor, progress: Callable[[int], None]) -> int:
    """Make a part's images, write its files, then its record; how many were left out."""
    pictures: list[Picture] = []
    seen = 0
    for indices, images, labels in batches(job.model, job.request, part.indices):
        made = [_picture(job, *one) for one in zip(indices, images, labels, strict=True)]
        unwanted = job.leave_out(images) if job.leave_out else np.zeros(len(images), bool)
        for picture, no in zip(made, unwanted, strict=True):
            if no:
                _take_away(job, picture)
            else:
                pictures.append(picture)
        seen += len(indices)
        progress(seen)
    files, sha256 = _written(job, part, pictures, pool)
    head = Head(
        model_sha256=job.model.sha256,
        format=job.format,
        bits=job.request.bits,
        seed=job.request.seed,
        psi=job.request.psi,
        first=part.first,
        num=part.num,
        filtered=job.leave_out is not None,
        sha256=sha256,
        classes=job.model.description.classes,
    )
    rows = [(name, one.class_name, one.index) for name, one in zip(files, pictures, strict=True)]
    write_record(job.record(part), head, rows)
    with _locked(job.out):
        remove_superseded(job.record(part))
    return part.num - len(pictures)


def _silent(_done: int, _wanted: int) -> None:
    """No progress is asked for."""


def _picture(job: Job, index: int, pixels: np.ndarray, label: int) -> Picture:
    request = job.request
    return Picture(
        pixels=pixels,
        class_name=job.model.description.classes[label],
        label=int(label),
        seed=request.seed,
        index=index,
        psi=request.psi,
        model_sha256=job.model.sha256,
        name=f"{request.stem}_{index:08d}",
        folder=job.folders[job.model.description.classes[label]],
    )


def _written(
    job: Job, part: Part, pictures: Sequence[Picture], pool: ThreadPoolExecutor
) -> tuple[list[str], str]:
    """The file of each picture, and one hash over all files' bytes."""
    if job.format in _SUFFIXES:
        contents = list(pool.map(encode.png if job.format == "png" else dicom, pictures))
        files = [_file_of(job, picture) for picture in pictures]
        for name in {picture.folder for picture in pictures}:
            (job.out / name).mkdir(exist_ok=True)
        list(pool.map(_write, [job.out / name for name in files], contents))
        return files, digest(contents)
    name = f"{job.stem}_{part.first:08d}-{part.indices[-1]:08d}"
    if not pictures:
        return [], digest([])
    if job.format == "npz":
        name, content = f"{name}.npz", encode.npz(pictures, job.model.description.classes)
    else:
        images = pool.map(encode.png, pictures)
        name, content = f"{name}.tar", encode.webdataset(zip(pictures, images, strict=True))
    _write(job.out / name, content)
    return [name] * len(pictures), digest([content])


def _take_away(job: Job, picture: Picture) -> None:
    """An image that another call has left, cut short before it wrote what it made."""
    if job.format in _SUFFIXES:
        (job.out / _file_of(job, picture)).unlink(missing_ok=True)


def _file_of(job: Job, picture: Picture) -> str:
    return f"{picture.folder}/{picture.name}.{_SUFFIXES[job.format]}"


def _write(path: Path, content: bytes) -> None:
    """Never half a file under its own name."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def _claim(job: Job) -> None:
    """Use a folder that is new, empty, or already this model's, in this format."""
    found = records(job.out)
    if not found:
        # A first part that was cut short leaves this mark, class folders and files.
        mark = _mark(job.out)
        others = (path for path in job.out.iterdir() if path.name != _LOCK)
        if not mark.exists() and not all(map(is_litter, others)):
            raise XrayganError(f"{job.out}: holds other files; give a new or empty folder")
        mark.touch()
        return
    heads = [read_head(record) for record in found]
    head = heads[0]
    if head.model_sha256 != job.model.sha256:
        raise XrayganError(
            f"{job.out}: holds images of another model; give another folder or delete this one"
        )
    if any(head.filtered != (job.leave_out is not None) for head in heads):
        raise XrayganError(
            f"{job.out}: holds images that {'went' if head.filtered else 'did not go'} through "
            "--filter copies, and one folder holds no mixture; give another folder"
        )
    if (head.format, head.bits) != (job.format, job.request.bits):
        raise XrayganError(
            f"{job.out}: holds {head.format} files of {head.bits} bits; give another folder"
        )


def _check_once(job: Job, indices: range) -> None:
    """See that no image gets into two files of many images, of one class and of all.

    Raises:
        XrayganError: it would.
    """
    if job.format in _SUFFIXES:
        return
    others = {job.request.family_of(None), job.request.family_of(None, like_train=True)}
    if job.request.class_name is None:
        others |= {job.request.family_of(name) for name in job.model.description.classes}
    for family in others - {job.request.family}:
        for record in job.out.glob(f"{job.series(family)}-*.jsonl"):
            theirs = span(record)
            if theirs.start < indices.stop and indices.start < theirs.stop:
                raise XrayganError(
                    f"{job.out}: has images {theirs.start} to {theirs.stop - 1} of this seed in "
                    f"{job.format} files of other classes, and some would be there twice; give "
                    "another folder, --seed or --first"
                )


def _mark(out: Path) -> Path:
    """A file that says that a folder without records yet is ours."""
    return out / f".{MANIFEST}"


def _locked(out: Path) -> FileLock:
    return FileLock(out / _LOCK)


def _most(job: Job) -> int:
    """Images of a part."""
    side = job.model.description.network.resolution
    return min(MOST_IMAGES, MOST_BYTES // (side * side * job.request.bits // 8))
