"""Public collections in small: the real column names and names of files, traps included."""

import gzip
from pathlib import Path

import pytest
from source_trees import classes, films, joined, listed, one, table, why

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.listing import Facts
from xraygan.data.manifest import SPLITS
from xraygan.errors import XrayganError

SEVERAL = "left out: it has 2 of the labels, and a class is one"
UNCERTAIN = "left out: a label of it is uncertain"
NO_LABEL = "left out: the table gives it no label"
NOT_ASKED = "left out: it has none of the labels asked for"

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)


@pytest.fixture
def nih(tmp_path: Path) -> Path:
    root = tmp_path / "CXR8"
    films(
        root / "images_001" / "images",
        *("00000001_000.png", "00000001_001.png", "00000002_000.png"),
        *("00000003_000.png", "00000004_000.png"),
    )
    table(
        root / "Data_Entry_2017.csv",
        NIH_HEADER,
        "00000001_000.png,Cardiomegaly,0,1,058Y,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,Cardiomegaly|Emphysema,1,1,058Y,M,PA,2894,2729,0.143,0.143,",
        "00000002_000.png,No Finding,0,2,009M,F,AP,2500,2048,0.168,0.168,",
        "00000003_000.png,Effusion|Pneumonia,0,3,411,F,PA,2500,2048,0.168,0.168,",
        "00000004_000.png,Hernia,0,4,81,F,PA,2582,2991,0.143,0.143,",
        "00000005_000.png,Hernia,0,5,81,F,PA,2582,2991,0.143,0.143,",
    )
    table(root / "train_val_list.txt", "00000001_000.png", "00000001_001.png", "00000002_000.png")
    table(root / "test_list.txt", "00000003_000.png", "00000004_000.png")
    return root


def test_nih(nih: Path) -> None:
    listing = listed(nih)
    assert listing.format == "nih"
    assert classes(listing) == {
        "00000001_000.png": "Cardiomegaly",
        "00000002_000.png": "No Finding",
        "00000004_000.png": "Hernia",
    }
    assert why(listing) == {
        "00000001_001.png": SEVERAL,
        "00000003_000.png": SEVERAL,
        "00000005_000.png": "named by the table, and not there",
    }
    assert one(listing, "00000002_000.png").facts == Facts("2", "AP", 0.75, "F")
    assert [file.split for file in listing.files] == ["train", "train", "test"]
    assert any("2 films have several of the labels" in note for note in listing.notes)


def test_nih_with_chosen_labels(nih: Path) -> None:
    listing = listed(nih, labels="Cardiomegaly,Effusion", negative="NORMAL")
    assert classes(listing) == {
        "00000001_000.png": "Cardiomegaly",
        "00000001_001.png": "Cardiomegaly",
        "00000002_000.png": "NORMAL",
        "00000003_000.png": "Effusion",
    }
    assert one(listing, "00000001_001.png").labels == ("Cardiomegaly", "Emphysema")
    assert why(listing)["00000004_000.png"] == NOT_ASKED
    # An age of 411 is nobody's.
    assert one(listing, "00000003_000.png").facts.age is None
    with pytest.raises(XrayganError, match="labelled 'Hernja'; did you mean 'Hernia'"):
        listed(nih, labels="Hernja")


def test_nih_question_and_views(nih: Path) -> None:
    asked = listed(nih, where='View_Position == "PA" and age > 60 and split == "test"')
    assert classes(asked) == {"00000004_000.png": "Hernia"}
    assert set(classes(listed(nih, views="ap"))) == {"00000002_000.png"}


CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
CHEXPERT = CHEXPERT_HEADER.split(",")


def chexpert_row(path: str, view: str = "Frontal,AP", **flags: str) -> str:
    known = dict.fromkeys(CHEXPERT[5:], "") | {k.replace("_", " "): v for k, v in flags.items()}
    return joined([path, "Female", "68", *view.split(","), *known.values()])


@pytest.fixture
def chexpert(tmp_path: Path) -> Path:
    root = tmp_path / "CheXpert-v1.0-small"
    study = "CheXpert-v1.0-small/train/patient0000{}/study1/view{}.jpg"
    names = [
        study.format(patient, view)
        for patient, view in (
            (1, "1_frontal"),
            (2, "1_frontal"),
            (2, "2_lateral"),
            (3, "1_frontal"),
            (4, "1_frontal"),
            (5, "1_frontal"),
        )
    ]
    valid = "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"
    films(tmp_path, *names, valid)
    table(
        root / "train.csv",
        CHEXPERT_HEADER,
        chexpert_row(names[0], No_Finding="1.0", Support_Devices="1.0"),
        chexpert_row(names[1], Edema="1.0", Pneumonia="-1.0"),
        chexpert_row(names[2], "Lateral,", Edema="1.0"),
        chexpert_row(names[3], Pneumonia="1.0", Fracture="0.0"),
        chexpert_row(names[4], Edema="1.0", Support_Devices="1.0"),
        chexpert_row(names[5]),
    )
    table(root / "valid.csv", CHEXPERT_HEADER, chexpert_row(valid, "Frontal,PA", Edema="1.0"))
    return root


