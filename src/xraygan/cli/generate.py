"""`xraygan generate`: labelled synthetic images from a trained model."""

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Device, Json
from xraygan.errors import XrayganError
from xraygan.sampling.request import Format, Shard, Written


@app.command("generate")
def generate_command(
    model: Annotated[
        Path, typer.Option("--model", help="A run folder, or its model/ or generator.safetensors.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the images and manifest.csv.")],
    num: Annotated[int, typer.Option("--num", help="How many images.")] = 1000,
    class_name: Annotated[
        str | None, typer.Option("--class", help="One class; left out: all.", show_default=False)
    ] = None,
    like_train: Annotated[
        bool,
        typer.Option("--like-train", help="The training data's proportions of classes, not equal."),
    ] = False,
    seed: Annotated[
        int, typer.Option("--seed", help="Image i depends on model, class, psi, seed and i.")
    ] = 0,
    first: Annotated[int, typer.Option("--first", help="Index of the first image.")] = 0,
    psi: Annotated[
        float,
        typer.Option("--psi", help="Truncation: below 1 nearer to the mean, and less varied."),
    ] = 1.0,
    file_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="png and dicom: a file an image; npz and webdataset: some thousands a file.",
        ),
    ] = "png",
    bits: Annotated[
        int,
        typer.Option(
            "--bits",
            help="Of a grey level: 8 or 16. Tools that make 8-bit colour of every image "
            "(torchvision, webdataset) turn 16-bit ones white.",
        ),
    ] = 8,
    shard: Annotated[
        str,
        typer.Option("--shard", help="One worker's share: 3/16 is the third of sixteen."),
    ] = "1/1",
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
    """Write labelled synthetic images; the same call again makes only what is missing."""
    if (filter_by is None) != (data is None):
        raise XrayganError("--filter copies and --data DIR (the real images) go together")
    from xraygan import api

    made = api.generate(
        model,
        num,
        seed=seed,
        class_name=class_name,
        like_train=like_train,
        first=first,
        psi=psi,
        bits=cast("Literal[8, 16]", bits),
        out=out,
        format=file_format,
        shard=Shard.parse(shard),
        not_near=data,
        device=device,
    )
    found = cast("Written", made)
    if as_json:
        print_json(
            {
                "manifest": str(found.manifest),
                "written": found.written,
                "left_out": found.left_out,
                "audit": str(found.audit) if found.audit else None,
                "verdict": found.verdict,
            }
        )
    else:
        left_out = f", {found.left_out:,} left out" if filter_by else ""
        typer.echo(f"images:   {found.written:,} written{left_out}")
        typer.echo(f"manifest: {found.manifest}")
