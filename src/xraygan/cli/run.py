"""`xraygan run`: the whole job."""

from pathlib import Path
from typing import Annotated

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Device, DryRun, Force, Json, Show, Track, with_settings
from xraygan.cli.plan import print_plan
from xraygan.config import RunSettings
from xraygan.errors import XrayganError


@app.command("run")
@with_settings(("data", "training", "output"))
def run_command(
    settings: RunSettings,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Folder, archive or table of X-rays; left out: the embedded phantom.",
            metavar="DATA",
        ),
    ] = None,
    data_option: Annotated[
        Path | None, typer.Option("--data", help="The same as DATA.", show_default=False)
    ] = None,
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
    if data is not None and data_option is not None:
        raise XrayganError(f"DATA ({data}) and --data {data_option} are both given: leave one")
    data = data or data_option
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
