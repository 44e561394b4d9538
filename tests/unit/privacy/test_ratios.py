"""The calibrated ratio and the lead against a loop over patients."""

import numpy as np
import pytest

from xraygan.privacy import ratios
from xraygan.privacy.ratios import References, nearest_patients
from xraygan.privacy.views import FeatureView


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Plain:
    """Rows as they are."""

    def describe(self, material):
        return unit(material)

    def similarity(self, queries, references):
        return unit(queries) @ references.T


def twin(query, references, patients, own=None, k=10):
    each = {}
    for row, patient in zip(references, patients, strict=True):
        if patient != own:
            each.setdefault(int(patient), []).append(float(np.linalg.norm(query - row)))
    nearest = sorted((min(found), patient) for patient, found in each.items())
    distances = np.array([d for d, _ in nearest[:k]])
    cosines = 1 - distances**2 / 2
    log_ratio = -np.log(distances[0] / distances[1:].mean())
    return log_ratio, cosines[0] - cosines[1:].mean(), nearest[0][1]


@pytest.mark.parametrize("own", [False, True])
def test_ratio_equals_the_loop(monkeypatch, own) -> None:
    monkeypatch.setattr(ratios, "_QUERIES_AT_ONCE", 7)
    random = np.random.default_rng(3)
    table, queries = random.normal(size=(90, 5)), random.normal(size=(20, 5))
    patients = random.permutation(np.arange(90) % 25)
    mine = patients[:20] if own else None
    if own:
        queries = table[:20]
    found = nearest_patients(
        Plain(), queries, References.of(unit(table), patients), own=mine, candidates=4
    )
    for row, query in enumerate(unit(queries)):
        expected = twin(query, unit(table), patients, patients[row] if own else None)
        log_ratio, lead, patient = expected
        assert found.log_ratio[row] == pytest.approx(log_ratio, rel=1e-3, abs=1e-4)
        assert found.lead[row] == pytest.approx(lead, abs=1e-5)
        assert found.patient[row] == patient == patients[found.index[row]]
        cosines = unit(table) @ query
        if own:
            cosines[patients == patients[row]] = -2
        np.testing.assert_array_equal(found.candidates[row], np.argsort(-cosines)[:4])
        assert found.similarity[row] == pytest.approx(cosines.max(), abs=1e-5)


def test_several_films_of_one_patient_do_not_hide_a_copy() -> None:
    """Ten films of one patient would make the ratio 1 if neighbours were images."""
    random = np.random.default_rng(4)
    table = random.normal(size=(60, 40))
    table[:12] = table[0] + random.normal(0, 0.01, (12, 40))
    patients = np.r_[np.zeros(12, int), np.arange(1, 49)]
    found = nearest_patients(Plain(), table[:1], References.of(unit(table), patients))
    assert found.ratio[0] < 0.05


def test_noise_takes_less_from_the_lead_than_from_the_ratio() -> None:
    """Where films are alike in a few directions, as chests are: copies ahead of all other films."""
    random = np.random.default_rng(7)
    table = random.normal(size=(300, 60)) + 1.5 * random.normal(size=(300, 4)) @ random.normal(
        size=(4, 60)
    )
    references = References.of(unit(table), np.arange(300))
    others = nearest_patients(Plain(), table, references, own=np.arange(300))
    noisy = table + random.normal(0, 2, table.shape)
    copies = nearest_patients(Plain(), noisy, references)
    passed = [
        float((getattr(copies, name) > getattr(others, name).max()).mean())
        for name in ("lead", "log_ratio")
    ]
    assert passed[0] > 0.4 > 0.1 > passed[1], passed


def test_an_exact_copy_has_a_finite_ratio() -> None:
    table = np.random.default_rng(5).normal(size=(30, 8))
    found = nearest_patients(Plain(), table, References.of(unit(table), np.arange(30)))
    assert np.isfinite(found.log_ratio).all()
    assert found.log_ratio.min() > 5


def test_no_queries_and_progress() -> None:
    table = np.random.default_rng(6).normal(size=(30, 8))
    references = References.of(unit(table), np.arange(30))
    assert nearest_patients(Plain(), table[:0], references).log_ratio.shape == (0,)
    seen = []
    nearest_patients(Plain(), table[:9], references, progress=seen.append)
    assert sum(seen) == 9


def test_too_few_patients() -> None:
    table = np.eye(4)
    with pytest.raises(ValueError, match="2 patients"):
        nearest_patients(
            FeatureView.fit(table), table, References.of(unit(table), np.array([0, 0, 1, 1]))
        )
