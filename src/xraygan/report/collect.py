"""From a run folder to what a report says: only what is known to be shareable is taken over."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xraygan import caveats
from xraygan.config import GROUPS, shareable
from xraygan.data.manifest import SPLITS
from xraygan.errors import XrayganError
from xraygan.estimates import Estimate
from xraygan.report import tiles
from xraygan.report.content import MANIFEST_HASH, ClassFacts, Course, House, ReportData
from xraygan.report.evidence import MANIFEST_SHA256, digest, read_audit, read_evaluation
from xraygan.report.wording import Censor, clean
from xraygan.runs import (
    AUDIT,
    CLOSEST_PAIRS,
    CONFIG,
    EVALUATION,
    INTERNAL,
    PHANTOM,
    TERMS,
    read_json,
    read_metrics,
    sha256_of,
)
from xraygan.sampling.records import made_by

SUMMARY = "summary.json"
MOST_POINTS = 400
"""Of a curve; more are thinned evenly."""
_VERSION = re.compile(r"[0-9][\w.+-]{0,40}")
_LIBRARY = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LOSSES = {"d_loss": "discriminator", "g_loss": "generator"}


def collect(run: Path) -> ReportData:
    """Everything a report on this run says; figures that were not measured are None.

    Args:
        run: a run folder.

    Returns:
        The report's content. Apart from its `house` it holds no real image, no file name or
        path, no patient and no free text of the settings.

    Raises:
        XrayganError: not a run folder, or a damaged file in it.
    """
    config = _config(run)
    data, resolution = config["data"], config["settings"]["data"]["resolution"]
    source, pattern = (
        str(config.get("source", "")),
        config["settings"]["data"].get("patient_pattern"),
    )
    names = tuple(data["classes"])
    classes = tuple(clean(name) for name in names)
    censor = Censor(text for text in (source, pattern) if text and text != PHANTOM)
    model = read_json(run / "model" / "generator.json")
    model = model if isinstance(model, dict) else {}
    shown, made = tiles.examples(run / "synthetic", names, resolution)
    counts = _counts(data["counts"])
    ours = {
        name: not _of_another_model(read_json(run / name), model) for name in (EVALUATION, AUDIT)
    }
    hashes = _hashes(run, data, model)
    train = {name: counts.get(("train", name), 0) for name in names}
    return ReportData(
        resolution=resolution,
        phantom=source == PHANTOM,
        classes=tuple(
            ClassFacts(
                clean(name), {s: counts[s, name] for s in SPLITS if (s, name) in counts}, made[name]
            )
            for name in names
        ),
        patients=_counts_by_split(data["patients"]),
        of_unknown_patients=_counts_by_split(data.get("of_unknown_patients")),
        in_several_splits=_whole_number(data.get("in_several_splits")),
        films_before=caveats.films_before(config),
        refused=int(data.get("refused", 0)),
        images_seen=_whole_number(model.get("images_seen")),
        simulated_films=_simulated_films(config),
        begun=_matching(_DAY, str(config.get("begun", ""))[:10]),
        device=config.get("device") if config.get("device") in ("cpu", "gpu") else None,
        examples=dict(zip(classes, shown.values(), strict=True)),
        course=_course(run, list(train.values()), resolution),
        evaluation=read_evaluation(run, names, censor) if ours[EVALUATION] else None,
        audit=read_audit(run, censor) if ours[AUDIT] else None,
        settings=_settings(config["settings"]),
        versions=_versions(config["versions"]),
        hashes=hashes,
        warnings=_warnings(run, config, model, hashes.get(MANIFEST_HASH), sum(made.values())),
        **_terms(run),
        house=House(
            clean(source),
            clean(pattern) if pattern else None,
            _notes(run),
            {clean(k): v for k, v in tiles.reals(run, train, resolution).items()},
            tiles.pairs(run / INTERNAL / CLOSEST_PAIRS),
            tiles.most_imitated(run, resolution),
        ),
    )


def _counts_by_split(found: Any) -> dict[str, int]:
    values = found if isinstance(found, dict) else {}
    return {split: n for split in SPLITS if isinstance(n := values.get(split), int)}


def _simulated_films(config: dict[str, Any]) -> int | None:
    start = config.get("start")
    return _whole_number(start.get("simulated_films")) if isinstance(start, dict) else None


def _notes(run: Path) -> tuple[str, ...]:
    """What `run` noticed: it may name folders, and is for the house alone."""
    summary = read_json(run / SUMMARY)
    notes = summary.get("notes") if isinstance(summary, dict) else None
    return tuple(clean(str(note)) for note in notes) if isinstance(notes, list) else ()


def _terms(run: Path) -> dict[str, str]:
    """Licence and attribution of the training data, where they were stated."""
    kept = read_json(run / TERMS)
    found = kept if isinstance(kept, dict) else {}
    return {key: clean(str(found[key])) for key in ("licence", "attribution") if found.get(key)}


def _config(run: Path) -> dict[str, Any]:
    """config.json, with every part that the report builds on."""
    config = read_json(run / CONFIG)
    if config is None:
        raise XrayganError(
            f"{run}: no {CONFIG} in it; give the folder of a run (results, or runs/00000-…)"
        )
    try:
        parts = config["settings"]["data"], config["data"]["counts"], config["data"]["patients"]
        resolution, names = config["settings"]["data"]["resolution"], config["data"]["classes"]
        sound = all(isinstance(p, dict) for p in (*parts, config["versions"]))
        sound &= isinstance(resolution, int) and 32 <= resolution <= 512
        sound &= isinstance(names, list) and all(isinstance(name, str) for name in names)
        sound &= isinstance(caveats.films_before(config), int)
    except (AttributeError, KeyError, TypeError):
        sound = False
    if not sound:
        raise XrayganError(f"{run / CONFIG}: not one that xraygan train has written")
    return config


def _counts(counts: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Images by (split, class) from {"train/NORMAL": 801}."""
    parts = {key: key.partition("/") for key in counts}
    return {(p[0], p[2]): n for key, p in parts.items() if isinstance(n := counts[key], int)}


