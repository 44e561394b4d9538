import json
import multiprocessing
import os
import resource
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from data_pictures import encoded, film, folder_tree, write

from xraygan.config import DataSettings, PixelSettings
from xraygan.data import cache, entries, hashes, ingest, store
from xraygan.data.cache import default_cache_dir, load_cached, prepare, read_all
from xraygan.data.dataset import Dataset, taken
from xraygan.data.headers import PassingRefusal, Refusal
from xraygan.data.pixels import decode, fit
from xraygan.data.remarks import grey_notes
from xraygan.errors import XrayganError

SMALL = DataSettings(resolution=32)


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    counts = {"train/A": 12, "train/B": 12, "test/A": 3, "test/B": 3}
    return folder_tree(tmp_path / "data", counts)


def refusals(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.refused["name"], dataset.refused["reason"], strict=True))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The youngest files are remembered as well."""
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)


def built_folder(cached: Path) -> Path:
    (folder,) = (path for path in cached.iterdir() if path.name not in ("index", "locks"))
    return folder


def test_rows_describe_their_images(source: Path, cached: Path) -> None:
    dataset = prepare(source, SMALL, cached)
    assert len(dataset.images) == len(dataset.manifest) == 30
    for row, name in enumerate(dataset.manifest["name"]):
        expected = fit(decode((source / name).read_bytes(), name), 32, "squash")
        assert np.array_equal(dataset.images[row], expected)
    assert isinstance(dataset.images, np.memmap)
    assert not dataset.images.flags.writeable


def test_splits_are_views_with_their_labels(source: Path, cached: Path) -> None:
    dataset = prepare(source, SMALL, cached)
    assert dataset.classes == ("A", "B")
    total = 0
    for split in ("train", "val", "test"):
        images, labels = dataset.split(split)
        rows = dataset.manifest[dataset.manifest["split"] == split]
        assert np.shares_memory(images, dataset.images) or not len(images)
        assert labels.dtype == np.int32
        assert [dataset.classes[number] for number in labels] == list(rows["label"])
        assert np.array_equal(images, dataset.images[rows.index])
        assert dataset.patients(split) == len(images)
        total += len(images)
    assert total == 30
    with pytest.raises(ValueError, match="no split"):
        dataset.split("dev")


@pytest.mark.usefixtures("settled")
def test_second_start_reads_no_image(
    source: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(source, SMALL, cached)
    read: list[str] = []
    original = entries.read_bytes
    monkeypatch.setattr(entries, "read_bytes", lambda path: read.append(path) or original(path))
    second = prepare(source, SMALL, cached)
    assert read == []
    assert second.fingerprint == first.fingerprint
    assert second.manifest.equals(first.manifest)
    touched = source / "train/A/phantom00000_0.png"
    os.utime(touched, (1.1e9, 1.1e9))
    assert prepare(source, SMALL, cached).fingerprint == first.fingerprint
    assert read == [str(touched)]


@pytest.mark.usefixtures("settled")
def test_a_change_under_an_old_time_is_seen(source: Path, cached: Path) -> None:
    path, other = source / "train/A/phantom00000_0.png", encoded(film(777))
    longest = max(path.stat().st_size, len(other))
    path.write_bytes(path.read_bytes().ljust(longest, b"\0"))
    before = path.stat()
    first = prepare(source, SMALL, cached)
    path.write_bytes(other.ljust(longest, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    same = ("st_size", "st_mtime_ns", "st_ino")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert prepare(source, SMALL, cached).fingerprint != first.fingerprint


def test_changed_file_makes_another_data_set(source: Path, cached: Path) -> None:
    first = prepare(source, SMALL, cached)
    write(source / "train/A/phantom00000_0.png", 777)
    second = prepare(source, SMALL, cached)
    assert second.fingerprint != first.fingerprint
    assert not np.array_equal(second.images, first.images)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": 64},
        {"fit": "crop"},
        {"patient_pattern": r"(phantom\d+)"},
        {"validation_fraction": 0.2},
        {"split_seed": 1},
        {"multi_label": True},
    ],
)
def test_key_follows_every_setting(source: Path, cached: Path, change: dict) -> None:
    first = prepare(source, SMALL, cached).fingerprint
    assert prepare(source, SMALL.model_copy(update=change), cached).fingerprint != first


def test_every_setting_but_strict_is_in_the_key() -> None:
    assert {"strict"} == cache._NOT_IN_KEY
    assert set(DataSettings.model_fields) == {
        "resolution",
        "fit",
        "patient_pattern",
        "validation_fraction",
        "split_seed",
        "strict",
        "format",
        "column",
        "labels",
        "multi_label",
        "negative",
        "views",
        "where",
        "keep_splits",
        "near_duplicates",
        "find_text",
    }


def test_key_does_not_follow_the_place(source: Path, cached: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(source, copy)
    first, second = prepare(source, SMALL, cached), prepare(copy, SMALL, tmp_path / "cache2")
    assert first.fingerprint == second.fingerprint
    assert first.images.tobytes() == second.images.tobytes()
    assert first.manifest.equals(second.manifest)


@pytest.mark.parametrize("name", ["images.npy", "manifest.csv", "refused.csv", "dataset.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "garbage"])
def test_damaged_cache_is_rebuilt(source: Path, cached: Path, name: str, damage: str) -> None:
    first = prepare(source, SMALL, cached)
    expected = first.images.tobytes()
    path = built_folder(cached) / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        path.write_bytes(b"\xff{" * 50)
    second = prepare(source, SMALL, cached)
    assert second.images.tobytes() == expected
    assert second.manifest.equals(first.manifest)


@pytest.mark.usefixtures("settled")
def test_damaged_index_is_ignored(source: Path, cached: Path) -> None:
    first = prepare(source, SMALL, cached)
    (index,) = (cached / "index").iterdir()
    for content in (
        b"",
        b"[]",
        b'{"version": 2, "files": {"a": 3}}',
        b'{"version": 2, "files": {"a": []}}',
    ):
        index.write_bytes(content)
        assert prepare(source, SMALL, cached).fingerprint == first.fingerprint


def decoded_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that fills with the names of what is decoded from now on."""
    names: list[str] = []
    original = ingest.decode_reduced

    def noticed(data: bytes, name: str, least: int | None):
        names.append(name)
        return original(data, name, least)

    monkeypatch.setattr(ingest, "decode_reduced", noticed)
    return names


