"""From a report's content to files: one page in two editions, the same as JSON, two cards."""

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from xraygan.config import GROUPS
from xraygan.report import cards, plots, wording
from xraygan.report.collect import SPLITS, collect
from xraygan.report.content import Course, ReportData
from xraygan.report.readings import reading_of
from xraygan.report.titles import attack_title, in_words, regime_title, set_title
from xraygan.report.verdicts import (
    AUDIT,
    EVALUATE,
    MARK,
    RULES,
    STATEMENTS,
    limits,
    verdicts,
)
from xraygan.runs import INTERNAL, TERMS, refusing_disk_faults, write_json, write_whole
from xraygan.version import __version__

CONTENTS = (
    ("use", "Intended use"),
    ("privacy", "Privacy"),
    ("fidelity", "Fidelity"),
    ("utility", "Utility"),
    ("pictures", "Pictures"),
    ("training", "Training"),
    ("data", "Data"),
    ("provenance", "Settings, versions, hashes"),
    ("limits", "Limits"),
)
KID_LINEAR_WITHIN = 0.01


def write_report(
    run: Path,
    *,
    internal: bool = False,
    licence: str | None = None,
    attribution: str | None = None,
) -> list[Path]:
    """Write a run's report into its folder.

    The edition to share is `report.html` and `report.json`, with `model-card.md` and
    `data-card.md`; it holds no real image, file name, path or patient. The edition for the house
    is `internal/report.html` and `internal/report.json`, in a folder that its owner alone can
    enter.

    Args:
        run: the run folder.
        internal: write the edition for the house instead of the one to share.
        licence: of the training data ("CC BY 4.0"); the run keeps it for later reports and cards.
        attribution: of the training data: whom to name, and how; kept likewise.

    Returns:
        The files, the page first.

    Raises:
        XrayganError: not a run folder, a damaged file in it, or a disk that refuses.
    """
    licence, attribution = (text and wording.clean(text) for text in (licence, attribution))
    data = collect(run).under(licence, attribution)
    folder = run
    if internal:
        folder = run / INTERNAL
        with refusing_disk_faults(folder):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
    else:
        data = data.for_sharing()
    page = folder / "report.html"
    write_whole(page, render_html(data, internal).encode())
    write_json(folder / "report.json", as_json(data, internal))
    written = [page, folder / "report.json"]
    if not internal:
        for name, text in cards.cards(data).items():
            write_whole(run / name, text.encode())
            written.append(run / name)
    if licence or attribution:
        write_json(run / TERMS, {"licence": data.licence, "attribution": data.attribution})
        written.append(run / TERMS)
    return written


def as_json(data: ReportData, internal: bool) -> dict[str, Any]:
    """What the page says, for machines; pictures by what they show and their hash."""
    data = data if internal else data.for_sharing()
    return {
        "made_by": f"xraygan {__version__}",
        "edition": MARK if internal else "to share",
        "verdicts": [dataclasses.asdict(verdict) for verdict in verdicts(data)],
        "statements": STATEMENTS,
        "limits": limits(data),
        **data.as_dict(),
    }


def render_html(data: ReportData, internal: bool) -> str:
    """The page, whole in itself.

    Args:
        data: what it says.
        internal: the edition for the house; otherwise whatever `data.house` holds is left out.

    Raises:
        ValueError: the house's edition of data that was made for sharing.
    """
    if internal and data.house is None:
        raise ValueError("the edition for the house needs what was taken away for sharing")
    data = data if internal else data.for_sharing()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            house=data.house,
            mark=MARK,
            version=__version__,
            verdicts=verdicts(data),
            rules=RULES,
            contents=CONTENTS,
            statements=STATEMENTS,
            limits=limits(data),
            commands={"evaluate": EVALUATE, "audit": AUDIT},
            splits=SPLITS,
            hashes=_hashes(data),
            kid_chart=_kid_chart(data.course),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("xraygan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "value_of": wording.value_of,
        "interval_of": wording.interval_of,
        "floor_of": wording.floor_of,
        "number": wording.number,
        "count": wording.count,
        "setting": wording.setting,
        "in_words": in_words,
        "attack_title": attack_title,
        "regime_title": regime_title,
        "set_title": set_title,
        "columns": _columns,
    }
    environment.globals |= {
        "strip": plots.strip,
        "curves": plots.curves,
        "meaning": _meaning,
        "reading_of": reading_of,
        "regime_title": regime_title,
        "attack_title": attack_title,
        "trained_on": _trained_on,
        "among_themselves": plots.AMONG_THEMSELVES,
    }
    return environment


def _meaning(group: str, name: str) -> str:
    """What a setting does, in its own description's words."""
    return (GROUPS[group].model_fields[name].description or "").replace("`", "")


def _columns(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every name that a row has a cell for, in the order of their appearance."""
    return list(dict.fromkeys(name for cells in rows.values() for name in cells))


def _trained_on(counts: Mapping[str, int] | None) -> str:
    """How many images of which kind: "Trained on 3,789 real and 0 synthetic images."."""
    if not counts:
        return ""
    kinds = " and ".join(f"{wording.count(n)} {kind}" for kind, n in counts.items())
    return f"Trained on {kinds} images."


def _hashes(data: ReportData) -> dict[str, str]:
    """Every hash there is, by what was hashed."""
    measured = {"evaluation": data.evaluation, "audit": data.audit}
    sets = {
        f"{name} images, in the {part}": item.sha256
        for part, found in measured.items()
        for item in (found.sets if found else ())
        if (name := set_title(item.name)) and item.sha256
    }
    return {**data.hashes, **sets}


def _kid_chart(course: Course) -> plots.Markup:
    if not course.kid:
        return plots.Markup("")
    floor = course.kid[-1].floor
    return plots.curves(
        course.kid_images,
        {"KID": [kid.value for kid in course.kid]},
        title="KID against images seen, with its interval",
        reference=None if floor is None else (floor, "real against real"),
        band=([kid.low for kid in course.kid], [kid.high for kid in course.kid]),
        linear_within=KID_LINEAR_WITHIN,
    )
