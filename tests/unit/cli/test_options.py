from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from xraygan.cli.options import with_settings
from xraygan.config import GROUPS, RunSettings
from xraygan.errors import XrayganError


def made(
    *arguments: str, groups: tuple[str, ...] = tuple(GROUPS), without: tuple[str, ...] = ()
) -> RunSettings:
    """What a command receives."""
    received: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @with_settings(groups, without)
    def command(settings: RunSettings, word: str = "none") -> None:
        received["settings"] = settings
        received["word"] = word

    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return received["settings"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_defaults() -> None:
    assert made() == RunSettings()
    assert made("--word", "x") == RunSettings()


def test_flags_win_over_the_file_and_the_file_over_defaults(config: Path) -> None:
    config.write_text("training: {batch: 8, gamma: 2}\ndata: {strict: true}\n")
    settings = made("--config", str(config), "--batch", "16", "--no-strict")
    assert settings.training.batch == 16
    assert settings.training.gamma == 2
    assert settings.data.strict is False
    assert settings.training.learning_rate == RunSettings().training.learning_rate
    assert made("--config", str(config)).data.strict is True


@pytest.mark.parametrize("flag", ["epochs", "kimg", "minutes"])
@pytest.mark.parametrize("in_file", ["epochs", "kimg", "minutes"])
def test_a_length_on_the_command_line_replaces_that_of_the_file(
    config: Path, flag: str, in_file: str
) -> None:
    config.write_text(f"training: {{{in_file}: 7, batch: 8}}\n")
    training = made("--config", str(config), f"--{flag}", "3").training
    lengths = {name: getattr(training, name) for name in ("epochs", "kimg", "minutes")}
    assert {name: value for name, value in lengths.items() if value} == {flag: 3}
    assert training.batch == 8


def test_two_lengths_are_refused(config: Path) -> None:
    with pytest.raises(XrayganError, match=r"the command line: .*both given"):
        made("--epochs", "1", "--kimg", "1")
    config.write_text("training: {epochs: 1, minutes: 2}\n")
    with pytest.raises(XrayganError, match=r"config\.yaml: .*epochs and minutes are both given"):
        made("--config", str(config))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolution", "65"], "the command line: setting 'data.resolution' = 65"),
        (["--batch", "0"], "setting 'training.batch' = 0"),
        (["--gamma", "nan"], "setting 'training.gamma' = nan"),
        (["--preset", "huge"], "setting 'training.preset' = 'huge'"),
    ],
)
def test_bad_flags(arguments: list[str], message: str) -> None:
    with pytest.raises(XrayganError, match=message):
        made(*arguments)


def test_bad_files(config: Path) -> None:
    config.write_text("training: {bacth: 8}\n")
    with pytest.raises(XrayganError, match=r"config\.yaml: unknown setting .*'batch'"):
        made("--config", str(config))


def test_every_setting_is_a_flag_of_its_own_type() -> None:
    values = {
        "resolution": 128,
        "fit": "crop",
        "patient_pattern": "(a)",
        "validation_fraction": 0.2,
        "split_seed": 3,
        "strict": True,
        "format": "nih",
        "column": "label=Finding",
        "labels": "A,B",
        "negative": "NORMAL",
        "views": "PA",
        "where": "age > 3",
        "keep_splits": True,
        "near_duplicates": "drop",
        "find_text": True,
        "multi_label": True,
        "kimg": 2.5,
        "batch": 12,
        "seed": 4,
        "preset": "small",
        "start": "random",
        "precision": "float32",
        "gamma": 0.7,
        "learning_rate": 3e-3,
        "final_rate": 0.5,
        "beta_2": 0.9,
        "augmentation": 0.1,
        "ema_half_life": 100.0,
        "snapshot_kimg": 1.5,
        "checkpoint_seconds": 5.0,
        "num": 10,
        "evidence": "basic",
    }
    fields = {name for group in GROUPS.values() for name in group.model_fields}
    assert fields - set(values) == {"epochs", "minutes"}, "a new setting: try it here"
    arguments = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        arguments += [flag] if value is True else [flag, str(value)]
    settings = made(*arguments)
    for group in GROUPS:
        for name, value in getattr(settings, group).model_dump().items():
            assert value == values.get(name)


def test_what_is_left_out_has_no_flags() -> None:
    with pytest.raises(AssertionError, match="No such option"):
        made("--num", "3", groups=("data",))
    with pytest.raises(AssertionError, match="No such option"):
        made("--num", "3", without=("num",))
    assert made("--evidence", "none", without=("num",)).output.evidence == "none"
