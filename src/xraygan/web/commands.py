"""The command lines that go on with a run: what its page tells to type."""

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from xraygan.config import AFTER_TRAINING, GROUPS
from xraygan.runs import PHANTOM
from xraygan.web.catalogue import Run


@dataclass(frozen=True)
class Commands:
    """What to type for a run.

    Attributes:
        go_on: trains on from the last checkpoint, in the same folder.
        measure: trains what is left, makes the data set, measures it and writes the report.
        generate: makes images alone.
        data: what stands for the data's folder in them; empty for the phantom.
    """

    go_on: str
    measure: str
    generate: str
    data: str


def commands_of(run: Run, folder: PurePath) -> Commands:
    """The command lines of a run, with its settings as flags.

    Args:
        run: which one.
        folder: the run's own, as it is to be typed: no path of this machine.
    """
    data = "" if run.config.source == PHANTOM else run.config.source or "DATA"
    settings = run.config.settings
    source = ["--data", data] if data else []
    # With / everywhere: Windows knows it too, and \ would be put into quotes that its cmd has not.
    typed = folder.as_posix()
    return Commands(
        go_on=_line(
            "train", "--run-dir", typed, *source, *_flags(settings, without=AFTER_TRAINING)
        ),
        measure=_line("run", "--results", typed, *source, *_flags(settings)),
        generate=_line("generate", "--model", typed, "--num", "1000", "--out", f"{typed}-images"),
        data=data,
    )


def _flags(settings: dict[str, dict[str, Any]], without: Collection[str] = ()) -> Iterator[str]:
    """The settings that are not their defaults."""
    for group, kind in GROUPS.items():
        for name, field in kind.model_fields.items():
            value = settings.get(group, {}).get(name)
            if value is None or value == field.default or name in without:
                continue
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                yield f"--{flag}" if value else f"--no-{flag}"
            else:
                whole = isinstance(value, float) and value.is_integer()
                yield from (f"--{flag}", str(int(value) if whole else value))


def _line(*parts: str) -> str:
    return shlex.join(["xraygan", *parts])
