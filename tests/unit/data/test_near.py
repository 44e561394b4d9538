"""Near duplicates: copies are found, strangers are not, and whose they are is told."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from data_pictures import encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from xraygan.config import DataSettings
from xraygan.data.cache import prepare
from xraygan.data.dataset import Dataset
from xraygan.data.near import ALIKE, fine_structure, near_pairs

SIDE = 64


def chest(seed: int, side: int = SIDE) -> np.ndarray:
    """A shading that all share, and fine structure of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    shared = 60 * np.cos(2 * np.pi * x) + 40 * y
    own = cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), side / 40)
    return np.clip(110 + shared + 25 * own / own.std(), 0, 255).astype(np.uint8)


def strangers(count: int, side: int = SIDE) -> np.ndarray:
    return np.stack([chest(seed, side) for seed in range(count)])


def jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)


COPIES = {
    "compressed": jpeg,
    "brighter": lambda image: np.clip(image * 0.8 + 40, 0, 255).astype(np.uint8),
    "gamma": lambda image: (255 * (image / 255) ** 0.7).astype(np.uint8),
    "negative": lambda image: 255 - image,
    "from another size": lambda image: cv2.resize(cv2.resize(image, (90, 90)), (SIDE, SIDE)),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_among_strangers(kind: str) -> None:
    films = strangers(120)
    films = np.concatenate([films, COPIES[kind](films[17])[None]])
    pairs, likeness = near_pairs(films)
    assert pairs.tolist() == [[17, 120]]
    assert likeness[0] > ALIKE


def test_strangers_are_not_near_although_their_pixels_correlate() -> None:
    films = strangers(300)
    plain = films.reshape(300, -1)
    assert np.median(np.corrcoef(plain)) > 0.7
    assert len(near_pairs(films)[0]) == 0


def framed(image: np.ndarray, share: float, level: int) -> np.ndarray:
    width = round(share * len(image))
    inner = image[width:-width, width:-width]
    return cv2.copyMakeBorder(inner, *[width] * 4, cv2.BORDER_CONSTANT, value=level)


def lettered(image: np.ndarray) -> np.ndarray:
    place, font = (20, 60), cv2.FONT_HERSHEY_SIMPLEX
    return cv2.putText(image.copy(), "PORTABLE", place, font, 1.2, 255, 6)


MARKS = {
    **{
        f"white {share}": lambda x, s=share: framed(x, s, 255) for share in (0.01, 0.02, 0.03, 0.06)
    },
    **{f"black {share}": lambda x, s=share: framed(x, s, 0) for share in (0.01, 0.02, 0.03, 0.06)},
    "letters": lettered,
}


@pytest.mark.parametrize("kind", MARKS)
def test_what_films_share_makes_no_strangers_alike(kind: str) -> None:
    def reduced(image: np.ndarray) -> np.ndarray:
        return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    # Real films vary much less about their coarse shading than they differ from paper.
    films = [110 + (chest(seed, 4 * SIDE) - 110.0) / 4 for seed in range(150)]
    films = [MARKS[kind](film.astype(np.uint8)) for film in films]
    images = np.stack([reduced(film) for film in [*films, jpeg(films[17])]])
    assert near_pairs(images)[0].tolist() == [[17, 150]]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images(count: int) -> None:
    assert near_pairs(strangers(2)[:count])[0].shape == (0, 2)


def test_images_without_structure_are_like_nothing() -> None:
    flat = np.full((6, SIDE, SIDE), 90, np.uint8)
    flat[3:, :2] = 91
    flat[0, 0, 0] = 89
    assert not fine_structure(flat[:3]).any()
    assert len(near_pairs(flat[:3])[0]) == 0


def test_a_large_group_is_joined_all_the_same() -> None:
    noise = np.random.default_rng(0).normal(0, 0.6, (40, SIDE, SIDE))
    films = np.clip(chest(0) + noise, 0, 255).astype(np.uint8)
    pairs, _ = near_pairs(films)
    joined = {0}
    for _ in films:
        joined |= {b for a, b in pairs if a in joined} | {a for a, b in pairs if b in joined}
    assert len(joined) == 40


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 39), st.floats(0, 6)), max_size=8),
    st.sampled_from([32, 64]),
)
@settings(max_examples=25, deadline=None)
def test_as_the_naive_twin(seed: int, copies: list, side: int) -> None:
    rng = np.random.default_rng(seed)
    films = [chest(seed * 50 + n, side) for n in range(40)]
    for source, noise in copies:
        films.append(np.clip(films[source] + rng.normal(0, noise, (side, side)), 0, 255))
    images = np.stack(films).astype(np.uint8)
    flat = fine_structure(images).reshape(len(images), -1)
    likeness = np.abs(flat @ flat.T)
    every = {tuple(pair) for pair in np.argwhere(np.triu(likeness >= ALIKE + 1e-5, 1)).tolist()}
    sure = {tuple(pair) for pair in np.argwhere(np.triu(likeness >= 0.97, 1)).tolist()}
    found = {tuple(pair) for pair in near_pairs(images)[0].tolist()}
    groups = {row for pair in sure for row in pair}
    assert found <= {tuple(p) for p in np.argwhere(np.triu(likeness >= ALIKE - 1e-5, 1)).tolist()}
    # In groups larger than the neighbours looked at, a pair may be found by way of others.
    assert groups <= {row for pair in found for row in pair}
    if len(every) <= 4:
        assert sure <= found


