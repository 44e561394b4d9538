"""Feature spaces by name: one scale, one cache, and clear answers."""

import tracemalloc

import numpy as np
import pytest
from films import blurred, films, phantoms
from hypothesis import given
from hypothesis import strategies as st

from xraygan.errors import XrayganError
from xraygan.evaluation import chest_net, feature_cache
from xraygan.evaluation.feature_cache import content_hash
from xraygan.evaluation.features import filter_bank_features, standardise
from xraygan.evaluation.spaces import FEATURE_SPACES, FeatureSpace, features, make_space
from xraygan.sets import ImageSet


@pytest.fixture(scope="module")
def reference():
    return films(60, 1)


@pytest.fixture(scope="module")
def bank(reference):
    return make_space("filter-bank-1", reference)


def counting() -> tuple[FeatureSpace, list[int]]:
    """A space that counts how many images it is asked for at a time."""
    asked: list[int] = []

    def describe(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return images.reshape(len(images), -1)[:, :3].astype(np.float32)

    return FeatureSpace("counting", "0", describe), asked


def test_filter_bank_is_on_the_scale_of_the_reference(bank, reference) -> None:
    raw = filter_bank_features(reference.images)
    np.testing.assert_array_equal(bank.describe(reference.images), standardise(raw).apply(raw))


def test_equal_references_give_equal_fingerprints(bank, reference) -> None:
    assert make_space("filter-bank-1", films(60, 1)).fingerprint == bank.fingerprint
    assert make_space("filter-bank-1", films(60, 2)).fingerprint != bank.fingerprint
    assert len(bank.fingerprint) == 64


def test_chest_net_is_made_on_its_scale(reference, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(chest_net, "COURSE", 128)
    space = make_space("chest-net-1", reference, cache=tmp_path, phantoms=phantoms)
    got = features(space, reference.images)
    assert space.name == "chest-net-1"
    assert got.shape == (60, 640)
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=0.5)
    again = make_space("chest-net-1", reference, cache=tmp_path, phantoms=phantoms)
    assert again.fingerprint == space.fingerprint


def test_twenty_films_of_one_class_are_enough(monkeypatch) -> None:
    monkeypatch.setattr(chest_net, "COURSE", 128)
    few = films(40, 1, side=32).of_class(1)
    few = ImageSet(few.images, np.zeros(20, np.int32), few.patients, ("PNEUMONIA",))
    others = films(30, 2, side=32).images
    for name in ("filter-bank-1", "chest-net-1"):
        got = make_space(name, few, phantoms=phantoms).describe(others)
        assert len(got) == 30
        assert np.isfinite(got).all()
        assert got.std() > 0.3


@pytest.mark.parametrize(
    ("name", "hint"), [("filterbank", "filter-bank-1"), ("chestnet", "chest-net-1"), ("xyz", "")]
)
def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(reference, name, hint) -> None:
    with pytest.raises(XrayganError) as caught:
        make_space(name, reference)
    message = str(caught.value)
    assert ", ".join(FEATURE_SPACES) in message
    assert f"'{name}'" in message
    assert ("did you mean" in message) == bool(hint)
    assert f"did you mean {hint}?" in message or not hint
    assert "\n" not in message


def test_one_reference_image_sets_no_scale(reference) -> None:
    with pytest.raises(XrayganError, match="1 reference image"):
        make_space("filter-bank-1", reference.rows(np.array([0])))


def test_features_come_from_the_cache_the_second_time(reference, tmp_path) -> None:
    space, asked = counting()
    first = features(space, reference.images, cache=tmp_path / "new")
    second = features(space, reference.images, cache=tmp_path / "new")
    assert asked == [60]
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.float32
    (file,) = (tmp_path / "new").iterdir()
    np.testing.assert_array_equal(np.load(file), first)


def test_other_images_shapes_or_spaces_are_other_features(reference, tmp_path) -> None:
    space, asked = counting()
    other = FeatureSpace("counting", "1", space.describe)
    changed = reference.images.copy()
    changed[59, 63, 63] ^= 1
    for chosen, images in (
        (space, reference.images),
        (space, changed),
        (space, reference.images.reshape(60, 32, 128)),
        (space, reference.images[:-1]),
        (other, reference.images),
    ):
        features(chosen, images, cache=tmp_path)
    assert asked == [60, 60, 60, 59, 60]
    assert len(list(tmp_path.iterdir())) == 5


@given(where=st.floats(0, 1), cut=st.booleans())
def test_a_damaged_file_is_computed_again(tmp_path_factory, where, cut) -> None:
    cache = tmp_path_factory.mktemp("cache")
    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16), dtype=np.uint8)
    space, asked = counting()
    expected = features(space, images, cache=cache).copy()  # it is a map of what is damaged next
    (file,) = cache.iterdir()
    data = bytearray(file.read_bytes())
    place = min(int(where * len(data)), len(data) - 1)
    if cut:
        del data[place:]
    else:
        data[place] ^= 255
    file.write_bytes(data)
    np.testing.assert_array_equal(features(space, images, cache=cache), expected)
    assert asked == [9, 9]
    np.testing.assert_array_equal(features(space, images, cache=cache), expected)
    assert asked == [9, 9]


