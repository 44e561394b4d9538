"""How sharp films are, and how much they differ in it, by radial frequency.

    python benchmarks/spectra.py --data chest_xray --images experiments/NAME/images.npz

A row a set of images, each figure as a multiple of the real training films': the mean energy in a
band of frequencies (4 cycles a film wide, from the one named), and the standard deviation of its
logarithm from film to film. `experiment.py` leaves such images.
"""

import argparse
from pathlib import Path

import numpy as np

NUM = 1500
STEP = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help=".npz with images")
    parser.add_argument("--resolution", type=int, default=64)
    arguments = parser.parse_args()

    from xraygan.config import DataSettings
    from xraygan.data.cache import prepare

    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    films, _ = prepare(arguments.data, settings).split("train")
    chosen = np.random.default_rng(0).permutation(len(films))[:NUM]
    real = energies(np.asarray(films)[np.sort(chosen)])
    starts = STEP * np.arange(real.shape[1])
    print(
        f"| images | figure | {' | '.join(map(str, starts))} |\n|---{'|---' * (1 + len(starts))}|"
    )
    for path in arguments.images:
        made = energies(np.load(path)["images"][:NUM])
        for name, ratio in (
            ("energy", made.mean(axis=0) / real.mean(axis=0)),
            ("spread", np.log(made).std(axis=0) / np.log(real).std(axis=0)),
        ):
            print(f"| {path.parent.name} | {name} | {' | '.join(f'{r:.2f}' for r in ratio)} |")


def energies(films: np.ndarray) -> np.ndarray:
    """Of each film in each band of frequencies up to 0.7 cycles a pixel, [N, bands]."""
    side = films.shape[1]
    window = np.outer(np.hanning(side), np.hanning(side))
    centred = films - films.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(centred * window)) ** 2
    radius = side * np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    starts = range(0, int(0.7 * side), STEP)
    masks = [(radius >= start) & (radius < start + STEP) for start in starts]
    return np.stack([power[:, mask].mean(axis=1) for mask in masks], axis=1)


if __name__ == "__main__":
    main()
