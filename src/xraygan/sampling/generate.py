"""Labelled synthetic images as a folder that can be shared, with where each came from."""

import csv
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from xraygan.errors import XrayganError
from xraygan.models.files import Model
from xraygan.models.sample import CHUNK, sample
from xraygan.runs import refusing_disk_faults
from xraygan.sampling.request import Request
from xraygan.version import __version__

MANIFEST = "manifest.csv"
COLUMNS = ("file", "class", "seed", "index", "model_sha256")
CHUNKS_AT_ONCE = 8
PNG_LEVEL = 3


def label_of(model: Model, request: Request, index: int) -> int:
    """The class number of image `index`: depends on the model, the request and the index."""
    classes = model.description.classes
    if request.class_name is not None:
        if request.class_name not in classes:
            raise XrayganError(
                f"--class {request.class_name}: the model knows {', '.join(classes)}"
            )
        return classes.index(request.class_name)
    if not request.like_train:
        return index % len(classes)
    counts = np.cumsum(model.description.class_counts)
    stream = np.random.Generator(np.random.Philox(key=[request.seed, index], counter=[0, 0, 0, 1]))
    return int(np.searchsorted(counts, stream.random() * counts[-1], side="right"))


def generate_arrays(model: Model, request: Request) -> tuple[np.ndarray, np.ndarray]:
    """The images in memory: uint8 [N, R, R] and int32 labels [N]."""
    parts = list(_batches(model, request))
    return np.concatenate([p[1] for p in parts]), np.concatenate([p[2] for p in parts])


def write_images(
    model: Model,
    request: Request,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    leave_out: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Path:
    """Write `out/<CLASS>/seedSSSSSSSSSS_NNNNNNNN.png` and `out/manifest.csv`, in constant memory.

    A second call into the same folder adds to it.

    Args:
        model: as loaded.
        request: which images.
        out: made where it does not exist.
        progress: called with images made and wanted.
        leave_out: from images uint8 [n, R, R] to bool [n], which of them are not written.

    Returns:
        The manifest's path.

    Raises:
        XrayganError: the folder holds something else, or cannot be written.
    """
    label_of(model, request, request.first)
    with refusing_disk_faults(out):
        _claim(out, model)
        for name in model.description.classes:
            if request.class_name in (None, name):
                (out / name).mkdir(exist_ok=True)
    done = 0
    manifest = out / MANIFEST
    partial = out / f".{MANIFEST}"
    with (
        refusing_disk_faults(out),
        ThreadPoolExecutor() as pool,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows(_kept_rows(manifest, model, request))
        for indices, images, labels in _batches(model, request):
            unwanted = leave_out(images) if leave_out else np.zeros(len(images), bool)
            names = [model.description.classes[label] for label in labels]
            files = [
                f"{name}/seed{request.seed:010d}_{index:08d}.png"
                for name, index in zip(names, indices, strict=True)
            ]
            for place in np.flatnonzero(unwanted):
                (out / files[place]).unlink(missing_ok=True)
            kept = np.flatnonzero(~unwanted)
            facts = [_facts(model, request.seed, indices[n], names[n]) for n in kept]
            list(pool.map(_write_png, [out / files[n] for n in kept], images[kept], facts))
            rows.writerows(
                (files[n], names[n], request.seed, indices[n], model.sha256) for n in kept
            )
            done += len(indices)
            if progress:
                progress(done, request.num)
    with refusing_disk_faults(out):
        partial.replace(manifest)
    return manifest


def _batches(model: Model, request: Request) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Indices, images and labels, some chunks at a time."""
    numbers = iter(range(request.first, request.first + request.num))
    while indices := list(itertools.islice(numbers, CHUNK * CHUNKS_AT_ONCE)):
        labels = [label_of(model, request, index) for index in indices]
        images = sample(model.generator, model.description.network, request.seed, indices, labels)
        yield indices, images, np.array(labels, np.int32)


def made_by(out: Path) -> str | None:
    """Which model made the images in a folder, by its hash; None where there are none."""
    manifest = next((out / n for n in (MANIFEST, f".{MANIFEST}") if (out / n).exists()), None)
    first = next(_rows(manifest), None) if manifest else None
    return first["model_sha256"] if first else None


def _claim(out: Path, model: Model) -> None:
    """Use a folder that is new, empty, or already this model's."""
    out.mkdir(parents=True, exist_ok=True)
    if not any((out / name).exists() for name in (MANIFEST, f".{MANIFEST}")):
        if any(out.iterdir()):
            raise XrayganError(f"{out}: holds other files; give a new or empty folder")
        (out / f".{MANIFEST}").touch()  # ours from here on, wherever this call is cut short
        return
    if made_by(out) not in (None, model.sha256):
        raise XrayganError(
            f"{out}: holds images of another model; give another folder or delete this one"
        )


def _kept_rows(manifest: Path, model: Model, request: Request) -> Iterator[list[str]]:
    """Rows of an earlier call into the same folder, but those that are written again."""
    if not manifest.exists():
        return
    for row in _rows(manifest):
        seed, index = int(row["seed"]), int(row["index"])
        again = (
            seed == request.seed
            and request.first <= index < request.first + request.num
            and row["class"] == model.description.classes[label_of(model, request, index)]
        )
        if not again:
            yield [row[name] for name in COLUMNS]


def _rows(manifest: Path) -> Iterator[dict[str, str]]:
    """The rows of a manifest, each checked to be one of ours."""
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if tuple(row) != COLUMNS or not (row["seed"] + row["index"]).isdecimal():
                    raise ValueError("a row is not one of ours")
                yield row
    except (ValueError, TypeError, csv.Error) as error:
        raise XrayganError(
            f"{manifest}: cannot be read ({error}); give another folder or delete this one"
        ) from None


def _facts(model: Model, seed: int, index: int, class_name: str) -> dict[str, str]:
    return {
        "Synthetic": "yes",
        "Description": "Synthetic chest X-ray made by a GAN: shows no patient. Not for diagnosis.",
        "Software": f"xraygan {__version__}",
        "Class": class_name,
        "Seed": str(seed),
        "Index": str(index),
        "Model-SHA256": model.sha256,
    }


def _write_png(path: Path, image: np.ndarray, facts: dict[str, str]) -> None:
    """One PNG with its provenance in text chunks; never half a file under its own name."""
    info = PngImagePlugin.PngInfo()
    for key, value in facts.items():
        info.add_itxt(key, value) if not value.isascii() else info.add_text(key, value)
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", pnginfo=info, compress_level=PNG_LEVEL)
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(buffer.getvalue())
    beside.replace(path)