def test_chexpert(chexpert: Path) -> None:
    listing = listed(chexpert)
    assert listing.format == "chexpert"
    found = {(file.facts.patient, file.split): file.label for file in listing.files}
    assert found == {
        ("patient00001", "train"): "No Finding",
        ("patient00003", "train"): "Pneumonia",
        ("patient00004", "train"): "Edema",
        ("patient64541", "val"): "Edema",
    }
    reasons = {name.split("train/")[-1]: reason for name, reason in listing.refused}
    assert reasons == {
        "patient00002/study1/view1_frontal.jpg": UNCERTAIN,
        "patient00002/study1/view2_lateral.jpg": (
            "left out: its view is LATERAL: not from the front"
        ),
        "patient00005/study1/view1_frontal.jpg": NO_LABEL,
    }
    assert one(listing, "patient00004/study1/view1_frontal.jpg").labels == (
        "Edema",
        "Support Devices",
    )
    assert one(listing, "patient00003/study1/view1_frontal.jpg").facts == Facts(
        "patient00003", "AP", 68, "F"
    )


def test_chexpert_uncertain_only_about_what_is_asked(chexpert: Path) -> None:
    listing = listed(chexpert, labels="Edema", views="all")
    edema = [file.name for file in listing.files if file.label == "Edema"]
    assert len(edema) == 4
    devices = listed(chexpert, labels="Support Devices")
    assert {f.facts.patient for f in devices.files} == {"patient00001", "patient00004"}


def test_chexpert_that_says_frontal_alone(chexpert: Path) -> None:
    text = (chexpert / "train.csv").read_text()
    (chexpert / "train.csv").write_text(text.replace("Frontal,AP", "Frontal,"))
    views = {file.facts.patient: file.facts.view for file in listed(chexpert, views="PA,AP").files}
    assert views == {
        **dict.fromkeys(("patient00001", "patient00003", "patient00004"), "FRONTAL"),
        "patient64541": "PA",
    }


def test_chexpert_in_batches_with_other_labellers(chexpert: Path) -> None:
    (chexpert / "train").rename(chexpert / "CheXpert-v1.0 batch 2 (train 1)")
    other = (chexpert / "train.csv").read_text().replace("1.0", "0.0")
    (chexpert / "train_cheXbert.csv").write_text(other)
    found = {file.facts.patient: file.label for file in listed(chexpert).files}
    assert found["patient00003"] == "Pneumonia"
    assert len(found) == 4


