import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from xraygan.data.cache import Dataset
from xraygan.report.summary import summarise

CLASSES = ("NORMAL", "PNEUMONIA")


def films(count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, 32, 32))
    return np.clip(ndimage.gaussian_filter(noise, (0, 2, 2)) * 400 + 128, 0, 255).astype(np.uint8)


def dataset(validation: int, folder: Path) -> Dataset:
    counts = {"train": 40, "val": validation, "test": 6}
    rows = [
        (f"{split}-{n}.png", split, CLASSES[n % 2], f"{split}{n}")
        for split, count in counts.items()
        for n in range(count)
    ]
    manifest = pd.DataFrame(rows, columns=["name", "split", "label", "patient"])
    images = films(len(rows), 0)
    refused = pd.DataFrame(columns=["name", "reason"])
    notes = ("2 files are duplicates",)
    return Dataset(images, manifest, refused, CLASSES, notes, "f" * 8, folder)


CONFIG = {"data": {"counts": {"train/NORMAL": 20, "train/PNEUMONIA": 20}}, "total_images": 64}


@pytest.mark.parametrize("validation", [24, 4])
def test_summary(tmp_path: Path, validation: int) -> None:
    data = dataset(validation, tmp_path)
    made = films(50, 1)
    made[7] = data.images[3]  # one image was copied
    labels = np.arange(50, dtype=np.int32) % 2
    summary = summarise(tmp_path, data, CONFIG, made, labels, "ab" * 32)

    stored = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(summary))
    assert (stored["resolution"], stored["synthetic_images_measured"]) == (32, 50)
    assert stored["model_sha256"] == "ab" * 32

    closest = stored["closest_training_images"]
    assert closest["synthetic"]["max"] == pytest.approx(1, abs=1e-3)
    assert closest["synthetic"]["n"] == 50
    held_out = closest["held_out_patients"]
    assert held_out["n"] == validation + 6
    assert held_out["max"] < 0.95
    assert closest["synthetic"]["median"] == pytest.approx(held_out["median"], abs=0.1)

    page = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "Not for diagnosis" in page
    assert "synthetic is not anonymous" in page
    assert "- 2 files are duplicates" in page
    assert "| train/NORMAL | 20 |" in page
    if validation >= 20:
        kid = stored["kid"]
        assert kid["low"] <= kid["value"] <= kid["high"]
        assert 0 <= stored["coverage"]["coverage"] <= 1
        assert f"**{kid['value']:.4f}**" in page
    else:
        assert stored["kid"] is stored["coverage"] is None
        assert "too few validation images" in page

    # The first of the closest pairs is the copy, above the film that it is.
    pairs = np.asarray(Image.open(tmp_path / "internal-closest.png"))[::2, ::2]
    assert np.array_equal(pairs[2:34, 2:34], data.images[3])
    assert np.array_equal(pairs[36:68, 2:34], data.images[3])
    assert (tmp_path / "synthetic.png").exists()
