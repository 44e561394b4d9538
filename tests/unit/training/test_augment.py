import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from xraygan.training import augment as module
from xraygan.training.augment import augment, draw_moves

SEED = tf.constant([3, 5])
NAMES = ("ROTATION", "LOG_SCALE", "SHIFT", "EXPOSURE")


def films(batch: int = 6, side: int = 16, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(-1, 1, (batch, side, side))
    return ndimage.gaussian_filter(noise, (0, 2, 2)).astype(np.float32)[..., None] * 4


def moved(images: np.ndarray, probability: float = 1.0, seed: tf.Tensor = SEED) -> np.ndarray:
    draws = draw_moves(len(images), tf.constant(probability), seed)
    return augment(tf.constant(images), draws).numpy()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Leave one kind of change on."""

    def choose(name: str, value: float) -> None:
        for other in NAMES:
            monkeypatch.setattr(module, other, value if other == name else 0.0)

    return choose


def test_probability_zero_is_the_identity() -> None:
    images = films()
    assert np.allclose(moved(images, 0.0), images, atol=1e-6)


def test_probability_is_the_share_of_changed_images() -> None:
    images = films(batch=2000, side=8)
    changed = np.abs(moved(images, 0.3) - images).reshape(2000, -1).max(axis=1) > 1e-4
    # Moved, or exposed, or both: 1 - 0.7².
    assert changed.mean() == pytest.approx(0.51, abs=5 * np.sqrt(0.25 / 2000))


def test_equal_seeds_equal_draws() -> None:
    images = films()
    assert moved(images).shape == images.shape
    assert np.array_equal(moved(images), moved(images))
    assert not np.allclose(moved(images), moved(images, seed=tf.constant([3, 6])))


def test_linear_up_to_the_offset() -> None:
    a, b = films(seed=1), films(seed=2)
    offset = moved(a * 0)
    together = moved(2 * a - 3 * b) - offset
    assert np.allclose(together, 2 * (moved(a) - offset) - 3 * (moved(b) - offset), atol=1e-4)


def test_gradient_against_finite_differences() -> None:
    images, weights = films(2, 8), films(2, 8, seed=9)
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(augment(variable, draw_moves(2, tf.constant(1.0), SEED)) * weights)
    slopes = tape.gradient(value, variable).numpy()
    for place in ((0, 0, 0, 0), (0, 4, 3, 0), (1, 7, 7, 0), (1, 2, 6, 0)):
        step = np.zeros_like(images)
        step[place] = 0.5
        change = ((moved(images + step) - moved(images - step)) * weights).sum()
        assert change == pytest.approx(slopes[place], abs=1e-4)


def test_no_border_appears() -> None:
    """A constant film stays constant, whatever its exposure: the edge is repeated."""
    made = moved(np.full((64, 16, 16, 1), 0.6, np.float32))
    assert np.ptp(made, axis=(1, 2)).max() < 1e-5
    assert np.ptp(made[:, 0, 0, 0]) > 0.1


def test_exposure_is_gain_and_offset(only) -> None:
    only("EXPOSURE", 0.15)
    images = films(500, 4)
    made = moved(images).reshape(500, -1)
    lines = [np.polyfit(x, y, 1) for x, y in zip(images.reshape(500, -1), made, strict=True)]
    gain, offset = np.array(lines).T
    assert gain.std() == pytest.approx(0.15, rel=0.2)
    assert gain.mean() == pytest.approx(1, abs=0.03)
    assert offset.std() == pytest.approx(0.15, rel=0.2)


def centre_of_mass(images: np.ndarray) -> np.ndarray:
    return np.array([ndimage.center_of_mass(image[..., 0]) for image in images])


def spot(batch: int, side: int, row: float, column: float) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    one = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8).astype(np.float32)
    return np.repeat(one[None, ..., None], batch, axis=0)


def test_shift_is_a_sixteenth_of_the_side(only) -> None:
    only("SHIFT", 4 / 64)
    travelled = centre_of_mass(moved(spot(400, 64, 31.5, 31.5))) - 31.5
    assert travelled.std(axis=0) == pytest.approx([4, 4], rel=0.15)


def test_rotation_and_scale_are_about_the_centre(only) -> None:
    for name in ("ROTATION", "LOG_SCALE"):
        only(name, 0.08)
        still = centre_of_mass(moved(spot(20, 33, 16, 16)))
        assert np.abs(still - 16).max() < 0.05
        aside = centre_of_mass(moved(spot(400, 65, 32, 48))) - [32, 48]
        along, across = (1, 0) if name == "LOG_SCALE" else (0, 1)
        # 16 pixels from the centre, 0.08 of a radian or of a factor e is 1.28 pixels.
        assert aside[:, along].std() == pytest.approx(1.28, rel=0.15)
        assert aside[:, across].std() < 0.25


def test_never_mirrored_never_turned_far() -> None:
    images = films(1, 32, seed=4)
    many = np.repeat(images, 200, axis=0)
    made = moved(many).reshape(200, -1)

    def likeness(other: np.ndarray) -> np.ndarray:
        return np.array([np.corrcoef(row, other.ravel())[0, 1] for row in made])

    upright = likeness(images)
    for other in (images[:, :, ::-1], images[:, ::-1], np.rot90(images, axes=(1, 2))):
        assert np.median(upright - likeness(other)) > 0.3


def test_beyond_the_border_lies_the_edge(only) -> None:
    """A ramp shifted far stops at its last grey: nothing is extrapolated."""
    only("SHIFT", 0.5)
    ramp = np.broadcast_to(np.linspace(-1, 1, 16, dtype=np.float32)[:, None, None], (50, 16, 16, 1))
    for images in (ramp, ramp.transpose(0, 2, 1, 3)):
        made = moved(np.ascontiguousarray(images))
        assert made.min() >= -1 - 1e-6
        assert made.max() <= 1 + 1e-6
