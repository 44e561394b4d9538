"""The generator's last layer gives films the moments of others, as far as they are known."""

from pathlib import Path

import numpy as np
import pytest
from scipy.fft import dctn

from xraygan.config import ModelSettings, TrainingSettings
from xraygan.models.calibration import COARSE, Calibrated, cosines
from xraygan.models.conditions import class_conditions
from xraygan.models.files import load_model
from xraygan.models.sample import sample
from xraygan.progress import Reporter
from xraygan.runs import RunFolder
from xraygan.training.base import fit_base
from xraygan.training.calibration import (
    MOMENT_PRIOR_FILMS,
    MOST_CORRECTION,
    Calibrator,
    Moments,
    fit_calibration,
    moments,
    transport,
)
from xraygan.training.snapshots import Snapshots
from xraygan.training.state import TrainState
from xraygan.training.trainer import TrainingData

SIDE = 32


def films_of(count: int, seed: int, softness: float = 1.0) -> np.ndarray:
    """Correlated where they are coarse, ever weaker where they are fine: [count, 32, 32]."""
    random = np.random.default_rng(seed)
    spectra = random.normal(size=(count, SIDE, SIDE))
    radius = np.hypot(*np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    spectra *= np.exp(-softness * radius / SIDE)
    spectra[:, 0, 1] = 0.5 * spectra[:, 1, 0] + 0.5 * spectra[:, 0, 1]
    return (0.2 * cosines(SIDE).T @ spectra @ cosines(SIDE)).astype(np.float32)


def one_hot(labels: np.ndarray, count: int = 2) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[labels]


def calibrated(films: np.ndarray, conditions: np.ndarray, weights: dict) -> np.ndarray:
    layer = Calibrated(SIDE, conditions.shape[1], dtype="float32")
    for name, value in weights.items():
        getattr(layer, name).assign(value)
    return np.asarray(layer(films[..., None], conditions))[..., 0]


def test_cosines_are_the_orthonormal_transform() -> None:
    film = films_of(1, 0)[0]
    transform = cosines(SIDE)
    np.testing.assert_allclose(transform @ transform.T, np.eye(SIDE), atol=1e-6)
    np.testing.assert_allclose(transform @ film @ transform.T, dctn(film, norm="ortho"), atol=1e-5)


def test_a_layer_that_was_not_fitted_changes_nothing() -> None:
    films, conditions = films_of(3, 0), one_hot(np.array([0, 1, 1]))
    assert np.array_equal(calibrated(films, conditions, {}), films)


def test_moments_are_those_of_numpy_batch_by_batch() -> None:
    films, labels = films_of(90, 1), np.arange(90) % 3
    found = moments(iter([films[:50], films[50:]]), one_hot(labels, 3))
    spectra = dctn(films.astype(float), axes=(1, 2), norm="ortho")
    coarse = spectra[:, :COARSE, :COARSE].reshape(90, -1)
    within = np.concatenate([coarse[labels == k] - coarse[labels == k].mean(0) for k in range(3)])
    np.testing.assert_allclose(found.gram, 30 * np.eye(3))
    np.testing.assert_allclose(found.mean, spectra.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.variances, spectra.var(axis=0), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(found.means[1], coarse[labels == 1].mean(0), atol=1e-6)
    np.testing.assert_allclose(found.covariance, within.T @ within / 87, atol=1e-6)


def test_a_film_of_two_labels_lies_between_their_means() -> None:
    conditions = np.array([[1, 0], [0, 1], [1, 1]] * 20, np.float32)
    levels = conditions / conditions.sum(axis=1, keepdims=True) @ np.array([0.2, 0.6])
    films = np.ones((60, SIDE, SIDE), np.float32) * levels[:, None, None].astype(np.float32)
    found = moments([films], conditions)
    np.testing.assert_allclose(found.means[:, 0], SIDE * np.array([0.2, 0.6]), rtol=1e-5)
    assert found.films == pytest.approx(60)


def test_a_label_that_never_comes_alone_but_once_is_not_that_one_film() -> None:
    """A thousand films of two labels and one of the first alone: nothing tells the two apart."""
    conditions = np.array([[1, 1]] * 1000 + [[1, 0]], np.float32)
    odd = films_of(1001, 7)
    odd[-1] += 1
    real, made = moments([odd], conditions), moments([films_of(500, 8)], conditions[:500])
    shifts = fit_calibration(real, made)["coarse_shift"][:, 0]
    assert np.abs(shifts).max() < 0.05 * SIDE
    assert np.abs(shifts[0] - shifts[1]) < 0.02 * SIDE


def test_transport_maps_one_covariance_to_the_other() -> None:
    random = np.random.default_rng(0)
    source, target = (0.2 * a @ a.T + np.eye(6) for a in random.normal(size=(2, 6, 6)))
    found = transport(source, target)
    np.testing.assert_allclose(found, found.T, atol=1e-9)
    ridge = 1e-3 * np.trace(target) / 6 * np.eye(6)
    np.testing.assert_allclose(found @ (source + ridge) @ found, target + ridge, rtol=1e-3)
    most = np.linalg.eigvalsh(transport(source, 100 * target)).max()
    assert most <= np.exp(MOST_CORRECTION) + 1e-9
    np.testing.assert_allclose(transport(0 * source, 0 * target), np.eye(6), atol=1e-9)


def test_soft_films_get_the_moments_of_sharp_ones() -> None:
    labels = np.arange(3000) % 2
    conditions = one_hot(labels)
    shift = np.where(labels, 0.2, -0.1)[:, None, None].astype(np.float32)
    real, made = films_of(3000, 2, softness=1.0) + shift, films_of(3000, 3, softness=1.6)
    wanted, before = (moments([films], conditions) for films in (real, made))
    after = moments([calibrated(made, conditions, fit_calibration(wanted, before))], conditions)
    fine = np.ones((SIDE, SIDE), bool)
    fine[:COARSE, :COARSE] = False
    ratio = (after.variances / wanted.variances)[fine]
    assert 0.9 < np.median(ratio) < 1.05
    assert np.median((before.variances / wanted.variances)[fine]) < 0.6
    error = np.abs(after.covariance - wanted.covariance).max() / wanted.covariance.max()
    assert error < 0.05
    left = np.abs(after.means - wanted.means).max() / np.abs(before.means - wanted.means).max()
    assert left < 1.2 * MOMENT_PRIOR_FILMS / (MOMENT_PRIOR_FILMS + 750)
    fine = [part.mean[COARSE:, COARSE:] for part in (before, after)]
    np.testing.assert_allclose(*fine, atol=1e-5)


def test_few_films_move_little_and_no_gain_is_beyond_the_bound() -> None:
    made = moments([films_of(1000, 3, softness=3.0)], one_hot(np.arange(1000) % 2))
    one = moments([films_of(1, 2) + 0.5], one_hot(np.array([0])))
    sharp = moments([films_of(3000, 2, softness=-3.0)], one_hot(np.arange(3000) % 2))
    little = fit_calibration(one, made)
    assert np.abs(np.log(little["gains"])).max() < 1 / (1 + MOMENT_PRIOR_FILMS)
    assert np.abs(little["coarse_map"] - np.eye(COARSE**2)).max() < 0.05
    own = np.abs(one.means[0] - made.means[0]).max()
    assert np.abs(little["coarse_shift"]).max() < 0.05 * own
    assert np.abs(np.log(fit_calibration(sharp, made)["gains"])).max() <= MOST_CORRECTION + 1e-6


def test_a_label_without_made_films_is_shifted_as_all_are() -> None:
    """Of 500 films each of two labels, and of five of a third, of which none was made."""
    labels = np.repeat([0, 1, 2], [500, 500, 5])
    real = moments([films_of(1005, 4) + 0.1], one_hot(labels, 3))
    made = moments([films_of(1000, 5)], one_hot(labels[:1000], 3))
    shifts = fit_calibration(real, made)["coarse_shift"]
    np.testing.assert_allclose(shifts[:, 0], 0.1 * SIDE, rtol=0.1)


@pytest.fixture(scope="module")
def fitted(tiny: ModelSettings) -> tuple[TrainState, TrainingData, list[np.ndarray]]:
    """A state whose base is fitted to films, and the images that it draws before calibration."""
    images = np.clip(128 + 127 * films_of(400, 6), 0, 255).astype(np.uint8)
    data = TrainingData(images, np.arange(400, dtype=np.int32) % 2, class_conditions(tiny))
    state = TrainState(tiny, TrainingSettings(batch=4))
    state.set_base(fit_base(images, data.conditions, tiny))
    return state, data, [drawn_from(state, tiny)]


def drawn_from(state: TrainState, network: ModelSettings) -> np.ndarray:
    return sample(state.published, network, 0, range(400), [n % 2 for n in range(400)])


def distance(images: np.ndarray, data: TrainingData) -> float:
    """Between logarithms of standard deviations of what is fine."""
    logs = []
    for part in (images, data.images):
        found: Moments = moments([part.astype(np.float32) / 127.5 - 1], data.conditions)
        logs.append(0.5 * np.log(found.variances + 1e-9)[COARSE:, COARSE:])
    return float(np.abs(logs[0] - logs[1]).mean())


def test_a_generator_is_calibrated_and_what_learns_is_not_touched(
    tiny: ModelSettings, fitted: tuple[TrainState, TrainingData, list[np.ndarray]]
) -> None:
    state, data, (before,) = fitted
    learnt = [np.asarray(weight) for weight in state.average.weights]
    calibrator = Calibrator(state.published, tiny, data)
    calibrator.fit(400)
    after = drawn_from(state, tiny)
    assert distance(after, data) < 0.7 * distance(before, data)
    assert all(np.array_equal(a, b) for a, b in zip(learnt, state.average.weights, strict=True))
    calibrator.fit(400)
    assert np.array_equal(drawn_from(state, tiny), after)


def test_a_snapshot_writes_a_calibrated_model(
    tiny: ModelSettings,
    fitted: tuple[TrainState, TrainingData, list[np.ndarray]],
    tmp_path: Path,
) -> None:
    state, data, _ = fitted
    state.published.get_layer("calibration").gains.assign(np.ones((SIDE, SIDE), np.float32))
    nobody = TrainingData(data.images[:0], data.labels[:0], data.class_conditions)
    facts = {"class_counts": (200, 200)}
    run = RunFolder(tmp_path / "run")
    Snapshots(
        run,
        state,
        tiny,
        data=data,
        validation=nobody,
        meter=None,
        classes=("A", "B"),
        model_facts=facts,
        seed=0,
        reporter=Reporter(),
        show=False,
    )(8)
    gains = load_model(run.path).generator.get_layer("calibration").gains
    assert np.abs(np.log(gains)).max() > 0.05
    assert (run.path / "fakes000000_008.png").is_file()
