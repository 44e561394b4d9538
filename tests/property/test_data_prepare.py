"""`prepare` as a whole: order, growth, settings and the way back, for any small source."""

import csv
import itertools
import random
import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraygan.config import DataSettings
from xraygan.data import cache
from xraygan.data.cache import prepare
from xraygan.data.dataset import Dataset
from xraygan.data.entries import DiskFile, printable
from xraygan.data.listing import Facts, ImageFile, Listing
from xraygan.data.manifest import SPLITS
from xraygan.data.near import near_pairs
from xraygan.data.pixels import decode_reduced, fit
from xraygan.data.prepared import write_dataset
from xraygan.data.reuse import pixels_key
from xraygan.data.sources import list_source
from xraygan.data.splits import assign
from xraygan.errors import XrayganError

SMALL = DataSettings(resolution=32)
FILM = st.fixed_dictionaries(
    {
        "label": st.sampled_from(["A", "B", "A", "a", "a.", "No Finding", "A|B"]),
        "patient_id": st.sampled_from(["p0", "p1", "p2", "p3", "Doe^J", ""]),
        "split": st.sampled_from(["train", "val", "test", ""]),
        "view": st.sampled_from(["PA", "AP", "PA", "", "LATERAL"]),
        "age": st.sampled_from(["", "0.5", "7", "41", "95"]),
        "sex": st.sampled_from(["F", "M", ""]),
    }
)


