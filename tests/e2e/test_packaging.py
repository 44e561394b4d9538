"""The wheel and the Dockerfile's steps, in fresh environments, outside of the repository."""

import re
import shlex
import shutil
import sys
import tempfile
import tomllib
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from program import ROOT, SPLITS, environment, write_films

from fresh_environment import ROOM, checked, fresh, needs_registry, needs_room

DOCKERFILE = ROOT / "Dockerfile"
SHORT = [
    *("--resolution", "32", "--preset", "small", "--batch", "8", "--kimg", "0.1"),
    *("--num", "4", "--evidence", "none"),
]
"""A run of some seconds."""


def lines(instruction: str) -> list[str]:
    """What follows each such instruction of the Dockerfile."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{instruction} (.+)$", text, re.MULTILINE)


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def extra_requirements() -> dict[str, list[str]]:
    """What each extra brings."""
    return project()["optional-dependencies"]


def package_files(folder: Path) -> set[Path]:
    """What a package consists of, as it is in the repository."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in files if "__pycache__" not in path.parts}


def test_the_dockerfile_copies_what_is_there_and_can_be_built_for_a_gpu() -> None:
    copied = [name for line in lines("COPY") for name in shlex.split(line)[:-1]]
    assert {"pyproject.toml", "README.md", "LICENSE", "src"} == set(copied)
    assert all((ROOT / name).exists() for name in copied)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{name}" for name in copied} <= set(kept)
    [extras] = re.findall(r"\[\$\{EXTRA\},([a-z,]+)\]", DOCKERFILE.read_text(encoding="utf-8"))
    assert {"cpu", "gpu", *extras.split(",")} <= extra_requirements().keys()


def test_a_gpu_is_served_by_an_extra_that_tensorflow_has() -> None:
    """Its CPU build has the same extras. Pip passes over one that a package does not have."""
    [wanted] = map(Requirement, extra_requirements()["gpu"])
    assert wanted.name == "tensorflow"
    [name] = set(metadata.packages_distributions()["tensorflow"])
    installed = metadata.distribution(name)
    assert installed.version in wanted.specifier
    [extra] = wanted.extras
    brought = [line for line in installed.requires or () if f'extra == "{extra}"' in line]
    assert any(line.startswith("nvidia-cudnn") for line in brought)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "tensorflow-cpu"),
        ("Linux", "aarch64", "tensorflow"),
        ("Windows", "AMD64", "tensorflow-cpu"),
        ("Darwin", "arm64", "tensorflow"),
    ],
)
def test_a_cpu_is_served_by_a_package_that_is_there(system: str, machine: str, name: str) -> None:
    """As `pip index versions` showed for 2.20 and 2.21."""
    here = {"platform_system": system, "platform_machine": machine}
    wanted = map(Requirement, extra_requirements()["cpu"])
    assert [one.name for one in wanted if one.marker and one.marker.evaluate(here)] == [name]


@pytest.mark.parametrize(
    ("version", "taken"),
    [((3, 10, 9), False), ((3, 11, 0), True), ((3, 13, 9), True), ((3, 14, 0), False)],
)
def test_the_versions_of_python_that_tensorflow_has(version: tuple[int, ...], taken: bool) -> None:
    assert (".".join(map(str, version)) in SpecifierSet(project()["requires-python"])) == taken
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [check] = re.findall(r"\$\(PYTHON\) -c 'import sys; (.*)'$", makefile, re.MULTILINE)
    python = types.SimpleNamespace(version_info=version, exit=sys.exit)
    with pytest.raises(SystemExit) as end:
        exec(check, {"sys": python})  # noqa: S102  (our own line)
    assert bool(end.value.code) is not taken
    if not taken:
        assert end.value.code.startswith("xraygan needs Python 3.11 to 3.13")
    for page in (ROOT / "README.md", ROOT / "docs" / "index.md"):
        assert "Python 3.11 to 3.13" in page.read_text(encoding="utf-8")


def test_the_wheel_holds_the_whole_package_and_starts(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    checked([*build, tmp_path], cwd=ROOT)
    [wheel] = tmp_path.glob("xraygan-*.whl")
    there = tmp_path / "there"
    install = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-index"]
    checked([*install, "--no-deps", "--no-compile", "--target", there, wheel])
    files = package_files(there / "xraygan")
    assert files == package_files(ROOT / "src" / "xraygan")
    for kind in ("report/templates/*.css", "web/static/*.js", "training/starts/*.safetensors"):
        assert any(path.match(kind) for path in files), kind
    program = [sys.executable, there / "bin" / "xraygan"]
    variables = environment(PYTHONPATH=str(there))
    told = checked([*program, "--version"], cwd=tmp_path, env=variables)
    assert told.split()[-1] in wheel.name
    assert "phantom" in checked([*program, "--help"], cwd=tmp_path, env=variables)
    where = [sys.executable, "-c", "import xraygan; print(xraygan.__file__)"]
    assert str(there) in checked(where, cwd=tmp_path, env=variables)


BUILT = "import tensorflow; print(tensorflow.test.is_built_with_cuda())"


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "room_bytes"), [("cpu", 4e9), ("gpu", ROOM)])
def test_the_dockerfile_s_steps_in_a_fresh_environment(
    tmp_path: Path, extra: str, room_bytes: float
) -> None:
    """Both images' steps, and a short run: without a GPU that image computes on the CPU too.

    For it 3.5 GB are downloaded, which take 7 GB unpacked and are removed.
    """
    image = f"the {extra} image's packages"
    needs_room(image, tmp_path, room_bytes)
    source = tmp_path / "source"
    source.mkdir()
    for line in lines("COPY"):
        for name in shlex.split(line)[:-1]:
            origin = ROOT / name
            copy = shutil.copytree if origin.is_dir() else shutil.copy
            copy(origin, source / name)
    films = write_films(tmp_path / "films", SPLITS)
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        variables = {**fresh(Path(folder)), "EXTRA": extra}
        needs_registry(image, "tensorflow", variables)
        for step in lines("RUN"):
            checked(["sh", "-ec", step], cwd=source, env=variables)
        assert "Usage" in checked(["xraygan", "--help"], cwd=tmp_path, env=variables)
        built = checked(["python", "-c", BUILT], cwd=tmp_path, env=variables)
        assert built.split() == [str(extra == "gpu")]
        checked(["xraygan", "run", films, "--results", "out", *SHORT], cwd=tmp_path, env=variables)
    assert len(list((tmp_path / "out" / "synthetic").rglob("*.png"))) == 4


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
    checked(["xraygan", "run", "--results", "out", *SHORT], cwd=elsewhere, env=variables)
    assert (elsewhere / "out" / "report.html").is_file()
    assert len(list((elsewhere / "out" / "synthetic").rglob("*.png"))) == 4
