"""What a run goes by, settled before anything is learnt: a new run, or the one in the folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xraygan.config import MAX_CLASSES, MAX_LABELS, ModelSettings, RunSettings
from xraygan.data.dataset import Dataset
from xraygan.errors import XrayganError
from xraygan.presets import model_settings
from xraygan.progress import Reporter
from xraygan.runs import CONFIG, RunFolder
from xraygan.training.device import compute_dtype
from xraygan.training.identity import (
    Choices,
    begun,
    check_same_run,
    data_before,
    describe,
    same_length,
    with_training_of,
)
from xraygan.training.start import find_start


@dataclass(frozen=True)
class Plan:
    """What a run goes by.

    Attributes:
        settings: of this call; a finished run keeps those of its training.
        network: shape of the networks.
        described: what config.json is to say; "start", "total_images" and "published" are None
            where they are still to come.
        resumed: whether it is the folder's own run that goes on.
    """

    settings: RunSettings
    network: ModelSettings
    described: Mapping[str, Any]
    resumed: bool


def plan_run(
    run: RunFolder, dataset: Dataset, settings: RunSettings, choices: Choices, reporter: Reporter
) -> Plan:
    """The plan of the run in a folder, or of a new one where nothing was learnt there yet.

    Raises:
        XrayganError: the folder's run has other settings, data or library versions; or a new one
            cannot be begun.
    """
    stored = begun(run.path)
    described = describe(dataset, settings, choices)
    if stored is None:
        network = plan_network(dataset, settings, choices.device)
        described["model"] = network.model_dump(mode="json")
        described["start"] = described["total_images"] = described["published"] = None
        return Plan(settings, network, described, resumed=False)
    check_batch(settings, len(dataset.split("train")[0]))
    check_same_run(run.path, stored, described, choices.force, reporter)
    network = ModelSettings.parse(stored["model"], str(run.path / CONFIG))
    described["model"], described["start"] = stored["model"], stored.get("start")
    described["data_before"] = data_before(run, stored, described)
    as_long = same_length(stored, described)
    for name in ("total_images", "published"):
        described[name] = stored.get(name) if as_long else None
    kept = ("begun", "device", "versions") if described["published"] else ("begun",)
    described |= {name: stored[name] for name in kept if name in stored}
    if described["published"]:
        described["settings"]["training"] = stored["settings"]["training"]
        settings = with_training_of(settings, stored)
    return Plan(settings, network, described, resumed=True)


def plan_network(dataset: Dataset, settings: RunSettings, device: str) -> ModelSettings:
    """The networks of a new run on these data; what cannot be begun is refused here.

    Args:
        dataset: prepared images.
        settings: all of them.
        device: "cpu" or "gpu".

    Raises:
        XrayganError: the batch is too large, there are too many classes, or no weights to begin
            with.
    """
    training, count = settings.training, len(dataset.split("train")[0])
    check_batch(settings, count)
    check_classes(dataset.labels_of_classes)
    network = model_settings(
        training,
        settings.data.resolution,
        dataset.labels_of_classes,
        count,
        dataset.patients("train"),
        compute_dtype(training.precision, device),
    )
    if training.start == "phantom" and find_start(network) is None:
        raise XrayganError(
            f"--start phantom: there are no learnt weights for --resolution "
            f"{network.resolution} with --preset {training.preset}; leave --start out"
        )
    return network


def check_batch(settings: RunSettings, num_images: int) -> None:
    """See that a batch is no larger than the data.

    Raises:
        XrayganError: it is.
    """
    if settings.training.batch > num_images:
        raise XrayganError(
            f"--batch {settings.training.batch} is more than the {num_images} training images; "
            f"use --batch {num_images} or fewer"
        )


def check_classes(labels_of_classes: Sequence[Sequence[str]]) -> None:
    """See that networks can be told of so many labels, and of so many sets of them.

    Args:
        labels_of_classes: names; one each where classes are no sets of labels.

    Raises:
        XrayganError: there are too many.
    """
    classes = len(labels_of_classes)
    labels = len({name for names in labels_of_classes for name in names})
    if labels > MAX_LABELS:
        raise XrayganError(
            f"{labels:,} {'classes' if labels == classes else 'labels'}; at most {MAX_LABELS}: "
            "choose some with --labels, or a column that has fewer with --column label=NAME"
        )
    if classes > MAX_CLASSES:
        raise XrayganError(
            f"{classes:,} sets of labels; at most {MAX_CLASSES:,}: choose fewer labels with "
            "--labels, or leave out --multi-label"
        )
