"""Between images: the ends are the images themselves, and the way is even."""

import dataclasses
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from PIL import Image

from xraygan.api import exploring
from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.models.base import anatomy_side
from xraygan.models.conditions import class_conditions
from xraygan.models.files import Model, ModelFile
from xraygan.models.generator import build_generator
from xraygan.models.sample import CHUNK, drawn, latents, sample, to_grey
from xraygan.models.walk import End, walk
from xraygan.sampling.encode import NOTICE, as_lines, marked
from xraygan.sampling.explore import REACH, along_directions, between_classes, between_seeds

CLASSES = ("A", "B")


@pytest.fixture(scope="module")
def model(tiny: ModelSettings) -> Model:
    generator = build_generator(tiny)
    random = np.random.default_rng(0)
    base = generator.get_layer("base")
    for weight in base.weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    for weight in (base.mean, base.components):  # displaced a little, as films are
        weight.assign(weight * np.where(np.arange(base.length) < anatomy_side(32) ** 2, 1, 0.1))
    facts = {"network": tiny, "classes": CLASSES, "class_counts": (1, 1), "images_seen": 9}
    return Model(generator, ModelFile.parse({**facts, "weights_sha256": "ab" * 32}, "test"))


def image(model: Model, seed: int, label: int) -> np.ndarray:
    return sample(model.generator, model.description.network, seed, [0], [label])[0].astype(int)


def test_from_seed_to_seed(model: Model) -> None:
    rows = between_seeds(model, [1, 2, 3], 4, "B")
    assert rows.shape == (2, 5, 32, 32)
    assert rows.dtype == np.uint8
    for row, (start, end) in zip(rows, [(1, 2), (2, 3)], strict=True):
        assert np.abs(row[0] - image(model, start, 1)).max() <= 1
        assert np.abs(row[-1] - image(model, end, 1)).max() <= 1
        steps = np.abs(np.diff(row.astype(int), axis=0)).mean(axis=(1, 2))
        assert steps.max() < 3 * steps.min()


def test_from_class_to_class(model: Model) -> None:
    rows = between_classes(model, [1, 2], 3, "A", "B")
    assert rows.shape == (2, 4, 32, 32)
    for row, seed in zip(rows, [1, 2], strict=True):
        assert np.abs(row[0] - image(model, seed, 0)).max() <= 1
        assert np.abs(row[-1] - image(model, seed, 1)).max() <= 1
        assert not np.array_equal(row[1], row[0])


def test_only_the_class_changes_from_class_to_class(model: Model) -> None:
    [row] = between_classes(model, [3], 4, "A", "A")
    assert all(np.array_equal(picture, row[0]) for picture in row)


def test_along_the_strongest_directions(model: Model) -> None:
    rows = along_directions(model, 1, 4, 6, "A").astype(int)
    assert rows.shape == (4, 7, 32, 32)
    reach = [np.abs(row[-1] - row[0]).mean() for row in rows]
    assert reach[0] > reach[-1] > 0
    # Each row passes the image itself where the direction has the image's own share.
    own = image(model, 1, 0)
    assert all(np.abs(row - own).mean(axis=(1, 2)).min() < reach[0] for row in rows)


def test_a_long_walk_is_the_one_that_is_mixed_at_once(model: Model) -> None:
    network = model.description.network
    shares = np.linspace(0, 1, 70).tolist()
    made = walk(model.generator, network, End(1, 0, 0), End(2, 3, 1), shares, (1.0, 0.4))
    t = np.array([*shares, *np.zeros(-70 % CHUNK)], np.float32).reshape(-1, 1)
    (z0, noise0), (z1, noise1) = latents(network, 1, 0), latents(network, 2, 3)
    length = np.sqrt((1 - t) ** 2 + t**2)
    z = ((1 - t) * z0 + t * z1) / length
    condition = (1 - t) * class_conditions(network)[0] + t * class_conditions(network)[1]
    t, length = t[..., None, None], length[..., None, None]
    noise = ((1 - t) * noise0 + t * noise1) / length
    psi = (1 - t) * 1.0 + t * 0.4
    images = to_grey(drawn(model.generator, [psi[..., 0, 0] * z, noise, condition]))
    assert np.array_equal(made, images[:70])


def test_long_rows_along_directions_are_those_that_are_drawn_at_once(model: Model) -> None:
    network = model.description.network
    [row] = along_directions(model, 1, 1, 75, "B", 0.9)
    condition = class_conditions(network)[1]
    factors = np.asarray(model.generator.get_layer("base").class_factors)
    axis = np.linalg.svd(np.tensordot(condition / condition.sum(), factors, 1))[0][:, 0]
    z, noise = latents(network, 1, 0)
    z = 0.9 * (z - (z @ axis) * axis) + np.linspace(-REACH, REACH, 76)[:, None] * axis
    inputs = [z.astype(np.float32), *(np.repeat(one[None], 76, 0) for one in (noise, condition))]
    assert np.array_equal(row, to_grey(drawn(model.generator, inputs)))


@pytest.mark.parametrize("along", ["seeds", "classes", "directions"])
def test_memory_is_that_of_the_pictures(model: Model, along: str) -> None:
    def most(steps: int) -> int:
        tracemalloc.start()
        if along == "seeds":
            between_seeds(model, [1, 2], steps, "A")
        elif along == "classes":
            between_classes(model, [1], steps, "A", "B")
        else:
            along_directions(model, 1, 1, steps, "A")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(40)  # what the first call keeps
    few, many = most(40), most(640)
    assert many - few < 3 * 600 * 32**2, "twice the pictures, and not their noise"


