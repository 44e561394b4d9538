"""The whole measurement: its shape, its floors, and that every fault is seen by whom it should."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from films import blurred, films

from xraygan.errors import XrayganError
from xraygan.evaluation import comparison
from xraygan.evaluation.classifier import told_apart
from xraygan.evaluation.feature_cache import FeatureSpace
from xraygan.evaluation.features import filter_bank_features, standardise
from xraygan.evaluation.fidelity import measure_fidelity
from xraygan.evaluation.frechet import frechet_distance
from xraygan.evaluation.kernel import kernel_distance
from xraygan.evaluation.moments import Moments
from xraygan.evaluation.neighbours import coverage
from xraygan.evaluation.pyramid import sliced_wasserstein
from xraygan.evaluation.similarity import similarity_within
from xraygan.evaluation.spectrum import radial_spectra, spectrum_distance
from xraygan.sets import ImageSet

IN_SPACE = {
    "kid", "fid", "fid_ratio", "precision", "recall", "density", "coverage", "classifier_auc"
}  # fmt: skip
OF_PIXELS = {"ms_ssim", "swd", "swd_level_0", "swd_level_1", "swd_level_2", "spectrum"}
BOUNDED = {"precision", "recall", "coverage", "classifier_auc", "ms_ssim"}


def someone(part: ImageSet, prefix: str) -> ImageSet:
    return replace(part, patients=np.array([f"{prefix}{p}" for p in part.patients], object))


def nobody(part: ImageSet) -> ImageSet:
    return replace(part, patients=np.array([f"s{n}" for n in range(len(part))], object))


def thumbnails(images: np.ndarray) -> np.ndarray:
    """A small space by hand: cell means and the strength of fine structure."""
    cells = images.reshape(len(images), 4, 16, 4, 16).mean(axis=(2, 4)).reshape(len(images), -1)
    fine = np.abs(np.diff(images.astype(np.float32), axis=2)).mean(axis=(1, 2))
    return np.concatenate([cells, fine[:, None]], axis=1).astype(np.float32)


@cache
def scale() -> tuple[np.ndarray, np.ndarray]:
    raw = thumbnails(films(200, 4).images)
    return raw.mean(axis=0), raw.std(axis=0)


def thumbnail_features(images: np.ndarray) -> np.ndarray:
    mean, spread = scale()
    return (thumbnails(images) - mean) / spread


THUMBNAILS = FeatureSpace("thumbnails", "1", thumbnail_features)
EVERY_THIRD = FeatureSpace("every third", "2", lambda images: thumbnail_features(images)[:, ::3])
SPACES = {"thumbnails": THUMBNAILS, "every third": EVERY_THIRD}


@cache
def sets() -> tuple[ImageSet, ImageSet, ImageSet]:
    return someone(films(80, 1), "r"), nobody(films(120, 2)), someone(films(120, 3), "t")


@cache
def measured() -> dict:
    return measure_fidelity(*sets(), SPACES)


def figures(found: dict) -> dict[str, dict]:
    return {k: v for k, v in found.items() if isinstance(v, dict) and "value" in v}


def test_every_figure_has_interval_count_and_floor() -> None:
    found = measured()
    expected = IN_SPACE | {f"{name}@every third" for name in IN_SPACE} | OF_PIXELS
    assert set(found["per_class"]) == {"NORMAL", "PNEUMONIA"}
    for scope in (found, *found["per_class"].values()):
        assert set(figures(scope)) == expected
        for name, figure in figures(scope).items():
            assert figure["low"] <= figure["value"] <= figure["high"], name
            assert figure["floor"] is not None
            if name.split("@")[0] in BOUNDED:
                assert 0 <= figure["low"] <= figure["high"] <= 1
    assert found["kid"]["n"] == 80
    assert found["per_class"]["NORMAL"]["kid"]["n"] == 40
    assert found["kid"]["feature_space"] == "thumbnails"
    assert found["fid@every third"]["feature_space"] == "every third"
    assert found["swd"]["feature_space"] is None
    assert any("FID is biased" in note for note in found["notes"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_perfect_generator_is_at_its_floor() -> None:
    found = figures(measured())
    assert found["kid"]["low"] <= found["kid"]["floor_high"]
    assert found["fid_ratio"]["low"] < 1 < found["fid_ratio"]["high"]
    assert found["classifier_auc"]["low"] <= found["classifier_auc"]["floor_high"]
    assert found["coverage"]["value"] > 0.85
    assert found["ms_ssim"]["value"] == pytest.approx(found["ms_ssim"]["floor"], abs=0.03)
    assert found["swd"]["value"] == pytest.approx(found["swd"]["floor"], rel=0.6)


def test_the_floor_is_what_training_images_would_get() -> None:
    real, _, train = sets()
    as_synthetic = measure_fidelity(real, nobody(train), None, {"thumbnails": THUMBNAILS})
    floor = measured()["kid"]
    assert floor["floor_low"] < as_synthetic["kid"]["value"] < floor["floor_high"]
    assert as_synthetic["kid"]["n"] == 40


def test_equal_seeds_give_equal_figures_and_steps_are_counted(tmp_path) -> None:
    real, made, _ = sets()
    seen: list[tuple[int, int]] = []
    space = {"thumbnails": THUMBNAILS}
    first = measure_fidelity(
        real, made, None, space, cache=tmp_path, progress=lambda *step: seen.append(step)
    )
    assert seen == [(n + 1, len(seen)) for n in range(len(seen))]
    assert list(tmp_path.glob("*.npy"))
    never = FeatureSpace("thumbnails", "1", lambda _: pytest.fail("not from the cache"))
    assert measure_fidelity(real, made, None, {"thumbnails": never}, cache=tmp_path) == first


def test_with_many_images_one_distance_is_of_all_of_them(monkeypatch) -> None:
    """What is drawn for the other figures is not all there is: this one reads everything."""
    monkeypatch.setattr(comparison, "MOST", 30)
    real, made, train = sets()
    train = train.rows(np.arange(100))
    seen: list[tuple[int, int]] = []
    found = measure_fidelity(real, made, train, SPACES, progress=lambda *step: seen.append(step))
    assert seen == [(n + 1, len(seen)) for n in range(len(seen))]
    assert found["fid"]["n"] < 40
    whole = found["fid_all"]
    assert (whole["n"], whole["feature_space"]) == (80, "thumbnails")
    assert found["fid_all@every third"]["feature_space"] == "every third"
    chosen = comparison.everything(real, made, train)
    assert chosen is not None
    moments = [Moments.of(thumbnail_features(c.images)) for c in chosen]
    assert [part.n for part in moments] == [80, 100, 100], "as many made images as controls"
    assert whole["value"] == pytest.approx(frechet_distance(*moments[:2]), rel=1e-9)
    assert whole["floor"] == pytest.approx(frechet_distance(*moments[::2]), rel=1e-9)
    assert whole["low"] <= whole["value"] <= whole["high"]
    note = next(note for note in found["notes"] if "fid_all" in note)
    assert "all 80 real images and of 100 synthetic ones, its floor of 100 training" in note
    assert "fid_all" not in measured()


def test_class_balance_does_not_pass_for_infidelity() -> None:
    real, made, train = sets()
    few = np.flatnonzero(made.labels == 1)[:12]
    skewed = made.rows(np.concatenate([np.flatnonzero(made.labels == 0), few]))
    found = measure_fidelity(real, skewed, train, {"every third": EVERY_THIRD})
    assert found["kid"]["n"] == 24
    assert found["kid"]["low"] <= found["kid"]["floor_high"]


def test_exact_repeats_and_a_floor_that_differs_by_itself_are_said() -> None:
    real, made, train = sets()
    repeated = nobody(made.rows(np.arange(len(made)) // 2))
    other = replace(train, images=255 - train.images)
    for synthetic, control, said in ((repeated, train, "exact repeats"), (made, other, "not 0")):
        found = measure_fidelity(real, synthetic, control, {"thumbnails": THUMBNAILS})
        assert any(said in note for note in found["notes"])
    assert not any("repeats" in note or "not 0" in note for note in measured()["notes"])


def test_a_missing_class_is_seen_overall_and_said() -> None:
    real, made, train = sets()
    half = made.of_class(0)
    found = measure_fidelity(real, half, train, {"thumbnails": THUMBNAILS})
    assert set(found["per_class"]) == {"NORMAL"}
    assert any("PNEUMONIA" in note and "missing" in note for note in found["notes"])
    assert found["coverage"]["high"] < found["coverage"]["floor_low"]
    assert found["classifier_auc"]["low"] > found["classifier_auc"]["floor_high"]
    assert found["per_class"]["NORMAL"]["coverage"]["value"] > 0.9


def test_one_patient_gives_figures_without_floors() -> None:
    real, made, _ = sets()
    one = replace(real, patients=np.array(["a"] * len(real), object))
    found = measure_fidelity(one, made, None, {"every third": EVERY_THIRD})
    assert found["kid"]["floor"] is None
    assert found["fid"]["low"] is None
    assert "classifier_auc" not in found
    assert "fid_ratio" not in found
    assert found["precision"]["value"] > 0.5


def test_ten_images_a_side_are_enough_and_nine_are_not() -> None:
    real, made, _ = sets()
    found = measure_fidelity(real.rows(np.arange(12)), made, None, {"every third": EVERY_THIRD})
    assert found["per_class"] == {}
    assert found["kid"]["n"] >= 10
    with pytest.raises(XrayganError, match="give more images"):
        measure_fidelity(real.rows(np.arange(9)), made, None, SPACES)
    with pytest.raises(ValueError, match="no feature space"):
        measure_fidelity(real, made, None, {})


SIZE = 80


@cache
def bench() -> tuple[ImageSet, ImageSet, Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Real images, others to spoil, the filter bank on the reals' scale, and their features."""
    real, other = films(SIZE, 11), films(SIZE, 12)
    raw = filter_bank_features(real.images)
    fitted = standardise(raw)
    return real, other, lambda im: fitted.apply(filter_bank_features(im)), fitted.apply(raw)


