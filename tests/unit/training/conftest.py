import pytest

from xraygan.training.device import use_device


@pytest.fixture(scope="session", autouse=True)
def _device() -> None:
    """As a run begins: on the CPU, with deterministic operators."""
    use_device("cpu")
