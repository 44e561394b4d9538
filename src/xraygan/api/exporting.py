"""What hands something on: `export_model` and `export_data`."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import CONFIG, read_json, refusing_disk_faults, write_json, write_whole

if TYPE_CHECKING:
    from xraygan.export.source import Synthetic
    from xraygan.report.content import ReportData
    from xraygan.report.measured import Audit, Evaluation

    Evidence = TypeVar("Evidence", Evaluation, Audit)

FORMS = ("safetensors", "onnx", "keras")
CARD = "README.md"
CHECKS = "checks.json"
FILES_OF_FORMS = {
    "generator.safetensors": "safetensors",
    "generator.onnx": "onnx",
    "generator.keras": "keras",
}


def export_model(
    model: str | Path,
    out: str | Path,
    *,
    forms: Sequence[str] = FORMS,
    licence: str | None = None,
    data_licence: str | None = None,
    attribution: str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write the generator alone, for others to use, with its model card.

    Args:
        model: a run folder, or its model folder (then there is no card).
        out: new, empty, or an earlier export of the same model.
        forms: some of "safetensors", "onnx" and "keras".
        licence: of the model, as its owner gives it, for the card.
        data_licence: of the training data; what the run has kept unless told.
        attribution: of the training data, likewise.
        reporter: where notes go; stderr by default.

    Returns:
        "files", "checks": by form, the largest difference from the Keras generator in float32
        over 100 seeds, as "output" (black -1, white 1) and in "grey_levels" of 255; and the
        audit's "verdict", None where there is no audit.

    Raises:
        XrayganError: no such model, an unknown form, a folder that holds something else, a
            missing extra, or a disk that refuses.
    """
    unknown = set(forms) - set(FORMS)
    if unknown or not forms:
        raise XrayganError(f"--format {', '.join(sorted(unknown))}: choose of {', '.join(FORMS)}")
    source, folder = Path(model), Path(out)
    if not source.exists():
        raise XrayganError(f"model {source}: there is no such file or folder")
    from xraygan.training.device import on_cpu

    reporter = reporter or Reporter()
    with on_cpu(), refusing_disk_faults(folder):
        from xraygan.export import model as writer
        from xraygan.export.claim import claimed
        from xraygan.models.files import DESCRIPTION, WEIGHTS, copy_model, load_model

        if "onnx" in forms:
            writer.require_onnx()
        loaded = load_model(source)
        known = None
        if (source / CONFIG).is_file():
            known = _report_of(source, data_licence, attribution)
        facts = writer.provenance(loaded, _stated(licence, data_licence, attribution, known))
        with claimed(folder, facts, ("form", "model_sha256")) as provenance:
            files = [provenance]
            checks = _checks_of_other_forms(folder)
            if "safetensors" in forms:
                copy_model(source, folder, loaded.sha256)
                files += [folder / WEIGHTS, folder / DESCRIPTION]
            for form, name, write in (
                ("onnx", writer.ONNX, writer.write_onnx),
                ("keras", writer.KERAS, writer.write_keras),
            ):
                if form in forms:
                    checks[form] = dataclasses.asdict(write(loaded, folder / name))
                    files.append(folder / name)
            if checks:
                write_json(folder / CHECKS, {"seeds": writer.CHECKED, **checks})
                files.append(folder / CHECKS)
            if known:
                there = tuple(name for name in FILES_OF_FORMS if (folder / name).is_file())
                files.append(
                    _write_card(folder, "model-card.md", known, licence, model_files=there)
                )
    if not known:
        reporter.note(f"no model card: {source} is no run folder, which knows the evidence")
    return {
        "files": [str(path) for path in files],
        "checks": checks,
        "verdict": _verdict(known.audit if known else None, reporter),
    }


