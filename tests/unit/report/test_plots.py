import itertools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.estimates import Estimate
from xraygan.report.plots import Scale, curves, domain, nice_ticks, strip
from xraygan.report.readings import Reading, reading_of

SHARE = Reading("Share", "", "higher", 0, 1)
OPEN = Reading("Distance", "", "lower", 0)


def tree_of(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)  # noqa: S314  (our own drawing)


def parts(drawing: str, kind: str) -> list[ElementTree.Element]:
    """Elements of a class, in order."""
    return [e for e in tree_of(drawing).iter() if e.get("class") == kind]


def points(drawing: str, kind: str) -> list[tuple[float, float]]:
    """Of the first path of a class."""
    numbers = re.findall(r"-?[\d.]+", parts(drawing, kind)[0].get("d", ""))
    return list(zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True))


def test_scale():
    scale = Scale(0, 10, 100, 0)
    assert [scale(v) for v in (0, 2.5, 10, -3, 99)] == [100, 75, 0, 100, 0]
    bent = Scale(-1, 1, 0, 100, linear_within=0.01)
    assert bent(0) == 50
    # Far from zero equal ratios are equal distances.
    assert bent(1) - bent(0.1) == pytest.approx(bent(0.1) - bent(0.01), rel=0.2)
    assert bent.ticks == [-1, -0.1, -0.01, 0, 0.01, 0.1, 1]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_inside_and_few(low, width):
    high = low + width
    if high - low < 1e-6 * max(abs(low), 1):
        return
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert all(low - 1e-6 * width <= t <= high + 1e-6 * width for t in ticks)


def test_ticks():
    assert nice_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert nice_ticks(0, 12000) == [0, 2000, 4000, 6000, 8000, 10000, 12000]


def test_domain():
    assert domain(Estimate(0.9, 0.8, 0.95, 9), SHARE) == (0, 1)
    assert domain(Estimate(1.1, 1.0, 1.2, 9), SHARE) == (0, 1.2)
    low, high = domain(Estimate(2, 1, 3, 9, floor=0.0, floor_low=-1.0, floor_high=0.5), OPEN)
    assert low == -1
    assert high == pytest.approx(3 + 0.06 * 4)
    assert domain(Estimate(0, 0, 0, 9), OPEN) == (0, 1)
    assert domain(Estimate(math.nan, math.nan, math.nan, 9), OPEN) == (0, 1)


def test_strip_puts_everything_where_it_belongs():
    estimate = Estimate(0.75, 0.5, 1.0, 9, floor=0.25, floor_low=0.125, floor_high=0.5)
    drawing = strip(estimate, SHARE)
    (dot,), (floor,) = parts(drawing, "dot"), parts(drawing, "floor")
    left, right = 8, 312
    at = lambda share: left + share * (right - left)  # noqa: E731
    assert float(dot.get("cx")) == at(0.75)
    assert float(floor.get("x")) == at(0.125)
    assert float(floor.get("width")) == at(0.5) - at(0.125)
    numbers = re.findall(r"[\d.]+", parts(drawing, "whisker")[0].get("d"))
    assert [float(n) for n in (numbers[0], numbers[2])] == [at(0.5), at(1)]
    assert not parts(drawing, "bar")
    assert not parts(drawing, "chance")


def test_a_bar_starts_at_guessing():
    reading = replace(reading_of("auc", "utility"), least=0)
    for value in (0.9, 0.2):
        drawing = strip(Estimate(value, value, value, 9), reading, bar=True)
        (bar,) = parts(drawing, "bar")
        ends = sorted([8 + 304 * 0.5, 8 + 304 * value])
        assert float(bar.get("x")) == pytest.approx(ends[0])
        assert float(bar.get("width")) == pytest.approx(ends[1] - ends[0])
        assert parts(drawing, "chance")


def test_strip_of_what_could_not_be_measured():
    drawing = strip(Estimate(math.nan, math.nan, math.nan, 0), SHARE)
    assert not parts(drawing, "dot")
    assert "could not be measured" in drawing
    assert "nan" not in drawing


@given(
    st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=3, max_size=3),
    st.none() | st.floats(-1e9, 1e9),
    st.sampled_from(["kid", "auc", "tpr_at_1_percent", "ms_ssim", "unknown"]),
    st.sampled_from(["fidelity", "utility", "membership"]),
)
def test_any_strip_is_well_formed_and_stays_inside(numbers, floor, key, topic):
    drawing = strip(Estimate(*numbers, n=9, floor=floor), reading_of(key, topic))
    tree = tree_of(drawing)
    for element in tree.iter():
        for name in ("x", "cx"):
            assert -1 <= float(element.get(name, 0)) <= 321
    assert "nan" not in re.sub(r'aria-label="[^"]*"', "", drawing)


def test_text_is_escaped():
    title = 'a "b" <c> & d'
    drawing = strip(Estimate(0.5, 0.4, 0.6, 9), Reading(title, ""))
    assert tree_of(drawing).get("aria-label", "").startswith(title)


def test_curves():
    drawing = curves(
        [0, 1000, 2000],
        {"a": [0, 1, 2], "b": [2, 2, 2]},
        title="two curves",
        reference=(1.0, "one"),
        band=([0, 0.5, 1.5], [0.5, 1.5, 2.5]),
    )
    first, second = points(drawing, "line line-1"), points(drawing, "line line-2")
    assert [x for x, _ in first] == [58, 263, 468]
    assert first[0][1] == 210  # zero lies on the axis
    assert first[2] == second[2]
    assert second[0][1] == second[1][1] == second[2][1]
    assert first[1][1] == pytest.approx((first[0][1] + first[2][1]) / 2, abs=0.01)
    level = re.search(r"M58 ([\d.]+)H", parts(drawing, "chance")[0].get("d"))
    assert float(level[1]) == first[1][1]
    band = points(drawing, "band")
    assert [x for x, _ in band] == [58, 263, 468, 468, 263, 58]
    labels = [e.text for e in tree_of(drawing).iter() if e.tag.endswith("text")]
    assert "images seen in training" in labels
    assert "1k" in labels


def test_no_curve_without_two_points():
    assert curves([], {"a": []}, title="") == ""
    assert curves([1], {"a": [1]}, title="") == ""


def test_flat_curves_are_drawn():
    drawing = curves([1, 2], {"a": [0, 0]}, title="flat")
    assert [y for _, y in points(drawing, "line line-1")] == [210, 210]


def test_rare_events_are_drawn_in_even_steps_that_are_marked():
    reading = reading_of("tpr_at_0.1_percent", "membership")
    places = [
        float(parts(strip(Estimate(v, v, v, 9), reading), "dot")[0].get("cx"))
        for v in (0.001, 0.01, 0.1, 1)
    ]
    steps = [b - a for a, b in itertools.pairwise(places)]
    assert max(steps) / min(steps) < 1.6
    texts = [e.text for e in tree_of(strip(Estimate(0.2, 0.1, 0.3, 9), reading)).iter() if e.text]
    assert texts == ["0.0", "1.0", "0.001", "0.01", "0.1"]