def test_interrupted_build_is_taken_up(
    source: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    whole = prepare(source, SMALL, cached.with_name("undisturbed"))
    with pytest.raises(KeyboardInterrupt):
        prepare(source, SMALL, cached, progress=interrupt)
    (journal,) = (path for path in cached.iterdir() if path.name not in ("index", "locks"))
    assert journal.stat().st_mode & 0o777 == 0o600
    journal.write_bytes(journal.read_bytes()[:-7])  # killed in the middle of a record
    names = decoded_names(monkeypatch)
    seen: list[tuple[int, int]] = []
    dataset = prepare(source, SMALL, cached, progress=lambda *count: seen.append(count))
    assert seen == [(done, 30) for done in range(1, 31)]
    assert len(names) == 30 - 19
    assert dataset.images.tobytes() == whole.images.tobytes()
    assert dataset.manifest.equals(whole.manifest)
    built_folder(cached)  # nothing else is left


def test_interrupted_twice(source: Path, cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stop in (8, 20):

        def interrupt(done: int, total: int, stop: int = stop) -> None:
            if done == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(source, SMALL, cached, progress=interrupt)
    names = decoded_names(monkeypatch)
    assert len(prepare(source, SMALL, cached).images) == 30
    assert len(names) == 10


def test_only_new_files_are_decoded(
    source: Path, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(source, SMALL, cached)
    added = write(source / "train/A/phantom77777_0.png", 777)
    write(source / "train/A/phantom00000_0.png", 778)
    names = decoded_names(monkeypatch)
    dataset = prepare(source, SMALL, cached)
    assert sorted(names) == ["train/A/phantom00000_0.png", "train/A/phantom77777_0.png"]
    assert len(dataset.images) == 31
    fresh = prepare(source, SMALL, tmp_path / "another")
    assert dataset.images.tobytes() == fresh.images.tobytes()
    assert dataset.manifest.equals(fresh.manifest)
    added.unlink()
    names.clear()
    prepare(source, SMALL.model_copy(update={"split_seed": 5}), cached)
    assert names == []
    prepare(source, SMALL.model_copy(update={"fit": "crop"}), cached)
    assert len(names) == 30


FIRST, SECOND = (f"train/A/phantom0000{number}_0.png" for number in range(2))


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of files that this machine cannot decode."""
    names: set[str] = set()
    original = ingest.decode_reduced

    def decoded(data: bytes, name: str, least: int | None):
        if name in names:
            raise PassingRefusal("not enough memory to decode it")
        return original(data, name, least)

    monkeypatch.setattr(ingest, "decode_reduced", decoded)
    return names


def test_what_the_machine_could_not_read_is_asked_again(
    source: Path, cached: Path, unreadable: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(source, SMALL, cached.with_name("another"))
    unreadable.add(FIRST)
    first = prepare(source, SMALL, cached)
    assert refusals(first) == {FIRST: "not enough memory to decode it"}
    assert first.passing == (FIRST,)
    names = decoded_names(monkeypatch)
    unreadable.clear()
    last = prepare(source, SMALL, cached)
    assert set(names) == {FIRST}
    assert last.fingerprint == whole.fingerprint
    assert last.images.tobytes() == whole.images.tobytes()
    assert last.manifest.equals(whole.manifest)
    assert built_folder(cached) == last.folder
    names.clear()
    prepare(source, SMALL, cached)
    assert names == []


def test_what_the_machine_still_cannot_read_changes_nothing(
    source: Path, cached: Path, unreadable: set[str]
) -> None:
    unreadable |= {FIRST, SECOND}
    first = prepare(source, SMALL, cached)
    inode = first.folder.stat().st_ino
    again = prepare(source, SMALL, cached)
    assert again.folder.stat().st_ino == inode
    assert again.fingerprint == first.fingerprint
    with pytest.raises(XrayganError, match=r"phantom0000\d_0\.png: not enough memory"):
        prepare(source, SMALL.model_copy(update={"strict": True}), cached)


def test_other_films_have_another_fingerprint(
    source: Path, cached: Path, unreadable: set[str]
) -> None:
    found = []
    for lacking in ({FIRST, SECOND}, {FIRST}, set()):
        unreadable.clear()
        unreadable |= lacking
        found.append(prepare(source, SMALL, cached).fingerprint)
        elsewhere = cached.with_name(f"cache {len(lacking)}")
        assert prepare(source, SMALL, elsewhere).fingerprint == found[-1]
        known = load_cached(found[-1], cached)
        assert known is not None and len(known.images) == 30 - len(lacking)
    assert len(set(found)) == 3
    assert load_cached(found[0], cached) is None


@pytest.mark.usefixtures("settled")
def test_a_disk_that_fails_for_once(
    source: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(source, SMALL, cached)
    shutil.rmtree(whole.folder)
    original = entries.read_bytes

    def failing(path: str) -> bytes:
        if path.endswith(FIRST):
            raise Refusal("the file cannot be read: Input/output error")
        return original(path)

    with monkeypatch.context() as patch:
        patch.setattr(entries, "read_bytes", failing)
        lacking = prepare(source, SMALL, cached)
    assert refusals(lacking) == {FIRST: "the file cannot be read: Input/output error"}
    assert lacking.fingerprint != whole.fingerprint
    assert prepare(source, SMALL, cached).fingerprint == whole.fingerprint


@pytest.mark.usefixtures("settled")  # so that the index is written before the data set is built
def test_cache_is_private(source: Path, cached: Path) -> None:
    prepare(source, SMALL, cached)
    assert cached.stat().st_mode & 0o777 == 0o700
    assert built_folder(cached).stat().st_mode & 0o777 == 0o700


def test_default_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("XRAYGAN_CACHE")
    assert default_cache_dir().name == "xraygan"


def test_cache_that_is_a_file(source: Path, tmp_path: Path) -> None:
    blocked = write(tmp_path / "x" / "file.png", 0)
    with pytest.raises(XrayganError, match=r"file\.png.*XRAYGAN_CACHE"):
        prepare(source, SMALL, blocked)


def test_full_disk(source: Path, cached: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(XrayganError, match="XRAYGAN_CACHE"):
            prepare(source, SMALL, cached)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in cached.iterdir() if path.name not in ("index", "locks")]
    assert len(prepare(source, SMALL, cached).images) == 30


def _prepare_in_process(source: Path, cached: Path, barrier: object, results: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    dataset = prepare(source, SMALL, cached)
    results.put((dataset.fingerprint, int(dataset.images.sum())))  # type: ignore[attr-defined]


def test_two_processes_build_the_same(source: Path, cached: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=_prepare_in_process, args=(source, cached, barrier, results))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    found = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(found) == 1
    built_folder(cached)
    assert not list(cached.glob("*.partial-*"))


def test_only_an_old_folder_that_no_build_holds_is_removed(cached: Path) -> None:
    with store.temporary_folder(cached, "running") as running:
        left, young = cached / "left.partial-1", cached / "young.partial-2"
        for folder in (left, young):
            folder.mkdir()
        for folder in (running, left):
            os.utime(folder, (0, 0))  # or the clock was put forward
        with store.temporary_folder(cached, "another"):
            assert running.is_dir() and young.is_dir()
            assert not left.exists()
    assert sorted(path.name for path in cached.iterdir()) == ["locks", "young.partial-2"]
    assert list((cached / "locks").iterdir()) == []


def test_no_pixels_are_mapped_while_their_file_is_cut(
    source: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows would refuse it."""
    maps = []
    raw_images, reorder = store.raw_images, store.reorder

    def noticed(*given):
        images = raw_images(*given)
        maps.append(weakref.ref(images))
        return images

    def checked(*given):
        assert [each() for each in maps] == [None]
        reorder(*given)

    monkeypatch.setattr(store, "raw_images", noticed)
    monkeypatch.setattr(store, "reorder", checked)
    prepare(source, SMALL, cached)


def test_odd_names_survive_the_round_trip(source: Path, cached: Path) -> None:
    for seed, (label, name) in enumerate(
        [("NA", "=1+1.png"), ("001", 'a,"b".png'), ("true", "new\nline\r\n.png")]
    ):
        for copy in range(2):
            write(source / "train" / label / f"{copy}{name}", 100 + 2 * seed + copy)
    (source / "train/A" / os.fsdecode(b"\xff\xfe.png")).write_bytes(encoded(film(99)))
    write(source / "train/A/=note.txt", 0)
    first = prepare(source, SMALL, cached)
    second = prepare(source, SMALL, cached)
    assert second.manifest.equals(first.manifest)
    assert {"NA", "001", "true"} <= set(second.manifest["label"])
    names = {path.relative_to(source).as_posix() for path in source.rglob("*.png")}
    assert set(second.manifest["name"]) == names


def test_the_list_of_refused_files_stays_in_the_private_cache(source: Path, cached: Path) -> None:
    (source / "train" / "A" / "Doe^Jane.png").write_bytes(b"no image")
    dataset = prepare(source, SMALL, cached)
    assert "Doe^Jane.png" in dataset.refused_list.read_text(encoding="utf-8")
    assert cached in dataset.refused_list.parents


def test_refused_files_are_listed_and_the_rest_goes_on(source: Path, cached: Path) -> None:
    folder = source / "train/A"
    whole = encoded(film(50), "JPEG")
    (folder / "cut.jpeg").write_bytes(whole[:-500])
    (folder / "zero.png").write_bytes(b"")
    (folder / "text.png").write_text("hello")
    (folder / "wrong.png").write_bytes(whole)
    (folder / "gone.png").symlink_to("nowhere")
    dataset = prepare(source, SMALL, cached)
    assert set(refusals(dataset)) == {
        f"train/A/{name}" for name in ("cut.jpeg", "zero.png", "text.png", "wrong.png", "gone.png")
    }
    assert len(dataset.images) == 30
    strict = DataSettings(resolution=32, strict=True)
    with pytest.raises(XrayganError, match=r"gone\.png: a broken link.*--strict"):
        prepare(source, strict, cached)
    (folder / "gone.png").unlink()
    for _ in range(2):
        with pytest.raises(XrayganError, match=r"cut\.jpeg: .*cut short"):
            prepare(source, strict, cached)
        prepare(source, SMALL, cached)  # the second attempt meets a finished cache


def test_strict_takes_no_offence_at_spare_copies(source: Path, cached: Path) -> None:
    shutil.copy(source / "train/A/phantom00000_0.png", source / "train/A/phantom00000_9.png")
    dataset = prepare(source, DataSettings(resolution=32, strict=True), cached)
    assert len(dataset.images) == 30


def test_same_pixels_in_another_container_are_found(source: Path, cached: Path) -> None:
    grey = film(500)
    (source / "train/A/phantom500_0.png").write_bytes(encoded(grey))
    (source / "test/A/phantom501_0.png").write_bytes(encoded(np.dstack([grey] * 3)))
    dataset = prepare(source, SMALL, cached)
    assert refusals(dataset) == {
        "train/A/phantom500_0.png": "same picture as test/A/phantom501_0.png"
    }


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that everybody may use, as a user who is not root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_unreadable_file_folder_and_cache(unprivileged: Path) -> None:
    source = folder_tree(unprivileged / "data", {"train/A": 6, "train/B": 2})
    (source / "train/A/phantom00000_0.png").chmod(0)
    (source / "train/B").chmod(0)
    dataset = prepare(source, SMALL, unprivileged / "cache")
    assert refusals(dataset) == {
        "train/A/phantom00000_0.png": "the file cannot be read: Permission denied",
        "train/B/": "the folder cannot be read: Permission denied",
    }
    readonly = unprivileged / "readonly"
    readonly.mkdir(mode=0o500)
    with pytest.raises(XrayganError, match=r"readonly.*Permission denied.*XRAYGAN_CACHE"):
        prepare(source, SMALL, readonly)
    # What is there already can be used from a cache nobody may write.
    (unprivileged / "cache").chmod(0o500)
    assert prepare(source, SMALL, unprivileged / "cache").fingerprint == dataset.fingerprint
    (unprivileged / "cache").chmod(0o700)
    (source / "train/B").chmod(0o700)


# --- too little -----------------------------------------------------------------------------


def test_one_image(tmp_path: Path, cached: Path) -> None:
    with pytest.raises(XrayganError, match=r"1 usable training image.*at least 2"):
        prepare(folder_tree(tmp_path / "d", {"A": 1}), SMALL, cached)


def test_all_duplicates(tmp_path: Path, cached: Path) -> None:
    for number in range(5):
        write(tmp_path / "d/A" / f"{number}.png", 1)
    with pytest.raises(XrayganError, match=r"1 usable training image.*same picture as"):
        prepare(tmp_path / "d", SMALL, cached)


def test_nothing_usable(tmp_path: Path, cached: Path) -> None:
    for number in range(3):
        (tmp_path / "d/A").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"d/A/{number}.png").write_bytes(b"")
    with pytest.raises(XrayganError, match=r"no usable image.*\(3\).*zero bytes"):
        prepare(tmp_path / "d", SMALL, cached)


def test_one_patient(tmp_path: Path, cached: Path) -> None:
    for film_number in range(10):
        write(tmp_path / "d/A" / f"phantom1_{film_number}.png", film_number)
    dataset = prepare(tmp_path / "d", SMALL, cached)
    assert dataset.patients("train") == 1
    assert len(dataset.split("val")[0]) == 0
    notes = " ".join(dataset.notes)
    assert "count as one patient's" in notes and "--patient-pattern" in notes
    assert "figures against validation images are not possible" in notes


def test_ten_images_of_one_class(tmp_path: Path, cached: Path) -> None:
    dataset = prepare(folder_tree(tmp_path / "d", {"A": 10}), SMALL, cached)
    assert dataset.classes == ("A",)
    assert len(dataset.split("val")[0]) >= 1
    assert any("training images: a model will copy" in note for note in dataset.notes)


def test_enlarging_is_noted(source: Path, cached: Path) -> None:
    notes = prepare(source, DataSettings(resolution=64), cached).notes
    assert any("enlarged to 64 pixels from 40" in note for note in notes)


def test_cache_inside_the_source_is_left_out(source: Path) -> None:
    first = prepare(source, SMALL, source / "cache")
    assert prepare(source, SMALL, source / "cache").fingerprint == first.fingerprint
    assert len(first.refused) == 0


def test_description_is_plain_json(source: Path, cached: Path) -> None:
    prepare(source, SMALL, cached)
    content = json.loads((built_folder(cached) / "dataset.json").read_text())
    assert content["resolution"] == 32


@pytest.mark.data
def test_real_films(tmp_path: Path) -> None:
    root = os.environ.get("XRAYGAN_TEST_DATA")
    if not root or not (Path(root) / "chest_xray").is_dir():
        pytest.skip("XRAYGAN_TEST_DATA does not name the real X-rays")
    dataset = prepare(Path(root) / "chest_xray", SMALL, tmp_path)
    assert dataset.classes == ("NORMAL", "PNEUMONIA")
    assert len(dataset.images) + len(dataset.refused) == 4517
    assert set(dataset.refused["reason"].str[:15]) == {"same picture as"}
    patients = [
        set(dataset.manifest["patient"][dataset.manifest["split"] == s])
        for s in ("train", "val", "test")
    ]
    assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]
    assert len(dataset.split("test")[0]) == 311
    assert len(dataset.split("val")[0]) > 200


def test_read_all_keeps_copies_leaks_and_splits(source: Path, cached: Path) -> None:
    copy = source / "test/B/phantom00000_0.png"
    shutil.copy(source / "train/A/phantom00000_0.png", copy)
    everything = read_all(source, PixelSettings(resolution=48), cached)
    assert everything.images.shape == (31, 48, 48)
    assert len(everything.refused) == 0
    assert len(everything.image_set("test")) == 7
    held, learnt = everything.image_set("test"), everything.image_set("train")
    assert set(held.patients) & set(learnt.patients) == {"phantom00000"}
    assert len(prepare(source, SMALL, cached).images) < 31


def test_image_sets_join_splits_in_order(source: Path, cached: Path) -> None:
    dataset = prepare(source, SMALL, cached)
    both = dataset.image_set("val", "test")
    images, labels = (
        np.concatenate([dataset.split(name)[part] for name in ("val", "test")]) for part in (0, 1)
    )
    assert np.array_equal(both.images, images)
    assert np.array_equal(both.labels, labels)
    assert both.classes == dataset.classes
    assert np.shares_memory(both.images, dataset.images), "not copied into memory"
    apart = dataset.image_set("test", "train").images
    assert np.array_equal(apart, np.concatenate([dataset.split(n)[0] for n in ("test", "train")]))


def test_only_consecutive_rows_are_a_view() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    for rows, view in (
        ([2, 3, 4], True), ([5], True), ([], False), ([4, 3, 2], False), ([1, 3], False),
        ([1, 3, 2, 4], False),
    ):  # fmt: skip
        index = np.array(rows, np.intp)
        found = taken(images, index)
        assert np.array_equal(found, images[index])
        assert np.shares_memory(found, images) == view


def test_negatives_and_dark_films_are_said() -> None:
    films = np.zeros((60, 32, 32), np.uint8)
    films[:, 8:24, 8:24] = 200
    films += np.random.default_rng(0).integers(0, 9, films.shape, np.uint8)
    assert grey_notes(films, np.arange(60)) == []
    films[:6] = 255 - films[:6]
    assert grey_notes(films, np.arange(60))[0].startswith("6 of 60 training images looked at are")
    assert grey_notes(films, np.arange(6, 60)) == []
    dark = grey_notes(films // 4, np.arange(60))[1]
    assert "half of them have next to nothing brighter than" in dark
    assert grey_notes(np.zeros((3, 32, 32), np.uint8), np.arange(3))[0].startswith("The images are")


def test_a_class_of_few_patients_is_said(tmp_path: Path) -> None:
    source = folder_tree(tmp_path / "films", {"A": 30, "RARE": 3})
    notes = prepare(source, DataSettings(resolution=32), tmp_path / "cache").notes
    said = "1 class has films of fewer than 10 patients to train on ('RARE')"
    assert any(said in note for note in notes)
