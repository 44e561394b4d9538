"""The program as a user meets it: real processes, real signals, small hand-made films."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
MODULE = [sys.executable, "-m", "xraygan"]
SCRIPT = [sys.executable, str(ROOT / "synthetic_xray_gan.py")]
TINY = [
    *("--preset", "small", "--resolution", "32", "--batch", "8"),
    *("--precision", "float32", "--evidence", "basic"),
]
SPLITS = {
    "train/NORMAL": 30,
    "train/PNEUMONIA": 30,
    "val/NORMAL": 12,
    "val/PNEUMONIA": 12,
    "test/NORMAL": 4,
    "test/PNEUMONIA": 4,
}
"""Enough validation images for a KID."""

_MANY = """
import contextlib, io, json, sys
from xraygan.cli.main import main
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    def refusal(self) -> str:
        """The one line of a refusal; checks that it is one: exit code 2, no traceback."""
        assert self.code == 2, self
        assert self.stdout == "", self
        lines = [line for line in self.stderr.splitlines() if line.startswith("xraygan:")]
        assert len(lines) == 1, self
        assert lines[0].startswith("xraygan: error: "), self
        assert self.stderr.splitlines()[-1] == lines[0], self
        assert "Traceback" not in self.stderr, self
        return lines[0]


def run(command: Sequence[object], timeout_s: float = 1200, **options: object) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **options,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def xraygan(*arguments: object, **options: object) -> Ended:
    """`xraygan …` in a process of its own."""
    return run([*MODULE, *arguments], **options)


def in_one_process(*commands: Sequence[object]) -> list[Ended]:
    """Several commands, one after the other: TensorFlow is imported once for all of them."""
    asked = json.dumps([[str(part) for part in command] for command in commands])
    done = run([sys.executable, "-c", _MANY, asked])
    assert done.code == 0, done
    return [Ended(*json.loads(line)) for line in done.stdout.splitlines()]


def start(
    command: Sequence[object], log: Path, env: dict[str, str] | None = None
) -> subprocess.Popen:
    """Start a command whose stderr and stdout go to a file."""
    parts = [str(part) for part in command]
    with log.open("ab") as stream:
        return subprocess.Popen(parts, stdout=stream, stderr=stream, env=env)


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen, timeout_s: float = 300
) -> bool:
    """Whether the condition came true while the process lived."""
    end = time.monotonic() + timeout_s
    while process.poll() is None:
        if condition():
            return True
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.0005)
    return False


def write_films(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Films as PNG files, no two alike; `counts` maps a folder to how many.

    Each is another patient by the names of Kermany et al.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :40] / 40
    patient = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            patient += 1
            (a, b), r = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.3)
            film = np.exp(-((x - a) ** 2 + (y - b) ** 2) / r**2) * 200 + rng.uniform(0, 40)
            film += rng.normal(0, 3, film.shape)
            path = root / folder / f"person{patient}_virus_{patient}.png"
            Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(path)
    return root


def newest_arrays(run_folder: Path) -> bytes:
    """Everything that training changes, as the newest checkpoint holds it."""
    newest = max(p for p in (run_folder / "checkpoints").iterdir() if p.name.isdigit())
    return (newest / "state.safetensors").read_bytes()


def model_bytes(run_folder: Path) -> bytes:
    """The published weights."""
    return (run_folder / "model" / "generator.safetensors").read_bytes()


def metrics(run_folder: Path) -> list[dict]:
    """metrics.jsonl, every line of it."""
    text = (run_folder / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with some changes."""
    return {**os.environ, **changes}
