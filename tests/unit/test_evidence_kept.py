"""The evidence as a whole: what cannot be measured does not cost what was."""

from pathlib import Path

import numpy as np
import pytest

from xraygan import evidence
from xraygan.cli import evaluate as command
from xraygan.evaluation.feature_cache import FeatureSpace
from xraygan.evidence import Measures, evaluate, write_evaluation
from xraygan.progress import Reporter
from xraygan.report.evidence import read_evaluation
from xraygan.report.summary import REGIMES, summarise
from xraygan.report.verdicts import utility
from xraygan.report.wording import Censor
from xraygan.sets import ImageSet

CLASSES = ("A", "B")


def films(count: int, seed: int, first_patient: int) -> ImageSet:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32), dtype=np.uint8)
    patients = np.array([f"p{first_patient + n}" for n in range(count)], object)
    return ImageSet(images, np.arange(count, dtype=np.int32) % 2, patients, CLASSES)


def test_fidelity_is_kept_where_a_shared_patient_forbids_utility(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    real, made, train = films(24, 1, 0), films(24, 2, 100), films(60, 3, 23)
    measures = Measures.model_validate({"spaces": ("filter-bank-1",), "utility": "basic"})
    found = evaluate(real, made, train, measures, Reporter(quiet=True))
    assert found["kid"]["value"] is not None
    assert found["utility"]["tstr"] is None
    (reason,) = found["utility"]["notes"]
    assert "1 patients are in both the training and the test images" in reason
    assert len(list(tmp_path.glob("cache/features/evaluation-*.json"))) == 1, "kept"

    write_evaluation(tmp_path, found)
    shown = read_evaluation(tmp_path, CLASSES, Censor())
    assert shown is not None and shown.utility_notes == (reason,)
    assert utility(shown).tone == "none"
    assert reason in command._notes(found)
    assert not [name for name, _ in command._rows(found) if name.startswith(REGIMES)]
    facts = {"data": {"classes": CLASSES, "counts": {}}, "images_trained_on": 60, "notes": []}
    summary = summarise(tmp_path, facts, made.images, made.labels, found, None)
    assert summary["tstr_auc"] is None


def test_other_weights_of_a_borrowed_network_are_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    measures = Measures.model_validate({"spaces": ("inception",), "utility": "none"})
    sets = films(24, 1, 0), films(24, 2, 100), films(60, 3, 200)
    coverage = []
    for weights, sign in (("one", 1), ("one", 0), ("other", 0)):

        def space(name: str, *_: object, weights=weights, sign=sign, **__: object) -> FeatureSpace:
            return FeatureSpace(name, weights, lambda images: sign * images[:, ::4, 0] / 255.0)

        monkeypatch.setattr(evidence, "make_space", space)
        coverage.append(evaluate(*sets, measures, Reporter(quiet=True))["coverage"]["value"])
    assert coverage[0] == coverage[1] != coverage[2]
