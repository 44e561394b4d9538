"""Films of any size through one window: all of a film is seen, and at both scales."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.evaluation.windows import fits, tile_corners, views, whole, window_size


@given(height=st.integers(16, 300), width=st.integers(16, 300))
def test_tiles_cover_a_film_and_stay_inside(height, width) -> None:
    seen = np.zeros((height, width), bool)
    tall, broad = window_size(height, width)
    for top, left in tile_corners(height, width):
        assert 0 <= top <= height - tall
        assert 0 <= left <= width - broad
        seen[top : top + tall, left : left + broad] = True
    assert seen.all()


def test_a_film_that_fits_is_seen_as_it_is() -> None:
    film = np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8)
    (only,) = views(film)
    np.testing.assert_array_equal(only, film)
    assert fits(64, 64)
    assert not fits(64, 65)


@pytest.mark.parametrize(("size", "tiles"), [((128, 128), 4), ((65, 64), 2), ((100, 150), 6)])
def test_a_larger_film_is_seen_as_a_whole_and_in_tiles(size, tiles) -> None:
    film = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    first, *rest = views(film)
    assert {view.shape for view in (first, *rest)} == {window_size(*size)}
    assert len(rest) == tiles
    np.testing.assert_array_equal(first, whole(film))
    np.testing.assert_array_equal(rest[0], film[:64, :64])
    np.testing.assert_array_equal(rest[-1], film[-64:, -64:])


def test_a_whole_is_the_mean_of_its_pixels() -> None:
    film = np.random.default_rng(2).integers(0, 256, (128, 128), dtype=np.uint8)
    means = film.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(whole(film) - means).max() <= 0.5


def test_films_over_256_px_are_averaged_first() -> None:
    small = np.random.default_rng(3).integers(0, 256, (256, 256), dtype=np.uint8)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    for one, other in zip(views(small), views(large), strict=True):
        np.testing.assert_array_equal(one, other)
