"""Reading large films: our reading against the loop a reader of the description would write.

    python benchmarks/read_speed.py --data ../shared/data/chest_xray_fullres

The loop is `cv2.imread` and `cv2.resize` over the files into a list, then `np.array`. Ours is
what `prepare` does to a file before anything is written: hash of the bytes, strict check,
decoding, hash of the picture, antialiased resize, in threads. Both in turn, several times; a
made set of large JPEGs beside the given one. Then the difference that reduced decoding makes
against full decoding, both followed by an area mean.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from xraygan.config import DataSettings
from xraygan.data.ingest import ingest
from xraygan.data.phantom import phantom_images
from xraygan.data.pixels import decode, decode_reduced, fit
from xraygan.data.sources import list_source

ROUNDS = 5
PHANTOMS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of large JPEGs")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--made", type=int, default=2000, help="files of the made set")
    arguments = parser.parse_args()
    print("| films | files | ours, files/s | the loop, files/s | ratio (median of rounds) |")
    print("|---|---|---|---|---|")
    compare("given", arguments.data, arguments.resolution)
    with tempfile.TemporaryDirectory() as folder:
        make_films(Path(folder), arguments.made)
        compare("made, 2048×1600", Path(folder), arguments.resolution)
    print_difference(arguments.data, arguments.resolution)


def compare(name: str, folder: Path, resolution: int) -> None:
    settings = DataSettings.parse({"resolution": resolution}, "options")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = list_source(folder, settings).files
    hashes = {file.name: hashlib.sha256(file.place.read()).hexdigest() for file in listed}

    def ours() -> None:
        with tempfile.TemporaryFile() as stream:
            ingest(listed, hashes, settings, stream, None)

    seconds = [(timed(ours), timed(lambda: loop(files, resolution))) for _ in range(ROUNDS)]
    ratio = median(theirs / own for own, theirs in seconds)
    own, theirs = (len(files) / median(column) for column in zip(*seconds, strict=True))
    print(f"| {name} | {len(files)} | {own:.0f} | {theirs:.0f} | {ratio:.1f} |", flush=True)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def loop(files: list[Path], resolution: int) -> np.ndarray:
    images = []
    for path in files:
        image = cv2.imread(str(path))
        images.append(cv2.resize(image, (resolution, resolution)))
    return np.array(images)


def make_films(folder: Path, count: int) -> None:
    """Phantoms enlarged with grain, so that a JPEG has as much to say as a film's."""
    films, _ = phantom_images(PHANTOMS, 512, seed=0)
    (folder / "A").mkdir()

    def write(number: int) -> None:
        random = np.random.default_rng(number)
        film = cv2.resize(films[number % PHANTOMS], (2048, 1600), interpolation=cv2.INTER_CUBIC)
        grain = random.normal(0, 3, film.shape)
        shifted = np.roll(film, int(random.integers(64)), axis=1)
        made = np.clip(shifted + grain, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "A" / f"{number:05d}.jpg"), made, [cv2.IMWRITE_JPEG_QUALITY, 90])

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count)))


def print_difference(folder: Path, resolution: int) -> None:
    differences = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        full = fit(decode(data, path.name), resolution, "squash")
        reduced, _ = decode_reduced(data, path.name, 2 * resolution)
        small = fit(reduced, resolution, "squash")
        differences.append(np.abs(full.astype(float) - small).mean())
    print(
        f"\nreduced against full decoding at {resolution}×{resolution}: mean absolute difference "
        f"{np.mean(differences):.2f} of 255 (largest of {len(differences)} films "
        f"{np.max(differences):.2f})"
    )


if __name__ == "__main__":
    main()
