"""What judges something: `evaluate`, `audit` and `report`."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraygan import caveats
from xraygan.api.preparing import training_data
from xraygan.config import AUDIT_SPACES, EVALUATION_SPACES, PixelSettings
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import AUDIT, EVALUATION, read_config, write_json
from xraygan.sampling.records import is_filtered, origin

if TYPE_CHECKING:
    from xraygan.data.collection import Collection

SQUASH = "squash"
PAIRS_AMONG_IMAGES = "an audit writes the closest pairs, which show real films"
PLOT_AMONG_IMAGES = (
    "an evaluation writes a plot, which would be taken for one of the images the next time"
)


def evaluate(
    real: str | Path | None,
    synth: str | Path,
    train: str | Path | None = None,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    utility: str = "basic",
    spaces: tuple[str, ...] = EVALUATION_SPACES,
    resolution: int | None = None,
    fit: str = SQUASH,
    patient_pattern: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """How real and how useful synthetic images are, whoever made them.

    Args:
        real: folder of real images that the generator was not trained on. A folder with
            `train/ val/ test/` gives its validation and test images. None where `data` is given.
        synth: folder of synthetic images, by class as the real ones.
        train: folder of what the generator was trained on; a folder with splits gives its
            training images. Without it there is no utility, and floors come from `real` alone.
        data: what the run `model` was trained on, read and split as that run did, in the place
            of `real` and `train`.
        model: the run folder, with `data`.
        utility: "none", "basic" or "full".
        spaces: names of feature spaces, the main one first.
        resolution: side in pixels at which all are compared; the synthetic images' own unless
            told.
        fit: "crop", "pad-edge" or "squash", as the synthetic images were made.
        patient_pattern: regular expression whose group finds the patient in a file name.
        seed: of every random choice.
        out: folder to write evaluation.json to, and a plot of the utility; a run's folder, for its
            report; `synth`, for the card of an export: there without the plot.
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
    if model is not None and data is None:
        raise XrayganError("--model goes with --data, what that run was trained on")
    reading = _SetReader(resolution, fit, patient_pattern, reporter)
    real_sets = {"real": real, "train": train}
    if out is not None:
        _check_not_within(Path(out), Path(synth), PLOT_AMONG_IMAGES)
    read = reading.read(real_sets, {"real"}, synth, data, model)
    sets = read.sets
    found = evidence.evaluate(
        sets["real"], sets["synthetic"], sets.get("train"), measures, reporter
    )
    notes = [*found["notes"], *read.unknown_said()]
    if model is not None:
        notes += caveats.of_evaluation(read_config(Path(model)) or {})
    known = {"sets": read.with_unknown(found["sets"]), "notes": notes}
    found = {**found, **known, **origin(Path(synth), len(sets["synthetic"]))}
    _say(read.notes, reporter)
    if out is not None and _is_same(out, synth):
        write_json(Path(out) / EVALUATION, found)
    elif out is not None:
        evidence.write_evaluation(Path(out), found)
    return found


