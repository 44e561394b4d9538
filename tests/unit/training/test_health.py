import pytest

from xraygan.training.health import TICKS, concerns
from xraygan.training.loop import warn

WELL = {"d_loss": 0.5, "fake_spread": 0.3}


def rows(**last: float) -> list[dict[str, float]]:
    return [WELL] * 5 + [WELL | last] * TICKS


def test_a_healthy_game() -> None:
    assert concerns(rows(), 0.32) == {}
    assert concerns([], 0.32) == {}


@pytest.mark.parametrize(
    ("last", "kind", "remedy"),
    [
        ({"d_loss": 0.05}, "overwhelmed", "--gamma"),
        ({"fake_spread": 0.1}, "collapsed", "--learning-rate"),
        ({"least_class_spread": 0.3}, "class collapsed", "--learning-rate"),
        ({"d_loss": 0.692, "images_seen": 12_000}, "unmoved", "--gamma"),
    ],
)
def test_each_sign_is_named_with_a_remedy(last, kind, remedy) -> None:
    found = concerns(rows(**last), 0.32)
    assert list(found) == [kind]
    assert remedy in found[kind]
    assert "\n" not in found[kind]


def test_guessing_at_the_beginning_is_no_sign() -> None:
    assert concerns(rows(d_loss=0.692, images_seen=2_000), 0.32) == {}


def test_one_bad_tick_is_no_sign() -> None:
    assert concerns([*rows(), WELL | {"least_class_spread": 0.1}], 0.32) == {}
    assert concerns([*rows(), WELL | {"d_loss": 0.01, "fake_spread": 0.0}], 0.32) == {}


def test_a_concern_is_said_once_even_after_a_resume() -> None:
    facts: dict = {}
    said: list[str] = []
    reporter = type("Said", (), {"note": staticmethod(said.append)})
    found = concerns(rows(d_loss=0.05), 0.32)
    warn(facts, found, reporter)  # type: ignore[arg-type]
    warn(dict(facts), found, reporter)  # type: ignore[arg-type]
    assert len(said) == 1
    assert said[0].startswith("warning: the discriminator overwhelms")
