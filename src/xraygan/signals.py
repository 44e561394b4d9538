"""Ctrl-C and `kill`, turned into a wish that a loop can honour between two steps."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class StopRequest:
    """While entered, SIGINT and SIGTERM set `signal_number` instead of ending the process.

    A second signal ends it at once, as it would without this.
    """

    signal_number: int | None = None

    def __enter__(self) -> Self:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
