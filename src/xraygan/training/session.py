"""One training run from opening its folder to its finished model: begin, resume, finish."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from xraygan.config import ModelSettings, RunSettings, TrainingSettings
from xraygan.data.dataset import Dataset
from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions
from xraygan.models.files import is_whole
from xraygan.progress import Reporter
from xraygan.runs import RunFolder
from xraygan.signals import StopRequest
from xraygan.training.base import fit_base
from xraygan.training.checkpoint import (
    Checkpoint,
    DamagedError,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from xraygan.training.device import device_sentence
from xraygan.training.identity import Choices
from xraygan.training.loop import carried, train_loop, whole_steps
from xraygan.training.plan import Plan, plan_run
from xraygan.training.schedules import first_rate
from xraygan.training.snapshots import Snapshots, realism_meter
from xraygan.training.start import set_start, start_sentence
from xraygan.training.state import TrainState
from xraygan.training.trainer import Trainer, TrainingData
from xraygan.training.workers import ALONE, Workers

DEFAULT_MINUTES = 30.0
MOST_VIEWS = 50
"""Of each film, where nobody says how long to train: with more of them the discriminator comes to
know its films (docs/experiments.md)."""
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
    workers: Workers = ALONE,
) -> dict[str, Any]:
    """Train in this folder: from the start, from its newest checkpoint, or not at all if done.

    Args:
        run: the folder, locked by the caller.
        dataset: prepared images of all splits.
        settings: all of them.
        choices: of this call.
        reporter: shows progress.
        workers: who train together, of whom this one leads; the others call `follow_run`.

    Returns:
        config.json's content.

    Raises:
        XrayganError: the folder's run has other settings, data or library versions.
        StoppedError: stopped by a signal; start again to go on.
        TrainingFailedError: training itself failed.
    """
    plan = plan_run(run, dataset, settings, choices, reporter)
    if plan.resumed and not list_checkpoints(run.path / "checkpoints"):
        workers.text_from_leader("")
        return _without_checkpoints(run, dict(plan.described), reporter)
    parts = {"model": plan.network, "training": plan.settings.training}
    workers.text_from_leader(
        json.dumps({name: part.model_dump(mode="json") for name, part in parts.items()})
    )
    return _trained(run, dataset, plan, choices, reporter, workers)


def follow_run(dataset: Dataset, workers: Workers) -> None:
    """Train along with worker 0, which has begun `train_run`; nothing is written here.

    Args:
        dataset: the same as worker 0's.
        workers: who train together.
    """
    told = workers.text_from_leader("")
    if not told:
        return
    parts = json.loads(told)
    network = ModelSettings.parse(parts["model"], "worker 0")
    training = TrainingSettings.parse(parts["training"], "worker 0")
    data = TrainingData(*dataset.split("train"), class_conditions(network))
    trainer = Trainer(TrainState(network, training), training, data, workers)
    trainer.compile()
    with StopRequest():  # worker 0 has the same signal, or decides for all
        trainer.follow()


def _trained(
    run: RunFolder,
    dataset: Dataset,
    plan: Plan,
    choices: Choices,
    reporter: Reporter,
    workers: Workers,
) -> dict[str, Any]:
    """From the fitted base, or the newest checkpoint, to the published model; config.json then."""
    described, training = dict(plan.described), plan.settings.training
    newest = load_newest(run.path / "checkpoints", reporter.note)
    if newest is None:
        run.write_config(described)
    conditions = class_conditions(plan.network)
    data, validation = (TrainingData(*dataset.split(name), conditions) for name in ("train", "val"))
    state = TrainState(plan.network, training)
    if newest is None:
        described["start"] = _set_first(state, data, plan, reporter)
    else:
        state.from_arrays(newest.arrays)
    facts = carried(newest.facts if newest else {}, dataset.content)
    trainer = Trainer(state, training, data, workers)
    with trainer.leading():
        total = described["total_images"]
        if total is None:
            total = total_images(plan.settings, trainer, len(data.images), reporter)
            described["total_images"] = total
        if trainer.images_seen > total:
            raise XrayganError(
                f"{run.path}: {trainer.images_seen:,} images are seen already, and {total:,} are "
                "asked for: ask for more, or begin another run"
            )
        run.write_config(described)

        run.rewind_metrics(trainer.images_seen)
        finished = trainer.images_seen >= total and described["published"] is not None
        if finished and is_whole(run.path / "model"):
            reporter.note(f"{run.path}: already trained on {trainer.images_seen:,} images")
            return described
        if newest is None:  # registering takes minutes where films are many or large
            save_checkpoint(run.path / "checkpoints", Checkpoint(0, state.to_arrays(), facts), None)
        snapshots = Snapshots(
            run,
            state,
            plan.network,
            data=data,
            validation=validation,
            meter=realism_meter(dataset.image_set("train"), dataset.image_set("val"), reporter),
            classes=dataset.classes,
            model_facts=_model_facts(dataset, data, described),
            seed=training.seed,
            reporter=reporter,
            show=choices.show,
        )
        if trainer.images_seen == 0:
            snapshots.show_beginning()
            reporter.note(_outlook(plan, trainer, len(data.images), total))
        else:
            reporter.note(f"going on after {trainer.images_seen:,} of {total:,} images")
        reporter.note(device_sentence(choices.device, plan.network.compute_dtype))
        trainer.compile()
        train_loop(run, trainer, plan.settings, total, snapshots, reporter, facts)
    described["published"] = publish(run, state, snapshots, facts, reporter)
    run.write_config(described)
    return described


def _set_first(
    state: TrainState, data: TrainingData, plan: Plan, reporter: Reporter
) -> dict[str, Any] | None:
    """Fit the base and give the networks their first weights; what is known of these."""
    reporter.note(f"registering {len(data.images):,} images to their common anatomy …")
    state.set_base(fit_base(data.images, data.conditions, plan.network))
    learnt = plan.settings.training.start != "random"
    facts = set_start(state, plan.network) if learnt else None
    reporter.note(start_sentence(facts))
    return facts


def _model_facts(
    dataset: Dataset, data: TrainingData, described: Mapping[str, Any]
) -> dict[str, Any]:
    """What the model's description says at every snapshot."""
    return {
        "class_counts": np.bincount(data.labels, minlength=len(dataset.classes)).tolist(),
        "made_with": described["versions"],
        "notice": NOTICE,
    }


