"""`xraygan prepare` as a user meets it."""

import csv
import json
import re
import shlex
import signal
import zipfile
from pathlib import Path

import pytest
from program import MODULE, ROOT, SPLITS, in_one_process, start, wait_until, write_films, xraygan


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A flat folder with a table, as a hospital has it."""
    root = write_films(tmp_path / "films", {".": 24})
    names = sorted(path.name for path in root.glob("*.png"))
    rows = ["Datei,Befund,Fall,Projektion,Alter"]
    for number, name in enumerate(names):
        view = "LATERAL" if number == 0 else "PA"
        rows.append(f"{name},{'NORMAL' if number % 2 else 'ERGUSS'},DOE^{number},{view},{number}Y")
    (root / "liste.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


COLUMNS = "path=Datei,label=Befund,patient_id=Fall,view=Projektion,age=Alter"


def test_from_a_table_to_a_data_set_and_back(flat: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    options = ["--resolution", "32"]
    first = ["prepare", flat, "--column", COLUMNS, *options, "--json"]
    dry, made, unchanged, back = in_one_process(
        [*first, "--dry-run"],
        [*first, "--out", out],
        [*first, "--out", out],
        ["prepare", out, "--out", again, *options],
    )
    assert [ended.code for ended in (dry, made, unchanged, back)] == [0] * 4, (dry, made)
    counted = json.loads(dry.stdout)
    assert counted["counts"] == {"no split given": {"ERGUSS": 11, "NORMAL": 12}}
    assert counted["refused"] == {"left out: its view is LATERAL: not from the front": 1}
    result = json.loads(made.stdout)
    assert sum(sum(found.values()) for found in result["counts"].values()) == 23
    assert not result["unchanged"]
    assert json.loads(unchanged.stdout)["unchanged"]
    tables = [(folder / "metadata.csv").read_bytes() for folder in (out, again)]
    assert tables[0] == tables[1]
    rows = list(csv.DictReader(tables[0].decode().splitlines()))
    for row in rows:
        assert (out / row["file_name"]).read_bytes() == (again / row["file_name"]).read_bytes()
    everything = b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file())
    assert b"DOE" not in everything + made.stdout.encode() + made.stderr.encode()


def test_from_an_archive(tmp_path: Path) -> None:
    films = write_films(tmp_path / "chest_xray", SPLITS)
    archive = tmp_path / "chest_xray.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(films.rglob("*.png")):
            file.write(path, path.relative_to(tmp_path))
    ended = xraygan("prepare", archive, "--out", tmp_path / "out", "--keep-splits", "--json")
    assert ended.code == 0, ended
    counts = json.loads(ended.stdout)["counts"]
    assert {f"{s}/{c}": n for s, found in counts.items() for c, n in found.items()} == SPLITS
    assert {p.name for p in tmp_path.iterdir()} == {"chest_xray", "chest_xray.zip", "out"}
    planned = in_one_process(
        ["run", archive, "--dry-run"],
        ["train", "--data", archive, "--dry-run"],
        ["run", tmp_path / "nowhere.zip", "--dry-run"],
    )
    assert [ended.code for ended in planned] == [0, 0, 2], planned
    assert all(ended.stdout.startswith(f"# data: {archive}") for ended in planned[:2])


def test_refusals(flat: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "out"]
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as file:
        file.writestr("../../evil.png", b"x")
    ended = in_one_process(
        ["prepare", flat, "--column", COLUMNS, "--where", "Alder > 3", *out],
        ["prepare", flat, "--column", COLUMNS, "--labels", "NORMALL", *out],
        ["prepare", flat, "--format", "nih", *out],
        ["prepare", flat],
        ["prepare", flat, "--out", flat],
        ["prepare", flat, "--column", COLUMNS, "--out", flat.parent],
        ["prepare", tmp_path / "nowhere", "--out", flat.parent],
        ["prepare", bad, *out],
        ["prepare", tmp_path / "nowhere", *out],
    )
    expected = (
        "did you mean 'Alter'",
        "did you mean 'NORMAL'",
        "--format nih",
        "--out is missing",
        "is the source itself",
        "holds something else",
        "holds something else",
        "leads out of it",
        "does not exist",
    )
    for one, words in zip(ended, expected, strict=True):
        assert words in one.refusal()
    assert not (tmp_path / "out").exists()


def test_every_command_of_the_documentation_is_understood(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("xraygan prepare")]
    assert len(commands) > 15
    there = str(tmp_path / "nowhere")
    for ended in in_one_process(*([c[0], f"{there}/{c[1]}", *c[2:]] for c in commands)):
        assert f"{there}/" in ended.refusal()
        assert "does not exist" in ended.refusal()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_and_taken_up(tmp_path: Path, number: int) -> None:
    films = write_films(tmp_path / "films", {"train/A": 500, "train/B": 500})
    out, log = tmp_path / "out", tmp_path / "log.txt"
    command = ["prepare", films, "--out", out, "--resolution", "32"]
    process = start([*MODULE, *command], log)
    assert wait_until(lambda: len(list(out.rglob("*.png"))) > 20, process)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert "Traceback" not in log.read_text()
    done = {path.name: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert 20 < len(done) < 1000
    ended = xraygan(*command, "--json")
    assert ended.code == 0, ended
    after = {path.name: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert len(after) == 1000
    assert all(after[name] == time for name, time in done.items() if not name.startswith("."))
