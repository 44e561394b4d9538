from pathlib import Path

import pytest
import yaml

from xraygan.cli.plan import print_plan
from xraygan.config import RunSettings
from xraygan.errors import XrayganError


def test_the_plan_is_yaml_that_can_be_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    settings = RunSettings.parse({"training": {"kimg": 5}, "data": {"patient_pattern": "ü"}}, "x")
    print_plan(settings, tmp_path, Path("results"))
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == [f"# data: {tmp_path}", "# into: results"]
    assert RunSettings.parse(yaml.safe_load(out), "plan") == settings


def test_without_data_it_is_the_phantom(capsys: pytest.CaptureFixture) -> None:
    print_plan(RunSettings(), None, Path("results"))
    assert "# data: the embedded phantom" in capsys.readouterr().out


def test_no_such_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(XrayganError, match="no such folder or file; give the folder"):
        print_plan(RunSettings(), tmp_path / "none", Path("results"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["films.zip", "films.csv", "chestmnist.npz"])
def test_an_archive_or_a_table_is_data(
    tmp_path: Path, capsys: pytest.CaptureFixture, name: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    print_plan(RunSettings(), tmp_path / name, Path("results"))
    assert f"# data: {tmp_path / name}" in capsys.readouterr().out
