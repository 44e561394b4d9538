import hashlib

import pandas as pd
import pytest

from xraygan.config import DataSettings, PixelSettings
from xraygan.data.duplicates import merge_patients
from xraygan.data.listing import Facts
from xraygan.data.splits import assign, carve, keep_all, patient_of
from xraygan.errors import XrayganError


def records(*rows: tuple[str, str | None, str, str]) -> pd.DataFrame:
    """Rows of name, split, label, pixel hash."""
    return pd.DataFrame(
        list(rows), columns=["name", "split", "label", "pixel_sha256"], dtype=object
    )


def splits_of(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["name"], table["split"], strict=True))


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("train/PNEUMONIA/person12_bacteria_46.jpeg", "person12_bacteria"),
        ("train/PNEUMONIA/person12_virus_46.jpeg", "person12_virus"),
        ("train/PNEUMONIA/person1_virus_9_2.jpeg", "person1_virus"),
        ("IM-0001-0001.jpeg", "IM-0001"),
        ("a/IM-0011-0001-0002.jpeg", "IM-0011"),
        ("a/NORMAL2-IM-0007-0001.jpeg", "NORMAL2-IM-0007"),
        ("a/phantom00012_3.png", "phantom00012"),
        ("a/seed0000000000_00000017.png", None),
        ("IM-0001-0001.jpeg/scan.png", None),
        ("a/scan.png", None),
    ],
)
def test_known_names(name: str, patient: str | None) -> None:
    assert patient_of(name, None) == patient


def numbered(name: str) -> list[tuple[str, str | None, str, str]]:
    """Sixty studies whose films are called as OsiriX and Horos call them."""
    names = [name.format(study=i, series=i % 3 + 1) for i in range(60)]
    return [(n, "test" if i > 50 else "train", "A", f"h{i}") for i, n in enumerate(names)]


EXPORTS = ["train/A/study{study}/IM-0001-0001.jpg", "A/IM-{series:04d}-{study:04d}.jpg"]


@pytest.mark.parametrize("arrange", [assign, keep_all])
@pytest.mark.parametrize("name", EXPORTS)
def test_numbers_of_series_are_no_patients(name: str, arrange: object) -> None:
    table, _, notes = arrange(records(*numbered(name)), DataSettings())
    assert table["patient"].nunique() == 60
    assert any(note.startswith("60 of 60 file names do not tell") for note in notes)
    asked = DataSettings(patient_pattern=r"(IM-\d+)-")
    assert arrange(records(*numbered(name)), asked)[0]["patient"].nunique() < 4


@pytest.mark.parametrize("other", ["person1_virus_6.jpeg", "NORMAL2-IM-0007-0001.jpeg"])
def test_numbers_are_kermanys_patients_beside_the_other_names_of_that_set(other: str) -> None:
    rows = [
        ("train/A/IM-0115-0001.jpeg", "train", "A", "1"),
        ("train/A/IM-0115-0002.jpeg", "train", "A", "2"),
        ("train/copy/IM-0115-0002.jpeg", "train", "A", "2"),
        (f"test/A/{other}", "test", "A", "3"),
    ]
    table, _, notes = assign(records(*rows), DataSettings())
    assert set(table["patient"]) == {"IM-0115", other.rpartition("_" if "_" in other else "-")[0]}
    assert not any("tell the patient" in note for note in notes)
    table, _, notes = assign(records(*rows, *numbered(EXPORTS[0])), DataSettings())
    assert table["patient"].nunique() == 62
    assert any(note.startswith("60 of 64 file names") for note in notes)


def test_pattern_sees_the_whole_name_and_joins_groups() -> None:
    settings = DataSettings(patient_pattern=r"(site\d)/(p\d+)_")
    rows = [(f"A/site{i % 2}/p{i // 2}_{i}.png", "train", "A", f"h{i}") for i in range(4)]
    table, _, notes = assign(records(*rows), settings)
    assert list(table["patient"]) == ["site0_p0", "site0_p1", "site1_p0", "site1_p1"]
    assert not any("tell the patient" in note for note in notes)


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(XrayganError, match="--patient-pattern"):
        assign(records(("a.png", None, "A", "h")), DataSettings(patient_pattern=pattern))


