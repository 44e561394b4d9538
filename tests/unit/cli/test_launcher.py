"""The launcher of the original description, as its reader would type it."""

import subprocess
import sys
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).resolve().parents[3] / "synthetic_xray_gan.py"


def launch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(LAUNCHER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", [["--data", "{}"], ["--data={}"], ["{}"]])
def test_the_data_folder_in_every_form(form: list[str], tmp_path: Path) -> None:
    ended = launch(*(part.format(tmp_path) for part in form), "--results", "r/", "--dry-run")
    assert ended.returncode == 0, ended
    assert ended.stdout.splitlines()[:2] == [f"# data: {tmp_path}", "# into: r"]


def test_two_data_folders_are_refused(tmp_path: Path) -> None:
    ended = launch(tmp_path, "--data", tmp_path)
    assert ended.returncode == 2
    assert "are both given: leave one" in ended.stderr
