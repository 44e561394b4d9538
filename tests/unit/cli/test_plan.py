import json
import sys
from pathlib import Path

import pytest
import yaml

from studio_run import write_films
from xraygan.cli.main import main
from xraygan.cli.plan import print_plan
from xraygan.config import RunSettings
from xraygan.errors import XrayganError
from xraygan.runs import RunFolder


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


@pytest.mark.parametrize("verb", ["train", "run"])
def test_for_machines_the_plan_is_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture, verb: str
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--data", str(tmp_path), "--kimg", "5", "--dry-run", "--json"])
    plan = json.loads(capsys.readouterr().out)
    assert plan["data"] == str(tmp_path)
    assert plan["into"] == {"train": "runs", "run": "results"}[verb]
    assert RunSettings.parse(plan["settings"], "plan").training.kimg == 5


def test_a_run_folder_is_named_to_train(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "00003-a"
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--run-dir", str(folder), "--dry-run"])
    assert capsys.readouterr().out.splitlines()[1] == f"# into: {folder}"
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--run-dir", str(folder), "--new", "--dry-run"])
    assert "are both given: leave one" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--num=3", "--evidence=none"])
def test_what_comes_after_training_is_no_option_of_train(
    tmp_path: Path, capsys: pytest.CaptureFixture, flag: str
) -> None:
    """But a file of settings is for both verbs."""
    with pytest.raises(SystemExit, match="2"):
        main(["train", flag, "--dry-run"])
    assert f"No such option: {flag.partition('=')[0]}" in capsys.readouterr().err
    name, value = flag.removeprefix("--").split("=")
    (tmp_path / "c.yaml").write_text(f"output: {{{name}: {value}}}")
    for verb in ("train", "run"):
        with pytest.raises(SystemExit, match="0"):
            main([verb, "--config", str(tmp_path / "c.yaml"), "--dry-run"])
        assert f"{name}: {value}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["train", "--run-dir"], ["run", "--results"]])
def test_a_tracker_that_is_not_installed_is_said_before_training(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    films = write_films(tmp_path / "films")
    tiny = ["--resolution", "32", "--preset", "small", "--kimg", "0.01"]
    with pytest.raises(SystemExit, match="2"):
        main([*command, str(tmp_path / "r"), "--data", str(films), *tiny, "--track", "tensorboard"])
    assert "--track tensorboard needs: pip install" in capsys.readouterr().err


def test_a_named_run_folder_is_trained_in(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """It is that folder whose lock is asked for, though another would be found by its settings."""
    folder = tmp_path / "00003-a"
    films = write_films(tmp_path / "films")
    tiny = ["--resolution", "32", "--preset", "small", "--kimg", "0.01", "--device", "cpu"]
    beside = ["--data", str(films), "--outdir", str(tmp_path / "runs")]
    with RunFolder(folder).locked(), pytest.raises(SystemExit, match="2"):
        main(["train", "--run-dir", str(folder), *beside, *tiny])
    assert f"{folder}: another xraygan is training here" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