def test_unknown_patients_get_one_note_but_synthetic_names_none() -> None:
    rows = [(f"A/scan{i}.png", "train", "A", f"h{i}") for i in range(3)]
    rows += [(f"A/seed0000000000_{i:08d}.png", "train", "A", f"s{i}") for i in range(3)]
    table, _, notes = assign(records(*rows), DataSettings())
    assert table["patient"].nunique() == 6
    assert next(note for note in notes if "tell the patient" in note).startswith("3 of 6")
    _, _, notes = assign(records(*rows[3:]), DataSettings())
    assert not any("--patient-pattern" in note for note in notes)


def test_duplicates_keep_the_highest_split_then_the_smallest_name() -> None:
    table, refused, notes = assign(
        records(
            ("train/A/b.png", "train", "A", "same"),
            ("train/A/a.png", "train", "A", "same"),
            ("test/A/d.png", "test", "A", "same"),
            ("test/A/c.png", "test", "A", "same"),
            ("train/A/e.png", "train", "A", "other"),
        ),
        DataSettings(),
    )
    assert list(table["name"]) == ["test/A/c.png", "train/A/e.png"]
    assert {reason for _, reason in refused} == {"same picture as test/A/c.png"}
    assert "3 exact duplicates dropped, 2 of them across splits." in notes


def test_one_picture_under_two_labels_is_refused_altogether() -> None:
    table, refused, _ = assign(
        records(
            ("train/A/a.png", "train", "A", "same"),
            ("test/B/b.png", "test", "B", "same"),
            ("train/A/c.png", "train", "A", "x"),
        ),
        DataSettings(),
    )
    assert list(table["name"]) == ["train/A/c.png"]
    reason = "same picture under the labels A and B"
    assert refused == [("test/B/b.png", reason), ("train/A/a.png", reason)]


def salted(salt: str, rows: int = 120) -> pd.DataFrame:
    """DICOM films of two a patient under keys that a salt made, and others of named patients.

    Some patients of either kind have the same picture as one of the other kind.
    """
    table = records(*((f"A/{i}", None, "A", str(i % (rows - 10))) for i in range(rows)))
    keys = [hashlib.sha256(f"{salt}{i // 2}".encode()).hexdigest()[:32] for i in range(rows)]
    named = [i >= rows // 2 for i in range(rows)]
    told = [f"{i // 2:032x}" if known else keys[i] for i, known in enumerate(named)]
    own = [None if known else Facts(keys[i]) for i, known in enumerate(named)]
    sha256 = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(rows)]
    return table.assign(patient=told, own=own, sha256=sha256)


@pytest.mark.parametrize("near", ["join", "drop"])
def test_splits_do_not_follow_the_salt(near: str) -> None:
    settings = DataSettings(near_duplicates=near)
    pairs = [(0, 30), (1, 70), (64, 80), (40, 90)]
    found = [splits_of(assign(salted(salt), settings, pairs)[0]) for salt in "abcdefgh"]
    assert all(splits == found[0] for splits in found)
    assert set(found[0].values()) == {"train", "val", "test"}


def test_keys_without_salt_are_what_patients_are_drawn_by() -> None:
    table = salted("a")
    plain = table.drop(columns=["own", "sha256"])
    settings = DataSettings(validation_fraction=0.4)
    named = assign(table.assign(own=None), settings)[0]
    assert splits_of(named) == splits_of(assign(plain, settings)[0])
    wanted = carve(zip(named["patient"], named["label"], strict=True), 0.4, 0, "test", 0.25)
    assert set(named.loc[named["split"] == "test", "patient"]) == wanted
    chosen = DataSettings(patient_pattern=r"A/(\d+)\d")  # the user's word before the file's
    assert splits_of(assign(table, chosen)[0]) == splits_of(assign(plain, chosen)[0])


@pytest.mark.parametrize("folder", ["train/", ""])
def test_who_is_held_back_at_random_is_marked(folder: str) -> None:
    """Not who was held out before, nor who was moved for being on both sides."""
    split = folder.strip("/") or None
    rows = [(f"{folder}A/phantom{n}_0.png", split, "A", str(n)) for n in range(40)]
    if folder:
        rows += [(f"test/A/phantom{n}_1.png", "test", "A", f"t{n}") for n in range(39, 45)]
    table = assign(records(*rows), DataSettings(validation_fraction=0.3))[0]
    marked = table["held_back"] == "at random"
    given = table["name"].str.startswith("test/") | (table["patient"] == "phantom39")
    assert marked.any()
    assert (marked == ((table["split"] != "train") & ~(given & bool(folder)))).all()


