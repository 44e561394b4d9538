import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraygan.report.summary import summarise

FIGURE = {"value": 0.1234, "low": 0.1, "high": 0.15, "n": 50, "floor": 0.001}
EVALUATION = {
    "kid": FIGURE,
    "coverage": {**FIGURE, "value": 0.9, "floor": None},
    "utility": {"trtr": {"auc": {**FIGURE, "value": 0.98}}, "tstr": None},
}
AUDIT = {"verdict": "nothing found", "explanation": "No sign of copying."}
FACTS = {
    "model_sha256": "ab" * 32,
    "data": {
        "classes": ["NORMAL", "PNEUMONIA"],
        "counts": {"train/NORMAL": 20, "train/PNEUMONIA": 20},
    },
    "images_trained_on": 64,
    "notes": ["2 files are duplicates"],
}


@pytest.mark.parametrize("measured", [True, False])
def test_summary(tmp_path: Path, measured: bool) -> None:
    made = np.random.default_rng(0).integers(0, 256, (50, 32, 32), dtype=np.uint8)
    labels = np.arange(50, dtype=np.int32) % 2
    found = (EVALUATION, AUDIT) if measured else (None, None)
    summary = summarise(tmp_path, FACTS, made, labels, *found)

    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == summary
    assert (summary["resolution"], summary["synthetic_images_measured"]) == (32, 50)
    assert summary["classes"] == ["NORMAL", "PNEUMONIA"]
    page = (tmp_path / "summary.md").read_text(encoding="utf-8")
    for text in ("Not for diagnosis", "Synthetic is not anonymous", "- 2 files are duplicates"):
        assert text in page
    assert "| train/NORMAL | 20 |" in page
    if measured:
        assert summary["kid"] == FIGURE
        assert "| **0.123** | 0.100 to 0.150 | 0.001 |" in page
        assert "| **0.980** |" in page
        assert summary["tstr_auc"] is None
        assert "**nothing found**. No sign of copying." in page
    else:
        assert summary["kid"] is summary["verdict"] is None
        assert "Not measured." in page
        assert "No audit was made." in page

    grid = np.asarray(Image.open(tmp_path / "synthetic.png"))[::2, ::2]
    assert np.array_equal(grid[2:34, 2:34], made[0]), "rows of the first class come first"
