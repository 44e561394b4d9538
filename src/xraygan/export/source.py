"""Synthetic images to export: only what the manifest lists and what is marked gets out."""

import csv
import io
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from xraygan.errors import XrayganError
from xraygan.names import check_inside, class_folders, is_folder_name
from xraygan.runs import sha256_of
from xraygan.sampling.encode import Picture
from xraygan.sampling.records import COLUMNS, MANIFEST, classes_of, is_filtered, records


@dataclass(frozen=True)
class Synthetic:
    """A folder that `xraygan generate --format png` wrote.

    Attributes:
        folder: where it is.
        classes: all of the model's, in the order of their numbers; those of the manifest, sorted,
            where the folder came without the records of `generate`.
        counts: images by class, of the classes that have any.
        plain: whether every image was drawn with psi 1, and the records say that no filter took
            any out.
        model_sha256: hash of the weights that made all of them.
        manifest_sha256: hash of the manifest.
    """

    folder: Path
    classes: tuple[str, ...]
    counts: dict[str, int]
    plain: bool
    model_sha256: str
    manifest_sha256: str

    @classmethod
    def open(cls, folder: Path) -> "Synthetic":
        """Read the manifest, in constant memory.

        Raises:
            XrayganError: no such folder, not one of ours, files that are no PNG, or images of
                several models.
        """
        manifest = folder / MANIFEST
        if not manifest.is_file():
            raise XrayganError(
                f"{folder}: no {MANIFEST}; give a folder that xraygan generate wrote"
            )
        counts: dict[str, int] = {}
        models: set[str] = set()
        plain = bool(records(folder)) and not is_filtered(folder)
        for row in _rows(manifest):
            if not row["file"].endswith(".png"):
                raise XrayganError(
                    f"{folder}: only PNG files are exported; generate with --format png"
                )
            counts[row["class"]] = counts.get(row["class"], 0) + 1
            models.add(row["model_sha256"])
            plain &= float(row["psi"]) == 1
        if len(models) != 1:
            raise XrayganError(f"{manifest}: lists images of {len(models)} models, not of one")
        names = tuple(sorted(counts))
        counts = {name: counts[name] for name in names}
        classes = classes_of(folder)
        if not counts.keys() <= set(classes):
            classes = names
        return cls(folder, classes, counts, plain, models.pop(), sha256_of(manifest))

    def __len__(self) -> int:
        return sum(self.counts.values())

    def pictures(self) -> Iterator[tuple[Picture, bytes]]:
        """Every image with its PNG, in the manifest's order.

        Raises:
            XrayganError: a file that is missing, damaged, or not marked as this model's.
        """
        numbers = {name: number for number, name in enumerate(self.classes)}
        folders = class_folders(self.classes)
        for row in _rows(self.folder / MANIFEST):
            content, pixels = _checked(self.folder / row["file"], row)
            yield (
                Picture(
                    pixels=pixels,
                    class_name=row["class"],
                    label=numbers[row["class"]],
                    seed=int(row["seed"]),
                    index=int(row["index"]),
                    psi=float(row["psi"]),
                    model_sha256=row["model_sha256"],
                    name=Path(row["file"]).stem,
                    folder=folders[row["class"]],
                ),
                content,
            )


def _rows(manifest: Path) -> Iterator[dict[str, str]]:
    """The rows of a manifest, each checked to be one of ours."""
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if tuple(row) != COLUMNS or not (row["seed"] + row["index"]).isdecimal():
                    raise ValueError("a row is not one of ours")
                check_inside(row["file"])
                if not is_folder_name(row["class"]):
                    raise ValueError(f"class {reprlib.repr(row['class'])} can be no folder's name")
                float(row["psi"])
                bytes.fromhex(row["model_sha256"].ljust(64, "?"))
                yield row
    except (ValueError, TypeError, csv.Error) as error:
        raise XrayganError(f"{manifest}: cannot be read ({error}); generate it again") from None


def _checked(path: Path, row: dict[str, str]) -> tuple[bytes, np.ndarray]:
    """A file's bytes and pixels, if it says itself that it is this synthetic image."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
            said = dict(getattr(image, "text", {}))
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise XrayganError(f"{path}: cannot be read ({error}); generate it again") from None
    expected = {
        "Synthetic": "yes",
        "Class": row["class"],
        "Seed": row["seed"],
        "Index": row["index"],
        "Psi": row["psi"],
        "Model-SHA256": row["model_sha256"],
    }
    if {key: said.get(key) for key in expected} != expected or pixels.ndim != 2:
        raise XrayganError(
            f"{path}: is not marked as the synthetic image that {MANIFEST} lists; nothing else "
            "is exported"
        )
    return content, pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels
