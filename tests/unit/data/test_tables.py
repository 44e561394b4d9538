import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_trees import classes, films, listed, one, table, why

from xraygan.data.entries import DiskFile, Entry
from xraygan.data.listing import Facts
from xraygan.data.tables import parse_age, parse_sex, read_columns, read_table
from xraygan.data.views import parse_view
from xraygan.errors import XrayganError


def entry(path: Path) -> Entry:
    return Entry((path.name,), DiskFile(str(path), path.stat()))


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("45", 45),
        ("45.5", 45.5),
        ("058Y", 58),
        ("009M", 0.75),
        ("000D", 0),
        ("411", None),
        ("150Y", None),
        ("93", 90),
        ("", None),
        ("-3", None),
        ("nan", None),
        ("12 years", None),
    ],
)
def test_ages(text: str, years: float | None) -> None:
    assert parse_age(text) == years


@given(st.text(max_size=20))
def test_any_text_is_an_age_or_none(text: str) -> None:
    age = parse_age(text)
    assert age is None or 0 <= age <= 90


def test_a_line_of_json_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    text = '{"path": "a.png", "label": "A\u2028B"}\r\n\n{"path": "b.png", "label": "C\x85"}\n'
    (tmp_path / "list.jsonl").write_text(text, encoding="utf-8", newline="")
    table = read_table(entry(tmp_path / "list.jsonl"))
    assert table["path"].tolist() == ["a.png", "b.png"]


def test_views_and_sexes() -> None:
    assert [parse_view(v) for v in ("pa", "AP_horizontal", "ll", " ", "COSTAL")] == [
        *("PA", "AP", "LATERAL", None, "COSTAL")
    ]
    assert [parse_sex(s) for s in ("Female", "m", "Unknown", "")] == ["F", "M", None, None]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_any_separator_with_or_without_a_mark(tmp_path: Path, separator: str, start: str) -> None:
    rows = [["path", "label"], ["a.png", "NA"], ["ü b.png", "007"]]
    text = start + "\r\n".join(separator.join(row) for row in rows)
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    assert read_columns(entry(path)) == ("path", "label")
    assert read_table(entry(path)).to_numpy().tolist() == rows[1:]


def test_faulty_tables(tmp_path: Path) -> None:
    unclosed = table(tmp_path / "unclosed.csv", "a,b", '"1,2', "3,4")
    with pytest.raises(XrayganError, match=r"unclosed\.csv.*cannot be read as CSV"):
        read_table(entry(unclosed))
    latin = tmp_path / "latin.csv"
    latin.write_bytes("path,label\nä.png,x\n".encode("latin-1"))
    with pytest.raises(XrayganError, match=r"latin\.csv.*UTF-8"):
        read_table(entry(latin))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"path,label\n" * 1000)[:-20])
    with pytest.raises(XrayganError, match=r"cut\.csv\.gz"):
        read_table(entry(cut))
    with pytest.raises(XrayganError, match="line 2 is not a JSON object"):
        read_table(entry(table(tmp_path / "x.jsonl", '{"file_name": "a.png"}', "[1]")))
    assert read_columns(entry(cut)) == ()


@pytest.mark.parametrize("start", ["[", '{"a": ', '{"file_name": [[['])
def test_json_that_is_nested_without_end(tmp_path: Path, start: str) -> None:
    films(tmp_path, "A/1.png", "B/2.png")
    nested = table(tmp_path / "metadata.jsonl", start * 100_000)
    with pytest.raises(XrayganError, match="line 1 is not a JSON object"):
        read_table(entry(nested))
    assert read_columns(entry(nested)) == ()
    (tmp_path / "dataset.json").write_text(start * 100_000)
    assert set(classes(listed(tmp_path)).values()) == {"A", "B"}


def test_blanks_round_names_of_columns(tmp_path: Path) -> None:
    films(tmp_path, "images/1.png", "images/2.png")
    lines = ("1.png,A,1,40,F,PA", "2.png,B,2,50,M,PA")
    names = "Image Index ,Finding Labels , Patient ID,Patient Age,Patient Gender,View Position"
    path = table(tmp_path / "Data_Entry_2017.csv", names, *lines)
    assert tuple(read_table(entry(path)).columns) == read_columns(entry(path))
    assert listed(tmp_path).format == "nih"
    assert classes(listed(tmp_path)) == {"1.png": "A", "2.png": "B"}
    twice = table(tmp_path / "twice.csv", "path,label,label ", "1.png,A,B")
    with pytest.raises(XrayganError, match="two columns have the same name"):
        read_table(entry(twice))


