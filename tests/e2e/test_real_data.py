"""The main job on real X-rays, where XRAYGAN_TEST_DATA names a folder that holds them."""

import csv
import json
import os
from pathlib import Path

import pytest
from program import SCRIPT, TINY, run


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif("XRAYGAN_TEST_DATA" not in os.environ, reason="needs XRAYGAN_TEST_DATA")
def test_whole_job_on_real_films(tmp_path):
    data = Path(os.environ["XRAYGAN_TEST_DATA"]) / "chest_xray"
    folder = tmp_path / "results"
    settings = [*TINY, "--kimg", "0.3", "--num", "20"]
    ended = run([*SCRIPT, "--data", data, "--results", folder, *settings], timeout_s=900)
    assert ended.code == 0, ended
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["classes"] == ["NORMAL", "PNEUMONIA"]
    assert summary["kid"]["floor_high"] < summary["kid"]["low"], "0.3 kimg is no training"
    with (folder / "synthetic/manifest.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 20
    for name in ("config.json", "log.txt", "summary.md", "model/generator.json"):
        text = (folder / name).read_text(encoding="utf-8")
        assert str(data) not in text
        assert "person" not in text
