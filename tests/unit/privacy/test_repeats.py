"""Groups of images that resemble one another, where it is known which do."""

import numpy as np
import pytest

from xraygan.data.phantom import phantom_images
from xraygan.privacy.ratios import References
from xraygan.privacy.repeats import Groups, alike_beyond
from xraygan.privacy.views import PixelView


@pytest.mark.parametrize("side", [64, 128])
def test_repeats_come_together_and_their_mean_is_the_film(side: int) -> None:
    films, _ = phantom_images(60, side, 5)
    view = PixelView.fit(films[20:])
    films_seen = References.of(view.describe(films), np.arange(60))
    draw = np.random.default_rng(0)
    of = np.repeat([0, 1, 2], [6, 5, 2])
    noisy = np.clip(films[of] + draw.normal(0, 20, (len(of), side, side)), 0, 255)
    groups = Groups.of(noisy.astype(np.uint8), view, alike_beyond(films_seen))
    assert groups.sizes.tolist() == [6, 5], "two alike are no group"
    assert groups.looked_at == len(of)
    assert groups.means.shape == (2, 64, 64), "as small as views look at them"
    closest = view.similarity(groups.means, films_seen.described).argmax(axis=1)
    assert closest.tolist() == [0, 1]


def test_one_pair_in_a_hundred_of_different_patients_is_alike() -> None:
    described = np.random.default_rng(1).normal(size=(300, 16)).astype(np.float32)
    described /= np.linalg.norm(described, axis=1, keepdims=True)
    described[1::2] = described[::2]  # two films of each patient, equal
    level = alike_beyond(References.of(described, np.arange(300) // 2))
    cosines = described @ described.T
    others = np.arange(300)[:, None] // 2 != np.arange(300)[None] // 2
    assert (cosines[others] > level).mean() == pytest.approx(0.01, abs=0.001)


def test_nothing_alike_makes_no_group() -> None:
    films, _ = phantom_images(8, 64, 6)
    groups = Groups.of(films, PixelView.fit(films), 1.0)
    assert groups.means.shape == (0, 64, 64)
    assert groups.sizes.tolist() == []
