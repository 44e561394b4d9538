"""The network that is trained here: the same one every time, and it sees what it was taught."""

import json

import numpy as np
import pytest
from films import blurred, films, phantoms

from xraygan.errors import XrayganError
from xraygan.evaluation import chest_net as chest_net_module
from xraygan.evaluation.chest_net import LEAST_IMAGES, chest_net
from xraygan.evaluation.chest_trunk import build_trunk, describer
from xraygan.evaluation.kernel import kernel_distance
from xraygan.evaluation.lessons import GRADED, KINDS, UNKNOWN, Lessons
from xraygan.evaluation.spaces import make_space

SHORT = 320
"""Five batches: enough to tell one course from another, not to learn."""


@pytest.fixture(scope="module")
def reference():
    return films(60, 1)


@pytest.fixture(scope="module")
def trained(reference, tmp_path_factory):
    cache = tmp_path_factory.mktemp("nets")
    return chest_net(reference, cache=cache, phantoms=phantoms, course=SHORT), cache


def test_lessons_know_what_they_did(reference) -> None:
    lessons = Lessons(reference, phantoms, 10_000, seed=3)
    batch = lessons.batch(0, 400)
    assert batch.images.shape == (400, 64, 64)
    assert batch.images.dtype == np.uint8
    assert set(batch.kinds) == set(range(len(KINDS)))
    graded = GRADED[batch.kinds]
    assert (batch.strengths[~graded] == 0).all()
    assert 0.4 < batch.strengths[graded].mean() < 0.6
    assert (batch.labels[batch.kinds == KINDS.index("phantom")] == UNKNOWN).all()
    clean = batch.kinds == KINDS.index("none")
    originals = {image.tobytes() for image in reference.images}
    assert all(image.tobytes() in originals for image in batch.images[clean])
    again = Lessons(reference, phantoms, 10_000, seed=3).batch(0, 400)
    np.testing.assert_array_equal(batch.images, again.images)
    assert (lessons.batch(1, 400).images != batch.images).any()


def test_labels_are_those_of_the_films(reference) -> None:
    batch = Lessons(reference, None, 10_000, seed=0).batch(0, 300)
    assert KINDS.index("phantom") not in batch.kinds
    label_of = {i.tobytes(): n for i, n in zip(reference.images, reference.labels, strict=True)}
    clean = np.flatnonzero(batch.kinds == KINDS.index("none"))
    assert [label_of[batch.images[n].tobytes()] for n in clean] == batch.labels[clean].tolist()


def test_few_films_are_shown_a_few_dozen_times_only(reference) -> None:
    """Sixty films, forty views each, in a course of 48,000: a twentieth."""
    batch = Lessons(reference, phantoms, 48_000, seed=0).batch(0, 1000)
    clean = (batch.kinds == KINDS.index("none")).sum()
    simulated = (batch.kinds == KINDS.index("phantom")).sum()
    assert clean < 0.1 * simulated


def test_large_films_are_taught_as_wholes_and_in_parts() -> None:
    large = films(20, 4, side=128)
    batch = Lessons(large, phantoms, 800, seed=0).batch(0, 200)
    assert batch.images.shape == (200, 64, 64)
    clean = batch.images[batch.kinds == KINDS.index("none")]
    wholes = large.images.reshape(-1, 64, 2, 64, 2).mean(axis=(2, 4))
    near = np.abs(clean[:, None] - wholes[None]).max(axis=(2, 3)).min(axis=1) <= 0.5
    assert 0.25 < near.mean() < 0.75


def test_the_same_seed_gives_the_same_network_bit_for_bit(reference, trained) -> None:
    again = chest_net(reference, phantoms=phantoms, course=SHORT)
    assert again.fingerprint == trained[0].fingerprint
    np.testing.assert_array_equal(
        again.describe(reference.images[:5]), trained[0].describe(reference.images[:5])
    )


def test_another_seed_reference_or_course_gives_another_network(reference, trained) -> None:
    others = [
        chest_net(reference, phantoms=phantoms, course=128, seed=1),
        chest_net(reference, phantoms=phantoms, course=128),
        chest_net(films(60, 2), phantoms=phantoms, course=128),
    ]
    assert len({trained[0].fingerprint, *(space.fingerprint for space in others)}) == 4


def test_a_cached_network_is_read_and_a_damaged_one_trained_again(reference, trained) -> None:
    space, cache = trained
    (weights,) = cache.glob("*.safetensors")
    facts = json.loads(weights.with_suffix(".json").read_text())
    assert facts["course"] == SHORT
    before = weights.stat().st_mtime_ns
    same = chest_net(reference, cache=cache, phantoms=phantoms, course=SHORT)
    assert same.fingerprint == space.fingerprint
    assert weights.stat().st_mtime_ns == before
    data = bytearray(weights.read_bytes())
    data[-1000] ^= 255
    weights.write_bytes(data)
    mended = chest_net(reference, cache=cache, phantoms=phantoms, course=SHORT)
    assert mended.fingerprint == space.fingerprint
    assert bytes(data) != weights.read_bytes()


def test_an_image_is_described_for_itself() -> None:
    describe = describer(build_trunk(0))
    images = films(70, 5).images
    together = describe(images)
    assert together.shape == (70, 640)
    assert together.dtype == np.float32
    alone = np.concatenate([describe(images[n : n + 1]) for n in (0, 33, 69)])
    np.testing.assert_allclose(together[[0, 33, 69]], alone, rtol=0, atol=1e-5)
    assert describe(images[:0]).shape == (0, 640)


@pytest.mark.parametrize(("size", "length"), [((32, 32), 640), ((40, 64), 640), ((100, 80), 1280)])
def test_films_of_any_size_are_described(size, length) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
    got = describer(build_trunk(0))(images)
    assert got.shape == (3, length)
    assert np.isfinite(got).all()


def test_tiles_are_averaged_behind_the_whole() -> None:
    describe = describer(build_trunk(0))
    image = films(1, 6, side=128).images
    tiles = np.stack([image[0, y : y + 64, x : x + 64] for y in (0, 64) for x in (0, 64)])
    expected = describe(tiles).mean(axis=0)
    np.testing.assert_allclose(describe(image)[0, 640:], expected, rtol=0, atol=1e-5)


def test_too_few_films_are_refused() -> None:
    with pytest.raises(XrayganError, match=f"at least {LEAST_IMAGES}"):
        chest_net(films(LEAST_IMAGES - 1, 0))
    with pytest.raises(ValueError, match="16 px"):
        describer(build_trunk(0))(np.zeros((1, 64, 12), np.uint8))


@pytest.mark.slow
def test_after_a_course_distance_grows_with_blur_and_other_patients_are_near(monkeypatch) -> None:
    monkeypatch.setattr(chest_net_module, "COURSE", 6400)
    reference, others = films(300, 1), films(300, 2).images
    space = make_space("chest-net-1", reference, phantoms=phantoms)
    real = space.describe(reference.images)

    def distance(images: np.ndarray) -> float:
        return kernel_distance(real, space.describe(images)).value

    floor = abs(distance(others))
    blurs = [distance(blurred(others, sigma)) for sigma in (0.4, 0.8, 1.2)]
    assert blurs == sorted(blurs)
    assert blurs[0] > 3 * floor
    assert distance(others[::2]) < blurs[0] < distance(phantoms(40, 64))
