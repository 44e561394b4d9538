"""`--dry-run`: what would be done, without doing it."""

from pathlib import Path

import typer
import yaml

from xraygan.cli.main import print_json
from xraygan.config import RunSettings
from xraygan.errors import XrayganError


def print_plan(
    settings: RunSettings, data: Path | None, target: Path, *, as_json: bool = False
) -> None:
    """Print data, target and every setting on stdout: as YAML, or as one JSON object.

    Raises:
        XrayganError: there are no such data.
    """
    if data is not None and not data.exists():
        raise XrayganError(
            f"{data}: there is no such folder or file; give the folder, archive or table of the "
            "X-rays"
        )
    values = settings.model_dump(mode="json")
    if as_json:
        print_json({"data": data, "into": target, "settings": values})
        return
    typer.echo(f"# data: {data or 'the embedded phantom'}\n# into: {target}")
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)