def test_leaking_patient_moves_to_the_higher_split() -> None:
    table, _, notes = assign(
        records(
            ("train/A/phantom1_0.png", "train", "A", "1"),
            ("val/A/phantom1_1.png", "val", "A", "2"),
            ("test/A/phantom1_2.png", "test", "A", "3"),
            ("train/A/phantom2_0.png", "train", "A", "4"),
        ),
        DataSettings(),
    )
    assert set(table.loc[table["patient"] == "phantom1", "split"]) == {"test"}
    assert splits_of(table)["train/A/phantom2_0.png"] == "train"
    assert any("1 from train to test" in n and "1 from val to test" in n for n in notes)


def test_patients_who_share_a_picture_are_one() -> None:
    table, _, notes = assign(
        records(
            ("train/A/phantom1_0.png", "train", "A", "1"),
            ("train/A/phantom1_1.png", "train", "A", "shared"),
            ("test/A/phantom2_0.png", "test", "A", "shared"),
            ("train/A/phantom3_0.png", "train", "A", "5"),
        ),
        DataSettings(),
    )
    assert splits_of(table)["train/A/phantom1_0.png"] == "test"
    assert splits_of(table)["train/A/phantom3_0.png"] == "train"
    assert any(note.startswith("2 patient names share") for note in notes)


def given(validation: int) -> pd.DataFrame:
    rows = [(f"train/A/phantom{i}_0.png", "train", "A", f"t{i}") for i in range(200)]
    rows += [(f"val/A/phantom9{i:04d}_0.png", "val", "A", f"v{i}") for i in range(validation)]
    return records(*rows)


def test_validation_is_kept_if_it_is_enough_and_completed_if_not() -> None:
    table, _, notes = assign(given(100), DataSettings())
    assert (table["split"] == "val").sum() == 100
    assert notes == []
    table, _, notes = assign(given(99), DataSettings())
    assert (table["split"] == "val").sum() > 99
    assert any("the 99 given validation images join them" in note for note in notes)


def test_validation_without_one_class_is_completed() -> None:
    rows = given(120)
    extra = [(f"train/B/phantom8{i:04d}_0.png", "train", "B", f"b{i}") for i in range(30)]
    table, _, _ = assign(pd.concat([rows, records(*extra)], ignore_index=True), DataSettings())
    assert set(table.loc[table["split"] == "val", "label"]) == {"A", "B"}


def test_without_split_folders_test_and_validation_are_held_back() -> None:
    rows = [(f"A/phantom{i}_0.png", None, "A", f"t{i}") for i in range(400)]
    table, _, _ = assign(records(*rows), DataSettings())
    shares = table["split"].value_counts(normalize=True)
    assert 0.05 < shares["val"] < 0.16
    assert 0.05 < shares["test"] < 0.16


@pytest.mark.parametrize("seed", range(20))
def test_small_classes_get_one_patient_and_keep_half(seed: int) -> None:
    pairs = [(f"{label}{i}", label) for label, n in (("a", 5), ("b", 300)) for i in range(n)]
    chosen = carve(pairs, 0.1, seed, "val", most=0.5)
    assert 1 <= sum(patient.startswith("a") for patient in chosen) <= 2
    chosen = carve([("a0", "a"), ("b0", "b"), ("b1", "b")], 0.49, seed, "val", most=0.5)
    assert "a0" not in chosen
    assert len(chosen) <= 1


def test_carve_share_is_the_fraction_and_seeds_and_purposes_differ() -> None:
    pairs = [(f"p{i}", "a") for i in range(4000)]
    val = carve(pairs, 0.1, 0, "val", most=0.5)
    assert abs(len(val) - 400) < 100  # five standard deviations of a binomial
    assert val != carve(pairs, 0.1, 1, "val", most=0.5)
    both = val & carve(pairs, 0.1, 0, "test", most=0.5)
    assert len(both) < 80


def test_keep_all_knows_an_unnamed_patient_by_the_picture() -> None:
    rows = [("x/1.png", None, "A", "h1"), ("y/person3_virus_1.png", "test", "B", "h1")]
    table, refused, notes = keep_all(records(*rows), PixelSettings())
    assert list(table["patient"]) == ["h1", "person3_virus"]
    assert list(table["split"]) == ["train", "test"]
    assert not refused
    assert any("1 of 2 file names" in note for note in notes)


def test_patients_are_one_where_a_chain_of_pictures_links_them() -> None:
    patients = ["d", "c", "c", "b", "a", "e"]
    pictures = ["1", "1", "2", "2", "3", "4"]
    assert merge_patients(patients, pictures) == ["b", "b", "b", "b", "a", "e"]
