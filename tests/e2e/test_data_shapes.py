"""Data as people have it: few images, odd names, no splits."""

import csv
import json

import pytest
from program import TINY, in_one_process, write_films, xraygan

pytestmark = pytest.mark.slow

SHAPES = {
    "one class": {"train/NORMAL": 30, "test/NORMAL": 5},
    "odd names": {"Röntgen ok": 20, "肺炎": 20},
    "ten images": {"train/A": 5, "train/B": 5},
    "class folders": {"NORMAL": 40, "PNEUMONIA": 40},
    "fifty images": {"train/NORMAL": 20, "train/PNEUMONIA": 20, "test/NORMAL": 10},
    "no folders": {".": 20},
    "two images": {".": 2},
}
CLASSES = {
    "one class": ["NORMAL"],
    "odd names": ["Röntgen ok", "肺炎"],
    "ten images": ["A", "B"],
    "no folders": ["images"],
    "two images": ["images"],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_job(shape, tmp_path):
    data = write_films(tmp_path / "my films", SHAPES[shape])
    folder = tmp_path / "my results"
    settings = [*TINY, "--batch", "2" if shape == "two images" else "4", "--kimg", "0.1"]
    ended = xraygan("run", data, "-o", folder, *settings, "--num", "12", "--json")
    print(ended.stderr, (folder / "summary.md").read_text(encoding="utf-8"))
    assert ended.code == 0, ended
    assert "Traceback" not in ended.stderr
    assert "Warning" not in ended.stderr
    summary = json.loads(ended.stdout)
    expected = CLASSES.get(shape, ["NORMAL", "PNEUMONIA"])
    assert summary["classes"] == expected
    assert (folder / "report.html").is_file()
    with (folder / "synthetic/manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == set(expected)
    assert all((folder / "synthetic" / row["file"]).is_file() for row in rows)


def test_too_little(tmp_path):
    few = write_films(tmp_path / "few", {"train/A": 5, "train/B": 5})
    one = write_films(tmp_path / "one", {"train/A": 1})
    out = ["-o", tmp_path / "r", "--resolution", "32", "--kimg", "0.1"]
    batch, single = in_one_process(["run", few, *out, "--batch", "500"], ["run", one, *out])
    assert "--batch 500 is more than the" in batch.refusal()
    assert "use --batch" in batch.refusal()
    assert "needs at least 2 different ones" in single.refusal()