def audit(
    train: str | Path | None,
    holdout: str | Path | None,
    synth: str | Path,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    spaces: tuple[str, ...] = AUDIT_SPACES,
    resolution: int | None = None,
    fit: str = SQUASH,
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
        data: what the run `model` was trained on, read and split as that run did, in the place
            of `train` and `holdout`.
        model: the run whose discriminator is asked as well.
        spaces: names of feature spaces; `chest-net-1` is taught films of both sides alike.
        resolution: as for `evaluate`.
        fit: as for `evaluate`.
        patient_pattern: as for `evaluate`.
        seed: as for `evaluate`.
        out: folder to write audit.json to, and `internal/` with the closest pairs, which show
            real patients, and the files of those who are most imitated; into `synth` itself
            without them.
        reporter: as for `evaluate`.

    Returns:
        What audit.json holds.

    Raises:
        XrayganError: as for `evaluate`, or a run that cannot be asked.
    """
    from xraygan import evidence
    from xraygan.api.filtering import SAME_MEASURE
    from xraygan.training.checkpoint import list_checkpoints

    reporter = reporter or Reporter()
    measures = evidence.Measures.parse({"spaces": spaces, "seed": seed}, "the options")
    reading = _SetReader(resolution, fit, patient_pattern, reporter)
    real_sets = {"train": train, "holdout": holdout}
    if out is not None:
        _check_not_within(Path(out), Path(synth), PAIRS_AMONG_IMAGES)
    read = reading.read(real_sets, {"train", "holdout"}, synth, data, model)
    sets, notes = read.sets, read.unknown_said()
    if model is not None:
        notes += caveats.of_audit(read_config(Path(model)) or {})
    if data is not None and model is not None:
        if not list_checkpoints(Path(model) / "checkpoints"):
            notes.append("The run has no checkpoints: its discriminator was not asked.")
            model = None
    elif model is not None:
        notes += _unlike_the_run(Path(model), fit, len(sets["train"]))
    if is_filtered(Path(synth)):
        notes.append(SAME_MEASURE)
    found = evidence.look_for_leaks(
        sets["train"],
        sets["holdout"],
        sets["synthetic"],
        measures,
        reporter,
        Path(model) if model is not None else None,
    )
    found = replace(found, notes=(*found.notes, *notes), sets=read.with_unknown(found.sets))
    _say([*read.notes, *notes], reporter)
    facts = origin(Path(synth), len(sets["synthetic"]))
    answer = {**found.as_dict(), **facts}
    if out is not None and _is_same(out, synth):
        write_json(Path(out) / AUDIT, answer)
        reporter.note("the closest pairs show real films: they are not written among these images")
    elif out is not None:
        files = read.files["train"]
        evidence.write_audit(Path(out), found, sets["train"], sets["synthetic"], files, facts)
    return answer


def report(
    run: str | Path,
    *,
    internal: bool = False,
    data_licence: str | None = None,
    attribution: str | None = None,
) -> list[Path]:
    """One page on a run, with what `evaluate` and `audit` have written into it.

    Args:
        run: the run folder.
        internal: the edition for the house, with real images, in `internal/`.
        data_licence: of the training data; the run keeps it for later reports and cards.
        attribution: of the training data, kept likewise.

    Returns:
        The files written, the page first.

    Raises:
        XrayganError: not a run folder, or a damaged file in it.
    """
    from xraygan.report.render import write_report

    return write_report(Path(run), internal=internal, licence=data_licence, attribution=attribution)


@dataclass(frozen=True)
class _SetReader:
    """How sets of images are read, all alike."""

    resolution: int | None
    fit: str
    patient_pattern: str | None
    reporter: Reporter

    def read(
        self,
        real: Mapping[str, str | Path | None],
        needed: Set[str],
        synth: str | Path,
        data: str | Path | None,
        model: str | Path | None,
    ) -> "Collection":
        """These folders, or a run's own splits.

        Args:
            real: folders of real images by role: "train" and one other.
            needed: roles that must be given where `data` is not.
            synth: folder of synthetic images.
            data: what the run `model` was trained on.
            model: the run folder.
        """
        given = {role: folder for role, folder in real.items() if folder is not None}
        options = " and ".join(f"--{role}" for role in real)
        if data is None:
            if not needed <= given.keys():
                raise XrayganError(
                    f"real images are missing: give {options}, or --model and --data"
                )
            return self._of_folders({**given, "synthetic": synth})
        if given:
            raise XrayganError(f"--model and --data stand in the place of {options}")
        [held_out] = real.keys() - {"train"}
        return self._of_run(held_out, data, model, synth)

    def _of_folders(self, folders: dict[str, str | Path]) -> "Collection":
        from xraygan.data.collection import own_resolution, read_sets

        paths = {role: Path(folder) for role, folder in folders.items()}
        settings = PixelSettings.parse(
            {
                "resolution": self.resolution or own_resolution(paths["synthetic"]),
                "fit": self.fit,
                "patient_pattern": self.patient_pattern,
            },
            "the options",
        )
        with self.reporter.bar("reading images", 1, "files") as bar:
            read = read_sets(paths, settings, progress=bar.count)
        counts = ", ".join(f"{len(images):,} {role}" for role, images in read.sets.items())
        self.reporter.note(f"{counts} images at {settings.resolution}×{settings.resolution}")
        return read

    def _of_run(
        self, held_out: str, data: str | Path, model: str | Path | None, synth: str | Path
    ) -> "Collection":
        """The same of a run's own splits: "train", what it held out, and "synthetic"."""
        from xraygan.data.collection import SYNTHETIC, Collection

        if model is None:
            raise XrayganError("--data goes with --model, the run that was trained on it")
        if self.resolution or self.patient_pattern or self.fit != SQUASH:
            raise XrayganError(
                "--data is read as the run of --model did: leave out --resolution, --fit and "
                "--patient-pattern"
            )
        dataset = training_data(Path(model), data, self.reporter, Path(synth))
        own = _SetReader(dataset.images.shape[1], SQUASH, None, self.reporter)
        read = own._of_folders({SYNTHETIC: synth})
        return Collection.of_run(dataset, held_out, read.sets[SYNTHETIC], read.notes)


def _unlike_the_run(run: Path, fit: str, films: int) -> list[str]:
    """What keeps a run's discriminator from knowing the films that it is asked about.

    Raises:
        XrayganError: the films were made square otherwise than for the run.
    """
    config = read_config(run)
    if config is None:
        return []  # asking the discriminator says so
    trained_on = config["settings"]["data"]["fit"]
    if fit != trained_on:
        raise XrayganError(
            f"{run} was trained on films made square by {trained_on}: give --fit {trained_on}"
        )
    counts = config["data"]["counts"].items()
    known = sum(count for name, count in counts if name.startswith("train/"))
    if films == known:
        return [
            "That the films given for training are those of the run was judged by their number "
            "alone; --data reads its own splits."
        ]
    return [
        f"{films:,} training films are given and the run was trained on {known:,}: films that it "
        "held back pass for trained on, which hides leaks; --data reads its own splits."
    ]


def _is_same(out: str | Path, synth: str | Path) -> bool:
    """Whether a result goes among the images themselves: alone, since no other picture may."""
    return Path(out).resolve() == Path(synth).resolve()


def _check_not_within(out: Path, synth: Path, why: str) -> None:
    """See that no other picture comes to lie among the synthetic images.

    Raises:
        XrayganError: `out` lies in `synth`; `why` says what is wrong with that.
    """
    if synth.resolve() in out.resolve().parents:
        raise XrayganError(
            f"--out {out}: lies in the folder of the synthetic images, and {why}; give another "
            "folder, or that one itself for the figures alone"
        )


def _say(notes: Iterable[str], reporter: Reporter) -> None:
    for note in notes:
        reporter.note(f"  {note}")