def export_data(
    synth: str | Path,
    out: str | Path,
    *,
    form: str = "imagefolder",
    run: str | Path | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    attribution: str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write synthetic images as a data set to hand on.

    Args:
        synth: a folder that `generate` wrote as PNG.
        out: new, empty, or begun by the same call.
        form: "imagefolder", "webdataset" or "dicom".
        run: the run that made them, for the data card; the folder above `synth` where that is
            one. The card has the evaluation and the audit beside the images themselves
            (`synth/evaluation.json`, `synth/audit.json`), and the run's where they have none and
            are drawn as the run's own: of all classes, with psi 1 and unfiltered.
        licence: of the data set, as its owner gives it.
        data_licence: of the training data; what the run has kept unless told.
        attribution: of the training data, likewise.
        reporter: where progress goes; stderr by default.

    Returns:
        "folder", "images", "classes", "form", and the audit's "verdict", None where there is none.

    Raises:
        XrayganError: a folder that cannot be used, an image that is not marked as synthetic, or
            a run of another model.
    """
    from typing import cast, get_args

    from xraygan.export.dataset import FILES, Kind, export_dataset
    from xraygan.export.source import Synthetic
    from xraygan.report.verdicts import measuring

    if form not in get_args(Kind):
        raise XrayganError(f"--format {form}: choose {', '.join(get_args(Kind))}")
    reporter = reporter or Reporter()
    source, folder = Synthetic.open(Path(synth)), Path(out)
    if Path(synth).resolve() in folder.resolve().parents:
        raise XrayganError(
            f"--out {out}: lies in the folder of the images, and would pass for part of them; give "
            "another folder"
        )
    card = None
    if home := _home(source, Path(run) if run else None, reporter):
        card = _report_on(source, home, _report_of(home, data_licence, attribution))
    stated = _stated(licence, data_licence, attribution, card)
    kind = cast("Kind", form)

    def write_card() -> None:
        if card:
            commands = {verb: measuring(verb, "SYNTH", "SYNTH") for verb in ("evaluate", "audit")}
            _write_card(folder, "data-card.md", card, licence, files=FILES[kind], commands=commands)

    with reporter.bar("exporting", len(source), "images") as bar:
        export_dataset(source, folder, kind, stated, bar.count, write_card)
    if card:
        _say_what_is_missing(card, source.folder, reporter)
    else:
        reporter.note("no data card: the run that made these images is not known; give --run")
    return {
        "folder": str(folder),
        "form": form,
        "images": len(source),
        "classes": source.counts,
        "verdict": _verdict(card.audit if card else _audit_beside(source), reporter),
    }


def _report_of(run: Path, data_licence: str | None, attribution: str | None) -> "ReportData":
    from xraygan.report.collect import collect

    return collect(run).under(data_licence, attribution)


def _stated(
    licence: str | None,
    data_licence: str | None,
    attribution: str | None,
    known: "ReportData | None",
) -> dict[str, str | None]:
    """What the owners say, for provenance.json: it is there where a card is not."""
    if known is not None:  # with what the run has kept
        data_licence, attribution = known.licence, known.attribution
    return {
        "licence": licence,
        "licence_of_training_data": data_licence,
        "attribution_of_training_data": attribution,
    }


def _checks_of_other_forms(folder: Path) -> dict[str, Any]:
    """What an earlier call found of forms whose files are still there."""
    found = read_json(folder / CHECKS)
    return {
        form: found[form]
        for name, form in FILES_OF_FORMS.items()
        if isinstance(found, dict) and form in found and (folder / name).is_file()
    }


def _home(source: "Synthetic", named: Path | None, reporter: Reporter) -> Path | None:
    """The run that made these images: the one that is named, else the folder above.

    Raises:
        XrayganError: the named run's model did not make them.
    """
    run = named or source.folder.resolve().parent
    if named is None and not (run / CONFIG).is_file():
        return None
    if not (run / CONFIG).is_file():
        raise XrayganError(f"run {run}: is no run folder; give the folder that xraygan wrote")
    model = read_json(run / "model" / "generator.json")
    if isinstance(model, dict) and model.get("weights_sha256") == source.model_sha256:
        return run
    if named is not None:
        raise XrayganError(
            f"run {run}: its model did not make the images in {source.folder}; name the run that "
            "did with --run, or leave it out and have no data card"
        )
    reporter.note(f"the model in {run} is not the one that made these images")
    return None


def _report_on(source: "Synthetic", run: Path, known: "ReportData") -> "ReportData":
    """What is known of a run, with counts, hash and evidence of the images that are exported."""
    from xraygan.report.content import MANIFEST_HASH
    from xraygan.report.evidence import read_audit, read_evaluation
    from xraygan.report.wording import Censor, clean

    counts = {clean(name): count for name, count in source.counts.items()}
    classes = tuple(
        dataclasses.replace(item, synthetic=counts.get(item.name, 0)) for item in known.classes
    )
    house, synth = known.house, source.folder
    names = (house.source, house.patient_pattern or "") if house and not known.phantom else ()
    evaluation = read_evaluation(synth, tuple(source.counts), Censor(names))
    audit = read_audit(synth, Censor(names))
    alike = _drawn_alike(source, run / "synthetic")
    evaluation = _of_these(source, evaluation, known.evaluation, alike)
    audit = _of_these(source, audit, known.audit, alike)
    return dataclasses.replace(
        known,
        classes=classes,
        hashes={**known.hashes, MANIFEST_HASH: source.manifest_sha256},
        evaluation=evaluation,
        audit=audit,
    )


def _of_these(
    source: "Synthetic", own: "Evidence | None", of_run: "Evidence | None", alike: str | None
) -> "Evidence | None":
    """What was measured on these very images, or on those of the manifest of hash `alike`."""
    for found in (own, of_run):
        if found and found.manifest_sha256 == source.manifest_sha256:
            return found
    if own is not None or of_run is None or alike is None:
        return None
    return of_run if of_run.manifest_sha256 == alike else None


def _drawn_alike(source: "Synthetic", synthetic: Path) -> str | None:
    """The manifest's hash of a run's own images, if they and these are just as the model draws.

    That is with psi 1, none of them filtered out, and of the same classes.
    """
    with contextlib.suppress(XrayganError):
        own = source.open(synthetic)
        if own.plain and source.plain and own.counts.keys() == source.counts.keys():
            return own.manifest_sha256
    return None


def _audit_beside(source: "Synthetic") -> "Audit | None":
    """The audit that lies among images whose run is not known, where it is of these very images."""
    from xraygan.report.evidence import read_audit
    from xraygan.report.wording import Censor

    return _of_these(source, read_audit(source.folder, Censor(())), None, None)


def _verdict(audit: "Audit | None", reporter: Reporter) -> str | None:
    """The audit's verdict on what is exported; said in full where it found something."""
    if audit is None:
        return None
    if not audit.clear:
        reporter.note(f"the audit's verdict: {audit.verdict}. {audit.explanation}")
    return audit.verdict


def _say_what_is_missing(card: "ReportData", synth: Path, reporter: Reporter) -> None:
    """Which evidence a data card lacks, and the command that makes it."""
    from xraygan.report.verdicts import measuring

    for verb, what, found in (
        ("evaluate", "evaluation", card.evaluation),
        ("audit", "audit", card.audit),
    ):
        if found is None:
            reporter.note(
                f"the data card shows no {what}: there is none of these images (a run's own is of "
                "all classes, with psi 1 and unfiltered); "
                f"{measuring(verb, str(synth), str(synth))} makes one"
            )


def _write_card(
    folder: Path, name: str, data: "ReportData", licence: str | None, **options: Any
) -> Path:
    from xraygan.report.cards import cards

    write_whole(folder / CARD, cards(data, licence, **options)[name].encode())
    return folder / CARD
