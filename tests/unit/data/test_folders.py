import json
import os
import socket
from pathlib import Path

import pytest
from data_pictures import encoded, film, write

from xraygan.config import PixelSettings
from xraygan.data.entries import printable
from xraygan.data.listing import Listing
from xraygan.data.sources import list_source
from xraygan.errors import XrayganError
from xraygan.runs import RunFolder


def list_images(source: Path) -> Listing:
    return list_source(source, PixelSettings.model_validate({}))


def place(listing: Listing) -> dict[str, tuple[str | None, str]]:
    return {file.name: (file.split, file.label) for file in listing.files}


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_split_folders_in_any_spelling(tmp_path: Path) -> None:
    touch(tmp_path, "Training/A/a.png", "VALID/A/b.png", "dev/B/c.jpg", "Testing/B/deep/er/d.JPEG")
    assert place(list_images(tmp_path)) == {
        "Training/A/a.png": ("train", "A"),
        "VALID/A/b.png": ("val", "A"),
        "dev/B/c.jpg": ("val", "B"),
        "Testing/B/deep/er/d.JPEG": ("test", "B"),
    }


def test_class_folders_alone(tmp_path: Path) -> None:
    touch(tmp_path, "A b/x.png", "Ünï/x/y.png", "loose.png", "notes.txt")
    listing = list_images(tmp_path)
    assert place(listing) == {"A b/x.png": (None, "A b"), "Ünï/x/y.png": (None, "Ünï")}
    assert dict(listing.refused) == {
        "loose.png": "not inside a class folder",
        "notes.txt": "not an image by its name (.jpg, .jpeg, .png or .dcm)",
    }


def test_decomposed_and_composed_class_names_are_one(tmp_path: Path) -> None:
    touch(tmp_path, "train/e\u0301/a.png", "test/\u00e9/b.png")
    assert {file.label for file in list_images(tmp_path).files} == {"\u00e9"}


RUN = {
    "settings": {"data": {}, "training": {}},
    "data": {"fingerprint": "", "classes": ["A"], "counts": {"train/A": 9}},
    "model": {},
    "versions": {},
}


