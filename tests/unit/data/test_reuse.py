"""What was done once is not done again: DICOM files, hashes, and what a stopped build leaves."""

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from data_pictures import folder_tree

from xraygan.config import DataSettings, PixelSettings
from xraygan.data import dicom, hashes
from xraygan.data.cache import prepare
from xraygan.data.dataset import Dataset
from xraygan.data.pseudonyms import read_salt
from xraygan.data.reuse import Decoded, Reuse
from xraygan.data.sources import list_source
from xraygan.data.store import TOLD

WARD = DataSettings(resolution=32, format="dicom")


def write_ward(root: Path, numbers: range) -> Path:
    """Films of a patient each, every third from the side."""
    from dicom_files import dicom as dicom_bytes
    from dicom_files import film12

    root.mkdir(exist_ok=True)
    for number in numbers:
        tags = {"ViewPosition": "LL" if number % 3 == 2 else "PA", "PatientAge": "045Y"}
        content = dicom_bytes(film12(number), 12, PatientID=f"DOE-{number}", **tags)
        (root / f"IM{number:03d}").write_bytes(content)
    return root


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    pytest.importorskip("pydicom")
    return write_ward(tmp_path / "ward", range(12))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fills with the sizes of the DICOM files that are read from now on."""
    sizes: list[int] = []
    original = dicom.read_dicom

    def noticed(data: bytes, salt: bytes):
        sizes.append(len(data))
        return original(data, salt)

    monkeypatch.setattr(dicom, "read_dicom", noticed)
    return sizes


def interrupted(source: Path, cached: Path, after: int, settings: DataSettings = WARD) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, settings, cached, progress=interrupt)


def same(first: Dataset, second: Dataset) -> bool:
    return first.images.tobytes() == second.images.tobytes() and first.manifest.equals(
        second.manifest
    )


def test_an_interrupted_export_is_taken_up(ward: Path, tmp_path: Path, read: list[int]) -> None:
    cached = tmp_path / "cache"
    interrupted(ward, cached, 9)
    read.clear()
    dataset = prepare(ward, WARD, cached)
    # Films that are left out are read again; six of the first nine are not.
    assert len(read) == 12 - 6
    assert set(dataset.manifest["age"]) == {"45"}
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "salt").write_bytes((cached / "salt").read_bytes())
    assert same(dataset, prepare(ward, WARD, fresh))


def test_of_a_grown_export_only_the_new_films_are_read(
    ward: Path, tmp_path: Path, read: list[int]
) -> None:
    cached = tmp_path / "cache"
    first = prepare(ward, WARD, cached)
    write_ward(ward, range(12, 15))
    read.clear()
    second = prepare(ward, WARD, cached)
    assert len(read) == 4 + 3
    assert set(first.manifest["patient"]) < set(second.manifest["patient"])


def test_wishes_are_asked_of_films_that_are_known(
    ward: Path, tmp_path: Path, read: list[int]
) -> None:
    cached = tmp_path / "cache"
    every = WARD.model_copy(update={"views": "all"})
    assert len(prepare(ward, every, cached).images) == 12
    read.clear()
    frontal = prepare(ward, WARD, cached)
    assert read == []
    assert set(frontal.manifest["view"]) == {"PA"}
    assert set(frontal.refused["reason"]) == {"left out: its view is LATERAL: not from the front"}


def test_another_salt_reads_all_anew(ward: Path, tmp_path: Path, read: list[int]) -> None:
    cached = tmp_path / "cache"
    first = prepare(ward, WARD, cached)
    (cached / "salt").unlink()
    read.clear()
    second = prepare(ward, WARD.model_copy(update={"split_seed": 1}), cached)
    assert len(read) == 12
    assert not set(first.manifest["patient"]) & set(second.manifest["patient"])


def test_first_starts_at_once_have_one_salt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, barrier = secrets.token_bytes, threading.Barrier(4)

    def slow(size: int) -> bytes:
        time.sleep(0.05)
        return original(size)

    def start(_: int) -> bytes:
        barrier.wait()
        return read_salt(tmp_path)

    monkeypatch.setattr(secrets, "token_bytes", slow)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(start, range(4)))
    assert found == {(tmp_path / "salt").read_bytes()}
    (tmp_path / "salt").write_bytes(b"cut")
    assert len(read_salt(tmp_path)) == 32


@pytest.mark.parametrize("given", [(), ("train/A", "train/B", "test/A", "test/B")])
def test_every_cache_has_the_same_splits(tmp_path: Path, given: tuple[str, ...]) -> None:
    """Each has a salt of its own, and the patients' keys with it."""
    pytest.importorskip("pydicom")
    for number, folder in enumerate(given or ("A", "B")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        write_ward(tmp_path / "data" / folder, range(10 * number, 10 * number + 10))
    options = WARD.model_copy(update={"views": "all"})
    first, second = (prepare(tmp_path / "data", options, tmp_path / name) for name in "ab")
    assert first.fingerprint == second.fingerprint
    assert set(first.manifest["patient"]).isdisjoint(second.manifest["patient"])
    assert set(first.manifest["split"]) == {"train", "val", "test"}
    assert first.images.tobytes() == second.images.tobytes()
    assert first.manifest.drop(columns="patient").equals(second.manifest.drop(columns="patient"))


def test_what_dicom_files_said_is_checked(ward: Path, tmp_path: Path, read: list[int]) -> None:
    cached = tmp_path / "cache"
    first = prepare(ward, WARD, cached)
    path = first.folder / TOLD
    told = json.loads(path.read_text())
    assert "DOE" not in path.read_text()
    path.write_text(json.dumps({key: ["x", "who", "PA", 1, "F", None] for key in told}))
    read.clear()
    assert same(first, prepare(ward, WARD, cached))
    assert len(read) == 12


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests were started in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_stopping_keeps_the_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder_tree(tmp_path / "data", {"A": 40})
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    files = list_source(source, PixelSettings()).files
    hashed: list[str] = []
    original = hashes._hash_file

    def stop_at_the_twentieth(file):
        hashed.append(file.name)
        if len(hashed) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        return original(file)

    index = tmp_path / "index.json"
    monkeypatch.setattr(hashes, "_hash_file", stop_at_the_twentieth)
    with pytest.raises(KeyboardInterrupt):
        hashes.hash_files(files, index)
    assert len(hashed) < 40
    kept = len(json.loads(index.read_text())["files"])
    assert kept >= 15
    hashed.clear()
    monkeypatch.setattr(hashes, "_hash_file", lambda f: hashed.append(f.name) or original(f))
    assert len(hashes.hash_files(files, index)[0]) == 40
    assert len(hashed) == 40 - kept


def test_the_journal_of_a_build_that_has_finished_meanwhile(tmp_path: Path) -> None:
    """Another process's pictures are known while its journal lasts, and decoded anew after."""
    settings = PixelSettings(resolution=32)
    pixels = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
    picture = Decoded(pixels, "ab" * 32, 40, 40, False, None)
    with Reuse(tmp_path, settings, []) as other:
        other.add("cd" * 32, picture)
        other._stream.flush()
        mine = Reuse(tmp_path, settings, [])
        assert np.array_equal(mine.known("cd" * 32).pixels, pixels)
    with mine:
        assert mine.known("cd" * 32) is None
        mine.add("cd" * 32, picture)


def test_a_build_that_ends_leaves_the_journal_of_one_that_runs(tmp_path: Path) -> None:
    settings = PixelSettings(resolution=32)
    picture = Decoded(np.zeros((32, 32), np.uint8), "ab" * 32, 40, 40, False, None)
    with pytest.raises(KeyboardInterrupt), Reuse(tmp_path, settings, []) as other:
        other.add("cd" * 32, picture)
        other._stream.flush()
        with Reuse(tmp_path, settings, []) as mine:
            assert mine.known("cd" * 32) is not None
        raise KeyboardInterrupt
    with Reuse(tmp_path, settings, []) as third:
        assert third.known("cd" * 32) is not None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
