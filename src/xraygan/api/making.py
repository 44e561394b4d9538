"""What makes images: `generate`, and `run` from films to a report."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xraygan import caveats
from xraygan.api.preparing import settings_at_once, settings_from
from xraygan.api.training import Trained, train
from xraygan.config import RunSettings
from xraygan.errors import TooFewError, XrayganError
from xraygan.progress import Reporter
from xraygan.runs import (
    AUDIT,
    EVALUATION,
    RunFolder,
    refusing_disk_faults,
)
from xraygan.sampling.request import Format, Request, Shard, Written
from xraygan.sets import ImageSet
from xraygan.tracking import Tracker
from xraygan.training.device import use_device

# Cheap imports only: TensorFlow and what needs it is imported where it is used.
EVIDENCE_IMAGES = 2000
"""Synthetic images that a run measures, in the training data's proportions."""
AUDITED, AUDITED_BYTES = 10_000, 512 * 2**20
"""Of a run's own set, the first images, that its audit looks at besides the measured ones."""


def generate(
    model: str | Path,
    num: int = 16,
    *,
    seed: int = 0,
    class_name: str | None = None,
    like_train: bool = False,
    first: int = 0,
    psi: float = 1.0,
    bits: Literal[8, 16] = 8,
    out: str | Path | None = None,
    format: Format = "png",
    shard: Shard | None = None,
    not_near: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> tuple[np.ndarray, np.ndarray] | Written:
    """Make labelled synthetic images: arrays, or files where `out` is given.

    Args:
        model: a run folder, a model folder, or the safetensors file in it.
        num: how many.
        seed: image i depends on the model, its class, psi, the seed and i alone.
        class_name: one class; None for all.
        like_train: the training data's class proportions instead of balanced ones.
        first: index of the first image.
        psi: truncation: below 1 nearer to the class's mean, less varied.
        bits: of a grey level, 8 or 16.
        out: write files and `out/manifest.csv` there. The same call again makes only what is
            missing.
        format: of the files: "png", "npz", "webdataset" or "dicom".
        shard: one worker's share of `num`, such as `Shard(3, 16)`; only with `out`.
        not_near: the real data that the model was trained on: images that come nearer to a
            training patient than one in a hundred films of strangers does (of N films, N under
            99, one in N + 1) are left out, and what is left is audited (`out/audit.json`, or
            `out/audit-3-of-16.json` for a shard). A filter is no guarantee.
        device: "auto", "cpu", "gpu" or "gpu:N".
        reporter: where progress goes; stderr by default.

    Returns:
        Images uint8 or uint16 [N, R, R] and class numbers int32 [N]; or, where `out` is given,
        the manifest's path, how many images were written and left out, and the audit of what a
        filter left.

    Raises:
        XrayganError: no such model or class, or a folder that cannot be used.
    """
    request = Request(num, seed, class_name, like_train, first, psi, bits)
    if shard is not None and out is None:
        raise XrayganError("shard goes with out: arrays are made whole")
    if not Path(model).exists():
        raise XrayganError(f"model {model}: there is no such file or folder")
    use_device(device)
    from xraygan.models.files import load_model
    from xraygan.sampling.folder import write_images
    from xraygan.sampling.generate import generate_arrays

    loaded = load_model(Path(model))
    reporter = reporter or Reporter()
    copies = None
    if not_near is not None:
        from xraygan.api.filtering import CopyFilter

        copies = CopyFilter(Path(model), not_near, out, reporter)
    if out is None:
        images, labels = generate_arrays(loaded, request)
        if copies is None:
            return images, labels
        kept = ~copies(images)
        copies.say_how_many()
        return images[kept], labels[kept]
    with reporter.bar("generating", num, "images") as bar:
        written = write_images(
            loaded, request, Path(out), bar.count, copies, format=format, shard=shard
        )
    if copies is not None:
        copies.say_how_many()
        return copies.audit_the_rest(written, Path(out), shard or Shard())
    return written


def run(
    data: str | Path | None = None,
    results: str | Path = "results",
    *,
    settings: RunSettings | None = None,
    device: str = "auto",
    show: bool = False,
    force: bool = False,
    track: Tracker | None = None,
    reporter: Reporter | None = None,
    **values: Any,
) -> dict[str, Any]:
    """The whole job: prepare, train, generate, measure, summarise, all in one folder.

    Args:
        results: the run folder; started again, the same call goes on where it was.
        data: as for `train`.
        settings: as for `train`.
        device: as for `train`.
        show: as for `train`.
        force: as for `train`.
        track: as for `train`.
        reporter: as for `train`.
        **values: as for `train`.

    Returns:
        The summary, with the paths of what was written.
    """
    settings = settings_at_once(settings, values) or settings_from(values)
    reporter = reporter or Reporter()
    trained = train(
        data,
        run_dir=results,
        settings=settings,
        device=device,
        show=show,
        force=force,
        track=track,
        reporter=reporter,
    )
    from xraygan.models.files import load_model
    from xraygan.report.render import write_report
    from xraygan.report.summary import summarise
    from xraygan.sampling.generate import generate_arrays
    from xraygan.sampling.records import origin
    from xraygan.training.identity import with_training_of

    settings = with_training_of(settings, trained.config)  # a finished run keeps its own
    folder = trained.path
    synthetic = folder / "synthetic"
    seed = settings.training.seed
    with RunFolder(folder).locked():
        model = load_model(folder)
        num = settings.output.num
        _set_aside(synthetic, model.sha256, seed, num, reporter)
        generate(folder, num, seed=seed, out=synthetic, device=device, reporter=reporter)
        # Other images than the written ones, so that the audit looks at none twice.
        further = Request(EVIDENCE_IMAGES, seed, like_train=True, first=num)
        made, labels = generate_arrays(model, further)
        audited = images_audited(num, model.description.network.resolution)
        evaluation, found, notes = None, None, []
        if settings.output.evidence != "none":
            written = generate_arrays(model, Request(audited, seed))
            whose = origin(synthetic, num)
            evaluation, found, notes = _evidence(
                trained, (made, labels), written, whose, settings, reporter
            )
        facts = {
            "model_sha256": model.sha256,
            "data": trained.config["data"],
            "images_trained_on": trained.config["published"],
            "notes": [*trained.dataset.notes, *caveats.of_data(trained.config), *notes],
        }
        summary = summarise(folder, facts, made, labels, evaluation, found)
        write_report(folder)
    paths = {
        "run": str(folder),
        "synthetic": str(synthetic),
        "grid": str(folder / "synthetic.png"),
        "summary": str(folder / "summary.md"),
        "report": str(folder / "report.html"),
    }
    return summary | {"paths": paths}


def _evidence(
    trained: Trained,
    measured: tuple[np.ndarray, np.ndarray],
    written: tuple[np.ndarray, np.ndarray],
    facts: Mapping[str, str],
    settings: RunSettings,
    reporter: Reporter,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, list[str]]:
    """evaluation.json and audit.json of a run, and why one of them is missing.

    Real images that the generator was not trained on are the validation and test images: too
    few of them leave a run without figures, not without its images. Fidelity and utility are those
    of the `measured` images, in the training set's proportions; the audit looks at these and at the
    `written`. Each is (images uint8 [N, R, R], labels int32 [N]). Both files hold the `facts` of
    whose images these are.
    """
    from xraygan.evidence import of_run

    measures = of_run(settings.output.evidence, settings.training.seed)
    synthetic, shipped = (
        ImageSet.of_nobody(images, labels, trained.dataset.classes, name)
        for name, (images, labels) in (("measured", measured), ("written", written))
    )
    evaluation = found = None
    notes = []
    try:
        evaluation = _evaluation(trained, synthetic, facts, measures, reporter)
    except TooFewError as error:
        notes.append(f"Not evaluated: {error}")
    try:
        sets = shipped, synthetic
        found = _audit(trained, sets, settings.output.num, facts, measures, reporter)
    except TooFewError as error:
        notes.append(f"Not audited: {error}")
    for note in notes:
        reporter.note(note)
    return evaluation, found, notes


def _evaluation(
    trained: Trained,
    synthetic: ImageSet,
    facts: Mapping[str, str],
    measures: Any,
    reporter: Reporter,
) -> dict[str, Any]:
    """What evaluation.json holds, which is written: fidelity and utility of these images."""
    from xraygan import evidence
    from xraygan.data.collection import Collection

    read = Collection.of_run(trained.dataset, "real", synthetic)
    sets = read.sets
    evaluation = evidence.evaluate(
        sets["real"], sets["synthetic"], sets["train"], measures, reporter
    )
    note = (
        f"Measured on {len(synthetic):,} further images of the same generator, in the training "
        "set's proportions; the written set has every class equally often."
    )
    said = [*evaluation["notes"], *read.unknown_said(), note]
    said += caveats.of_evaluation(trained.config)
    known = {"sets": read.with_unknown(evaluation["sets"]), "notes": said}
    evaluation = {**evaluation, **known, **facts}
    evidence.write_evaluation(trained.path, evaluation)
    return evaluation


def _audit(
    trained: Trained,
    made: tuple[ImageSet, ImageSet],
    num: int,
    facts: Mapping[str, str],
    measures: Any,
    reporter: Reporter,
) -> dict[str, Any]:
    """What audit.json holds, which is written: of the images shipped and of further ones.

    Args:
        trained: the run.
        made: images of the `num` that were shipped, and further ones.
        num: how many were shipped.
        facts: whose images these are.
        measures: its seed.
        reporter: where progress goes.
    """
    from xraygan import evidence
    from xraygan.data.collection import Collection
    from xraygan.privacy.words import IN_PART
    from xraygan.training.checkpoint import list_checkpoints

    shipped, further = made
    read = Collection.of_run(trained.dataset, "holdout", shipped.joined(further))
    train, audited = read.sets["train"], read.sets["synthetic"]
    asked = trained.path if list_checkpoints(trained.path / "checkpoints") else None
    found = evidence.look_for_leaks(
        train, read.sets["holdout"], audited, measures.of_audit(), reporter, asked
    )
    which = f"Audited: the {len(shipped):,}"
    if num > len(shipped):
        which = f"{IN_PART} {len(shipped):,} of {num:,}"
    note = f"{which} images written, and {len(further):,} further ones."
    notes = (*found.notes, *read.unknown_said(), note, *caveats.of_audit(trained.config))
    found = replace(found, notes=notes, sets=read.with_unknown(found.sets))
    evidence.write_audit(trained.path, found, train, audited, read.files["train"], facts)
    return found.as_dict()


def images_audited(num: int, resolution: int) -> int:
    """How many of the `num` images of its own set a run audits: what memory has room for."""
    return min(num, AUDITED, AUDITED_BYTES // resolution**2)


def _set_aside(synthetic: Path, model_sha256: str, seed: int, num: int, reporter: Reporter) -> None:
    """Make room where other images lie than the first `num` of this model and seed."""
    from xraygan.sampling.records import set_aside

    aside = set_aside(synthetic, model_sha256, seed, num)
    if aside is not None:
        with refusing_disk_faults(aside):
            for name in (EVALUATION, AUDIT):
                (synthetic.parent / name).unlink(missing_ok=True)
        reporter.note(f"the images that were there before are now in {aside}")