def source_with_copies(root: Path) -> Path:
    """Twelve patients; film 0 once more in test and film 1 once more in train, as others'."""
    for number in range(12):
        place = root / ("test" if number >= 9 else "train") / "AB"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"phantom{number:05d}_0.png").write_bytes(encoded(chest(number)))
    (root / "test/A/phantom00090_0.png").write_bytes(encoded(jpeg(chest(0))))
    (root / "train/B/phantom00091_0.png").write_bytes(encoded(jpeg(chest(1))))
    return root


def prepared(tmp_path: Path, wish: str) -> Dataset:
    source = source_with_copies(tmp_path / "films")
    options = DataSettings(resolution=32, near_duplicates=wish)
    return prepare(source, options, tmp_path / "cache")


def rows_of(dataset: Dataset) -> dict[str, tuple[str, str]]:
    """Number of the film to its split and patient."""
    columns = dataset.manifest[["name", "split", "patient"]]
    return {
        name[-11:-6]: (split, patient)
        for name, split, patient in columns.itertuples(index=False, name=None)
    }


def test_one_film_of_two_patients_is_in_one_split(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "join")
    rows = rows_of(dataset)
    assert len(rows) == 14
    assert rows["00000"] == rows["00090"] == ("test", "phantom00000")
    assert rows["00001"] == rows["00091"]
    assert any(
        "2 pairs of films are nearly the same picture: 2 of different patients, who count as one, "
        "1 across splits." in note
        for note in dataset.notes
    )


def test_spare_ones_are_dropped_on_demand(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "drop")
    rows = rows_of(dataset)
    assert set(rows) == {f"{n:05d}" for n in range(1, 12)} | {"00090"}
    assert rows["00090"][0] == "test"
    reasons = dict(dataset.refused.itertuples(index=False, name=None))
    assert reasons == {
        "train/A/phantom00000_0.png": "nearly the same picture as test/A/phantom00090_0.png",
        "train/B/phantom00091_0.png": "nearly the same picture as train/B/phantom00001_0.png",
    }
    assert any("2 near duplicates dropped, 1 of them across splits." in n for n in dataset.notes)


def test_nobody_looks_on_demand(tmp_path: Path) -> None:
    rows = rows_of(prepared(tmp_path, "ignore"))
    assert rows["00000"] == ("train", "phantom00000")
    assert rows["00090"] == ("test", "phantom00090")


def test_films_under_two_classes_are_told_and_dropped_both(tmp_path: Path) -> None:
    root = source_with_copies(tmp_path / "films")
    (root / "train/B/phantom00091_0.png").rename(root / "train/A/phantom00091_0.png")
    cache = tmp_path / "cache"
    told = prepare(root, DataSettings(resolution=32), cache).notes
    assert any("1 under different classes" in note for note in told)
    dataset = prepare(root, DataSettings(resolution=32, near_duplicates="drop"), cache)
    reasons = dict(dataset.refused.itertuples(index=False, name=None))
    wanted = "nearly the same picture under the labels A and B"
    assert reasons["train/A/phantom00091_0.png"] == wanted
    assert reasons["train/B/phantom00001_0.png"] == wanted
