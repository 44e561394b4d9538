"""Other networks, losses and schedules that were tried against the default, by name.

A variant replaces one function of the package for the length of an experiment. What wins
moves into the package and leaves this file; what loses stays here, beside its row in
docs/experiments.md, so that the row can be made again.
"""

from collections.abc import Callable
from typing import Any

_VARIANTS: dict[str, Callable[[], None]] = {}
_SHAPES: list[dict[str, Any]] = []


def apply(name: str) -> None:
    """Switch a variant on: a name in this file, or `field=value` of `ModelSettings`."""
    if "=" in name:
        field, value = name.split("=", 1)
        _SHAPES.append({field: [int(part) for part in value.split(",")]})
        return
    if name not in _VARIANTS:
        raise SystemExit(f"no variant '{name}'; there are {', '.join(sorted(_VARIANTS))}")
    _VARIANTS[name]()


def reshape(network: Any) -> Any:
    """The networks' settings with what `apply` was given for them."""
    values = network.model_dump(mode="json")
    for shape in _SHAPES:
        for field, value in shape.items():
            values[field] = value if len(value) > 1 else value[0]
    return type(network).parse(values, "--variant")


def _variant(switch: Callable[[], None]) -> Callable[[], None]:
    _VARIANTS[switch.__name__.replace("_", "-")] = switch
    return switch
