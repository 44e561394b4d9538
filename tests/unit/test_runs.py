import errno
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan import runs
from xraygan.errors import XrayganError
from xraygan.runs import (
    RunFolder,
    grid_name,
    is_run,
    next_run,
    numbered_runs,
    read_config,
    read_json,
    sample_grids,
    sha256_of,
    write_json,
    write_whole,
)
from xraygan.training.health import concerns


def test_write_whole(tmp_path: Path) -> None:
    file = tmp_path / "ü.bin"
    for data in (b"first", b"", b"second" * 1000):
        write_whole(file, data)
        assert file.read_bytes() == data
    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("operation", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, error: BaseException
) -> None:
    file = tmp_path / "config.json"
    write_whole(file, b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os if operation == "fsync" else Path, operation, fail)
    expected = XrayganError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected, match="No space left" if expected is XrayganError else None):
        write_whole(file, b"new")
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == b"old"


def test_what_is_written_is_no_more_open_than_its_owner_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for umask, mode in ((0o077, 0o600), (0o022, 0o644)):
        monkeypatch.setattr(runs, "_UMASK", umask)
        write_whole(tmp_path / "reals.png", b"x")
        assert (tmp_path / "reals.png").stat().st_mode & 0o777 == mode


def test_no_folder_to_write_in(tmp_path: Path) -> None:
    with pytest.raises(XrayganError, match="cannot be written"):
        write_whole(tmp_path / "none" / "file", b"")
    (tmp_path / "file").touch()
    with pytest.raises(XrayganError, match="cannot be written"):
        RunFolder(tmp_path / "file")


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    assert read_json(file) is None
    write_json(file, {"class": "肺炎", "n": [1, None]})
    assert read_json(file) == {"class": "肺炎", "n": [1, None]}
    assert "肺炎" in file.read_text(encoding="utf-8")
    for damaged in (b'{"a', b"\xff\xfe"):
        file.write_bytes(damaged)
        with pytest.raises(XrayganError, match="cannot be read"):
            read_json(file)


CONFIG: dict = {
    "settings": {"data": {"resolution": 32}, "training": {"batch": 8}},
    "data": {"fingerprint": "f", "classes": ["A"], "counts": {"train/A": 3}},
    "model": {},
    "versions": {},
}


def test_config(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a" / "b")
    assert read_config(run.path) is None
    run.write_config(CONFIG)
    assert read_config(run.path) == CONFIG
    assert not is_run(run.path), "something else's may look like ours by chance"
    run.log("begun")
    assert is_run(run.path)
    write_json(run.path / "config.json", {"model": {}})
    assert not is_run(run.path)
    assert not is_run(tmp_path / "none")


@pytest.mark.parametrize(
    "value",
    [
        *([], "a", {}, {"settings": {}}, {**CONFIG, "settings": []}),
        {**CONFIG, "model": None},
        {**CONFIG, "data": {**CONFIG["data"], "classes": None}},
        {**CONFIG, "data": {**CONFIG["data"], "counts": {"train/A": "3"}}},
        {**CONFIG, "settings": {"data": {}}},
    ],
)
def test_the_config_of_something_else_is_refused(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "config.json", value)
    with pytest.raises(XrayganError, match="not one that xraygan train has written"):
        read_config(tmp_path)


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea")  # FIPS 180-2, B.1


def row(images_seen: int) -> dict:
    return {"images_seen": images_seen, "d_loss": images_seen / 3, "g_loss": 1, "fake_spread": 0.5}


def test_metrics(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.metrics() == []
    rows = [row(n) for n in (32, 64, 96)]
    for each in rows:
        run.add_metrics(each)
    assert run.metrics() == rows
    run.rewind_metrics(64)
    assert run.metrics() == rows[:2]
    run.rewind_metrics(0)
    assert run.metrics() == []


def test_any_cut_of_the_metrics_loses_only_the_last_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rows = [row(32), row(64)]
    for each in rows:
        run.add_metrics(each)
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole) - 1):
        (tmp_path / "metrics.jsonl").write_bytes(whole[:cut])
        run.rewind_metrics(1000)
        run.add_metrics(rows[1])
        assert run.metrics() == rows


