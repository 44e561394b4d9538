import itertools

import pytest

from xraygan.config import ModelSettings, TrainingSettings
from xraygan.errors import XrayganError
from xraygan.presets import DISCRIMINATOR_STAGES, WIDTHS, model_settings, num_components


def of(preset: str, resolution: int, num_classes: int = 2) -> ModelSettings:
    training = TrainingSettings(preset=preset)
    classes = [[str(number)] for number in range(num_classes)]
    return model_settings(training, resolution, classes, 1000, 400, "bfloat16")


@pytest.mark.parametrize(
    ("resolution", "preset", "num_classes"),
    list(itertools.product(DISCRIMINATOR_STAGES, WIDTHS, [1, 2, 15])),
)
def test_every_preset_fits_every_resolution(resolution: int, preset: str, num_classes: int) -> None:
    settings = of(preset, resolution, num_classes)
    stages = len(settings.discriminator_widths)
    assert settings.stem in (2, 4)
    # Halved at every stage but the first, down to 4×4 exactly.
    assert settings.resolution == settings.stem * 4 * 2 ** (stages - 1)
    assert list(settings.discriminator_widths) == sorted(settings.discriminator_widths)
    assert settings.discriminator_widths[-1] == WIDTHS[preset][1][-1]
    assert settings.base_resolution == min(resolution, 64)
    assert settings.latent == 200
    assert settings.num_classes == num_classes
    assert settings.compute_dtype == "bfloat16"


def test_presets_grow() -> None:
    small, base, large = (of(preset, 64).generator_widths for preset in ("small", "base", "large"))
    assert all(a < b < c for a, b, c in zip(small, base, large, strict=True))


def test_too_many_classes() -> None:
    with pytest.raises(XrayganError, match="num_classes"):
        of("base", 64, 257)


@pytest.mark.parametrize(
    ("images", "patients", "expected"),
    [
        (1, 1, 1),
        (2, 2, 1),
        (10, 3, 1),
        (10, 8, 4),
        (1000, 400, 200),
        (9, 400, 8),
        (10**5, 10**4, 512),
    ],
)
def test_no_more_than_one_component_for_two_patients(
    images: int, patients: int, expected: int
) -> None:
    assert num_components(images, patients) == expected
