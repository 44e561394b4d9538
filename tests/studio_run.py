"""A folder with a run that looks trained, and its films in the cache: for tests of the studio."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
from starlette.testclient import TestClient

from xraygan.config import DataSettings, ModelSettings
from xraygan.data.cache import prepare
from xraygan.models.files import save_model
from xraygan.models.generator import build_generator

CLASSES = ("A&B", "NORMAL")
SIDE = 32
HOME = "http://127.0.0.1:8787"


class Visitor:
    """A browser without a screen: sends the forms of the pages that it has seen."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, **options):
        return self.client.get(path, follow_redirects=False, **options)

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str):
        shown = self.client.get("/login").text
        token = re.search(r'name="form-token" content="([0-9a-f]+)"', shown)[1]
        return self.client.post(
            path,
            data={"form_token": token, **(fields or {})},
            headers={"Origin": HOME, **headers},
            follow_redirects=False,
        )

    def json(self, path: str):
        return self.get(path, headers={"Accept": "application/json"})


def write_films(folder: Path, count: int = 12) -> Path:
    """Noise with a bright disc, one patient a file, `count` of each class in each split."""
    rng = np.random.default_rng(1)
    parts = [f"{split}/{name}" for split in ("train", "val", "test") for name in CLASSES]
    for place, part in enumerate(parts):
        (folder / part).mkdir(parents=True)
        for number in range(count):
            film = rng.integers(0, 90, (SIDE, SIDE)).astype(np.uint8)
            cv2.circle(film, tuple(rng.integers(8, 24, 2).tolist()), 6, 220, -1)
            name = f"person{place + 1}{number:03d}_virus_{number}.png"
            cv2.imwrite(str(folder / part / name), film)
    return folder


def make_run(folder: Path, name: str, films: Path | None, seed: int = 0) -> Path:
    """A run folder with a model, a course, two grids and a report; `films` go into the cache."""
    run = folder / name
    run.mkdir(parents=True)
    fingerprint = "0" * 64
    if films:
        settings = DataSettings.model_validate({"resolution": SIDE, "keep_splits": True})
        fingerprint = prepare(films, settings).fingerprint
    config = {
        "settings": {"data": {"resolution": SIDE}, "training": {"seed": seed}, "output": {}},
        "source": "ward",
        "begun": f"2026-01-0{seed + 1}T00:00:00",
        "data": {
            "classes": list(CLASSES),
            "counts": {f"train/{name}": 20 for name in CLASSES},
            "fingerprint": fingerprint,
            "patients": {"train": 40},
        },
        "total_images": 2000,
        "published": 2000,
        "versions": {"xraygan": "0"},
    }
    (run / "config.json").write_text(json.dumps(config))
    rows = [
        {"images_seen": n * 500, "d_loss": 0.7, "g_loss": 0.8, "seconds": n, "kid": 0.5 / n}
        | {"kid_low": 0.4 / n, "kid_high": 0.6 / n, "kid_floor": 0.01, "images_per_second": 9.0}
        | {"fake_spread": 0.5}
        for n in range(1, 5)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for kimg in (0, 2):
        cv2.imwrite(str(run / f"fakes{kimg:06d}.png"), np.full((40, 60), 90, np.uint8))
    (run / "report.html").write_text("<!DOCTYPE html><title>Report</title><h1>Report</h1>")
    save_tiny_model(run / "model", seed)
    return run


def save_tiny_model(folder: Path, seed: int) -> None:
    """A generator with random weights throughout."""
    network = ModelSettings(
        resolution=SIDE,
        num_classes=2,
        latent=8,
        generator_widths=(8, 8, 8, 8),
        discriminator_widths=(8, 8, 8),
        compute_dtype="float32",
    )
    generator = build_generator(network, seed)
    rng = np.random.default_rng(seed)
    generator.set_weights([rng.normal(0, 0.2, w.shape) for w in generator.weights])
    facts = {"network": network, "classes": CLASSES, "class_counts": (20, 20), "images_seen": 2000}
    save_model(folder, generator, facts)
