"""Correlation with shifts and flips against np.corrcoef on cut windows."""

import tracemalloc

import numpy as np
import pytest

from xraygan.privacy import correlation
from xraygan.privacy.correlation import aligned, best_correlation
from xraygan.privacy.views import shrunk


def pictures(count: int, seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)


def test_best_correlation_equals_the_loops() -> None:
    queries, references = pictures(3, 1), pictures(6, 2)
    queries[0] = np.roll(references[4], (2, -1), (0, 1))[:, ::-1]
    candidates = np.array([[4, 0], [1, 2], [5, 3]])
    found = best_correlation(queries, references, candidates)
    for q, row in enumerate(candidates):
        for c, r in enumerate(row):
            middle = references[r, 2:30, 2:30].ravel()
            each = [
                np.corrcoef(seen[y : y + 28, x : x + 28].ravel(), middle)[0, 1]
                for seen in (queries[q], queries[q, :, ::-1])
                for y in range(5)
                for x in range(5)
            ]
            assert found[q, c] == pytest.approx(max(each), abs=1e-5)
    assert found[0, 0] == pytest.approx(1, abs=1e-5)


def test_a_flat_image_resembles_nothing() -> None:
    flat = np.full((1, 32, 32), 7, np.uint8)
    np.testing.assert_array_equal(best_correlation(flat, pictures(2, 3), np.array([[0, 1]])), 0)


def test_references_are_not_copied_at_full_size() -> None:
    queries, references = pictures(1, 6, 256), pictures(200, 7, 256)
    candidates = np.arange(200)[None]
    tracemalloc.start()
    found = best_correlation(queries, references, candidates)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < references.nbytes
    small = (shrunk(images) for images in (queries, references))
    np.testing.assert_array_equal(found, best_correlation(*small, candidates))


def test_queries_are_made_small_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million of them at 64 px would fill the memory."""
    asked = []

    def counting(images: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        asked.append(len(images))
        return shrunk(images, rows)

    monkeypatch.setattr(correlation, "shrunk", counting)
    best_correlation(pictures(5, 6, 128), pictures(2, 7, 128), np.tile([0, 1], (5, 1)))
    assert asked == [2, 1, 1, 1, 1, 1]


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="one size"):
        best_correlation(pictures(1, 1), pictures(1, 1, 64), np.array([[0]]))


@pytest.mark.parametrize("side", [32, 128])
def test_aligned_undoes_a_shift_and_a_flip(side: int) -> None:
    step = side // 32 if side < 64 else side // 64
    film = np.kron(pictures(1, 5, side // step)[0], np.ones((step, step), np.uint8))
    moved = np.roll(film, (2 * step, -step), (0, 1))[:, ::-1]
    margin = 2 * step
    middle = np.s_[margin:-margin, margin:-margin]
    assert np.array_equal(aligned(moved, film)[middle], film[middle])
    assert np.array_equal(aligned(film, film), film)


@pytest.mark.parametrize("side", [72, 104, 150, 200, 232])
@pytest.mark.parametrize("shift", [-1, 1])
def test_the_farthest_shift_keeps_the_size(side: int, shift: int) -> None:
    film = pictures(1, 5, side)[0]
    moved = np.roll(film, (shift * side // 16, shift * side // 16), (0, 1))
    assert aligned(moved, film).shape == film.shape
