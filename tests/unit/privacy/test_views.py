"""Views: what they are blind to, what they see, and the cosines against a slow twin."""

import tracemalloc

import numpy as np
import pytest

from xraygan.privacy import views
from xraygan.privacy.views import FeatureView, PixelView, margin_of, shifts, shrunk


def test_similarity_is_the_best_over_shifts_and_flips(films) -> None:
    """Twin: crop the shifted window and describe it on its own, for every shift and flip."""
    view = PixelView.fit(films.train.images[:100])
    references = view.describe(films.train.images[100:105])
    query = films.fresh.images[:2]
    margin = margin_of(query)
    assert margin == 2
    best = np.full((2, 5), -1.0)
    for seen in (query, query[:, :, ::-1]):
        for down, right in shifts(margin):
            moved = np.roll(seen, (-down, -right), (1, 2))
            best = np.maximum(best, view.describe(moved) @ references.T)
    np.testing.assert_allclose(view.similarity(query, references), best, atol=1e-5)


def test_descriptions_are_those_of_the_covariance(films) -> None:
    """Twin: halve, cut, standardise, project on eigenvectors of the blended covariance."""
    from scipy.fft import dctn

    images = films.train.images[:60]
    view = PixelView.fit(images)

    def window(image: np.ndarray) -> np.ndarray:
        rows = range(2, 30, 2)
        cells = [[image[y : y + 2, x : x + 2].mean() for x in rows] for y in rows]
        cut = np.array(cells) - np.mean(cells)
        return cut / np.linalg.norm(cut)

    cut = np.stack([window(image.astype(float)) for image in images])
    mean = cut.mean(axis=0)
    waves = np.stack([dctn(w - mean, norm="ortho").ravel() for w in cut])
    size, n = waves.shape[1], len(waves)
    covariance = (n * waves.T @ waves / n + size * np.diag(waves.var(axis=0))) / (n + size)
    variances, axes = np.linalg.eigh(covariance)
    variances = np.maximum(variances, 0)
    spread = np.mean(
        [image[2:30, 2:30].reshape(14, 2, 14, 2).mean((1, 3)).std() for image in images]
    )
    noise = (0.2 * 255 / 2 / spread) ** 2 / size
    rows = waves @ axes * np.sqrt(variances) / (variances + noise)
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    described = view.describe(images)
    # Axes may differ in sign and order: cosines do not.
    np.testing.assert_allclose(described @ described.T, expected @ expected.T, atol=2e-3)


def test_copies_stand_out_where_plain_correlation_does_not(films) -> None:
    view = PixelView.fit(films.train.images[:120])
    references = view.describe(films.train.images)
    cosines = view.similarity(films.fresh.images[:20], references)
    pixels = films.train.images.reshape(len(films.train), -1)
    plain = np.corrcoef(films.fresh.images[:20].reshape(20, -1), pixels)[:20, 20:]
    fresh, plain_fresh = np.median(cosines.max(axis=1)), np.median(plain.max(axis=1))
    assert fresh < 0.85 < plain_fresh


def test_contrast_and_brightness_do_not_matter(films) -> None:
    view = PixelView.fit(films.train.images)
    dim = (films.train.images[:10] * 0.5 + 60).astype(np.uint8)
    cosines = (view.describe(dim) * view.describe(films.train.images[:10])).sum(axis=1)
    assert cosines.min() > 0.98


def test_flat_and_large_images() -> None:
    random = np.random.default_rng(1)
    small = random.integers(0, 256, (12, 64, 64), dtype=np.uint8)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(shrunk(large), small)
    assert shrunk(small) is small
    view = PixelView.fit(small)
    flat = np.full((1, 64, 64), 90, np.uint8)
    assert np.isfinite(view.similarity(flat, view.describe(small))).all()


def test_only_some_rows_are_shrunk() -> None:
    large = np.random.default_rng(3).integers(0, 256, (6, 96, 128), dtype=np.uint8)
    rows = np.array([4, 0, 4])
    np.testing.assert_array_equal(shrunk(large, rows), shrunk(large[rows]))
    assert shrunk(large).shape == (6, 48, 64)
    assert shrunk(large, rows[:0]).shape == (0, 48, 64)
    np.testing.assert_array_equal(shrunk(large[:, :48, :64], rows), large[rows, :48, :64])


def test_many_images_are_described_some_at_a_time(monkeypatch) -> None:
    images = np.random.default_rng(4).integers(0, 256, (500, 64, 64), dtype=np.uint8)
    view = PixelView.fit(images[:50])
    whole = view.describe(images)
    monkeypatch.setattr(views, "_ROWS_AT_ONCE", 32)
    tracemalloc.start()
    found = view.describe(images)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, whole, atol=1e-6)
    assert most < 2 * images.size, "floats of all would be twice that, and more than once"


def test_features_are_whitened() -> None:
    random = np.random.default_rng(2)
    table = random.normal(size=(400, 6)) * [100, 10, 1, 1, 1, 1] + 5
    view = FeatureView.fit(table)
    described = view.describe(table)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, atol=1e-5)
    strongest, next_strongest = np.sort(described.std(axis=0))[::-1][:2]
    assert strongest / next_strongest < 3, "was 10 before"
    np.testing.assert_allclose(
        view.similarity(table[:3], described)[[0, 1, 2], [0, 1, 2]], 1, atol=1e-5
    )


@pytest.mark.parametrize("images", [np.zeros((2, 8, 64), np.uint8), np.zeros((2, 64), np.uint8)])
def test_wrong_shapes_are_refused(images) -> None:
    with pytest.raises(ValueError, match="expected"):
        PixelView.fit(images)
    with pytest.raises(ValueError, match="expected"):
        FeatureView.fit(np.zeros((0, 4)))


def test_pixels_are_bytes() -> None:
    with pytest.raises(TypeError, match="uint8"):
        PixelView.fit(np.zeros((2, 32, 32)))
