"""What the audit of filtered images says of itself, and what it is called."""

from types import SimpleNamespace

import pytest

from xraygan.api.filtering import CopyFilter, _audited
from xraygan.sampling.records import audit_name
from xraygan.sampling.request import Shard


def test_each_shard_has_an_audit_of_its_own() -> None:
    names = [audit_name(Shard(number, 3)) for number in (1, 2, 3)]
    assert names == ["audit-1-of-3.json", "audit-2-of-3.json", "audit-3-of-3.json"]
    assert audit_name(Shard()) == "audit.json"


@pytest.mark.parametrize(
    ("images", "kept", "shard", "said"),
    [
        (60, 60, Shard(), "Audited: the 60 images that the filter let through."),
        (5000, 9001, Shard(), "Audited: the first 5,000 of the 9,001 images that the filter let "),
        (60, 60, Shard(3, 16), "Audited: the 60 images of shard 3 of 16 that the filter let "),
    ],
)
def test_which_images_were_audited(images: int, kept: int, shard: Shard, said: str) -> None:
    assert _audited(images, kept, shard).startswith(said)


@pytest.mark.parametrize(("chance", "said"), [(1 / 7, "14 %"), (0.01, "1 %"), (3 / 221, "1.4 %")])
def test_the_chance_that_was_reached_is_said(chance: float, said: str) -> None:
    lines: list[str] = []
    copies = object.__new__(CopyFilter)
    copies._bound = SimpleNamespace(chance=chance)
    copies._left_out, copies._seen = 3, 60
    copies._reporter = SimpleNamespace(note=lines.append)
    copies.say_how_many()
    assert f"3 of 60 images came nearer to a training patient than {said} of honest" in lines[0]