def _settings(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What may be told of each group; a group that is not one of ours is not shown either."""
    given = {group: settings.get(group) for group in GROUPS}
    return {
        group: shareable(GROUPS[group], values if isinstance(values, dict) else {})
        for group, values in given.items()
    }


def _versions(versions: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: version
        for name, version in versions.items()
        if _LIBRARY.fullmatch(name) and _VERSION.fullmatch(str(version))
    }


def _hashes(run: Path, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the model, of the synthetic set's manifest, and the data's fingerprint."""
    found = {
        "generator weights": digest(model, "weights_sha256"),
        "training data (fingerprint)": digest(data, "fingerprint"),
    }
    manifest = run / "synthetic" / "manifest.csv"
    if manifest.is_file():
        found[MANIFEST_HASH] = sha256_of(manifest)
    return {name: value for name, value in found.items() if value}


def _warnings(
    run: Path,
    config: Mapping[str, Any],
    model: Mapping[str, Any],
    manifest: str | None,
    made: int,
) -> tuple[str, ...]:
    warnings = caveats.of_data(config)
    weights = run / "model" / "generator.safetensors"
    if not model or not weights.is_file():
        warnings.append("The run has no published model yet: training has not come far enough.")
    elif sha256_of(weights) != model.get("weights_sha256"):
        warnings.append("The generator's weights are not those that its description names.")
    for file in (EVALUATION, AUDIT):
        found = read_json(run / file)
        if isinstance(found, dict) and (said := _of_whom(found, model, manifest)):
            warnings.append(f"{file} {said}")
    if model and made_by(run / "synthetic") not in (None, model.get("weights_sha256")):
        warnings.append("The synthetic images are of an earlier model: generate and measure again.")
    if not made:
        warnings.append("There is no synthetic data set in this run yet.")
    return tuple(warnings)


def _of_another_model(found: Any, model: Mapping[str, Any]) -> bool:
    """Whether figures say that they are of another model than this one: they are not shown."""
    maker = found.get("model_sha256") if isinstance(found, dict) else None
    return maker is not None and maker != model.get("weights_sha256")


def _of_whom(
    found: Mapping[str, Any], model: Mapping[str, Any], manifest: str | None
) -> str | None:
    """What is to be said of figures that are of other images, or may be."""
    maker, images = found.get("model_sha256"), found.get(MANIFEST_SHA256)
    if maker is None:
        return "does not say whose images it is of: not this run's, perhaps."
    if _of_another_model(found, model):
        return "is of another model than the one in this run: measure again."
    if manifest in (None, images):
        return None
    if images is None:
        return "does not say which images it is of: measure again."
    return "is of other images than those in synthetic/: measure again."


def _course(run: Path, counts: Sequence[int], resolution: int) -> Course:
    rows = [row for row in read_metrics(run) if _finite(row, "images_seen", *_LOSSES)]
    measured = [row for row in rows if _finite(row, "kid", "kid_low", "kid_high")]
    thinned, points = thin(rows), thin(measured)
    return Course(
        images=tuple(row["images_seen"] for row in thinned),
        losses={name: tuple(row[key] for row in thinned) for key, name in _LOSSES.items()},
        kid_images=tuple(row["images_seen"] for row in points),
        kid=tuple(
            Estimate(
                row["kid"],
                row["kid_low"],
                row["kid_high"],
                0,
                floor=_number(row, "kid_floor"),
                floor_high=_number(row, "kid_floor_high"),
            )
            for row in points
        ),
        moments=tiles.moments(run, counts, resolution),
    )


def thin(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most MOST_POINTS rows, the last one among them."""
    step = math.ceil(len(rows) / MOST_POINTS) or 1
    return list(rows[::-1][::step][::-1])


def _finite(row: Mapping[str, Any], *keys: str) -> bool:
    return all(_number(row, key) is not None for key in keys)


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _matching(pattern: re.Pattern[str], text: str) -> str | None:
    return text if pattern.fullmatch(text) else None
