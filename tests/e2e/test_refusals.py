"""A user's mistakes: exit code 2 and one line that says what to do."""

import json
import shutil
import sys

import pytest
from filelock import FileLock
from program import TINY, in_one_process, run, xraygan

QUICK = {
    "unknown folder": (["run", "no-such-folder"], "no-such-folder does not exist"),
    "unknown flag": (["run", ".", "--kimgs", "1"], "--kimg"),
    "unknown verb": (["rnu"], "rnu"),
    "not a number": (["run", ".", "--kimg", "abc"], "--kimg"),
    "not finite": (["run", ".", "--kimg", "nan"], "kimg"),
    "two lengths": (["run", ".", "--kimg", "1", "--epochs", "2"], "epochs and kimg"),
    "no such resolution": (["run", ".", "--resolution", "65"], "32, 64, 128, 256 or 512"),
    "negative seed": (["run", ".", "--seed", "-1"], "greater than or equal to 0"),
    "batch of one": (["run", ".", "--batch", "1"], "greater than or equal to 2"),
    "absent config": (["run", ".", "--config", "no-such.yaml"], "no-such.yaml"),
    "no such file to plan": (["run", "no-such-folder", "--dry-run"], "no-such-folder"),
    "empty data": (["run", ""], "an argument is empty"),
    "empty value": (["run", "--data="], "--data is empty"),
    "too many": (["generate", "--model", ".", "--out", "o", "--num", "0"], "--num 0"),
    "negative seed to generate": (
        ["generate", "--model", ".", "--out", "o", "--seed", "-1"],
        "--seed -1",
    ),
}


@pytest.fixture(scope="module")
def quick():
    return dict(
        zip(QUICK, in_one_process(*(command for command, _ in QUICK.values())), strict=True)
    )


@pytest.mark.parametrize("name", QUICK)
def test_mistake_is_one_line(quick, name):
    assert QUICK[name][1] in quick[name].refusal()


def test_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    ended = xraygan("run", tmp_path / "empty", "-o", tmp_path / "r")
    assert "holds no files" in ended.refusal()
    assert not (tmp_path / "r").exists()


def test_unknown_key_in_yaml_names_the_nearest(tmp_path):
    (tmp_path / "c.yaml").write_text("training:\n  gama: 3\n")
    ended = xraygan("run", tmp_path, "--config", tmp_path / "c.yaml")
    assert "'training.gama'; did you mean 'gamma'?" in ended.refusal()


def test_dry_run_prints_a_config_that_can_be_used_and_writes_nothing(tmp_path):
    import yaml

    ended = xraygan("run", tmp_path, "-o", tmp_path / "r", "--kimg", "7", "--dry-run")
    assert ended.code == 0, ended
    assert yaml.safe_load(ended.stdout)["training"]["kimg"] == 7
    (tmp_path / "c.yaml").write_text(ended.stdout)
    again = xraygan("run", tmp_path, "--config", tmp_path / "c.yaml", "--dry-run")
    assert yaml.safe_load(again.stdout) == yaml.safe_load(ended.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_help_and_version_need_no_tensorflow():
    code = (
        "import sys\nfrom xraygan.cli.main import main\n"
        "for arguments in (['--help'], ['run', '--help'], ['--version'], ['run', '.', '--dry-run'],"
        " ['run', 'no-such-folder']):\n"
        "    try: main(arguments)\n    except SystemExit: pass\n"
        "print('heavy:', sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    ended = run([sys.executable, "-c", code])
    assert ended.stdout.splitlines()[-1] == "heavy: []", ended
    assert "--kimg" in ended.stdout
    assert "xraygan 0." in ended.stdout


def test_what_needs_tensorflow_to_be_refused(finished, tmp_path):
    """One process for them all: other settings, other data, a held lock, bad models."""
    changed = tmp_path / "changed"
    shutil.copytree(finished.data, changed)
    next((changed / "train/NORMAL").iterdir()).unlink()
    rest = ["-o", finished.folder, *TINY, "--kimg", "0.2"]
    pickled = tmp_path / "model.pkl"
    pickled.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    model, out = finished.folder, tmp_path / "g"
    before = (finished.folder / "config.json").read_bytes()
    (tmp_path / "c.yaml").write_text("output: {num: 20, evidence: basic}\n")
    commands = {
        "gamma": ["run", finished.data, *rest, "--gamma", "0.2"],
        "data": ["run", changed, *rest],
        "forced data": ["run", changed, *rest, "--force"],
        "forced gamma": ["train", "--data", finished.data, "--run-dir", finished.folder,
                         *TINY[:-2], "--kimg", "0.2", "--config", tmp_path / "c.yaml",
                         "--gamma", "0.2", "--force"],
        "start": ["run", finished.data, "-o", tmp_path / "s", *TINY, "--start", "phantom"],
        "device": ["run", finished.data, *rest, "--device", "gpu:7"],
        "class": ["generate", "--model", model, "--out", out, "--class", "BROKEN"],
        "path": ["generate", "--model", tmp_path / "none", "--out", out],
        "pickle": ["generate", "--model", pickled, "--out", out],
        "taken": ["generate", "--model", model, "--out", finished.data],
        "good": ["generate", "--model", model, "--out", out, "--num", 6, "--json"],
        "more": ["generate", "--model", model, "--out", out, "--first", 6, "--num", 2,
                 "--class", "NORMAL"],
    }  # fmt: skip
    ended = dict(zip(commands, in_one_process(*commands.values()), strict=True))
    assert "training.gamma was 1.0, is 0.2" in ended["gamma"].refusal()
    assert "--force" in ended["gamma"].refusal()
    for name in ("data", "forced data"):
        assert "the data changed (92 images then, 91 now)" in ended[name].refusal()
    left = "is finished and left as it was, in spite of: training.gamma was 1.0, is 0.2"
    assert left in ended["forced gamma"].stderr
    assert "already trained" in ended["forced gamma"].stderr
    assert "no learnt weights for --resolution 32" in ended["start"].refusal()
    assert not (tmp_path / "s").exists()
    assert "use --device cpu" in ended["device"].refusal()
    assert "the model was trained on NORMAL, PNEUMONIA" in ended["class"].refusal()
    assert "no such file or folder" in ended["path"].refusal()
    assert "refused" in ended["pickle"].refusal()
    assert "give a new or empty folder" in ended["taken"].refusal()
    assert (finished.folder / "config.json").read_bytes() == before
    assert json.loads(ended["good"].stdout)["manifest"] == str(out / "manifest.csv")
    assert ended["more"].code == 0, ended["more"]
    assert len(list((out / "NORMAL").glob("*.png"))) == 5
    assert len(list((out / "PNEUMONIA").glob("*.png"))) == 3
    assert len((out / "manifest.csv").read_text().splitlines()) == 9
    assert not (tmp_path / "pwned").exists()


def test_second_trainer_is_refused_while_the_lock_is_held(finished):
    lock = FileLock(finished.folder / ".lock")
    with lock.acquire(timeout=0):
        ended = run(finished.command)
    assert "another xraygan is training here" in ended.refusal()
