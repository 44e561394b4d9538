"""One process that reads sources named on stdin, and says on stdout how each ended."""

import json
import re
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.errors import XrayganError

SIDE = 32


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        cache = Path(job["cache"])
        start = time.process_time()
        outcome, said, images = read(Path(job["source"]), cache, job["settings"])
        seconds = time.process_time() - start
        shutil.rmtree(cache, ignore_errors=True)
        print(json.dumps([outcome, said, images, peak_mib(), seconds]), flush=True)


def read(source: Path, cache: Path, values: dict) -> tuple[str, str, list[str]]:
    """How it ended, what was said, and the pixels of each image in hexadecimal."""
    try:
        dataset = prepare(source, DataSettings(resolution=SIDE, **values), cache)
        images = np.asarray(dataset.images)
    except XrayganError as error:
        return "refused", str(error), []
    except Exception:  # noqa: BLE001 - this is what is looked for
        return "crashed", traceback.format_exc(), []
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        return "crashed", f"images are {images.dtype} {images.shape}", []
    return "read", "", [image.tobytes().hex() for image in images]


def peak_mib() -> int:
    """Of this program alone where the system says so; `getrusage` counts who started it too."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if peak:
            return int(peak[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
