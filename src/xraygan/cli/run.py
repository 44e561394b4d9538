"""`xraygan run`: the whole job."""

from pathlib import Path
from typing import Annotated

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import (
    Data,
    DataOption,
    Device,
    DryRun,
    Force,
    Json,
    Show,
    Track,
    one_of,
    with_settings,
)
from xraygan.cli.plan import print_plan
from xraygan.config import RunSettings


@app.command("run")
@with_settings(("data", "training", "output"))
def run_command(
    settings: RunSettings,
    data: Data = None,
    data_option: DataOption = None,
    results: Annotated[
        Path, typer.Option("--results", "-o", help="Folder for all results.")
    ] = Path("results"),
    device: Device = "auto",
    show: Show = False,
    force: Force = False,
    track: Track = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Do the whole job: read, train, generate, measure, summarise."""
    data = one_of(data, data_option)
    if dry_run:
        print_plan(settings, data, results, as_json=as_json)
        return
    from xraygan import api

    summary = api.run(
        data, results, settings=settings, device=device, show=show, force=force, track=track
    )
    if as_json:
        print_json(summary)
        return
    paths = summary["paths"]
    typer.echo(f"synthetic images: {paths['synthetic']}")
    typer.echo(f"picture grid:     {paths['grid']}")
    typer.echo(f"summary:          {paths['summary']}")
    typer.echo(f"report:           {paths['report']}")
