"""Reading many small films: memory, how time grows, and the second start.

    python benchmarks/read_scale.py
    python benchmarks/read_scale.py --files 20000

Makes trees of distinct small PNGs, a quarter and all of the count, and prepares each in a
process of its own, then again: the second start is the median of three. Last comes the whole
`xraygan prepare` of the tree, writing included, and again with nothing new. Needs no data.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

SECOND_STARTS = 3
CHILD = """
import json, resource, sys, time
from pathlib import Path
from xraygan.config import DataSettings
from xraygan.data.cache import prepare
start = time.perf_counter()
dataset = prepare(Path(sys.argv[1]), DataSettings(resolution=32), Path(sys.argv[2]))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([len(dataset.images), seconds, peak / 2**20]))
"""


WRITER = """
import json, resource, sys, time
from xraygan.__main__ import main
start = time.perf_counter()
sys.argv = ["xraygan", "prepare", sys.argv[1], "--out", sys.argv[2], "--resolution", "32", "--json"]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    arguments = parser.parse_args()
    heads = ["files", "first start, s", "files/s", "second start, s", "peak memory, GiB"]
    heads += ["prepare, s", "nothing new, s", "peak memory, GiB"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for count in (arguments.files // 4, arguments.files):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            make_films(root / "films", count)
            first = prepared(root)
            seconds = [prepared(root) for _ in range(SECOND_STARTS)]
            again = statistics.median(one[1] for one in seconds)
            peak = max(one[2] for one in (first, *seconds))
            print(
                f"| {count:,} | {first[1]:.1f} | {count / first[1]:.0f} "
                f"| {again:.2f} | {peak:.2f} {command_figures(root)}",
                flush=True,
            )


def make_films(root: Path, count: int) -> None:
    """Smooth random pictures of 32×32, no two alike, in 2 classes and folders of 1,000."""

    def write(thousand: int) -> None:
        random = np.random.default_rng(thousand)
        folder = root / ("NORMAL", "PNEUMONIA")[thousand % 2] / f"{thousand:04d}"
        folder.mkdir(parents=True)
        for number in range(min(1000, count - 1000 * thousand)):
            small = random.integers(0, 256, (8, 8), np.uint8)
            film = cv2.resize(small, (32, 32), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f"person{thousand:04d}{number:03d}_bacteria_1.png"), film)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(-(-count // 1000))))
    # Files that changed within the last seconds are hashed again: wait for none to be so young.
    time.sleep(3)


def prepared(root: Path) -> tuple[int, float, float]:
    """Images, seconds and peak memory in GiB of one start."""
    command = [sys.executable, "-c", CHILD, str(root / "films"), str(root / "cache")]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    images, seconds, peak = json.loads(ended.stdout.splitlines()[-1])
    return images, seconds, peak


def command_figures(root: Path) -> str:
    """Seconds of `xraygan prepare` and of the same with nothing new, and the peak memory."""
    environment = {**os.environ, "XRAYGAN_CACHE": str(root / "cache of the command")}
    command = [sys.executable, "-c", WRITER, str(root / "films"), str(root / "out")]
    found = []
    for _ in range(2):
        ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        found.append(json.loads(ended.stdout.splitlines()[-1]))
    (first, peak), (again, peak_again) = found
    return f"| {first:.1f} | {again:.1f} | {max(peak, peak_again):.2f} |"


if __name__ == "__main__":
    main()
