"""The few facts that pass, and that nothing else does."""

import dataclasses
import string
import struct
from typing import Any

import pytest
from data_pictures import film
from dicom_files import SALT, dataset_of, dicom, file_of, film12, sequence_of
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, FileDataset
from pydicom._dicom_dict import DicomDictionary

from xraygan.data.dicom import DicomFacts, Refusal, read_dicom
from xraygan.data.dicom_facts import FACT_TAGS, read_facts, why_not_a_chest_film
from xraygan.data.dicom_grey import GREY_TAGS
from xraygan.data.dicom_parsing import SHAPE_TAGS
from xraygan.data.views import VIEWS, parse_view

# pydicom warns while the tests set malformed and planted texts.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")

NOTHING = DicomFacts(None, None, None, None, None, None, None, raw=False)


def facts_of(**tags: Any) -> DicomFacts:
    """Through a whole file."""
    return read_dicom(dicom(film(0), **tags), SALT)[1]


def fact(keyword: str, value: object) -> DicomFacts:
    """From a data set in memory."""
    dataset = Dataset()
    setattr(dataset, keyword, value)
    return read_facts(dataset, SALT)


def test_all_facts_of_a_film() -> None:
    facts = facts_of(
        PatientAge="045Y",
        PatientSex="F",
        ViewPosition="PA",
        BodyPartExamined="CHEST",
        BurnedInAnnotation="NO",
        PresentationIntentType="FOR PRESENTATION",
    )
    assert facts == DicomFacts(facts.patient, "PA", "CHEST", "CR", 45.0, "F", False, raw=False)


def test_facts_that_a_file_does_not_tell_are_none() -> None:
    facts = facts_of(PatientID="", Modality="")
    assert facts == NOTHING


@pytest.mark.parametrize("error", [OSError, NotImplementedError, struct.error, EOFError])
def test_a_tag_whose_bytes_are_damaged_tells_nothing(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise error("rubbish")

    monkeypatch.setattr(Dataset, "get", damaged)
    assert read_facts(Dataset(), SALT) == NOTHING


def test_identifiers_become_keyed_hashes() -> None:
    one, again, other = (facts_of(PatientID=name) for name in ("4711", " 4711 ", "4712"))
    assert one.patient == again.patient != other.patient
    assert one.patient is not None
    assert len(one.patient) == 32
    assert set(one.patient) <= set(string.hexdigits.lower())
    _, salted = read_dicom(dicom(film(0), PatientID="4711"), b"another salt")
    assert salted.patient != one.patient


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("045Y", 45), ("000Y", 0), ("006M", 0.5), ("010W", 0.19), ("003D", 0.01), ("45", 45),
        ("089Y", 89), ("090Y", 90), ("104Y", 90), ("413Y", None), ("Y", None), ("-05Y", None),
        ("4 5Y", None), ("", None), ("999M", 83.25),
    ],
)  # fmt: skip
def test_ages(text: str, years: float | None) -> None:
    assert fact("PatientAge", text).age == years


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("PA", "PA"), ("ap", "AP"), ("LATERAL", "LATERAL"), ("LAT", "LATERAL"), ("LL", "LATERAL"),
        ("AP PORTABLE", "AP"), ("CHEST P.A.", "PA"), ("P.A.", "PA"), ("PA/LAT", "LATERAL"),
        ("DOE^JOHN", None), ("", None), ("UNKNOWN", None), ("POSTERO-ANTERIOR", "PA"),
        ("POSTEROANTERIOR", "PA"), ("ANTERO-POSTERIOR", "AP"), ("PA CHEST", "PA"),
        ("FRONTAL", "FRONTAL"), ("AP/PA", "FRONTAL"), ("PA FRONTAL", "PA"), ("AP SUPINE", "AP"),
        ("ERECT", None), ("SUPINE", None), ("UPRIGHT", None), ("CHEST", None),
        ("LAT_ERECT", "LATERAL"), ("SEITLICH", "LATERAL"), ("SCHRÄG", "OBLIQUE"),
        ("ANTERO-LATERAL", "LATERAL"), ("AP LORDOTIC", "LORDOTIC"), ("AXIAL", "OTHER"),
        ("AP ERECT", "AP"), ("SWIMMERS", "OTHER"), ("LAO", "OBLIQUE"), ("BILATERAL", None),
        ("LLATERAL", "LATERAL"),
    ],
)  # fmt: skip
def test_views(text: str, view: str | None) -> None:
    assert fact("ViewPosition", text).view == view
    assert parse_view(text) == (view or text or None), "tables keep words that nobody knows"


