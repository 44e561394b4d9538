"""Which processor trains, and in which type; TensorFlow is imported here first."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraygan.errors import XrayganError

if TYPE_CHECKING:
    from xraygan.training.workers import Workers

XLA = "autoclustering"
"""How a GPU's graphs are compiled where XLA works: what it cannot take stays as it is."""


def use_device(name: str) -> str:
    """Choose where TensorFlow runs; call it before anything else touches TensorFlow.

    A GPU's graphs are compiled by XLA where it works. On a CPU it gains nothing.

    Args:
        name: "auto" (what TensorFlow runs on already, or a GPU where there is one), "cpu", "gpu"
            or "gpu:N".

    Returns:
        "cpu" or "gpu".

    Raises:
        XrayganError: no TensorFlow, no such device, or Keras runs on another backend.
    """
    return _begin(_chosen(name))


def use_device_together(name: str, say: Callable[[str], None]) -> "tuple[str, Workers]":
    """As `use_device`, and join the processes that `TF_CONFIG` or Slurm names, if any.

    Args:
        name: as for `use_device`; for "auto" and "gpu" workers of one machine take its GPUs in
            turn.
        say: told what is waited for.

    Returns:
        "cpu" or "gpu", and who trains together.

    Raises:
        XrayganError: as `use_device`; or the others cannot be joined.
    """
    tf = _tensorflow()
    from xraygan.training.workers import ALONE, find_place, join

    with _silence():
        place = find_place()
    if place is None:
        return use_device(name), ALONE
    gpus = tf.config.list_physical_devices("GPU")
    if name in ("auto", "gpu") and gpus:
        name = f"gpu:{place.on_its_machine % len(gpus)}"
    chosen = _chosen(name)
    say(f"worker {place.rank} of {len(place.addresses)}: waiting for all to join …")
    with _silence():
        workers = join(place)
    return _begin(chosen), workers


def _tensorflow() -> Any:
    """TensorFlow, imported without a word, with Keras on it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _silence():
        try:
            import tensorflow as tf
        except ModuleNotFoundError as error:
            if error.name != "tensorflow":
                raise
            raise XrayganError(
                "TensorFlow is not installed; install it with: pip install 'xraygan[cpu]' "
                "(or 'xraygan[gpu]' on a machine with an NVIDIA GPU)"
            ) from None
        import keras
    if keras.backend.backend() != "tensorflow":
        raise XrayganError(
            f"Keras runs on {keras.backend.backend()} here; set KERAS_BACKEND=tensorflow"
        )
    return tf


def _chosen(name: str) -> list[Any]:
    """The GPU that TensorFlow is to see; none for the CPU."""
    tf = _tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    kind, _, number = name.partition(":")
    known = kind in ("auto", "cpu", "gpu") and (not number or (kind == "gpu" and number.isdigit()))
    if not known:
        raise XrayganError(f"--device {name}: use auto, cpu, gpu or gpu:N")
    if kind == "gpu" and int(number or 0) >= len(gpus):
        raise XrayganError(
            f"--device {name}: TensorFlow sees {len(gpus)} GPUs here; one takes xraygan[gpu] and "
            "NVIDIA's driver (nvidia-smi shows whether that is there); or use --device cpu"
        )
    chosen = [] if kind == "cpu" else gpus[int(number or 0) :][:1]
    try:
        # First: the others fail where a notebook has used TensorFlow before.
        tf.config.experimental.enable_op_determinism()
        tf.config.set_visible_devices(chosen, "GPU")
        for gpu in chosen:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:  # TensorFlow was in use already: a notebook's second run
        if kind == "auto":
            chosen = tf.config.get_visible_devices("GPU")
        elif chosen != tf.config.get_visible_devices("GPU"):
            raise XrayganError(f"--device {name}: TensorFlow is already running: {error}") from None
    return chosen


def _begin(chosen: list[Any]) -> str:
    """TensorFlow's first operation; "cpu" or "gpu"."""
    tf = _tensorflow()
    with _silence():
        tf.zeros(1)
        if chosen and _xla_compiles():
            tf.config.optimizer.set_jit(XLA)
    return "gpu" if chosen else "cpu"


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Compute on the CPU while entered; what comes later finds its GPU.

    Raises:
        XrayganError: as `use_device`.
    """
    # Not "cpu": TensorFlow, once it runs, knows no other devices for the rest of the session.
    use_device("auto")
    import tensorflow as tf

    with tf.device("CPU"):
        yield


def _xla_compiles() -> bool:
    """Whether XLA has all it needs here: some installations lack CUDA's libdevice or ptxas."""
    import tensorflow as tf

    try:
        tf.function(tf.exp, jit_compile=True)(tf.zeros(1))
    except tf.errors.OpError:
        return False
    return True


def compute_dtype(precision: str, device: str) -> str:
    """The type that the networks compute in.

    Args:
        precision: "auto", "float32" or "bfloat16".
        device: "cpu" or "gpu".

    Returns:
        "float32" or "bfloat16": for auto, bfloat16 where the hardware multiplies it
        (AVX512_BF16 or AMX on a CPU, compute capability 8 on a GPU).
    """
    if precision != "auto":
        return precision
    if device == "gpu":
        capability = _gpu_details().get("compute_capability", (0,))
        return "bfloat16" if capability[0] >= 8 else "float32"
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "float32"


def device_sentence(device: str, dtype: str) -> str:
    """What computes, in which type: for the log and for who waits.

    Args:
        device: "cpu" or "gpu".
        dtype: what `compute_dtype` chose.
    """
    if device == "cpu":
        return f"computing in {dtype} on the CPU"
    import tensorflow as tf

    details = _gpu_details()
    capability = ".".join(map(str, details.get("compute_capability", ()))) or "unknown"
    name = details.get("device_name", "GPU")
    xla = "with XLA" if tf.config.optimizer.get_jit() == XLA else "without XLA"
    return f"computing in {dtype} on {name}, compute capability {capability}, {xla}"


def _gpu_details() -> dict[str, Any]:
    import tensorflow as tf

    gpu = tf.config.get_visible_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep TensorFlow's start-up chatter, written past Python to file 2, off the screen."""
    try:
        kept = os.dup(2)
    except OSError:  # no file 2 at all: nothing to silence
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _cpu_flags() -> set[str]:
    """What Linux says the processor can do; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    for line in text.splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()
