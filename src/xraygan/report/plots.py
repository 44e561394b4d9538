"""Plots as inline SVG: no fonts, no scripts, coloured by the page, the same bytes every time.

Colours are classes of the page's style sheet, so that one drawing serves light, dark and print.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from xraygan.estimates import Estimate
from xraygan.report.readings import Reading
from xraygan.report.wording import floor_of, interval_of, number, value_of

AMONG_THEMSELVES = "real films among themselves"
STRIP_WIDTH, STRIP_HEIGHT = 320, 40
CHART_WIDTH, CHART_HEIGHT = 480, 250
_HISTOGRAM_HEIGHT = 110
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 40
_INSET = 8


@dataclass(frozen=True)
class Scale:
    """From values to pixels: evenly, or in even steps of ten on both sides of zero.

    Attributes:
        low: value at `start`.
        high: value at `end`, above `low`.
        start: px.
        end: px.
        linear_within: where given, values beyond plus and minus this are spaced by their
            logarithm.
    """

    low: float
    high: float
    start: float
    end: float
    linear_within: float | None = None

    def __call__(self, value: float) -> float:
        """Where a value lies; those outside lie on the edge."""
        value = min(max(value, self.low), self.high)
        low, high = self._bend(self.low), self._bend(self.high)
        share = (self._bend(value) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 2)

    def _bend(self, value: float) -> float:
        return math.asinh(value / self.linear_within) if self.linear_within else value

    @property
    def ticks(self) -> list[float]:
        """Round values inside: multiples of 1, 2 or 5, or powers of ten."""
        if self.linear_within is None:
            return nice_ticks(self.low, self.high)
        first = math.floor(math.log10(self.linear_within))
        last = math.ceil(math.log10(max(abs(self.low), abs(self.high), self.linear_within)))
        powers = [10.0**n for n in range(first, last + 1)]
        found = [-p for p in reversed(powers)] + [0.0] + powers
        return [value for value in found if self.low <= value <= self.high]


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` multiples of 1, 2 or 5 times a power of ten from `low` to `high`."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda m: abs(math.log(m * power / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def domain(estimate: Estimate, reading: Reading) -> tuple[float, float]:
    """The least and the largest value a strip shows: the figure's bounds where it has them."""
    values = [estimate.value, estimate.low, estimate.high]
    values += [estimate.floor, estimate.floor_low, estimate.floor_high, reading.chance]
    known = [v for v in values if v is not None and math.isfinite(v)] or [0.0]
    low: float = min([*known, *([] if reading.least is None else [reading.least])])
    high: float = max([*known, *([] if reading.most is None else [reading.most])])
    room = 0.06 * (high - low)
    low -= room if reading.least is None else 0
    high += room if reading.most is None else 0
    return (low, high) if high > low else (low, low + 1)


def strip(
    estimate: Estimate, reading: Reading, *, bar: bool = False, beside: str = AMONG_THEMSELVES
) -> Markup:
    """One figure on its scale: a dot in its interval, over the band of the floor.

    Args:
        estimate: what to draw.
        reading: for the bounds, and for the value that says nothing.
        bar: draw a bar from that value (or from the least) to the figure.
        beside: what the floor is called.
    """
    low, high = domain(estimate, reading)
    bent = reading.chance if reading.even_steps else None
    scale = Scale(low, high, _INSET, STRIP_WIDTH - _INSET, bent)
    middle = 13
    parts = [f'<path class="axis" d="M{_INSET} {middle}H{STRIP_WIDTH - _INSET}"/>']
    if estimate.floor is not None and math.isfinite(estimate.floor):
        parts.append(_floor_band(estimate, scale))
    if reading.chance is not None:
        parts.append(f'<path class="chance" d="M{scale(reading.chance)} 3V23"/>')
    if math.isfinite(estimate.value):
        if bar:
            start = scale(low if reading.chance is None else reading.chance)
            left, width = min(start, scale(estimate.value)), abs(scale(estimate.value) - start)
            parts.append(f'<rect class="bar" x="{left}" y="6" width="{width:.2f}" height="14"/>')
        if math.isfinite(estimate.low + estimate.high):
            ends = f"M{scale(estimate.low)} {middle}H{scale(estimate.high)}"
            parts.append(f'<path class="whisker" d="{ends}"/>')
        parts.append(f'<circle class="dot" cx="{scale(estimate.value)}" cy="{middle}" r="4.5"/>')
    parts += _ends(low, high)
    if bent is not None:
        between = [tick for tick in scale.ticks if low < tick < high]
        parts += [_text(scale(tick), 36, f"{tick:g}", "middle") for tick in between]
    return _svg(STRIP_WIDTH, STRIP_HEIGHT, in_words(estimate, reading, beside), parts, "strip")


def _ends(low: float, high: float) -> list[str]:
    decimals = max(0, min(4, 1 - math.floor(math.log10(high - low))))
    return [
        _text(_INSET, 36, number(low, decimals), "start"),
        _text(STRIP_WIDTH - _INSET, 36, number(high, decimals), "end"),
    ]


