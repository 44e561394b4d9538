"""What is said of a data set as it was read."""

from xraygan.data.listing import Facts
from xraygan.data.remarks import patient_notes


def test_patients_of_a_table_whom_the_files_call_one_are_told_of() -> None:
    own = [Facts(patient="a"), Facts(patient="a"), Facts(patient="b"), Facts(), None]
    [note] = patient_notes(own, ["case 1", "case 2", "case 3", "case 4", "case 5"])
    assert note.startswith("1 patient ID of the DICOM files stands for 2 patients of the table")
    assert "a" not in note.split(), "no patient's own ID is told"
    assert patient_notes(own, ["a", "a", "b", "c", "d"]) == []
