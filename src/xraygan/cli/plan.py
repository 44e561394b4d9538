"""`--dry-run`: what would be done, without doing it."""

from pathlib import Path

import typer
import yaml

from xraygan.config import RunSettings
from xraygan.errors import XrayganError


def print_plan(settings: RunSettings, data: Path | None, target: Path) -> None:
    """Print data, target and every setting as YAML on stdout.

    Raises:
        XrayganError: there are no such data.
    """
    if data is not None and not data.exists():
        raise XrayganError(
            f"{data}: there is no such folder or file; give the folder, archive or table of the "
            "X-rays"
        )
    typer.echo(f"# data: {data or 'the embedded phantom'}\n# into: {target}")
    values = settings.model_dump(mode="json")
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)
