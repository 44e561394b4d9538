"""When a run goes on, and to where."""

from typing import Any

import pytest

from xraygan.training.identity import same_length


def config(films: int, **length: float) -> dict[str, Any]:
    training = {"epochs": None, "kimg": None, "minutes": None, "batch": 8, **length}
    return {"settings": {"training": training}, "data": {"counts": {"train/A": films}}}


@pytest.mark.parametrize(
    ("length", "same"),
    [({}, False), ({"epochs": 3}, False), ({"kimg": 2}, True), ({"minutes": 5}, True)],
)
def test_a_length_by_films_changes_with_them(length: dict[str, float], same: bool) -> None:
    assert same_length(config(100, **length), config(100, **length))
    assert same_length(config(100, **length), config(120, **length)) == same
