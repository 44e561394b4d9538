"""Makes the pictures of the README and the documentation: synthetic images only.

    python docs/make_pictures.py --data chest_xray --run results     (trains there first)

`--data` is trained on in the folder `--run`, as `xraygan run` does unless `--minutes` or `--kimg`
say how long; a finished run there is used as it is.
"""

import argparse
import shutil
from pathlib import Path

import cv2
import numpy as np

import xraygan
from xraygan.data.phantom import phantom_images
from xraygan.pictures import class_blocks, grid

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Train where needed, then write `docs/images/*.png`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float)
    length.add_argument("--kimg", type=float, help="thousands of images")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--start", choices=["auto", "phantom", "random"], default="auto")
    parser.add_argument(
        "--augmentation", type=float, help="by how often films are seen unless told"
    )
    arguments = parser.parse_args()
    xraygan.run(
        arguments.data,
        arguments.run,
        minutes=arguments.minutes,
        kimg=arguments.kimg,
        resolution=arguments.resolution,
        start=arguments.start,
        augmentation=arguments.augmentation,
    )
    IMAGES.mkdir(exist_ok=True)
    side = arguments.resolution
    large = side > 128  # a third of the films, and none of the progress: pictures of megabytes
    images, labels = xraygan.generate(arguments.run, 20 if large else 60, seed=7)
    write(f"synthetic-{side}.png", grid(class_blocks(images, labels, 10)), max(128 // side, 1))
    if not large:
        write_progress(arguments.run, side)
    if side == 64:
        shutil.copy(arguments.run / "losses.png", IMAGES)
    phantoms, classes = phantom_images(20, 128, seed=0)
    write("phantom-128.png", grid(class_blocks(phantoms, classes, 10)), 1)


def write_progress(run: Path, side: int) -> None:
    """The first pictures of each class in four of the run's grids: the same latents in time."""
    files = sorted(run.glob("fakes*.png"))
    chosen = [files[n] for n in np.linspace(0, len(files) - 1, 4).astype(int)]
    pictures = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in chosen]
    scale = 2 if side <= 64 else 1
    row = (side + 2) * scale
    half = pictures[0].shape[0] // (2 * row) * row
    strips = [np.concatenate([p[: row + 2], p[half : half + row + 2]]) for p in pictures]
    write(f"progress-{side}.png", np.concatenate(strips), 1)


def write(name: str, picture: np.ndarray, enlarge: int) -> None:
    """One PNG, small images enlarged without smoothing."""
    picture = np.repeat(np.repeat(picture, enlarge, axis=0), enlarge, axis=1)
    if not cv2.imwrite(str(IMAGES / name), picture):
        raise OSError(f"cannot write {IMAGES / name}")
    print(IMAGES / name)


if __name__ == "__main__":
    main()
