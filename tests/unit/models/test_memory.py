"""What is a lack of memory, and what is another fault."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from xraygan.errors import XrayganError
from xraygan.models.memory import refusing_memory_faults


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "{{node a}} OOM"), r"at once \(OOM\): "),
        (tf.errors.InternalError(None, None, "Dst tensor is not initialized."), r"\(Dst tensor"),
        (tf.errors.InternalError(None, None, "CUDA: Out of\nmemory"), r"\(CUDA: Out of memory\)"),
        (MemoryError(), "at once: close other programs"),
        (RuntimeError("CPU: you tried to allocate 9 bytes; can't allocate memory"), "CPU: you"),
    ],
)
def test_a_lack_of_memory_is_one_clear_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as where its networks describe images
    with pytest.raises(XrayganError, match=said), refusing_memory_faults("all at once"):
        raise error


def test_an_array_that_finds_no_room_is_one_clear_line() -> None:
    with (
        pytest.raises(XrayganError, match=r"out of memory here .Unable to allocate"),
        refusing_memory_faults("here"),
    ):
        np.empty(2**60, np.uint8)


def test_another_internal_fault_is_no_lack_of_memory() -> None:
    fault = tf.errors.InternalError(None, None, "Blas GEMM launch failed")
    with pytest.raises(tf.errors.InternalError), refusing_memory_faults("here"):
        raise fault


def test_without_pytorch_a_runtime_error_is_what_it_is() -> None:
    assert "torch" not in sys.modules
    with pytest.raises(RuntimeError), refusing_memory_faults("here"):
        raise RuntimeError("out of memory")
