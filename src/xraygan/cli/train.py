"""`xraygan train`: training alone, in numbered run folders."""

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
from xraygan.config import AFTER_TRAINING, RunSettings
from xraygan.runs import check_place


@app.command("train")
@with_settings(("data", "training", "output"), without=AFTER_TRAINING)
def train_command(
    settings: RunSettings,
    data: Data = None,
    data_option: DataOption = None,
    outdir: Annotated[
        Path, typer.Option("--outdir", help="Run folders 00000-name, … are made here.")
    ] = Path("runs"),
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir",
            help="Train in this very folder, not in a numbered one; a run in it goes on.",
            show_default=False,
        ),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new run; do not resume one.")] = False,
    device: Device = "auto",
    show: Show = False,
    force: Force = False,
    track: Track = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train; the same command again goes on where it was."""
    check_place(run_dir, new)
    data = one_of(data, data_option)
    if dry_run:
        print_plan(settings, data, run_dir or outdir, as_json=as_json)
        return
    from xraygan import api

    trained = api.train(
        data,
        outdir,
        settings=settings,
        run_dir=run_dir,
        device=device,
        show=show,
        force=force,
        new=new,
        track=track,
    )
    if as_json:
        print_json({"run": str(trained.path), "config": trained.config})
    else:
        typer.echo(f"run folder: {trained.path}")
