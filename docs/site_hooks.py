"""What the documentation site makes of the program itself: the command reference.

MkDocs calls `on_files` when it builds (mkdocs.yml, `hooks`).
Source of the interface: https://www.mkdocs.org/user-guide/configuration/#hooks
"""

import inspect
from collections.abc import Iterator
from html import escape
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from xraygan.cli.main import program

COMMANDS = "commands.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page that is made of the program."""
    files.append(File.generated(config, COMMANDS, content=command_reference()))
    return files


def command_reference() -> str:
    """Markdown: every command with its arguments and options, as the program has them."""
    root = typer.main.get_command(program())
    lines = [
        "# Commands",
        "",
        "Made from the program itself. `xraygan COMMAND --help` says the same on a terminal.",
        "Exit codes: [how it ends](guide.md#how-it-ends).",
    ]
    for name, command in _leaves(root, "xraygan"):
        lines += ["", f"## {name}", "", inspect.cleandoc(command.help or ""), ""]
        lines += ["```text", _usage(name, command), "```", ""]
        lines += ["| option | meaning |", "|---|---|"]
        lines += _options(command)
    return "\n".join(lines) + "\n"


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that is not a group, with its full name."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for child in sorted(command.commands):
        yield from _leaves(command.commands[child], f"{name} {child}")


def _usage(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    return " ".join([name, *command.collect_usage_pieces(context)])


def _options(command: Any) -> Iterator[str]:
    """A row of the table for each argument and option."""
    context = command.make_context("", [], resilient_parsing=True)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record:
            flag, text = (_cell(part) for part in record)
            yield f"| <code>{flag}</code> | {text} |"


def _cell(text: str) -> str:
    """Text of a table's cell; a bar would end it."""
    return escape(" ".join(text.split()), quote=False).replace("|", "&#124;")
