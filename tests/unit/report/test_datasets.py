"""The pages of a prepared data set: figures to pass on, films for the house alone."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.phantom import write_phantom
from xraygan.data.prepared import write_dataset
from xraygan.report import datasets

SMALL = DataSettings(resolution=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """A data set of phantoms with a table that knows views and ages, and its pages."""
    root = tmp_path_factory.mktemp("datasets")
    write_phantom(root / "films", 24, 64, seed=0)
    files = sorted((root / "films").rglob("*.png"))
    rows = [
        {
            "path": path.relative_to(root / "films").as_posix(),
            "label": path.parent.name,
            "patient_id": f"DOE^JANE{number // 2}",
            "view": "PA" if number % 3 else "AP",
            "age": number * 5,
        }
        for number, path in enumerate(files)
    ]
    pd.DataFrame(rows).to_csv(root / "films" / "films.csv", index=False)
    dataset = prepare(root / "films", SMALL, root / "cache")
    description = write_dataset(dataset, root / "out", SMALL)
    return dataset, description, datasets.write_pages(root / "out", dataset, description)


def test_the_summary_counts_what_is_there(made) -> None:
    dataset, _, (page, _) = made
    text = page.read_text(encoding="utf-8")
    cells = re.sub(r"<[^>]+>", " ", text)
    for name in dataset.classes:
        of_class = int((dataset.manifest["label"] == name).sum())
        assert re.search(rf"{name}\s+\d+\s+\d+\s+\d+\s+{of_class}\b", cells)
    assert "AP" in cells
    assert "90 and over" in cells
    assert "Every file was used" in cells or "files were not used" in cells


def test_the_summary_shows_nobody(made) -> None:
    dataset, _, (page, _) = made
    text = page.read_text(encoding="utf-8")
    assert "DOE" not in text
    assert "data:image" not in text
    for path, patient in zip(*(dataset.manifest[key] for key in ("name", "patient")), strict=True):
        assert Path(path).name not in text
        assert patient not in text


def test_the_summary_quotes_no_free_text_of_the_settings(made, tmp_path: Path) -> None:
    dataset, _, _ = made
    asked = {"where": 'patient_id != "P0007"', "patient_pattern": "(P0007)", "column": "age=P0007"}
    settings = DataSettings(resolution=32, **asked)
    description = write_dataset(dataset, tmp_path / "out", settings)
    page = datasets.render_summary(dataset, description)
    assert "P0007" not in page
    assert page.count("set (not shown)") == len(asked)


def test_the_contact_sheets_are_marked_and_for_their_owner(made) -> None:
    dataset, _, (_, sheets) = made
    text = sheets.read_text(encoding="utf-8")
    assert datasets.MARK in text
    assert all(f"{name}</" in text for name in dataset.classes)
    assert text.count("data:image") == len(dataset.classes)
    assert sheets.parent.stat().st_mode & 0o077 == 0


def test_grey_levels_are_those_of_the_images(made) -> None:
    dataset, _, _ = made
    labels = dataset.manifest["label"].to_numpy()
    for item in datasets.intensities(dataset):
        pixels = np.asarray(dataset.images)[labels == item.name].astype(float)
        assert item.mean == pytest.approx(pixels.mean())
        assert item.spread == pytest.approx(pixels.std())
        assert item.black == pytest.approx((pixels == 0).mean())


@pytest.mark.parametrize(
    ("age", "said"),
    [("", ""), ("0", "0 to 9"), ("49", "40 to 49"), ("0.5", "0 to 9"), ("90", "90 and over")],
)
def test_ages_are_told_in_decades(age: str, said: str) -> None:
    assert datasets.decade(age) == said
