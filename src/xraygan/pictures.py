"""Pictures of a run: sample grids, loss curves, and how they reach a screen."""

import importlib
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from xraygan.runs import write_whole

GRID_COLUMNS = 10
GRID_PICTURES = 40
"""In a sample grid, over all classes; more classes make more rows."""
GRID_CLASSES = 40
"""Of more, the first are shown."""


def shown_classes(counts: Sequence[int]) -> dict[int, int]:
    """The classes of a sample grid, and how many pictures each has at most.

    Args:
        counts: training images by class number; classes without any are not shown.
    """
    shown = [number for number, count in enumerate(counts) if count][:GRID_CLASSES]
    rows = max(1, GRID_PICTURES // (GRID_COLUMNS * max(len(shown), 1)))
    return dict.fromkeys(shown, GRID_COLUMNS * rows)


def grid(rows: Sequence[np.ndarray], gap: int = 2) -> np.ndarray:
    """Images in rows, with thin grey lines between.

    Args:
        rows: each uint8 [n, R, R]; a shorter row is filled with black.
        gap: width of the lines in pixels.

    Returns:
        uint8 [height, width].
    """
    columns = max(len(row) for row in rows)
    side = rows[0].shape[1]
    step = side + gap
    picture = np.full((len(rows) * step + gap, columns * step + gap), 96, np.uint8)
    for number, row in enumerate(rows):
        top = gap + number * step
        picture[top : top + side, gap : columns * step] = 0
        for column, image in enumerate(row):
            left = gap + column * step
            picture[top : top + side, left : left + side] = image
    return picture


def class_blocks(images: np.ndarray, labels: np.ndarray, columns: int) -> list[np.ndarray]:
    """Rows of images for `grid`, one block of rows a class, classes in order."""
    rows = []
    for label in np.unique(labels):
        mine = images[labels == label]
        rows += [mine[start : start + columns] for start in range(0, len(mine), columns)]
    return rows


def save_grid(path: Path, rows: Sequence[np.ndarray]) -> None:
    """Write `grid(rows)` as PNG, enlarged twice where the images are small."""
    picture = grid(rows)
    if rows[0].shape[1] <= 64:
        picture = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    write_whole(path, cv2.imencode(".png", picture)[1].tobytes())


def plot_losses(path: Path, metrics: Sequence[dict[str, Any]]) -> None:
    """Draw the losses, and the KID where it was measured, against images seen."""
    from matplotlib.figure import Figure  # half a second that only a plot is worth

    measured = [row for row in metrics if row.get("kid") is not None]
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2 if measured else 1, squeeze=False)[0]
    kimg = [row["images_seen"] / 1000 for row in metrics]
    axes[0].plot(kimg, [row["d_loss"] for row in metrics], label="discriminator")
    axes[0].plot(kimg, [row["g_loss"] for row in metrics], label="generator")
    axes[0].axhline(np.log(2), color="grey", linewidth=0.8, linestyle=":", label="ln 2: a draw")
    axes[0].set(xlabel="thousand images seen", ylabel="loss", title="Adversarial losses")
    axes[0].legend(frameon=False)
    if measured:
        kids, floor = [row["kid"] for row in measured], max(measured[-1]["kid_floor"], 0)
        axes[1].plot(
            [row["images_seen"] / 1000 for row in measured],
            kids,
            marker="o",
            label="generated against validation",
        )
        axes[1].axhline(floor, color="grey", linestyle=":", label="real against real")
        axes[1].set(xlabel="thousand images seen", ylabel="KID", title="Kernel distance")
        axes[1].set_yscale("symlog", linthresh=0.01)
        axes[1].set_ylim(min(0, *kids), max(1.5 * max(*kids, floor), 0.01))
        axes[1].legend(frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_whole(path, buffer.getvalue())


class Display:
    """Shows pictures as they are written: inline in a notebook, else in a window."""

    def __init__(self) -> None:
        self._window: Any = None
        self._notebook = _in_notebook()

    def show(self, path: Path) -> str | None:
        """Show one picture.

        Returns:
            None, or one sentence on why there is nothing to see.
        """
        if self._notebook:
            display = importlib.import_module("IPython.display")
            display.display(display.Image(filename=str(path)))
            return None
        import matplotlib as mpl
        import matplotlib.pyplot as plt

        if mpl.get_backend().lower() in {"agg", "pdf", "svg", "ps", "cairo", "template"}:
            return f"--show: this session has no screen to open a window on; look at {path}"
        plt.ion()
        self._window = self._window or plt.figure("xraygan")
        self._window.clear()
        axes = self._window.add_axes((0, 0, 1, 1))
        axes.imshow(plt.imread(path), cmap="gray")
        axes.set_axis_off()
        self._window.canvas.draw_idle()
        plt.pause(0.01)
        return None


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
