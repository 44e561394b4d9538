import shutil
from pathlib import Path

import numpy as np
import pytest
from data_pictures import folder_tree
from dicom_files import dataset_of, file_of, film12

from xraygan.config import PixelSettings
from xraygan.data.collection import own_resolution, read_sets
from xraygan.errors import XrayganError

SMALL = PixelSettings(resolution=32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folder_tree(tmp_path / "data", {"train/A": 4, "train/B": 4, "test/A": 3, "val/B": 2})


def test_roles_take_their_splits(source: Path, tmp_path: Path) -> None:
    folders = {"real": source, "train": source, "synthetic": source}
    read = read_sets(folders, SMALL, tmp_path / "cache")
    sets, notes = read.sets, read.notes
    assert {role: len(images) for role, images in sets.items()} == {
        "real": 5,
        "train": 8,
        "synthetic": 13,
    }
    assert any("its 5 validation and test images are used" in note for note in notes)
    assert not set(sets["real"].patients) & set(sets["train"].patients)
    assert all(isinstance(part.images, np.memmap) for part in sets.values()), "none is copied"


def test_classes_are_numbered_alike(source: Path, tmp_path: Path) -> None:
    folders = {"real": source / "test", "synthetic": source / "val"}
    sets = read_sets(folders, SMALL, tmp_path / "cache").sets
    assert sets["real"].classes == sets["synthetic"].classes == ("A", "B")
    assert set(sets["real"].labels) == {0}
    assert set(sets["synthetic"].labels) == {1}


def test_one_picture_makes_one_patient_across_folders(source: Path, tmp_path: Path) -> None:
    copy = source / "test/A/renamed.png"
    shutil.copy(next((source / "train/A").iterdir()), copy)
    folders = {"real": source / "test", "train": source / "train", "synthetic": source / "train"}
    sets = read_sets(folders, SMALL, tmp_path / "cache").sets
    assert len(set(sets["real"].patients) & set(sets["train"].patients)) == 1
    assert not set(sets["synthetic"].patients) & set(sets["train"].patients)


def test_images_are_read_alike(source: Path, tmp_path: Path) -> None:
    folders = {"real": source / "train", "synthetic": source / "train"}
    sets = read_sets(folders, SMALL, tmp_path / "cache").sets
    assert np.array_equal(sets["real"].images, sets["synthetic"].images)


def test_own_resolution_is_that_of_the_first_readable_image(source: Path, tmp_path: Path) -> None:
    first = min((source / "train/A").iterdir())
    expected = own_resolution(source / "train")
    first.write_bytes(b"no picture")
    assert own_resolution(source / "train") == expected
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "a.png").write_bytes(b"no picture")
    with pytest.raises(XrayganError, match=r"no usable image in .*empty \(a.png: "):
        own_resolution(empty)


def test_dicom_has_a_resolution_of_its_own_too(tmp_path: Path) -> None:
    folder = tmp_path / "made/A"
    folder.mkdir(parents=True)
    (folder / "a.dcm").write_bytes(b"no film")
    with pytest.raises(XrayganError, match="or --resolution"):
        own_resolution(tmp_path / "made")
    (folder / "b.dcm").write_bytes(file_of(dataset_of(film12(height=40, width=56))))
    assert own_resolution(tmp_path / "made") == 40
