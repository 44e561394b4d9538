"""Makes `images/failures.png`: what training looks like where it fails, on the phantom.

    python docs/make_failure_pictures.py

Some minutes, in a temporary folder; no patient's film is used. A row each: the fitted base
alone, a run that was stopped too early, collapse, and films of the phantom as they are. The
engine does not collapse on the phantom at any setting that was tried; the collapsed row is the
plain DCGAN of benchmarks/.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from make_pictures import IMAGES, write

import xraygan
from xraygan.data.phantom import phantom_images
from xraygan.pictures import grid

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from dcgan import train_dcgan

SHOWN, SIDE = 10, 64
ROW = 2 * (SIDE + 2)
"""Pixels of a row in a run's sample grid, which enlarges small images twice."""
KIMG, DCGAN_SECONDS = 8, 40


def main() -> None:
    """Train both and put the rows below one another."""
    films, _ = phantom_images(512, SIDE, seed=0)
    rows = np.stack([train_dcgan(films, DCGAN_SECONDS, SHOWN).images, films[:SHOWN]])
    with tempfile.TemporaryDirectory() as folder:
        run = xraygan.train(
            None, run_dir=Path(folder) / "run", kimg=KIMG, resolution=SIDE, start="random"
        )
        grids = sorted(run.path.glob("fakes*.png"))
        strips = [cv2.imread(str(grids[n]), cv2.IMREAD_GRAYSCALE)[:ROW] for n in (0, -1)]
    below = np.repeat(np.repeat(grid(list(rows)), 2, axis=0), 2, axis=1)
    write("failures.png", np.concatenate([*strips, below]), enlarge=1)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main()
