"""Synthetic images as DICOM Secondary Capture: marked as synthetic, of no patient.

Sources: DICOM PS3.3, A.8.1 (Secondary Capture Image IOD), C.12.1.1 (SOP Common, with
Synthetic Data), C.7.6.1 (General Image), C.8.6.1 (SC Equipment); PS3.5, B.2 (UIDs made of a
UUID).
"""

import io
import uuid
from typing import Any

from xraygan.errors import XrayganError
from xraygan.sampling.encode import NOTICE, Picture
from xraygan.sampling.request import as_text
from xraygan.version import __version__

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/xraygan/")
_IMPLEMENTATION = f"2.25.{uuid.uuid5(_NAMESPACE, 'implementation').int}"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def dicom(picture: Picture) -> bytes:
    """One Secondary Capture file, uncompressed, with a study and a series of its own.

    Its UIDs follow from the picture's provenance: the same picture has the same ones.

    Raises:
        XrayganError: pydicom is not installed.
    """
    pydicom = _pydicom()
    dataset = pydicom.Dataset()
    _identify(dataset, picture)
    _describe(dataset, picture)
    _draw(dataset, picture)
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = SECONDARY_CAPTURE
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = f"XRAYGAN {__version__}"[:16]
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def require_dicom() -> None:
    """Say at once what is missing.

    Raises:
        XrayganError: pydicom is not installed.
    """
    _pydicom()


def _pydicom() -> Any:
    try:
        import pydicom
    except ModuleNotFoundError:
        raise XrayganError("DICOM needs an extra: pip install 'xraygan[dicom]'") from None
    return pydicom


def _identify(dataset: Any, picture: Picture) -> None:
    """Who and where: nobody and nowhere."""
    what = f"{picture.model_sha256}/{picture.class_name}/{picture.name}/{picture.pixels.dtype}"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SECONDARY_CAPTURE
    dataset.SOPInstanceUID = _uid(f"image {what}")
    dataset.StudyInstanceUID = _uid(f"study {what}")
    dataset.SeriesInstanceUID = _uid(f"series {what}")
    for empty in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
        "PatientOrientation",
    ):
        setattr(dataset, empty, "")
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.Modality = "OT"
    dataset.Manufacturer = "xraygan"
    dataset.SoftwareVersions = f"xraygan {__version__}"


def _describe(dataset: Any, picture: Picture) -> None:
    """That it is synthetic, of which class, and what made it."""
    dataset.SyntheticData = "YES"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "SYN"
    dataset.BodyPartExamined = "CHEST"
    dataset.SeriesDescription = f"Synthetic: {picture.class_name}"[:64]
    dataset.ImageComments = NOTICE
    dataset.DerivationDescription = (
        f"Made by xraygan {__version__}, model {picture.model_sha256}, class {picture.class_name}, "
        f"seed {picture.seed}, index {picture.index}, psi {as_text(picture.psi)}"
    )


def _draw(dataset: Any, picture: Picture) -> None:
    bits = picture.pixels.dtype.itemsize * 8
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = picture.pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    # The whole range, so that no viewer stretches each image for itself.
    dataset.WindowCenter, dataset.WindowWidth = 2 ** (bits - 1), 2**bits
    dataset.PixelData = picture.pixels.astype(picture.pixels.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def _uid(what: str) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, what).int}"