@given(junk=st.binary(max_size=50) | st.sampled_from([b"3", b"null", b"[]", b"{}", b'"a"']))
def test_damaged_metrics_are_passed_over(
    junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = RunFolder(tmp_path_factory.getbasetemp() / "metrics-run")
    good = json.dumps(row(32)).encode()
    (run.path / "metrics.jsonl").write_bytes(good + b"\n" + junk + b"\n" + good + b"\n")
    run.rewind_metrics(32)
    assert run.metrics().count(row(32)) == 2


def test_a_flipped_bit_in_the_metrics_stops_no_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    kid = {"kid": 0.5, "kid_low": 0.25, "kid_high": 0.75, "kid_floor": 0.0}
    rows = [row(n) | kid for n in (32, 64, 96, 128)]
    for each in rows:
        run.add_metrics(each)
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    for place in range(whole.index(b"\n") + 1, whole.index(b"\n") * 2):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (tmp_path / "metrics.jsonl").write_bytes(damaged)
        run.rewind_metrics(1000)
        concerns(run.metrics(), 0.5)
        assert [each for each in run.metrics() if each in rows[2:]] == rows[2:]
        for each in run.metrics():
            assert {"images_seen", "d_loss", "g_loss"} <= set(each)
            assert "kid" not in each or set(kid) <= set(each)


def test_no_two_sample_grids_have_one_name(tmp_path: Path) -> None:
    seen = [0, 96, 500, 864, 1000, 1500, 2000, 2500, 2592, 3000, 3456, 10**6, 10**6 + 8]
    names = [grid_name(images) for images in seen]
    assert names == sorted(set(names))
    for name in (*names, "fakes.png", "fakes000003_1.png"):
        (tmp_path / name).touch()
    assert list(sample_grids(tmp_path)) == [images / 1000 for images in seen]
    assert [str(kimg) for kimg in sample_grids(tmp_path)][7:9] == ["2.5", "2.592"]
    assert str(list(sample_grids(tmp_path))[6]) == "2"


def test_log(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.log("one ü")
    run.log("two")
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "one ü\ntwo\n"


def test_numbers(tmp_path: Path) -> None:
    assert numbered_runs(tmp_path / "none") == []
    assert next_run(tmp_path / "none", "a").name == "00000-a"
    for name in ("00000-a", "00007-b", "notes", "1-c", "00003-d"):
        (tmp_path / name).mkdir()
    assert [path.name for path in numbered_runs(tmp_path)] == ["00000-a", "00003-d", "00007-b"]
    assert next_run(tmp_path, "chest xray/../ü") == tmp_path / "00008-chest-xray-..-ü"
    assert (tmp_path / "00008-chest-xray-..-ü").is_dir()
    (tmp_path / "99999-e").mkdir()
    (tmp_path / "100000-f").mkdir()
    assert numbered_runs(tmp_path)[-1].name == "100000-f"
    assert next_run(tmp_path, "...").name == "100001-run"


@given(name=st.text(max_size=100))
def test_any_name_makes_one_folder(name: str) -> None:
    with tempfile.TemporaryDirectory() as outdir:
        made = next_run(Path(outdir), name)
        assert list(Path(outdir).iterdir()) == [made]
        assert len(made.name) <= 66


def test_of_several_who_begin_at_once_each_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: next_run(tmp_path / "runs", "ward"), range(32)))
    assert sorted(path.name for path in made) == [f"{n:05d}-ward" for n in range(32)]


def test_runs_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for outdir in (tmp_path / "file", tmp_path / "file" / "runs", tmp_path / "link"):
        with pytest.raises(XrayganError, match="cannot be written"):
            next_run(outdir, "ward")


HOLD = """
import sys, time
from pathlib import Path
from xraygan.runs import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_trainer_is_refused_and_a_dead_ones_lock_is_free(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            with (
                pytest.raises(XrayganError, match="another xraygan is training here"),
                run.locked(),
            ):
                pytest.fail("two trainers in one folder")
        finally:
            other.kill()  # SIGKILL: it cannot clean up
    with run.locked():
        pass
    with run.locked():
        pass
