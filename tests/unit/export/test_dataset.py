"""Exports are read by the tools they are meant for, and hold nothing that is not synthetic."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from made_images import CLASSES, MODEL, contents, pictures, write_made
from PIL import Image

from xraygan.config import PixelSettings
from xraygan.data.dicom import read_dicom
from xraygan.data.sources import list_source
from xraygan.errors import XrayganError
from xraygan.export.dataset import export_dataset
from xraygan.export.source import Synthetic
from xraygan.sampling import encode


@pytest.fixture
def made(tmp_path: Path):
    pictures = write_made(tmp_path / "synthetic")
    return Synthetic.open(tmp_path / "synthetic"), pictures


def test_a_folder_is_described(made, tmp_path: Path) -> None:
    source, pictures = made
    assert (len(source), source.classes, source.model_sha256) == (12, CLASSES[:2], MODEL)
    assert source.counts == {CLASSES[0]: 6, CLASSES[1]: 6}
    for (picture, content), expected in zip(source.pictures(), pictures, strict=True):
        assert np.array_equal(picture.pixels, expected.pixels)
        assert picture.facts == expected.facts
        assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["imagefolder", "webdataset", "dicom"])
def test_the_same_export_again_is_the_same(made, tmp_path: Path, kind) -> None:
    source, _ = made
    told: list[tuple[int, int]] = []
    stated = {"licence": "CC BY 4.0"}
    export_dataset(source, tmp_path / "out", kind, stated, lambda *at: told.append(at))
    assert told[-1] == (12, 12)
    before = contents(tmp_path / "out")
    export_dataset(source, tmp_path / "out", kind, stated)
    assert contents(tmp_path / "out") == before
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["synthetic"] is True
    assert provenance["licence"] == "CC BY 4.0"
    assert provenance["classes"] == source.counts
    assert not any(Path(name).name.startswith(".") for name in before), "nothing half-written"


def test_imagefolder_in_hugging_face_datasets(made, tmp_path: Path, monkeypatch) -> None:
    source, pictures = made
    out = export_dataset(source, tmp_path / "out", "imagefolder")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "hf"))
    rows = {row["index"]: row for row in loaded["train"]}
    assert sorted(rows) == list(range(12))
    for picture in pictures:
        row = rows[picture.index]
        assert np.array_equal(np.asarray(row["image"]), picture.pixels)
        assert row["label"] == picture.class_name
        assert row["model_sha256"] == MODEL


@pytest.mark.parametrize("names", [("NA", "null"), ("0", "1"), ("None", "007")])
def test_classes_whose_names_look_like_something_else(
    tmp_path: Path, monkeypatch, names: tuple[str, str]
) -> None:
    write_made(tmp_path / "synthetic", names=names)
    out = export_dataset(Synthetic.open(tmp_path / "synthetic"), tmp_path / "out", "imagefolder")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    import mlcroissant as croissant

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "hf"))
    assert set(loaded["train"]["label"]) == set(names)
    rows = croissant.Dataset(str(out / "croissant.json")).records("records")
    assert {row["records/label"].decode() for row in rows} == set(names)
    listing = list_source(out, PixelSettings())
    assert listing.format == "imagefolder"
    assert {file.label for file in listing.files} == set(names)


def test_imagefolder_in_keras_and_as_class_folders(made, tmp_path: Path) -> None:
    import keras

    source, pictures = made
    out = export_dataset(source, tmp_path / "out", "imagefolder")
    loaded = keras.utils.image_dataset_from_directory(
        out / "train", color_mode="grayscale", image_size=(32, 32), shuffle=False, verbose=False
    )
    assert tuple(loaded.class_names) == tuple(sorted(CLASSES))
    images = np.concatenate([images for images, _ in loaded.as_numpy_iterator()])
    expected = sorted(pictures, key=lambda one: (one.class_name, one.name))
    assert np.array_equal(images[..., 0], [one.pixels for one in expected])
    # torchvision's ImageFolder takes every folder as a class, and what ends in .png below it.
    assert {entry.name for entry in os.scandir(out / "train") if entry.is_dir()} == set(CLASSES)
    found = sorted((path.parent.name, path.name) for path in (out / "train").glob("*/**/*"))
    assert found == [(one.class_name, f"{one.name}.png") for one in expected]


def test_croissant_is_valid_and_gives_the_rows(made, tmp_path: Path) -> None:
    import mlcroissant as croissant

    source, _ = made
    out = export_dataset(source, tmp_path / "out", "imagefolder", {"licence": "CC BY 4.0"})
    dataset = croissant.Dataset(str(out / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = list(dataset.records("records"))
    assert len(rows) == 12
    assert {row["records/label"].decode() for row in rows} == set(CLASSES)
    assert dataset.metadata.license == ["CC BY 4.0"]
    files = {
        row["pictures/path"].decode(): row["pictures/image"] for row in dataset.records("pictures")
    }
    assert len(files) == 12
    for name, image in files.items():
        expected = Image.open(out / name).convert("RGB")
        assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_webdataset(made, tmp_path: Path) -> None:
    import webdataset

    source, pictures = made
    out = export_dataset(source, tmp_path / "out", "webdataset")
    shards = sorted(map(str, out.glob("*.tar")))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("l8"))
    assert len(samples) == 12
    for sample, picture in zip(samples, pictures, strict=True):
        assert np.array_equal(np.asarray(sample["png"]), picture.pixels)
        assert sample["cls"] == picture.label
        assert sample["json"]["Class"] == picture.class_name
        assert sample["json"]["Synthetic"] == "yes"


def test_a_classs_number_is_the_models(tmp_path: Path) -> None:
    """Sets of one class each can be put together: neither begins to count at 0 for itself."""
    import webdataset

    for number, name in enumerate(CLASSES):
        source, out = tmp_path / f"made-{number}", tmp_path / f"out-{number}"
        write_made(source, classes=(name,))
        export_dataset(Synthetic.open(source), out, "webdataset")
        shards = list(map(str, out.glob("*.tar")))
        samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
        assert {(one["cls"], one["json"]["Class"]) for one in samples} == {(number, name)}
        provenance = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
        assert provenance["classes_of_model"] == list(CLASSES)
        assert provenance["classes"] == {name: 6}


def test_classes_where_no_record_tells_them(tmp_path: Path) -> None:
    write_made(tmp_path, classes=CLASSES[1:])
    [record] = tmp_path.glob(".part-*")
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    head = json.loads(lines[0])
    del head["classes"]  # as an earlier version wrote it
    record.write_text("".join([json.dumps(head) + "\n", *lines[1:]]), encoding="utf-8")
    assert Synthetic.open(tmp_path).classes == CLASSES[1:]
    record.unlink()
    assert Synthetic.open(tmp_path).classes == CLASSES[1:]


# Of DICOM PS3.3 A.8.1: attributes that must be there (type 1), or be there and may be empty (2).
TYPE_1 = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "ConversionType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
]
TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "ReferringPhysicianName",
    "AccessionNumber",
    "SeriesNumber",
    "InstanceNumber",
    "PatientOrientation",
]
NOBODY = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
]


@pytest.mark.parametrize("bits", [8, 16])
def test_dicom(tmp_path: Path, bits: int, monkeypatch) -> None:
    pictures = write_made(tmp_path / "synthetic", 4, bits)
    source = Synthetic.open(tmp_path / "synthetic")
    out = export_dataset(source, tmp_path / "out", "dicom")
    uids = set()
    for picture in pictures:
        path = out / picture.class_name / f"{picture.name}.dcm"
        with monkeypatch.context() as strict:
            strict.setattr(
                pydicom.config.settings, "_reading_validation_mode", pydicom.config.RAISE
            )
            dataset = pydicom.dcmread(path)
            assert all(str(element.value) is not None for element in dataset.iterall())
        assert np.array_equal(dataset.pixel_array, picture.pixels)
        grey = read_dicom(path.read_bytes(), b"x")[0]
        assert np.abs(grey - picture.pixels * (255 / (2**bits - 1))).max() < 0.01
        assert dataset[0x0008, 0x001C].value == "YES"
        assert list(dataset.ImageType) == ["DERIVED", "SECONDARY"]
        assert all(getattr(dataset, name) not in (None, "") for name in TYPE_1)
        assert all(name in dataset for name in TYPE_2)
        assert all(str(getattr(dataset, name)) == "" for name in NOBODY)
        assert not any(element.VR in ("DA", "DT", "TM") and element.value for element in dataset)
        for fact in (MODEL, "seed 4", f"index {picture.index}", picture.class_name):
            assert fact in dataset.DerivationDescription
        for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            uid = getattr(dataset, name)
            assert uid.is_valid
            assert uid.startswith("2.25.")
            uids.add(uid)
    assert len(uids) == 3 * len(pictures)
    if shutil.which("dciodvfy"):  # of dicom3tools, where it is installed
        for path in out.rglob("*.dcm"):
            told = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
            errors = [line for line in told.stderr.splitlines() if line.startswith("Error")]
            # Synthetic Data is younger than the release that Debian has.
            assert [line for line in errors if "(0x0008,0x001c)" not in line] == []


def test_what_is_not_marked_does_not_get_out(made, tmp_path: Path) -> None:
    """A real film put beside the images, then into the manifest, then over an image."""
    source, pictures = made
    film = np.random.default_rng(9).integers(0, 256, (32, 32), np.uint8)
    real = source.folder / CLASSES[0] / "person1.png"
    _, encoded = cv2.imencode(".png", film)
    real.write_bytes(encoded.tobytes())
    out = export_dataset(source, tmp_path / "beside", "imagefolder")
    assert not list(out.rglob("person1*"))

    manifest = source.folder / "manifest.csv"
    table = manifest.read_text(encoding="utf-8")
    listed = f"{CLASSES[0]}/person1.png,{CLASSES[0]},4,12,1,{MODEL}\n"
    manifest.write_text(table + listed, encoding="utf-8")
    again = Synthetic.open(source.folder)
    for kind in ("imagefolder", "webdataset", "dicom"):
        with pytest.raises(XrayganError, match="is not marked as the synthetic image"):
            export_dataset(again, tmp_path / f"listed-{kind}", kind)
        assert not list((tmp_path / f"listed-{kind}").rglob("*person1*"))
    manifest.write_text(table, encoding="utf-8")
    swapped = source.folder / pictures[0].class_name / f"{pictures[0].name}.png"
    swapped.write_bytes(encoded.tobytes())
    with pytest.raises(XrayganError, match="is not marked"):
        export_dataset(Synthetic.open(source.folder), tmp_path / "swapped", "imagefolder")


@pytest.mark.parametrize("kind", ["imagefolder", "webdataset", "dicom"])
def test_a_refused_export_leaves_nothing(made, tmp_path: Path, monkeypatch, kind) -> None:
    """The last image is damaged; mended, the same folder takes the export, or another."""
    source, pictures = made
    monkeypatch.setattr("xraygan.export.dataset.PER_TAR", 2)
    monkeypatch.setattr("xraygan.export.dataset._TOGETHER", 2)
    last = source.folder / pictures[-1].class_name / f"{pictures[-1].name}.png"
    whole = last.read_bytes()
    (tmp_path / "empty").mkdir()
    last.write_bytes(whole[: len(whole) // 2])
    for out in (tmp_path / "empty", tmp_path / "new"):
        with pytest.raises(XrayganError, match="cannot be read"):
            export_dataset(source, out, kind)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "empty").iterdir()) == []
    last.write_bytes(whole)
    before = contents(export_dataset(source, tmp_path / "empty", kind))
    last.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(XrayganError, match="cannot be read"):
        export_dataset(source, tmp_path / "empty", kind)
    assert contents(tmp_path / "empty") == before, "what was whole is as it was"


def test_a_killed_export_is_not_whole_and_the_same_call_goes_on(made, tmp_path: Path) -> None:
    source, _ = made
    out = tmp_path / "out"
    stops = f"""
