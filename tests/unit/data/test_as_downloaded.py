"""Sources as people have them: archives beside tables, masks beside films, names by UID."""

import gzip
import importlib.util
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from source_trees import classes, films, listed, one, table, why

from xraygan.config import DataSettings, PixelSettings
from xraygan.data.cache import prepare
from xraygan.data.folders import is_mask
from xraygan.data.ingest import Facts
from xraygan.data.views import parse_view
from xraygan.errors import XrayganError
from xraygan.runs import same_data
from xraygan.sampling.records import COLUMNS, MANIFEST

SMALL = DataSettings(resolution=32)
NIH = "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position"


def nih_table(path: Path) -> Path:
    rows = [
        f"{n:08d}_000.png,{'Edema' if n % 2 else 'No Finding'},{n // 2},40,M,PA" for n in range(4)
    ]
    return table(path, NIH, *rows)


def in_archives(root: Path, folder: str = "") -> Path:
    """Four films in two archives, whose folders are called alike."""
    (root / folder).mkdir(exist_ok=True)
    loose = films(root / "loose", *(f"images/{n:08d}_000.png" for n in range(4)))
    for part in range(2):
        with tarfile.open(root / folder / f"images_{part}.tar.gz", "w:gz") as archive:
            for n in (2 * part, 2 * part + 1):
                name = f"images/{n:08d}_000.png"
                archive.add(loose / name, name)
    for path in sorted(loose.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    loose.rmdir()
    return root


@pytest.mark.parametrize("folder", ["", "images"])
def test_a_table_beside_archives(tmp_path: Path, folder: str) -> None:
    in_archives(tmp_path, folder)
    nih_table(tmp_path / "Data_Entry_2017.csv")
    table(tmp_path / "test_list.txt", "00000003_000.png")
    listing = listed(tmp_path)
    assert listing.format == "nih"
    assert set(classes(listing).values()) == {"No Finding", "Edema"}
    found = one(listing, "00000003_000.png")
    assert (found.split, found.facts.patient) == ("test", "1")


def test_archives_in_split_folders(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test")):
        films(tmp_path / "loose", "A/1.png", "B/2.png", start=2 * number)
        (tmp_path / "data" / split).mkdir(parents=True)
        with zipfile.ZipFile(tmp_path / "data" / split / "films.zip", "w") as archive:
            for name in ("A/1.png", "B/2.png"):
                archive.write(tmp_path / "loose" / name, name)
    listing = listed(tmp_path / "data")
    assert {(file.name, file.split, file.label) for file in listing.files} == {
        (f"{split}/{name}", split, name[0])
        for split in ("train", "test")
        for name in ("A/1.png", "B/2.png")
    }


def test_a_collections_table_given_by_itself(tmp_path: Path) -> None:
    films(tmp_path, *(f"images/{n:08d}_000.png" for n in range(4)))
    own = nih_table(tmp_path / "mine.csv")
    assert listed(own).format == "nih"
    packed = tmp_path / "mine.csv.gz"
    packed.write_bytes(gzip.compress(own.read_bytes()))
    own.unlink()
    assert listed(packed).format == "nih"
    named = table(tmp_path / "manifest.csv", "path,label", "images/00000000_000.png,A")
    assert classes(listed(named)) == {"00000000_000.png": "A"}


def test_a_manifest_of_the_users_own(tmp_path: Path) -> None:
    films(tmp_path / "data", "1.png", "2.png")
    own = table(tmp_path / "data" / "manifest.csv", "path,label", "1.png,A", "2.png,B")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in (tmp_path / "data").iterdir():
            archive.write(path, path.name)
    for source in (tmp_path / "data", tmp_path / "data.zip"):
        assert listed(source).format == "csv"
        assert classes(listed(source)) == {"1.png": "A", "2.png": "B"}
    table(own, "image,kind", "1.png,A")
    assert any("table beside the images" in note for note in listed(tmp_path / "data").notes)


def test_the_manifest_that_generate_writes_is_passed_over(tmp_path: Path) -> None:
    films(tmp_path / "made", "A/1.png", "B/2.png")
    table(tmp_path / "made" / MANIFEST, ",".join(COLUMNS), "A/1.png,C,0,0,1,f00d")
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for path in (tmp_path / "made").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "made"))
    for source in (tmp_path / "made", tmp_path / "made.zip"):
        listing = listed(source)
        assert (listing.format, listing.refused, listing.notes) == ("folders", (), ())
        assert classes(listing) == {"1.png": "A", "2.png": "B"}


