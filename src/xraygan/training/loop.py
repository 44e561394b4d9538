"""The training loop, from top to bottom."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xraygan.config import RunSettings
from xraygan.errors import StoppedError, TrainingFailedError
from xraygan.pictures import plot_losses
from xraygan.progress import Reporter, duration
from xraygan.runs import RunFolder
from xraygan.signals import StopRequest
from xraygan.training.checkpoint import Checkpoint, save_checkpoint
from xraygan.training.health import concerns
from xraygan.training.trainer import Trainer

TICKS_A_SNAPSHOT = 5
CALL_SECONDS = 1.0
"""How long one graph call takes, about: Ctrl-C waits so long for its checkpoint, and longer where a
snapshot comes before it."""


def train_loop(
    run: RunFolder,
    trainer: Trainer,
    settings: RunSettings,
    total_images: int,
    snapshot_hook: Callable[[int], dict[str, float]],
    reporter: Reporter,
    facts: dict,
) -> None:
    """Train until `total_images` have been seen, from wherever the state is.

    Args:
        run: where metrics and checkpoints go.
        trainer: with its state new or restored.
        settings: for the intervals.
        total_images: when to end.
        snapshot_hook: given images seen, writes pictures and the model and measures; what it
            returns goes into metrics.jsonl.
        reporter: shows how far it is.
        facts: what is carried from checkpoint to checkpoint: `seconds` of training so far,
            the `best` snapshot with its `best_kid`, the `data` that this was measured on, and
            which concerns were `warned` of; changed in place.

    Raises:
        StoppedError: a signal asked for a stop; the checkpoint is written.
        TrainingFailedError: a loss or gradient is not finite.
    """
    # ---- Intervals, in whole steps.
    batch = trainer.batch
    tick, snapshot = intervals(snapshot_images(settings, total_images), batch)
    steps_per_call = 1
    start = time.monotonic() - facts.setdefault("seconds", 0.0)
    last_saved = time.monotonic()
    sums: dict[str, float] = {}
    steps_summed, tick_start = 0, time.monotonic()
    real_spread = trainer.real_spread()
    checkpoints = run.path / "checkpoints"

    def save() -> None:
        facts["seconds"] = time.monotonic() - start
        checkpoint = Checkpoint(trainer.images_seen, trainer.state.to_arrays(), dict(facts))
        save_checkpoint(checkpoints, checkpoint, facts.get("best"))

    with StopRequest() as stop, reporter.bar("training", total_images, "images") as bar:
        bar.update(trainer.images_seen)
        while trainer.images_seen < total_images:
            # ---- Some steps, up to the next boundary.
            before = trainer.images_seen
            boundary = min((before // tick + 1) * tick, total_images)
            steps = min(steps_per_call, math.ceil((boundary - before) / batch))
            began = time.monotonic()
            metrics = trainer.run(steps, total_images)
            took = time.monotonic() - began
            steps_per_call = max(1, min(64, round(CALL_SECONDS * steps / took)))
            seen = trainer.images_seen
            check_finite(metrics, seen, checkpoints)
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0.0) + value * steps
            steps_summed += steps
            rate = steps_summed * batch / (time.monotonic() - tick_start)
            left = (total_images - seen) / rate
            bar.update(
                seen,
                f"epoch {trainer.epoch():.1f}  D {metrics['d_loss']:.3f}  "
                f"G {metrics['g_loss']:.3f}  {rate:.0f} images/s",
            )

            # ---- A tick: one line of metrics; at a snapshot, pictures and figures too.
            at_end = seen >= total_images
            at_snapshot = seen // snapshot > before // snapshot or at_end
            if seen // tick > before // tick or at_end:
                row = {"images_seen": seen, "epoch": round(trainer.epoch(), 4)}
                row |= {name: value / steps_summed for name, value in sums.items()}
                row |= {"images_per_second": rate, "seconds": time.monotonic() - start}
                if at_snapshot:
                    measured = snapshot_hook(seen)
                    row |= measured
                    remember_best(facts, seen, measured)
                run.add_metrics(row)
                warn(facts, concerns(run.metrics(), real_spread), reporter)
                if at_snapshot:
                    plot_losses(run.path / "losses.png", run.metrics())
                reporter.line(
                    f"{seen:,} of {total_images:,} images, epoch {row['epoch']:.2f}: "
                    f"D {row['d_loss']:.3f}, G {row['g_loss']:.3f}, {rate:.1f} images/s, "
                    f"{duration(left)} left" + (f", KID {row['kid']:.4f}" if "kid" in row else "")
                )
                sums, steps_summed, tick_start = {}, 0, time.monotonic()

            # ---- A checkpoint: at snapshots, now and then, and when asked to stop.
            due = time.monotonic() - last_saved >= settings.output.checkpoint_seconds
            if at_snapshot or due or stop.signal_number:
                save()
                last_saved = time.monotonic()
            if stop.signal_number:
                raise StoppedError(
                    stop.signal_number,
                    f"stopped after {seen:,} of {total_images:,} images; the checkpoint is in "
                    f"{checkpoints}",
                )


def snapshot_images(settings: RunSettings, total_images: int) -> int:
    """Images between two snapshots: as set, or about a twentieth of the run, 1,000 at least."""
    if settings.output.snapshot_kimg:
        return max(round(settings.output.snapshot_kimg * 1000), 1)
    rough = max(total_images / 20, 1000)
    power = 10 ** math.floor(math.log10(rough))
    return int(min((m * power for m in (1, 2, 5, 10)), key=lambda v: abs(math.log(v / rough))))


def intervals(snapshot: int, batch: int) -> tuple[int, int]:
    """Images between ticks and between snapshots: whole steps, and a whole number of ticks."""
    tick = whole_steps(max(snapshot // TICKS_A_SNAPSHOT, 1), batch)
    return tick, tick * max(round(snapshot / tick), 1)


def whole_steps(images: int, batch: int) -> int:
    """`images` rounded up to whole steps."""
    return math.ceil(images / batch) * batch


def check_finite(metrics: dict[str, float], seen: int, checkpoints: Path) -> None:
    """Stop before a NaN reaches a checkpoint.

    Raises:
        TrainingFailedError: naming the value, the image count and what to do.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingFailedError(
                f"training failed: {name} is {value} after {seen:,} images; the last good "
                f"checkpoint is the newest in {checkpoints}; try a lower "
                "--learning-rate or a higher --gamma in a new run"
            )


def remember_best(facts: dict, seen: int, measured: dict[str, float]) -> None:
    """Keep the snapshot with the lowest KID."""
    if "kid" in measured and measured["kid"] <= facts.get("best_kid", math.inf):
        facts["best"], facts["best_kid"] = seen, measured["kid"]


def carried(facts: Mapping[str, Any], content: str) -> dict[str, Any]:
    """What a checkpoint carries on: the best snapshot only where it was measured on these data.

    One of other data would be published as the better one, though it has never seen these.

    Args:
        facts: of the checkpoint.
        content: `Dataset.content` of now.
    """
    of_others = ("best", "best_kid") if facts.get("data") != content else ()
    kept = {name: value for name, value in facts.items() if name not in of_others}
    return kept | {"data": content}


def warn(facts: dict, found: dict[str, str], reporter: Reporter) -> None:
    """Say each kind of concern once a run."""
    warned = facts.setdefault("warned", [])
    for kind in sorted(found.keys() - set(warned)):
        reporter.note(f"warning: {found[kind]}")
        warned.append(kind)
