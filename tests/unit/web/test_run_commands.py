"""The commands on a run's page, read by the program itself."""

import json
import re
import shlex
from html import unescape
from pathlib import Path, PurePath, PureWindowsPath

import pytest
from starlette.testclient import TestClient

from studio_run import HOME, Visitor, make_run
from xraygan.cli.main import main
from xraygan.config import RunSettings
from xraygan.web.app import build_app
from xraygan.web.catalogue import Run, RunConfig
from xraygan.web.commands import commands_of
from xraygan.web.guard import Access
from xraygan.web.studio import Studio

ODD = {
    "data": {
        "resolution": 128,
        "patient_pattern": "(it's [0-9]+)",
        "negative": "Kein Befund",
        "where": 'view == "PA" and age > 3',
        "keep_splits": True,
    },
    "training": {"kimg": 2.5, "learning_rate": 2e-5, "seed": 7, "start": "random"},
    "output": {"num": 12, "evidence": "basic"},
}


def run_of(settings: dict, source: str) -> Run:
    data = {"classes": ["a"], "counts": {}, "fingerprint": "0"}
    stored = RunSettings.parse(settings, "x").model_dump(mode="json")
    config = RunConfig.model_validate({"settings": stored, "source": source, "data": data})
    return Run("0" * 12, "00000-a", Path("runs/00000-a"), config)


def done(command: str, capsys: pytest.CaptureFixture) -> tuple[int, str, str]:
    program, *arguments = shlex.split(command)
    assert program == "xraygan"
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return (end.value.code, *capsys.readouterr())


@pytest.mark.parametrize("settings", [{}, ODD, {"training": {"minutes": 30}}])
@pytest.mark.parametrize("source", ["phantom", "my ward"])
def test_a_run_goes_on_with_its_own_settings(tmp_path, monkeypatch, capsys, settings, source):
    (tmp_path / "my ward").mkdir()
    monkeypatch.chdir(tmp_path)
    commands = commands_of(run_of(settings, source), tmp_path / "runs" / "00000-it's")
    stored = RunSettings.parse(settings, "x").model_dump(mode="json")
    training = {**stored, "output": {**stored["output"], "num": 1000, "evidence": "full"}}
    for command, expected in ((commands.go_on, training), (commands.measure, stored)):
        code, out, err = done(f"{command} --dry-run --json", capsys)
        assert code == 0, err
        plan = json.loads(out)
        assert plan["settings"] == expected
        assert plan["into"] == str(tmp_path / "runs" / "00000-it's")
        assert plan["data"] == (None if source == "phantom" else source)


def test_images_alone(capsys):
    commands = commands_of(run_of({}, "phantom"), PurePath("runs/00000-a"))
    code, _, err = done(commands.generate, capsys)
    assert code == 2
    assert "model runs/00000-a: there is no such file or folder" in err


def test_a_folder_of_windows_is_typed_without_quotes():
    commands = commands_of(run_of({}, "phantom"), PureWindowsPath("runs/00000-a"))
    assert commands.go_on == "xraygan train --run-dir runs/00000-a"
    assert commands.measure == "xraygan run --results runs/00000-a"
    assert commands.generate.endswith("--model runs/00000-a --num 1000 --out runs/00000-a-images")


def test_the_page_lists_every_setting_that_its_commands_have(tmp_path):
    folder = make_run(tmp_path / "runs", "00000-a", None)
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["data"]["patient_pattern"] = "(p[0-9]+)"
    (folder / "config.json").write_text(json.dumps(config))
    studio = Studio(tmp_path / "runs", Access("127.0.0.1"), device="cpu")
    (key,) = studio.catalogue.runs()
    text = Visitor(TestClient(build_app(studio), base_url=HOME)).get(f"/runs/{key}").text
    studio.close()
    assert "--patient-pattern" in text
    assert '<th>patient_pattern</th><td class="number">(p[0-9]+)</td>' in text


def test_the_page_names_the_run_and_no_folder_of_this_machine(visitor, keys, folder):
    text = visitor.get(f"/runs/{keys['00000-ward']}").text
    found = [unescape(line) for line in re.findall(r'<pre class="command">(.+)</pre>', text)]
    assert [shlex.split(line)[1] for line in found] == ["train", "run", "generate"]
    assert all("runs/00000-ward" in shlex.split(line) for line in found)
    assert "--resolution 32" in found[0]
    assert str(folder.parent) not in text