def test_masks_are_no_films(tmp_path: Path) -> None:
    for name in ("COVID", "Normal"):
        films(tmp_path / name, "images/1.png", "masks/1.png", "lung mask/2.png")
    listing = listed(tmp_path)
    assert len(listing.files) == 2
    assert {file.label for file in listing.files} == {"COVID", "Normal"}
    assert any("4 files are not used: 4 in a folder of masks" in note for note in listing.notes)
    assert not any("same names" in note for note in listing.notes)


@pytest.mark.parametrize("folder", ["masks", "Lung Masks", "leftMask", "mask_png", "ManualMask"])
def test_folders_of_masks(folder: str) -> None:
    assert is_mask(("A", folder, "1.png"))
    assert not is_mask(("A", "Masked man", "1.png"))
    assert not is_mask(("A", f"{folder}.png"))


def test_outer_folders_that_may_be_splits(tmp_path: Path) -> None:
    for outer in ("train_data", "test_data"):
        films(tmp_path / outer, "NORMAL/1.png", "PNEUMONIA/2.png")
    [note] = [note for note in listed(tmp_path).notes if "same names" in note]
    assert "call the outer ones train, val and test" in note
    assert "NORMAL" not in note, "a folder may name a patient"
    films(tmp_path, "test_data/COVID/3.png")
    assert not any("same names" in note for note in listed(tmp_path).notes)


def test_dicom_files_that_are_called_by_their_uid(tmp_path: Path) -> None:
    for name in ("CR.1.2.840.113619.2.5.17", "1.2.840.10008.5"):
        (tmp_path / name).write_bytes(b"x")
    assert len(listed(tmp_path, format="dicom").files) == 2
    with pytest.raises(XrayganError, match="without an ending say --format dicom"):
        prepare(tmp_path, SMALL, tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "why_not"),
    [
        ("path,label\n1.png,Ödem\n".encode("cp1252"), "is not UTF-8; save it as UTF-8 first"),
        (b"image_id,finding_name\n1,Edema\n", "no column of it is known as path or label"),
        (b"filename,projection\nA/1.png,Lateral\n", "no column of it is known as label"),
    ],
)
def test_a_table_that_is_passed_over_is_told(tmp_path: Path, content: bytes, why_not: str) -> None:
    films(tmp_path, "A/1.png", "B/2.png")
    (tmp_path / "labels.csv").write_bytes(content)
    listing = listed(tmp_path)
    assert set(classes(listing).values()) == {"A", "B"}
    [note] = [note for note in listing.notes if "table beside the images" in note]
    assert why_not in note
    assert not any("table beside" in note for note in listed(tmp_path, format="folders").notes)


def test_a_table_below_the_folder_that_everything_lies_in(tmp_path: Path) -> None:
    films(tmp_path, "data/images/1.png", "data/images/2.png")
    table(tmp_path / "data" / "labels.csv", "path,label", "images/1.png,A", "2.png,B")
    assert classes(listed(tmp_path)) == {"1.png": "A", "2.png": "B"}


def test_a_films_own_folder_and_not_the_tables_text_says_the_split(tmp_path: Path) -> None:
    films(tmp_path, "train/1.png", "val/2.png")
    table(
        tmp_path / "t.csv", "path,label", "/mnt/dev/cxr/train/1.png,A", "/mnt/dev/cxr/val/2.png,A"
    )
    listing = listed(tmp_path)
    assert {file.name: file.split for file in listing.files} == {
        "train/1.png": "train",
        "val/2.png": "val",
    }


