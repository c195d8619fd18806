"""A chart is sound SVG: small, with what was observed, expected and abnormal at its places."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gateway.publishers.chart import Chart, Panel, svg, thinned

SVG = "{http://www.w3.org/2000/svg}"
BEGIN_S = datetime(2026, 6, 14, 20, tzinfo=UTC).timestamp()


def panel(count: int = 96, *, step_s: float = 900.0, unit: str = "°C") -> Panel:
    observed = 20 + np.sin(np.arange(count) / 10)
    return Panel(
        title="air.temperature",
        unit=unit,
        times_s=BEGIN_S + np.arange(count) * step_s,
        observed=observed,
        expected=observed[:, None] + np.array([-1.0, 0.0, 1.0]),
        anomalous=np.arange(count) == count // 2,
        marked=((BEGIN_S + 3600.0, BEGIN_S + 7200.0),),
    )


def drawn(one: Panel, title: str = "North", zone: str = "Europe/Berlin") -> ET.Element:
    return ET.fromstring(svg(Chart(title, [one], ZoneInfo(zone))))  # noqa: S314 - it is our own


def texts(root: ET.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [node for node in root.iter() if node.get("class") == name]


def test_the_axes_tell_units_and_local_times() -> None:
    said = texts(drawn(panel()))
    assert {"°C", "air.temperature", "20", "03:00"} <= set(said)
    assert "2026-06-15" in said, "midnight is told by its day"
    assert "CEST" in said
    assert "22:00" not in texts(drawn(panel(), zone="Asia/Tokyo"))


def test_observed_expected_and_abnormal_are_where_they_belong() -> None:
    root = drawn(panel())
    line = of_class(root, "line")[-1].get("points", "").split()
    dot = [node for node in of_class(root, "bad") if node.get("r")][-1]
    assert len(line) == 96
    assert line[48] == f"{dot.get('cx')},{dot.get('cy')}"
    band = of_class(root, "band")[-1].get("points", "").split()
    upper, lower = (float(band[at].split(",")[1]) for at in (48, -49))
    assert upper < float(dot.get("cy", "0")) < lower
    zone = of_class(root, "zone")[0]
    assert float(zone.get("width", "0")) == pytest.approx(676 * 4 / 95, abs=0.2)


def test_lines_break_where_nothing_was_observed() -> None:
    one = panel()
    one.observed[20:30] = np.nan
    one.times_s[60:] += 20 * 900.0
    assert len([n for n in of_class(drawn(one), "line") if n.get("points")]) == 3


def test_words_of_strangers_cannot_become_markup() -> None:
    root = drawn(panel(unit="<b>"), title='<script>alert("x")</script> & more')
    assert not list(root.iter(f"{SVG}script"))
    assert "<b>" in texts(root)


def test_a_long_series_is_thinned_and_keeps_its_extremes() -> None:
    one = panel(50_000, step_s=60.0)
    one.observed[31_234] = 90.0
    one.observed[777] = -70.0
    few = thinned(one)
    assert len(few.times_s) < 1500
    assert (few.observed.max(), few.observed.min()) == (90.0, -70.0)
    assert few.anomalous.sum() == 1
    assert len(svg(Chart("long", [one]))) < 120_000


@pytest.mark.parametrize(
    "values", [[], [5.0], [5.0, 5.0], [np.nan, np.nan], [1e-9, 2e-9], [1e12, -1e12], [0.0, 0.0]]
)
def test_any_values_can_be_drawn(values: list[float]) -> None:
    count = len(values)
    one = Panel(
        "x", "", BEGIN_S + np.arange(count) * 60.0, np.array(values), np.full((count, 3), np.nan),
        np.zeros(count, np.bool_),
    )  # fmt: skip
    root = drawn(one)
    assert "nan" not in svg(Chart("x", [one]))
    assert ("No data." in texts(root)) == (count == 0)


def test_a_band_far_wider_than_the_values_does_not_flatten_them() -> None:
    one = panel()
    one.expected[10] = [-1e6, 20, 1e6]
    labels = [float(t) for t in texts(drawn(one)) if re.fullmatch(r"-?[0-9.]+", t)]
    assert max(labels) < 30


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_the_night_in_which_clocks_are_changed_is_drawn(day: str) -> None:
    one = panel()
    shift = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() - 4 * 3600 - BEGIN_S
    moved = Panel(
        one.title, one.unit, one.times_s + shift, one.observed, one.expected, one.anomalous
    )
    said = texts(drawn(moved))
    assert day in said
    assert "06:00" in said
