"""Command-line flags made from the fields of the settings, so that each is said once."""

import functools
import inspect
import types
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from xraygan.config import GROUPS, LENGTHS, RunSettings, load_yaml
from xraygan.errors import XrayganError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file of settings; flags win over it.", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Argument(
        help="Folder, archive or table of X-rays; left out: the embedded phantom.", metavar="DATA"
    ),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="The same as DATA.", show_default=False)
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, gpu or gpu:N.")]
Show = Annotated[
    bool,
    typer.Option("--show", help="Display the sample grids: a window, or inline in a notebook."),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Go on in spite of changed settings, data or versions; a finished run keeps its data.",
    ),
]
Track = Annotated[
    Literal["tensorboard", "mlflow"] | None,
    typer.Option(
        "--track", help="Also log figures and sample grids for this tool.", show_default=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run, as YAML, and stop.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def one_of(data: Path | None, data_option: Path | None) -> Path | None:
    """DATA, given as an argument or by --data.

    Raises:
        XrayganError: both are given.
    """
    if data is not None and data_option is not None:
        raise XrayganError(f"DATA ({data}) and --data {data_option} are both given: leave one")
    return data or data_option


def with_settings(
    groups: tuple[str, ...], without: Collection[str] = ()
) -> Callable[[Callable], Callable]:
    """Give a command one flag for each field of these groups of `RunSettings`.

    The command's parameter `settings` receives the validated `RunSettings`: flags over the
    file named by `--config` over defaults.

    Args:
        groups: names of groups.
        without: fields that have no flag here; a file may hold them all the same.
    """
    fields = ((name, group) for group in groups for name in GROUPS[group].model_fields)
    owners = {name: group for name, group in fields if name not in without}

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            flags = {name: given.pop(name) for name in owners}
            chosen = {name: value for name, value in flags.items() if value is not None}
            settings = _merged(given.pop("config"), chosen, owners)
            return command(settings=settings, **given)

        own = [p for p in inspect.signature(command).parameters.values() if p.name != "settings"]
        parameters = [
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
            _keyword("config", ConfigFile),
            *(_flag(name, GROUPS[group].model_fields[name]) for name, group in owners.items()),
        ]
        setattr(wrapped, "__signature__", inspect.Signature(parameters))  # noqa: B010
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _merged(config: Path | None, chosen: dict[str, Any], owners: dict[str, str]) -> RunSettings:
    """The settings of a file, overridden by flags; one length overrides another."""
    nested = load_yaml(config) if config else {}
    RunSettings.parse(nested, str(config))  # so that a fault in the file is the file's
    if LENGTHS & set(chosen):
        for name in LENGTHS & set(nested.get("training", {})):
            del nested["training"][name]
    for name, value in chosen.items():
        nested.setdefault(owners[name], {})[name] = value
    return RunSettings.parse(nested, f"{config} and flags" if config else "the command line")


def _flag(name: str, field: FieldInfo) -> inspect.Parameter:
    """One optional flag; its default stays None, so that what was given can be told."""
    kind, choices = _flag_type(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    default = "" if field.default is None else f" [default: {field.default}]"
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        help=f"{field.description}{default}",
        metavar="|".join(map(str, choices)) or None,
        show_default=False,
    )
    return _keyword(name, Annotated[kind | None, option])


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _flag_type(annotation: Any) -> tuple[Any, tuple]:
    """The plain type that a command line can carry, and its choices; pydantic checks the rest."""
    if get_origin(annotation) in (Union, types.UnionType):
        return _flag_type(next(a for a in get_args(annotation) if a is not type(None)))
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0]), get_args(annotation)
    return annotation, ()
