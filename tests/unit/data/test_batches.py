import numpy as np
import pytest

from xraygan.data.batches import BatchOrder


def test_every_epoch_shows_every_image_once() -> None:
    order = BatchOrder(17, seed=3)
    for epoch in range(4):
        assert sorted(order.indices(17 * epoch, 17)) == list(range(17))


def test_epochs_and_seeds_differ() -> None:
    order = BatchOrder(50, seed=3)
    assert not np.array_equal(order.indices(0, 50), order.indices(50, 50))
    assert not np.array_equal(order.indices(0, 50), BatchOrder(50, seed=4).indices(0, 50))


def test_position_is_a_function_of_images_seen() -> None:
    whole = BatchOrder(10, seed=1).indices(0, 95)
    order = BatchOrder(10, seed=1)
    for start, count in [(40, 7), (0, 3), (88, 7), (13, 61), (5, 0)]:
        part = order.indices(start, count)
        assert part.dtype == np.int32
        assert np.array_equal(part, whole[start : start + count])


def test_fewer_images_than_a_batch() -> None:
    counts = np.bincount(BatchOrder(3, seed=0).indices(0, 32), minlength=3)
    assert counts.sum() == 32
    assert counts.min() >= 10


def test_only_two_permutations_are_kept() -> None:
    order = BatchOrder(5, seed=0)
    order.indices(0, 5000)
    assert len(order._permutations) <= 2


def test_epoch() -> None:
    assert BatchOrder(40, seed=0).epoch(50) == 1.25


@pytest.mark.parametrize(("num_images", "seed"), [(0, 0), (-1, 0), (3, -1), (3, 2**64)])
def test_bad_arguments(num_images: int, seed: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        BatchOrder(num_images, seed)
    with pytest.raises(ValueError, match="negative"):
        BatchOrder(3, 0).indices(-1, 2)
