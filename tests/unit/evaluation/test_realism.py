"""The figure of each snapshot."""

import numpy as np

from xraygan.evaluation import realism


def test_of_many_validation_films_all_classes_are_looked_at(monkeypatch) -> None:
    """They lie class by class: the first ones would be of one class."""
    monkeypatch.setattr(realism, "MOST_IMAGES", 100)
    images = np.arange(1000)
    chosen = realism._some(images, 0)
    assert len(chosen) == 100
    assert abs(chosen.mean() - 500) < 100
    np.testing.assert_array_equal(chosen, realism._some(images, 0))
    np.testing.assert_array_equal(realism._some(images[:50], 0), images[:50])
