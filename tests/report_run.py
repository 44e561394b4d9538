"""A run folder as the programs leave it, made in a moment without training anything."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from xraygan.config import RunSettings
from xraygan.pictures import class_blocks, save_grid
from xraygan.runs import sha256_of, write_json

CLASSES = ("NORMAL", "PNEUMONIA")
WEIGHTS = b"weights of the generator"


def films(count: int, resolution: int, seed: int) -> np.ndarray:
    """Smooth grey images, no two alike: uint8 [count, R, R]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:resolution, :resolution] / resolution
    a, b, r = (
        v[:, None, None] for v in rng.uniform((0.3, 0.3, 0.2), (0.7, 0.7, 0.4), (count, 3)).T
    )
    shade = np.exp(-((x - a) ** 2 + (y - b) ** 2) / r**2) * 200
    return (shade + rng.uniform(0, 40, shade.shape)).astype(np.uint8)


def make_run(
    folder: Path, classes: tuple[str, ...] = CLASSES, resolution: int = 64, images: int = 12
) -> Path:
    """A trained run with its synthetic set; nothing is measured.

    Args:
        folder: made here.
        classes: folder names on disk are numbers, so any text will do.
        resolution: of all pictures.
        images: synthetic ones of each class.
    """
    folder.mkdir(parents=True)
    settings = RunSettings.model_validate({"data": {"resolution": resolution}})
    counts = {f"{s}/{c}": n for s, n in (("train", 40), ("val", 9), ("test", 5)) for c in classes}
    versions = {"xraygan": "0.1.0", "python": "3.11.7", "keras": "3.15.1"}
    config: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "source": "phantom",
        "device": "cpu",
        "data": {
            "fingerprint": "ab" * 32,
            "classes": list(classes),
            "counts": counts,
            "patients": {"train": 33, "val": 8, "test": 5},
            "refused": 3,
        },
        "versions": versions,
        "begun": "2026-11-23T16:12:33+0000",
        "total_images": 12000,
        "start": {"images": 72_000, "simulated_films": 8000},
        "published": 12000,
    }
    write_json(folder / "config.json", config)
    _write_metrics(folder)
    _write_model(folder, classes)
    labels = np.repeat(np.arange(len(classes)), 10 * max(1, 4 // len(classes)))
    for kimg in (0, 6, 12):
        drawn = films(len(labels), resolution, kimg)
        save_grid(folder / f"fakes{kimg:06d}.png", class_blocks(drawn, labels, 10))
    save_grid(folder / "reals.png", class_blocks(films(len(labels), resolution, 99), labels, 10))
    _write_synthetic(folder / "synthetic", classes, resolution, images)
    return folder


def _write_metrics(folder: Path) -> None:
    rows = []
    for tick in range(1, 31):
        row = {"images_seen": tick * 400, "epoch": tick / 4, "d_loss": 0.7 - tick / 60}
        row |= {"g_loss": 0.7 + tick / 20, "fake_spread": 0.5, "images_per_second": 50.0}
        if tick % 5 == 0:
            kid = 2.4 * 0.6 ** (tick / 5)
            row |= {"kid": kid, "kid_low": kid * 0.9, "kid_high": kid * 1.1}
            row |= {"kid_floor": 0.0017, "kid_floor_high": 0.0146}
        rows.append(json.dumps(row))
    text = "\n".join([*rows, '{"images_seen": 12']) + "\n"
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")


def _write_model(folder: Path, classes: tuple[str, ...]) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "generator.safetensors").write_bytes(WEIGHTS)
    description = {
        "format": 1,
        "classes": list(classes),
        "images_seen": 12000,
        "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    }
    write_json(folder / "model" / "generator.json", description)


def _write_synthetic(folder: Path, classes: tuple[str, ...], resolution: int, images: int) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", "a text chunk")
    rows = []
    for number, name in enumerate(classes):
        (folder / str(number)).mkdir(parents=True)
        for index, image in enumerate(films(images, resolution, 1000 + number)):
            file = f"{number}/seed0000000000_{index:08d}.png"
            Image.fromarray(image).save(folder / file, pnginfo=info)
            rows.append((file, name, 0, index, "cd" * 32))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "class", "seed", "index", "model_sha256"))
        writer.writerows(rows)


def figure(value: float | None, low: float | None, high: float | None, n: int, **more: Any) -> dict:
    """One figure as evaluation.json and audit.json hold it."""
    blank = {"floor": None, "floor_low": None, "floor_high": None, "feature_space": None}
    return {"value": value, "low": low, "high": high, "n": n, **blank, **more}


def regime(auc: float, real: int, synthetic: int) -> dict[str, Any]:
    """One way of training in evaluation.json."""
    return {
        "auc": figure(auc, auc - 0.02, min(auc + 0.02, 1), 313),
        "sensitivity": figure(0.81, 0.76, 0.86, 313),
        "specificity": figure(0.78, 0.72, 0.84, 313),
        "ece": figure(0.09, 0.07, 0.12, 313),
        "images": 313,
        "seeds": 3,
        "trained_on": {"real": real, "synthetic": synthetic},
    }


