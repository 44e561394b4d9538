"""`xraygan export`: a model or a data set to hand on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Json

export_app = typer.Typer(
    help="Hand a model or a synthetic data set on.", no_args_is_help=False, rich_markup_mode=None
)
app.add_typer(export_app, name="export")

Licence = Annotated[
    str | None,
    typer.Option(
        "--licence",
        help="Of what is exported, as its owner gives it: 'CC BY 4.0'.",
        show_default=False,
    ),
]
DataLicence = Annotated[
    str | None,
    typer.Option(
        "--data-licence",
        help="Of the training data, for the card: 'CC BY 4.0'.",
        show_default=False,
    ),
]
Attribution = Annotated[
    str | None,
    typer.Option("--attribution", help="Whom to name for the training data.", show_default=False),
]


@export_app.command("model")
def export_model_command(
    model: Annotated[Path, typer.Argument(help="A run folder, or its model/.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to, new or empty.")],
    forms: Annotated[
        list[str],
        typer.Option(
            "--format", help="safetensors, onnx or keras; may be given several times. All of them."
        ),
    ] = ["safetensors", "onnx", "keras"],  # noqa: B006  (Typer copies it)
    licence: Licence = None,
    data_licence: DataLicence = None,
    attribution: Attribution = None,
    as_json: Json = False,
) -> None:
    """Write the generator alone, each form checked on 100 seeds, with its model card."""
    from xraygan import api

    found = api.export_model(
        model,
        out,
        forms=forms,
        licence=licence,
        data_licence=data_licence,
        attribution=attribution,
    )
    if as_json:
        print_json(found)
        return
    for path in found["files"]:
        typer.echo(path)
    for form, difference in found["checks"].items():
        typer.echo(
            f"{form}: differs by at most {difference['output']:.1g} of 2 (black to white), "
            f"{difference['grey_levels']} grey levels"
        )


@export_app.command("data")
def export_data_command(
    synth: Annotated[
        Path, typer.Argument(help="A folder that xraygan generate wrote.", metavar="SYNTH")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to, new or empty.")],
    form: Annotated[
        Literal["imagefolder", "webdataset", "dicom"],
        typer.Option("--format", help="Hugging Face's folder, tar shards, or Secondary Capture."),
    ] = "imagefolder",
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="The run that made them, for the data card; the folder above SYNTH if it is one.",
            show_default=False,
        ),
    ] = None,
    licence: Licence = None,
    data_licence: DataLicence = None,
    attribution: Attribution = None,
    as_json: Json = False,
) -> None:
    """Write a synthetic data set with card, licence and provenance."""
    from xraygan import api

    found = api.export_data(
        synth,
        out,
        form=form,
        run=run,
        licence=licence,
        data_licence=data_licence,
        attribution=attribution,
    )
    if as_json:
        print_json(found)
    else:
        typer.echo(f"data set: {found['folder']} ({found['images']:,} images, {form})")
