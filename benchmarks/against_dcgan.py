"""The main benchmark, all in one run on one machine.

(a) our training against a plain DCGAN: images a second, and KID and sliced Wasserstein
    distance on validation patients after the same seconds;
(b) start-up: `xraygan --help`;
(c) the second start on a cached data set;
(d) peak memory of a training run.

    python benchmarks/against_dcgan.py --data ../shared/data/chest_xray --minutes 10
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NUM = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--minutes", type=float, default=10, help="for each of the two")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--keep", type=Path, help="folder to keep the run and the grids in")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="xraygan-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        start_up()
        cached_start(arguments.data, arguments.resolution)
        quality(arguments.data, arguments.resolution, arguments.minutes, folder)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def start_up() -> None:
    program = [sys.executable, "-m", "xraygan", "--help"]
    bare = [sys.executable, "-c", "pass"]
    times, bare_times = [], []
    for _ in range(7):
        times.append(_seconds(program))
        bare_times.append(_seconds(bare))
    print(
        f"start-up: `xraygan --help` {statistics.median(times):.2f} s (median of 7), the bare "
        f"interpreter {statistics.median(bare_times):.2f} s",
        flush=True,
    )


def cached_start(data: Path, resolution: int) -> None:
    code = (
        "import sys, time; from pathlib import Path; start = time.monotonic();"
        "from xraygan.config import DataSettings; from xraygan.data.cache import prepare;"
        f"prepare(Path(sys.argv[1]), DataSettings(resolution={resolution}));"
        "print(time.monotonic() - start)"
    )
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XRAYGAN_CACHE": cache}
        times = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code, str(data)],
                    env=environment,
                    capture_output=True,
                    check=True,
                    text=True,
                ).stdout
            )
            for _ in range(4)
        ]
    second = statistics.median(times[1:])
    print(
        f"reading the data set: first start {times[0]:.2f} s, from the cache {second:.2f} s "
        f"(median of 3): {times[0] / second:.0f} times faster",
        flush=True,
    )


def quality(data: Path, resolution: int, minutes: float, folder: Path) -> None:
    results = folder / "run"
    # Ours as a user runs it, in a process of its own: snapshots and checkpoints included.
    command = [sys.executable, "-m", "xraygan", "run", str(data), "--results"]
    options = ["--resolution", str(resolution), "--minutes", str(minutes), "--evidence", "basic"]
    subprocess.run([*command, str(results), *options], check=True, stdout=subprocess.DEVNULL)
    peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    last = json.loads((results / "metrics.jsonl").read_text().splitlines()[-1])
    seconds = last["seconds"]

    import numpy as np

    import xraygan.api
    from dcgan import train_dcgan
    from xraygan.config import DataSettings
    from xraygan.data.cache import prepare
    from xraygan.evaluation.pyramid import sliced_wasserstein
    from xraygan.evaluation.realism import RealismMeter
    from xraygan.pictures import save_grid

    dataset = prepare(data, DataSettings.parse({"resolution": resolution}, "options"))
    train, validation = dataset.split("train")[0], dataset.split("val")[0]
    peer = train_dcgan(train, seconds, NUM)
    save_grid(folder / "dcgan.png", [peer.images[s : s + 10] for s in range(0, 40, 10)])
    made = xraygan.api.generate(results, NUM, seed=1, like_train=True)
    ours = made[0]  # type: ignore[index]
    meter = RealismMeter(train, validation)
    print(
        f"\n{seconds:.0f} s each, {resolution}×{resolution}, {len(validation)} validation images\n"
    )
    print("| | images seen | images/s | KID (95 %) | SWD ×1000, fine to coarse |")
    print("|---|---|---|---|---|")
    kids = {}
    for name, images, seen, rate in (
        ("plain DCGAN", peer.images, peer.images_seen, peer.images_per_second),
        ("xraygan", ours, last["images_seen"], last["images_seen"] / seconds),
        (
            "real training images",
            train[np.random.default_rng(0).permutation(len(train))[:NUM]],
            0,
            0.0,
        ),
    ):
        kid = meter.kernel_distance(images)
        kids[name] = kid.value
        count = min(len(validation), len(images))
        levels = sliced_wasserstein(images[:count], validation[:count])
        swd = ", ".join(f"{level:.0f}" for level in levels)
        print(
            f"| {name} | {seen:,} | {rate:.1f} | {kid.value:.4f} ({kid.low:.4f} to "
            f"{kid.high:.4f}) | {swd} |"
        )
    print(f"\nKID: {kids['plain DCGAN'] / kids['xraygan']:.1f} times lower than the DCGAN's")
    print(f"peak memory of `xraygan run`: {peak_gib:.2f} GiB", flush=True)


def _seconds(command: list[str]) -> float:
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