def test_films_that_are_there_at_two_sizes(tmp_path: Path) -> None:
    films(tmp_path, *(f"{folder}/{n:08d}_000.png" for folder in "ab" for n in range(4)))
    nih_table(tmp_path / "Data_Entry_2017.csv")
    with pytest.raises(XrayganError, match=r"more than once .* move all but one of them away"):
        listed(tmp_path)


@pytest.mark.parametrize(
    ("word", "view"),
    [
        ("LLAT", "LATERAL"), ("Left Lateral", "LATERAL"), ("XTABLE LATERAL", "LATERAL"),
        ("LL", "LATERAL"), ("lateral decubitus", "LATERAL"), ("Oblique", "OBLIQUE"),
        ("AP OBL", "OBLIQUE"), ("pa", "PA"), ("AP SUPINE", "AP"), ("PLATE 2", "PLATE 2"),
        ("", None), ("LAT_ERECT", "LATERAL"), ("L_LAT", "LATERAL"), ("AP_LAT", "LATERAL"),
        ("AP_OBL", "OBLIQUE"), ("seitlich", "LATERAL"), ("PLATE_2", "PLATE_2"),
        ("AP_HORIZONTAL", "AP"), ("AP Erect", "AP"), ("CHEST PA", "PA"), ("Erect", "ERECT"),
        ("AP LORDOTIC", "LORDOTIC"), ("L", "LATERAL"), ("AP AXIAL", "OTHER"),
    ],
)  # fmt: skip
def test_words_for_views(word: str, view: str | None) -> None:
    assert parse_view(word) == view


def test_views_are_asked_for_in_any_of_their_words(tmp_path: Path) -> None:
    films(tmp_path, "1.png", "2.png", "3.png")
    table(tmp_path / "t.csv", "path,label,view", "1.png,A,PA", "2.png,A,LLAT", "3.png,A,")
    assert set(classes(listed(tmp_path))) == {"1.png", "3.png"}
    assert set(classes(listed(tmp_path, views="LL"))) == {"2.png"}
    assert len(listed(tmp_path, views="all").files) == 3
    assert len(listed(tmp_path, views="PA,all").files) == 3
    assert why(listed(tmp_path))["2.png"].endswith("its view is LATERAL: not from the front")
    dataset = prepare(tmp_path, SMALL, tmp_path / "cache")
    assert any("1 of 2 films do not say their view" in note for note in dataset.notes)


def test_many_folders_beside_one_that_is_called_test(tmp_path: Path) -> None:
    films(tmp_path, "test/A/1.png", "ward/train/A/2.png", "ward/B/3.png", "other/B/4.png")
    listing = listed(tmp_path)
    assert [file.name for file in listing.files] == ["test/A/1.png"]
    assert any("second set of split folders" in note for note in listing.notes)


def test_what_lies_beside_the_films_does_not_make_them_others(tmp_path: Path) -> None:
    data = films(tmp_path / "data", *(f"A/{n}.png" for n in range(6)))
    first = prepare(data, SMALL, tmp_path / "cache")
    (data / "notes.txt").write_text("mine")
    second = prepare(data, SMALL, tmp_path / "cache")
    stored = {"fingerprint": first.fingerprint, "content": first.content}
    assert second.fingerprint != first.fingerprint
    assert same_data(stored, second.fingerprint, second.content)
    films(data, "A/7.png", start=7)
    third = prepare(data, SMALL, tmp_path / "cache")
    assert not same_data(stored, third.fingerprint, third.content)
    older = {"fingerprint": first.fingerprint}
    assert not same_data(older, second.fingerprint, second.content)