@pytest.mark.parametrize("suffix", [".png", ".gif", ".mp4"])
def test_files(tmp_path: Path, suffix: str) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), np.uint8)
    path = tmp_path / f"film{suffix}"
    exploring._write(path, rows, marked({"Class": "<肺> & B", "Seeds": "1,2"}))
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    if suffix == ".mp4":
        film = cv2.VideoCapture(str(path))
        # Browsers play VP9; what OpenCV writes by default (MPEG-4 part 2) they do not.
        assert int(film.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") in (b"vp09", b"VP90")
        frames = 0
        while film.read()[0]:
            frames += 1
        assert frames == 6
        said = xmp_of(path.read_bytes()).decode()
    else:
        with Image.open(path) as opened:
            assert getattr(opened, "n_frames", 1) == (6 if suffix == ".gif" else 1)
            comment = opened.info.get("comment", b"").decode()
            said = comment or as_lines(dict(getattr(opened, "text", {})))
    for line in ("Synthetic: yes", f"Description: {NOTICE}", "Class: <肺> & B", "Seeds: 1,2"):
        assert line in map(str.strip, said.splitlines())


def xmp_of(film: bytes) -> bytes:
    """The XMP packet, found box by box as players read the file."""
    at, packets = 0, []
    while at < len(film):
        size, kind = struct.unpack_from(">I4s", film, at)
        if kind == b"uuid" and film[at + 8 : at + 24].hex() == "be7acfcb97a942e89c71999491e3afac":
            packets.append(film[at + 24 : at + size])
        at += size
    [packet] = packets
    description = ElementTree.fromstring(packet)[0][0]  # noqa: S314  (our own film)
    assert "trainedAlgorithmicMedia" in "".join(description[0].attrib.values())
    return "".join(description.itertext()).encode()


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
@pytest.mark.parametrize("limit", [1_000, 10_000])
def test_a_film_that_did_not_get_to_the_disk_is_none(tmp_path: Path, limit: int) -> None:
    """The file size limit of a process of its own is the full disk."""
    code = f"""
import pathlib, resource
import numpy as np
from xraygan.api import exploring
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
rows = np.random.default_rng(0).integers(0, 256, (2, 30, 32, 32), np.uint8)
exploring._write(pathlib.Path({str(tmp_path)!r}) / "film.mp4", rows, {{"Software": "x"}})
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "XrayganError" in ended.stderr
    assert "the film did not get to the disk whole; free some space" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("along", "further"),
    [
        ("seeds", {"Seeds": "1,2", "Class": "A"}),
        ("classes", {"Seeds": "1,2", "Class": "A", "To-Class": "B"}),
        ("directions", {"Seeds": "1", "Class": "A", "Directions": "3"}),
    ],
)
def test_a_file_says_of_what_it_is(model: Model, along, further: dict[str, str]) -> None:
    seeds = [int(seed) for seed in further["Seeds"].split(",")]
    rows, facts = exploring._drawn(model, along, seeds, None, None, 3, 4, 0.7)
    assert rows.shape[1] == 5
    shared = {"Along": along, "Steps": "4", "Psi": "0.7", "Model-SHA256": "ab" * 32}
    assert facts == marked(shared | further)


@pytest.mark.parametrize("psi", [-5, 2.1, 100, float("nan"), float("inf")])
def test_truncation_has_the_bounds_of_generate(psi: float) -> None:
    with pytest.raises(XrayganError, match=r"--psi .*: choose 0 \(the mean image\) to 2"):
        exploring.explore(".", "a.png", psi=psi)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda model: between_seeds(model, [1], 3, None), "two at least"),
        (lambda model: between_seeds(model, [1, 2], 0, None), "--steps 0"),
        (lambda model: between_seeds(model, [1, 2], 10**6, None), "fewer --steps"),
        (lambda model: between_classes(model, [1], 3, "A", "C"), "C: the model was trained on A"),
        (lambda model: along_directions(model, 1, 9, 3, None), "choose 1 to 8"),
        (lambda _: exploring.explore("nowhere", "a.png"), "there is no such file"),
        (lambda _: exploring.explore("nowhere", "a.jpg"), r"end it in \.png"),
        (lambda _: exploring.explore(".", "a.png", to_class="B"), "goes with --along classes"),
        (lambda _: exploring.explore(".", "a.png", directions=6), "goes with --along directions"),
        (lambda _: exploring.explore(".", "a.png", seeds=[]), "--seeds: none is given"),
        (
            lambda _: exploring.explore(".", "a.png", seeds=[4, 5], along="directions"),
            "--seeds 4,5: --along directions moves one image; give one seed",
        ),
    ],
)
def test_bad_wishes(model: Model, call, said: str) -> None:
    with pytest.raises(XrayganError, match=said):
        call(model)


def test_a_class_that_was_not_trained_on_is_no_default(model: Model) -> None:
    description = model.description.model_copy(update={"class_counts": (0, 70)})
    untrained = dataclasses.replace(model, description=description)
    shown = between_seeds(untrained, [1, 2], 2, None)
    assert np.array_equal(shown, between_seeds(model, [1, 2], 2, model.description.classes[1]))
