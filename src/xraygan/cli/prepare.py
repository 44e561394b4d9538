"""`xraygan prepare`: any source of chest films to a data set that any tool reads."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.options import Json, with_settings
from xraygan.config import DataSettings, RunSettings
from xraygan.errors import XrayganError
from xraygan.progress import Reporter


@app.command("prepare")
@with_settings(("data",))
def prepare_command(
    settings: RunSettings,
    source: Annotated[
        Path,
        typer.Argument(help="Folder, archive, table or .npz of chest X-rays.", metavar="SOURCE"),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the data set.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be read, and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check, de-duplicate and split films by patient; write PNG files and tables."""
    if dry_run:
        _show(_counted(source, settings.data, out), as_json)
        return
    if out is None:
        raise XrayganError("--out is missing: name a folder for the data set")
    from xraygan import api

    _show(api.write_prepared(source, out, settings.data, Reporter()), as_json)


def _counted(source: Path, settings: DataSettings, out: Path | None) -> dict[str, Any]:
    """What the names and tables of a source tell, before any image is read."""
    from xraygan.data.sources import list_source

    listing = list_source(source, settings, skip=[out] if out else [])
    counts: dict[str, Counter[str]] = {}
    for file in listing.files:
        counts.setdefault(file.split or "no split given", Counter())[file.label] += 1
    reasons = Counter(reason for _, reason in listing.refused)
    return {
        "source_format": listing.format,
        "counts": {split: dict(sorted(found.items())) for split, found in sorted(counts.items())},
        "refused": dict(sorted(reasons.items())),
        "notes": list(listing.notes),
    }


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    typer.echo(f"read as: {found['source_format']}")
    for split, classes in found["counts"].items():
        told = ", ".join(f"{number:,} {label}" for label, number in classes.items())
        typer.echo(f"{split}: {told or 'none'}")
    for reason, number in found["refused"].items():
        typer.echo(f"not used: {number:,} ({reason})")
    if "dataset" not in found:  # of a data set that is written, they were said while reading
        for note in found["notes"]:
            typer.echo(f"- {note}")
    else:
        state = " (unchanged)" if found["unchanged"] else ""
        typer.echo(f"data set: {found['dataset']}{state}")
        typer.echo(f"summary:  {found['summary']}")
