import io
import os
import subprocess
import sys

import pytest

from xraygan import progress
from xraygan.progress import Reporter, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_reporter_speaks_on_stderr_and_into_the_log(capsys: pytest.CaptureFixture) -> None:
    reporter = Reporter()
    logged: list[str] = []
    reporter.log = logged.append
    reporter.note("[bold]no markup[/bold] " + "long " * 60)
    reporter.line("a tick")
    out, err = capsys.readouterr()
    assert out == ""
    assert "[bold]no markup[/bold]" in err
    assert len(err.splitlines()) == 2, "one line a remark, however long"
    assert [line[20:][:6] for line in logged] == ["[bold]", "a tick"]
    assert not reporter.on_terminal


def test_quiet(capsys: pytest.CaptureFixture) -> None:
    reporter = Reporter(quiet=True)
    reporter.line("a tick")
    reporter.note("a remark")
    assert capsys.readouterr().err == "a remark\n"


def test_plain_lines_of_a_bar_come_now_and_then(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Reporter().bar("reading images", 1, "files") as bar:
        for done in range(1, 5):
            now[0] += 10
            bar.count(done * 1000, 4000)
    err = capsys.readouterr().err
    assert err.splitlines() == [
        "reading images: 2,000 of 4,000 files, 100 a second, 20 s left",
        "reading images: 4,000 of 4,000 files, 100 a second, 0 s left",
    ]


class _Closed(io.StringIO):
    """The end of a pipe that nobody reads."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_work_goes_on_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Closed())
    reporter = Reporter()
    logged: list[str] = []
    reporter.log = logged.append
    reporter.note("a remark")
    reporter.line("a tick")
    with reporter.bar("reading images", 1, "files") as bar:
        bar.update(1)
    reporter.note("the end")
    assert [line[20:] for line in logged] == ["a remark", "a tick", "the end"]


def test_a_program_whose_reader_has_gone_ends_well() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "from xraygan.progress import Reporter; Reporter().note('x' * 99); print('done')"
    with os.fdopen(writing, "wb") as pipe:
        found = subprocess.run(
            [sys.executable, "-c", program], stderr=pipe, stdout=subprocess.PIPE, timeout=60
        )
    assert (found.returncode, found.stdout) == (0, b"done\n")
