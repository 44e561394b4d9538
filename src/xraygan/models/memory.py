"""A lack of memory, in one clear line."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from xraygan.errors import XrayganError

MEMORY_FAULTS = (MemoryError, tf.errors.ResourceExhaustedError, tf.errors.InternalError)
"""How NumPy and TensorFlow say so; of the last only some, see `is_lack_of_memory`."""
_NO_ROOM = ("dst tensor", "out of memory")
"""In an internal error: what was to be copied to a GPU, or to be done there, found no room."""


def is_lack_of_memory(error: Exception) -> bool:
    """Whether one of `MEMORY_FAULTS` is a lack of memory: any other fault may be internal too."""
    if isinstance(error, tf.errors.InternalError):
        return any(words in _words(error).lower() for words in _NO_ROOM)
    return isinstance(error, MEMORY_FAULTS)


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
    except MEMORY_FAULTS as error:
        if not is_lack_of_memory(error):
            raise
        words = _words(error)[:100]
        said = f" ({words})" if words else ""
        raise XrayganError(f"out of memory {where}{said}: {remedy}") from None


def _words(error: Exception) -> str:
    """What a fault says, on one line, after TensorFlow's own account of where."""
    return " ".join(str(getattr(error, "message", error)).split()).rpartition("}} ")[2]
