"""Whole sources of every format, each with the file in it that is damaged."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pydicom
from PIL import Image

SIDE = 40
COUNT = 4


@dataclass(frozen=True)
class Source:
    """A source that is read as it should be while nothing is damaged.

    Attributes:
        name: of its format.
        files: path to content.
        target: which file is damaged.
        root: the path given to the program, relative; "" is the folder.
        settings: of the reading.
        exact: what is read in spite of damage must be what was there: every byte is checked.
    """

    name: str
    files: dict[str, bytes]
    target: str
    root: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    exact: bool = False


def film(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (8, 8), np.uint8)
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def picture(kind: str, seed: int = 0, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(film(seed)).save(buffer, kind, **options)
    return buffer.getvalue()


def png16(seed: int) -> bytes:
    return cv2.imencode(".png", film(seed).astype(np.uint16) * 257)[1].tobytes()


def dicom(seed: int, syntax: str = pydicom.uid.ExplicitVRLittleEndian) -> bytes:
    """A chest film of 16 bits with a window, as an export has it."""
    dataset = pydicom.Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = f"2.25.{seed + 1}"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = f"2.25.{seed + 100}"
    dataset.PatientID, dataset.PatientName = f"P{seed}", "DOE^JANE"
    dataset.Modality, dataset.ViewPosition, dataset.BodyPartExamined = "DX", "PA", "CHEST"
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = (film(seed).astype("<u2") * 16).tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    if syntax != pydicom.uid.ExplicitVRLittleEndian:
        dataset.compress(syntax)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def folder(name: str, suffix: str, make: Callable[[int], bytes], **more: Any) -> Source:
    files = {
        f"{'AB'[number % 2]}/phantom{number:05d}_0.{suffix}": make(number)
        for number in range(COUNT)
    }
    return Source(name, files, next(iter(files)), **more)


def sources() -> list[Source]:
    """One of every kind."""
    pngs = {f"{'AB'[n % 2]}/phantom{n:05d}_0.png": picture("PNG", n) for n in range(COUNT)}
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in pngs.items():
            archive.writestr(name, content)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        for name, content in pngs.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    arrays = io.BytesIO()
    np.savez_compressed(
        arrays,
        train_images=np.stack([film(n) for n in range(COUNT)]),
        train_labels=np.array([[n % 2] for n in range(COUNT)], np.uint8),
    )
    lines = ["path,label,patient_id,view,split,age,sex"]
    lines += [f"{n}.png,{'AB'[n % 2]},P{n},PA,train,{n + 40},F" for n in range(COUNT)]
    flat = {f"{n}.png": picture("PNG", n) for n in range(COUNT)}
    table = "\n".join(lines).encode()
    return [
        folder("JPEG", "jpg", lambda n: picture("JPEG", n)),
        folder("progressive JPEG", "jpg", lambda n: picture("JPEG", n, progressive=True)),
        folder("PNG", "png", lambda n: picture("PNG", n), exact=True),
        folder("16-bit PNG", "png", png16, exact=True),
        folder("TIFF", "tif", lambda n: picture("TIFF", n)),
        folder("DICOM", "dcm", dicom),
        folder("RLE DICOM", "dcm", lambda n: dicom(n, pydicom.uid.RLELossless)),
        Source("zip", {"a.zip": zipped.getvalue()}, "a.zip", "a.zip", exact=True),
        Source("tar.gz", {"a.tar.gz": tarred.getvalue()}, "a.tar.gz", "a.tar.gz"),
        Source("npz", {"a.npz": arrays.getvalue()}, "a.npz", "a.npz"),
        Source("csv", {**flat, "films.csv": table}, "films.csv", settings={"format": "csv"}),
    ]
