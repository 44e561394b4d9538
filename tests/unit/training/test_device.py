"""What is chosen, and what is said of it."""

from collections.abc import Callable

import pytest
import tensorflow as tf

from xraygan.errors import XrayganError
from xraygan.training import device


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_a_gpu_computes_in_bfloat16_from_capability_8_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: str
) -> None:
    details = {"device_name": "Example GPU", "compute_capability": capability}
    monkeypatch.setattr(device, "_gpu_details", lambda: details)
    assert device.compute_dtype("auto", "gpu") == dtype
    assert device.compute_dtype("float32", "gpu") == "float32"
    number = ".".join(map(str, capability))
    assert device.device_sentence("gpu", dtype) == (
        f"computing in {dtype} on Example GPU, compute capability {number}, without XLA"
    )


def test_a_gpu_compiles_by_xla_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [_Gpu()])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *_: None)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(tf.config.optimizer, "set_jit", chosen.append)
    assert device.use_device("auto") == "gpu"
    assert chosen == [device.XLA]

    monkeypatch.setattr(tf.config.optimizer, "get_jit", lambda: device.XLA)
    monkeypatch.setattr(device, "_gpu_details", dict)
    assert device.device_sentence("gpu", "float32").endswith(", with XLA")


def test_where_xla_lacks_its_tools_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object, **__: object) -> Callable:
        def call(*_: object) -> None:
            raise tf.errors.InternalError(None, None, "libdevice not found at ./libdevice.10.bc")

        return call

    assert device._xla_compiles()
    monkeypatch.setattr(tf, "function", lacks)
    assert not device._xla_compiles()


def test_where_tensorflow_runs_already_auto_takes_what_it_runs_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--device cpu` on a machine with a GPU: what is generated after training stays there."""
    gpu = _Gpu()

    def in_use(*_: object) -> None:
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(tf.config, "set_visible_devices", in_use)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    assert device.use_device("auto") == device.use_device("cpu") == "cpu"
    with pytest.raises(XrayganError, match="already running"):
        device.use_device("gpu")

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [gpu])
    monkeypatch.setattr(device, "_xla_compiles", lambda: False)
    with pytest.raises(XrayganError, match="already running"):
        device.use_device("cpu")


def test_on_the_cpu_for_a_while_leaves_the_gpu_to_what_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An export that comes first in a session: a run after it trains on the GPU."""
    gpu = _Gpu()
    visible: list[object] = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda some, _: visible.extend(some))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(device, "_xla_compiles", lambda: False)
    with device.on_cpu():
        assert "CPU" in tf.constant(1.0).device
    assert visible == [gpu]

    def in_use(*_: object) -> None:
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", in_use)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: visible)
    assert device.use_device("auto") == device.use_device("gpu") == "gpu"
    with device.on_cpu():
        assert "CPU" in tf.constant(1.0).device


class _Gpu:
    """Stands for a device that this machine has not."""


def test_a_gpu_that_tells_nothing_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_gpu_details", dict)
    assert device.compute_dtype("auto", "gpu") == "float32"
    assert "on GPU, compute capability unknown" in device.device_sentence("gpu", "float32")


def test_the_cpu_says_so() -> None:
    assert device.device_sentence("cpu", "float32") == "computing in float32 on the CPU"
