"""A checkpoint survives whatever can happen to a disk."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.errors import XrayganError
from xraygan.training import checkpoint as module
from xraygan.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)


def made(images_seen: int) -> Checkpoint:
    random = np.random.default_rng(images_seen)
    arrays = {
        "images_seen": np.array(images_seen, np.int64),
        "generator.000": random.normal(size=(3, 4)).astype(np.float32),
    }
    return Checkpoint(images_seen, arrays, {"seconds": images_seen / 7, "best": None, "ü": "é"})


def same(one: Checkpoint | None, other: Checkpoint) -> bool:
    return (
        one is not None
        and one.images_seen == other.images_seen
        and one.facts == other.facts
        and set(one.arrays) == set(other.arrays)
        and all(np.array_equal(one.arrays[n], other.arrays[n]) for n in one.arrays)
        and all(one.arrays[n].dtype == other.arrays[n].dtype for n in one.arrays)
    )


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    warnings: list[str] = []
    return load_newest(folder, warnings.append), warnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two checkpoints, of 32 and 64 images."""
    for images_seen in (32, 64):
        save_checkpoint(tmp_path, made(images_seen))
    return tmp_path


def test_round_trip(folder: Path) -> None:
    loaded, warnings = newest(folder)
    assert same(loaded, made(64))
    assert warnings == []
    assert same(load_checkpoint(folder / "000000000032"), made(32))


def test_no_checkpoint(tmp_path: Path) -> None:
    assert newest(tmp_path) == (None, [])
    assert newest(tmp_path / "nowhere") == (None, [])


def test_the_newest_two_and_the_best_are_kept(folder: Path) -> None:
    for images_seen in (96, 128, 160):
        save_checkpoint(folder, made(images_seen), best=64)
    assert [int(path.name) for path in list_checkpoints(folder)] == [64, 128, 160]
    save_checkpoint(folder, made(192), best=160)
    assert [int(path.name) for path in list_checkpoints(folder)] == [160, 192]
    assert sorted(path.name for path in folder.iterdir()) == ["000000000160", "000000000192"]


@pytest.mark.skipif(os.name == "nt", reason="an open file is not deleted there")
def test_what_is_removed_is_emptied_first(folder: Path) -> None:
    """The bin of a mounted drive keeps what is deleted."""
    with (
        (folder / "000000000032" / "state.safetensors").open("rb") as arrays,
        (folder / "000000000032" / "state.json").open("rb") as facts,
    ):
        save_checkpoint(folder, made(96))
        assert [os.fstat(file.fileno()).st_size for file in (arrays, facts)] == [0, 0]
    assert [int(path.name) for path in list_checkpoints(folder)] == [64, 96]
    assert all(same(load_checkpoint(folder / f"{n:012d}"), made(n)) for n in (64, 96))


@pytest.mark.skipif(os.name == "nt", reason="links are POSIX")
@pytest.mark.parametrize("link", ["a hard link", "a link to the file", "a link to the folder"])
def test_what_has_another_name_is_not_emptied(folder: Path, tmp_path: Path, link: str) -> None:
    old, mine = folder / "000000000032", tmp_path / "mine"
    if link == "a hard link":
        shutil.copytree(old, mine, copy_function=os.link)
    else:
        shutil.move(old, mine)
    if link == "a link to the folder":
        old.symlink_to(mine)
    elif link == "a link to the file":
        old.mkdir()
        for file in mine.iterdir():
            (old / file.name).symlink_to(file)
    for images_seen in (96, 128):
        save_checkpoint(folder, made(images_seen))
    assert same(load_checkpoint(mine), made(32))
    assert [int(path.name) for path in list_checkpoints(folder)] == [96, 128]


def test_after_a_fall_the_damaged_one_costs_no_good_one(folder: Path) -> None:
    (folder / "000000000064" / "state.json").write_bytes(b"cut")
    assert same(newest(folder)[0], made(32))
    save_checkpoint(folder, made(48))
    assert [int(path.name) for path in list_checkpoints(folder)] == [32, 48]
    loaded, warnings = newest(folder)
    assert same(loaded, made(48))
    assert warnings == []


def test_saving_one_that_is_there(folder: Path) -> None:
    facts = folder / "000000000064" / "state.json"
    before = facts.stat().st_mtime_ns
    save_checkpoint(folder, made(64))
    assert facts.stat().st_mtime_ns == before
    facts.write_bytes(facts.read_bytes()[:-20])
    save_checkpoint(folder, made(64))
    assert newest(folder)[1] == []
    assert same(newest(folder)[0], made(64))


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_any_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    path = save_checkpoint(tmp_path, made(32))
    file = path / name
    whole = file.read_bytes()
    original = load_checkpoint(path)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << (position % 8)
        file.write_bytes(changed)
        try:
            loaded = load_checkpoint(path)
        except XrayganError:
            continue
        # White space of the JSON is all that may change unseen.
        assert same(loaded, original)
        assert name == "state.json"
        assert json.loads(changed) == json.loads(whole)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for images_seen in (32, 64):
        save_checkpoint(folder, made(images_seen))
    return folder


