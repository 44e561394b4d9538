"""Utility: known answers, the shape of the result, and what is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraygan.config import PixelSettings
from xraygan.data.collection import read_sets
from xraygan.data.phantom import phantom_images
from xraygan.estimates import Estimate
from xraygan.evaluation.diagnoser import BATCH
from xraygan.evaluation.exam import MEASURES
from xraygan.evaluation.utility import measure_utility
from xraygan.sets import ImageSet

CLASSES = ("NORMAL", "PNEUMONIA")


def films(
    count: int, seed: int, classes: tuple[str, ...] = CLASSES, contrast: int = 40
) -> ImageSet:
    """Noise with a bright patch whose size tells the class; two films a patient."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) // 2 % len(classes)).astype(np.int32)
    images = random.integers(60, 120, (count, 32, 32)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        size = 4 + 6 * label
        top, left = random.integers(0, 32 - size, 2)
        image[top : top + size, left : left + size] += contrast
    patients = np.array([f"{seed}-{n // 2}" for n in range(count)], object)
    return ImageSet(images, labels, patients, classes)


def as_synthetic(part: ImageSet) -> ImageSet:
    return replace(part, patients=np.array([f"synthetic {n}" for n in range(len(part))], object))


def figure(found: dict[str, Any], name: str, measure: str = "auc") -> Estimate:
    return Estimate(**found[name][measure])


@pytest.fixture(scope="module")
def train() -> ImageSet:
    return films(240, 1)


@pytest.fixture(scope="module")
def test_set() -> ImageSet:
    return films(120, 2)


@pytest.fixture(scope="module")
def copied(train, test_set) -> dict[str, Any]:
    """The synthetic images are the real ones."""
    return measure_utility(train, test_set, as_synthetic(train), steps=48)


def test_what_can_be_learnt_is_learnt(copied) -> None:
    auc = figure(copied, "trtr")
    assert auc.value > 0.97
    assert auc.low > 0.85
    assert figure(copied, "trtr", "sensitivity").value > 0.8
    assert figure(copied, "trtr", "specificity").value > 0.8


def test_a_copy_of_the_real_set_is_worth_as_much(copied) -> None:
    gap = figure(copied, "tstr_minus_trtr", "auc_difference")
    assert abs(gap.value) < 0.03
    assert gap.low <= 0 <= gap.high


def test_shuffled_labels_teach_nothing(copied) -> None:
    control = figure(copied, "label_shuffled")
    assert control.low <= 0.5 <= control.high
    assert control.high < figure(copied, "trtr").low


def test_every_regime_has_every_figure(copied, train, test_set) -> None:
    names = ("trtr", "trts", "tstr", "real_plus_synthetic_1", "label_shuffled")
    assert list(copied) == [*names, "tstr_minus_trtr", "notes"]
    assert json.loads(json.dumps(copied)) == copied
    for name in names:
        item = copied[name]
        assert list(item) == [*MEASURES, "images", "seeds", "trained_on"]
        images = len(train if name == "trts" else test_set)
        assert (item["images"], item["seeds"]) == (images, 3)
        for measure in MEASURES:
            found = figure(copied, name, measure)
            assert found.n == images
            assert 0 <= found.low <= found.value <= found.high <= 1
    assert copied["tstr"]["trained_on"] == {"real": 0, "synthetic": 240}
    assert copied["trtr"]["trained_on"] == {"real": 240, "synthetic": 0}
    assert any("PNEUMONIA that is found" in note for note in copied["notes"])


def test_useless_images_are_found_out(train, test_set) -> None:
    """Noise with labels: TSTR is at chance, and well below TRTR."""
    random = np.random.default_rng(5)
    noise = replace(
        as_synthetic(train), images=random.integers(0, 256, train.images.shape).astype(np.uint8)
    )
    found = measure_utility(train, test_set, noise, steps=48)
    assert figure(found, "tstr_minus_trtr", "auc_difference").high < -0.1
    assert figure(found, "tstr").low < 0.55
    assert figure(found, "trts").low <= 0.5 <= figure(found, "trts").high


def test_full_holds_all_regimes_and_their_differences(train, test_set) -> None:
    calls: list[tuple[int, int]] = []
    found = measure_utility(
        train,
        test_set,
        as_synthetic(train),
        extent="full",
        steps=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    drawn = 2 * BATCH  # of pools that are larger: no image comes twice
    for name in ("classical_augmentation", "trtr", "synthetic_then_real"):
        assert sum(found[name]["trained_on"].values()) == drawn
    assert found["synthetic_then_real"]["trained_on"] == {"real": BATCH, "synthetic": BATCH}
    mixed = found["real_plus_synthetic_0.25"]["trained_on"]
    assert mixed["real"] > mixed["synthetic"] > 0
    few = found["low_10_real_plus_synthetic"]["trained_on"]
    assert few["real"] <= 10
    assert few["synthetic"] > 10
    assert any("drew 64 images" in note for note in found["notes"])
    for name in (
        "tstr_minus_trtr",
        "real_plus_synthetic_1_minus_real_duplicated",
        "synthetic_then_real_minus_trtr",
        "low_50_real_plus_synthetic_minus_low_50_real",
    ):
        gap = figure(found, name, "auc_difference")
        first, second = name.split("_minus_")
        assert gap.value == pytest.approx(figure(found, first).value - figure(found, second).value)
        assert gap.low <= gap.value <= gap.high
    assert "low_200_real" not in found
    assert any("training on 200 real images alone is left out" in note for note in found["notes"])
    assert any("4 × as many synthetic ones is left out" in note for note in found["notes"])
    total = calls[-1][1]
    assert calls == [(n, total) for n in range(1, total + 1)]


def test_equal_seeds_give_equal_figures(train, test_set) -> None:
    def measured(seed: int) -> dict[str, Any]:
        return measure_utility(train, test_set, as_synthetic(train), steps=2, seeds=(seed, 7, 8))

    assert measured(4) == measured(4)
    assert measured(4) != measured(5)


def test_patients_on_both_sides_are_left_out_of_the_test(train, test_set) -> None:
    patients = test_set.patients.copy()
    patients[2:4] = train.patients[0]
    shared = replace(test_set, patients=patients)
    found = measure_utility(train, shared, as_synthetic(train), steps=1)
    assert "1 patients with 2 test images are in the training images" in found.pop("notes")[0]
    others = test_set.rows(np.delete(np.arange(120), [2, 3]))
    expected = measure_utility(train, others, as_synthetic(train), steps=1)
    expected.pop("notes")
    assert found == expected


def test_few_patients_of_the_test_alone_are_a_note(train, test_set) -> None:
    patients = np.resize(train.patients, 120)
    patients[:6] = test_set.patients[:6]
    found = measure_utility(train, replace(test_set, patients=patients), as_synthetic(train))
    assert found.keys() == {"trtr", "tstr", "trts", "notes"}
    assert found["trtr"] is found["tstr"] is found["trts"] is None
    assert "57 patients with 114 test images" in found["notes"][0]
    assert "class NORMAL is left out" in found["notes"][1]
    assert "not defined" in found["notes"][-1]


def test_one_class_is_a_note(train, test_set) -> None:
    only = as_synthetic(train.of_class(1))
    found = measure_utility(train, test_set, only)
    assert {key: found[key] for key in found if key != "notes"} == dict.fromkeys(
        ("trtr", "tstr", "trts")
    )
    assert "class NORMAL is left out" in found["notes"][0]
    assert "not defined" in found["notes"][1]


def test_a_class_that_is_missing_somewhere_is_left_out() -> None:
    names = ("A", "B", "C")
    train, test, synthetic = (films(count, seed, names) for seed, count in enumerate((90, 60, 90)))
    without = synthetic.rows(synthetic.labels != 1)
    found = measure_utility(train, test, without, steps=1)
    assert "class B is left out" in found["notes"][0]
    assert found["trtr"]["images"] == 40
    assert found["tstr"]["trained_on"] == {"real": 0, "synthetic": BATCH}


def test_wrong_input_is_refused(train, test_set) -> None:
    synthetic = as_synthetic(train)
    with pytest.raises(ValueError, match="at least 3, none twice"):
        measure_utility(train, test_set, synthetic, seeds=(0, 1, 1))
    with pytest.raises(ValueError, match="one list"):
        measure_utility(train, replace(test_set, classes=("A", "B")), synthetic)
    with pytest.raises(ValueError, match="expected one"):
        small = replace(synthetic, images=synthetic.images[:, :16])
        measure_utility(train, test_set, small)


@pytest.mark.slow
def test_phantoms_of_other_patients_are_as_good_as_the_real_ones() -> None:
    sets = []
    for seed, count in enumerate((600, 300, 600)):
        images, labels = phantom_images(count, 64, seed)
        patients = np.array([f"{seed}-{n}" for n in range(count)], object)
        sets.append(ImageSet(images, labels, patients, CLASSES))
    found = measure_utility(*sets)
    assert figure(found, "trtr").value > 0.9
    assert figure(found, "tstr_minus_trtr", "auc_difference").high > -0.01
    control = figure(found, "label_shuffled")
    assert control.low <= 0.5 <= control.high


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif("XRAYGAN_TEST_DATA" not in os.environ, reason="needs XRAYGAN_TEST_DATA")
def test_the_network_is_good_enough_on_real_films() -> None:
    data = Path(os.environ["XRAYGAN_TEST_DATA"]) / "chest_xray"
    sets = read_sets({"train": data, "real": data / "test"}, PixelSettings()).sets
    found = measure_utility(sets["train"], sets["real"], as_synthetic(sets["train"]))
    # The set's own test folder differs from its training folder: three times the steps give .94.
    assert figure(found, "trtr").value > 0.91
    gap = figure(found, "tstr_minus_trtr", "auc_difference")
    assert gap.low <= 0 <= gap.high
    control = figure(found, "label_shuffled")
    assert control.low <= 0.5 <= control.high