def test_results_of_earlier_runs_are_no_class(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.png", "B/b.png", "results/reals.png", "results/synthetic/A/1.png")
    touch(tmp_path, "A/00000-x/fakes000001.png", "B/theirs/c.png")
    for folder in ("results", "A/00000-x"):
        run = RunFolder(tmp_path / folder)
        run.write_config(RUN)
        run.log("begun")
    (tmp_path / "B/theirs/config.json").write_text(json.dumps({"resolution": 32}))
    (tmp_path / "B/theirs/log.txt").write_text("x")
    listing = list_images(tmp_path)
    assert place(listing) == {
        name: (None, name[0]) for name in ("A/a.png", "B/b.png", "B/theirs/c.png")
    }
    reasons = dict(listing.refused)
    assert reasons["results/"] == reasons["A/00000-x/"] == "left out: results of an earlier run"
    assert "2 files are not used: 2 results of an earlier run." in listing.notes
    assert not any("'results'" in note for note in listing.notes)
    # A run's own folder may be asked for by its name.
    assert list_images(tmp_path / "results").files


def test_what_was_prepared_or_generated_is_no_film_of_the_folder_around_it(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.png", "B/b.png", "ready/train/A/1.png", "more/A/2.png", "theirs/c.png")
    (tmp_path / "ready/dataset.json").write_text(json.dumps({"format": "xraygan-dataset"}))
    (tmp_path / "ready/metadata.csv").write_text("file_name,label\ntrain/A/1.png,A\n")
    (tmp_path / "theirs/dataset.json").write_text("[1")
    (tmp_path / "more/manifest.csv").write_text("file,class,seed,index,psi,model_sha256\n")
    listing = list_images(tmp_path)
    assert {file.name for file in listing.files} == {"A/a.png", "B/b.png", "theirs/c.png"}
    reasons = dict(listing.refused)
    assert reasons["ready/"] == "left out: a prepared data set"
    assert reasons["more/"] == "left out: images that were generated"
    assert list_images(tmp_path / "more").files


def test_a_table_of_another_set_deeper_down_does_not_stand_for_all(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.png", "B/b.png", "shared/train/A/1.png")
    (tmp_path / "shared/train/metadata.jsonl").write_text('{"file_name": "A/1.png"}\n')
    with pytest.raises(XrayganError, match="give the folder that they lie in as the source"):
        list_images(tmp_path)


def test_images_alone_are_one_class(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    listing = list_images(tmp_path)
    assert {file.label for file in listing.files} == {"images"}
    assert any("no class folders" in note for note in listing.notes)


def test_kaggle_archive(tmp_path: Path) -> None:
    inner = "chest_xray/train/NORMAL/IM-0001-0001.jpeg"
    touch(tmp_path, inner, "chest_xray/val/NORMAL/IM-0002-0001.jpeg")
    touch(tmp_path, "chest_xray/chest_xray/train/NORMAL/IM-0001-0001.jpeg")
    touch(tmp_path, "chest_xray/chest_xray/train/.DS_Store", "chest_xray/__MACOSX/x/._a.jpeg")
    touch(tmp_path, "__MACOSX/._chest_xray", "chest_xray/train/NORMAL/Thumbs.db")
    listing = list_images(tmp_path)
    assert list(place(listing)) == [inner, "chest_xray/val/NORMAL/IM-0002-0001.jpeg"]
    assert listing.refused == ()
    assert any("second set of split folders" in note for note in listing.notes)
    assert not any("chest_xray" in note for note in listing.notes), "a folder may name a patient"


def test_one_class_is_not_descended_into(tmp_path: Path) -> None:
    touch(tmp_path, "NORMAL/a.png", "NORMAL/more/b.png")
    assert {file.label for file in list_images(tmp_path).files} == {"NORMAL"}


def test_folders_beside_the_splits_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/A/a.png", "extra/A/b.png", "train/c.png", "d.png")
    listing = list_images(tmp_path)
    assert list(place(listing)) == ["train/A/a.png"]
    assert [name for name, _ in listing.refused] == ["d.png", "extra/A/b.png", "train/c.png"]


@pytest.mark.parametrize("wrapper", ["images", "chest_xray", "data/films"])
def test_a_folder_round_the_classes_of_each_split(tmp_path: Path, wrapper: str) -> None:
    touch(tmp_path, f"train/{wrapper}/A/1.png", f"train/{wrapper}/B/deep/er/2.png")
    touch(tmp_path, f"test/{wrapper}/B/3.png", "test/masks/B/3.png", "test/readme.txt")
    listing = list_images(tmp_path)
    assert place(listing) == {
        f"test/{wrapper}/B/3.png": ("test", "B"),
        f"train/{wrapper}/A/1.png": ("train", "A"),
        f"train/{wrapper}/B/deep/er/2.png": ("train", "B"),
    }
    assert any("in one more folder within each split" in note for note in listing.notes)


def test_a_split_folder_in_itself(tmp_path: Path) -> None:
    touch(tmp_path, "train/train/A/1.png", "train/train/B/2.png", "test/Test/B/3.png")
    assert set(place(list_images(tmp_path)).values()) == {
        ("train", "A"),
        ("train", "B"),
        ("test", "B"),
    }


def test_patients_folders_in_the_one_class_of_each_split_are_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/A/p1/1.png", "train/A/p2/2.png", "test/A/p3/3.png")
    assert {file.label for file in list_images(tmp_path).files} == {"A"}
    touch(tmp_path, "test/B/p3/3.png")
    assert {file.label for file in list_images(tmp_path).files} == {"A", "B"}


@pytest.mark.parametrize("inner", ["train/A", "A"])
def test_folders_of_other_things_beside_the_data(tmp_path: Path, inner: str) -> None:
    touch(tmp_path, f"chest_xray/{inner}/1.png", "chest_xray/B/2.png", "code/test/read.py")
    files = list_images(tmp_path).files
    assert [file.name for file in files if file.label == "A"] == [f"chest_xray/{inner}/1.png"]
    (tmp_path / "results").mkdir()
    touch(tmp_path, "chest_xray/test/A/3.png")
    assert {file.split for file in list_images(tmp_path).files} >= {"test"}


def test_a_class_without_usable_images_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "A/p1/1.png", "A/p2/2.png")
    (tmp_path / "B").mkdir()
    assert {file.label for file in list_images(tmp_path).files} == {"A"}
    touch(tmp_path, "B/p3/3.tif")
    assert {file.label for file in list_images(tmp_path).files} == {"A"}


def test_a_split_folder_without_images_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.png", "B/2.png", "test/test_read.py")
    (tmp_path / "val").mkdir()
    assert place(list_images(tmp_path)) == {"A/1.png": (None, "A"), "B/2.png": (None, "B")}


@pytest.mark.parametrize(
    "names",
    [
        ("data/train/A/1.png", "data/test/A/2.png", "extra/3.png"),
        ("A/train/1.png", "A/test/2.png", "B/3.png"),
        ("site 1/train/A/1.png", "site 1/test/A/2.png", "site 2/train/A/3.png"),
        ("wrap/data/train/A/1.png", "wrap/data/test/B/2.png", "wrap/docs/3.png"),
    ],
)
def test_splits_in_a_would_be_class(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    outer = Path(names[0]).parts[names[0].startswith("wrap")]
    with pytest.raises(XrayganError, match=rf"^split folders \('test'\) lie in '{outer}'.*; give"):
        list_images(tmp_path)


def test_splits_in_every_class_folder(tmp_path: Path) -> None:
    touch(tmp_path, "A/train/1.png", "A/Test/2.png", "B/training/3.png", "B/masks/3.png")
    listing = list_images(tmp_path)
    assert place(listing) == {
        "A/Test/2.png": ("test", "A"),
        "A/train/1.png": ("train", "A"),
        "B/training/3.png": ("train", "B"),
    }
    assert not any("same names" in note for note in listing.notes)


def test_blanks_in_a_class_name_make_no_other_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/NORMAL /1.png", "train/A  B/2.png", "test /NORMAL/3.png")
    touch(tmp_path, "test /A B/4.png", "test /\u00a0NORMAL/5.png")
    listing = list_images(tmp_path)
    assert {file.label for file in listing.files} == {"A B", "NORMAL"}
    assert {file.split for file in listing.files} == {"train", "test"}
    assert not any("dropped" in note for note in listing.notes)


def test_empty_class_and_names_that_differ_in_case(tmp_path: Path) -> None:
    touch(tmp_path, "train/A/a.png", "test/a/b.png")
    (tmp_path / "train" / "EMPTY").mkdir()
    notes = " ".join(list_images(tmp_path).notes)
    assert "Class folders without images, dropped: 1 ('EMPTY'); fill or delete them." in notes
    assert "differ only in case" in notes


def test_known_formats_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.png", "A/b.dcm", "A/c.TIFF")
    listing = list_images(tmp_path)
    assert list(place(listing)) == ["A/a.png", "A/b.dcm"]
    assert [r.split()[0] for _, r in listing.refused] == ["TIFF"]


def test_links_loops_pipes_and_sockets(tmp_path: Path) -> None:
    root = tmp_path / "data"
    elsewhere = touch(tmp_path / "elsewhere", "x.png")
    touch(root, "A/a.png")
    (root / "A" / "file.png").symlink_to(root / "A" / "a.png")
    (root / "A" / "loop").symlink_to(root)
    (root / "A" / "above").symlink_to(tmp_path)
    (root / "A" / "self.png").symlink_to("self.png")
    (root / "A" / "gone.png").symlink_to("nowhere.png")
    (root / "B").symlink_to(elsewhere)
    os.mkfifo(root / "A" / "fifo.png")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root / "A")  # a socket's path is short
        try:
            server.bind("socket.png")
        finally:
            os.chdir(here)
    listing = list_images(root)
    assert place(listing) == {
        "A/a.png": (None, "A"),
        "A/file.png": (None, "A"),
        "B/x.png": (None, "B"),
    }
    assert [name for name, _ in listing.refused] == [
        "A/above/",
        "A/fifo.png",
        "A/gone.png",
        "A/loop/",
        "A/self.png",
        "A/socket.png",
    ]


def test_folders_to_skip_are_known_under_any_name(tmp_path: Path) -> None:
    data = touch(tmp_path / "data", "A/a.png", "B/b.png", "out/C/c.png")
    (data / "again").symlink_to(data / "out")
    (tmp_path / "link").symlink_to(data)
    skip = [tmp_path / "link" / "out", tmp_path / "nowhere", data]
    listing = list_source(data, PixelSettings.model_validate({}), skip=skip)
    assert list(place(listing)) == ["A/a.png", "B/b.png"]
    assert listing.refused == ()


def test_very_long_paths(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.png")
    here = Path.cwd()
    os.chdir(tmp_path / "A")
    try:
        for _ in range(25):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
    finally:
        os.chdir(here)
    listing = list_images(tmp_path)
    assert list(place(listing)) == ["A/a.png"]
    assert any("File name too long" in reason for _, reason in listing.refused)


def test_undecodable_names_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / os.fsdecode(b"\xff\n.png")).write_bytes(encoded(film(0)))
    (file,) = list_images(tmp_path).files
    assert printable(file.name) == "A/\\xff\\n.png"


def test_class_folders_that_cannot_be_named(tmp_path: Path) -> None:
    touch(tmp_path, "NORMAL/a.png")
    (tmp_path / os.fsdecode(b"R\xf6ntgen")).mkdir()
    (tmp_path / os.fsdecode(b"R\xf6ntgen") / "b.png").write_bytes(b"x")
    with pytest.raises(XrayganError, match=r"'R\\xf6ntgen'.* not UTF-8.*; rename it$") as refused:
        list_images(tmp_path)
    assert "\n" not in str(refused.value)
    str(refused.value).encode()
    touch(tmp_path / "other", "train/Pneumonia?/a.png")
    with pytest.raises(XrayganError, match=r"class folder 'Pneumonia\?'.*; rename it$"):
        list_images(tmp_path / "other")


def test_faulty_sources(tmp_path: Path) -> None:
    with pytest.raises(XrayganError, match="does not exist"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(XrayganError, match="is no source"):
        list_images(write(tmp_path / "x" / "a.png", 0))
    (tmp_path / "empty" / "A").mkdir(parents=True)
    with pytest.raises(XrayganError, match="holds no files"):
        list_images(tmp_path / "empty")
