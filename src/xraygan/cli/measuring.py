"""Options and tables that `evaluate` and `audit` share."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

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


def table(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Figures as aligned lines: name, value, interval, floor, number."""
    lines = [("", "value", "95 % interval", "real against real", "n")]
    lines += [(name, *_cells(figure)) for name, figure in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(figure: Mapping[str, Any]) -> tuple[str, str, str, str]:
    low, high = (_number(figure[end]) for end in ("low", "high"))
    return (
        _number(figure["value"]),
        f"{low} to {high}",
        _number(figure.get("floor")),
        f"{figure['n']:,}",
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
