"""`xraygan studio`: runs, images and reader studies in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Device, Json
from xraygan.errors import XrayganError
from xraygan.progress import Reporter


@app.command("studio")
def studio_command(
    folder: Annotated[
        Path, typer.Argument(help="Folder of runs, or one run.", metavar="[RUNS_DIR]")
    ] = Path("runs"),
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on; others than this machine's own need --token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8787,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="XRAYGAN_STUDIO_TOKEN",
            help="Secret that visitors have to give, at least 16 characters.",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="NAME=DIR, data that may be trained on from the page; may be repeated.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Open the studio: a page on this machine, until Ctrl-C."""
    try:
        from xraygan.web.serve import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise XrayganError("the studio needs an extra: pip install 'xraygan[web]'") from None
    if not folder.exists():
        Reporter().note(
            f"{folder}: there is no such folder yet; a run that is started from the page makes it "
            "(xraygan studio . shows the runs of the present folder)"
        )
    serve(folder, host, port, token, data or (), device, _announce_json if as_json else _announce)


def _announce_json(address: str) -> None:
    print_json({"address": address})


def _announce(address: str) -> None:
    typer.echo(f"studio: {address}   (Ctrl-C ends it)")
    typer.echo("It shows real films where their data are on this machine: not for outsiders.")
