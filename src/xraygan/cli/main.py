"""The command line: every verb, and how each of them ends."""

import io
import json
import os
import re
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from xraygan.errors import StoppedError, XrayganError
from xraygan.version import __version__

app = typer.Typer(
    name="xraygan",
    help="Labelled synthetic chest X-rays, with the evidence that a decision to share them needs.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"xraygan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


def print_json(value: Any) -> None:
    """A result for machines, on stdout."""
    # In ASCII: a console or a file may be of another encoding than the result's names.
    typer.echo(json.dumps(value, indent=2, default=str))


def program() -> typer.Typer:
    """The program with all of its verbs."""
    from xraygan.cli import (  # noqa: F401  (they add their verbs)
        audit,
        evaluate,
        explore,
        export,
        generate,
        phantom,
        prepare,
        report,
        run,
        studio,
        train,
    )

    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 failed, 2 the user's fault, 130 or 143 stopped."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr is: no name ends a job
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stopped)
        # Under nohup a closed terminal is ignored, and stays so; Windows has no such signal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, _hung_up)
        given = arguments or sys.argv[1:] or ["--help"]
        _refuse_empty(given)
        code = program()(given, standalone_mode=False) or 0
        if sys.stdout:  # `>&-` leaves none
            sys.stdout.flush()
    except (XrayganError, StoppedError) as error:
        _complain(str(error), error.exit_code)
        code = error.exit_code
    except TyperException as error:
        _complain(f"{error.format_message()} (see --help)", 2)
        code = 2
    except BrokenPipeError:
        # Nobody reads stdout any more (`xraygan … | head`): what was written is whole.
        _drop_stdout()
        code = 0
    except OSError as error:  # stdout on a full disk, for one
        where = error.filename or "standard output"
        reason = error.strerror or error
        _complain(f"{where}: {reason}; free some space or choose another place", 2)
        _drop_stdout()
        code = 2
    raise SystemExit(code)


def _drop_stdout() -> None:
    """Let Python's own flush at its end meet no fault again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _refuse_empty(arguments: list[str]) -> None:
    """An empty path would be read as this very folder.

    Raises:
        XrayganError: an argument or the value of an option is empty.
    """
    for argument in arguments:
        if re.fullmatch(r"(--[a-z-]+=)?", argument):
            raise XrayganError(
                f"{argument.rstrip('=') or 'an argument'} is empty; is a shell variable in the "
                "command not set?"
            )


def _stopped(number: int, _frame: FrameType | None) -> None:
    raise StoppedError(number, "stopped")


def _hung_up(_number: int, _frame: FrameType | None) -> None:
    """The terminal was closed: as SIGTERM, for whoever handles that at the moment."""
    signal.raise_signal(signal.SIGTERM)


def _complain(message: str, code: int) -> None:
    prefix = "" if code == 0 or code >= 128 else "error: "
    print(f"xraygan: {prefix}{' '.join(message.split())}", file=sys.stderr)