def measures(images: np.ndarray, wanted: set[str]) -> dict[str, float]:
    """Each measure by its own function, directed so that a fault raises it."""
    real, other, describe, of_real = bench()
    table, names = describe(images), np.arange(SIZE).astype(object)
    cover = coverage(of_real, table)
    each: dict[str, Callable[[], float]] = {
        "kid": lambda: kernel_distance(table, of_real, subsets=2).value,
        "fid": lambda: frechet_distance(Moments.of(of_real), Moments.of(table)),
        "not precise": lambda: 1 - cover.precision,
        "sparse": lambda: -cover.density,
        "not recalled": lambda: 1 - cover.recall,
        "not covered": lambda: 1 - cover.coverage,
        "told apart": lambda: told_apart(of_real, table, names, names).value,
        "swd": lambda: sliced_wasserstein(
            real.images, images, projections=32, patches_per_image=64
        )[0],
        "spectrum": lambda: (
            spectrum_distance(
                radial_spectra(real.images), radial_spectra(images), names, names
            ).value
        ),
        "alike": lambda: likeness(images, other.labels, names),
    }
    return {name: each[name]() for name in wanted}


def likeness(images: np.ndarray, labels: np.ndarray, names: np.ndarray) -> float:
    found = similarity_within(images, labels, names)
    assert found is not None
    return found.value


