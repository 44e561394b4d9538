"""Makes `images/failures.png`: what training looks like where it fails, on the phantom.

    python docs/make_failure_pictures.py

Trains four times on the built-in phantom, a few minutes in all, in a temporary folder: no
patient's film is used. A row a run: the linear base alone, stopped too early, collapsed,
and as it should be.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from make_pictures import write

import xraygan
from xraygan.pictures import grid

SHOWN = 10
RUNS: dict[str, dict[str, Any]] = {
    "the linear base alone": {"kimg": 0.1},
    "stopped too early": {"kimg": 4},
    "collapsed": {"kimg": 4, "learning_rate": 0.01, "gamma": 0.001},
    "as it should be": {"kimg": 16},
}


def main() -> None:
    """Train in each setting and put the pictures below one another."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, settings in RUNS.items():
            run = xraygan.train(None, run_dir=Path(folder) / name.replace(" ", "-"), **settings)
            images, _ = xraygan.generate(run.path, SHOWN, seed=1)
            rows.append(np.asarray(images))
    write("failures.png", grid(rows))


if __name__ == "__main__":
    main()
