import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_pictures import film
from source_trees import listed

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.medmnist import list_medmnist
from xraygan.data.pixels import decode
from xraygan.errors import XrayganError


def pictures(start: int, count: int) -> np.ndarray:
    return np.stack([film(seed, 28, 28) for seed in range(start, start + count)])


def saved(path: Path, compressed: bool = True, **arrays: np.ndarray) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_pneumoniamnist(tmp_path: Path, compressed: bool) -> None:
    arrays = {}
    for start, (split, count) in zip((0, 50, 80), (("train", 9), ("val", 4), ("test", 3))):  # noqa: B905
        arrays[f"{split}_images"] = pictures(start, count)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    path = saved(tmp_path / "pneumoniamnist.npz", compressed, **arrays)
    listing = listed(path)
    assert listing.format == "medmnist"
    assert [file.split for file in listing.files].count("val") == 4
    for file in listing.files:
        row = int(file.name[-12:-4])
        expected = arrays[f"{file.split}_images"][row]
        assert np.array_equal(decode(file.place.read(), file.name), expected)
        assert file.label == ("normal", "pneumonia")[row % 2]
    # Backwards too, though it costs more.
    assert listing.files[0].place.read() == listing.files[0].place.read()
    dataset = prepare(path, DataSettings(resolution=32, keep_splits=True), tmp_path / "cache")
    assert dataset.classes == ("normal", "pneumonia")
    assert [len(dataset.split(split)[0]) for split in ("train", "val", "test")] == [9, 4, 3]


def test_chestmnist_findings(tmp_path: Path) -> None:
    labels = np.zeros((4, 14), np.uint8)
    labels[1, 6] = labels[2, 2] = labels[2, 6] = labels[3, 13] = 1
    path = saved(tmp_path / "chestmnist_64.npz", train_images=pictures(0, 4), train_labels=labels)
    found = [file.label for file in listed(path).files]
    assert found == ["No Finding", "pneumonia", "hernia"]
    chosen = listed(path, labels="effusion")
    assert [(f.label, f.labels) for f in chosen.files] == [
        ("No Finding", ()),
        ("effusion", ("effusion", "pneumonia")),
    ]


def test_colour_and_unknown_names(tmp_path: Path) -> None:
    grey = pictures(0, 2)
    path = saved(
        tmp_path / "mine.npz",
        train_images=np.stack([grey] * 3, axis=-1),
        train_labels=np.array([[0], [7]], np.int64),
    )
    listing = listed(path)
    assert [file.label for file in listing.files] == ["class 0", "class 7"]
    assert np.abs(decode(listing.files[1].place.read(), "a.png") - grey[1]).max() < 0.01


def test_sixteen_bits_are_synthetic_however_dark(tmp_path: Path) -> None:
    dark = pictures(0, 2).astype(np.uint16) << 4
    path = saved(tmp_path / "made.npz", train_images=dark, train_labels=np.zeros((2, 1), np.uint8))
    for file, image in zip(listed(path).files, dark, strict=True):
        assert np.abs(decode(file.place.read(), file.name) - image / 257).max() < 1e-3


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"train_images": pictures(0, 2)},
        {"train_images": pictures(0, 2), "train_labels": np.zeros((3, 1), np.uint8)},
        {"train_images": pictures(0, 2), "train_labels": np.zeros((2, 1), np.float32)},
        {"train_images": pictures(0, 2), "train_labels": np.zeros((), np.uint8)},
        {"train_images": pictures(0, 2) / 255, "train_labels": np.zeros((2, 1), np.uint8)},
        {"train_images": np.zeros(3, np.uint8), "train_labels": np.zeros((3, 1), np.uint8)},
        {
            "train_images": np.array([{}, {}], object),
            "train_labels": np.zeros((2, 1), np.uint8),
        },
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(XrayganError, match=r"x\.npz"):
        listed(saved(tmp_path / "x.npz", **arrays))


def test_a_header_that_asks_for_too_much(tmp_path: Path) -> None:
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (2, 2**40, 2**20)}
    np.lib.format.write_array_header_1_0(stream, header)
    labels = io.BytesIO()
    np.save(labels, np.zeros((2, 1), np.uint8))
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_images.npy", stream.getvalue())
        archive.writestr("train_labels.npy", labels.getvalue())
    with pytest.raises(XrayganError, match=r"x\.npz: cannot be read"):
        listed(path)
    path.write_bytes(b"no zip")
    with pytest.raises(XrayganError, match=r"x\.npz: cannot be read"):
        listed(path)


@pytest.mark.parametrize("kept", [40, 64, 65])
def test_a_header_that_is_no_python(tmp_path: Path, kept: int) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, (32, 32), }"[:kept]
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("train_images.npy", array)
    with pytest.raises(XrayganError, match="cannot be read as MedMNIST"):
        list_medmnist(tmp_path / "a.npz")


def test_more_images_than_there_are(tmp_path: Path) -> None:
    """Some kilobytes can say that they are 200 million images, each with its label."""
    path = tmp_path / "a.npz"
    head = io.BytesIO()
    said = {"descr": "|u1", "fortran_order": False, "shape": (2**28, 28, 28)}
    np.lib.format.write_array_header_1_0(head, said)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("train_images.npy", head.getvalue() + pictures(0, 2).tobytes())
    with pytest.raises(XrayganError, match="has not the 268,435,456 images that it says"):
        list_medmnist(path)
