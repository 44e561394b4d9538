"""Folders of synthetic images: labels, names, provenance, and what is refused."""

import csv
import dataclasses
import hashlib
import tarfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image

from xraygan.api import making
from xraygan.config import DataSettings, ModelSettings
from xraygan.data.sources import list_source
from xraygan.errors import XrayganError
from xraygan.models.files import Model, ModelFile
from xraygan.models.generator import build_generator
from xraygan.models.sample import sample
from xraygan.progress import Reporter
from xraygan.sampling import folder, generate
from xraygan.sampling.folder import write_images
from xraygan.sampling.generate import generate_arrays, label_of
from xraygan.sampling.records import COLUMNS, write_manifest
from xraygan.sampling.request import Format, Request, Shard, Written

CLASSES = ("NORMAL", "Lungenentzündung 肺炎")
COUNTS = (30, 70)


@pytest.fixture(scope="module")
def model(tiny: ModelSettings) -> Model:
    generator = build_generator(tiny)
    random = np.random.default_rng(0)
    for weight in generator.get_layer("base").weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    facts = {"network": tiny, "classes": CLASSES, "class_counts": COUNTS, "images_seen": 9}
    return Model(generator, ModelFile.parse({**facts, "weights_sha256": "ab" * 32}, "test"))


def renamed(model: Model, **changed: object) -> Model:
    return dataclasses.replace(model, description=model.description.model_copy(update=changed))


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def labels_of(model: Model, request: Request, count: int) -> list[int]:
    return [label_of(model, request, index) for index in range(count)]


def test_labels_are_balanced(model: Model) -> None:
    assert labels_of(model, Request(6), 6) == [0, 1, 0, 1, 0, 1]


def test_a_class_without_training_images_is_not_made(model: Model) -> None:
    other = renamed(model, classes=("A", "B"), class_counts=(0, 70))
    assert labels_of(other, Request(4), 4) == [1] * 4
    with pytest.raises(XrayganError, match="--class A: the model was trained on B"):
        label_of(other, Request(1, class_name="A"), 0)


def test_labels_of_one_class(model: Model) -> None:
    assert set(labels_of(model, Request(5, class_name=CLASSES[1]), 5)) == {1}
    with pytest.raises(
        XrayganError, match="--class COVID: the model was trained on NORMAL, Lungen"
    ):
        label_of(model, Request(5, class_name="COVID"), 0)


def test_a_class_that_is_a_set_of_labels_is_named_in_any_order(model: Model) -> None:
    plain = renamed(model, classes=("A", "B+A"))
    network = plain.description.network.model_copy(update={"label_sets": ((0,), (0, 1))})
    sets = renamed(plain, network=network)
    assert sets.class_number("B+A") == sets.class_number("A+B") == 1
    for unknown, asked in ((sets, "A+C"), (sets, "B"), (plain, "A+B")):
        with pytest.raises(XrayganError, match="the model was trained on"):
            unknown.class_number(asked)


