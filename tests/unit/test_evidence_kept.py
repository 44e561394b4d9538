"""The evidence as a whole: what cannot be measured does not cost what was."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from xraygan import api, evidence
from xraygan.cli import evaluate as command
from xraygan.errors import XrayganError
from xraygan.evaluation.feature_cache import FeatureSpace
from xraygan.evidence import Measures, evaluate, write_evaluation
from xraygan.progress import Reporter
from xraygan.report.evidence import read_evaluation
from xraygan.report.summary import REGIMES, summarise
from xraygan.report.titles import regime_title
from xraygan.report.verdicts import utility
from xraygan.report.wording import Censor
from xraygan.sets import ImageSet

CLASSES = ("A", "B")


def films(count: int, seed: int, first_patient: int) -> ImageSet:
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32), dtype=np.uint8)
    patients = np.array([f"p{first_patient + n}" for n in range(count)], object)
    return ImageSet(images, np.arange(count, dtype=np.int32) % 2, patients, CLASSES)


def test_fidelity_is_kept_where_shared_patients_forbid_utility(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    real, made, train = films(24, 1, 0), films(24, 2, 100), films(60, 3, 6)
    measures = Measures.model_validate({"spaces": ("filter-bank-1",), "utility": "basic"})
    found = evaluate(real, made, train, measures, Reporter(quiet=True))
    assert found["kid"]["value"] is not None
    assert found["utility"]["tstr"] is None
    reasons = tuple(found["utility"]["notes"])
    assert "18 patients with 18 test images are in the training images" in reasons[0]
    assert len(list(tmp_path.glob("cache/features/evaluation-*.json"))) == 1, "kept"

    write_evaluation(tmp_path, found)
    shown = read_evaluation(tmp_path, CLASSES, Censor())
    assert shown is not None and shown.utility_notes == reasons
    assert utility(shown).tone == "none"
    assert reasons[0] in command._notes(found)
    assert not [name for name in command._sections(found) if name in map(regime_title, REGIMES)]
    facts = {"data": {"classes": CLASSES, "counts": {}}, "images_trained_on": 60, "notes": []}
    summary = summarise(tmp_path, facts, made.images, made.labels, found, None)
    assert summary["tstr_auc"] is None


@pytest.mark.parametrize("train", [None, films(24, 3, 200)], ids=["reference", "training films"])
def test_who_taught_the_network_is_said(
    train: ImageSet | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def means(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), 16, -1).mean(axis=2, dtype=np.float32)

    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    named = {"chest-net-1": FeatureSpace("chest-net-1", "means", means)}
    monkeypatch.setattr(evidence, "_spaces", lambda _, names, *rest: named if names else {})
    measures = Measures.model_validate({"spaces": ("chest-net-1",), "utility": "none"})
    found = evaluate(films(24, 1, 0), films(24, 2, 100), train, measures, Reporter(quiet=True))
    assert (evidence.TAUGHT_REFERENCE in found["notes"]) == (train is None)


def written(folder: Path, part: ImageSet, by_class: bool) -> Path:
    for number, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
        inside = folder / CLASSES[label] if by_class else folder
        inside.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(inside / f"{number}.png"), image)
    return folder


@pytest.mark.parametrize("flat", ["real", "synthetic", "train"])
def test_images_in_no_class_folders_are_compared_with_all(
    flat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other generators write one folder."""
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    real, made, train = (
        written(tmp_path / name, films(24, seed, 100 * seed), by_class=name != flat)
        for seed, name in enumerate(("real", "synthetic", "train"))
    )
    found = api.evaluate(
        real, made, train, spaces=("filter-bank-1",), reporter=Reporter(quiet=True)
    )
    assert found["kid"]["n"] == 24
    assert found["kid"]["floor"] is not None
    assert found["per_class"] == {}
    assert found["utility"]["tstr"] is None
    assert f"The {flat} images lie in no class folders" in found["notes"][0]
    assert not any("class shares" in note for note in found["notes"])


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


@pytest.mark.parametrize("flat", ["train", "holdout", "synthetic"])
def test_an_audit_attacks_films_in_no_class_folders_too(
    flat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    train, holdout, made = (
        written(tmp_path / name, films(count, seed, 100 * seed), by_class=name != flat)
        for seed, (name, count) in enumerate((("train", 60), ("holdout", 44), ("synthetic", 60)))
    )
    found = api.audit(train, holdout, made, reporter=Reporter(quiet=True))
    assert found["membership"]
    said = f"The {flat} images lie in no class folders: all were compared with all, so that the "
    told = [note for note in found["notes"] if note.startswith(said)]
    assert [note.endswith("balance of classes counts as well.") for note in told] == (
        [] if flat == "synthetic" else [True]
    )


def test_an_evaluation_writes_no_plot_among_the_synthetic_images(tmp_path: Path) -> None:
    made = written(tmp_path / "made", films(24, 2, 100), by_class=True)
    real = written(tmp_path / "real", films(24, 1, 0), by_class=True)
    for out in (made / "out", made / "A" / "out"):
        with pytest.raises(XrayganError, match="writes a plot, which would be taken for one of"):
            api.evaluate(real, made, out=out, reporter=Reporter(quiet=True))
        assert not out.exists()


@pytest.mark.parametrize("verb", ["comparing", "auditing"])
def test_a_network_that_finds_no_room_is_one_clear_line(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(images: np.ndarray) -> np.ndarray:
        return np.empty((len(images), 2**50), np.float32)

    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    space = FeatureSpace("chest-net-1", "0", greedy)
    monkeypatch.setattr(evidence, "make_space", lambda *_args, **_more: space)
    measures = Measures.model_validate({"spaces": ("chest-net-1",), "utility": "none"})
    real, made, train = films(24, 1, 0), films(24, 2, 100), films(60, 3, 200)
    with pytest.raises(XrayganError, match=rf"out of memory {verb} images .*--resolution"):
        if verb == "comparing":
            evaluate(real, made, train, measures, Reporter(quiet=True))
        else:
            evidence.look_for_leaks(train, real, made, measures, Reporter(quiet=True))
