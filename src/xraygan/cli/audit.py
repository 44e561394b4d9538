"""`xraygan audit`: whether synthetic images give training patients away."""

from pathlib import Path
from typing import Annotated, Any

import typer

from xraygan.cli.main import app, print_json
from xraygan.cli.measuring import (
    Data,
    Fit,
    Out,
    PatientPattern,
    Resolution,
    Sections,
    Seed,
    Spaces,
    Synth,
    by_space,
    names,
    table,
)
from xraygan.cli.options import Json
from xraygan.config import AUDIT_SPACES
from xraygan.report.measured import BLIND
from xraygan.report.titles import attack_title

_SPACES = ",".join(AUDIT_SPACES)


@app.command("audit")
def audit_command(
    synth: Synth,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
            help="Real images that the generator was trained on.",
            show_default=False,
        ),
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option(
            "--holdout",
            help="Real images of other patients, of the same source.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="The run folder: its discriminator is asked too.", show_default=False
        ),
    ] = None,
    spaces: Spaces = _SPACES,
    resolution: Resolution = None,
    fit: Fit = "squash",
    patient_pattern: PatientPattern = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Look for copies of training images and for signs of who was trained on."""
    from xraygan import api
    from xraygan.privacy.words import in_one_line

    found = api.audit(
        train,
        holdout,
        synth,
        data=data,
        model=model,
        spaces=names(spaces),
        resolution=resolution,
        fit=fit,
        patient_pattern=patient_pattern,
        seed=seed,
        out=out,
    )
    if as_json:
        print_json(found)
        return
    typer.echo(f"verdict: {in_one_line(found)}\n{found['explanation']}\n")
    typer.echo(table(_sections(found), "control"))
    for title, key in (("tested", "tested"), ("not tested", "not_tested"), ("notes", "notes")):
        typer.echo(f"\n{title}:")
        for sentence in found[key]:
            typer.echo(f"- {sentence}")
    typer.echo(f"\n{found['does_not_prove']}")


def _sections(found: dict[str, Any]) -> Sections:
    """Figures of copies, of each attack beside its control, and of the films alone once."""
    sections = by_space("Copies", found["copies"], "copies")
    blind: dict[str, Any] = {}
    for attack, figures in found["membership"].items():
        blind = {key: figure for key, figure in figures.items() if key.startswith(BLIND)}
        auc = figures["auc"] | {"floor": figures["control_auc"]["value"]}
        named = {
            key: figure
            for key, figure in figures.items()
            if key.startswith("tpr_") and figure["value"] is not None  # or a note says why
        }
        sections |= by_space(attack_title(attack), {"auc": auc, **named}, "membership")
    return sections | by_space("The films alone", blind, "membership")