import os, pathlib
from xraygan.export.dataset import export_dataset
from xraygan.export.source import Synthetic
source = Synthetic.open(pathlib.Path({str(source.folder)!r}))
export_dataset(source, pathlib.Path({str(out)!r}), "dicom", None, lambda *_: os._exit(9))
"""
    assert subprocess.run([sys.executable, "-c", stops], check=False).returncode == 9
    assert not (out / "provenance.json").exists()
    with pytest.raises(XrayganError, match="holds another export"):
        export_dataset(source, out, "webdataset")
    whole = contents(export_dataset(source, tmp_path / "whole", "dicom"))
    assert contents(export_dataset(source, out, "dicom")) == whole


def test_files_that_are_no_png_are_refused_at_once(made) -> None:
    source, _ = made
    manifest = source.folder / "manifest.csv"
    table = manifest.read_text(encoding="utf-8")
    manifest.write_text(table.replace(".png", ".tar"), encoding="utf-8")
    with pytest.raises(XrayganError, match="only PNG files are exported; generate with --format"):
        Synthetic.open(source.folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("NORMAL/seed", "../NORMAL/seed", 1), "outside the folder"),
        (lambda text: text.replace("ab" * 32, "cd" * 32, 1), "images of 2 models"),
        (lambda text: text.replace("psi", "phi"), "not one of ours"),
        (lambda text: text.replace(",1,", ",one,", 1), "cannot be read"),
        (lambda text: text[: len(text) // 2], "cannot be read|2 models"),
        (lambda text: text.partition("\n")[0] + "\n", "images of 0 models"),
    ],
)
def test_manifests_that_are_refused(made, change, said: str) -> None:
    source, _ = made
    manifest = source.folder / "manifest.csv"
    manifest.write_text(change(manifest.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(XrayganError, match=said):
        Synthetic.open(source.folder)


@pytest.mark.parametrize("name", ["../../x", "{tmp}/x", "..", "a/../../x", "..\\x", "a:b", ""])
@pytest.mark.parametrize("kind", ["imagefolder", "webdataset", "dicom"])
def test_a_class_that_leads_out_of_the_folder(tmp_path: Path, kind, name: str) -> None:
    """A received set whose manifest and whose images agree on such a class."""
    name = name.format(tmp=tmp_path / "elsewhere")
    (one, *_) = pictures(1)
    inside = tmp_path / "a" / "b" / "synthetic"
    (inside / "NORMAL").mkdir(parents=True)
    (inside / "NORMAL" / "x.png").write_bytes(encode.png(dataclasses.replace(one, class_name=name)))
    head = "file,class,seed,index,psi,model_sha256\n"
    row = f"NORMAL/x.png,{name},{one.seed},{one.index},1,{MODEL}\n"
    (inside / "manifest.csv").write_text(head + row, encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(XrayganError, match=r"manifest\.csv.*can be no folder's name") as refused:
        export_dataset(Synthetic.open(inside), tmp_path / "a" / "b" / "out", kind)
    assert "\n" not in str(refused.value)
    assert contents(tmp_path) == before


def test_folders_that_are_refused(made, tmp_path: Path) -> None:
    source, _ = made
    with pytest.raises(XrayganError, match=r"no manifest\.csv"):
        Synthetic.open(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("mine")
    with pytest.raises(XrayganError, match="holds other files"):
        export_dataset(source, tmp_path / "mine", "imagefolder")
    export_dataset(source, tmp_path / "out", "imagefolder")
    with pytest.raises(XrayganError, match="holds another export"):
        export_dataset(source, tmp_path / "out", "dicom")


@pytest.mark.parametrize("name", [".DS_Store", "desktop.ini", "Thumbs.db"])
def test_what_a_desktop_left_in_a_folder_does_not_fill_it(made, tmp_path: Path, name: str) -> None:
    source, pictures = made
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("theirs")
    last = source.folder / pictures[-1].class_name / f"{pictures[-1].name}.png"
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(XrayganError, match="cannot be read"):
        export_dataset(source, tmp_path / "out", "dicom")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    last.write_bytes(whole)
    export_dataset(source, tmp_path / "out", "dicom")
    assert (tmp_path / "out" / "provenance.json").is_file()


def test_the_table_names_every_file(made, tmp_path: Path) -> None:
    source, _ = made
    out = export_dataset(source, tmp_path / "out", "imagefolder")
    lines = (out / "train" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["file_name"] for row in rows} == {
        path.relative_to(out / "train").as_posix() for path in out.rglob("*.png")
    }
