"""Reading large films: our reading against the loop a reader of the description would write.

    python benchmarks/read_speed.py --data ../shared/data/chest_xray_fullres

The loop is `cv2.imread` and `cv2.resize` over the files into a list, then `np.array`. Our reading
is what is done to each file: hash of the bytes, strict check, decoding, hash of the picture,
antialiased resize, in threads. `prepare` is the whole first start: the files listed and hashed,
then read as before, compared with each other, split, and written into an empty cache. The three
take turns, each time in a new process, as one who starts it finds it (what a process did before
decides how its memory is got), on the given set and on a made one of large JPEGs. Then the
difference that reduced decoding makes against full decoding, both followed by an area mean.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
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
    parser.add_argument("--time", choices=WAYS, help="only this, once: prints seconds")
    arguments = parser.parse_args()
    if arguments.time:
        print(WAYS[arguments.time](arguments.data, arguments.resolution))
        return
    print(
        "| films | files | loop, files/s | reading, files/s | ratio | `prepare`, files/s | ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    compare("given", arguments.data, arguments.resolution)
    with tempfile.TemporaryDirectory() as folder:
        make_films(Path(folder), arguments.made)
        compare("made, 2048×1600", Path(folder), arguments.resolution)
    print_difference(arguments.data, arguments.resolution)


def compare(name: str, folder: Path, resolution: int) -> None:
    """One row; ratios are medians of rounds."""
    rounds = [[in_new_process(way, folder, resolution) for way in WAYS] for _ in range(ROUNDS)]
    count = len(paths(folder))
    loop_s, reading_s, prepare_s = (median(column) for column in zip(*rounds, strict=True))
    reading, whole = (median(r[0] / r[way] for r in rounds) for way in (1, 2))
    print(
        f"| {name} | {count} | {count / loop_s:.0f} | {count / reading_s:.0f} | {reading:.1f} | "
        f"{count / prepare_s:.0f} | {whole:.1f} |",
        flush=True,
    )


def in_new_process(way: str, folder: Path, resolution: int) -> float:
    command = [sys.executable, __file__, "--time", way, "--data", str(folder)]
    command += ["--resolution", str(resolution)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ended.stdout)


def paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def time_loop(folder: Path, resolution: int) -> float:
    files = paths(folder)
    start = time.perf_counter()
    loop(files, resolution)
    return time.perf_counter() - start


def time_reading(folder: Path, resolution: int) -> float:
    settings = DataSettings.parse({"resolution": resolution}, "options")
    files = list_source(folder, settings).files
    hashes = {file.name: hashlib.sha256(file.place.read()).hexdigest() for file in files}
    with tempfile.TemporaryFile() as stream:
        start = time.perf_counter()
        ingest(files, hashes, settings, stream, None)
        return time.perf_counter() - start


def time_prepare(folder: Path, resolution: int) -> float:
    settings = DataSettings.parse({"resolution": resolution}, "options")
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        prepare(folder, settings, Path(cache))
        return time.perf_counter() - start


WAYS = {"loop": time_loop, "reading": time_reading, "prepare": time_prepare}


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
    for path in paths(folder):
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
