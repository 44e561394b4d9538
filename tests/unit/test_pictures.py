from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraygan.pictures import class_blocks, grid, plot_losses, save_grid, shown_classes


def flat(values: list[int], side: int = 3) -> np.ndarray:
    return np.stack([np.full((side, side), value, np.uint8) for value in values])


@pytest.mark.parametrize("gap", [0, 1, 2])
def test_grid_geometry(gap: int) -> None:
    picture = grid([flat([10, 20, 30]), flat([40])], gap)
    step = 3 + gap
    assert picture.shape == (2 * step + gap, 3 * step + gap)
    expected = [[10, 20, 30], [40, 0, 0]]
    seen = np.zeros(picture.shape, bool)
    for row in range(2):
        for column in range(3):
            cell = (
                slice(gap + row * step, gap + row * step + 3),
                slice(gap + column * step, gap + column * step + 3),
            )
            assert (picture[cell] == expected[row][column]).all()
            seen[cell] = True
    lines = picture[~seen]
    assert np.isin(lines, [96, 0]).all()
    assert (picture[:gap] == 96).all()
    assert (picture[:, :gap] == 96).all()


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([7, 9], {0: 20, 1: 20}),
        ([7, 0, 9], {0: 20, 2: 20}),
        ([3] * 5, dict.fromkeys(range(5), 10)),
        ([3] * 800, dict.fromkeys(range(40), 10)),
    ],
)
def test_a_sample_grid_shows_classes_that_have_films_and_not_hundreds(
    counts: list[int], shown: dict[int, int]
) -> None:
    assert shown_classes(counts) == shown


def test_class_blocks() -> None:
    labels = np.array([1, 0, 1, 1, 0])
    rows = class_blocks(flat([1, 2, 3, 4, 5]), labels, 2)
    assert [row[:, 0, 0].tolist() for row in rows] == [[2, 5], [1, 3], [4]]


@pytest.mark.parametrize(("side", "factor"), [(64, 2), (65, 1)])
def test_small_images_are_enlarged(tmp_path: Path, side: int, factor: int) -> None:
    path = tmp_path / "grid ü.png"
    rows = [flat([7, 200], side)]
    save_grid(path, rows)
    written = np.asarray(Image.open(path))
    assert np.array_equal(written[::factor, ::factor], grid(rows))
    assert written.shape == tuple(factor * n for n in grid(rows).shape)


@pytest.mark.parametrize("measured", [False, True])
def test_losses_are_drawn(tmp_path: Path, measured: bool) -> None:
    rows = [{"images_seen": n * 1000, "d_loss": 0.7, "g_loss": 0.6} for n in range(1, 4)]
    if measured:
        rows[1] |= {"kid": 0.3, "kid_floor": 0.01}
    plot_losses(tmp_path / "losses.png", rows)
    picture = Image.open(tmp_path / "losses.png")
    assert picture.format == "PNG"
    assert np.asarray(picture.convert("L")).std() > 5
    assert [path.name for path in tmp_path.iterdir()] == ["losses.png"]
