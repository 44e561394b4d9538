"""What every test shares: a quiet TensorFlow, a cache of our own, the smallest networks."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import hypothesis
import pytest

from xraygan.config import ModelSettings

hypothesis.settings.register_profile("xraygan", deadline=None)
hypothesis.settings.load_profile("xraygan")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the user's cache."""
    os.environ["XRAYGAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny() -> ModelSettings:
    """The smallest networks that have every part of the real ones."""
    return ModelSettings(
        resolution=32,
        num_classes=2,
        latent=8,
        generator_widths=(8, 8, 8, 8),
        discriminator_widths=(8, 8, 8),
        compute_dtype="float32",
    )
