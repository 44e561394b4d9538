"""Options and tables that `evaluate` and `audit` share."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from xraygan.report.readings import Topic, reading_of

Sections = dict[str, dict[str, Mapping[str, Any]]]
"""Figures as JSON has them by name, by the heading that they stand under."""

Synth = Annotated[
    Path, typer.Option("--synth", help="Synthetic images: <CLASS>/*.png, of any generator.")
]
Spaces = Annotated[
    str,
    typer.Option(
        "--feature-spaces",
        help="Where distances are measured, the main one first: filter-bank-1, chest-net-1 "
        "(both need nothing), inception, torchxrayvision, rad-dino.",
    ),
]
Resolution = Annotated[
    int | None,
    typer.Option(
        "--resolution",
        help="Side in pixels at which all images are compared [default: the synthetic images' "
        "own].",
        show_default=False,
    ),
]
Fit = Annotated[
    Literal["crop", "pad-edge", "squash"],
    typer.Option("--fit", help="How a film that is not square becomes square."),
]
PatientPattern = Annotated[
    str | None,
    typer.Option(
        "--patient-pattern",
        help="Regular expression whose group finds the patient in a file name.",
        show_default=False,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="What the run of --model was trained on: read and split as that run did, in the "
        "place of the folders of real images; phantom for the embedded one.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random choice.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder to write the result to as well: a run's, for its report; that of --synth, for "
        "the card of an export.",
        show_default=False,
    ),
]


def names(spaces: str) -> tuple[str, ...]:
    """The feature spaces of a comma-separated list, in order, each once."""
    return tuple(dict.fromkeys(name.strip() for name in spaces.split(",") if name.strip()))


def table(sections: Sections, floors: str) -> str:
    """Figures as aligned lines: name, value, interval, floor, number.

    Args:
        sections: figures as JSON has them by name, by the heading that they stand under.
        floors: heading of the column of floors.
    """
    header = ("", "value", "95 % interval", floors, "n")
    lines = {
        heading: [(f"  {name}", *_cells(figure)) for name, figure in figures.items()]
        for heading, figures in sections.items()
    }
    widths = [max(map(len, column)) for column in zip(header, *chain(*lines.values()), strict=True)]
    said = [_aligned(header, widths)]
    for heading, rows in lines.items():
        said += [heading, *(_aligned(row, widths) for row in rows)]
    return "\n".join(said)


def by_space(heading: str, values: Mapping[str, Any], topic: Topic) -> Sections:
    """Figures among the values under one heading, those of further feature spaces under theirs.

    Args:
        heading: of the figures whose key names no space.
        values: figures by key, "kid" or "kid@inception", and whatever stands beside them.
        topic: where keys belong, as for `reading_of`.
    """
    sections: Sections = {}
    for key, figure in values.items():
        if not isinstance(figure, Mapping) or "value" not in figure:
            continue
        measure, _, space = key.partition("@")
        under = f"{heading}, in {space}" if space else heading
        sections.setdefault(under, {})[reading_of(measure, topic).title] = figure
    return sections


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    name, *numbers = cells
    padded = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *padded]).rstrip()


def _cells(figure: Mapping[str, Any]) -> tuple[str, str, str, str]:
    ends = (figure["low"], figure["high"])
    return (
        _number(figure["value"]),
        "–" if None in ends else " to ".join(map(_number, ends)),
        _number(figure.get("floor")),
        f"{figure['n']:,}",
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
