"""A chart as SVG text: observed over the expected band, what was abnormal marked.

Small, for a browser, a mail or Home Assistant; light or dark as the reader's screen is. Nothing in
it is fetched from anywhere, and nothing runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from html import escape
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gateway.speech import say

_SVG = "http://www.w3.org/2000/svg"
Floats = npt.NDArray[np.float64]

WIDTH, PANEL_HEIGHT = 760, 250
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEAD = 64, 20, 34, 30, 30
_INNER_WIDTH = WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT = PANEL_HEIGHT - _TOP - _BOTTOM
_MOST_POINTS = 700
"""About one for every unit of the width: more would not be seen."""

_GAP_STEPS = 4.0
_STEPS_S = (60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000)
_MOST_LABELS = 10
_WIDEST = 0.4
"""How far the band may stretch the scale, in ranges of what was observed."""

_DAY_S = 86400

_STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; --ink: #1b1f24; --dim: #667;
 --rule: #e3e6ea; --band: #9ec3ee; --line: #14539a; --bad: #c62828; --zone: #c62828; }
@media (prefers-color-scheme: dark) { svg { background: #15181c; --ink: #e8eaed; --dim: #9aa3ad;
 --rule: #2c3238; --band: #35577c; --line: #8ec1ff; --bad: #ff7b72; --zone: #ff7b72; } }
text { fill: var(--ink); } .dim { fill: var(--dim); } .title { font-weight: 600; font-size: 14px; }
.rule { stroke: var(--rule); } .band { fill: var(--band); opacity: .55; }
.mid { fill: none; stroke: var(--line); stroke-dasharray: 3 3; opacity: .6; }
.line { fill: none; stroke: var(--ink); stroke-width: 1.5; stroke-linejoin: round; }
.bad { fill: var(--bad); } .zone { fill: var(--zone); opacity: .13; }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One channel. `times_s` [n] ascending, `observed` [n] and `expected` [n, 3] with NaN for none.

    `anomalous` [n] tells which samples are dots; `marked` are stretches (begin, end) to be shaded.
    """

    title: str
    unit: str
    times_s: Floats
    observed: Floats
    expected: Floats
    anomalous: npt.NDArray[np.bool_]
    marked: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels below each other over one time axis each; times are told in `zone`."""

    title: str
    panels: Sequence[Panel]
    zone: tzinfo = UTC


def svg(chart: Chart) -> str:
    """Draw the chart."""
    height = _HEAD + PANEL_HEIGHT * len(chart.panels) + 8
    parts = [
        f'<svg xmlns="{_SVG}" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        f"<title>{escape(chart.title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="16" y="24">{escape(_short(chart.title, 96))}</text>',
    ]
    for at, panel in enumerate(chart.panels):
        parts.append(f'<g transform="translate(0 {_HEAD + at * PANEL_HEIGHT})">')
        parts += _panel(panel, chart.zone)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def thinned(panel: Panel, most: int = _MOST_POINTS) -> Panel:
    """Return the panel with fewer samples: of each stretch the lowest and the highest remain."""
    count = len(panel.times_s)
    if count <= most:
        return panel
    edges = np.linspace(0, count, most // 2 + 1).astype(int)
    keep: set[int] = set(np.flatnonzero(panel.anomalous)[:: max(1, count // most)].tolist())
    for begin, end in pairwise(edges.tolist()):
        part = panel.observed[begin:end]
        if np.isfinite(part).any():
            keep |= {begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))}
        else:
            keep.add(int(begin))
    at = np.array(sorted(keep), np.intp)
    return Panel(
        panel.title, panel.unit, panel.times_s[at], panel.observed[at], panel.expected[at],
        panel.anomalous[at], panel.marked,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places: `x` of a time, `y` of a value."""

    begin_s: float
    end_s: float
    low: float
    high: float

    @classmethod
    def of(cls, panel: Panel) -> _Scale:
        begin_s, end_s = float(panel.times_s[0]), float(panel.times_s[-1])
        seen = np.concatenate([panel.observed, _within(panel.expected, panel.observed).ravel()])
        seen = seen[np.isfinite(seen)]
        low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
        margin = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
        return cls(begin_s, max(end_s, begin_s + 1.0), low - margin, high + margin)

    def x(self, time_s: float) -> float:
        share = (time_s - self.begin_s) / (self.end_s - self.begin_s)
        return _LEFT + _INNER_WIDTH * min(max(share, 0.0), 1.0)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _TOP + _INNER_HEIGHT * (1.0 - min(max(share, -0.02), 1.02))


def _within(expected: Floats, observed: Floats) -> Floats:
    """Cut the band where it is so wide that it would flatten what was observed."""
    seen = observed[np.isfinite(observed)]
    reach = _WIDEST * float(np.ptp(seen)) if seen.size else 0.0
    if reach <= 0.0:
        return expected
    return np.clip(expected, seen.min() - reach, seen.max() + reach)


