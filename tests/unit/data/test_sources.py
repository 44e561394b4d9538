"""What no single format is about: DICOM beside the rest, faulty sources, kept splits."""

import shutil
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_pictures import film, folder_tree, write
from source_trees import classes, films, listed, table, why

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.dicom_facts import DicomFacts, why_not_a_chest_film
from xraygan.data.headers import Refusal
from xraygan.data.listing import left_out
from xraygan.data.prepared import write_dataset
from xraygan.errors import XrayganError

SMALL = DataSettings(resolution=32)


def told(words: list[str], salt: bytes) -> DicomFacts:
    _, patient, view, body, age = words
    return DicomFacts(
        patient=f"{patient}-{len(salt)}",
        view=view or None,
        body_part=body,
        modality="DX",
        age=float(age) if age else None,
        sex="F",
        burned_in=None,
        raw=False,
    )


@pytest.fixture
def dicom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the reader: a "DICOM file" is a line of seed,patient,view,body part,age.

    What the reader itself does has its own tests; here it is about what becomes of its answer.
    """

    def read(data: bytes, salt: bytes) -> tuple[np.ndarray, DicomFacts]:
        words = data.decode().strip().split(",")
        if len(words) != 5:
            raise Refusal("no DICOM")
        facts = told(words, salt)
        if reason := why_not_a_chest_film(facts):
            raise Refusal(left_out(reason))
        return film(int(words[0]), 40, 40).astype(np.float32), facts

    module = types.ModuleType("xraygan.data.dicom")
    module.__dict__.update(read_dicom=read)
    monkeypatch.setitem(sys.modules, "xraygan.data.dicom", module)


def export(root: Path, names: dict[str, str]) -> Path:
    for name, line in names.items():
        table(root / name, line)
    return root


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    return export(
        tmp_path / "ward",
        {
            "DOE^JANE/study/IM0001": "1,a,PA,CHEST,40",
            "DOE^JANE/study/IM0002.dcm": "2,a,LATERAL,CHEST,40",
            "ROE^JOE/study/IM0001.dcm": "3,b,AP,CHEST,17",
            "ROE^JOE/study/IM0002.dcm": "4,b,AP,HAND,17",
            "ROE^JOE/study/IM0003.dcm": "5,b,,CHEST,",
            "ROE^JOE/study/IM0004.dcm": "nothing",
            "ROE^JOE/study/readme.txt": "x",
        },
    )


def test_a_tree_of_dicom_files(ward: Path, tmp_path: Path, dicom: None) -> None:
    settings = DataSettings(resolution=32, format="dicom")
    dataset = prepare(ward, settings, tmp_path / "cache")
    assert dataset.classes == ("images",)
    found = dataset.manifest.set_index("name")[["patient", "view", "age", "sex"]]
    assert found.loc["DOE^JANE/study/IM0001"].to_list() == ["a-32", "PA", "40", "F"]
    assert found.loc["ROE^JOE/study/IM0003.dcm"].to_list() == ["b-32", "", "", "F"]
    assert dict(dataset.refused.to_numpy().tolist()) == {
        "DOE^JANE/study/IM0002.dcm": "left out: its view is LATERAL: not from the front",
        "ROE^JOE/study/IM0002.dcm": "left out: body part HAND",
        "ROE^JOE/study/IM0004.dcm": "no DICOM",
        "ROE^JOE/study/readme.txt": (
            "left out: not called as DICOM is (.dcm, .dicom or no ending)"
        ),
    }
    assert any("1 not called as DICOM is" in note for note in dataset.notes)


def test_wishes_about_what_dicom_says_of_itself(ward: Path, tmp_path: Path, dicom: None) -> None:
    cache = tmp_path / "cache"
    asked = DataSettings(resolution=32, format="dicom", where="age >= 10", views="all")
    names = {n.rpartition("/")[2] for n in prepare(ward, asked, cache).manifest["name"]}
    assert names == {"IM0001", "IM0001.dcm", "IM0002.dcm"}
    only = DataSettings(resolution=32, format="dicom", views="PA,AP")
    assert set(prepare(ward, only, cache).manifest["view"]) == {"PA", "AP"}


def test_dicom_with_a_table(ward: Path, tmp_path: Path, dicom: None) -> None:
    table(
        ward / "films.csv",
        "path,label,age,ward",
        "DOE^JANE/study/IM0002.dcm,Edema,41,7",
        "ROE^JOE/study/IM0001.dcm,Normal,,8",
        "ROE^JOE/study/IM0003.dcm,Normal,,8",
    )
    settings = DataSettings(resolution=32, views="all", where="ward > 6 and age != 3")
    manifest = prepare(ward, settings, tmp_path / "cache").manifest.set_index("name")
    assert manifest.loc["DOE^JANE/study/IM0002.dcm", ["label", "age"]].to_list() == ["Edema", "41"]
    assert manifest.loc["ROE^JOE/study/IM0001.dcm", ["label", "age"]].to_list() == ["Normal", "17"]


def test_a_table_that_is_edited_changes_what_is_asked_of_dicom(
    ward: Path, tmp_path: Path, dicom: None
) -> None:
    names = ("DOE^JANE/study/IM0002.dcm", "ROE^JOE/study/IM0001.dcm", "ROE^JOE/study/IM0003.dcm")
    settings = DataSettings(resolution=32, views="all", where="ward > 6")
    found = []
    for wards in ((7, 8, 8), (7, 8, 3)):
        rows = (f"{name},A,{number}" for name, number in zip(names, wards, strict=True))
        table(ward / "films.csv", "path,label,ward", *rows)
        found.append(prepare(ward, settings, tmp_path / "cache"))
    assert [len(dataset.images) for dataset in found] == [3, 2]
    assert dict(found[1].refused.to_numpy().tolist())[names[2]].endswith("--where does not take it")


def test_left_out_is_no_fault(ward: Path, tmp_path: Path, dicom: None) -> None:
    (ward / "ROE^JOE/study/IM0004.dcm").unlink()
    settings = DataSettings(resolution=32, format="dicom", strict=True)
    assert len(prepare(ward, settings, tmp_path / "cache").images) == 3
    export(ward, {"ROE^JOE/study/IM0004.dcm": "nothing"})
    with pytest.raises(XrayganError, match=r"IM0004\.dcm: no DICOM"):
        prepare(ward, settings, tmp_path / "cache")


def test_real_dicom_from_the_export_to_the_data_set(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    from dicom_files import dicom as dicom_bytes
    from dicom_files import film12

    ward = tmp_path / "ward"
    for number in range(6):
        path = ward / f"DOE^JANE{number // 2}" / "study" / f"IM000{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        tags = {
            "PatientName": "DOE^JANE",
            "PatientID": f"HOSP-4711-{number // 2}",
            "PatientBirthDate": "19700102",
            "ViewPosition": "LL" if number == 5 else "PA",
            "PatientAge": "045Y",
            "PatientSex": "F",
        }
        path.write_bytes(dicom_bytes(film12(number), 12, **tags))
    settings = DataSettings(resolution=32, format="dicom")
    dataset = prepare(ward, settings, tmp_path / "cache")
    assert len(dataset.images) == 5
    assert dataset.manifest["patient"].nunique() == 3
    assert set(dataset.manifest["view"]) == {"PA"}
    out = tmp_path / "out"
    write_dataset(dataset, out, settings)
    told = b"".join(p.read_bytes() + p.name.encode() for p in out.rglob("*") if p.is_file())
    for secret in (b"DOE", b"4711", b"1970"):
        assert secret not in told
    again = prepare(out, SMALL, tmp_path / "cache")
    assert sorted(i.tobytes() for i in again.images) == sorted(i.tobytes() for i in dataset.images)
    assert set(again.manifest["age"]) == {"45"}


def test_patients_folders_are_no_classes(tmp_path: Path) -> None:
    export(tmp_path, {f"patient {n}/IM1.dcm": "x" for n in range(30)})
    with pytest.raises(XrayganError, match="30 folders: these look like patients, not classes"):
        listed(tmp_path)
    assert {file.label for file in listed(tmp_path, format="dicom").files} == {"images"}


def test_folders_of_few_images_are_patients_unless_the_user_is_sure(tmp_path: Path) -> None:
    exported = films(tmp_path / "jpeg", *(f"DOE^JANE{n}/IM1.png" for n in range(21)))
    with pytest.raises(XrayganError, match="21 folders: these look like patients") as caught:
        listed(exported)
    assert "DOE" not in str(caught.value)
    assert len(listed(exported, format="folders").files) == 21


@pytest.mark.parametrize("ending", ["png", "dcm"])
def test_synthetic_images_have_as_many_classes_as_they_like(tmp_path: Path, ending: str) -> None:
    export(tmp_path, {f"A+{n}/seed0000000{n}_00001.{ending}": "x" for n in range(21)})
    assert len({file.label for file in listed(tmp_path).files}) == 21


def test_too_few_films_are_told_without_names(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "ward" / f"Doe_Jane_{number}.png", 1)
    with pytest.raises(XrayganError, match="same picture as another file") as caught:
        prepare(tmp_path / "ward", DataSettings(resolution=32), tmp_path / "cache")
    assert "Doe" not in str(caught.value)


def test_faulty_sources(tmp_path: Path) -> None:
    with pytest.raises(XrayganError, match="does not exist"):
        listed(tmp_path / "nowhere")
    with pytest.raises(XrayganError, match="is a file that is no source"):
        listed(write(tmp_path / "x" / "a.png", 0))
    films(tmp_path / "plain", "A/a.png")
    with pytest.raises(XrayganError, match="no file is called"):
        listed(tmp_path / "plain", format="dicom")
    with pytest.raises(
        XrayganError, match="--where: there is no column 'vew'; did you mean 'view'"
    ):
        listed(tmp_path / "plain", where="vew == 'PA'")


def test_view_words_and_all_views(tmp_path: Path) -> None:
    films(tmp_path, *(f"{n}.png" for n in range(5)))
    rows = ["0.png,A,pa", "1.png,A,ll", "2.png,A,", "3.png,A,oblique", "4.png,A,AP_horizontal"]
    table(tmp_path / "t.csv", "path,label,view", *rows)
    assert set(classes(listed(tmp_path))) == {"0.png", "2.png", "4.png"}
    assert set(classes(listed(tmp_path, views="PA, AP"))) == {"0.png", "4.png"}
    assert set(classes(listed(tmp_path, views="lateral"))) == {"1.png"}
    assert len(listed(tmp_path, views="all").files) == 5
    assert why(listed(tmp_path, views="PA"))["2.png"] == "left out: its view is not known"


def test_a_frontal_film_is_one_of_pa_and_ap(tmp_path: Path) -> None:
    films(tmp_path, *(f"{n}.png" for n in range(4)))
    rows = ["0.png,A,PA", "1.png,A,Frontal", "2.png,A,", "3.png,A,AP"]
    table(tmp_path / "t.csv", "path,label,view", *rows)
    for views, taken in (("PA,AP", "013"), ("frontal", "013"), ("PA", "0"), ("PA,LATERAL", "0")):
        assert set(classes(listed(tmp_path, views=views))) == {f"{n}.png" for n in taken}


def test_a_viewer_beside_an_export_does_not_take_its_place(tmp_path: Path) -> None:
    for name in ("DICOMDIR", "PAT0/IM0001", "PAT0/IM0002"):
        table(tmp_path / name, "x")
    films(tmp_path / "help", "A/1.png")
    with zipfile.ZipFile(tmp_path / "viewer.zip", "w") as archive:
        archive.write(tmp_path / "help/A/1.png", "A/1.png")
    shutil.rmtree(tmp_path / "help")
    listing = listed(tmp_path, format="dicom")
    assert [file.name for file in listing.files] == ["PAT0/IM0001", "PAT0/IM0002"]
    assert why(listing) == {
        "viewer.zip": "left out: not called as DICOM is (.dcm, .dicom or no ending)"
    }


def test_patients_of_a_table_decide_the_splits(tmp_path: Path) -> None:
    films(tmp_path / "d", *(f"{n}.png" for n in range(40)))
    rows = [f"{n}.png,{'AB'[n // 20]},p{n // 4},{'train' if n % 8 else 'test'}" for n in range(40)]
    table(tmp_path / "d/t.csv", "path,label,patient_id,split", *rows)
    repaired = prepare(tmp_path / "d", SMALL, tmp_path / "cache")
    assert repaired.manifest.groupby("patient")["split"].nunique().max() == 1
    assert any("5 patients had images in more than one split" in n for n in repaired.notes)
    kept = prepare(
        tmp_path / "d", DataSettings(resolution=32, keep_splits=True), tmp_path / "cache"
    )
    assert sorted(kept.manifest["split"]) == ["test"] * 5 + ["train"] * 35
    assert any("left so by --keep-splits" in note for note in kept.notes)


def test_a_pattern_of_the_users_wins_over_the_table(tmp_path: Path) -> None:
    films(tmp_path / "d", *(f"q{n % 3}_{n}.png" for n in range(12)))
    table(tmp_path / "d/t.csv", "path,label,patient", *(f"q{n % 3}_{n}.png,A,p" for n in range(12)))
    settings = DataSettings(resolution=32, patient_pattern=r"(q\d)_")
    dataset = prepare(tmp_path / "d", settings, tmp_path / "cache")
    assert set(dataset.manifest["patient"]) == {"q0", "q1", "q2"}


def test_the_fingerprint_follows_the_table(tmp_path: Path) -> None:
    films(tmp_path / "d", *(f"{n}.png" for n in range(8)))
    seen = set()
    for extra in ("A,p,1", "B,p,1", "A,q,1", "A,p,2"):
        label, patient, age = extra.split(",")
        rows = [f"{n}.png,A,x{n},5" for n in range(7)] + [f"7.png,{label},{patient},{age}"]
        table(tmp_path / "d/t.csv", "path,label,patient,age", *rows)
        seen.add(prepare(tmp_path / "d", SMALL, tmp_path / "cache").fingerprint)
    assert len(seen) == 4


def test_a_prepared_set_is_taken_as_it_is(tmp_path: Path) -> None:
    source = folder_tree(tmp_path / "data", {"train/A": 9, "train/B": 9, "test/A": 3})
    dataset = prepare(source, SMALL, tmp_path / "cache")
    write_dataset(dataset, tmp_path / "out", SMALL)
    write(tmp_path / "out/train/A/stranger.png", 99)
    again = prepare(tmp_path / "out", SMALL, tmp_path / "cache")
    assert again.final
    assert len(again.images) == len(dataset.images)
    assert again.refused["reason"].to_list() == ["left out: no row of the table names it"]


@pytest.mark.parametrize("written", ["IMAGES/0.PNG", "0.PNG", "/mnt/images/0.png"])
def test_names_in_a_table_in_another_case(tmp_path: Path, written: str) -> None:
    films(tmp_path, "Images/0.png", "Images/1.png")
    table(tmp_path / "t.csv", "path,label", f"{written},A", "1.PNG,B")
    assert classes(listed(tmp_path)) == {"0.png": "A", "1.png": "B"}


def test_names_that_differ_in_case_alone_are_not_guessed(tmp_path: Path) -> None:
    films(tmp_path, "a.png", "A.png", "b.png")
    table(tmp_path / "t.csv", "path,label", "a.png,A", "A.PNG,B", "B.png,C")
    listing = listed(tmp_path)
    assert classes(listing) == {"a.png": "A", "b.png": "C"}
    assert why(listing)["A.PNG"] == "several files have the name that the table gives"
