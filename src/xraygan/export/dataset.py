"""Synthetic images as a data set to hand on: for Hugging Face, WebDataset or a PACS."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from xraygan.export.claim import claimed
from xraygan.export.croissant import CROISSANT, croissant
from xraygan.export.source import Synthetic
from xraygan.runs import refusing_disk_faults, replacing, sha256_of, write_json
from xraygan.sampling import encode
from xraygan.sampling.dicom import dicom, require_dicom
from xraygan.sampling.encode import NOTICE, Picture
from xraygan.version import __version__

Kind = Literal["imagefolder", "webdataset", "dicom"]
METADATA = "metadata.jsonl"
"""Not CSV: of that `datasets` takes a class NA for a missing one, and 0 for a number."""
PER_TAR, BYTES_OF_TAR = 4096, 64 << 20
FILES: dict[Kind, str] = {
    "imagefolder": (
        "`train/<CLASS>/*.png`, and `train/metadata.jsonl` with file, class, seed, index and the "
        "hash of the model; `croissant.json` describes them to machines. Every PNG says in its "
        "metadata that it is synthetic, and by which model, seed and index."
    ),
    "webdataset": (
        f"`train-00000.tar`, … of at most {PER_TAR:,} images, and of each image `.png`, `.cls` "
        "(the class's place, from 0, in `classes_of_model` of `provenance.json`) and `.json` "
        "(class, model, seed, index)."
    ),
    "dicom": (
        "`<CLASS>/*.dcm`: Secondary Capture, Synthetic Data (0008,001C) = YES, of no patient. The "
        "derivation description has the hash of the model, class, seed and index."
    ),
}
"""What a data card says of each form."""
_TOGETHER = 256


def export_dataset(
    source: Synthetic,
    out: Path,
    kind: Kind,
    stated: Mapping[str, str | None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    complete: Callable[[], None] | None = None,
) -> Path:
    """Write a data set.

    | kind | files |
    |---|---|
    | imagefolder | `train/<CLASS>/*.png`, `train/metadata.jsonl`, `croissant.json` |
    | webdataset | `train-00000.tar`, …, each of at most 4,096 images |
    | dicom | `<CLASS>/*.dcm`, Secondary Capture |

    and `provenance.json` with each, last of all. The same call again writes the same files.

    Args:
        source: what `xraygan generate --format png` wrote.
        out: new, empty, or an earlier export of the same images in the same form.
        kind: the form.
        stated: what the owners say: "licence" of the data set, "licence_of_training_data" and
            "attribution_of_training_data"; None where not told.
        progress: called with images done and in all.
        complete: writes what else belongs to it, before it counts as whole.

    Returns:
        `out`.

    Raises:
        XrayganError: a folder that holds something else, an image that is not marked as
            synthetic, or a disk that refuses.
    """
    if kind == "dicom":
        require_dicom()
    facts = _provenance(source, kind, stated or {})
    same = ("form", "manifest_sha256")
    with refusing_disk_faults(out), claimed(out, facts, same), ThreadPoolExecutor() as pool:
        counted = _counted(source.pictures(), len(source), progress)
        if kind == "imagefolder":
            _write_imagefolder(counted, out, pool)
            table = out / "train" / METADATA
            described = croissant(source, sha256_of(table), facts.get("licence"))
            write_json(out / CROISSANT, described)
        elif kind == "webdataset":
            _write_tars(counted, out)
        else:
            _write_dicom(counted, out, pool)
        if complete:
            complete()
    return out


Pictures = Iterable[tuple[Picture, bytes]]


def _write_imagefolder(pictures: Pictures, out: Path, pool: ThreadPoolExecutor) -> None:
    """Hugging Face's layout, which Keras' and torchvision's folders are too."""
    folder = out / "train"
    folder.mkdir(exist_ok=True)
    with (
        replacing(folder / METADATA) as partial,
        partial.open("w", newline="\n", encoding="ascii") as table,
    ):
        for some in _batched(pictures):
            names = [f"{picture.folder}/{picture.name}.png" for picture, _ in some]
            _write_all(pool, folder, names, [content for _, content in some])
            for name, (one, _) in zip(names, some, strict=True):
                row = {
                    "file_name": name,
                    "label": one.class_name,
                    "seed": one.seed,
                    "index": one.index,
                    "psi": float(one.psi),
                    "model_sha256": one.model_sha256,
                }
                table.write(json.dumps(row) + "\n")


def _write_tars(pictures: Pictures, out: Path) -> None:
    """By number and by bytes, so that memory is that of one tar of moderate size."""
    iterator = iter(pictures)
    first = next(iterator)
    most = max(1, min(PER_TAR, BYTES_OF_TAR // first[0].pixels.nbytes))
    for number, some in enumerate(_batched(itertools.chain([first], iterator), most)):
        with replacing(out / f"train-{number:05d}.tar") as partial:
            partial.write_bytes(encode.webdataset(some))


def _write_dicom(pictures: Pictures, out: Path, pool: ThreadPoolExecutor) -> None:
    for some in _batched(pictures):
        names = [f"{picture.folder}/{picture.name}.dcm" for picture, _ in some]
        _write_all(pool, out, names, list(pool.map(dicom, [picture for picture, _ in some])))


def _write_all(
    pool: ThreadPoolExecutor, folder: Path, names: list[str], contents: list[bytes]
) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)

    def write(name: str, content: bytes) -> None:
        with replacing(folder / name) as partial:
            partial.write_bytes(content)

    list(pool.map(write, names, contents))


def _batched(pictures: Pictures, most: int = _TOGETHER) -> Iterator[list[tuple[Picture, bytes]]]:
    iterator = iter(pictures)
    while some := list(itertools.islice(iterator, most)):
        yield some


def _counted(
    pictures: Pictures, total: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[Picture, bytes]]:
    for done, one in enumerate(pictures, 1):
        yield one
        if progress and (done % _TOGETHER == 0 or done == total):
            progress(done, total)


def _provenance(source: Synthetic, kind: Kind, stated: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "synthetic": True,
        "notice": NOTICE,
        "form": kind,
        "images": len(source),
        "classes": source.counts,
        "classes_of_model": list(source.classes),
        "model_sha256": source.model_sha256,
        "manifest_sha256": source.manifest_sha256,
        **stated,
        "made_with": f"xraygan {__version__}",
    }