@cache
def unspoilt() -> dict[str, float]:
    return measures(bench()[1].images, LIKENESS | DIVERSITY)


def rounded(pictures: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    return rounded(images + np.random.default_rng(5).normal(0, sigma, images.shape))


def checkered(images: np.ndarray, height: float) -> np.ndarray:
    return rounded(images + height * (-1.0) ** np.add.outer(np.arange(64), np.arange(64)))


def jpeg(images: np.ndarray, quality: float) -> np.ndarray:
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    coded = [cv2.imencode(".jpg", image, flags)[1] for image in images]
    decoded = [cv2.imdecode(code, cv2.IMREAD_GRAYSCALE) for code in coded]
    return np.stack(decoded).astype(np.uint8)


def repeated(images: np.ndarray, kept: float) -> np.ndarray:
    """So many images of either class, again and again."""
    return images[np.arange(len(images)) % int(kept)]


def narrowed(images: np.ndarray, share: float) -> np.ndarray:
    """Modes lost: the darkest share alone, again and again; classes as they come."""
    order = np.argsort(images.mean(axis=(1, 2)), kind="stable")
    return images[order][: int(len(images) * share)][
        np.arange(len(images)) % int(len(images) * share)
    ]


IN_THE_SPACE = {"kid", "fid", "told apart", "not precise", "sparse", "not covered"}
LIKENESS = IN_THE_SPACE | {"swd", "spectrum"}
DIVERSITY = {"fid", "not recalled", "not covered", "alike"}
BOUNDED_FAULTS = {"told apart", "not precise", "sparse", "not covered", "not recalled"}


@pytest.mark.parametrize(
    ("fault", "severities", "seen_by"),
    [
        (blurred, (0.4, 0.6, 1.0), LIKENESS),
        (noisy, (4, 8, 20), LIKENESS),
        (checkered, (1, 3, 8), LIKENESS),
        (jpeg, (70, 40, 10), IN_THE_SPACE),
        (repeated, (24, 10, 4), DIVERSITY),
        (narrowed, (0.5, 0.2, 0.08), DIVERSITY - {"alike"} | {"kid"}),
    ],
)
def test_each_fault_raises_those_who_claim_to_see_it(fault, severities, seen_by) -> None:
    other = bench()[1].images
    rows = [unspoilt(), *(measures(fault(other, s), seen_by) for s in severities)]
    for name in seen_by:
        values = [row[name] for row in rows]
        assert values == sorted(values), (name, values)
        assert values[3] > values[0], name
        assert name in BOUNDED_FAULTS or len(set(values)) == 4, (name, values)


def test_one_patient_gives_figures_without_intervals() -> None:
    real = replace(films(24, 1), patients=np.full(24, "one", object))
    space = {"thumbnails": FeatureSpace("thumbnails", "thumbnails", thumbnail_features)}
    found = measure_fidelity(real, nobody(films(40, 2)), someone(films(60, 3), "t"), space)
    for name in ("recall", "coverage", "fid"):
        assert found[name]["value"] is not None
        assert found[name]["low"] is found[name]["high"] is None, name
    assert found["precision"]["low"] is not None, "made images are nobody's"
    assert any("The real images are of 1 patient: intervals" in note for note in found["notes"])