def picture(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    """Another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5), dtype=np.uint8)
    noise = rng.integers(0, 30, (height, width), dtype=np.uint8)
    return cv2.resize(coarse, (width, height)) // 2 + noise


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty films; 30 to 33 are 0 to 3 again, brighter, and 34 is 4's very picture."""
    root = tmp_path_factory.mktemp("pictures")
    for seed in range(40):
        image = picture(seed - 30 if 30 <= seed < 35 else seed)
        image = image // 2 + 100 if 30 <= seed < 34 else image
        cv2.imwrite(str(root / f"{seed}.png"), image)
    return root


def write_source(root: Path, pictures: Path, films: list[dict], order: list[int]) -> Path:
    """A folder with a table, its rows in this order."""
    root.mkdir(parents=True, exist_ok=True)
    for number in order:
        shutil.copy(pictures / f"{39 - number}.png", root / f"{number}.png")
    with (root / "films.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["path", *films[0]])
        writer.writeheader()
        writer.writerows({"path": f"{number}.png", **films[number]} for number in order)
    return root


def prepared(source: Path, options: DataSettings, cached: Path) -> Dataset | str:
    """The data set, or why there is none."""
    try:
        return prepare(source, options, cached)
    except XrayganError as error:
        return str(error).replace(printable(str(source)), "SOURCE")


def content(dataset: Dataset | str) -> object:
    if isinstance(dataset, str):
        return dataset
    tables = (dataset.manifest, dataset.refused)
    told = [table.to_csv(index=False) for table in tables]
    return dataset.fingerprint, dataset.images.tobytes(), told, dataset.classes, dataset.notes


@given(
    films=st.lists(FILM, min_size=10, max_size=20),
    near=st.sampled_from(["join", "drop", "ignore"]),
    seed=st.integers(0, 100),
)
@settings(max_examples=25, deadline=None)
def test_the_order_of_files_and_rows_makes_no_difference(
    films: list[dict], near: str, seed: int, pictures: Path, tmp_path_factory
) -> None:
    root = tmp_path_factory.mktemp("order")
    order = list(range(len(films)))
    options = DataSettings(resolution=32, near_duplicates=near)
    found = []
    for place in ("one", "two"):
        source = write_source(root / place, pictures, films, order)
        found.append(content(prepared(source, options, root / f"cache {place}")))
        random.Random(seed).shuffle(order)
    assert found[0] == found[1]


@given(films=st.lists(FILM, min_size=10, max_size=20), keep=st.booleans())
@settings(max_examples=25, deadline=None)
def test_no_patient_in_two_splits_unless_they_are_kept(
    films: list[dict], keep: bool, pictures: Path, tmp_path_factory
) -> None:
    root = tmp_path_factory.mktemp("splits")
    source = write_source(root / "data", pictures, films, list(range(len(films))))
    options = DataSettings(resolution=32, keep_splits=keep)
    dataset = prepared(source, options, root / "cache")
    if isinstance(dataset, str):
        return
    given_splits = any(film["split"] for film in films)
    if not (keep and given_splits):
        assert (dataset.manifest.groupby("patient")["split"].nunique() == 1).all()
        sides = dataset.manifest["split"].to_numpy()
        assert all(sides[a] == sides[b] for a, b in near_pairs(dataset.images)[0])
    else:
        for name, split in zip(dataset.manifest["name"], dataset.manifest["split"], strict=True):
            assert split == (films[int(Path(name).stem)]["split"] or "train")


@given(
    old=st.integers(150, 400),
    more=st.integers(0, 300),
    seed=st.integers(0, 3),
    folders=st.booleans(),
    films_each=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_splits_stay_when_patients_and_films_are_added(
    old: int, more: int, seed: int, folders: bool, films_each: int
) -> None:
    options = DataSettings(split_seed=seed)

    def splits(patients: int, each: int) -> dict[str, str]:
        pairs = itertools.product(range(patients), range(each))
        rows = [
            (
                f"phantom{p:05d}_{i}.png",
                ("test" if p % 7 == 0 else "train") if folders else None,
                "AB"[p % 2],
                f"{p} {i}",
            )
            for p, i in pairs
        ]
        columns = ["name", "split", "label", "pixel_sha256"]
        table = assign(pd.DataFrame(rows, columns=columns, dtype=object), options)[0]
        return dict(zip(table["patient"], table["split"], strict=True))

    before, after = splits(old, films_each), splits(old + more, films_each + 1)
    assert set(before.values()) == set(SPLITS)
    assert before == {patient: after[patient] for patient in before}


OTHER = {
    "resolution": 64,
    "fit": "crop",
    "patient_pattern": r"(p\d+)",
    "format": "csv",
    "column": "path=path",
    "labels": "A",
    "negative": "Normal",
    "find_text": True,
    "multi_label": True,
    "views": "all",
    "where": "age >= 0",
    "validation_fraction": 0.2,
    "split_seed": 1,
    "keep_splits": True,
    "near_duplicates": "drop",
}
"""Another value of each setting that decides the data set."""


def test_no_setting_is_forgotten() -> None:
    assert set(OTHER) == set(DataSettings.model_fields) - {"strict"}
    assert all(getattr(SMALL, name) != value for name, value in OTHER.items())


@given(st.sets(st.sampled_from(sorted(OTHER))), st.sets(st.sampled_from(sorted(OTHER))))
@settings(max_examples=150, deadline=None)
def test_the_key_is_equal_where_the_settings_are(one: set, other: set) -> None:
    listing = Listing((), (), ())
    keys = [
        cache._key(listing, {}, [], SMALL.model_copy(update={name: OTHER[name] for name in names}))
        for names in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)
    strict = SMALL.model_copy(update={"strict": True, **{name: OTHER[name] for name in one}})
    assert cache._key(listing, {}, [], strict) == keys[0]


@given(
    fits=st.tuples(*[st.sampled_from(["crop", "pad-edge", "squash"])] * 2),
    sides=st.tuples(*[st.sampled_from([32, 64, 128])] * 2),
    texts=st.tuples(st.booleans(), st.booleans()),
    shape=st.tuples(st.integers(40, 300), st.integers(40, 300)),
)
@settings(max_examples=60, deadline=None)
def test_pixels_of_one_key_are_equal(fits, sides, texts, shape) -> None:
    """What is taken from an earlier data set is what decoding would give."""
    data = cv2.imencode(".jpg", picture(1, *shape))[1].tobytes()
    keys, pixels = [], []
    for kind, side, text in zip(fits, sides, texts, strict=True):
        options = DataSettings(resolution=side, fit=kind, find_text=text)
        keys.append((pixels_key(options), cache._key(Listing((), (), ()), {}, [], options)))
        image, _ = decode_reduced(data, "a.jpg", None if text else 2 * side)
        pixels.append(fit(image, side, kind).tobytes())
    if pixels[0] != pixels[1]:
        assert keys[0][0] != keys[1][0]
        assert keys[0][1] != keys[1][1]


FACTS = st.builds(
    Facts,
    st.none() | st.text(max_size=3),
    st.sampled_from([None, "PA"]),
    st.sampled_from([None, 0.0, 41.0]),
    st.sampled_from([None, "F"]),
    st.sampled_from([None, True, False]),
)


@given(FACTS, FACTS)
@settings(max_examples=60, deadline=None)
def test_the_key_follows_what_is_known_of_a_film(one: Facts, other: Facts) -> None:
    def key(facts: Facts) -> str:
        file = ImageFile("a.png", DiskFile("a.png", Path().stat()), None, "A", (), facts)
        return cache._key(Listing((file,), (), ()), {"a.png": "0"}, [], SMALL)

    assert (key(one) == key(other)) == (one == other)


@given(films=st.lists(FILM, min_size=10, max_size=16), keep=st.booleans(), final=st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_and_written_identically(
    films: list[dict], keep: bool, final: bool, pictures: Path, tmp_path_factory
) -> None:
    root = tmp_path_factory.mktemp("trip")
    source = write_source(root / "data", pictures, films, list(range(len(films))))
    options = DataSettings(resolution=32, keep_splits=keep)
    first = prepared(source, options, root / "cache")
    if isinstance(first, str):
        return
    write_dataset(first, root / "out", options)
    # Whatever the settings of the second call: splits are not made twice.
    again = DataSettings(resolution=32, keep_splits=keep or final, split_seed=int(final))
    second = prepare(root / "out", again, root / "cache")
    write_dataset(second, root / "out2", again)
    trees = [
        {
            path.relative_to(root / name).as_posix(): path.read_bytes()
            for path in (root / name).rglob("*")
            if path.is_file() and (path.suffix == ".png" or path.name == "metadata.csv")
        }
        for name in ("out", "out2")
    ]
    assert trees[0] == trees[1]
    assert len(trees[0]) == len(first.images) + 1 + len(set(first.manifest["split"]))
    assert second.classes == first.classes
    assert not len(second.refused)


def test_the_order_of_an_archive_makes_no_difference(pictures: Path, tmp_path: Path) -> None:
    names = [
        f"{split}/{label}/{n}.png"
        for split in ("train", "test")
        for label in "AB"
        for n in range(8)
    ]
    listed = []
    for number, order in enumerate((names, names[::-1])):
        (tmp_path / str(number)).mkdir()
        archive = tmp_path / str(number) / "films.tar"
        with tarfile.open(archive, "w") as file:
            for name in order:
                file.add(pictures / f"{names.index(name) % 30}.png", name)
        listed.append(content(prepared(archive, SMALL, tmp_path / f"cache {number}")))
        assert len(list_source(archive, SMALL).files) == len(names)
    assert listed[0] == listed[1]
