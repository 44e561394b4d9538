"""Rules that turn the data and a preset into the shape of the networks."""

from collections.abc import Sequence

from xraygan.config import ModelSettings, TrainingSettings

MAX_COMPONENTS = 512

WIDTHS = {
    # preset: (generator: half, quarter, eighth of the base's side, full side;
    #          discriminator: coarsest last)
    "small": ((32, 64, 96, 16), (48, 96, 128, 128)),
    "base": ((48, 96, 144, 20), (64, 128, 160, 160)),
    "large": ((96, 192, 256, 32), (128, 256, 320, 320)),
}
DISCRIMINATOR_STAGES = {32: 3, 64: 4, 128: 5, 256: 5, 512: 6}
"""Stages by resolution: what space to depth leaves, halved down to 4×4."""


def model_settings(
    training: TrainingSettings,
    resolution: int,
    labels_of_classes: Sequence[Sequence[str]],
    num_images: int,
    num_patients: int,
    compute_dtype: str,
) -> ModelSettings:
    """The networks' shape for this data.

    Args:
        training: for its preset.
        resolution: side of the images.
        labels_of_classes: names; one each where classes are no sets of labels.
        num_images: training images.
        num_patients: distinct patients among them.
        compute_dtype: "float32" or "bfloat16".
    """
    generator, discriminator = WIDTHS[training.preset]
    stages = DISCRIMINATOR_STAGES[resolution]
    finer = tuple(max(discriminator[0] >> n, 16) for n in range(stages - 4, 0, -1))
    return ModelSettings.parse(
        {
            "resolution": resolution,
            "num_classes": len(labels_of_classes),
            "label_sets": label_sets(labels_of_classes),
            "latent": num_components(num_images, num_patients),
            "generator_widths": generator,
            "discriminator_widths": (finer + discriminator)[-stages:],
            "compute_dtype": compute_dtype,
        },
        "preset",
    )


def label_sets(labels_of_classes: Sequence[Sequence[str]]) -> tuple[tuple[int, ...], ...]:
    """The labels of each class by number, in order of names; () where each class is one label."""
    names = sorted({name for names in labels_of_classes for name in names})
    if len(names) == len(labels_of_classes) and all(len(own) == 1 for own in labels_of_classes):
        return ()
    return tuple(tuple(sorted(map(names.index, own))) for own in labels_of_classes)


def num_components(num_images: int, num_patients: int) -> int:
    """How many principal components the base may have, 1 to 512.

    Components are functions of the training images, and with few patients a component can
    carry one of them: no more than one for two patients.
    """
    return max(1, min(MAX_COMPONENTS, num_patients // 2, num_images - 1))
