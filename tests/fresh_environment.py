"""Fresh environments: for libraries that ours has no room for, and as another machine begins."""

import os
import shutil
import subprocess
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOM = 12e9
"""Bytes that an environment with PyTorch or TensorFlow and their libraries for GPUs takes, and as
much again while it is unpacked."""


def checked(command: Sequence[object], **options: object) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fresh(folder: Path) -> dict[str, str]:
    """The variables of a new environment with nothing in it but pip, first on the path."""
    venv.create(folder, with_pip=True)
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    path = f"{folder / 'bin'}:{kept['PATH']}"
    return {**kept, "PATH": path, "XRAYGAN_CACHE": str(folder / "cache")}


def needs_room(what: str, parent: Path, room_bytes: float = ROOM) -> None:
    """Skip the test where the disk has too little room."""
    if shutil.disk_usage(parent).free < room_bytes:
        pytest.skip(f"{what} cannot be installed here: too little disk space")


def needs_registry(what: str, package: str, variables: dict[str, str]) -> None:
    """Skip the test where pip does not find a package, as without a network."""
    ask = ["python", "-m", "pip", "index", "versions", package]
    asked = subprocess.run(ask, capture_output=True, text=True, check=False, env=variables)
    if asked.returncode:
        pytest.skip(f"{what} cannot be installed here: {asked.stderr.splitlines()[-1]}")


@contextmanager
def environment_with(package: str, parent: Path) -> Iterator[dict[str, str]]:
    """A fresh environment that holds a package until the block ends; else the test is skipped."""
    needs_room(package, parent)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        variables = fresh(Path(folder))
        install = ["python", "-m", "pip", "install", "--quiet", "--no-cache-dir", package]
        done = subprocess.run(install, capture_output=True, text=True, check=False, env=variables)
        if done.returncode:
            pytest.skip(f"{package} cannot be installed here: {done.stderr.strip()[-200:]}")
        yield variables
