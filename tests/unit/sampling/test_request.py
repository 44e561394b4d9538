import pytest

from xraygan.errors import XrayganError
from xraygan.models.sample import CHUNK
from xraygan.sampling import request
from xraygan.sampling.request import MAX_IMAGES, Request


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num": 0}, r"--num 0: choose 1 to 1,000,000,000 images"),
        ({"num": -1}, "--num -1"),
        ({"num": 10**9 + 1}, "--num 1000000001"),
        ({"num": 1, "seed": -1}, "--seed -1: choose 0 to 2147483647"),
        ({"num": 1, "seed": 2**31}, "--seed 2147483648"),
        ({"num": 1, "first": -1}, "--first -1"),
        ({"num": 1, "first": 2**62 + 1}, "--first"),
        ({"num": 1, "class_name": "A", "like_train": True}, "exclude each other"),
    ],
)
def test_what_cannot_be_asked(values: dict, message: str) -> None:
    with pytest.raises(XrayganError, match=message):
        Request(**values)


def test_the_limits_can_be_asked() -> None:
    assert MAX_IMAGES == 10**9
    Request(10**9, seed=2**31 - 1, first=2**62)
    Request(1, class_name="A")


def test_work_is_cut_between_images_that_are_computed_together() -> None:
    assert request._STEP == CHUNK
