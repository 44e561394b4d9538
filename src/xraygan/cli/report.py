"""`xraygan report`: one page on a run, to share or for the house."""

from pathlib import Path
from typing import Annotated

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Json


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")],
    internal: Annotated[
        bool,
        typer.Option(
            "--internal", help="The edition for the house: with real images. Never share it."
        ),
    ] = False,
    data_licence: Annotated[
        str | None,
        typer.Option(
            "--data-licence",
            help="Of the training data: 'CC BY 4.0'; kept for later reports and cards.",
            show_default=False,
        ),
    ] = None,
    attribution: Annotated[
        str | None,
        typer.Option(
            "--attribution",
            help="Whom to name for the training data; kept likewise.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a run's report (HTML, JSON) and its model and data cards (Markdown)."""
    from xraygan import api

    written = api.report(run, internal=internal, data_licence=data_licence, attribution=attribution)
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(path)
