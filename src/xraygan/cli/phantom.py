"""`xraygan phantom`: a data set of simulated films, so that no patient is needed to begin."""

from pathlib import Path
from typing import Annotated

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Json
from xraygan.progress import Reporter


@app.command("phantom")
def phantom_command(
    out: Annotated[Path, typer.Option("--out", help="New folder for the data set.")],
    num: Annotated[int, typer.Option("--num", help="How many films.")] = 2000,
    resolution: Annotated[int, typer.Option("--resolution", help="Side in pixels.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the whole set.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a procedural chest-phantom data set, train/ val/ test/ with two classes."""
    from xraygan.data.phantom import write_phantom

    with Reporter().bar("drawing phantoms", num, "images") as bar:
        write_phantom(out, num, resolution, seed, progress=bar.count)
    if as_json:
        print_json({"folder": str(out), "images": num, "resolution": resolution, "seed": seed})
    else:
        typer.echo(f"phantom data set: {out}")
