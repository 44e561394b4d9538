"""`synthetic_xray_gan.py`, the name that the project had first."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[3] / "synthetic_xray_gan.py"


@pytest.fixture
def run_arguments(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], list[str]]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return runpy.run_path(str(LAUNCHER), run_name="launcher")["run_arguments"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["run"]),
        (["--data", "X"], ["run", "X"]),
        (["--data=X=1"], ["run", "X=1"]),
        (["--data", "X", "--results", "Y"], ["run", "X", "--results", "Y"]),
        (["--results", "Y", "--data", "X"], ["run", "--results", "Y", "X"]),
        (["--database", "X"], ["run", "--database", "X"]),
        (["X", "--kimg", "1"], ["run", "X", "--kimg", "1"]),
        # No folder after it: left for the command line to refuse, not the phantom instead.
        (["--kimg", "1", "--data"], ["run", "--kimg", "1", "--data"]),
    ],
)
def test_data_becomes_the_first_argument(
    run_arguments: Callable, given: list[str], expected: list[str]
) -> None:
    before = list(given)
    assert run_arguments(given) == expected
    assert given == before