@given(data=st.data(), name=st.sampled_from(["state.safetensors", "state.json"]))
def test_any_damage_falls_back_and_says_so(damaged: Path, data: st.DataObject, name: str) -> None:
    file = damaged / "000000000064" / name
    whole = file.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    file.write_bytes(whole[:start] + data.draw(st.binary(max_size=300)))
    try:
        loaded, warnings = newest(damaged)
    finally:
        file.write_bytes(whole)
    if not same(loaded, made(64)):
        assert same(loaded, made(32))
        assert len(warnings) == 1
        assert "000000000064: damaged" in warnings[0]
        assert "falling back" in warnings[0]


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "missing", "empty", "a folder", "a list"])
def test_damaged_files_fall_back(folder: Path, name: str, damage: str) -> None:
    file = folder / "000000000064" / name
    whole = file.read_bytes()
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    elif damage != "missing":
        file.write_bytes({"cut": whole[:-9], "empty": b"", "a list": b"[1]"}[damage])
    loaded, warnings = newest(folder)
    assert same(loaded, made(32))
    assert len(warnings) == 1

    (folder / "000000000032" / name).write_bytes(b"nothing")
    with pytest.raises(XrayganError, match=r"every checkpoint is damaged; delete the run folder"):
        newest(folder)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_drive_that_does_not_answer_costs_no_checkpoint(folder: Path, monkeypatch, code) -> None:
    whole, read = contents(folder), Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.parent.name == "000000000064":
            raise OSError(code, os.strerror(code))
        return read(path)

    warnings: list[str] = []
    why = os.strerror(code)
    message = rf"64: cannot be read just now \({why}\); nothing was changed; try again"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(XrayganError, match=message):
            load_newest(folder, warnings.append)
        with pytest.raises(XrayganError, match=message):
            save_checkpoint(folder, made(64))
    assert warnings == []
    assert contents(folder) == whole


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(folder: Path, monkeypatch) -> None:
    def fail(_: Path) -> Iterator[Path]:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(XrayganError, match=r"cannot be read just now \(Stale file handle\)"):
        newest(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_of_a_checkpoints_name(folder: Path) -> None:
    (folder / "000000000096").write_text("not a folder")
    loaded, warnings = newest(folder)
    assert same(loaded, made(64))
    assert len(warnings) == 1


def test_half_written_folders_are_ignored_and_cleared_away(folder: Path) -> None:
    for name in (".writing-000000000096", ".removing-000000000016"):
        shutil.copytree(folder / "000000000064", folder / name)
    assert same(newest(folder)[0], made(64))
    save_checkpoint(folder, made(128))
    assert sorted(path.name for path in folder.iterdir()) == ["000000000064", "000000000128"]


class Killed(BaseException):
    """Stands for a SIGKILL at this very place: no handler may clean up after it."""


class Fault:
    """Lets n operations on the disk pass and fails at the next one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException) -> None:
        self.left = after
        self.error = error
        self.struck = False
        for owner, name in (
            (os, "fsync"),
            (Path, "rename"),
            (Path, "mkdir"),
            (module, "_write_synced"),
            (module, "sync_folder"),
            (os, "truncate"),
            (shutil, "rmtree"),
        ):
            monkeypatch.setattr(owner, name, self.wrap(getattr(owner, name), name))

    def wrap(self, operation, name: str):
        def wrapped(*arguments, **options):
            if self.struck and isinstance(self.error, Killed):
                raise Killed  # the dead do not clean up
            if name in ("truncate", "rmtree") and isinstance(self.error, OSError):
                return operation(*arguments, **options)
            if self.left == 0 and not self.struck:
                self.struck = True
                if name == "_write_synced":  # half of the file gets to the disk
                    path, data = arguments
                    path.write_bytes(data[: len(data) // 2])
                raise self.error
            self.left -= 1
            return operation(*arguments, **options)

        return wrapped


def faults(folder: Path, error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """Save with a fault at each operation in turn, until one save meets none."""
    for after in range(100):
        with pytest.MonkeyPatch.context() as patch:
            fault = Fault(patch, after, error)
            try:
                save_checkpoint(folder, made(96))
            except (Killed, XrayganError) as raised:
                caught = raised
            else:
                assert not fault.struck
                assert after > 8, "the faults were not injected"
                return
        yield caught, (folder / "000000000096").exists()
        shutil.rmtree(folder / "000000000096", ignore_errors=True)
        save_checkpoint(folder, made(32))
    raise AssertionError("no save came to its end")


def test_a_kill_at_any_operation_leaves_a_whole_checkpoint(folder: Path) -> None:
    outcomes = set()
    for _, written in faults(folder, Killed()):
        loaded, warnings = newest(folder)
        assert warnings == []
        assert same(loaded, made(96) if written else made(64))
        outcomes.add(written)
    assert outcomes == {True, False}
    assert same(newest(folder)[0], made(96))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_disk_is_one_clear_line(folder: Path, code: int) -> None:
    for raised, written in faults(folder, OSError(code, os.strerror(code))):
        assert isinstance(raised, XrayganError)
        assert os.strerror(code) in str(raised)
        assert "what was saved before is intact" in str(raised)
        loaded, warnings = newest(folder)
        assert warnings == []
        assert same(loaded, made(96) if written else made(64))
        assert not list(folder.glob(".writing-*"))