@pytest.mark.parametrize(
    ("lines", "line", "cells"),
    [
        (("0.png,Effusion,Mass", "1.png,Mass"), 2, 3),
        (("0.png,Mass", "1.png,Effusion,Mass,Hernia"), 3, 4),
        (("0.png,Mass,", '"1\n.png",Mass,', "2.png,Effusion,Mass"), 5, 3),
    ],
)
def test_cells_beyond_the_last_column_are_not_lost(
    tmp_path: Path, lines: tuple[str, ...], line: int, cells: int
) -> None:
    wide = table(tmp_path / "wide.csv", "path,label", *lines)
    with pytest.raises(
        XrayganError,
        match=rf"^table wide\.csv: line {line} has {cells} cells, and the header 2: put a text "
        r"with a comma in quotes, or several findings as A\|B$",
    ):
        read_table(entry(wide))


@pytest.mark.parametrize(
    "ends", [("", ""), (",", ","), (",", ""), ("", ","), (",,,", ", "), ("", ",,")]
)
def test_empty_cells_beyond_the_last_column(tmp_path: Path, ends: tuple[str, str]) -> None:
    rows = ["0.png,Effusion", "1.png,Mass"]
    lines = (row + end for row, end in zip(rows, ends, strict=True))
    found = read_table(entry(table(tmp_path / "t.csv", "path,label", *lines)))
    assert found.columns.to_list() == ["path", "label"]
    assert found.to_numpy().tolist() == [row.split(",") for row in rows]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    films(tmp_path, "a.png", "b.png", "sub/c.png", "sub/d.png", "e.png")
    table(
        tmp_path / "films.csv",
        "path,label,patient_id,view,split,age,sex",
        "a.png,NORMAL,p1,PA,train,40,F",
        "./b.png,PNEUMONIA,p2,AP,test,17,M",
        "sub/c.png,NORMAL,p1,,validation,,",
        "../../etc/passwd,NORMAL,p9,,,,",
        "/nowhere/gone.png,NORMAL,p9,,,,",
        "e.png,,p5,,train,3,F",
    )
    return tmp_path


def test_flat_folder_with_a_table(flat: Path) -> None:
    listing = listed(flat)
    assert listing.format == "csv"
    assert classes(listing) == {"a.png": "NORMAL", "b.png": "PNEUMONIA", "c.png": "NORMAL"}
    assert [file.split for file in listing.files] == ["train", "test", "val"]
    assert one(listing, "a.png").facts == Facts("p1", "PA", 40, "F")
    assert why(listing) == {
        "passwd": "the table's path leads out of the data folder, or is empty",
        "gone.png": "named by the table, and not there",
        "e.png": "left out: the table gives it no label",
        "d.png": "left out: no row of the table names it",
    }


@pytest.mark.parametrize("word", ["holdout", "external", "eval", "fold0", "train,\nnot"])
def test_an_unknown_split_is_no_training_data(flat: Path, word: str) -> None:
    told = "path,label,split", "a.png,A,train", f'b.png,B,"{word}"'
    table(flat / "films.csv", *told)
    with pytest.raises(XrayganError, match=r"^table films\.csv: split '.*; write one") as caught:
        listed(flat)
    assert word.replace("\n", "\\n") in str(caught.value)
    assert "train, training, val, valid, validate, validation, dev, test" in str(caught.value)
    table(flat / "films.csv", *told[:2], "b.png,B, ")
    assert [file.split for file in listed(flat).files] == ["train", None]
    (flat / "films.csv").unlink()
    line = '{"file_name": "a.png", "label": "A", "split": "%s"}'
    table(flat / "metadata.jsonl", line % word.replace("\n", "\\n"))
    with pytest.raises(XrayganError, match=r"^table metadata\.jsonl: split '"):
        listed(flat)
    table(flat / "metadata.jsonl", line % "Test")
    assert one(listed(flat), "a.png").split == "test"


@pytest.mark.parametrize(
    "label",
    ["Effusion/Edema", "Pneumonia?", "..", "\\udcf6", "x" * 201],
    ids=["slash", "question", "above", "not UTF-8", "long"],
)
def test_labels_that_can_be_no_folder(flat: Path, label: str) -> None:
    (flat / "films.csv").unlink()
    rows = (f'{{"file_name": "{name}.png", "label": "%s"}}' for name in "abe")
    labels = ("NORMAL", label, "LEFT/OUT")
    lines = [row % text for row, text in zip(rows, labels, strict=True)]
    table(flat / "metadata.jsonl", *lines)
    listing = listed(flat, labels="NORMAL")
    assert classes(listing) == {"a.png": "NORMAL"}, "only what becomes a class counts"
    with pytest.raises(XrayganError, match=r"^label '.*no folder can be.*rename it in the table$"):
        listed(flat)
    table(flat / "metadata.jsonl", *lines[:2])
    with pytest.raises(XrayganError) as refused:
        listed(flat)
    assert f"label '{label}': ".replace("\\udcf6", "\\xf6") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_table_itself_is_a_source(flat: Path) -> None:
    table(flat / "other.csv", "path,label", "a.png,X", "b.png,Y")
    with pytest.raises(XrayganError, match=r"several tables.*films\.csv, other\.csv"):
        listed(flat)
    assert classes(listed(flat / "other.csv")) == {"a.png": "X", "b.png": "Y"}