def _outlook(plan: Plan, trainer: Trainer, num_images: int, total: int) -> str:
    """What a run that begins is going to do."""
    network = plan.network
    return (
        f"training on {num_images:,} images ({network.compute_dtype}, "
        f"{network.latent} components), {total:,} images to see: each about "
        f"{_times(total / num_images)} times, augmented with a probability of "
        f"{trainer.last_augmentation(total):.2f} at the end, learning rate "
        f"{float(first_rate(plan.settings.training, total)):.2g}"
    )


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
        reporter.note(f"{rate:.1f} images/s: {minutes:g} minutes are about {wanted:,.0f} images")
        if training.minutes is None and wanted > MOST_VIEWS * num_images:
            wanted = MOST_VIEWS * num_images
            reporter.note(
                f"of {num_images:,} films no more than {wanted:,} images are seen, each "
                f"{MOST_VIEWS} times: with more, the discriminator comes to know them; --minutes "
                "or --kimg asks for more"
            )
    total = whole_steps(max(round(wanted), 1), trainer.batch)
    if not (training.kimg or training.epochs):
        reporter.note(f"{total:,} images to see: written down, and from now on what counts")
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
        except DamagedError as error:
            reporter.note(f"{error}; the last model is published, though that one was better")
    snapshots.calibrate()
    snapshots.write_model(seen)
    return seen
