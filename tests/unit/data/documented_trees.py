"""A small tree in the shape of each source that `docs/data.md` has a command for."""

import gzip
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data_pictures import film, folder_tree, png16
from dicom_files import dicom, film12
from source_trees import films, joined, table

COUNT = 12
FINDINGS = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion"),
    *("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion"),
    *("Pleural Other", "Fracture", "Support Devices"),
)


def chest_xray(root: Path) -> None:
    kinds = ("NORMAL", "PNEUMONIA")
    folder_tree(
        root / "chest_xray", {f"{s}/{k}": 6 for s in ("train", "val", "test") for k in kinds}
    )
    with zipfile.ZipFile(root / "chest_xray.zip", "w") as archive:
        for path in sorted((root / "chest_xray").rglob("*.png")):
            archive.write(path, path.relative_to(root))
    with tarfile.open(root / "chest_xray.tar.gz", "w:gz") as archive:
        archive.add(root / "chest_xray", "chest_xray")


def flat(root: Path) -> None:
    films(root / "films", *(f"{n}.png" for n in range(COUNT)))
    rows = [f"{n}.png,{'AB'[n % 2]},{n}.png,{'AB'[n % 2]},case {n}" for n in range(COUNT)]
    table(root / "films" / "list.csv", "path,label,File,Finding,Person", *rows)


def imagefolder(root: Path) -> None:
    for start, split in ((0, "train"), (50, "test")):
        films(root / "imagefolder" / split, *(f"{n}.png" for n in range(COUNT)), start=start)
        rows = [f"{n}.png,{'AB'[n % 2]}" for n in range(COUNT)]
        table(root / "imagefolder" / split / "metadata.csv", "file_name,label", *rows)


def stylegan(root: Path) -> None:
    names = [f"00000/img{n:08d}.png" for n in range(COUNT)]
    films(root / "sg", *names)
    with zipfile.ZipFile(root / "stylegan.zip", "w") as archive:
        for name in names:
            archive.write(root / "sg" / name, name)
        labels = [[name, n % 2] for n, name in enumerate(names)]
        archive.writestr("dataset.json", json.dumps({"labels": labels}))


def medmnist(root: Path) -> None:
    for name, side, columns in (("pneumoniamnist", 28, 1), ("chestmnist_64", 64, 14)):
        arrays = {}
        for start, split in ((0, "train"), (40, "val"), (80, "test")):
            seeds = range(start, start + COUNT)
            arrays[f"{split}_images"] = np.stack([film(seed, side, side) for seed in seeds])
            labels = np.zeros((COUNT, columns), np.uint8)
            labels[np.arange(0, COUNT, 2), 0 if columns == 1 else 2] = 1  # effusion
            labels[np.arange(1, COUNT, 2), 0 if columns == 1 else 7] = columns > 1  # pneumothorax
            arrays[f"{split}_labels"] = labels
        np.savez_compressed(root / f"{name}.npz", **arrays)


def dicom_film(path: Path, seed: int, **tags: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom(film12(seed), 12, **{"PatientID": f"P{seed}", **tags}))


def hospital(root: Path) -> None:
    names = [f"PAT{n:03d}/STU1/IM{n:03d}.dcm" for n in range(COUNT)]
    for seed, name in enumerate(names):
        dicom_film(root / "export" / name, seed, ViewPosition="PA")
    rows = [f"{name},{'AB'[n % 2]}" for n, name in enumerate(names)]
    table(root / "export" / "list.csv", "File,Finding", *rows)


def nih(root: Path) -> None:
    names = [f"{n:08d}_000.png" for n in range(COUNT)]
    films(root / "CXR8" / "images", *names)
    kinds = ("Cardiomegaly", "Effusion", "No Finding")
    table(
        root / "CXR8" / "Data_Entry_2017_v2020.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]",
        *(
            f"{name},{kinds[n % 3]},0,{n},{40 + n},F,PA,2500,2048,0.168,0.168"
            for n, name in enumerate(names)
        ),
    )


def flags(**found: str) -> str:
    known = dict.fromkeys(FINDINGS, "") | {k.replace("_", " "): v for k, v in found.items()}
    return joined(known.values())


