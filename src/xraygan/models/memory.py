"""A lack of memory, in one clear line."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from xraygan.errors import XrayganError

NO_MEMORY = (tf.errors.ResourceExhaustedError, tf.errors.InternalError)
"""How TensorFlow says so; the second where what was to be copied to a GPU found no room."""


@contextlib.contextmanager
def refusing_memory_faults(
    where: str, remedy: str = "close other programs that hold memory, or try --device cpu"
) -> Iterator[None]:
    """Turn a lack of memory into one clear line.

    Args:
        where: what was being done, in words that follow "out of memory".
        remedy: what to do.

    Raises:
        XrayganError: there is not enough memory.
    """
    try:
        yield
    except NO_MEMORY as error:
        words = " ".join(str(error.message).rpartition("}} ")[2].split())[:100]
        raise XrayganError(f"out of memory {where} ({words}): {remedy}") from None