def test_the_memory_does_not_grow_with_the_images(tmp_path, monkeypatch) -> None:
    """A table of 8 MB, written and read 64 rows at a time."""
    monkeypatch.setattr(feature_cache, "_IMAGES_AT_ONCE", 64)
    space = FeatureSpace("wide", "0", lambda i: np.repeat(i[:, 0, :1], 500, 1).astype(np.float32))
    images = np.random.default_rng(0).integers(0, 256, (4000, 16, 16), dtype=np.uint8)
    tracemalloc.start()
    table = features(space, images, cache=tmp_path)
    again = features(space, images, cache=tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.nbytes == 8_000_000
    assert peak < 1_000_000
    for found in (table, again):
        np.testing.assert_array_equal(found[:, 499], images[:, 0, 0])


def test_a_cache_that_is_a_file_is_named(reference, tmp_path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(XrayganError, match="taken"):
        features(counting()[0], reference.images, cache=tmp_path / "taken")


def test_features_are_the_same_whatever_the_chunks(bank, monkeypatch) -> None:
    images = films(150, 3).images
    whole = features(bank, images)
    monkeypatch.setattr(feature_cache, "_IMAGES_AT_ONCE", 64)
    np.testing.assert_array_equal(features(bank, images), whole)


def test_memory_is_of_a_chunk_and_not_of_the_set(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(feature_cache, "_IMAGES_AT_ONCE", 100)
    stored = np.lib.format.open_memmap(
        tmp_path / "images.npy", mode="w+", dtype=np.uint8, shape=(1050, 16, 16)
    )
    space, asked = counting()
    assert features(space, stored).shape == (1050, 3)
    assert asked == [100] * 10 + [50]


def test_no_images_give_no_rows(bank) -> None:
    assert features(bank, np.empty((0, 64, 64), np.uint8)).shape == (0, 507)


def test_wrong_input_is_refused(bank) -> None:
    with pytest.raises(TypeError, match="float64"):
        features(bank, np.zeros((2, 64, 64)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"\[N, H, W\]"):
        features(bank, np.zeros((64, 64), np.uint8))


def test_hashes_keep_borders_types_and_shapes_apart() -> None:
    zeros = np.zeros((2, 3), np.uint8)
    hashes = [
        content_hash("ab", "c"),
        content_hash("\udcfcber.png"),
        content_hash("a", "bc"),
        content_hash(zeros),
        content_hash(zeros.reshape(3, 2)),
        content_hash(zeros.astype(np.int8)),
        content_hash(zeros, zeros),
    ]
    assert len(set(hashes)) == len(hashes)
    assert content_hash(zeros) == content_hash(np.asfortranarray(zeros))


def test_blur_is_far_in_this_space_too(bank, reference) -> None:
    from xraygan.evaluation.kernel import kernel_distance

    real, others = bank.describe(reference.images), films(60, 2).images
    near = kernel_distance(real, bank.describe(others)).value
    assert kernel_distance(real, bank.describe(blurred(others, 0.8))).value > 10 * abs(near)