def chexpert(root: Path) -> None:
    for start, part in ((0, "train"), (50, "valid")):
        names = [
            f"CheXpert-v1.0-small/{part}/patient{start + n:05d}/study1/view1_frontal.jpg"
            for n in range(COUNT)
        ]
        films(root, *names, start=start)
        kinds = (flags(Edema="1.0"), flags(Pleural_Effusion="1.0", Edema="0.0"))
        rows = [f"{name},Female,68,Frontal,AP,{kinds[n % 2]}" for n, name in enumerate(names)]
        table(
            root / "CheXpert-v1.0-small" / f"{part}.csv",
            joined(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS]),
            *rows,
        )


def zipped(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def mimic(root: Path) -> None:
    folder = root / "mimic-cxr-jpg" / "2.1.0"
    people = [(f"1{n:07d}", f"5{n:07d}", f"{n:08x}-a") for n in range(COUNT)]
    films(folder / "files", *(f"p{p[:2]}/p{p}/s{s}/{i}.jpg" for p, s, i in people))
    kinds = (flags(Edema="1.0"), flags(Pneumonia="1.0"))
    zipped(
        folder / "mimic-cxr-2.0.0-metadata.csv.gz",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        *(f"{i},{p},{s},CHEST (PA AND LAT),PA,3056,2544" for p, s, i in people),
    )
    zipped(
        folder / "mimic-cxr-2.0.0-chexpert.csv.gz",
        joined(["subject_id", "study_id", *FINDINGS]),
        *(f"{p},{s},{kinds[n % 2]}" for n, (p, s, _) in enumerate(people)),
    )
    zipped(
        folder / "mimic-cxr-2.0.0-split.csv.gz",
        "dicom_id,study_id,subject_id,split",
        *(f"{i},{s},{p},train" for p, s, i in people),
    )


def padchest(root: Path) -> None:
    names = [f"2168401113669640_{n:02d}.png" for n in range(COUNT)]
    for seed, name in enumerate(names):
        path = root / "PadChest" / "0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png16(film(seed, 40, 40).astype(np.uint16) * 257))
    kinds = ("pneumonia", "pleural effusion", "normal")
    table(
        root / "PadChest" / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
        ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,"
        "ViewPosition_DICOM,Projection,MethodLabel,Labels",
        *(
            f"{n},{name},0,20140915,s{n},p{n},1950.0,F,POSTEROANTERIOR,PA,Physician,"
            f"['{kinds[n % 3]}']"
            for n, name in enumerate(names)
        ),
    )


def rsna(root: Path) -> None:
    folder = root / "rsna-pneumonia-detection-challenge"
    kinds = ("Lung Opacity", "No Lung Opacity / Not Normal", "Normal")
    for n in range(COUNT):
        name = f"{n:08x}"
        dicom_film(folder / "stage_2_train_images" / f"{name}.dcm", n, PatientID=name)
    table(
        folder / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target",
        *(f"{n:08x},,,,,{int(n % 3 == 0)}" for n in range(COUNT)),
    )
    table(
        folder / "stage_2_detailed_class_info.csv",
        "patientId,class",
        *(f"{n:08x},{kinds[n % 3]}" for n in range(COUNT)),
    )


def vindr(root: Path) -> None:
    folder = root / "vindr-cxr" / "1.0.0"
    kinds = ("1,0,0", "0,1,0", "0,0,1")
    for n in range(COUNT):
        for start, split in ((0, "train"), (50, "test")):
            dicom_film(folder / split / f"{start + n:032x}.dicom", start + n)
    table(
        folder / "annotations" / "image_labels_train.csv",
        "image_id,rad_id,Cardiomegaly,Pleural effusion,No finding",
        *(f"{n:032x},R{r},{kinds[n % 3]}" for n in range(COUNT) for r in (1, 2, 3)),
    )
    table(
        folder / "annotations" / "image_labels_test.csv",
        "image_id,Cardiomegaly,Pleural effusion,No finding",
        *(f"{50 + n:032x},{kinds[n % 3]}" for n in range(COUNT)),
    )


def montgomery(root: Path) -> None:
    names = [f"MCUCXR_{n:04d}_{n % 2}" for n in range(COUNT)]
    films(root / "Montgomery" / "CXR_png", *(f"{name}.png" for name in names))
    films(root / "Montgomery" / "ManualMask" / "leftMask", *(f"{name}.png" for name in names))
    for name in names:
        path = root / "Montgomery" / "ClinicalReadings" / f"{name}.txt"
        table(path, "Patient's Sex: F", "Patient's Age: 035Y", "normal")


TREES: tuple[Callable[[Path], None], ...] = (
    *(chest_xray, flat, imagefolder, stylegan, medmnist, hospital, nih),
    *(chexpert, mimic, padchest, rsna, vindr, montgomery),
)
