"""What a user sees while work goes on: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 15.0


class _Console(Console):
    """A console on stderr that falls silent where nobody reads it any longer (`2>&1 | head`)."""

    def on_broken_pipe(self) -> None:
        # Rich's own ends the program, and a training with it.
        self.quiet = True


class Reporter:
    """Writes progress and remarks to stderr, so that stdout is left to results.

    Where stderr has been closed it says nothing more, and the log goes on.

    Args:
        quiet: say nothing but remarks.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = _Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.log: Callable[[str], None] | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether somebody watches a bar."""
        return self._console.is_terminal and not self.quiet

    def note(self, text: str) -> None:
        """One remark, on the screen and in the run's log."""
        self._console.print(text, markup=False)
        self.record(text)

    def line(self, text: str) -> None:
        """One line of steady progress: to the log, and to the screen where no bar shows it."""
        if not self.on_terminal and not self.quiet:
            self._console.print(text, markup=False)
        self.record(text)

    def record(self, text: str) -> None:
        """A line for the run's log alone."""
        if self.log:
            self.log(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    def bar(self, title: str, total: float, unit: str) -> "Bar":
        """A bar for one piece of work; use it in a `with` statement."""
        return Bar(self, self._console, title, total, unit)


class Bar:
    """One piece of work on its way; made by `Reporter.bar`."""

    def __init__(
        self, reporter: Reporter, console: Console, title: str, total: float, unit: str
    ) -> None:
        self._reporter = reporter
        self._title = title
        self._unit = unit
        self._total = total
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not reporter.on_terminal,
            transient=True,
        )
        self._task: TaskID = self._progress.add_task(title, total=total, detail="")
        self._last_line = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, done: float, detail: str = "") -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, detail=detail)

    def count(self, done: int, total: int) -> None:
        """Move the bar of work that has no lines of its own; a plain line now and then."""
        now = time.monotonic()
        # What comes before the first piece of work is no part of its rate.
        since, before = self._first = self._first or (now, done)
        rate = (done - before) / max(now - since, 1e-3)
        self._progress.update(
            self._task, completed=done, total=total, detail=f"{rate:,.0f} a second"
        )
        if now - self._last_line > PLAIN_SECONDS and not self._reporter.quiet:
            self._last_line = now
            told = f", {rate:,.0f} a second, {duration((total - done) / rate)} left" if rate else ""
            self._reporter.line(f"{self._title}: {done:,} of {total:,} {self._unit}{told}")


def duration(seconds: float) -> str:
    """Seconds as a person says them: "42 s", "3 min 20 s", "2 h 05 min"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
