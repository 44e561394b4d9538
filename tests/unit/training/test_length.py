from types import SimpleNamespace
from typing import cast

import pytest

from xraygan.config import RunSettings, TrainingSettings
from xraygan.progress import Reporter
from xraygan.training.session import total_images
from xraygan.training.trainer import Trainer

FILMS = 100


@pytest.mark.parametrize(
    ("length", "images", "told"),
    [
        ({}, 5000, "each 50 times"),
        ({"minutes": 1}, 6000, "more than 50 times"),
        ({"minutes": 0.2}, 1200, "1,200 images"),
        ({"kimg": 2}, 2000, ""),
        ({"kimg": 8}, 8000, "more than 50 times"),
        ({"epochs": 20}, 2000, ""),
        ({"epochs": 60}, 6000, "more than 50 times"),
    ],
)
def test_how_long_a_run_is(
    length: dict[str, float],
    images: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = RunSettings(training=TrainingSettings.parse(length, "test"))
    trainer = cast(Trainer, SimpleNamespace(batch=8, measure_rate=lambda _: 100.0))
    assert total_images(settings, trainer, FILMS, Reporter()) == images
    err = capsys.readouterr().err
    assert told in err
    assert ("more than 50 times" in err) == (images > 5000)
