"""Text drawn into films is suspected; chests, side markers and noise are not."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from data_pictures import encoded
from PIL import Image, ImageDraw, ImageFont

from xraygan.config import DataSettings
from xraygan.data.burned_in import LEAST_GLYPHS, longest_row, suspected
from xraygan.data.cache import prepare
from xraygan.data.phantom import render
from xraygan.data.prepared import write_dataset


def chest(seed: int = 0) -> np.ndarray:
    return cv2.resize(render(seed, 128, 0, 0), (900, 800), interpolation=cv2.INTER_CUBIC)


def written(
    film: np.ndarray, text: str, place: tuple[float, float], size: int = 24, grey: int = 255
) -> np.ndarray:
    """Text on a film; the place is a share of its width and height."""
    image = Image.fromarray(film.copy())
    font = ImageFont.load_default(size=size)
    at = (place[0] * film.shape[1], place[1] * film.shape[0])
    ImageDraw.Draw(image).text(at, text, fill=grey, font=font)
    return np.asarray(image)


@pytest.mark.parametrize("place", [(0.02, 0.02), (0.6, 0.03), (0.05, 0.9)])
@pytest.mark.parametrize("size", [14, 24, 36])
def test_writing_near_an_edge(place: tuple[float, float], size: int) -> None:
    film = chest()
    assert not suspected(film)
    row = longest_row(written(film, "DOE JANE 1961", place, size))
    assert row >= LEAST_GLYPHS


@pytest.mark.parametrize("text", ["R", "L", "R  L"])
def test_side_markers_are_no_text(text: str) -> None:
    assert not suspected(written(chest(), text, (0.04, 0.1), 40))


def test_dark_writing_on_a_light_field() -> None:
    film = chest()
    film[:80, :500] = 240
    assert suspected(written(film, "19:38:55 KV70", (0.02, 0.02), 26, grey=10))


def test_what_is_no_film() -> None:
    rng = np.random.default_rng(0)
    assert not suspected(np.zeros((600, 600), np.uint8))
    assert not suspected(rng.integers(0, 256, (1500, 1200), np.uint8))
    assert not suspected(np.zeros((8, 3000), np.uint8))
    assert not suspected((np.indices((900, 900)).sum(0) // 20 % 2 * 255).astype(np.uint8))


def test_it_is_told_in_the_table_and_read_back(tmp_path: Path) -> None:
    root = tmp_path / "films/train/A"
    root.mkdir(parents=True)
    for number in range(8):
        film = chest(number)
        if number == 3:
            film = written(film, "DOE JANE", (0.03, 0.03))
        (root / f"phantom{number:05d}_0.png").write_bytes(encoded(film))
    options = DataSettings(resolution=32, find_text=True)
    dataset = prepare(tmp_path / "films", options, tmp_path / "cache")
    told = dict(zip(dataset.manifest["name"], dataset.manifest["burned_in"], strict=True))
    assert {name for name, word in told.items() if word} == {"train/A/phantom00003_0.png"}
    out = tmp_path / "out"
    write_dataset(dataset, out, options)
    with (out / "metadata.csv").open() as stream:
        assert sorted(row["burned_in"] for row in csv.DictReader(stream)) == [""] * 7 + [
            "suspected"
        ]
    again = prepare(out, options, tmp_path / "cache")
    assert sorted(again.manifest["burned_in"]) == [""] * 7 + ["suspected"]
    only = options.model_copy(update={"where": 'burned_in != "suspected"'})
    assert len(prepare(out, only, tmp_path / "cache").images) == 7


def test_the_thinnest_film_is_none() -> None:
    assert longest_row(np.zeros((16, 13056), np.uint8)) == 0
