"""The end of a run in a few honest figures: a JSON file, a page of Markdown, a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xraygan.pictures import class_blocks, save_grid
from xraygan.report.readings import reading_of
from xraygan.report.titles import regime_title
from xraygan.report.verdicts import PROTECTION
from xraygan.runs import write_json, write_whole

GRID_IMAGES = 40
FIGURES = ("kid", "coverage", "precision", "recall", "ms_ssim", "classifier_auc")
REGIMES = ("trtr", "tstr")


def summarise(
    folder: Path,
    facts: Mapping[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    evaluation: Mapping[str, Any] | None,
    audit: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Write `summary.json`, `summary.md` and `synthetic.png`.

    Args:
        folder: the run folder.
        facts: "model_sha256", "data" (of config.json), "images_trained_on" and "notes".
        images: uint8 [N, R, R], generated, in all classes.
        labels: int32 [N].
        evaluation: what evaluation.json holds, where it was measured.
        audit: what audit.json holds, where it was measured.

    Returns:
        What summary.json holds.
    """
    each = max(GRID_IMAGES // len(np.unique(labels)), 1)
    first = [np.flatnonzero(labels == label)[:each] for label in np.unique(labels)]
    rows = np.concatenate(first)
    save_grid(folder / "synthetic.png", class_blocks(images[rows], labels[rows], 10))
    evaluation, audit = evaluation or {}, audit or {}
    utility = evaluation.get("utility") or {}
    summary: dict[str, Any] = {
        **facts,
        "resolution": images.shape[1],
        "classes": facts["data"]["classes"],
        "synthetic_images_measured": len(images),
        **{name: evaluation.get(name) for name in FIGURES},
        **{f"{name}_auc": (utility.get(name) or {}).get("auc") for name in REGIMES},
        "verdict": audit.get("verdict"),
        "explanation": audit.get("explanation"),
        "protection": PROTECTION,
    }
    write_json(folder / "summary.json", summary)
    write_whole(folder / "summary.md", _markdown(summary).encode())
    return summary


def _markdown(summary: Mapping[str, Any]) -> str:
    counts = "\n".join(f"| {name} | {n:,} |" for name, n in summary["data"]["counts"].items())
    notes = "\n".join(f"- {note}" for note in summary["notes"]) or "- none"
    return f"""# Synthetic chest X-rays: summary of a run

{summary["synthetic_images_measured"]:,} synthetic images at \
{summary["resolution"]}×{summary["resolution"]} were measured; the generator was trained on \
{summary["images_trained_on"]:,} images (with repetition). Not for diagnosis. What each figure \
means, and all others, is in `report.html`.

## How real, how useful
{_figures(summary)}

## Privacy
{_audit(summary)}

{summary["protection"]}

## Data
| split/class | images |
|---|---|
{counts}

What was noticed while reading them:
{notes}
"""


def _figures(summary: Mapping[str, Any]) -> str:
    titles = {key: reading_of(key).title for key in FIGURES}
    titles |= {f"{name}_auc": f"AUC on real patients: {regime_title(name)}" for name in REGIMES}
    measured = [(title, summary[key]) for key, title in titles.items() if summary[key]]
    if not measured:
        return "Not measured."
    lines = ["| | value | 95 % interval | real against real |", "|---|---|---|---|"]
    for title, figure in measured:
        value, low, high, floor = (
            _number(figure.get(k)) for k in ("value", "low", "high", "floor")
        )
        lines.append(f"| {title} | **{value}** | {low} to {high} | {floor} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _audit(summary: Mapping[str, Any]) -> str:
    if summary["verdict"] is None:
        return "No audit was made."
    return (
        f"Audit: **{summary['verdict']}**. {summary['explanation']} The closest pairs are in "
        "`internal/`, **which shows real patients**, as `reals.png` does: do not share these."
    )
