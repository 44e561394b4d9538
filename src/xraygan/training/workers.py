"""Several processes that train one model together, each with its share of every batch.

All of them hold the whole state and take the same steps: what they exchange is the mean of their
gradients. Worker 0 leads: it alone writes files, measures, and says how many steps come next.
"""

import contextlib
import functools
import json
import os
import signal
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from xraygan.errors import XrayganError

VARIABLE = "TF_CONFIG"
_FIRST_PORT = 12_000
"""Of Slurm's tasks: jobs that meet on a node have others."""
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
"""What TensorFlow raises where another worker has ended."""


class Place(NamedTuple):
    """One process among those that train together.

    Attributes:
        rank: its number from 0, which leads.
        addresses: "host:port" of each worker, by rank.
    """

    rank: int
    addresses: tuple[str, ...]

    @property
    def on_its_machine(self) -> int:
        """How many workers of smaller rank have the same host."""
        host = self.addresses[self.rank].rpartition(":")[0]
        return sum(other.rpartition(":")[0] == host for other in self.addresses[: self.rank])


def find_place() -> Place | None:
    """This process's place, by `TF_CONFIG` or by Slurm's `srun`; None where it is alone.

    Raises:
        XrayganError: `TF_CONFIG` is not what TensorFlow's documentation says it is.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return _place_of_slurm()
    try:
        given = json.loads(text)
        cluster, task = given.get("cluster") or {}, given.get("task") or {}
        leads = [str(address) for address in cluster.get("chief", [])]
        addresses = (*leads, *(str(address) for address in cluster.get("worker", [])))
        if len(addresses) < 2:
            return None
        kind, index = str(task["type"]), int(task["index"])
        if kind not in ("chief", "worker"):
            raise ValueError(f"task type '{kind}'")
        rank = index + (len(leads) if kind == "worker" else 0)
        if index < 0 or rank >= len(addresses) or (kind == "chief" and index >= len(leads)):
            raise ValueError(f"task {index} of {len(addresses)} workers")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise XrayganError(
            f"{VARIABLE} cannot be read ({error}); for worker 1 of two it is "
            '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
            '"task": {"type": "worker", "index": 1}}; unset it to train with one process'
        ) from None
    return Place(rank, addresses)


def _place_of_slurm() -> Place | None:
    """The place among the tasks of one `srun`."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if tasks < 2:
        return None
    try:
        # Told of GPUs it does not look for them, which fails where there are none.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_FIRST_PORT + int(os.environ.get("SLURM_JOB_ID", "0")) % 1000 * 16,
            gpus_per_node=tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        addresses = tuple(resolver.cluster_spec().as_dict()["worker"])
        return Place(int(os.environ["SLURM_PROCID"]), addresses)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise XrayganError(
            f"Slurm's tasks cannot be found ({error}); set {VARIABLE} for each of them instead"
        ) from None


class Workers:
    """This process and those that it trains together with.

    Args:
        strategy: TensorFlow's, which carries what is exchanged; None: this process is alone.
        place: of this process; None with no strategy.
    """

    def __init__(self, strategy: Any = None, place: Place | None = None) -> None:
        self._strategy = strategy
        self.rank = place.rank if place else 0
        self.count = len(place.addresses) if place else 1
        # TensorFlow knows what belongs together by the order in which graphs are made: all workers
        # make these first, and in this order.
        self._sums = {
            name: tf.function(self._sum, [tf.TensorSpec([None], name)]).get_concrete_function()
            for name in ("int32", "int64", "float32")
            if strategy
        }

    @property
    def leads(self) -> bool:
        """Whether this one writes the results."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """Which rows of a batch are this worker's."""
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def mean(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Mean over workers of each float32 tensor; in a graph or out of one."""
        if self.count == 1:
            return list(tensors)
        shapes = [tensor.shape for tensor in tensors]
        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
        parts = tf.split(
            self._sum(flat) / self.count, [int(shape.num_elements()) for shape in shapes]
        )
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    def check_batch(self, batch: int) -> None:
        """See that a batch can be shared.

        Raises:
            XrayganError: it cannot, or each would get less than two images.
        """
        if self.count > 1 and (batch % self.count or batch < 2 * self.count):
            enough = -(-max(batch, 2 * self.count) // self.count) * self.count
            raise XrayganError(
                f"--batch {batch} cannot be shared by {self.count} workers, two images or more "
                f"each: use --batch {enough}"
            )

    def from_leader(self, value: np.ndarray) -> np.ndarray:
        """Worker 0's `value`; all give one of the same shape and type."""
        if self.count == 1:
            return value
        mine = value if self.leads else np.zeros_like(value)
        return self._sum_now(mine)

    def text_from_leader(self, text: str) -> str:
        """Worker 0's `text`; what the others give does not matter."""
        if self.count == 1:
            return text
        told = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        size = int(self.from_leader(np.array(len(told), np.int32)))
        room = told if self.leads else np.zeros(size, np.int32)
        return self.from_leader(room).astype(np.uint8).tobytes().decode()

    def agree(self, what: Mapping[str, str]) -> None:
        """See that what a run goes by is the same with all workers.

        Args:
            what: texts by what they stand for, in the plural.

        Raises:
            XrayganError: with every worker, if one has others than worker 0.
        """
        if self.count == 1:
            return
        table = np.zeros((self.count, len(what)), np.int32)
        table[self.rank] = [zlib.crc32(text.encode()) & 0x7FFFFFFF for text in what.values()]
        table = self._sum_now(table)
        for rank, row in enumerate(table):
            for name, mine, first in zip(what, row, table[0], strict=True):
                if mine != first:
                    raise XrayganError(
                        f"worker {rank} has other {name} than worker 0: start all by the same "
                        "command, on equal images, with equal versions"
                    )

    def _sum_now(self, table: np.ndarray) -> np.ndarray:
        if not table.size:  # TensorFlow ends the process at a sum of nothing
            return table
        return (
            self._sums[table.dtype.name](tf.constant(table.reshape(-1)))
            .numpy()
            .reshape(table.shape)
        )

    def _sum(self, vector: tf.Tensor) -> tf.Tensor:
        """Sum over workers of a vector, in a graph."""

        def summed(vector: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # The copy is on this replica's device, which TensorFlow asks for.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(vector))

        return self._strategy.run(summed, args=(vector,))

    @contextlib.contextmanager
    def exchanging(self) -> Iterator[None]:
        """Tell in one line that another worker has ended.

        Raises:
            XrayganError: it has.
        """
        try:
            yield
        except GONE as error:
            if self.count == 1:
                raise
            raise XrayganError(
                f"worker {self.rank}: another worker has ended, or cannot be reached; what it says "
                "is on its own screen; start all of them again to go on"
            ) from error


ALONE = Workers()


@functools.cache
def join(place: Place) -> Workers:
    """Wait for the other workers, once a process; before TensorFlow's first operation.

    Raises:
        XrayganError: TensorFlow is in use already, or the address is not to be had.
    """
    task = {"type": "worker", "index": place.rank}
    cluster = {"worker": list(place.addresses)}
    os.environ[VARIABLE] = json.dumps({"cluster": cluster, "task": task})
    try:
        with _ended_by_signals():
            return Workers(tf.distribute.MultiWorkerMirroredStrategy(), place)
    except (RuntimeError, tf.errors.OpError) as error:
        raise XrayganError(
            f"worker {place.rank} cannot join at {place.addresses[place.rank]} ({error}); is the "
            "port free, and can all workers reach each other?"
        ) from None


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """While entered SIGINT and SIGTERM end the process: TensorFlow waits where Python is deaf."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
