"""The end of a run in a few honest figures: a JSON file, a page of Markdown, two pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from xraygan.data.cache import Dataset
from xraygan.evaluation.features import FEATURE_SPACE
from xraygan.evaluation.neighbours import nearest
from xraygan.evaluation.realism import LEAST_IMAGES, RealismMeter
from xraygan.pictures import class_blocks, save_grid
from xraygan.runs import write_json, write_whole

MEASURED = 2000
GALLERY = 10
PROTECTION = (
    "What synthetic data does and does not protect: no picture in `synthetic/` is a patient's "
    "film, and none is stored in the model. But synthetic is not anonymous. The generator is a "
    "function of the training images; it can reproduce what is rare in them, and passing the "
    "check above does not prove that it has not. No differential privacy was used. Share the "
    "synthetic images and the model only under the rules that your institution has for data "
    "derived from patients."
)


def summarise(
    folder: Path,
    dataset: Dataset,
    config: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    model_sha256: str,
) -> dict[str, Any]:
    """Measure generated images and write `summary.json`, `summary.md` and two grids.

    Args:
        folder: the run folder.
        dataset: the real images.
        config: the run's config.json.
        images: uint8 [N, R, R], generated, in all classes.
        labels: int32 [N].
        model_sha256: which model made them.

    Returns:
        What summary.json holds.
    """
    save_grid(
        folder / "synthetic.png",
        class_blocks(*_first_of_each(images, labels, 40 // len(dataset.classes)), 10),
    )
    summary: dict[str, Any] = {
        "model_sha256": model_sha256,
        "resolution": images.shape[1],
        "classes": list(dataset.classes),
        "data": config["data"],
        "images_trained_on": config["total_images"],
        "synthetic_images_measured": len(images),
        **_realism(dataset, images),
        "closest_training_images": _closest(folder, dataset, images),
        "notes": list(dataset.notes),
        "protection": PROTECTION,
    }
    write_json(folder / "summary.json", summary)
    write_whole(folder / "summary.md", _markdown(summary).encode())
    return summary


def _realism(dataset: Dataset, images: np.ndarray) -> dict[str, Any]:
    train, _ = dataset.split("train")
    validation, _ = dataset.split("val")
    if min(len(train), len(validation), len(images)) < LEAST_IMAGES:
        return {"kid": None, "coverage": None}
    meter = RealismMeter(train, validation)
    kid = meter.kernel_distance(images)
    covered, floor = meter.coverage(images)
    return {
        "feature_space": FEATURE_SPACE,
        "kid": {**asdict(kid), "floor": asdict(meter.floor)},
        "coverage": {
            **asdict(covered),
            "n": len(validation),
            "real_against_real": asdict(floor),
        },
    }


def _closest(folder: Path, dataset: Dataset, images: np.ndarray) -> dict[str, Any]:
    """Pixel correlation with the nearest training image, beside what strangers' films have."""
    train, _ = dataset.split("train")
    similarity, index = nearest(images, train)
    order = np.argsort(-similarity[:, 0])[:GALLERY]
    save_grid(folder / "internal-closest.png", [images[order], np.asarray(train)[index[order, 0]]])
    held_out = np.concatenate([dataset.split("val")[0], dataset.split("test")[0]])
    figures: dict[str, Any] = {
        "measure": "pixel correlation with the nearest training image",
        "synthetic": _spread(similarity[:, 0]),
        "held_out_patients": None,
    }
    if len(held_out):
        figures["held_out_patients"] = _spread(nearest(held_out, train)[0][:, 0])
    return figures


def _spread(values: np.ndarray) -> dict[str, float]:
    quantiles = np.quantile(values, [0.5, 0.95])
    return {
        "median": float(quantiles[0]),
        "p95": float(quantiles[1]),
        "max": float(values.max()),
        "n": len(values),
    }


def _first_of_each(
    images: np.ndarray, labels: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate([np.flatnonzero(labels == k)[: max(count, 1)] for k in np.unique(labels)])
    return images[rows], labels[rows]


def _markdown(summary: dict[str, Any]) -> str:
    counts = "\n".join(f"| {name} | {n:,} |" for name, n in summary["data"]["counts"].items())
    notes = "\n".join(f"- {note}" for note in summary["notes"]) or "- none"
    return f"""# Synthetic chest X-rays: summary of a run

{summary["synthetic_images_measured"]:,} synthetic images at \
{summary["resolution"]}×{summary["resolution"]} were measured; the generator was trained on \
{summary["images_trained_on"]:,} images (with repetition). Not for diagnosis.

## How real
{_realism_text(summary)}

## Closest training images
{_closest_text(summary["closest_training_images"])}

## Data
| split/class | images |
|---|---|
{counts}

What was noticed while reading them:
{notes}

## Privacy
{summary["protection"]}
"""


def _realism_text(summary: dict[str, Any]) -> str:
    kid = summary["kid"]
    if kid is None:
        return "There are too few validation images to measure this."
    floor, cover = kid["floor"], summary["coverage"]
    return (
        f"Kernel distance (KID, feature space `{summary['feature_space']}`) to "
        f"{cover['n']:,} validation images of patients never trained on: "
        f"**{kid['value']:.4f}** (95 % interval {kid['low']:.4f} to {kid['high']:.4f}, lower is "
        f"better). Real training images against the same: {floor['value']:.4f} "
        f"({floor['low']:.4f} to {floor['high']:.4f}): no generator can be expected below "
        f"that.\n\nCoverage of the validation images: **{cover['coverage']:.2f}** (as many real "
        f"training images: {cover['real_against_real']['coverage']:.2f}, higher is better)."
    )


def _closest_text(closest: dict[str, Any]) -> str:
    made, held = closest["synthetic"], closest["held_out_patients"]
    text = (
        f"Pixel correlation of a synthetic image with its nearest training image: median "
        f"{made['median']:.3f}, 95th percentile {made['p95']:.3f}, highest {made['max']:.3f}"
    )
    if held:
        text += (
            f"; of real images of other patients: median {held['median']:.3f}, 95th percentile "
            f"{held['p95']:.3f}, highest {held['max']:.3f}. Higher figures in the first row than "
            "in the second would be a sign of copying"
        )
    return (
        text + ". The ten closest pairs are in `internal-closest.png`, **which shows real "
        "patients**, as `reals.png` does: do not share these two."
    )
