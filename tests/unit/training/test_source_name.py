"""What a run calls the data it was trained on."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraygan.api import train
from xraygan.errors import StoppedError
from xraygan.runs import read_json
from xraygan.training import session


def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / os.fsdecode(b"R\xf6ntgen")
    random = np.random.default_rng(0)
    for number in range(12):
        folder = data / "AB"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        film = Image.fromarray(random.integers(0, 256, (40, 40), np.uint8))
        film.save(folder / f"{number}.png")

    def stop(*_: object) -> None:
        raise StoppedError(15, "once the run is described")

    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(session, "fit_base", stop)
    settings = {"resolution": 32, "preset": "small", "batch": 4, "kimg": 0.1, "evidence": "none"}
    with pytest.raises(StoppedError):
        train(data, tmp_path / "runs", device="cpu", **settings)
    (run,) = (tmp_path / "runs").iterdir()
    config = read_json(run / "config.json")
    assert config["source"] == "R\\xf6ntgen"
    assert run.name == "00000-R-xf6ntgen-32"
