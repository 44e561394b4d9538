"""One training run from opening its folder to its finished model: begin, resume, finish."""

from typing import Any

import numpy as np

from xraygan.config import LENGTHS, ModelSettings, RunSettings
from xraygan.data.dataset import Dataset
from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions
from xraygan.models.files import is_whole
from xraygan.presets import model_settings
from xraygan.progress import Reporter
from xraygan.runs import RunFolder, read_config
from xraygan.training.base import fit_base
from xraygan.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from xraygan.training.device import compute_dtype, device_sentence
from xraygan.training.identity import Choices, check_same_run, data_before, describe
from xraygan.training.loop import train_loop, whole_steps
from xraygan.training.schedules import first_rate
from xraygan.training.snapshots import Snapshots
from xraygan.training.start import find_start, set_start, start_sentence
from xraygan.training.state import TrainState
from xraygan.training.trainer import Trainer, TrainingData

DEFAULT_MINUTES = 30.0
MOST_VIEWS = 30
"""Of each film, where nobody says how long to train. Seen 28 times, attacks by the images found
nobody; seen 44 times, two of seven did (docs/experiments.md)."""
MEASURED_SECONDS = 6.0
"""How long the speed is measured where minutes are to become images."""
NOTICE = (
    "Generates synthetic chest X-rays. Synthetic is not anonymous: weights, principal "
    "components included, are functions of the training images. Not for diagnosis."
)


def train_run(
    run: RunFolder,
    dataset: Dataset,
    settings: RunSettings,
    choices: Choices,
    reporter: Reporter,
) -> dict[str, Any]:
    """Train in this folder: from the start, from its newest checkpoint, or not at all if done.

    Args:
        run: the folder, locked by the caller.
        dataset: prepared images of all splits.
        settings: all of them.
        choices: of this call.
        reporter: shows progress.

    Returns:
        config.json's content.

    Raises:
        XrayganError: the folder's run has other settings, data or library versions.
        StoppedError: stopped by a signal; start again to go on.
        TrainingFailedError: training itself failed.
    """
    images, labels = dataset.split("train")
    check_batch(settings, len(images))
    stored = read_config(run.path)
    described = describe(dataset, settings, choices)
    if stored is None:
        network = model_settings(
            settings.training,
            settings.data.resolution,
            dataset.labels_of_classes,
            len(images),
            dataset.patients("train"),
            compute_dtype(settings.training.precision, choices.device),
        )
        if settings.training.start == "phantom" and find_start(network) is None:
            raise XrayganError(
                f"--start phantom: there are no learnt weights for --resolution "
                f"{network.resolution} with --preset {settings.training.preset}; leave --start out"
            )
        described["model"] = network.model_dump(mode="json")
        described["start"] = described["total_images"] = described["published"] = None
    else:
        check_same_run(run.path, stored, described, choices.force, reporter)
        network = ModelSettings.parse(stored["model"], str(run.path / "config.json"))
        same_length = all(
            stored["settings"]["training"].get(name) == described["settings"]["training"][name]
            for name in (*LENGTHS, "batch")
        )
        described["model"], described["start"] = stored["model"], stored.get("start")
        described["data_before"] = data_before(run, stored, described)
        for name in ("total_images", "published"):
            described[name] = stored.get(name) if same_length else None
        kept = ("begun", "device", "versions") if described["published"] else ("begun",)
        described |= {name: stored[name] for name in kept if name in stored}
        if described["published"]:
            described["settings"]["training"] = stored["settings"]["training"]
        if stored.get("published") and not list_checkpoints(run.path / "checkpoints"):
            return _without_checkpoints(run, described, reporter)
    run.write_config(described)

    data = TrainingData(images, labels, class_conditions(network))
    validation = TrainingData(*dataset.split("val"), class_conditions(network))
    state = TrainState(network, settings.training)
    newest = load_newest(run.path / "checkpoints", reporter.note)
    if newest is None:
        reporter.note(f"registering {len(images):,} images to their common anatomy …")
        state.set_base(fit_base(images, data.conditions, network))
        facts: dict[str, Any] = {}
    else:
        state.from_arrays(newest.arrays)
        facts = dict(newest.facts)
    trainer = Trainer(state, settings.training, data)
    if described["total_images"] is None:
        described["total_images"] = total_images(settings, trainer, len(images), reporter)
    total = described["total_images"]
    if newest is None:
        learnt = settings.training.start != "random"
        described["start"] = set_start(state, network) if learnt else None
        reporter.note(start_sentence(described["start"]))
    run.write_config(described)

    model_facts = {
        "class_counts": np.bincount(labels, minlength=len(dataset.classes)).tolist(),
        "made_with": described["versions"],
        "notice": NOTICE,
        "seed": settings.training.seed,
    }
    run.rewind_metrics(trainer.images_seen)
    finished = newest is not None and trainer.images_seen >= total
    if finished and described["published"] is not None and is_whole(run.path / "model"):
        reporter.note(f"{run.path}: already trained on {trainer.images_seen:,} images")
        return described
    if newest is None:  # registering takes minutes where films are many or large
        save_checkpoint(run.path / "checkpoints", Checkpoint(0, state.to_arrays(), facts), None)
    snapshots = Snapshots(
        run,
        state,
        network,
        data,
        validation,
        dataset.classes,
        model_facts,
        reporter,
        choices.show,
    )
    if trainer.images_seen == 0:
        snapshots.calibrate()
        snapshots.write_grid(0)
        snapshots.write_model(0)
        reporter.note(
            f"training on {len(images):,} images ({network.compute_dtype}, "
            f"{network.latent} components), {total:,} images to see: each about "
            f"{_times(total / len(images))} times, augmented with a probability of "
            f"{trainer.last_augmentation(total):.2f} at the end, learning rate "
            f"{float(first_rate(settings.training, total)):.2g}"
        )
    else:
        reporter.note(f"going on after {trainer.images_seen:,} of {total:,} images")
    reporter.note(device_sentence(choices.device, network.compute_dtype))
    trainer.compile()
    train_loop(run, trainer, settings, total, snapshots, reporter, facts)
    described["published"] = publish(run, state, snapshots, facts, reporter)
    run.write_config(described)
    return described


