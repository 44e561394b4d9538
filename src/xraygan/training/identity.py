"""Which run a folder holds: what its config.json says, and whether a new start is the same run."""

import contextlib
import platform
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from xraygan.config import LENGTHS, RunSettings, TrainingSettings
from xraygan.data.dataset import Dataset
from xraygan.data.manifest import SPLITS
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import CONFIG, RunFolder, numbered_runs, read_config, same_data
from xraygan.training.checkpoint import list_checkpoints
from xraygan.version import __version__

FIXED = {"resolution", "multi_label", "preset", "precision", "start"}
"""Settings that networks are built by, and that nothing can change later."""


@dataclass(frozen=True)
class Choices:
    """How this one call treats the run; nothing here changes what is learnt.

    Attributes:
        device: "cpu" or "gpu", as chosen.
        source_name: the data's name for a person, not its path.
        show: display the grids.
        force: resume in spite of differences.
    """

    device: str
    source_name: str
    show: bool = False
    force: bool = False


def describe(dataset: Dataset, settings: RunSettings, choices: Choices) -> dict[str, Any]:
    """What config.json says before training: settings as they were given, data, versions.

    It is for the house: the data folder's own name is in it, and so is what was typed for `where`
    and `patient_pattern`.
    """
    table = dataset.manifest
    counts = Counter(zip(table["split"], table["label"], strict=True))
    return {
        "settings": settings.model_dump(mode="json"),
        "source": choices.source_name,
        "device": choices.device,
        "data": {
            "fingerprint": dataset.fingerprint,
            "content": dataset.content,
            "classes": list(dataset.classes),
            "counts": {f"{split}/{label}": n for (split, label), n in sorted(counts.items())},
            "patients": {name: dataset.patients(name) for name in SPLITS},
            "of_unknown_patients": {name: dataset.of_unknown_patients(name) for name in SPLITS},
            "in_several_splits": dataset.in_several_splits,
            "refused": len(dataset.refused),
        },
        "data_before": [],
        "versions": {
            "xraygan": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("keras", "numpy")},
            "tensorflow": _tensorflow_version(),
        },
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def find_run(outdir: Path, described: dict[str, Any]) -> Path | None:
    """The newest numbered run in `outdir` on these data with these settings of data and training.

    What is no run, or cannot be read, is passed over.
    """
    settings, data = described["settings"], described["data"]
    for path in reversed(numbered_runs(outdir)):
        stored = None
        with contextlib.suppress(XrayganError):
            stored = read_config(path)
        if (
            stored
            and all(stored["settings"][part] == settings[part] for part in ("data", "training"))
            and same_data(stored["data"], data["fingerprint"], data["content"])
        ):
            return path
    return None


def find_unfinished(outdir: Path, described: dict[str, Any]) -> tuple[Path, str] | None:
    """The newest numbered run of this source and resolution that was not finished.

    Returns:
        The run and in what it differs; None without one, or where its networks would not fit.
    """
    for path in reversed(numbered_runs(outdir)):
        stored = None
        with contextlib.suppress(XrayganError):
            stored = begun(path)
        if not stored or stored.get("published") is not None:
            continue
        if stored["source"] == described["source"]:
            fixed, others = _differences(stored, described)
            return (path, _in_short(others)) if others and not fixed else None
    return None


def begun(path: Path) -> dict[str, Any] | None:
    """config.json of the run that a folder holds; None where nothing was learnt there yet.

    A start that ended before its first checkpoint binds nobody: the next one may be another.
    """
    stored = read_config(path)
    if stored is None or stored.get("published") is not None:
        return stored
    return stored if list_checkpoints(path / "checkpoints") else None


def check_same_run(
    path: Path, stored: dict[str, Any], now: dict[str, Any], force: bool, reporter: Reporter
) -> None:
    """A resumed run must be the run that it was.

    A finished one of the same length stays as it is: `force` lets it be used, not changed.

    Raises:
        XrayganError: naming the first differences, unless `force`; with it too, where its
            networks would not fit, or where a model is published and the data are others: an
            audit would take for members films that it has never seen.
    """
    fixed, others = _differences(stored, now)
    differences = fixed + others
    if not differences:
        return
    finished = stored.get("published") is not None and same_length(stored, now)
    text = _in_short(differences)
    if fixed or not force:
        what = "take the finished run as it is" if finished else "go on all the same"
        remedy = "or put it back" if fixed else f"put it back, or add --force to {what}"
        raise XrayganError(
            f"{path}: this run was begun otherwise: {text}. Begin another one (run: another "
            f"--results, train: --new), {remedy}"
        )
    if finished:
        reporter.note(f"--force: this run is finished and left as it was, in spite of: {text}")
    else:
        reporter.note(f"--force: going on in spite of: {text}")


def same_length(stored: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a run ends where it was to end before, by two contents of config.json.

    A length by epochs, or by views where none is set, is another with other films.
    """
    old, new = (config["settings"]["training"] for config in (stored, now))
    if any(old.get(name) != new[name] for name in (*LENGTHS, "batch")):
        return False
    by_films = not (new["kimg"] or new["minutes"])
    return not by_films or stored["data"]["counts"] == now["data"]["counts"]


def with_training_of(settings: RunSettings, stored: Mapping[str, Any]) -> RunSettings:
    """These settings, but those of training as config.json has them.

    What only an earlier version knew is passed over.
    """
    known = TrainingSettings.model_fields
    had = {name: v for name, v in stored["settings"]["training"].items() if name in known}
    return settings.model_copy(update={"training": TrainingSettings.parse(had, CONFIG)})


def data_before(
    run: RunFolder, stored: dict[str, Any], now: dict[str, Any]
) -> list[dict[str, Any]]:
    """What else a run was trained on: "data" of each time that --force let others follow.

    Args:
        run: the folder.
        stored: config.json as it was.
        now: as it is to be.
    """
    before, data = stored.get("data_before", []), now["data"]
    if same_data(stored["data"], data["fingerprint"], data["content"]):
        return before
    return [*before, stored["data"]] if list_checkpoints(run.path / "checkpoints") else before


def _differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """In what a start differs from a run: what nothing can change, then what --force lets pass."""
    published = stored.get("published") is not None
    fixed, others = [], []
    for part in ("data", "training"):
        old, new = stored["settings"].get(part, {}), now["settings"][part]
        for name in new:
            if old.get(name) != new[name]:
                said = f"{part}.{name} was {old.get(name)!r}, is {new[name]!r}"
                for_good = name in FIXED or (published and part == "data")
                (fixed if name in old and for_good else others).append(said)
    if stored["data"]["classes"] != now["data"]["classes"]:
        fixed.append(f"its classes were {', '.join(stored['data']['classes'])}")
    if not same_data(stored["data"], now["data"]["fingerprint"], now["data"]["content"]):
        (fixed if published else others).append(_data_difference(stored["data"], now["data"]))
    others += [
        f"{name} was {stored['versions'].get(name)}, is {version}"
        for name, version in now["versions"].items()
        if stored["versions"].get(name) != version
    ]
    return fixed, others


def _in_short(differences: list[str]) -> str:
    return "; ".join(differences[:4]) + ("; …" if len(differences) > 4 else "")


def _data_difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    counts = [sum(part["counts"].values()) for part in (old, new)]
    return f"the data changed ({counts[0]:,} images then, {counts[1]:,} now)"


def _tensorflow_version() -> str:
    import tensorflow as tf

    return tf.__version__