def _panel(panel: Panel, zone: tzinfo) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="{_TOP - 12}">{escape(_short(panel.title, 60))}</text>'
    if not len(panel.times_s):
        nothing = escape(say("No data."))
        yield f'<text class="dim" x="{_LEFT}" y="{_TOP + 40}">{nothing}</text>'
        return
    yield from _legend()
    scale, shown = _Scale.of(panel), thinned(panel)
    yield from _values_axis(scale, panel.unit)
    yield from _time_axis(scale, zone)
    for begin_s, end_s in panel.marked:
        left, right = scale.x(begin_s), scale.x(end_s)
        yield (
            f'<rect class="zone" x="{left:.1f}" y="{_TOP}" width="{max(right - left, 2.0):.1f}" '
            f'height="{_INNER_HEIGHT}"/>'
        )
    for part in _runs(shown.times_s, np.isfinite(shown.expected[:, 0] + shown.expected[:, 2])):
        yield _band(scale, shown.times_s[part], shown.expected[part])
        yield _line(scale, shown.times_s[part], shown.expected[part, 1], "mid")
    for part in _runs(shown.times_s, np.isfinite(shown.observed)):
        yield _line(scale, shown.times_s[part], shown.observed[part], "line")
    for time_s, value in zip(
        shown.times_s[shown.anomalous], shown.observed[shown.anomalous], strict=True
    ):
        if math.isfinite(value):
            x, y = scale.x(time_s), scale.y(value)
            yield f'<circle class="bad" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _legend() -> Iterator[str]:
    x, y = WIDTH - _RIGHT - 330, _TOP - 16
    observed, expected, abnormal = say("observed"), say("expected (98 %)"), say("abnormal")
    yield f'<path class="line" d="M{x} {y}h18"/>'
    yield f'<text class="dim" x="{x + 24}" y="{y + 4}">{escape(observed)}</text>'
    yield f'<rect class="band" x="{x + 100}" y="{y - 6}" width="18" height="12"/>'
    yield f'<text class="dim" x="{x + 124}" y="{y + 4}">{escape(expected)}</text>'
    yield f'<circle class="bad" cx="{x + 246}" cy="{y}" r="3"/>'
    yield f'<text class="dim" x="{x + 256}" y="{y + 4}">{escape(abnormal)}</text>'


def _values_axis(scale: _Scale, unit: str) -> Iterator[str]:
    step = _nice((scale.high - scale.low) / 4)
    decimals = max(0, -math.floor(math.log10(step)))
    for number in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1):
        y = scale.y(number * step)
        yield f'<path class="rule" d="M{_LEFT} {y:.1f}h{_INNER_WIDTH}"/>'
        label = f"{number * step + 0.0:.{decimals}f}"
        yield f'<text class="dim" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    if unit:
        x, y = _LEFT - 8, _TOP - 12
        yield f'<text class="dim" x="{x}" y="{y}" text-anchor="end">{escape(unit)}</text>'


def _time_axis(scale: _Scale, zone: tzinfo) -> Iterator[str]:
    span_s = scale.end_s - scale.begin_s
    step_s = next((s for s in _STEPS_S if span_s / s <= _MOST_LABELS), _STEPS_S[-1])
    first = datetime.fromtimestamp(scale.begin_s, zone)
    last = f"{first:%Y-%m-%d}"
    for time_s in _ticks(scale.begin_s, scale.end_s, step_s, zone):
        local = datetime.fromtimestamp(time_s, zone)
        day = f"{local:%Y-%m-%d}"
        text = day if step_s >= _DAY_S or day != last else f"{local:%H:%M}"
        last, x = day, scale.x(time_s)
        yield f'<path class="rule" d="M{x:.1f} {_TOP}v{_INNER_HEIGHT + 4}"/>'
        y = _TOP + _INNER_HEIGHT + 18
        yield f'<text class="dim" x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>'
    y = _TOP + _INNER_HEIGHT + 18
    yield f'<text class="dim" x="{_LEFT - 8}" y="{y}" text-anchor="end">{first:%Z}</text>'
    if step_s < _DAY_S and f"{first:%Y-%m-%d}" == last:  # nowhere else does it say which day
        yield f'<text class="dim" x="{_LEFT}" y="{y + 11}">{first:%Y-%m-%d}</text>'


def _ticks(begin_s: float, end_s: float, step_s: int, zone: tzinfo) -> Iterator[float]:
    """Yield whole multiples of the step as clocks show them there."""
    local = datetime.fromtimestamp(begin_s, zone).replace(tzinfo=None)
    past = (local - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - a clock's face
    tick = datetime(1970, 1, 1) + timedelta(seconds=math.ceil(past / step_s) * step_s)  # noqa: DTZ001
    while (time_s := tick.replace(tzinfo=zone).timestamp()) <= end_s:
        if time_s >= begin_s:  # an hour that the clock shows twice may lie before
            yield time_s
        tick += timedelta(seconds=step_s)


def _runs(times_s: Floats, known: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Yield stretches of known samples without a long gap between them."""
    steps = np.diff(times_s)
    usual = float(np.median(steps)) if steps.size else 0.0
    breaks = np.flatnonzero((steps > _GAP_STEPS * usual) | ~known[1:] | ~known[:-1]) + 1
    for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(times_s)], strict=True):
        if known[begin]:
            yield slice(begin, end)


def _band(scale: _Scale, times_s: Floats, expected: Floats) -> str:
    upper = [(scale.x(t), scale.y(v)) for t, v in zip(times_s, expected[:, 2], strict=True)]
    lower = [(scale.x(t), scale.y(v)) for t, v in zip(times_s, expected[:, 0], strict=True)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *lower[::-1]])
    return f'<polygon class="band" points="{points}"/>'


def _line(scale: _Scale, times_s: Floats, values: Floats, kind: str) -> str:
    places = ((scale.x(t), scale.y(v)) for t, v in zip(times_s, values, strict=True))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline class="{kind}" points="{points}"/>'


def _nice(rough: float) -> float:
    """Return the next of 1, 2, 5, 10, … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(f * power for f in (1.0, 2.0, 5.0, 10.0) if f * power >= rough * 0.999)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
