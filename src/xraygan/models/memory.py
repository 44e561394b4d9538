"""A lack of memory, in one clear line."""

import contextlib
import sys
from collections.abc import Iterator

from xraygan.errors import XrayganError

WITHOUT_DEVICE = "close other programs that hold memory, or hide the GPU (CUDA_VISIBLE_DEVICES=-1)"
"""What to do where the command has no `--device`."""
_NO_ROOM = ("dst tensor", "out of memory", "can't allocate memory")
"""In an internal error of TensorFlow: what was to be copied to a GPU, or to be done there, found
no room; in a runtime error of PyTorch: on a GPU, and elsewhere."""


def memory_faults() -> tuple[type[Exception], ...]:
    """How NumPy, TensorFlow and PyTorch say so; some do of others too, see `is_lack_of_memory`.

    Neither TensorFlow nor PyTorch is imported for it: what was never used never failed.
    """
    faults: list[type[Exception]] = [MemoryError]
    if (tf := sys.modules.get("tensorflow")) is not None:
        faults += [tf.errors.ResourceExhaustedError, tf.errors.InternalError]
    if "torch" in sys.modules:
        faults.append(RuntimeError)
    return tuple(faults)


def is_lack_of_memory(error: Exception) -> bool:
    """Whether one of `memory_faults` is a lack of memory: any other fault may be internal too."""
    if isinstance(error, MemoryError):
        return True
    tf = sys.modules.get("tensorflow")
    if tf is not None and isinstance(error, tf.errors.ResourceExhaustedError):
        return True
    return any(words in _words(error).lower() for words in _NO_ROOM)


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
    except memory_faults() as error:
        if not is_lack_of_memory(error):
            raise
        words = _words(error)[:100]
        said = f" ({words})" if words else ""
        raise XrayganError(f"out of memory {where}{said}: {remedy}") from None


def _words(error: Exception) -> str:
    """What a fault says, on one line, after TensorFlow's own account of where."""
    return " ".join(str(getattr(error, "message", error)).split()).rpartition("}} ")[2]
