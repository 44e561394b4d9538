"""`xraygan generate`: labelled synthetic images from a trained model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Device, Json
from xraygan.errors import XrayganError


@app.command("generate")
def generate_command(
    model: Annotated[
        Path, typer.Option("--model", help="A run folder, or its model/ or generator.safetensors.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for <CLASS>/*.png and manifest.csv.")],
    num: Annotated[int, typer.Option("--num", help="How many images.")] = 1000,
    class_name: Annotated[
        str | None, typer.Option("--class", help="One class; left out: all.", show_default=False)
    ] = None,
    like_train: Annotated[
        bool,
        typer.Option("--like-train", help="The training data's proportions of classes, not equal."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Image i depends on model, seed and i.")] = 0,
    first: Annotated[int, typer.Option("--first", help="Index of the first image.")] = 0,
    filter_by: Annotated[
        Literal["copies"] | None,
        typer.Option(
            "--filter",
            help="copies: leave out what comes too near to a training patient, and audit the "
            "rest; needs --data. A filter is no guarantee.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="For --filter: what the model was trained on.", show_default=False
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Write labelled synthetic images."""
    if (filter_by is None) != (data is None):
        raise XrayganError("--filter copies and --data DIR (the real images) go together")
    from xraygan import api

    manifest = api.generate(
        model,
        num,
        seed=seed,
        class_name=class_name,
        like_train=like_train,
        first=first,
        out=out,
        not_near=data,
        device=device,
    )
    if as_json:
        print_json({"manifest": str(manifest), "num": num})
    else:
        typer.echo(f"manifest: {manifest}")
