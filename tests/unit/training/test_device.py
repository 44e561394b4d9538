"""What is chosen, and what is said of it."""

import pytest

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
        f"computing in {dtype} on Example GPU, compute capability {number}"
    )


def test_a_gpu_that_tells_nothing_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_gpu_details", dict)
    assert device.compute_dtype("auto", "gpu") == "float32"
    assert "on GPU, compute capability unknown" in device.device_sentence("gpu", "float32")


def test_the_cpu_says_so() -> None:
    assert device.device_sentence("cpu", "float32") == "computing in float32 on the CPU"
