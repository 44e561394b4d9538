"""`xraygan explore`: what lies between images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Device, Json
from xraygan.errors import XrayganError


@app.command("explore")
def explore_command(
    model: Annotated[Path, typer.Option("--model", help="A run folder, or its model/.")],
    out: Annotated[
        Path, typer.Option("--out", help="A grid (.png) or a film (.gif or .mp4) to write.")
    ],
    along: Annotated[
        Literal["seeds", "classes", "directions"],
        typer.Option("--along", help="From seed to seed, class to class, or along directions."),
    ] = "seeds",
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            help="Numbers, separated by commas [default: 0,1,2; for directions 0].",
            show_default=False,
        ),
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="The class, or where it begins; the first one.")
    ] = None,
    to_class: Annotated[
        str | None, typer.Option("--to-class", help="For classes: where it ends; the last one.")
    ] = None,
    directions: Annotated[
        int | None,
        typer.Option(
            "--directions",
            help="For directions: how many, one a row [default: 6].",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", help="Steps from one end to the other: one picture more.")
    ] = 8,
    psi: Annotated[float, typer.Option("--psi", help="Truncation; 1 is none.")] = 1.0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw what lies between images: a grid to look at, or a film."""
    from xraygan import api

    written = api.explore(
        model,
        out,
        along=along,
        seeds=None if seeds is None else _numbers(seeds),
        class_name=class_name,
        to_class=to_class,
        directions=directions,
        steps=steps,
        psi=psi,
        device=device,
    )
    if as_json:
        print_json({"written": str(written)})
    else:
        typer.echo(written)


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) < 2**31 for part in parts):
        raise XrayganError(f"--seeds {text}: expected numbers such as 1,2,3")
    return [int(part) for part in parts]