def _without_checkpoints(
    run: RunFolder, described: dict[str, Any], reporter: Reporter
) -> dict[str, Any]:
    """A finished run stays as it is where somebody took its checkpoints away.

    Raises:
        XrayganError: it was to go on, or has no model.
    """
    if described["published"] and is_whole(run.path / "model"):
        reporter.note(
            f"{run.path}: already trained on {described['published']:,} images; its checkpoints "
            "are gone, so that it cannot go on"
        )
        return described
    raise XrayganError(
        f"{run.path}: this run was finished, and its checkpoints are gone, so that it cannot go "
        "on; put checkpoints/ back, or choose another folder"
    )


def check_batch(settings: RunSettings, num_images: int) -> None:
    """A batch holds no image twice.

    Raises:
        XrayganError: the batch is larger than the data.
    """
    if settings.training.batch > num_images:
        raise XrayganError(
            f"--batch {settings.training.batch} is more than the {num_images} training images; "
            f"use --batch {max(num_images, 2)} or fewer"
        )


def total_images(
    settings: RunSettings, trainer: Trainer, num_images: int, reporter: Reporter
) -> int:
    """When to end, in images, in whole steps: from kimg, epochs, or minutes at a measured rate."""
    training = settings.training
    if training.kimg:
        wanted = training.kimg * 1000
    elif training.epochs:
        wanted = training.epochs * num_images
    else:
        minutes = training.minutes or DEFAULT_MINUTES
        reporter.note("measuring the speed of this machine …")
        rate = trainer.measure_rate(MEASURED_SECONDS)
        wanted = rate * minutes * 60
        reporter.note(
            f"{rate:.1f} images/s: {minutes:g} minutes are about {wanted:,.0f} images "
            "(written down; from now on this number counts)"
        )
        if training.minutes is None and wanted > MOST_VIEWS * num_images:
            wanted = MOST_VIEWS * num_images
            reporter.note(
                f"of {num_images:,} films no more than {wanted:,} images are seen, each "
                f"{MOST_VIEWS} times, since films that are seen more often are given away more; "
                "--minutes or --kimg asks for more"
            )
    total = whole_steps(max(round(wanted), 1), trainer.batch)
    if total > (MOST_VIEWS + 1) * num_images:
        reporter.note(
            f"each film is seen more than {MOST_VIEWS} times: the images may tell who was trained "
            "on; believe the audit before the pictures"
        )
    return total


def _times(views: float) -> str:
    return f"{views:,.0f}" if views >= 100 else f"{views:.3g}"


def publish(
    run: RunFolder,
    state: TrainState,
    snapshots: Snapshots,
    facts: dict[str, Any],
    reporter: Reporter,
) -> int:
    """Write the model: the last one is the rule, an earlier one if it was better beyond doubt.

    Returns:
        How many images the published model has seen.
    """
    seen = int(state.images_seen.numpy())
    last = next((row for row in reversed(run.metrics()) if "kid" in row), None)
    best = facts.get("best")
    if last is not None and best is not None and facts["best_kid"] < last["kid_low"]:
        folder = run.path / "checkpoints" / f"{best:012d}"
        try:
            state.from_arrays(load_checkpoint(folder).arrays)
            seen = best
            reporter.note(
                f"the model after {best:,} images was better than the last one (KID "
                f"{facts['best_kid']:.4f} against {last['kid']:.4f}): that one is published"
            )
        except XrayganError as error:
            reporter.note(f"{error}; the last model is published, though that one was better")
    snapshots.calibrate()
    snapshots.write_model(seen)
    return seen
