"""What a folder of synthetic images holds: a record a part, and the manifest made of them.

A record is a hidden file of JSON lines: what the part is, with one hash over the bytes of its
files, then the file, class and index of each image.
"""

import contextlib
import csv
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from xraygan.config import Settings
from xraygan.errors import XrayganError
from xraygan.names import ClassName, check_inside
from xraygan.runs import AUDIT, refusing_disk_faults, sha256_of, write_whole
from xraygan.sampling.request import Format, Request, Shard, as_text

MANIFEST = "manifest.csv"
COLUMNS = ("file", "class", "seed", "index", "psi", "model_sha256")

Row = tuple[str, str, int]


class Head(Settings):
    """The first line of a record.

    Attributes:
        model_sha256: of the weights.
        format: of the files.
        bits: of a grey level.
        seed: of the latents.
        psi: truncation.
        first: index of the first image.
        num: images of the part, those that were left out included.
        filtered: whether images may have been left out.
        sha256: over the files' hashes.
        classes: the model's, in the order of their numbers; () in a record of an earlier version.
    """

    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    format: Format
    bits: Literal[8, 16]
    seed: int = Field(ge=0)
    psi: float
    first: int = Field(ge=0)
    num: int = Field(ge=1)
    filtered: bool
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    classes: tuple[ClassName, ...] = ()


def write_record(record: Path, head: Head, rows: Iterable[Row]) -> None:
    """Write a part's record, whole or not at all."""
    lines = [head.model_dump_json(), *(json.dumps(row, ensure_ascii=False) for row in rows)]
    write_whole(record, ("\n".join(lines) + "\n").encode())


def records(out: Path) -> list[Path]:
    """The records in a folder, by seed, then by series, then by first index."""
    return sorted(out.glob(".part-*.jsonl"))


def read_head(record: Path) -> Head:
    """What a record says of its part.

    Raises:
        XrayganError: it is not one of ours.
    """
    with _ours(record), record.open(encoding="utf-8") as file:
        return Head.model_validate_json(file.readline())


def read_rows(record: Path) -> Iterator[Row]:
    """File, class and index of each image of a part.

    Raises:
        XrayganError: it is not one of ours.
    """
    with _ours(record), record.open(encoding="utf-8") as file:
        file.readline()
        for line in file:
            name, class_name, index = json.loads(line)
            check_inside(name)
            yield name, class_name, int(index)


def series_of(seed: int, family: str) -> str:
    """How the names of a family's records begin."""
    return f".part-{seed:010d}-{hashlib.sha256(family.encode()).hexdigest()[:12]}"


def is_whole(record: Path) -> bool:
    """Whether a part was written to its end, without a filter, and every file still is so."""
    if not record.exists():
        return False
    head = read_head(record)
    if head.filtered:
        return False
    names = dict.fromkeys(name for name, *_ in read_rows(record))
    try:
        contents = [(record.parent / name).read_bytes() for name in names]
    except OSError:
        return False
    return digest(contents) == head.sha256


def digest(contents: Sequence[bytes]) -> str:
    """One SHA-256 over the hashes of several files' contents."""
    total = hashlib.sha256()
    for content in contents:
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


def made_by(out: Path) -> str | None:
    """Which model made the images in a folder, by its hash; None where there are none."""
    found = records(out)
    return read_head(found[0]).model_sha256 if found else None


def classes_of(out: Path) -> tuple[str, ...]:
    """The classes of the model that made the images in a folder, in the order of their numbers."""
    return next(filter(None, (read_head(record).classes for record in records(out))), ())


def origin(out: Path, images: int | None = None) -> dict[str, str]:
    """Which images are in a folder: "model_sha256" and "manifest_sha256", where it says them.

    Args:
        out: the folder.
        images: how many are meant; a manifest that lists more or fewer is not theirs.
    """
    found = {}
    if maker := made_by(out):
        found["model_sha256"] = maker
    manifest = out / MANIFEST
    if manifest.is_file() and images in (None, listed_in(out)):
        found["manifest_sha256"] = sha256_of(manifest)
    return found


def listed_in(out: Path) -> int:
    """How many images a folder's manifest lists."""
    with (out / MANIFEST).open("rb") as file:
        return sum(1 for _ in file) - 1


def is_filtered(out: Path) -> bool:
    """Whether images may have been left out of a folder."""
    return any(read_head(record).filtered for record in records(out))


def set_aside(out: Path, model_sha256: str, seed: int, num: int) -> Path | None:
    """Make room for the first `num` images of a model and a seed where others lie.

    Those of an earlier model or of another seed are in the way, and so are some that went through
    a filter, of one class, in another format, and more than `num`: the folder would not be what is
    said of it.

    Returns:
        Where the folder is now; None where it was not in the way.

    Raises:
        XrayganError: it cannot be renamed.
    """
    found = records(out)
    heads = [read_head(record) for record in found]
    ours = f"{series_of(seed, Request(num, seed).family)}-"
    if all(record.name.startswith(ours) for record in found) and all(
        _is_of_set(head, model_sha256, num) for head in heads
    ):
        return None
    maker, filtered = heads[0].model_sha256, any(head.filtered for head in heads)
    kind = "-filtered" if filtered and maker == model_sha256 else ""
    name = f"{out.name}-{maker[:8]}{kind}"
    names = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
    aside = next(path for path in map(out.with_name, names) if not path.exists())
    with refusing_disk_faults(aside):
        out.rename(aside)
    return aside


