"""The wheel and the Dockerfile's steps, in fresh environments, outside of the repository."""

import re
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from program import ROOT, environment

DOCKERFILE = ROOT / "Dockerfile"


def lines(instruction: str) -> list[str]:
    """What follows each such instruction of the Dockerfile."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{instruction} (.+)$", text, re.MULTILINE)


def checked(command: list[object], **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fresh(folder: Path) -> dict[str, str]:
    """A new environment with nothing in it, first on the path."""
    venv.create(folder, with_pip=True)
    path = f"{folder / 'bin'}:{environment()['PATH']}"
    kept = {k: v for k, v in environment(PATH=path).items() if k != "PYTHONPATH"}
    return {**kept, "XRAYGAN_CACHE": str(folder / "cache")}


def test_the_dockerfile_copies_what_is_there_and_can_be_built_for_a_gpu() -> None:
    copied = [name for line in lines("COPY") for name in shlex.split(line)[:-1]]
    assert {"pyproject.toml", "README.md", "LICENSE", "src"} == set(copied)
    assert all((ROOT / name).exists() for name in copied)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{name}" for name in copied} <= set(kept)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [extras] = re.findall(r"\[\$\{EXTRA\},([a-z,]+)\]", DOCKERFILE.read_text(encoding="utf-8"))
    assert all(f"\n{name} = [" in settings for name in ["cpu", "gpu", *extras.split(",")])


@pytest.mark.slow
def test_the_dockerfile_s_steps_in_a_fresh_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for line in lines("COPY"):
        for name in shlex.split(line)[:-1]:
            origin = ROOT / name
            copy = shutil.copytree if origin.is_dir() else shutil.copy
            copy(origin, source / name)
    variables = {**fresh(tmp_path / "image"), "EXTRA": "cpu"}
    for step in lines("RUN"):
        checked(["sh", "-ec", step], cwd=source, env=variables)
    assert "Usage" in checked(["xraygan", "--help"], cwd=tmp_path, env=variables)


@pytest.mark.slow
def test_the_wheel_works_outside_of_the_repository(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    checked([*build, tmp_path, ROOT])
    [wheel] = tmp_path.glob("xraygan-*.whl")
    variables = fresh(tmp_path / "fresh")
    checked(["python", "-m", "pip", "install", "--quiet", f"{wheel}[cpu]"], env=variables)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = checked(
        ["python", "-c", "import xraygan; print(xraygan.__file__)"], cwd=elsewhere, env=variables
    )
    assert str(tmp_path / "fresh") in where
    assert "phantom" in checked(["xraygan", "--help"], cwd=elsewhere, env=variables)
    tiny = [
        "--resolution",
        "32",
        "--preset",
        "small",
        "--batch",
        "8",
        "--kimg",
        "0.1",
        "--num",
        "4",
        "--evidence",
        "none",
    ]
    checked(["xraygan", "run", "--results", "out", *tiny], cwd=elsewhere, env=variables)
    assert (elsewhere / "out" / "report.html").is_file()
    assert len(list((elsewhere / "out" / "synthetic").rglob("*.png"))) == 4
