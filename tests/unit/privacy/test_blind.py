"""The blind control sees differences between sets, and does not learn patients by heart."""

import numpy as np

from xraygan.privacy.blind import blind_scores
from xraygan.privacy.roc import Suspects, area

MEMBER = np.arange(300) < 200


def blind_area(table: np.ndarray, patients: np.ndarray) -> float:
    suspects = Suspects(MEMBER, patients.astype(object), np.zeros(300, int))
    return area(MEMBER, blind_scores(suspects, table))


def test_exchangeable_sets_cannot_be_told_apart() -> None:
    table = np.random.default_rng(1).normal(size=(300, 400))
    assert 0.4 < blind_area(table, np.arange(300)) < 0.6


def test_films_of_one_patient_are_never_on_both_sides() -> None:
    """Patients with ten equal films each: a classifier that saw some would know the rest."""
    table = np.repeat(np.random.default_rng(2).normal(size=(30, 50)), 10, axis=0)
    assert 0.25 < blind_area(table, np.arange(300) // 10) < 0.75
    assert blind_area(table, np.arange(300)) > 0.95


def test_a_shift_is_seen() -> None:
    table = np.random.default_rng(3).normal(size=(300, 100))
    table[MEMBER, :3] += 1
    assert blind_area(table, np.arange(300)) > 0.7
    assert np.isfinite(blind_area(np.ones((300, 4)), np.arange(300)))
