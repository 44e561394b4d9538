"""Networks of others: the adapters, with weights of our own making, and the lines that help."""

# Keras types no weights as a name:
# pyright: reportArgumentType=false

import importlib.util

import keras
import numpy as np
import pytest
from films import films

from xraygan.errors import XrayganError
from xraygan.evaluation import pretrained
from xraygan.evaluation.feature_cache import FeatureSpace
from xraygan.evaluation.spaces import make_space

TORCH = importlib.util.find_spec("torch") is not None


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """InceptionV3's architecture with random weights, saved as Keras saves them."""
    keras.utils.set_random_seed(0)
    network = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(299, 299, 3), pooling="avg"
    )
    path = tmp_path_factory.mktemp("weights") / "inception.weights.h5"
    network.save_weights(path)
    return str(path)


@pytest.fixture(scope="module")
def space(weights) -> FeatureSpace:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pretrained.INCEPTION_WEIGHTS, weights)
        return pretrained.inception()


@pytest.mark.slow
def test_inception_gives_what_keras_gives(space, weights) -> None:
    network = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(299, 299, 3), pooling="avg"
    )
    network.load_weights(weights)
    images = films(2, 0).images
    grey = np.stack([pretrained.resized(image, 299) for image in images])
    pixels = keras.applications.inception_v3.preprocess_input(grey[..., None].repeat(3, axis=3))
    expected = network.predict(pixels, verbose=0)
    assert expected.shape == (2, 2048)
    np.testing.assert_allclose(space.describe(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_fingerprint_is_of_the_weights(space, weights, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(pretrained.INCEPTION_WEIGHTS, weights)
    assert pretrained.inception().fingerprint == space.fingerprint
    monkeypatch.setattr(pretrained, "sha256_of", lambda _: "another")
    assert pretrained.inception().fingerprint != space.fingerprint


@pytest.mark.slow
def test_an_image_is_described_for_itself(space) -> None:
    images = films(3, 1).images
    np.testing.assert_array_equal(space.describe(images)[1:2], space.describe(images[1:2]))


@pytest.mark.parametrize(
    ("variable", "inside"), [("HOME", ".keras/models"), ("KERAS_HOME", "models")]
)
def test_missing_inception_weights_are_explained(monkeypatch, tmp_path, variable, inside) -> None:
    """They are looked for where Keras, told by the printed command, will put them."""
    for name in (pretrained.INCEPTION_WEIGHTS, "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(XrayganError) as caught:
        make_space("inception", films(4, 0))
    message = str(caught.value)
    assert f"no weights at {tmp_path / inside}/" in message
    assert pretrained.INCEPTION_WEIGHTS in message
    assert "keras.applications.InceptionV3" in message
    assert "\n" not in message


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_weights_that_do_not_fit_are_refused(content, monkeypatch, tmp_path) -> None:
    path = tmp_path / "other.weights.h5"
    if content is None:
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    else:
        path.write_bytes(content)
    monkeypatch.setenv(pretrained.INCEPTION_WEIGHTS, str(path))
    with pytest.raises(XrayganError, match=r"other\.weights\.h5") as caught:
        pretrained.inception()
    assert "\n" not in str(caught.value)


def test_batches_keep_the_order_and_pass_over_the_padding() -> None:
    images = np.full((40, 16, 16), np.arange(40, dtype=np.uint8)[:, None, None])

    def forward(pixels: np.ndarray) -> np.ndarray:
        assert pixels.shape == (32, 24, 24)
        return pixels.mean(axis=(1, 2))[:, None]

    got = pretrained.in_batches(images, 24, forward)
    np.testing.assert_allclose(got[:, 0], np.arange(40), atol=1e-4)
    assert pretrained.in_batches(images[:0], 24, forward).shape == (0, 1)


def test_missing_torchxrayvision_weights_are_explained(monkeypatch, tmp_path) -> None:
    """The package itself is stood in for: it is an extra, and weighs gigabytes."""
    monkeypatch.setattr(pretrained, "_package", lambda *_: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(XrayganError, match="densenet121-res224-all") as caught:
        pretrained.torchxrayvision()
    assert pretrained.TORCHXRAYVISION_WEIGHTS in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "other.pt").write_bytes(b"")
    monkeypatch.setenv(pretrained.TORCHXRAYVISION_WEIGHTS, str(tmp_path / "other.pt"))
    with pytest.raises(XrayganError, match="only as nih-pc-chex"):
        pretrained.torchxrayvision()


@pytest.mark.skipif(TORCH, reason="PyTorch is installed here")
@pytest.mark.parametrize("name", ["torchxrayvision", "rad-dino"])
def test_missing_packages_are_explained(name) -> None:
    with pytest.raises(XrayganError, match=rf"pip install 'xraygan\[{name}\]'"):
        make_space(name, films(4, 0))


def test_resizing_is_antialiased_and_keeps_the_mean() -> None:
    """A checkerboard of single pixels, five times as fine as the result, comes out grey."""
    board = (255 * (np.indices((500, 500)).sum(axis=0) % 2)).astype(np.uint8)
    small = pretrained.resized(board, 100)
    np.testing.assert_allclose(small, 127.5, atol=2)
    flat = pretrained.resized(np.full((64, 64), 255, np.uint8), 299)
    np.testing.assert_allclose(flat, 255, atol=1e-3)
    picture = films(1, 2).images[0]
    assert pretrained.resized(picture, 299).mean() == pytest.approx(picture.mean(), abs=0.5)
