"""Command-line flags made from the fields of the settings, so that each is said once."""

import functools
import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from xraygan.config import GROUPS, RunSettings, load_yaml

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file of settings; flags win over it.", show_default=False),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, gpu or gpu:N.")]
Show = Annotated[
    bool,
    typer.Option("--show", help="Display the sample grids: a window, or inline in a notebook."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Go on in spite of changed settings, data or versions."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run, as YAML, and stop.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def with_settings(groups: tuple[str, ...]) -> Callable[[Callable], Callable]:
    """Give a command one flag for each field of these groups of `RunSettings`.

    The command's parameter `settings` receives the validated `RunSettings`: flags over the
    file named by `--config` over defaults.
    """

    def decorate(command: Callable) -> Callable:
        owners: dict[str, str] = {}
        flags = []
        for group in groups:
            for name, field in GROUPS[group].model_fields.items():
                owners[name] = group
                flags.append(_flag(name, field))

        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            values = {name: given.pop(name) for name in owners}
            config = given.pop("config")
            nested = load_yaml(config) if config else {}
            RunSettings.parse(nested, str(config))
            origin = "the command line" if not config else f"{config} and the command line"
            for name, value in values.items():
                if value is not None:
                    nested[owners[name]] = {**(nested.get(owners[name]) or {}), name: value}
                    if name in _LENGTHS:
                        for other in _LENGTHS - {name}:
                            if values.get(other) is None:
                                nested["training"].pop(other, None)
            return command(settings=RunSettings.parse(nested, origin), **given)

        own = [p for p in inspect.signature(command).parameters.values() if p.name != "settings"]
        config_flag = inspect.Parameter(
            "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile
        )
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        setattr(wrapped, "__signature__", inspect.Signature([*own, config_flag, *flags]))  # noqa: B010
        wrapped.__annotations__ = {p.name: p.annotation for p in [*own, config_flag, *flags]}
        return wrapped

    return decorate


_LENGTHS = {"epochs", "kimg", "minutes"}


def _flag(name: str, field: FieldInfo) -> inspect.Parameter:
    """One optional flag; its default stays None, so that what was given can be told."""
    kind = _flag_type(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    default = "" if field.default is None else f" [default: {field.default}]"
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        help=f"{field.description}{default}",
        show_default=False,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],  # type: ignore[valid-type]
    )


def _flag_type(annotation: Any) -> type:
    """The plain type that a command line can carry; pydantic checks the rest."""
    if get_origin(annotation) in (Union, types.UnionType):
        return _flag_type(next(a for a in get_args(annotation) if a is not type(None)))
    if get_origin(annotation) is Literal:
        return type(get_args(annotation)[0])
    return annotation
