"""What judges something: `evaluate`, `audit` and `report`."""

from pathlib import Path
from typing import Any

from xraygan.progress import Reporter


def evaluate(
    real: str | Path,
    synth: str | Path,
    train: str | Path | None = None,
    *,
    utility: str = "basic",
    spaces: tuple[str, ...] = ("filter-bank-1", "chest-net-1"),
    resolution: int | None = None,
    fit: str = "squash",
    patient_pattern: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """How real and how useful synthetic images are, whoever made them.

    Args:
        real: folder of real images that the generator was not trained on. A folder with
            `train/ val/ test/` gives its validation and test images.
        synth: folder of synthetic images, by class as the real ones.
        train: folder of what the generator was trained on; a folder with splits gives its
            training images. Without it there is no utility, and floors come from `real` alone.
        utility: "none", "basic" or "full".
        spaces: names of feature spaces, the main one first.
        resolution: side in pixels at which all are compared; the synthetic images' own unless
            told.
        fit: "crop", "pad-edge" or "squash", as the synthetic images were made.
        patient_pattern: regular expression whose group finds the patient in a file name.
        seed: of every random choice.
        out: folder to write evaluation.json to; a run's folder, for its report.
        reporter: where progress goes; stderr by default.

    Returns:
        What evaluation.json holds.

    Raises:
        XrayganError: a folder that cannot be used, too few images, an unknown space.
    """
    from xraygan import evidence

    reporter = reporter or Reporter()
    measures = evidence.Measures.parse(
        {"spaces": spaces, "utility": utility, "seed": seed}, "the options"
    )
    folders = {"real": real, "synthetic": synth} | ({"train": train} if train else {})
    sets, notes = _read_sets(folders, resolution, fit, patient_pattern, reporter)
    found = evidence.evaluate(
        sets["real"], sets["synthetic"], sets.get("train"), measures, reporter
    )
    _say(notes, reporter)
    if out is not None:
        evidence.write_evaluation(Path(out), found)
    return found


def audit(
    train: str | Path,
    holdout: str | Path,
    synth: str | Path,
    *,
    model: str | Path | None = None,
    spaces: tuple[str, ...] = ("filter-bank-1",),
    resolution: int | None = None,
    fit: str = "squash",
    patient_pattern: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Whether synthetic images give training patients away, whoever made them.

    Args:
        train: folder of what the generator was trained on; a folder with splits gives its
            training images.
        holdout: folder of other patients of the same source; a folder with splits gives its
            validation and test images.
        synth: folder of synthetic images.
        model: the run whose discriminator is asked as well.
        spaces: names of feature spaces; `chest-net-1` is taught films of both sides alike.
        resolution: as for `evaluate`.
        fit: as for `evaluate`.
        patient_pattern: as for `evaluate`.
        seed: as for `evaluate`.
        out: folder to write audit.json to, and `internal/` with the closest pairs, which show
            real patients.
        reporter: as for `evaluate`.

    Returns:
        What audit.json holds.

    Raises:
        XrayganError: as for `evaluate`, or a run that cannot be asked.
    """
    from xraygan import evidence

    reporter = reporter or Reporter()
    measures = evidence.Measures.parse({"spaces": spaces, "seed": seed}, "the options")
    folders = {"train": train, "holdout": holdout, "synthetic": synth}
    sets, notes = _read_sets(folders, resolution, fit, patient_pattern, reporter)
    found = evidence.look_for_leaks(
        sets["train"],
        sets["holdout"],
        sets["synthetic"],
        measures,
        reporter,
        Path(model) if model is not None else None,
    )
    _say(notes, reporter)
    if out is not None:
        evidence.write_audit(Path(out), found, sets["train"], sets["synthetic"])
    return found.as_dict()


def report(
    run: str | Path,
    *,
    internal: bool = False,
    licence: str | None = None,
    attribution: str | None = None,
) -> list[Path]:
    """One page on a run, with what `evaluate` and `audit` have written into it.

    Args:
        run: the run folder.
        internal: the edition for the house, with real images, in `internal/`.
        licence: of the training data.
        attribution: of the training data.

    Returns:
        The files written, the page first.

    Raises:
        XrayganError: not a run folder, or a damaged file in it.
    """
    from xraygan.report.render import write_report

    return write_report(Path(run), internal=internal, licence=licence, attribution=attribution)


def _read_sets(
    folders: dict[str, str | Path],
    resolution: int | None,
    fit: str,
    patient_pattern: str | None,
    reporter: Reporter,
) -> tuple[dict[str, Any], list[str]]:
    """Sets of images by role, all read alike, and what was noticed on the way."""
    from xraygan.config import PixelSettings
    from xraygan.data.collection import own_resolution, read_sets

    paths = {role: Path(folder) for role, folder in folders.items()}
    settings = PixelSettings.parse(
        {
            "resolution": resolution or own_resolution(paths["synthetic"]),
            "fit": fit,
            "patient_pattern": patient_pattern,
        },
        "the options",
    )
    with reporter.bar("reading images", 1, "files") as bar:
        sets, notes = read_sets(paths, settings, progress=bar.count)
    counts = ", ".join(f"{len(images):,} {role}" for role, images in sets.items())
    reporter.note(f"{counts} images at {settings.resolution}×{settings.resolution}")
    return sets, notes


def _say(notes: list[str], reporter: Reporter) -> None:
    for note in notes:
        reporter.note(f"  {note}")
