"""What hands something on: `export_model` and `export_data`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import CONFIG, refusing_disk_faults, write_json, write_whole

FORMS = ("safetensors", "onnx", "keras")
CARD = "README.md"
CHECKS = "checks.json"


def export_model(
    model: str | Path,
    out: str | Path,
    *,
    forms: Sequence[str] = FORMS,
    licence: str | None = None,
    attribution: str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write the generator alone, for others to use, with its model card.

    Args:
        model: a run folder, or its model folder (then there is no card).
        out: made where it does not exist.
        forms: some of "safetensors", "onnx" and "keras".
        licence: of the model, as its owner gives it, for the card.
        attribution: of the training data, for the card.
        reporter: where notes go; stderr by default.

    Returns:
        "files", and "checks": by form, the largest difference from the Keras generator in
        float32 over 100 seeds, as "output" (black -1, white 1) and in "grey_levels" of 255.

    Raises:
        XrayganError: no such model, an unknown form, a missing extra, or a disk that refuses.
    """
    unknown = set(forms) - set(FORMS)
    if unknown or not forms:
        raise XrayganError(f"--format {', '.join(sorted(unknown))}: choose of {', '.join(FORMS)}")
    source, folder = Path(model), Path(out)
    if not source.exists():
        raise XrayganError(f"model {source}: there is no such file or folder")
    from xraygan.training.device import use_device

    use_device("cpu")
    from xraygan.export import model as writer
    from xraygan.models.files import DESCRIPTION, WEIGHTS, copy_model, load_model

    loaded = load_model(source)
    reporter = reporter or Reporter()
    files, checks = [], {}
    with refusing_disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if "safetensors" in forms:
            copy_model(source, folder)
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
    if (source / CONFIG).is_file():
        files.append(_write_card(folder, "model-card.md", _report_of(source, attribution), licence))
    else:
        reporter.note(f"no model card: {source} is no run folder, which knows the evidence")
    return {"files": [str(path) for path in files], "checks": checks}


def export_data(
    synth: str | Path,
    out: str | Path,
    *,
    form: str = "imagefolder",
    run: str | Path | None = None,
    licence: str | None = None,
    attribution: str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write synthetic images as a data set to hand on.

    Args:
        synth: a folder that `generate` wrote as PNG.
        out: new, empty, or begun by the same call.
        form: "imagefolder", "webdataset" or "dicom".
        run: the run that made them, for the data card; the folder above `synth` where that is
            one.
        licence: of the data set, as its owner gives it.
        attribution: of the training data, for the card.
        reporter: where progress goes; stderr by default.

    Returns:
        "folder", "images", "classes" and "form".

    Raises:
        XrayganError: a folder that cannot be used, an image that is not marked as synthetic, or
            a run of another model.
    """
    from typing import cast, get_args

    from xraygan.export.dataset import FILES, Kind, export_dataset
    from xraygan.export.source import Synthetic

    if form not in get_args(Kind):
        raise XrayganError(f"--format {form}: choose {', '.join(get_args(Kind))}")
    reporter = reporter or Reporter()
    source, folder = Synthetic.open(Path(synth)), Path(out)
    above = Path(synth).resolve().parent
    home = Path(run) if run else above if (above / CONFIG).is_file() else None
    card = _report_on(home, source, attribution) if home else None
    kind = cast("Kind", form)
    with reporter.bar("exporting", len(source), "images") as bar:
        export_dataset(source, folder, kind, licence, bar.count)
    if card:
        _write_card(folder, "data-card.md", card, licence, files=FILES[kind])
    else:
        reporter.note("no data card: the run that made these images is not known; give --run")
    return {
        "folder": str(folder),
        "form": form,
        "images": len(source),
        "classes": source.counts,
    }


def _report_of(run: Path, attribution: str | None) -> Any:
    from xraygan.report.collect import collect

    data = collect(run)
    return dataclasses.replace(data, attribution=attribution) if attribution else data


def _report_on(run: Path, source: Any, attribution: str | None) -> Any:
    """What is known of a run, with the counts of the images that are exported."""
    data = _report_of(run, attribution)
    if data.hashes.get("generator weights") != source.model_sha256:
        raise XrayganError(f"run {run}: its model did not make the images in {source.folder}")
    classes = tuple(
        dataclasses.replace(item, synthetic=source.counts.get(item.name, 0))
        for item in data.classes
    )
    return dataclasses.replace(data, classes=classes)


def _write_card(folder: Path, name: str, data: Any, licence: str | None, **options: str) -> Path:
    from xraygan.report.cards import cards

    write_whole(folder / CARD, cards(data, licence, **options)[name].encode())
    return folder / CARD
