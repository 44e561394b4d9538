"""A folder of synthetic images as `xraygan generate` leaves it, made without a network."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from xraygan.sampling import encode
from xraygan.sampling.encode import Picture
from xraygan.sampling.records import Head, digest, write_manifest, write_record

CLASSES = ("Lungenentzündung 肺炎", "NORMAL")
MODEL = "ab" * 32


def pictures(count: int, bits: int = 8, names: tuple[str, ...] = CLASSES) -> list[Picture]:
    random = np.random.default_rng(0)
    kind = np.uint8 if bits == 8 else np.uint16
    return [
        Picture(
            pixels=random.integers(0, 2**bits, (32, 32)).astype(kind),
            class_name=names[index % 2],
            label=index % 2,
            seed=4,
            index=index,
            psi=1.0,
            model_sha256=MODEL,
            name=f"seed0000000004_{index:08d}",
            folder=names[index % 2],
        )
        for index in range(count)
    ]


def write_made(
    out: Path,
    count: int = 12,
    bits: int = 8,
    *,
    psi: float = 1.0,
    filtered: bool = False,
    classes: tuple[str, ...] | None = None,
    names: tuple[str, ...] = CLASSES,
) -> list[Picture]:
    """Images of some of the classes that the model calls so."""
    made = [
        dataclasses.replace(picture, psi=psi)
        for picture in pictures(count, bits, names)
        if picture.class_name in (classes or names)
    ]
    rows, contents = [], []
    for picture in made:
        name = f"{picture.class_name}/{picture.name}.png"
        contents.append(encode.png(picture))
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(contents[-1])
        rows.append((name, picture.class_name, picture.index))
    head = Head(
        model_sha256=MODEL,
        format="png",
        bits=bits,
        seed=4,
        psi=psi,
        first=0,
        num=count,
        filtered=filtered,
        sha256=digest(contents),
        classes=names,
    )
    write_record(out / ".part-0.jsonl", head, rows)
    write_manifest(out)
    return made


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
