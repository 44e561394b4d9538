"""How far a run is: what its pages say while it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xraygan.report.collect import thin
from xraygan.report.plots import Scale
from xraygan.web.catalogue import Run

SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 200, 40, 3
"""Of the line in the list of runs, in pixels."""


@dataclass(frozen=True)
class Course:
    """A run's numbers, ready to be drawn.

    Attributes:
        images: images seen at each point.
        losses: curves by name.
        measured: images seen where the KID was measured.
        kid: the KID there.
        kid_band: its lower and upper ends.
        kid_floor: real against real.
        seen: images seen so far.
        share: of the run, 0 to 1; None where its length is not known yet.
        seconds: of training so far.
        rate: images a second.
    """

    images: Sequence[float]
    losses: Mapping[str, Sequence[float]]
    measured: Sequence[float]
    kid: Sequence[float]
    kid_band: tuple[Sequence[float], Sequence[float]]
    kid_floor: float | None
    seen: int
    share: float | None
    seconds: float
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None where it cannot be said."""
        if not self.rate or not self.share or self.share >= 1:
            return None
        return (self.seen / self.share - self.seen) / self.rate


def course_of(run: Run) -> Course:
    """The course of a run so far; empty curves where nothing was written yet."""
    rows = [row for row in run.metrics() if _numbers(row, ("images_seen", "d_loss", "g_loss"))]
    drawn = thin(rows)
    kid_rows = [row for row in rows if _numbers(row, ("kid", "kid_low", "kid_high"))]
    last = rows[-1] if rows else {}
    seen, total = int(last.get("images_seen", 0)), run.config.total_images
    floor = kid_rows[-1].get("kid_floor") if kid_rows else None
    return Course(
        images=[row["images_seen"] for row in drawn],
        losses={
            "discriminator": [row["d_loss"] for row in drawn],
            "generator": [row["g_loss"] for row in drawn],
        },
        measured=[row["images_seen"] for row in kid_rows],
        kid=[row["kid"] for row in kid_rows],
        kid_band=([r["kid_low"] for r in kid_rows], [r["kid_high"] for r in kid_rows]),
        kid_floor=max(floor, 0.0) if isinstance(floor, int | float) else None,
        seen=seen,
        share=min(seen / total, 1) if total else None,
        seconds=float(last.get("seconds", 0)),
        rate=last.get("images_per_second"),
    )


def spark(course: Course) -> tuple[str, str]:
    """A run's KID as a line without axes; the discriminator's loss while there are no two KIDs.

    Returns:
        What is drawn, and the line's SVG path in a box of SPARK_WIDTH by SPARK_HEIGHT; empty where
        there are no two points.
    """
    name, images, values = "KID", course.measured, course.kid
    if len(values) < 2:
        name, images, values = "Loss", course.images, course.losses["discriminator"]
    if len(values) < 2:
        return name, ""
    low = min(values)
    high = max(values) if max(values) > low else low + 1
    x = Scale(images[0], max(*images, images[0] + 1), SPARK_EDGE, SPARK_WIDTH - SPARK_EDGE)
    y = Scale(low, high, SPARK_HEIGHT - SPARK_EDGE, SPARK_EDGE)
    return name, "M" + "L".join(f"{x(a)} {y(b)}" for a, b in zip(images, values, strict=True))


def _numbers(row: Mapping[str, Any], names: Sequence[str]) -> bool:
    return all(isinstance(row.get(name), int | float) for name in names)
