"""One training step against a slow, obvious twin."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.fft import dct

from studio_run import write_films
from xraygan.api import train
from xraygan.config import ModelSettings, TrainingSettings
from xraygan.errors import TrainingFailedError, XrayganError
from xraygan.training import losses, session
from xraygan.training import step as step_module
from xraygan.training.augment import augment, draw_moves
from xraygan.training.base import fit_base
from xraygan.training.loop import check_finite
from xraygan.training.schedules import scheduled
from xraygan.training.state import TrainState
from xraygan.training.step import PENALTY_EVERY, draw_latents, train_step
from xraygan.training.trainer import Trainer, TrainingData
from xraygan.training.workers import Workers

TOTAL = 1000
SETTINGS = TrainingSettings(batch=4, seed=7, gamma=3.0)
LAST = 0.9
SEEN = 400  # half way: every schedule is between its ends
WITH_PENALTY, WITHOUT = SEEN, SEEN + SETTINGS.batch
assert (SEEN // SETTINGS.batch) % PENALTY_EVERY == 0


def data(count: int = 12, seed: int = 0) -> TrainingData:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 32, 32), np.uint8)
    return TrainingData(images, np.arange(count, dtype=np.int32) % 2, np.eye(2, dtype=np.float32))


@pytest.fixture(scope="module")
def shared(tiny: ModelSettings) -> tuple[TrainState, dict[str, np.ndarray]]:
    """A state that is not at its start: no weight is zero, the base is fitted."""
    state = TrainState(tiny, SETTINGS)
    films = data()
    state.set_base(fit_base(films.images, films.conditions, tiny))
    random = np.random.default_rng(1)
    for network in (state.generator, state.discriminator, state.average):
        for weight in network.trainable_variables:
            weight.assign(weight + random.normal(0, 0.05, weight.shape))
    state.images_seen.assign(SEEN)
    return state, state.to_arrays()


@pytest.fixture
def state(shared: tuple[TrainState, dict[str, np.ndarray]]) -> TrainState:
    shared[0].from_arrays(shared[1])
    return shared[0]


def batch() -> tuple[tf.Tensor, tf.Tensor]:
    films = data(SETTINGS.batch, seed=5)
    reals = films.images[..., None].astype(np.float32) / 127.5 - 1
    return tf.constant(reals), tf.constant(np.eye(2, dtype=np.float32)[films.labels])


def step(state: TrainState) -> dict[str, float]:
    end = tf.constant(TOTAL, tf.float32), tf.constant(LAST)
    metrics = train_step(state, *batch(), *end, SETTINGS)
    return {name: float(value) for name, value in metrics.items()}


class Gradients:
    """What `TrainState.apply` was given."""

    def __init__(self, state: TrainState, monkeypatch: pytest.MonkeyPatch) -> None:
        def keep(d: list, g: list, *_: object) -> None:
            self.discriminator, self.generator = d, g

        monkeypatch.setattr(state, "apply", keep)
        self.metrics = step(state)


def pieces(state: TrainState) -> tuple:
    """The draws of the step, by its documented rule: seed and number of the step."""
    seen = int(state.images_seen)
    number = seen // SETTINGS.batch
    latent_seed, move_seed = tf.unstack(tf.random.split(tf.constant([SETTINGS.seed, number]), 2))
    end = tf.constant(float(TOTAL)), tf.constant(LAST)
    now = scheduled(tf.constant(float(seen)), *end, SETTINGS, 32)
    z, noise = draw_latents(state.generator, SETTINGS.batch, latent_seed)
    return now, z, noise, move_seed


def alike(found: list, expected: list) -> None:
    scale = max(float(tf.reduce_max(tf.abs(value))) for value in expected)
    assert scale > 1e-4, "nothing to compare"
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, rtol=1e-3, atol=1e-5 * scale)


@pytest.mark.parametrize("seen", [WITH_PENALTY, WITHOUT])
def test_the_generators_gradient_is_the_naive_one(
    state: TrainState, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    state.images_seen.assign(seen)
    reals, conditions = batch()
    now, z, noise, move_seed = pieces(state)
    with tf.GradientTape() as tape:
        fakes = state.generator([z, noise, conditions])
        images = tf.concat([reals, fakes], axis=0)
        moved = augment(images, draw_moves(len(images), now.augmentation, move_seed))
        scores = state.discriminator([moved, tf.concat([conditions] * 2, axis=0)])
        real_scores, fake_scores = tf.split(scores, 2)
        loss = tf.reduce_mean(losses.generator_loss(real_scores, fake_scores))
    expected = tape.gradient(loss, state.generator.trainable_variables)
    made = Gradients(state, monkeypatch)
    alike(made.generator, expected)
    assert made.metrics["g_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize(("seen", "weight"), [(WITH_PENALTY, PENALTY_EVERY), (WITHOUT, 0)])
def test_the_discriminators_gradient_is_the_naive_one(
    state: TrainState, monkeypatch: pytest.MonkeyPatch, seen: int, weight: int
) -> None:
    state.images_seen.assign(seen)
    reals, conditions = batch()
    now, z, noise, move_seed = pieces(state)
    fakes = tf.constant(np.asarray(state.generator([z, noise, conditions])))
    images = tf.concat([reals, fakes], axis=0)
    side = reals.shape[1]
    waves = dct(np.eye(side), norm="ortho", axis=0).astype(np.float32)
    cycles = np.hypot(*np.meshgrid(np.arange(side) / 2, np.arange(side) / 2))
    scales = np.where(cycles > 4, (4 / np.maximum(cycles, 4)) ** 0.8, 1).astype(np.float32)
    scales *= side / 64
    with tf.GradientTape() as tape:
        norms = []
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(images)
            moved = augment(images, draw_moves(len(images), now.augmentation, move_seed))
            scores = state.discriminator([moved, tf.concat([conditions] * 2, axis=0)])
            single = tf.unstack(scores)
        for number, score in enumerate(single):  # each image's own score, one at a time
            slopes = inner.gradient(score, images)[number, ..., 0]
            told = tf.matmul(tf.matmul(waves, slopes), waves, transpose_b=True) * scales
            norms.append(tf.reduce_sum(tf.square(told)))
        pairs = scores[: SETTINGS.batch] - scores[SETTINGS.batch :]
        loss = tf.reduce_mean(-tf.math.log_sigmoid(pairs))
        r1, r2 = (tf.add_n(part) / SETTINGS.batch for part in (norms[:4], norms[4:]))
        objective = loss + weight * now.gamma / 2 * (r1 + r2)
    expected = tape.gradient(objective, state.discriminator.trainable_variables)
    made = Gradients(state, monkeypatch)
    alike(made.discriminator, expected)
    figures = {"d_loss": loss, "r1": weight * r1, "r2": weight * r2}
    assert {name: made.metrics[name] for name in figures} == pytest.approx(
        {name: float(value) for name, value in figures.items()}, rel=1e-3
    )
    both = np.concatenate([np.ravel(g) for g in (*made.discriminator, *made.generator)])
    assert made.metrics["gradient_norm"] == pytest.approx(np.linalg.norm(both), rel=1e-3)


@pytest.mark.parametrize("margin", [-40.0, 0.0, 40.0])
def test_slopes_come_out_of_a_loss_that_is_flat(margin: float) -> None:
    """A discriminator that is a known linear function of its images."""
    weight = np.random.default_rng(0).normal(0, 0.01, (4, 4, 1)).astype(np.float32)
    scale = tf.Variable(1.0)

    def judge(images: tf.Tensor) -> tf.Tensor:
        shift = tf.constant([[margin]] * 2 + [[0.0]] * 2)
        return scale * tf.reduce_sum(images * weight, axis=[1, 2]) + shift

    made = step_module._plain(judge, tf.ones([4, 4, 4, 1]), [scale])
    assert np.allclose(made.slopes, np.stack([weight] * 2), rtol=1e-4)


def test_a_step_is_a_function_of_seed_and_images_seen(
    state: TrainState, shared: tuple[TrainState, dict[str, np.ndarray]], tiny: ModelSettings
) -> None:
    before = shared[1]
    step(state)
    once = state.to_arrays()
    other = TrainState(tiny, SETTINGS)
    other.from_arrays(before)
    step(other)
    again = other.to_arrays()
    assert all(np.array_equal(once[name], again[name]) for name in once)

    assert once["images_seen"] == SEEN + SETTINGS.batch
    for group in ("generator", "discriminator", "average", "discriminator_optimizer"):
        names = [name for name in once if name.startswith(f"{group}.")]
        assert any(not np.array_equal(once[name], before[name]) for name in names), group
    base = [name for name in once if name.startswith("generator.00")][:4]
    assert all(np.array_equal(once[name], before[name]) for name in base)

    state.from_arrays(before | {"images_seen": np.array(SEEN + 4, np.int64)})
    assert step(state) != pytest.approx(step(other), rel=1e-6)


def test_the_average_moves_by_its_decay(state: TrainState) -> None:
    old = [np.asarray(weight) for weight in state.average.trainable_variables]
    now, *_ = pieces(state)
    step(state)
    decay = float(now.ema_decay)
    assert 0.5 < decay < 1
    networks = (state.average.trainable_variables, state.generator.trainable_variables)
    for before, average, weight in zip(old, *networks, strict=True):
        assert np.allclose(average, decay * before + (1 - decay) * np.asarray(weight), atol=1e-5)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_stops_the_run(
    state: TrainState, tmp_path: Path, network: str, value: float
) -> None:
    weight: keras.Variable = getattr(state, network).trainable_variables[0]
    weight.assign(np.full(weight.shape, value, np.float32))
    with pytest.raises(TrainingFailedError, match=r"(?s)after 404 images.*kept-here"):
        check_finite(step(state), SEEN + SETTINGS.batch, tmp_path / "kept-here")


def test_finite_metrics_pass(tmp_path: Path) -> None:
    check_finite({"d_loss": 0.0, "r1": 1e30}, 4, tmp_path)


def test_a_resumed_trainer_equals_an_uninterrupted_one(
    state: TrainState, shared: tuple[TrainState, dict[str, np.ndarray]]
) -> None:
    """Traced, as training runs."""
    trainer = Trainer(state, SETTINGS, data())
    trainer.run(2, TOTAL)
    between = state.to_arrays()
    metrics = trainer.run(2, TOTAL)
    whole = state.to_arrays()
    assert trainer.images_seen == SEEN + 16
    assert trainer.epoch() == pytest.approx((SEEN + 16) / 12)

    state.from_arrays(shared[1])
    state.from_arrays(between)
    assert trainer.run(2, TOTAL) == metrics
    again = state.to_arrays()
    assert all(np.array_equal(whole[name], again[name]) for name in whole)

    # Two steps in one call are two calls of one step; metrics are their mean.
    state.from_arrays(between)
    singles = [eager(trainer.run)(1, TOTAL) for _ in range(2)]
    for name, value in metrics.items():
        assert value == pytest.approx(np.mean([row[name] for row in singles]), rel=1e-3), name


def test_rows_on_the_device_are_the_rows_copied(
    state: TrainState, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = data()
    on_device = Trainer(state, SETTINGS, films)
    for most in ("DEVICE_BYTES", "HOST_BYTES"):
        monkeypatch.setattr(f"xraygan.training.trainer.{most}", 0)
    copied = Trainer(state, SETTINGS, films)
    order = np.array([3, 0, 11, 3], np.int32)
    chosen = []
    for trainer in (on_device, copied):
        images, conditions, rows = trainer._rows(order)
        chosen.append((np.asarray(images)[rows], np.asarray(conditions)[rows]))
    assert np.array_equal(chosen[0][0], films.images[order])
    assert np.array_equal(chosen[1][0], films.images[order])
    assert np.array_equal(chosen[0][1], chosen[1][1])


def test_films_that_find_no_room_on_the_device_are_copied(
    state: TrainState, monkeypatch: pytest.MonkeyPatch
) -> None:
    films, constant = data(), tf.constant

    def small_device(value: object, *more: object) -> tf.Tensor:
        if value is films.images:
            raise tf.errors.InternalError(None, None, "Dst tensor is not initialized.")
        return constant(value, *more)

    monkeypatch.setattr(tf, "constant", small_device)
    order = np.array([3, 0, 11, 3], np.int32)
    images, _, rows = Trainer(state, SETTINGS, films)._rows(order)
    assert np.array_equal(np.asarray(images)[rows], films.images[order])


def test_another_fault_of_the_device_is_not_taken_for_a_lack_of_room(
    state: TrainState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> tf.Tensor:
        raise tf.errors.InternalError(None, None, "the driver is gone")

    monkeypatch.setattr(tf, "constant", broken)
    with pytest.raises(tf.errors.InternalError):
        Trainer(state, SETTINGS, data())


def test_a_lack_of_memory_is_one_clear_line(tmp_path: Path, monkeypatch) -> None:
    def greedy(*_: object) -> None:
        tf.random.stateless_normal([2**23, 2**23], [1, 2])

    def no_room(*_: object) -> None:
        raise tf.errors.InternalError(None, None, "Dst tensor\nis not initialized.")

    films = write_films(tmp_path / "films", 2)
    for fault, words in ((greedy, "OOM when allocating"), (no_room, "Dst tensor is not init")):
        monkeypatch.setattr(session, "train_run", fault)
        message = rf"out of memory with --batch 4 \({words}.*--preset small"
        with pytest.raises(XrayganError, match=message):
            train(films, run_dir=tmp_path / "run", device="cpu", resolution=32, batch=4)


def test_measuring_the_rate_changes_nothing(state: TrainState) -> None:
    class Untimed(Trainer):
        def run(self, steps: int, total_images: int) -> dict[str, float]:
            return eager(super().run)(steps, total_images)

    before = state.to_arrays()
    assert Untimed(state, SETTINGS, data()).measure_rate(0.01) > 0
    after = state.to_arrays()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def eager(run: Callable) -> Callable:
    """Without tracing, which is not the point here."""

    def changed(*arguments: object) -> object:
        tf.config.run_functions_eagerly(True)
        try:
            return run(*arguments)
        finally:
            tf.config.run_functions_eagerly(False)

    return changed


class Heard(Workers):
    """Worker 0 of two, of whom the other hears everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.steps_told = 2, []

    def from_leader(self, value: np.ndarray) -> np.ndarray:
        if value.dtype == np.int64 and value.shape == (3,):
            self.steps_told.append(int(value[0]))
        return value


@pytest.mark.parametrize(("torn", "told"), [(False, [4, 0]), (True, [4])])
def test_others_are_let_go_between_steps_alone(
    state: TrainState, monkeypatch: pytest.MonkeyPatch, torn: bool, told: list[int]
) -> None:
    # Amid its steps another worker waits for the same steps' sums, and hears nothing else.
    workers = Heard()
    trainer = Trainer(state, SETTINGS, data(), workers)

    def steps(*_: object) -> dict[str, float]:
        if torn:
            raise MemoryError
        return {}

    monkeypatch.setattr(trainer, "_run", steps)
    with pytest.raises(MemoryError), trainer.leading():
        trainer.run(4, 4000)
        raise MemoryError
    assert workers.steps_told == told