def _is_of_set(head: Head, model_sha256: str, num: int) -> bool:
    """Whether a part of a series belongs to its first `num` images, as `run` writes them."""
    kind = (head.model_sha256, head.format, head.bits, head.filtered)
    return kind == (model_sha256, "png", 8, False) and head.first + head.num <= num


def audit_name(shard: Shard) -> str:
    """The file of a shard's audit: `audit.json`, or `audit-3-of-16.json` for one of several."""
    return AUDIT if shard.count == 1 else f"audit-{shard.number}-of-{shard.count}.json"


def write_manifest(out: Path) -> Path:
    """`manifest.csv` from the records of all parts: each image once, in constant memory."""
    heads = {record: read_head(record) for record in records(out)}
    shared = _sharing(heads)
    partial = out / f".{MANIFEST}"
    with partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for record, head in heads.items():
            before = shared.get(record, [])
            listed = {row[1:] for other in before for row in _rows_there(out, other)}
            # A filter may have taken away what another part, or a call cut short, has listed.
            rows = _rows_there(out, record) if before or head.filtered else read_rows(record)
            for name, *image in rows:
                if tuple(image) not in listed:
                    class_name, index = image
                    facts = (head.seed, index, as_text(head.psi), head.model_sha256)
                    table.writerow((name, class_name, *facts))
    partial.replace(out / MANIFEST)
    return out / MANIFEST


def span(record: Path) -> range:
    """Which images the part of a record has, by the record's name."""
    first, num = map(int, record.stem.rsplit("-", 2)[1:])
    return range(first, first + num)


def of_family(record: Path) -> list[Path]:
    """The other records in the folder that are of the same series of images."""
    family = record.name.rsplit("-", 2)[0]
    return [other for other in sorted(record.parent.glob(f"{family}-*.jsonl")) if other != record]


def lies_within(inner: range, outer: range) -> bool:
    """Whether all of a part's images are another part's too."""
    return outer.start <= inner.start and inner.stop <= outer.stop


def clear_up(out: Path) -> None:
    """Take away what an earlier call meant to and could not: parts that lie within others."""
    widest: Path | None = None
    for record in sorted(records(out), key=_by_span):
        if widest is None or not _is_part_of(record, widest):
            widest = record
        else:
            remove_superseded(widest)


def _by_span(record: Path) -> tuple[str, int, int]:
    return record.name.rsplit("-", 2)[0], span(record).start, -span(record).stop


def _is_part_of(record: Path, other: Path) -> bool:
    same_series = record.name.rsplit("-", 2)[0] == other.name.rsplit("-", 2)[0]
    return same_series and lies_within(span(record), span(other)) and is_whole(other)


def remove_superseded(record: Path) -> None:
    """Take away parts of the same images that lie within a new part, with files of their own.

    Args:
        record: of the new part, written.
    """
    old = [other for other in of_family(record) if lies_within(span(other), span(record))]
    if not old:
        return
    kept = {name for name, *_ in read_rows(record)}
    for other in old:
        for name in {name for name, *_ in read_rows(other)} - kept:
            (record.parent / name).unlink(missing_ok=True)
        other.unlink()


def _sharing(heads: Mapping[Path, Head]) -> dict[Path, list[Path]]:
    """Of each part the earlier ones, by their records' names, that may have some of its images."""
    shared: dict[Path, list[Path]] = {}
    near: list[Path] = []
    for record in sorted(heads, key=lambda record: _place(heads[record])):
        seed, psi, first = _place(heads[record])
        near = [other for other in near if _reaches(heads[other], seed, psi, first)]
        for other in near:
            shared.setdefault(max(record, other), []).append(min(record, other))
        near.append(record)
    return shared


def _place(head: Head) -> tuple[int, float, int]:
    return head.seed, head.psi, head.first


def _reaches(head: Head, seed: int, psi: float, first: int) -> bool:
    return (head.seed, head.psi) == (seed, psi) and first < head.first + head.num


def _rows_there(out: Path, record: Path) -> Iterator[Row]:
    """The rows of a part whose file is there."""
    return (row for row in read_rows(record) if (out / row[0]).exists())


@contextlib.contextmanager
def _ours(record: Path) -> Iterator[None]:
    try:
        yield
    except (ValidationError, ValueError, TypeError):
        raise XrayganError(
            f"{record}: is damaged or none of ours; give another folder or delete this one"
        ) from None