def evaluation(classes: tuple[str, ...] = CLASSES) -> dict[str, Any]:
    """evaluation.json of a fair generator."""

    def floored(value: float, half: float, floor: float, space: str | None = "filter-bank-1"):
        ends = {"floor_low": floor - half / 2, "floor_high": floor + half / 2}
        return figure(
            value, value - half, value + half, 393, floor=floor, feature_space=space, **ends
        )

    per_class = {
        "kid": floored(0.141, 0.03, 0.004),
        "coverage": floored(0.91, 0.04, 0.97),
        "ms_ssim": floored(0.31, 0.02, 0.27, None),
    }
    return {
        "kid": floored(0.117, 0.0195, 0.0017),
        "fid": floored(41.3, 2.1, 18.9),
        "fid_ratio": floored(0.458, 0.03, 1.0),
        "precision": floored(0.71, 0.03, 0.91),
        "recall": floored(0.62, 0.04, 0.9),
        "density": floored(0.66, 0.05, 0.98),
        "coverage": floored(0.94, 0.02, 0.99),
        "classifier_auc": floored(0.93, 0.02, 0.51),
        "ms_ssim": floored(0.29, 0.01, 0.26, None),
        "swd": floored(12.4, 0.6, 4.1, None),
        "swd_level_0": floored(15.2, 0.7, 3.9, None),
        "spectrum": floored(0.21, 0.01, 0.05, None),
        "kid@chest-net-1": floored(0.033, 0.006, 0.0004, "chest-net-1"),
        "fid@chest-net-1": floored(20.2, 1.1, 7.7, "chest-net-1"),
        "per_class": dict.fromkeys(classes, per_class),
        "utility": {
            "trtr": regime(0.953, 3789, 0),
            "trts": regime(0.97, 3789, 0),
            "tstr": regime(0.884, 0, 3789),
            "real_plus_synthetic_0.5": regime(0.956, 3789, 1895),
            "real_plus_synthetic_1": regime(0.958, 3789, 3789),
            "classical_augmentation": regime(0.955, 3789, 0),
            "real_duplicated": regime(0.95, 3789, 0),
            "synthetic_then_real": regime(0.957, 3789, 3789),
            "low_50_real": regime(0.80, 50, 0),
            "low_50_real_plus_synthetic": regime(0.89, 50, 3789),
            "label_shuffled": regime(0.51, 0, 3789),
            "tstr_minus_trtr": {
                "auc_difference": figure(-0.069, -0.09, -0.05, 313),
                "images": 313,
                "seeds": 3,
            },
            "notes": ["Utility: three trainings of each kind."],
        },
        "sets": {
            "real": {"n": 393, "patients": 210, "sha256": "12" * 32},
            "synthetic": {"n": 2000, "patients": None, "sha256": "34" * 32},
            "train": {"n": 3789, "patients": 1900, "sha256": "56" * 32},
        },
        "notes": ["FID is biased below 10,000 images: compare it with its floor only."],
    }


def audit(verdict: str = "nothing found") -> dict[str, Any]:
    """audit.json."""

    def attack(auc: float) -> dict[str, dict]:
        return {
            "auc": figure(auc, auc - 0.03, auc + 0.03, 786),
            "tpr_at_1_percent": figure(0.013, 0.004, 0.03, 393),
            "tpr_at_0.1_percent": figure(None, None, None, 393),
            "control_auc": figure(0.497, 0.46, 0.53, 786),
            "blind_auc": figure(0.52, 0.49, 0.55, 786),
        }

    def controlled(value: float, low: float, high: float, control: float) -> dict:
        ends = {"floor_low": control * 0.9, "floor_high": control * 1.1}
        return figure(value, low, high, 2000, floor=control, **ends)

    return {
        "verdict": verdict,
        "explanation": "Synthetic images are no nearer to training films than films of other "
        "patients are, and no attack told members from others beyond chance.",
        "tested": ["Copies, by pixels and by features.", "Membership, by three attacks."],
        "not_tested": ["Attacks that know the training code.", "Linkage with other registers."],
        "does_not_prove": "That nobody can be recognised in any image.",
        "copies": {
            "copied_share": controlled(0.0021, 0.0004, 0.006, 0.001),
            "certain_copies": controlled(0.0, 0.0, 0.0018, 0.0),
            "nearest_is_training": controlled(0.52, 0.50, 0.54, 0.5),
            "calibrated_ratio": controlled(0.91, 0.905, 0.915, 0.9),
            "nearest_correlation": controlled(0.93, 0.92, 0.935, 0.925),
            "planted_exact": figure(1.0, 0.98, 1.0, 200),
            "planted_noise_20_percent": figure(0.31, 0.25, 0.38, 200),
            "auth_pct@filter-bank-1": controlled(0.88, 0.86, 0.9, 0.87),
            "c_t@filter-bank-1": figure(0.8, -0.4, 1.9, 2393),
        },
        "membership": {
            "gan_leaks": attack(0.512),
            "domias": attack(0.534),
            "domias@chest-net-1": attack(0.521),
        },
        "closest_pairs": [
            {"synthetic": 10 + n, "train": 4711 + n, "similarity": 0.96 - n / 1000, "ratio": 0.5}
            for n in range(20)
        ],
        "patients": {"most_imitated": [{"images": 9 - n} for n in range(5)]},
        "sets": {"train": {"n": 3789, "patients": 1900, "sha256": "56" * 32}},
        "notes": ["Below 1,000 films the shares at 0.1 % false alarms have wide intervals."],
    }


def add_evidence(run: Path, classes: tuple[str, ...] = CLASSES, resolution: int = 64) -> Path:
    """What `evaluate` and `audit` leave in a run folder."""
    facts = {
        "model_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "manifest_sha256": sha256_of(run / "synthetic" / "manifest.csv"),
    }
    write_json(run / "evaluation.json", evaluation(classes) | facts)
    write_json(run / "audit.json", audit() | facts)
    (run / "internal").mkdir()
    trained = films(20, resolution, 5)
    np.savez(
        run / "internal" / "closest-pairs.npz",
        synthetic=np.clip(trained.astype(int) + 9, 0, 255).astype(np.uint8),
        train=trained,
        difference=np.full_like(trained, 132),
        similarity=np.linspace(0.96, 0.94, 20),
    )
    return run
