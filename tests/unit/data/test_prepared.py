import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_pictures import encoded, film, folder_tree, write
from hypothesis import given, settings
from hypothesis import strategies as st
from source_trees import films, table

from xraygan.config import NOT_SHOWN, DataSettings, PixelSettings
from xraygan.data.cache import prepare
from xraygan.data.collection import read_sets
from xraygan.data.dataset import Dataset
from xraygan.data.manifest import SPLITS
from xraygan.data.prepared import check_target, write_dataset
from xraygan.errors import XrayganError
from xraygan.report.datasets import render_summary
from xraygan.sets import ImageSet

SMALL = DataSettings(resolution=32)


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A flat folder with a table that knows much, and names that nobody else may see."""
    root = tmp_path / "data"
    rows = ["path,label,patient_id,view,split,age,sex"]
    for number in range(12):
        films(root, f"Doe_Jane_{number}.png", start=number)
        label = ".A; {b}. " if number % 3 else "CON|D"
        label = "Röntgen" if number % 2 else label
        split = ("train", "train", "test")[number // 4]
        rows.append(f"Doe_Jane_{number}.png,{label},DOE^JANE{number // 2},PA,{split},{number},F")
    shutil.copy(root / "Doe_Jane_1.png", root / "Doe_Jane_copy.png")
    rows.append("Doe_Jane_copy.png,Röntgen,DOE^JANE0,PA,train,1,F")
    (root / "Doe_Jane_bad.png").write_bytes(b"no picture")
    rows.append("Doe_Jane_bad.png,Röntgen,DOE^JANE0,PA,train,1,F")
    table(root / "films.csv", *rows)
    return root


def written(source: Path, out: Path, cached: Path, options: DataSettings = SMALL) -> Dataset:
    dataset = prepare(source, options, cached)
    write_dataset(dataset, out, options)
    return dataset


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def state(out: Path) -> dict[str, tuple[int, int]]:
    """Name to inode and modification time of everything."""
    return {
        path.relative_to(out).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in out.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def same(first: Dataset, second: Dataset) -> None:
    """The same films in the same splits and classes, of the same patients."""

    def by_picture(dataset: Dataset) -> dict[bytes, list[tuple[str, ...]]]:
        found: dict[bytes, list[tuple[str, ...]]] = {}
        columns = ["split", "label", "view", "age", "sex", "labels", "held_back"]
        rows = dataset.manifest[columns].itertuples(index=False, name=None)
        for image, row in zip(dataset.images, rows, strict=True):
            found.setdefault(image.tobytes(), []).append(row)
        return {pixels: sorted(rows) for pixels, rows in found.items()}

    def partition(dataset: Dataset) -> set[frozenset[bytes]]:
        groups: dict[str, set[bytes]] = {}
        for image, patient in zip(dataset.images, dataset.manifest["patient"], strict=True):
            groups.setdefault(patient, set()).add(image.tobytes())
        return {frozenset(group) for group in groups.values()}

    assert by_picture(first) == by_picture(second)
    assert partition(first) == partition(second)
    assert first.classes == second.classes


def test_what_is_written_is_read_back(source: Path, cached: Path, tmp_path: Path) -> None:
    dataset = written(source, tmp_path / "out", cached)
    assert set(dataset.classes) == {".A; {b}.", "Röntgen"}
    again = prepare(tmp_path / "out", SMALL, cached)
    assert again.source_format == "imagefolder"
    same(dataset, again)
    # And once more, from the second folder, byte for byte.
    write_dataset(again, tmp_path / "out2", SMALL)
    first, second = (
        {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
            if path.is_file() and path.name not in (".lock", "dataset.json", "refused.csv")
        }
        for name in ("out", "out2")
    )
    assert first == second


def test_nothing_written_names_anybody(source: Path, cached: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written(source, out, cached)
    for path in out.rglob("*"):
        assert "Doe" not in path.name
        if path.is_file():
            content = path.read_bytes().lower()
            assert b"doe" not in content
            assert b"jane" not in content
    refused = rows_of(out / "refused.csv")
    assert {row["reason"].split(";")[0] for row in refused} >= {"same picture as another file"}
    assert len({row["file"] for row in refused}) == len(refused)


def test_no_free_text_of_the_settings_is_written(
    source: Path, cached: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = {
        "resolution": 32,
        "where": 'patient_id not in ["DOE^JANE9"]',
        "patient_pattern": "(Doe_Jane_\\d+)",
        "column": "patient_id=patient_id",
    }
    written(source, out, cached, DataSettings(**options))
    described = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    text = json.dumps(described).lower()
    assert "doe" not in text
    assert "patient_id" not in text
    assert described["settings"]["where"] == NOT_SHOWN
    # What the text was still decides whether this is the same data set.
    same_films = {**options, "where": 'patient_id not in ["DOE^JANE8"]'}
    for asked, unchanged in ((options, True), (same_films, False), (same_films, True)):
        data = DataSettings(**asked)
        again = write_dataset(prepare(source, data, cached), out, data)
        assert again["unchanged"] is unchanged


def test_the_tables(source: Path, cached: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = written(source, out, cached)
    rows = rows_of(out / "metadata.csv")
    assert len(rows) == len(dataset.images)
    for row in rows:
        assert (out / row["file_name"]).is_file()
        assert row["file_name"].startswith(row["split"] + "/")
        assert row["view"] == "PA"
        assert len(row["patient"]) == 16
    described = json.loads((out / "dataset.json").read_text())
    assert described["complete"]
    assert described["source_format"] == "csv"
    assert sum(map(sum, (c.values() for c in described["counts"].values()))) == len(rows)
    assert described["settings"]["resolution"] == 32
    assert {path.parent.name for path in out.rglob("*.png")} == {"A; {b}", "Röntgen"}


def test_hugging_face_datasets_reads_it(
    source: Path, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    dataset = written(source, tmp_path / "out", cached)
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "hf")
    )
    pictures = {}
    for split, ours in (("train", "train"), ("validation", "val"), ("test", "test")):
        for row in loaded.get(split, ()):
            assert row["split"] == ours
            assert row["view"] == "PA"
            pictures[np.asarray(row["image"]).tobytes()] = (ours, row["label"], float(row["age"]))
    columns = (dataset.manifest[name] for name in ("split", "label", "age"))
    expected = zip(dataset.images, *columns, strict=True)
    assert pictures == {i.tobytes(): (s, label, float(age)) for i, s, label, age in expected}


def test_the_second_call_writes_nothing(source: Path, cached: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = written(source, out, cached)
    before = state(out)
    assert write_dataset(dataset, out, SMALL)["unchanged"]
    assert state(out) == before


@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_a_damaged_data_set_is_mended(
    source: Path, cached: Path, tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "out"
    dataset = written(source, out, cached)
    victim = sorted(out.rglob("*.png"))[0]
    whole = victim.read_bytes()
    if damage == "gone":
        victim.unlink()
    elif damage == "cut":
        victim.write_bytes(whole[:-9])
        (out / "metadata.csv").unlink()
    else:
        shutil.copy(victim, victim.with_name("stranger.png"))
    assert not write_dataset(dataset, out, SMALL)["unchanged"]
    assert victim.read_bytes() == whole
    assert len(list(out.rglob("*.png"))) == len(dataset.images)


def test_an_interrupted_call_is_taken_up(source: Path, cached: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = prepare(source, SMALL, cached)

    def interrupt(done: int, _total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(dataset, out, SMALL, interrupt)
    half = state(out)
    assert sum(name.endswith(".png") for name in half) == 4
    assert not (out / "metadata.csv").exists()
    assert not json.loads((out / "dataset.json").read_text())["complete"]
    with pytest.raises(XrayganError, match="out: was not finished; run the same `xraygan"):
        prepare(out, SMALL, cached)
    assert not write_dataset(dataset, out, SMALL)["unchanged"]
    whole = state(out)
    assert all(whole[name] == kept for name, kept in half.items() if name.endswith(".png"))
    same(dataset, prepare(out, SMALL, cached))


def test_a_half_rewritten_data_set_is_not_read(source: Path, cached: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written(source, out, cached)
    only = DataSettings(resolution=32, labels="Röntgen")

    def interrupt(done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(prepare(source, only, cached), out, only, interrupt)
    assert (out / "metadata.csv").exists()
    archive = shutil.make_archive(str(tmp_path / "out"), "zip", out)
    sure = SMALL.model_copy(update={"format": "folders"})
    for path, options in ((out, SMALL), (out, sure), (out / "metadata.csv", SMALL)):
        with pytest.raises(XrayganError, match="was not finished"):
            prepare(path, options, cached)
    with pytest.raises(XrayganError, match="was not finished"):
        prepare(Path(archive), SMALL, cached)


def test_images_of_an_earlier_state_are_removed(source: Path, cached: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written(source, out, cached)
    only = DataSettings(resolution=32, labels="Röntgen")
    dataset = written(source, out, cached, only)
    assert len(list(out.rglob("*.png"))) == len(dataset.images)
    assert {path.parent.name for path in out.rglob("*.png")} == {"Röntgen"}
    assert {path.name for path in (out / "train").iterdir()} == {"Röntgen", "metadata.csv"}


def test_other_folders_are_left_alone(source: Path, cached: Path, tmp_path: Path) -> None:
    dataset = prepare(source, SMALL, cached)
    other = folder_tree(tmp_path / "other", {"train/A": 1})
    for target in (other, source):
        before = state(target)
        with pytest.raises(XrayganError, match="holds something else"):
            write_dataset(dataset, target, SMALL)
        assert state(target) == before
    with pytest.raises(XrayganError, match="is a file"):
        write_dataset(dataset, write(tmp_path / "x" / "a.png", 0), SMALL)


def test_what_a_desktop_left_in_a_folder_does_not_fill_it(tmp_path: Path) -> None:
    for name in (".DS_Store", "desktop.ini", "Thumbs.db"):
        (tmp_path / name).write_text("theirs")
    check_target(tmp_path)


def test_films_that_look_alike_when_small_stay_two(cached: Path, tmp_path: Path) -> None:
    source = folder_tree(tmp_path / "data", {"train/A": 6, "train/B": 6})
    block = np.kron(film(50, 32, 32), np.ones((2, 2), np.uint8))
    for name, image in (("p_0", block), ("q_0", np.kron(block, np.ones((2, 2), np.uint8)))):
        (source / f"train/A/{name}.png").write_bytes(encoded(image))
    dataset = written(source, tmp_path / "out", cached)
    assert any(path.stem.endswith("-2") for path in (tmp_path / "out").rglob("*.png"))
    same(dataset, prepare(tmp_path / "out", SMALL, cached))


def test_keys_of_patients_need_the_salt(source: Path, cached: Path, tmp_path: Path) -> None:
    written(source, tmp_path / "a", cached)
    written(source, tmp_path / "b", cached)
    written(source, tmp_path / "c", tmp_path / "other cache")
    keys = [{row["patient"] for row in rows_of(tmp_path / n / "metadata.csv")} for n in "abc"]
    assert keys[0] == keys[1]
    assert not keys[0] & keys[2]
    assert (cached / "salt").stat().st_mode & 0o777 == 0o600


def test_labels_can_be_chosen_from_a_prepared_set(cached: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    rows = ["path,label"]
    for number, label in enumerate(["Edema|Mass", "Mass", "No Finding", "Edema"] * 3):
        films(root, f"{number}.png", start=number)
        rows.append(f"{number}.png,{label}")
    table(root / "t.csv", *rows)
    chosen = DataSettings(resolution=32, labels="Edema")
    first = written(root, tmp_path / "out", cached, chosen)
    assert set(first.manifest["labels"]) == {"Edema", "Edema|Mass", "No Finding"}
    mass = prepare(tmp_path / "out", DataSettings(resolution=32, labels="Mass"), cached)
    assert set(mass.manifest["label"]) == {"Mass", "No Finding"}


LABEL = st.sampled_from(["A", "B", "C|D", "a", "a."])
ROW = st.tuples(LABEL, st.integers(0, 5), st.sampled_from(["train", "val", "test", ""]))


@given(rows=st.lists(ROW, min_size=6, max_size=16), keep=st.booleans())
@settings(max_examples=25, deadline=None)
def test_round_trip_of_any_table(
    rows: list[tuple[str, int, str]], keep: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("trip")
    lines = ["path,label,patient_id,split"]
    for number, (label, patient, split) in enumerate(rows):
        films(root / "data", f"{number}.png", start=number)
        lines.append(f"{number}.png,{label},{patient},{split}")
    table(root / "data/t.csv", *lines)
    options = DataSettings(resolution=32, keep_splits=keep)
    try:
        dataset = written(root / "data", root / "out", root / "cache", options)
    except XrayganError:
        return
    same(dataset, prepare(root / "out", options, root / "cache"))


def test_another_program_is_writing(source: Path, cached: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    dataset = prepare(source, SMALL, cached)
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(XrayganError, match="another xraygan"):
        write_dataset(dataset, tmp_path / "out", SMALL)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to be")
def test_a_folder_that_cannot_be_written(source: Path, cached: Path) -> None:
    import resource

    dataset = prepare(source, SMALL, cached)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(XrayganError, match="cannot be written"):
            write_dataset(dataset, source.parent / "full", SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not write_dataset(dataset, source.parent / "full", SMALL)["unchanged"]


def test_sets_of_labels_come_back(tmp_path: Path, cached: Path) -> None:
    rows = ["path,label,patient_id"]
    for number in range(12):
        films(tmp_path / "data", f"{number}.png", start=number)
        rows.append(f"{number}.png,{('A', 'A|B', 'B|C|A', 'D')[number % 4]},{number}")
    table(tmp_path / "data/films.csv", *rows)
    options = SMALL.model_copy(update={"multi_label": True, "labels": "A,B,D"})
    first = written(tmp_path / "data", tmp_path / "out", cached, options)
    assert first.labels_of_classes == (("A",), ("A", "B"), ("D",))
    for again in (SMALL, SMALL.model_copy(update={"multi_label": True}), options):
        second = prepare(tmp_path / "out", again, cached)
        assert second.labels_of_classes == first.labels_of_classes
        assert sorted(second.manifest["label"]) == sorted(first.manifest["label"])


def test_it_brings_its_own_cache(source: Path, tmp_path: Path, cached: Path) -> None:
    out, moved = tmp_path / "out", tmp_path / "elsewhere" / "moved"
    written(source, out, cached)
    shutil.copytree(out, moved)
    decoded: list[int] = []

    def start(name: str) -> Dataset:
        decoded.clear()
        return prepare(moved, SMALL, tmp_path / name, lambda done, _: decoded.append(done))

    first = start("one")
    assert not decoded
    assert first.folder.parent == tmp_path / "one"
    images = next(moved.glob(".cache/*/images.npy"))
    data = bytearray(images.read_bytes())
    data[-1] ^= 1
    images.write_bytes(data)
    again = start("two")
    assert decoded, "damaged pixels are not believed"
    same(first, again)
    assert np.array_equal(first.images, again.images)
    shutil.rmtree(out / ".cache")
    written(source, out, cached)
    assert [path.name for path in (out / ".cache").iterdir()] == [first.fingerprint]


@pytest.fixture
def half_known(tmp_path: Path) -> Path:
    """A table that tells the patient of every other film; two of the others look the same."""
    root = tmp_path / "half"
    rows = ["path,label,patient_id,split"]
    for number in range(24):
        patient = f"p{number // 4}" if number % 2 else ""
        films(root, f"Doe_{number}.png", start=number)
        rows.append(f"Doe_{number}.png,{'AB'[number // 2 % 2]},{patient},{'train' * (number < 16)}")
    block = np.kron(film(50, 32, 32), np.ones((2, 2), np.uint8))
    for name, image in (("Doe_p", block), ("Doe_q", np.kron(block, np.ones((2, 2), np.uint8)))):
        (root / f"{name}.png").write_bytes(encoded(image))
        rows.append(f"{name}.png,A,,train")
    table(root / "films.csv", *rows)
    return root


@pytest.mark.parametrize("near", ["join", "ignore"])
def test_films_that_tell_no_patient_are_counted_when_read_back(
    half_known: Path, cached: Path, tmp_path: Path, near: str
) -> None:
    options = DataSettings(resolution=32, near_duplicates=near)
    first = written(half_known, tmp_path / "out", cached, options)
    second = prepare(tmp_path / "out", options, cached)
    same(first, second)
    assert first.manifest["patient"].nunique() == second.manifest["patient"].nunique()
    unknown = {split: first.of_unknown_patients(split) for split in SPLITS}
    assert sum(unknown.values()) == 14
    assert {split: second.of_unknown_patients(split) for split in SPLITS} == unknown
    described = json.loads((tmp_path / "out/dataset.json").read_text(encoding="utf-8"))
    assert described["of_unknown_patients"] == unknown
    told = [note for note in second.notes if "do not tell the patient" in note]
    assert [note.partition(" prepared")[0] for note in told] == ["14 of 26"]
    page = render_summary(first, described)
    assert "14 of the images tell no patient and count as one each" in page
    assert '<th scope="row">Images that tell no patient</th>' in page
    read = read_sets({"real": tmp_path / "out"}, PixelSettings(resolution=32), cached)
    assert read.of_unknown_patients == {"real": unknown["val"] + unknown["test"]}
    write_dataset(second, tmp_path / "out2", options)  # and once more
    keys = [
        sorted(row["patient"] for row in rows_of(tmp_path / name / "metadata.csv"))
        for name in ("out", "out2")
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == (6 + 13 if near == "join" else 6 + 14)


def test_a_prepared_set_that_is_both_sides_tells_who_was_held_back_at_random(
    cached: Path, tmp_path: Path
) -> None:
    root = films(tmp_path / "data", *(f"test/a/t{n}.png" for n in range(3)))
    films(root, *(f"train/a/{n}.png" for n in range(20)), start=10)
    written(root, tmp_path / "out", cached)

    def held_out(**folders: Path) -> ImageSet:
        return read_sets(folders, PixelSettings(resolution=32), cached).sets["holdout"]

    out = tmp_path / "out"
    known = held_out(train=out, holdout=out, synthetic=out).at_random
    assert known is not None
    assert 0 < known.sum() == len(known) - 3, "all but the given test films"
    # Of those to train on, in another folder, nobody is known to have been drawn; nor from a table
    # that is not ours.
    assert held_out(train=out / "train", holdout=out).at_random is None
    (out / "dataset.json").unlink()
    assert held_out(train=out, holdout=out).at_random is None


def test_where_every_patient_is_known_nothing_is_said_of_it(
    source: Path, cached: Path, tmp_path: Path
) -> None:
    dataset = written(source, tmp_path / "out", cached)
    described = json.loads((tmp_path / "out/dataset.json").read_text(encoding="utf-8"))
    assert described["of_unknown_patients"] == dict.fromkeys(SPLITS, 0)
    assert "count as one each" not in render_summary(dataset, described)
    again = prepare(tmp_path / "out", SMALL, cached)
    assert not any("tell the patient" in note for note in again.notes)


@pytest.mark.parametrize("keep", [True, False])
def test_patients_in_several_splits_of_a_prepared_set_are_counted(
    keep: bool, cached: Path, tmp_path: Path
) -> None:
    rows = ["path,label,patient_id,split"]
    for number in range(24):
        films(tmp_path / "data", f"{number}.png", start=number)
        split = ("train", "train", "val", "test")[number % 4]
        patient = number if number >= 8 else number // 4  # two patients are in all three
        rows.append(f"{number}.png,{'AB'[number // 4 % 2]},{patient},{split}")
    table(tmp_path / "data/films.csv", *rows)
    options = DataSettings(resolution=32, keep_splits=keep)
    first = written(tmp_path / "data", tmp_path / "out", cached, options)
    second = prepare(tmp_path / "out", SMALL, cached)
    same(first, second)
    expected = 2 if keep else 0
    assert first.in_several_splits == second.in_several_splits == expected
    told = [note for note in second.notes if "more than one split of the prepared" in note]
    assert [note.partition(" ")[0] for note in told] == ["2"] * keep


def test_free_text_of_a_view_is_not_published(tmp_path: Path, cached: Path) -> None:
    root = tmp_path / "ward"
    rows = ["path,label,patient_id,view,split"]
    for number in range(6):
        films(root, f"{number}.png", start=number)
        view = "PA" if number % 2 else "bed of Mrs Doe"
        rows.append(f"{number}.png,A,{number},{view},train")
    table(root / "films.csv", *rows)
    dataset = written(root, tmp_path / "out", cached)
    assert {row["view"] for row in rows_of(tmp_path / "out" / "metadata.csv")} == {"PA", ""}
    page = render_summary(dataset, json.loads((tmp_path / "out" / "dataset.json").read_text()))
    assert "mrs" not in page.lower()
    asked = DataSettings(resolution=32, views="PA")
    assert set(prepare(root, asked, cached).refused["reason"]) == {
        "left out: its view is none of those asked for"
    }


def test_what_an_own_cache_leads_to_is_not_copied(
    source: Path, tmp_path: Path, cached: Path
) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret"
    written(source, out, cached)
    secret.write_text("of the house")
    for own in (out / ".cache").iterdir():
        if own.is_dir():
            (own / "extra").symlink_to(secret)
    prepare(out, SMALL, tmp_path / "other")
    assert not list((tmp_path / "other").rglob("extra"))