def in_words(estimate: Estimate, reading: Reading, beside: str = AMONG_THEMSELVES) -> str:
    """What a strip shows, for those who cannot see it."""
    if not math.isfinite(estimate.value):
        return f"{reading.title}: could not be measured"
    text = f"{reading.title}: {value_of(estimate)}, 95 % interval {interval_of(estimate)}"
    if estimate.floor is not None:
        text += f"; {beside} {floor_of(estimate)}"
    return text


def _floor_band(estimate: Estimate, scale: Scale) -> str:
    floor = estimate.floor or 0.0
    ends = (estimate.floor_low, estimate.floor_high)
    left, right = (scale(floor if v is None or not math.isfinite(v) else v) for v in ends)
    width = max(right - left, 3)
    return f'<rect class="floor" x="{left}" y="3" width="{width:.2f}" height="20" rx="2"/>'


def curves(
    images: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    reference: tuple[float, str] | None = None,
    band: tuple[Sequence[float], Sequence[float]] | None = None,
    linear_within: float | None = None,
) -> Markup:
    """Values against images seen.

    Args:
        images: images seen, rising.
        series: up to two curves by name, each as long as `images`.
        title: what is drawn, for those who cannot see it.
        reference: a level with its name, drawn as a dotted line.
        band: lower and upper end of an interval around the first curve.
        linear_within: as for `Scale`, for the values.

    Returns:
        The drawing; empty where there are no two points to join.
    """
    if len(images) < 2:
        return Markup("")
    values = [v for curve in (*series.values(), *(band or ())) for v in curve]
    values += [reference[0]] if reference else []
    low, high = min(*values, 0), max(values)
    high = high + 0.04 * (high - low) or 1.0
    x = Scale(images[0], images[-1], _LEFT, CHART_WIDTH - _RIGHT)
    y = Scale(low, high, CHART_HEIGHT - _BOTTOM, _TOP, linear_within)
    parts = _axes(x, y)
    if band:
        forth = [f"{x(a)} {y(b)}" for a, b in zip(images, band[1], strict=True)]
        back = [f"{x(a)} {y(b)}" for a, b in zip(images, band[0], strict=True)][::-1]
        parts.append(f'<path class="band" d="M{"L".join(forth + back)}Z"/>')
    if reference:
        level = y(reference[0])
        parts.append(f'<path class="chance" d="M{_LEFT} {level}H{CHART_WIDTH - _RIGHT}"/>')
    for index, curve in enumerate(series.values(), 1):
        points = "L".join(f"{x(a)} {y(b)}" for a, b in zip(images, curve, strict=True))
        parts.append(f'<path class="line line-{index}" d="M{points}"/>')
    return _svg(CHART_WIDTH, CHART_HEIGHT, title, parts, "chart")


def _axes(x: Scale, y: Scale) -> list[str]:
    parts = []
    for value in y.ticks:
        level = y(value)
        parts.append(f'<path class="rule" d="M{_LEFT} {level}H{CHART_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, level + 4, f"{value:g}".replace("-", "−"), "end"))
    for value in x.ticks:
        label = f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
        parts.append(_text(x(value), CHART_HEIGHT - _BOTTOM + 18, label, "middle"))
    base = CHART_HEIGHT - _BOTTOM
    parts.append(f'<path class="axis" d="M{_LEFT} {base}H{CHART_WIDTH - _RIGHT}"/>')
    centre = (_LEFT + CHART_WIDTH - _RIGHT) / 2
    parts.append(_text(centre, CHART_HEIGHT - 4, "images seen in training", "middle"))
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, title: str, parts: Sequence[str], kind: str) -> Markup:
    return Markup(  # noqa: S704  (numbers and escaped text)
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def histogram(shares: Sequence[float], title: str, ends: tuple[str, str]) -> Markup:
    """Shares of what falls into even steps, as an area.

    Args:
        shares: from the first step to the last, at least two.
        title: what is drawn, for those who cannot see it.
        ends: what the first and the last step are called.
    """
    x = Scale(0, len(shares) - 1, _INSET, STRIP_WIDTH - _INSET)
    y = Scale(0, max(*shares, 1e-12), _HISTOGRAM_HEIGHT - 18, 4)
    base = _HISTOGRAM_HEIGHT - 18
    points = "L".join(f"{x(step)} {y(share)}" for step, share in enumerate(shares))
    area = f"M{x(0)} {base}L{points}L{x(len(shares) - 1)} {base}Z"
    parts = [
        f'<path class="band" d="{area}"/>',
        f'<path class="line line-1" d="M{points}"/>',
        f'<path class="axis" d="M{_INSET} {base}H{STRIP_WIDTH - _INSET}"/>',
        _text(_INSET, _HISTOGRAM_HEIGHT - 4, ends[0], "start"),
        _text(STRIP_WIDTH - _INSET, _HISTOGRAM_HEIGHT - 4, ends[1], "end"),
    ]
    return _svg(STRIP_WIDTH, _HISTOGRAM_HEIGHT, title, parts, "chart")