@pytest.fixture
def ward(tmp_path: Path) -> Callable[..., Path]:
    """DICOM films, a folder for each patient; further tags by keyword."""
    pytest.importorskip("pydicom")
    from dicom_files import dicom, film12

    def make(**tags: str) -> Path:
        for n in range(6):
            path = tmp_path / "ward" / f"folder{n // 2}" / f"{n}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            own = {"PatientID": f"patient {n // 2}", "BodyPartExamined": "CHEST", **tags}
            path.write_bytes(dicom(film12(n), 12, **own))
        return tmp_path / "ward"

    return make


def test_a_folder_for_each_of_a_few_patients(ward: Callable[..., Path], tmp_path: Path) -> None:
    source = ward()
    with pytest.raises(XrayganError, match="each of the 3 folders holds one patient's films"):
        prepare(source, SMALL, tmp_path / "cache")
    sure = DataSettings(resolution=32, format="folders")
    assert len(prepare(source, sure, tmp_path / "cache").classes) == 3
    for n in range(3):
        (source / f"folder{n}").rename(source / f"ward{n}")
    (source / "ward0" / "0.dcm").rename(source / "ward1" / "0.dcm")
    assert len(prepare(source, SMALL, tmp_path / "cache").classes) == 3


def test_raw_detector_values_are_no_films(ward: Callable[..., Path], tmp_path: Path) -> None:
    source = ward(PresentationIntentType="FOR PROCESSING")
    settings = DataSettings(resolution=32, format="dicom")
    with pytest.raises(XrayganError, match=r"raw detector values \(FOR PROCESSING\)"):
        prepare(source, settings, tmp_path / "cache")
    from dicom_files import dicom, film12

    for n in range(4):
        (source / f"shown{n}.dcm").write_bytes(dicom(film12(n + 9), 12, PatientID=str(n)))
    dataset = prepare(source, settings, tmp_path / "cache")
    assert len(dataset.images) == 4
    assert any("6 files are not used: 6 raw detector values" in note for note in dataset.notes)
    assert any("4 of 4 films do not say their view" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("view", "part", "unknown"),
    [("ERECT", "CHEST, LUNG", True), ("FRONTAL", "THORAX (CHEST)", False), ("AP/PA", "", False)],
)
def test_frontal_films_in_other_words(
    ward: Callable[..., Path], tmp_path: Path, view: str, part: str, unknown: bool
) -> None:
    source = ward(ViewPosition=view, BodyPartExamined=part)
    settings = DataSettings(resolution=32, format="dicom")
    dataset = prepare(source, settings, tmp_path / "cache")
    assert len(dataset.images) == 6
    said = any("6 of 6 films do not say their view" in note for note in dataset.notes)
    assert said == unknown


@pytest.mark.parametrize(
    ("modality", "part", "unsaid"),
    [("CR", "CHEST", False), ("CR", "BRUSTKORB", True), ("DR", "THORAX", True), ("DR", "", True)],
)
def test_words_that_nobody_knows_are_no_reason_and_are_counted(
    ward: Callable[..., Path], tmp_path: Path, modality: str, part: str, unsaid: bool
) -> None:
    source = ward(Modality=modality, BodyPartExamined=part)
    settings = DataSettings(resolution=32, format="dicom")
    for _ in range(2):  # read, and recalled
        dataset = prepare(source, settings, tmp_path / "cache")
        assert len(dataset.images) == 6
        said = "6 of 6 DICOM films do not say in known words that they are of the chest"
        assert any(said in note for note in dataset.notes) == unsaid
        assert not any("BRUSTKORB" in note for note in dataset.notes)
        settings = settings.model_copy(update={"split_seed": 1})


def test_text_that_the_file_itself_tells_of(ward: Callable[..., Path], tmp_path: Path) -> None:
    settings = DataSettings(resolution=32, format="dicom")
    told = prepare(ward(BurnedInAnnotation="YES"), settings, tmp_path / "cache")
    assert set(told.manifest["burned_in"]) == {"suspected"}
    again = prepare(ward(BurnedInAnnotation="NO"), settings, tmp_path / "cache")
    assert set(again.manifest["burned_in"]) == {""}
    assert Facts(burned_in=None).completed(Facts(burned_in=True)).burned_in is True


def test_a_missing_extra_is_told_before_anything_is_read(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "1.dcm").write_bytes(b"x")
    films(tmp_path, "2.png")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pydicom" else find(name)
    )
    with pytest.raises(XrayganError, match=r"1 DICOM files need an extra: pip install"):
        prepare(tmp_path, SMALL, tmp_path / "cache")
    assert PixelSettings(format="auto").format == "auto"