@pytest.mark.parametrize(
    ("code", "view"),
    [
        ("399348003", "AP"),
        ("R-10214", "PA"),
        ("272479007", "PA"),
        ("399173006", "LATERAL"),
        ("399033003", "FRONTAL"),
        ("R-10208", "OBLIQUE"),
        ("399061009", "OTHER"),
        ("9", None),
    ],
)
def test_view_codes(code: str, view: str) -> None:
    item = {"CodeValue": code, "CodingSchemeDesignator": "SCT", "CodeMeaning": "DOE^JOHN"}
    assert facts_of(ViewCodeSequence=sequence_of(**item)).view == view
    assert facts_of(ViewCodeSequence=sequence_of(**item), ViewPosition="RL").view == "LATERAL"
    assert facts_of(ViewCodeSequence=sequence_of(**item), ViewPosition="ERECT").view == view


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("CHEST", "CHEST"), ("Thorax", "THORAX"), ("TÓRAX", "TORAX"), ("PORT CHEST", "CHEST"),
        ("KNEE", "KNEE"), ("LEFT KNEE", "KNEE"), ("DOE^JOHN", None), ("", None),
        ("CHEST, LUNG", "CHEST"), ("THORAX (CHEST)", "CHEST"), ("LUNG/THORAX", "CHEST"),
        ("CHEST, KNEE", "OTHER"), ("BRUSTKORB", None), ("PULMON", None), ("UNKNOWN", None),
    ],
)  # fmt: skip
def test_body_parts(text: str, part: str | None) -> None:
    assert fact("BodyPartExamined", text).body_part == part


@pytest.mark.parametrize(
    ("text", "modality"),
    [("CR", "CR"), ("dx", "DX"), ("DR", None), ("DOE^JOHN", None), ("", None), ("CT/PT", "OTHER")],
)
def test_modalities(text: str, modality: str | None) -> None:
    assert fact("Modality", text).modality == modality


def test_what_the_file_says_of_its_picture() -> None:
    assert facts_of(BurnedInAnnotation="YES").burned_in is True
    assert fact("PresentationIntentType", "FOR PROCESSING").raw


def test_why_a_file_is_not_a_chest_film() -> None:
    def why(**known: Any) -> str | None:
        return why_not_a_chest_film(dataclasses.replace(NOTHING, **known))

    assert why() is None
    assert why(modality="DX", view="LATERAL", body_part="CHEST", burned_in=True) is None
    assert why(body_part="KNEE") == "body part KNEE"
    assert why(modality="CT") == "modality CT"
    assert why(body_part="OTHER") == "body part OTHER"
    assert "FOR PROCESSING" in str(why(modality="DX", body_part="CHEST", raw=True))


# --- nothing that identifies anybody ---------------------------------------------------------

_TEXT_VRS = {"AE", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
_CANARIES = {
    "DA": "19470229", "DT": "19470229112233", "TM": "112233", "AE": "CANARYBIRD",
    "CS": "CANARYBIRD",
}  # fmt: skip
_MARKS = ("CANARY", "19470229", "112233", "1.2.3.4711", "4711.25")


def planted() -> FileDataset:
    """A film with a canary in every tag of text that DICOM knows, in numbers, and in private."""
    dataset = dataset_of(film12(), 12)
    for tag, (vr, multiplicity, _, retired, keyword) in DicomDictionary.items():
        spared = {"PhotometricInterpretation", "VOILUTFunction", "SpecificCharacterSet"}
        if tag >> 16 < 8 or retired or not keyword or keyword in spared:
            continue
        if vr in _TEXT_VRS:
            dataset.add_new(tag, vr, _CANARIES.get(vr, "CANARY^BIRD"))
        elif vr == "UI" and multiplicity == "1":
            dataset.add_new(tag, vr, "1.2.3.4711")
    dataset.AccessionNumber = "CANARY"
    dataset.PatientWeight = "4711.25"
    dataset.add_new(0x00091001, "LO", "CANARY^BIRD")
    dataset.OtherPatientIDsSequence = sequence_of(PatientID="CANARY^BIRD")
    return dataset


def test_no_planted_text_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    image, facts = read_dicom(file_of(planted()), SALT)
    assert image.shape == (40, 56)
    assert (facts.view, facts.body_part, facts.modality) == (None, None, None)
    shown = capfd.readouterr()
    told = repr(facts) + str(why_not_a_chest_film(facts)) + shown.out + shown.err
    assert not any(mark in told for mark in _MARKS)


def broken_files() -> list[bytes]:
    """The planted film with a canary in place of each tag that is read, and cut."""
    files = []
    for keyword in (*FACT_TAGS, *GREY_TAGS, *SHAPE_TAGS):
        broken = planted()
        broken.pop(keyword, None)
        broken.add_new(keyword, "LO", "CANARY^BIRD")
        files.append(file_of(broken))
    whole = file_of(planted())
    return files + [whole[:end] for end in range(len(whole) - 5000, len(whole), 397)]


def test_no_planted_text_comes_out_in_a_refusal(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    files = broken_files()
    recwarn.clear()
    caplog.clear()
    told = []
    for data in files:
        try:
            told.append(repr(read_dicom(data, SALT)[1]))
        except Refusal as refusal:
            told.append(str(refusal))
    shown = capfd.readouterr()
    told += [shown.out, shown.err, caplog.text, *(str(warning.message) for warning in recwarn)]
    assert not any(mark in "\n".join(told) for mark in _MARKS)
    assert sum("damaged DICOM: its " in one for one in told) >= 8


@given(st.text(max_size=64), st.sampled_from(["PatientID", "ViewPosition", "PatientAge"]))
def test_no_text_passes_unless_it_is_known(text: str, keyword: str) -> None:
    dataset = Dataset()
    dataset.add_new(keyword, "LO", text)
    facts = read_facts(dataset, SALT)
    assert facts.view is None or facts.view in VIEWS
    assert facts.age is None or 0 <= facts.age <= 90
    assert facts.patient is None or (len(facts.patient) == 32 and facts.patient.isalnum())
