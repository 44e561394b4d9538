"""`generate --filter copies`: fewer images, an audit of the rest, and nothing real beside them."""

import csv
import json

import pytest
from program import in_one_process, write_films


@pytest.fixture(scope="module")
def filtered(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("filtered") / "out"
    generate = ["generate", "--model", finished.folder, "--num", "60", "--out", out]
    [ended] = in_one_process([*generate, "--filter", "copies", "--data", finished.data])
    return out, ended


def test_says_how_many_were_left_out_and_audits_the_rest(filtered):
    out, ended = filtered
    assert ended.code == 0, ended
    [line] = [text for text in ended.stderr.splitlines() if "were left out" in text]
    left_out, of = (int(word) for word in line.split()[:3:2])
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (of, len(rows)) == (60, 60 - left_out)
    assert {row["file"] for row in rows} == {
        path.relative_to(out).as_posix() for path in out.rglob("*.png")
    }
    audit = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert audit["sets"]["synthetic"]["n"] == len(rows)
    assert audit["verdict"] in ended.stderr


def test_no_real_image_lies_beside_them(filtered):
    out, _ = filtered
    assert not (out / "internal").exists()


def test_faults_are_one_line(finished, tmp_path):
    others = write_films(tmp_path / "others", {"train/NORMAL": 20, "train/PNEUMONIA": 20}, seed=9)
    generate = ["generate", "--out", tmp_path / "out", "--num", "4", "--model"]
    refused = in_one_process(
        [*generate, finished.folder, "--filter", "copies"],
        [*generate, finished.folder, "--filter", "copies", "--data", others],
        [*generate, finished.folder / "model", "--filter", "copies", "--data", finished.data],
    )
    words = ("--data", "not what", "run folder")
    for ended, word in zip(refused, words, strict=True):
        assert word in ended.refusal()