def zipped_table(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


@pytest.fixture
def mimic(tmp_path: Path) -> Path:
    root = tmp_path / "mimic-cxr-jpg"
    films(
        root / "files",
        "p10/p10000032/s50414267/02aa804e-a.jpg",
        "p10/p10000032/s50414267/174413ec-b.jpg",
        "p11/p11000011/s51000000/aaaaaaaa-c.jpg",
        "p12/p12000012/s52000000/bbbbbbbb-d.jpg",
    )
    zipped_table(
        root / "mimic-cxr-2.0.0-metadata.csv.gz",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        '02aa804e-a,10000032,50414267,"CHEST (PA AND LAT)",PA,3056,2544',
        '174413ec-b,10000032,50414267,"CHEST (PA AND LAT)",LATERAL,3056,2544',
        "aaaaaaaa-c,11000011,51000000,CHEST (PORTABLE AP),AP,3056,2544",
        "bbbbbbbb-d,12000012,52000000,CHEST (PORTABLE AP),,3056,2544",
    )
    zipped_table(
        root / "mimic-cxr-2.0.0-chexpert.csv.gz",
        joined(["subject_id", "study_id", *sorted(CHEXPERT[5:])]),
        joined(
            [
                "10000032",
                "50414267",
                *("1.0" if f == "No Finding" else "" for f in sorted(CHEXPERT[5:])),
            ]
        ),
        joined(
            ["11000011", "51000000", *("1.0" if f == "Edema" else "" for f in sorted(CHEXPERT[5:]))]
        ),
    )
    zipped_table(
        root / "mimic-cxr-2.0.0-split.csv.gz",
        "dicom_id,study_id,subject_id,split",
        "02aa804e-a,50414267,10000032,train",
        "174413ec-b,50414267,10000032,train",
        "aaaaaaaa-c,51000000,11000011,validate",
        "bbbbbbbb-d,52000000,12000012,test",
    )
    return root


def test_mimic(mimic: Path) -> None:
    listing = listed(mimic)
    assert listing.format == "mimic"
    assert classes(listing) == {"02aa804e-a.jpg": "No Finding", "aaaaaaaa-c.jpg": "Edema"}
    assert [file.split for file in listing.files] == ["train", "val"]
    assert one(listing, "02aa804e-a.jpg").facts == Facts("10000032", "PA")
    assert why(listing) == {
        "174413ec-b.jpg": "left out: its view is LATERAL: not from the front",
        "bbbbbbbb-d.jpg": NO_LABEL,
    }


def test_mimic_without_findings(mimic: Path) -> None:
    (mimic / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    with pytest.raises(XrayganError, match="chexpert"):
        listed(mimic)


@pytest.mark.parametrize(
    ("kind", "column"),
    [("metadata", "dicom_id"), ("chexpert", "study_id"), ("chexpert", "No Finding"),
     ("split", "split")],
)  # fmt: skip
def test_mimic_without_a_column(mimic: Path, kind: str, column: str) -> None:
    path = mimic / f"mimic-cxr-2.0.0-{kind}.csv.gz"
    head, *rows = gzip.decompress(path.read_bytes()).decode().split("\n")
    zipped_table(path, head.replace(column, "other"), *rows)
    with pytest.raises(XrayganError, match=rf"{kind}\.csv\.gz: has no column '{column}'"):
        listed(mimic)


@pytest.mark.parametrize("robots", [False, True])
def test_mimic_as_wget_leaves_it(mimic: Path, robots: bool) -> None:
    folder = mimic.parent / "physionet.org/files/mimic-cxr-jpg/2.1.0"
    folder.parent.mkdir(parents=True)
    mimic.rename(folder)
    if robots:
        table(mimic.parent / "physionet.org/robots.txt", "x")
    listing = listed(mimic.parent)
    assert listing.format == "mimic"
    assert len(listing.files) == 2


def test_mimic_with_an_unknown_split(mimic: Path) -> None:
    zipped_table(
        mimic / "mimic-cxr-2.0.0-split.csv.gz",
        "dicom_id,study_id,subject_id,split",
        "02aa804e-a,50414267,10000032,holdout",
    )
    with pytest.raises(XrayganError, match=r"split\.csv\.gz: split 'holdout' is none of train"):
        listed(mimic)


def test_padchest(tmp_path: Path) -> None:
    names = [f"21684011136696401_0{i}.png" for i in range(9)]
    films(tmp_path / "0", *names[:7], names[8])
    zipped_table(
        tmp_path / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz",
        ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,"
        "ViewPosition_DICOM,Projection,MethodLabel,Labels",
        f"0,{names[0]},0,20140915,s0,p0,1930.0,F,POSTEROANTERIOR,PA,Physician,['normal']",
        f"1,{names[1]},0,20140915,s1,p1,1950.0,M,,AP_horizontal,RNN_model,\"['pneumonia ', '']\"",
        f"2,{names[2]},0,20140915,s2,p2,,F,LATERAL,L,Physician,['normal']",
        f"3,{names[3]},0,20140915,s3,p3,1950.0,F,,PA,Physician,",
        f"4,{names[4]},0,20140915,s4,p4,1950.0,F,,PA,Physician,\"['pneumonia', 'exclude']\"",
        f"5,{names[5]},0,20140915,s5,p5,1950.0,F,,PA,Physician,\"['unchanged', 'hernia']\"",
        f"6,{names[6]},0,20140915,s6,p6,1950.0,F,,PA,Physician,__import__('os').getcwd()",
        f"7,{names[7]},0,20140915,s7,p7,1950.0,F,,PA,Physician,['normal']",
        f"8,{names[8]},0,20140915,s8,p8,1950.0,F,,EXCLUDE,Physician,['normal']",
    )
    listing = listed(tmp_path)
    assert listing.format == "padchest"
    assert classes(listing) == {names[0]: "No Finding", names[1]: "pneumonia", names[5]: "hernia"}
    assert one(listing, names[0]).facts == Facts("p0", "PA", 84, "F")
    assert one(listing, names[1]).facts == Facts("p1", "AP", 64, "M")
    reasons = why(listing)
    assert {names[3], names[4], names[6]} == {n for n, why in reasons.items() if why == NO_LABEL}
    assert reasons[names[2]] == "left out: its view is LATERAL: not from the front"
    assert reasons[names[7]] == "named by the table, and not there"
    assert reasons[names[8]] == "left out: its view is EXCLUDE: not from the front"


def test_rsna(tmp_path: Path) -> None:
    for name in ("0004cfab", "00436515", "003d8fa0", "testfilm"):
        table(tmp_path / f"stage_2_train_images/{name}.dcm", "x")
    table(
        tmp_path / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target",
        "0004cfab,,,,,0",
        "00436515,264.0,152.0,213.0,379.0,1",
        "00436515,562.0,152.0,256.0,453.0,1",
        "003d8fa0,,,,,0",
    )
    listing = listed(tmp_path)
    assert listing.format == "rsna"
    assert classes(listing) == {
        "0004cfab.dcm": "No Lung Opacity",
        "00436515.dcm": "Lung Opacity",
        "003d8fa0.dcm": "No Lung Opacity",
    }
    assert why(listing) == {"testfilm.dcm": "left out: no row of the table names it"}
    assert {file.facts.patient for file in listing.files} == {None}
    table(
        tmp_path / "stage_2_detailed_class_info.csv",
        "patientId,class",
        "0004cfab,No Lung Opacity / Not Normal",
        "00436515,Lung Opacity",
        "00436515,Lung Opacity",
        "003d8fa0,Normal",
    )
    assert classes(listed(tmp_path)) == {
        "0004cfab.dcm": "No Lung Opacity - Not Normal",
        "00436515.dcm": "Lung Opacity",
        "003d8fa0.dcm": "No Finding",
    }


def test_rsna_tells_no_patients(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    from dicom_files import dicom, film12

    names = [f"{n:08x}-aaaa" for n in range(6)]
    rows = (f"{name},,,,,0" for name in names)
    table(tmp_path / "rsna/stage_2_train_labels.csv", "patientId,x,y,width,height,Target", *rows)
    for n, name in enumerate(names):
        path = tmp_path / f"rsna/stage_2_train_images/{name}.dcm"
        path.parent.mkdir(exist_ok=True)
        # One whose house has put its own number in.
        path.write_bytes(dicom(film12(n), 12, PatientID=name if n else "4711"))
    dataset = prepare(tmp_path / "rsna", DataSettings(resolution=32), tmp_path / "cache")
    assert sum(dataset.of_unknown_patients(split) for split in SPLITS) == 5
    assert any("5 of 6 file names do not tell the patient" in note for note in dataset.notes)


def test_vindr(tmp_path: Path) -> None:
    for name in ("train/aaa", "train/bbb", "train/ccc", "train/eee", "train/fff", "test/ddd"):
        table(tmp_path / f"{name}.dicom", "x")
    table(
        tmp_path / "annotations/image_labels_train.csv",
        "image_id,rad_id,Nodule/Mass,Pneumonia,Other diseases,No finding",
        *(f"aaa,R{i},0,0,0,1" for i in (1, 2, 3)),
        *("bbb,R1,0,1,0,0", "bbb,R2,0,1,0,0", "bbb,R3,0,1,0,0"),
        *("ccc,R1,0,1,0,0", "ccc,R2,0,0,0,1", "ccc,R3,0,0,0,1"),
        *("eee,R1,1,1,0,0", "eee,R2,1,1,0,0", "eee,R3,0,0,0,1"),
        *("fff,R1,1,0,0,0", "fff,R2,1,0,0,0", "fff,R3,1,0,0,0"),
    )
    table(
        tmp_path / "annotations/image_labels_test.csv",
        "image_id,Nodule/Mass,Pneumonia,Other disease,No finding",
        "ddd,0,0,1,0",
    )
    listing = listed(tmp_path)
    assert listing.format == "vindr"
    assert classes(listing) == {
        "aaa.dicom": "No Finding",
        "bbb.dicom": "Pneumonia",
        "ddd.dicom": "Other diseases",
        "fff.dicom": "Nodule or Mass",
    }
    assert why(listing) == {"ccc.dicom": UNCERTAIN, "eee.dicom": SEVERAL}
    assert one(listing, "ddd.dicom").split == "test"
    assert one(listing, "bbb.dicom").facts.patient is None


def test_shenzhen_and_montgomery(tmp_path: Path) -> None:
    films(
        tmp_path,
        "MontgomerySet/CXR_png/MCUCXR_0001_0.png",
        "MontgomerySet/CXR_png/MCUCXR_0104_1.png",
        "MontgomerySet/ManualMask/leftMask/MCUCXR_0001_0.png",
        "ChinaSet_AllFiles/CXR_png/CHNCXR_0327_1.png",
        "mask/CHNCXR_0327_1_mask.png",
    )
    table(
        tmp_path / "MontgomerySet/ClinicalReadings/MCUCXR_0104_1.txt",
        *("Patient's Sex: F", "Patient's Age: 035Y", "infiltrates in RUL"),
    )
    table(
        tmp_path / "ChinaSet_AllFiles/ClinicalReadings/CHNCXR_0327_1.txt",
        *("male 45yrs", "bilateral PTB"),
    )
    listing = listed(tmp_path)
    assert listing.format == "tuberculosis"
    assert {file.name.split("/", 1)[1]: file.label for file in listing.files} == {
        "CXR_png/MCUCXR_0001_0.png": "No Finding",
        "CXR_png/MCUCXR_0104_1.png": "Tuberculosis",
        "CXR_png/CHNCXR_0327_1.png": "Tuberculosis",
    }
    assert one(listing, "MCUCXR_0104_1.png").facts == Facts("MCUCXR_0104", "PA", 35, "F")
    assert one(listing, "CHNCXR_0327_1.png").facts == Facts("CHNCXR_0327", "PA", 45, "M")


def test_a_few_of_these_films_in_class_folders(tmp_path: Path) -> None:
    films(tmp_path, "TB/CHNCXR_0327_1.png", "TB/tb12.png", "Normal/n1.png", "Normal/n2.png")
    assert listed(tmp_path).format == "folders"
    assert len(listed(tmp_path).files) == 4
    assert len(listed(tmp_path, format="tuberculosis").files) == 1


@pytest.mark.parametrize("layout", ["{split}/{kind}/{name}", "{kind}/{name}"])
def test_these_films_in_somebodys_class_folders(tmp_path: Path, layout: str) -> None:
    placed = [("train", "NORMAL", 1, 0), ("train", "PNEUMONIA", 2, 0), ("test", "NORMAL", 3, 1)]
    for split, kind, number, last in placed:
        name = f"CHNCXR_000{number}_{last}.png"
        films(tmp_path, layout.format(split=split, kind=kind, name=name), start=number)
    split = "split" in layout
    listing = listed(tmp_path)
    assert listing.format == "folders"
    assert {(f.split, f.label) for f in listing.files} == {
        (s if split else None, kind) for s, kind, _, _ in placed
    }
    asked = listed(tmp_path, format="tuberculosis")
    assert {f.label for f in asked.files} == {"Tuberculosis", "No Finding"}
    assert one(asked, "0003_1.png").split == ("test" if split else None)


def test_these_films_in_split_folders(tmp_path: Path) -> None:
    films(tmp_path, "train/CHNCXR_0001_0.png", "test/CHNCXR_0002_1.png")
    listing = listed(tmp_path)
    assert listing.format == "tuberculosis"
    assert {(f.split, f.label) for f in listing.files} == {
        ("train", "No Finding"),
        ("test", "Tuberculosis"),
    }


def test_stylegan(tmp_path: Path) -> None:
    films(tmp_path, *(f"00000/img0000000{i}.png" for i in range(3)))
    (tmp_path / "dataset.json").write_text(
        '{"labels": [["00000/img00000000.png", 6], ["00000/img00000001.png", [0, 1]]]}'
    )
    listing = listed(tmp_path)
    assert listing.format == "stylegan"
    assert classes(listing) == {"img00000000.png": "class 6", "img00000001.png": "class 1"}
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    assert listed(tmp_path).format == "folders"


def test_nih_with_several_labels_a_film(nih: Path) -> None:
    listing = listed(nih, labels="Cardiomegaly,Effusion,Pneumonia,Emphysema", multi_label=True)
    assert listing.label_sets
    assert classes(listing) == {
        "00000001_000.png": "Cardiomegaly",
        "00000001_001.png": "Cardiomegaly+Emphysema",
        "00000002_000.png": "No Finding",
        "00000003_000.png": "Effusion+Pneumonia",
    }


def test_a_label_that_cannot_be_joined(tmp_path: Path) -> None:
    films(tmp_path, "a.png", "b.png")
    table(tmp_path / "films.csv", "path,label", "a.png,HIV+", "b.png,TB")
    assert classes(listed(tmp_path)) == {"a.png": "HIV+", "b.png": "TB"}
    with pytest.raises(XrayganError, match=r"'HIV\+' has a \+"):
        listed(tmp_path, multi_label=True)
