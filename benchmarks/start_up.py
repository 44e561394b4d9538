"""How fast xraygan starts, and how much memory a run takes.

(a) `xraygan --help` beside the bare interpreter; (b) the second start on a cached data set
beside the first; (c) peak memory of a whole `xraygan run`, its evidence included.

    python benchmarks/start_up.py --data ../shared/data/chest_xray
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--resolution", type=int, default=64)
    arguments = parser.parse_args()
    start_up()
    cached_start(arguments.data, arguments.resolution)
    memory(arguments.data, arguments.resolution)


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


def memory(data: Path, resolution: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "xraygan", "run", str(data), "--results", folder]
        options = ["--resolution", str(resolution), "--kimg", "2"]
        subprocess.run([*command, *options], check=True, capture_output=True)
    peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak memory of `xraygan run`: {peak_gib:.2f} GiB", flush=True)


def _seconds(command: list[str]) -> float:
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
