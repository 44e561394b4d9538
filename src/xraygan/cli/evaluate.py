"""`xraygan evaluate`: how real and how useful synthetic images are, of any generator."""

from pathlib import Path
from typing import Annotated, Any, Literal

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
from xraygan.config import EVALUATION_SPACES
from xraygan.report.titles import regime_title

_SPACES = ",".join(EVALUATION_SPACES)


@app.command("evaluate")
def evaluate_command(
    synth: Synth,
    real: Annotated[
        Path | None,
        typer.Option(
            "--real",
            help="Real images that the generator was not trained on.",
            show_default=False,
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            "--train", help="Real images it was trained on: for utility.", show_default=False
        ),
    ] = None,
    data: Data = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="The run folder, with --data.")
    ] = None,
    utility: Annotated[
        Literal["none", "basic", "full"],
        typer.Option(
            "--utility",
            help="Train small classifiers: basic compares real, synthetic and both; full adds "
            "mixtures, augmentation, pre-training and few reals. Needs --train, or --data.",
        ),
    ] = "basic",
    spaces: Spaces = _SPACES,
    resolution: Resolution = None,
    fit: Fit = "squash",
    patient_pattern: PatientPattern = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Measure fidelity, diversity and utility, each with its interval and floor."""
    from xraygan import api

    found = api.evaluate(
        real,
        synth,
        train,
        data=data,
        model=model,
        utility=utility,
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
    typer.echo(table(_sections(found), "real against real"))
    for note in _notes(found):
        typer.echo(f"- {note}")


def _sections(found: dict[str, Any]) -> Sections:
    """Every figure: of all images, of each class and of each way of training."""
    sections = by_space("All images", found, "fidelity")
    for name, figures in found["per_class"].items():
        sections |= by_space(f"Class {name}", figures, "fidelity")
    for regime, figures in (found["utility"] or {}).items():
        if isinstance(figures, dict):
            sections |= by_space(regime_title(regime), figures, "utility")
    return sections


def _notes(found: dict[str, Any]) -> list[str]:
    """On all figures, then on utility: why there is none, for one."""
    return [*found["notes"], *(found["utility"] or {}).get("notes", [])]
