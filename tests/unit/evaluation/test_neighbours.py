"""Neighbours and coverage against loops over every pair, and known answers."""

import tracemalloc

import numpy as np
import pytest

from xraygan.evaluation import neighbours
from xraygan.evaluation.neighbours import coverage, nearest, neighbourhood


def pictures(count: int, seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)


def test_nearest_equals_corrcoef(monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "_QUERIES_AT_ONCE", 4)
    monkeypatch.setattr(neighbours, "_REFERENCES_AT_ONCE", 7)
    query, reference = pictures(10, 1), pictures(23, 2)
    similarity, index = nearest(query, reference, 5)
    assert similarity.shape == index.shape == (10, 5)
    assert similarity.dtype == np.float32
    for q in range(10):
        each = [np.corrcoef(query[q].ravel(), r.ravel())[0, 1] for r in reference]
        best = np.argsort(each)[::-1][:5]
        np.testing.assert_array_equal(index[q], best)
        np.testing.assert_allclose(similarity[q], np.array(each)[best], atol=1e-5)


def test_a_copy_is_found_through_contrast_and_brightness() -> None:
    reference = pictures(50, 3, 64)
    query = (reference[[7, 31]] * 0.5 + 40).astype(np.uint8)
    similarity, index = nearest(query, reference)
    np.testing.assert_array_equal(index[:, 0], [7, 31])
    assert (similarity > 0.999).all()


def test_all_copies_in_the_reference_are_found(monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "_REFERENCES_AT_ONCE", 3)
    one = pictures(1, 4)
    similarity, index = nearest(one, np.concatenate([pictures(1, 5), *[one] * 6]), 6)
    assert set(index[0]) == {1, 2, 3, 4, 5, 6}
    np.testing.assert_allclose(similarity, 1, atol=1e-5)


def test_large_images_are_compared_at_64_px() -> None:
    small = pictures(6, 6, 64)
    large = small.repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_allclose(nearest(large, large, 3)[0], nearest(small, small, 3)[0], atol=1e-5)


def test_a_flat_image_resembles_nothing() -> None:
    flat = np.full((1, 16, 16), 200, np.uint8)
    similarity, _ = nearest(flat, np.concatenate([flat, pictures(3, 7)]))
    assert similarity[0, 0] == 0


def test_memory_does_not_grow_with_the_reference_set(monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "_REFERENCES_AT_ONCE", 64)
    query, reference = pictures(4, 1, 32), pictures(2000, 2, 32)
    tracemalloc.start()
    nearest(query, reference)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < reference.nbytes, "and not four times that, in float32"


def test_no_queries_give_no_rows() -> None:
    similarity, index = nearest(pictures(0, 1), pictures(3, 2), 2)
    assert similarity.shape == index.shape == (0, 2)


def test_nearest_refuses_wrong_input() -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        nearest(pictures(2, 1), pictures(3, 1), 4)
    with pytest.raises(ValueError, match="one size"):
        nearest(pictures(2, 1), pictures(3, 1, 32))
    with pytest.raises(TypeError, match="uint8"):
        nearest(pictures(2, 1).astype(float), pictures(3, 1))


def twin(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """The four definitions, pair by pair."""

    def reach(cloud: np.ndarray) -> list[float]:
        return [
            sorted(float(np.linalg.norm(a - b)) for j, b in enumerate(cloud) if j != i)[k - 1]
            for i, a in enumerate(cloud)
        ]

    r_real, r_fake = reach(real), reach(fake)
    far = [[float(np.linalg.norm(x - y)) for y in fake] for x in real]
    n, m = range(len(real)), range(len(fake))
    precision = np.mean([any(far[i][j] <= r_real[i] for i in n) for j in m])
    recall = np.mean([any(far[i][j] <= r_fake[j] for j in m) for i in n])
    density = sum(far[i][j] <= r_real[i] for i in n for j in m) / (k * len(fake))
    covered = np.mean([any(far[i][j] <= r_real[i] for j in m) for i in n])
    return float(precision), float(recall), float(density), float(covered)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_coverage_equals_the_loops(monkeypatch, k) -> None:
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", 8)
    random = np.random.default_rng(k)
    real, fake = random.normal(size=(30, 3)), random.normal(0.7, 0.8, size=(21, 3))
    got = coverage(real, fake, k=k)
    assert (got.precision, got.recall, got.density, got.coverage) == pytest.approx(
        twin(real, fake, k)
    )
    assert 0 < got.recall < 1
    assert 0 < got.coverage < 1


def test_equal_clouds_meet_naeems_expectation() -> None:
    """Lemma 2: E[coverage] = 1 - (N-1)…(N-k) / (2N-1)…(2N-k), for k = 5 about 1 - 2^-5."""
    random = np.random.default_rng(8)
    got = coverage(random.normal(size=(1500, 8)), random.normal(size=(1500, 8)))
    assert got.coverage == pytest.approx(1 - 2**-5, abs=0.015)
    assert got.density == pytest.approx(1, abs=0.08)


def test_a_lost_mode_lowers_coverage_and_recall_alone() -> None:
    random = np.random.default_rng(9)
    real = np.concatenate([random.normal(-9, 1, (200, 4)), random.normal(9, 1, (200, 4))])
    got = coverage(real, random.normal(9, 1, (400, 4)))
    assert got.coverage == pytest.approx(0.5, abs=0.02)
    assert got.recall < 0.51
    assert got.precision > 0.9


def test_coverage_refuses_wrong_input() -> None:
    with pytest.raises(ValueError, match="k is 5"):
        coverage(np.zeros((5, 2)), np.zeros((9, 2)))
    with pytest.raises(ValueError, match="expected"):
        coverage(np.zeros((9, 2)), np.zeros((9, 3)))


def test_neighbourhood_answers_for_each_image() -> None:
    random = np.random.default_rng(10)
    real, fake = random.normal(size=(60, 3)), random.normal(0.5, 1, size=(40, 3))
    found, order = neighbourhood(real, fake, k=3), random.permutation(40)
    turned = neighbourhood(real[::-1], fake[order], k=3)
    np.testing.assert_array_equal(turned.balls, found.balls[order])
    np.testing.assert_array_equal(turned.recalled, found.recalled[::-1])
    np.testing.assert_array_equal(turned.covered, found.covered[::-1])
    far = neighbourhood(real, np.concatenate([fake, [[50.0, 0, 0]]]), k=3)
    assert far.balls[-1] == 0
    assert found.balls.max() > 1


def test_copies_are_in_their_balls_and_a_far_origin_does_not_matter() -> None:
    real = np.random.default_rng(11).normal(size=(300, 40)).astype(np.float32)
    got = coverage(real, real)
    assert got.precision == got.recall == got.coverage == 1
    fake = real + np.float32(0.3)
    near, far = coverage(real, fake), coverage(real + 512, fake + 512)
    assert (near.density, near.recall) == pytest.approx((far.density, far.recall), abs=0.02)


def test_duplicates_lower_recall_and_coverage() -> None:
    random = np.random.default_rng(12)
    real, fake = random.normal(size=(2, 400, 6))
    found = [coverage(real, fake[np.arange(400) % kept]) for kept in (400, 200, 60, 20)]
    for measure in ("recall", "coverage"):
        values = [getattr(f, measure) for f in found]
        assert values == sorted(values, reverse=True)
        assert values[3] < 0.6 * values[0]
