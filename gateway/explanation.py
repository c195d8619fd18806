"""Why an alert was raised, from what is stored: its chart, and when it was like this and normal."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.agronomy.site import Site
from gateway.inference import nearest
from gateway.publishers.chart import Chart, Panel, svg
from gateway.speech import figure, say
from gateway.store import Reader, StoredUplink
from gateway.types import (
    Alert,
    Channel,
    DevEui,
    Likeness,
    Reading,
    ReadingKind,
    Reason,
    Status,
)

SEARCHED = 1000
"""Uplinks looked through for a like stretch: ten days at a quarter of an hour, about 45 ms."""

MOST_AT_ONCE, AT_ONCE_S = 5, 60.0
"""A storm that takes every device at the same time has better reasons than their histories."""

DRAWN = 2000

LEAD = 4
"""Samples before an alert that may be abnormal already: it takes some to be sure."""

_MOST_PANELS = 3
_BEFORE_S, _AFTER_SHARE = 36 * 3600.0, 0.15


@dataclass(frozen=True, slots=True)
class Explainer:
    """Answers from the store; `site` tells what time it is there."""

    store: Reader
    site: Site
    searched_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_AT_ONCE))

    def nearest(self, dev_eui: DevEui, reason: Reason, first_s: float) -> Likeness | None:
        """Find when a channel was as it was before an alert, and all went well.

        None where too little is stored, or nothing is like it.
        """
        if not self._may_search(first_s):
            return None
        rows = self.store.history(dev_eui, SEARCHED, first_s)
        samples = _samples(rows, reason.channel)
        if len(samples) <= LEAD:
            return None
        times_s = np.array([reading.time_s for reading, _ in samples])
        values = np.array([float(reading.value) for reading, _ in samples])
        found = nearest(times_s, values, np.array([normal for _, normal in samples]), LEAD)
        if found is None:
            return None
        value, time_s = float(values[found]), float(times_s[found])
        said = say(
            "Most like {when}, when it went on to {value}.",
            when=self._when(time_s), value=figure(value, reason.unit),
        )  # fmt: skip
        return Likeness(reason.channel, time_s, value, said)

    def _may_search(self, at_s: float) -> bool:
        full = len(self.searched_s) == MOST_AT_ONCE
        if full and abs(at_s - self.searched_s[0]) < AT_ONCE_S:
            return False
        self.searched_s.append(at_s)
        return True

    def chart(self, alert: Alert) -> str:
        """Draw the channels of an alert from some hours before it on, as SVG."""
        over_s = alert.last_seen_s if alert.end_s is None else alert.end_s
        lasted_s = over_s - alert.first_seen_s
        end_s = over_s + max(_AFTER_SHARE * lasted_s, 3600.0)
        rows = self.store.history(alert.dev_eui, DRAWN, end_s)
        begin_s = alert.first_seen_s - max(_BEFORE_S, lasted_s)
        rows = [row for row in rows if row.record.time_s >= begin_s]
        if alert.end_s is None and rows:  # it goes on
            over_s = max(over_s, rows[-1].record.time_s)
        panels = [
            _panel(rows, reason, (alert.first_seen_s, over_s))
            for reason in alert.reason[:_MOST_PANELS]
        ]
        return svg(Chart(alert.title, panels, self.site.zone))

    def lines(self, alert: Alert) -> list[str]:
        """Return the explanation in sentences, one for each channel and one for its likeness."""
        told = [_told(reason) for reason in alert.reason]
        return [*told, alert.nearest.said] if alert.nearest else told

    def _when(self, time_s: float) -> str:
        local = self.site.local(time_s)
        return f"{local.day} {_months()[local.month - 1]} {local:%H:%M}"


def _told(reason: Reason) -> str:
    observed = figure(reason.observed, reason.unit)
    if reason.expected is None:
        return say(
            "{channel}: {observed} ({share:.0%} of it).",
            channel=reason.channel, observed=observed, share=reason.share,
        )  # fmt: skip
    low, middle, high = (figure(value, reason.unit) for value in reason.expected)
    return say(
        "{channel}: {observed}, expected {low} to {high}, best {middle} ({share:.0%} of it).",
        channel=reason.channel, observed=observed, low=low, middle=middle, high=high,
        share=reason.share,
    )  # fmt: skip


def _samples(rows: Sequence[StoredUplink], channel: Channel) -> list[tuple[Reading, bool]]:
    """Return the channel's samples, each with whether nothing was wrong with it."""
    found = []
    for row in rows:
        bad = {v.channel for v in row.record.verdicts if v.status is Status.ANOMALOUS}
        found += [
            (reading, channel not in bad)
            for reading in row.record.readings
            if reading.channel == channel and reading.kind is ReadingKind.NUMERIC
        ]
    return found


def _panel(rows: Sequence[StoredUplink], reason: Reason, marked: tuple[float, float]) -> Panel:
    readings = [reading for reading, _ in _samples(rows, reason.channel)]
    verdicts = {
        verdict.time_s: verdict
        for row in rows
        for verdict in row.record.verdicts
        if verdict.channel == reason.channel
    }
    judged = [verdicts.get(reading.time_s) for reading in readings]
    unknown = (np.nan, np.nan, np.nan)
    expected = [one.expected if one and one.expected else unknown for one in judged]
    return Panel(
        title=reason.channel,
        unit=reason.unit or next((reading.unit for reading in readings), ""),
        times_s=np.array([reading.time_s for reading in readings]),
        observed=np.array([float(reading.value) for reading in readings]),
        expected=np.array(expected).reshape(-1, 3),
        anomalous=np.array(
            [bool(one and one.status is Status.ANOMALOUS) for one in judged], np.bool_
        ),
        marked=(marked,),
    )


def _months() -> tuple[str, ...]:
    return (
        say("January"), say("February"), say("March"), say("April"), say("May"), say("June"),
        say("July"), say("August"), say("September"), say("October"), say("November"),
        say("December"),
    )  # fmt: skip