def test_columns_with_other_names(flat: Path) -> None:
    table(flat / "films.csv", "Datei,Befund,Fall", "a.png,NORMAL,7", "b.png,PNEUMONIA,8")
    assert listed(flat).format == "folders"
    listing = listed(flat, column="path=Datei, label=Befund,patient_id=Fall")
    assert classes(listing) == {"a.png": "NORMAL", "b.png": "PNEUMONIA"}
    assert one(listing, "a.png").facts.patient == "7"
    with pytest.raises(XrayganError, match=r"no column 'path'; say which.*Datei, Befund, Fall"):
        listed(flat, format="csv")
    with pytest.raises(XrayganError, match="unknown name 'lable'; did you mean 'label'"):
        listed(flat, column="lable=Befund")
    with pytest.raises(XrayganError, match=r"no column 'Befud'.*did you mean 'Befund'"):
        listed(flat, format="csv", column="path=Datei,label=Befud")


def test_contradictory_and_repeated_rows(flat: Path) -> None:
    rows = ("a.png,X", "a.png,X", "b.png,X", "b.png,Y")
    table(flat / "films.csv", "path,label", *rows)
    listing = listed(flat)
    assert classes(listing) == {"a.png": "X"}
    assert why(listing)["b.png"] == "rows of the table contradict each other about it"


def test_names_without_folders_must_be_one(flat: Path) -> None:
    films(flat, "other/c.png", start=50)
    table(flat / "films.csv", "path,label", "c.png,X", "d.png,X")
    listing = listed(flat)
    assert classes(listing) == {"d.png": "X"}
    assert why(listing)["c.png"].startswith(("several files", "left out"))


def test_a_table_of_other_files(flat: Path) -> None:
    table(flat / "films.csv", "path,label", "x.png,X", "y.png,X")
    with pytest.raises(XrayganError, match="none of the 2 files that the table names is there"):
        listed(flat)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_imagefolder(tmp_path: Path, kind: str) -> None:
    films(tmp_path, "train/A/0.png", "train/B/1.png", "test/A/2.png")
    if kind == "csv":
        table(tmp_path / "train/metadata.csv", "file_name,text", "A/0.png,x", "B/1.png,y")
        table(tmp_path / "test/metadata.csv", "file_name,text", "A/2.png,z")
    else:
        table(
            tmp_path / "metadata.jsonl",
            '{"file_name": "train/A/0.png", "age": 3}',
            '{"file_name": "train/B/1.png", "label": null}',
            '{"file_name": "test/A/2.png"}',
        )
    listing = listed(tmp_path)
    assert listing.format == "imagefolder"
    assert [(f.name, f.split, f.label) for f in listing.files] == [
        ("test/A/2.png", "test", "A"),
        ("train/A/0.png", "train", "A"),
        ("train/B/1.png", "train", "B"),
    ]


def test_imagefolder_with_labels(tmp_path: Path) -> None:
    films(tmp_path, "0.png", "1.png")
    lines = ('{"file_name": "0.png", "label": ["Edema"]}', '{"file_name": "1.png", "label": 4}')
    table(tmp_path / "metadata.jsonl", *lines)
    assert classes(listed(tmp_path)) == {"0.png": "Edema", "1.png": "4"}


def test_class_folders_with_wishes(tmp_path: Path) -> None:
    films(tmp_path, "train/A/a.png", "train/B/b.png", "test/C/c.png")
    assert set(classes(listed(tmp_path, labels="A,C"))) == {"a.png", "c.png"}
    assert set(classes(listed(tmp_path, where='split == "train"'))) == {"a.png", "b.png"}
    with pytest.raises(XrayganError, match="--format nih"):
        listed(tmp_path, format="nih")


@pytest.mark.parametrize("field", ["file_name", "label"])
def test_half_a_character_is_refused(tmp_path: Path, field: str) -> None:
    """JSON can hold the half of a surrogate pair, which no file can."""
    row = {"file_name": "a.png", "label": "A"} | {field: "\ud83d"}
    path = tmp_path / "metadata.jsonl"
    path.write_text(json.dumps(row), encoding="ascii")
    with pytest.raises(XrayganError, match=r"line 1 is not a JSON object"):
        read_table(entry(path))