def test_arrays_are_in_memory_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(_model, _request, indices):
        for start in range(0, len(indices), 256):
            some = list(indices[start : start + 256])
            pixels = np.full((len(some), 32, 32), start // 256, np.uint8)
            yield some, pixels, np.full(len(some), 1, np.int32)

    monkeypatch.setattr(generate, "batches", made)
    tracemalloc.start()
    images, labels = generate_arrays(model, Request(10_000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.2 * images.nbytes
    assert images[::256, 0, 0].tolist() == list(range(40))
    assert labels.tolist() == [1] * 10_000


def test_arrays_that_memory_has_no_room_for(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", no_room)
    with pytest.raises(XrayganError, match=r"need 1,907 GiB of memory.*to a folder with out="):
        generate_arrays(model, Request(10**9, bits=16))


def test_what_a_run_audits_has_room_in_memory() -> None:
    assert making.images_audited(1000, 512) == 1000
    assert making.images_audited(50_000, 64) == making.images_audited(50_000, 128) == 10_000
    assert making.images_audited(10**9, 512) * 512**2 == 512 * 2**20


def test_labels_in_the_training_datas_proportions(model: Model) -> None:
    request = Request(1, seed=3, like_train=True)
    count = 4000
    labels = labels_of(model, request, count)
    # Five standard deviations: 2/3 and 3/2 of the proportion are far outside.
    assert np.mean(labels) == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / count))
    assert labels == labels_of(model, request, count)
    assert labels != labels_of(model, Request(1, seed=4, like_train=True), count)
    empty_class = renamed(model, class_counts=(0, 5))
    assert set(labels_of(empty_class, request, 200)) == {1}
    assert set(labels_of(renamed(model, class_counts=(5, 0)), request, 200)) == {0}


def test_arrays(model: Model, tiny: ModelSettings) -> None:
    images, labels = generate_arrays(model, Request(7, seed=2, first=30))
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    expected = sample(model.generator, tiny, 2, range(30, 37), labels.tolist())
    assert np.array_equal(images, expected)
    batches, _ = generate_arrays(model, Request(300))  # more than are made at once
    assert len(batches) == 300
    assert np.array_equal(batches[280:], generate_arrays(model, Request(20, first=280))[0])


@pytest.mark.parametrize("format", ["png", "npz", "webdataset"])
def test_memory_does_not_follow_the_number_of_images(
    model: Model, tmp_path: Path, monkeypatch, format: Format
) -> None:
    monkeypatch.setattr(folder, "MOST_IMAGES", 64)

    def written(num: int) -> None:
        write_images(model, Request(num), tmp_path / str(num), format=format)

    written(64)  # what the first call imports and keeps
    few, many = peak_of(lambda: written(128)), peak_of(lambda: written(2048))
    side = model.description.network.resolution
    assert many - few < (2048 - 128) * side**2 / 4, "a quarter of the pixels alone"


@pytest.mark.parametrize("case", ["filtered", "a class at a time"])
def test_the_manifest_is_written_in_constant_memory(
    model: Model, tmp_path: Path, monkeypatch, case: str
) -> None:
    """Where parts may share images, or a filter took some away, as elsewhere."""
    monkeypatch.setattr(folder, "MOST_IMAGES", 64)

    def manifest_of(num: int) -> Path:
        out = tmp_path / str(num)
        if case == "filtered":
            write_images(model, Request(num), out, leave_out=lambda some: np.zeros(len(some), bool))
        for name in CLASSES if case != "filtered" else ():
            write_images(model, Request(num // 2, class_name=name), out)
        return out

    few, many = manifest_of(128), manifest_of(2048)
    write_manifest(few)  # what the first call keeps
    grown = peak_of(lambda: write_manifest(many)) - peak_of(lambda: write_manifest(few))
    assert grown < (2048 - 128) * 64, "bytes: far below what a table of names needs"
    assert len(rows_of(many / "manifest.csv")) == 2048


def peak_of(call: Callable[[], object]) -> int:
    """Bytes of memory that a call takes at most."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_folder_of_images(model: Model, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "neu ü" / "synthetic"
    written = write_images(model, Request(5, seed=2), out, lambda *at: told.append(at))
    manifest = out / "manifest.csv"
    assert written == Written(manifest, 5, 0)
    assert told == [(5, 5)]
    images, labels = generate_arrays(model, Request(5, seed=2))
    rows = rows_of(manifest)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 5
    for index, row in enumerate(rows):
        name = CLASSES[labels[index]]
        assert row == {
            "file": f"{name}/seed0000000002_{index:08d}.png",
            "class": name,
            "seed": "2",
            "index": str(index),
            "psi": "1",
            "model_sha256": "ab" * 32,
        }
        with Image.open(out / row["file"]) as picture:
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), images[index])
            text = picture.text
        assert text["Synthetic"] == "yes"
        assert text["Class"] == name
        assert (text["Seed"], text["Index"]) == ("2", str(index))
        assert text["Model-SHA256"] == model.sha256
        assert text["Software"].startswith("xraygan ")
        assert "Not for diagnosis" in text["Description"]
    hidden = [name for name in contents(out) if Path(name).name.startswith(".")]
    assert len(hidden) == 1, "the record of the part, and nothing half-written"
    assert len(contents(out)) == 5 + 1 + 1


def test_the_same_call_again_changes_nothing(model: Model, tmp_path: Path) -> None:
    write_images(model, Request(5), tmp_path)
    before = contents(tmp_path)
    write_images(model, Request(5), tmp_path)
    assert contents(tmp_path) == before


def test_calls_into_one_folder_add_up(model: Model, tmp_path: Path) -> None:
    for request in (
        Request(4),
        Request(4, first=2),  # two of them again
        Request(3, seed=1),
        Request(2, class_name=CLASSES[1]),  # index 0 in another class is another image
    ):
        manifest = write_images(model, request, tmp_path).manifest
    rows = rows_of(manifest)
    files = [row["file"] for row in rows]
    assert Counter(files).most_common(1)[0][1] == 1
    assert sorted(files) == sorted(name for name in contents(tmp_path) if name.endswith(".png"))
    assert len(files) == 6 + 3 + 1


def test_what_was_written_and_what_was_left_out(model: Model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(folder, "MOST_IMAGES", 32)  # three parts
    request = Request(70)

    def every_third(images: np.ndarray) -> np.ndarray:
        return np.arange(len(images)) % 3 == 0

    plain = write_images(model, request, tmp_path / "plain")
    assert (plain.written, plain.left_out) == (70, 0)
    filtered = write_images(model, request, tmp_path / "filtered", leave_out=every_third)
    assert (filtered.written, filtered.left_out) == (46, 24)
    assert len(rows_of(filtered.manifest)) == 46
    empty = write_images(model, Request(5), tmp_path / "empty", shard=Shard(1, 2))
    assert (empty.written, empty.left_out) == (0, 0)
    assert rows_of(empty.manifest) == []


def test_an_empty_shard_does_not_close_the_folder_to_the_others(model: Model, tmp_path) -> None:
    for number in (1, 2, 3):
        write_images(model, Request(40), tmp_path, shard=Shard(number, 3))
    assert len(rows_of(tmp_path / "manifest.csv")) == 40
    assert not (tmp_path / ".manifest.csv").exists()


@pytest.mark.parametrize("format", ["npz", "webdataset"])
def test_no_image_is_in_two_files_of_many_images(
    model: Model, tmp_path: Path, format: Format
) -> None:
    write_images(model, Request(40), tmp_path / "all", format=format)
    for further in (
        Request(4, class_name=CLASSES[0]),
        Request(4, first=36, like_train=True),
    ):
        with pytest.raises(XrayganError, match="would be there twice; give another folder"):
            write_images(model, further, tmp_path / "all", format=format)
    write_images(model, Request(4, seed=1, class_name=CLASSES[0]), tmp_path / "all", format=format)
    write_images(
        model, Request(4, first=40, class_name=CLASSES[0]), tmp_path / "all", format=format
    )
    for name in CLASSES:  # of other classes they are other images
        write_images(model, Request(4, class_name=name), tmp_path / "each", format=format)
    assert len(rows_of(tmp_path / "each" / "manifest.csv")) == 8
    with pytest.raises(XrayganError, match="would be there twice"):
        write_images(model, Request(4), tmp_path / "each", format=format)


def test_a_set_of_labels_is_one_series_however_it_is_named(model: Model, tmp_path: Path) -> None:
    network = model.description.network.model_copy(update={"label_sets": ((0,), (0, 1))})
    sets = renamed(model, classes=("A", "B+A"), network=network)
    for name in ("A+B", "B+A"):
        write_images(sets, Request(3, class_name=name), tmp_path, format="npz")
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert len(rows_of(tmp_path / "manifest.csv")) == 3


def test_files_of_a_class_with_a_long_name(model: Model, tmp_path: Path) -> None:
    long = renamed(model, classes=("NORMAL", "肺" * 75))
    write_images(long, Request(2, class_name="肺" * 75), tmp_path, format="npz")
    [file] = tmp_path.glob("*.npz")
    assert len(file.name.encode()) < 200


def test_what_a_killed_call_left_over_is_taken_away(
    model: Model, tmp_path: Path, monkeypatch
) -> None:
    write_images(model, Request(20), tmp_path, format="npz")
    with monkeypatch.context() as killed:
        killed.setattr(folder, "remove_superseded", lambda _: None)
        write_images(model, Request(40), tmp_path, format="npz")
    assert len(list(tmp_path.glob("*.npz"))) == 2
    write_images(model, Request(40), tmp_path, format="npz")
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert len(rows_of(tmp_path / "manifest.csv")) == 40


def test_what_a_desktop_left_in_a_folder_does_not_fill_it(model: Model, tmp_path: Path) -> None:
    for name in (".DS_Store", "desktop.ini", "Thumbs.db"):
        (tmp_path / name).write_text("theirs")
    write_images(model, Request(2), tmp_path)
    assert len(rows_of(tmp_path / "manifest.csv")) == 2


def test_folders_that_are_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.docx").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(XrayganError, match="holds other files; give a new or empty folder"):
        write_images(model, Request(2), tmp_path / "other")
    with pytest.raises(XrayganError, match="cannot be written"):
        write_images(model, Request(2), tmp_path / "other" / "thesis.docx")
    with pytest.raises(XrayganError, match="the model was trained on"):
        write_images(model, Request(2, class_name="COVID"), tmp_path / "new")
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()

    write_images(model, Request(2), tmp_path / "ours")
    before = contents(tmp_path)
    with pytest.raises(XrayganError, match="images of another model"):
        write_images(renamed(model, weights_sha256="cd" * 32), Request(2), tmp_path / "ours")
    assert contents(tmp_path) == before


RECORD = (
    '{"model_sha256":"' + "ab" * 32 + '","format":"png","bits":8,"seed":0,"psi":1.0,"first":0,'
    '"num":1,"filtered":false,"sha256":"' + "cd" * 32 + '"}\n'
)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00\x01",
        b'{"name": 3}\n',
        RECORD.replace("png", "exe").encode(),
        (RECORD + '["NORMAL/x.png", "NORMAL"]\n').encode(),
        (RECORD + '["../x.png", "NORMAL", 0]\n').encode(),
        (RECORD + '["/etc/passwd", "NORMAL", 0]\n').encode(),
        (RECORD + '["C:x.png", "NORMAL", 0]\n').encode(),
        (RECORD + '[5, "NORMAL", 0]\n').encode(),
        (RECORD + '["NORMAL/x.png", "NORMAL", "zero"]\n').encode(),
    ],
    ids=[
        "empty",
        "no text",
        "another",
        "format",
        "cut row",
        "up",
        "absolute",
        "drive",
        "no name",
        "no number",
    ],
)
def test_a_record_that_is_not_ours(model: Model, tmp_path: Path, text: bytes) -> None:
    record = tmp_path / ".part-0000000000-0123456789ab-000000000000-1.jsonl"
    record.write_bytes(text)
    with pytest.raises(XrayganError, match="damaged or none of ours; give another folder"):
        write_images(model, Request(2), tmp_path)
    assert record.read_bytes() == text


def test_a_manifest_without_records_is_somebody_elses(model: Model, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name,age\nA,3\n")
    with pytest.raises(XrayganError, match="holds other files"):
        write_images(model, Request(2), tmp_path)


def test_what_is_whole_is_not_made_again(model: Model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(folder, "MOST_IMAGES", 32)
    write_images(model, Request(96), tmp_path)
    before = contents(tmp_path)
    made: list[range] = []
    plain = folder.batches

    def noticed(model: Model, request: Request, indices: range):
        made.append(indices)
        return plain(model, request, indices)

    monkeypatch.setattr(folder, "batches", noticed)
    write_images(model, Request(96), tmp_path)
    assert made == []
    damaged = tmp_path / "NORMAL" / "seed0000000000_00000040.png"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    (tmp_path / "NORMAL" / "seed0000000000_00000090.png").unlink()
    write_images(model, Request(96), tmp_path)
    assert made == [range(32, 64), range(64, 96)]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("format", ["png", "npz", "webdataset", "dicom"])
@pytest.mark.parametrize("bits", [8, 16])
def test_shards_add_up_to_the_whole(
    model: Model, tmp_path: Path, format: Format, bits: int, monkeypatch
) -> None:
    request = Request(150, seed=3, first=7, bits=bits)
    monkeypatch.setattr(folder, "MOST_IMAGES", 64)
    for number in (2, 3, 1):
        write_images(model, request, tmp_path / "shards", format=format, shard=Shard(number, 3))
    write_images(model, request, tmp_path / "whole", format=format)
    images, labels = generate_arrays(model, request)
    for out in ("shards", "whole"):
        found = read_back(tmp_path / out, format)
        assert sorted(found) == list(range(7, 157))
        assert all(np.array_equal(found[7 + n][0], image) for n, image in enumerate(images))
        assert [found[7 + n][1] for n in range(150)] == [CLASSES[label] for label in labels]
        rows = rows_of(tmp_path / out / "manifest.csv")
        assert sorted(int(row["index"]) for row in rows) == list(range(7, 157))
        assert all((tmp_path / out / row["file"]).is_file() for row in rows)
        listing = list_source(tmp_path / out, DataSettings(strict=True))
        assert Counter(file.label for file in listing.files) == Counter(
            CLASSES[label] for label in labels
        )
        assert {name for name, _ in listing.refused} <= {"manifest.csv"}
        assert all(file.place.read() for file in listing.files)


def read_back(out: Path, format: Format) -> dict[int, tuple[np.ndarray, str]]:
    """Index to pixels and class, read by what others would read these files with."""
    found = {}
    if format == "png":
        for path in out.glob("*/*.png"):
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            found[int(path.stem.rpartition("_")[2])] = pixels, path.parent.name
    elif format == "dicom":
        for path in out.glob("*/*.dcm"):
            pixels = pydicom.dcmread(path).pixel_array
            found[int(path.stem.rpartition("_")[2])] = pixels, path.parent.name
    elif format == "npz":
        for path in out.glob("*.npz"):
            with np.load(path) as arrays:
                names = arrays["classes"][arrays["train_labels"][:, 0]]
                rows = zip(arrays["indices"], arrays["train_images"], names, strict=True)
                found |= {int(index): (pixels, str(name)) for index, pixels, name in rows}
    else:
        for path in out.glob("*.tar"):
            with tarfile.open(path) as archive:
                for name in archive.getnames():
                    if name.endswith(".png"):
                        data = np.frombuffer(archive.extractfile(name).read(), np.uint8)
                        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
                        stem = name.removesuffix(".png")
                        label = int(archive.extractfile(f"{stem}.cls").read())
                        found[int(stem.rpartition("_")[2])] = pixels, CLASSES[label]
    return found


def test_another_format_needs_another_folder(model: Model, tmp_path: Path) -> None:
    write_images(model, Request(2), tmp_path)
    with pytest.raises(XrayganError, match="holds png files of 8 bits; give another folder"):
        write_images(model, Request(2), tmp_path, format="npz")
    with pytest.raises(XrayganError, match="holds png files of 8 bits"):
        write_images(model, Request(2, bits=16), tmp_path)


def test_truncation_draws_towards_the_mean(model: Model, tmp_path: Path) -> None:
    spreads = [
        generate_arrays(model, Request(64, psi=psi, class_name="NORMAL"))[0].std(axis=0).mean()
        for psi in (0.0, 0.5, 1.0)
    ]
    assert spreads == sorted(spreads)
    assert spreads[1] < 0.8 * spreads[2]
    for psi in (0.5, 1.0):
        manifest = write_images(model, Request(4, psi=psi), tmp_path).manifest
    assert sorted(row["psi"] for row in rows_of(manifest)) == ["0.5"] * 4 + ["1"] * 4
    assert len(list(tmp_path.glob("*/*.png"))) == 8


def test_bits_are_finer_steps_of_the_same_picture(model: Model) -> None:
    coarse, _ = generate_arrays(model, Request(8))
    fine, _ = generate_arrays(model, Request(8, bits=16))
    assert fine.dtype == np.uint16
    assert np.abs(fine / 257 - coarse).max() <= 0.51


def test_a_class_named_like_the_manifest(model: Model, tmp_path: Path) -> None:
    clash = renamed(model, classes=("A", "manifest.csv"))
    with pytest.raises(XrayganError, match="cannot be written"):
        write_images(clash, Request(2), tmp_path)


@pytest.mark.parametrize("format", ["png", "npz", "webdataset"])
def test_a_set_that_grows_holds_each_image_once(model: Model, tmp_path: Path, format) -> None:
    write_images(model, Request(40), tmp_path, format=format)
    rows = rows_of(write_images(model, Request(70), tmp_path, format=format).manifest)
    assert sorted(int(row["index"]) for row in rows) == list(range(70))
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("seed*")}
    assert files == {row["file"] for row in rows}
    rows = rows_of(write_images(model, Request(20, first=70), tmp_path, format=format).manifest)
    assert sorted(int(row["index"]) for row in rows) == list(range(90))


@pytest.mark.parametrize("filtered_first", [True, False])
def test_filtered_images_and_others_do_not_mix(model: Model, tmp_path, filtered_first) -> None:
    def none(images: np.ndarray) -> np.ndarray:
        return np.zeros(len(images), bool)

    write_images(model, Request(4), tmp_path, leave_out=none if filtered_first else None)
    with pytest.raises(XrayganError, match="one folder holds no mixture"):
        write_images(model, Request(4), tmp_path, leave_out=None if filtered_first else none)


def test_classes_that_some_systems_cannot_tell_apart(model: Model, tmp_path: Path) -> None:
    odd = renamed(model, classes=("Mass.", "mass"))
    rows = rows_of(write_images(odd, Request(4), tmp_path).manifest)
    assert [row["class"] for row in rows] == ["Mass.", "mass"] * 2
    assert {Path(row["file"]).parts[0] for row in rows} == {"Mass", "mass_2"}
    assert all((tmp_path / row["file"]).is_file() for row in rows)


def test_truncations_that_differ_little_are_different_images(model: Model, tmp_path: Path) -> None:
    write_images(model, Request(1, psi=0.7), tmp_path)
    rows = rows_of(write_images(model, Request(1, psi=0.7000001), tmp_path).manifest)
    assert sorted(row["psi"] for row in rows) == ["0.7", "0.7000001"]


@pytest.mark.parametrize("format", ["png", "npz"])
def test_what_lies_within_a_larger_part_is_not_made_again(
    model: Model, tmp_path: Path, format, monkeypatch
) -> None:
    write_images(model, Request(70), tmp_path, format=format)
    before = contents(tmp_path)
    monkeypatch.setattr(folder, "batches", None)  # nothing is drawn
    assert write_images(model, Request(40), tmp_path, format=format).written == 40
    assert contents(tmp_path) == before


def test_files_of_many_images_do_not_overlap(model: Model, tmp_path: Path) -> None:
    write_images(model, Request(40), tmp_path, format="npz")
    with pytest.raises(XrayganError, match="has images 0 to 39 in one file, and 32 to 51 overlap"):
        write_images(model, Request(20, first=32), tmp_path, format="npz")


@pytest.mark.parametrize("format", ["npz", "webdataset"])
def test_files_of_many_filtered_images_do_not_overlap(model: Model, tmp_path: Path, format) -> None:
    def none(images: np.ndarray) -> np.ndarray:
        return np.zeros(len(images), bool)

    write_images(model, Request(40), tmp_path, leave_out=none, format=format)
    for num, first, last in ((20, 32, 51), (20, 0, 19)):
        said = f"has images 0 to 39 in one file, and {first} to {last} overlap"
        with pytest.raises(XrayganError, match=said):
            write_images(model, Request(num, first=first), tmp_path, leave_out=none, format=format)
    for num in (40, 70):  # the same again, and one that has all of it
        write_images(model, Request(num), tmp_path, leave_out=none, format=format)
        rows = rows_of(tmp_path / "manifest.csv")
        assert [int(row["index"]) for row in rows] == list(range(num))
        assert {path.name for path in tmp_path.glob("seed*")} == {row["file"] for row in rows}


def test_an_image_that_a_call_cut_short_has_left_is_taken_away(model: Model, tmp_path) -> None:
    """An unfiltered call was killed in its first part: files, but no record."""
    write_images(model, Request(4), tmp_path)
    for record in tmp_path.glob(".part-*"):
        record.unlink()
    (tmp_path / ".manifest.csv").touch()

    def first(images: np.ndarray) -> np.ndarray:
        return np.arange(len(images)) == 0

    rows = rows_of(write_images(model, Request(4), tmp_path, leave_out=first).manifest)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("seed*.png")}
    assert files == {row["file"] for row in rows}
    assert len(files) == 3


def test_a_class_called_all(model: Model, tmp_path: Path) -> None:
    odd = renamed(model, classes=("all", "b"))
    write_images(odd, Request(4), tmp_path)
    rows = rows_of(write_images(odd, Request(4, class_name="all"), tmp_path).manifest)
    assert sorted((row["class"], row["index"]) for row in rows) == [
        ("all", "0"), ("all", "1"), ("all", "2"), ("all", "3"), ("b", "1"), ("b", "3"),
    ]  # fmt: skip


def test_a_run_makes_room_where_filtered_images_lie(model: Model, tmp_path: Path) -> None:
    def none(images: np.ndarray) -> np.ndarray:
        return np.zeros(len(images), bool)

    for leave_out, moved in ((None, False), (none, True)):
        out = tmp_path / str(moved) / "synthetic"
        write_images(model, Request(4), out, leave_out=leave_out)
        making._set_aside(out, model.sha256, 0, 4, Reporter(quiet=True))
        assert out.exists() is not moved


@pytest.mark.parametrize(
    ("request_of", "format"),
    [
        (Request(4, psi=0.5), "png"),
        (Request(4, class_name="B"), "png"),
        (Request(4, like_train=True), "png"),
        (Request(4, bits=16), "png"),
        (Request(4), "npz"),
    ],
    ids=["psi", "one class", "as in training", "16 bits", "arrays"],
)
def test_a_run_makes_room_where_other_kinds_of_images_lie(
    model: Model, tmp_path: Path, request_of: Request, format: Format
) -> None:
    out = tmp_path / "synthetic"
    if request_of.class_name:
        request_of = dataclasses.replace(request_of, class_name=model.description.classes[1])
    write_images(model, request_of, out, format=format)
    making._set_aside(out, model.sha256, 0, 4, Reporter(quiet=True))
    assert not out.exists()


def test_a_run_makes_room_for_a_smaller_set_and_for_another_seed(
    model: Model, tmp_path: Path
) -> None:
    out, quiet = tmp_path / "synthetic", Reporter(quiet=True)
    kept = f"synthetic-{model.sha256[:8]}"
    for name in ("audit.json", "evaluation.json"):
        (tmp_path / name).touch()
    write_images(model, Request(40, seed=3), out)
    making._set_aside(out, model.sha256, 3, 40, quiet)
    making._set_aside(out, model.sha256, 3, 90, quiet)
    assert out.exists(), "what is there is the first part of what is wanted"
    assert len(list(tmp_path.glob("*.json"))) == 2
    making._set_aside(out, model.sha256, 3, 39, quiet)
    assert not out.exists()
    assert len(rows_of(tmp_path / kept / "manifest.csv")) == 40
    assert list(tmp_path.glob("*.json")) == [], "of other images"
    write_images(model, Request(39, seed=3), out)
    making._set_aside(out, model.sha256, 5, 39, quiet)
    write_images(model, Request(2, seed=5, first=38), out)
    making._set_aside(out, model.sha256, 5, 39, quiet)
    assert not out.exists()
    sizes = [len(rows_of(tmp_path / f"{kept}{end}" / "manifest.csv")) for end in ("-2", "-3")]
    assert sizes == [39, 2]
    making._set_aside(out, model.sha256, 5, 39, quiet)
    assert not out.exists()
