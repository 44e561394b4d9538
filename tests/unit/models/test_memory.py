"""What is a lack of memory, and what is another fault."""

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
    ],
)
def test_a_lack_of_memory_is_one_clear_line(error: Exception, said: str) -> None:
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
