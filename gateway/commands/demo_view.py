"""What a person sees of the demo: a live picture on a terminal, plain lines anywhere else.

`show` is called as often as you like and draws a few times a second; `close` prints the summary.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.alerts import reason_sentence
from gateway.commands.demo_score import Notice, Progress
from gateway.sources.simulated_farm import START_S
from gateway.speech import figure, say
from gateway.types import Alert, DevEui, EventType, Reading, ReadingKind, Severity

DAY_S = 86400.0
SHOWN_READINGS = 4
FEWEST_NOTICES, MOST_NOTICES = 3, 9
CHROME_LINES = 7
DRAW_S = 0.25
LINES_S = 5.0
STYLES = {Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
BACKGROUND = ("radio.", "device.", "location.", "probe.")


class View(Protocol):
    """Something that shows a running demo."""

    def show(self, progress: Progress) -> None:
        """Draw, if it is time to."""
        ...

    def close(self, progress: Progress) -> None:
        """Leave the terminal as it was and print how the run went."""
        ...


class NoView:
    """Shows nothing: standard output is for the JSON summary alone."""

    def show(self, progress: Progress) -> None:
        """Do nothing."""

    def close(self, progress: Progress) -> None:
        """Do nothing."""


class PlainView:
    """One line per alert as it comes, and one every few seconds on how far it is."""

    def __init__(self, console: Console, hints: Sequence[str]) -> None:
        self._console = console
        self._shown = 0
        self._due_s = 0.0
        for hint in hints:
            self._line(hint)

    def show(self, progress: Progress) -> None:
        """Print what is new."""
        fresh = progress.noticed - self._shown
        self._shown = progress.noticed
        for notice in list(progress.notices)[-fresh:] if fresh else ():
            self._line(_notice_line(notice, progress).plain)
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + LINES_S
            self._line(
                f"{when(progress.now_s)}  {len(progress.readings)} devices, "
                f"{progress.uplinks} uplinks, {len(progress.open_alerts)} alerts open"
            )

    def close(self, progress: Progress) -> None:
        """Print the summary."""
        self.show(progress)
        self._console.print(summary_table(progress))

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)


class LiveView:
    """The whole farm on one screen, redrawn in place."""

    def __init__(self, console: Console, hints: Sequence[str]) -> None:
        self._console = console
        self._hints = tuple(hints)
        self._due_s = 0.0
        self._rates: deque[tuple[float, int]] = deque(maxlen=12)
        self._live = Live(console=console, auto_refresh=False, screen=console.size.height > 0)
        self._live.start()

    def show(self, progress: Progress) -> None:
        """Redraw when the last picture is old enough."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + DRAW_S
        self._rates.append((now_s, progress.uplinks))
        self._live.update(self.picture(progress), refresh=True)

    def close(self, progress: Progress) -> None:
        """Restore the screen and print the summary."""
        self._live.stop()
        self._console.print(summary_table(progress))

    def picture(self, progress: Progress) -> RenderableType:
        """Return the whole screen."""
        head = Text.assemble(
            ("Simulated farm  ", "bold"),
            f"{when(progress.now_s)}   {self._rate():.0f} uplinks/s   ",
            f"{progress.uplinks} uplinks   ",
            (f"{len(progress.open_alerts)} alerts open", "yellow" if progress.open_alerts else ""),
        )
        # A short terminal cuts off the end: what is told comes before the list of devices.
        parts: list[RenderableType] = [head, Text("\n".join(self._hints), style="dim")]
        parts.append(self._notices(progress))
        if commands := _command_lines(progress):
            parts.append(commands)
        return Group(*parts, device_table(progress))

    def _rate(self) -> float:
        if not self._rates:
            return 0.0
        (then_s, before), (now_s, after) = self._rates[0], self._rates[-1]
        return (after - before) / (now_s - then_s) if now_s > then_s else 0.0

    def _notices(self, progress: Progress) -> Panel:
        lines = [_notice_line(notice, progress) for notice in list(progress.notices)[::-1]]
        room = self._console.size.height - len(progress.titles) - len(self._hints) - CHROME_LINES
        shown = min(max(room // 2, FEWEST_NOTICES), MOST_NOTICES)
        text = Text("\n").join(lines[:shown]) if lines else Text("none yet", style="dim")
        return Panel(text, title="Alerts, newest first", title_align="left")


def device_table(progress: Progress) -> Table:
    """Return a row per device: newest readings, age of the last, and what is wrong."""
    table = Table(expand=True, pad_edge=False, box=None, header_style="bold")
    table.add_column("Device", no_wrap=True)
    table.add_column("Readings", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("Heard", justify="right", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    for eui, title in progress.titles.items():
        channels = progress.readings.get(DevEui(eui), {})
        newest_s = max((reading.time_s for reading in channels.values()), default=None)
        table.add_row(
            title,
            "   ".join(_reading_text(reading) for reading in _chosen(channels.values())),
            "" if newest_s is None else _age(progress.now_s - newest_s),
            _status(eui, progress),
        )
    return table


def summary_table(progress: Progress) -> RenderableType:
    """Return the scripted faults with what became of them, and the false alarms."""
    judged = progress.judged()
    outcomes = judged.outcomes
    table = Table(title="Scripted faults", title_justify="left", pad_edge=False, box=None)
    for column in ("Fault", "Device", "Began", "Found"):
        table.add_column(column, no_wrap=True)
    for outcome in outcomes:
        found = (
            Text("missed", style="yellow")
            if outcome.delay_s is None
            else Text(f"after {_age(outcome.delay_s)}", style="green")
        )
        fault = outcome.fault
        table.add_row(fault.kind, progress.titles[outcome.dev_eui], when(fault.start_s), found)
    caught = sum(outcome.alert is not None for outcome in outcomes)
    causes = sum(outcome.right_cause for outcome in outcomes)
    total = Text(
        f"{caught} of {len(outcomes)} faults found, {causes} with the right cause, "
        f"{len(judged.false_alarms)} false alarms, "
        f"{progress.uplinks} uplinks."
    )
    return Group(table, total) if outcomes else total


def when(time_s: float) -> str:
    """Write a simulated time: the day of the demo and the clock."""
    day = int((time_s - START_S) // DAY_S) + 1
    return f"day {day} {datetime.fromtimestamp(time_s, UTC):%H:%M}"


def why(alert: Alert) -> str:
    """Write an alert's leading reasons in one line."""
    said = ""
    for reason in alert.reason[:2]:
        sentence = reason_sentence(reason)
        said = say("{before} {after}", before=said, after=sentence) if said else sentence
    return said


def _notice_line(notice: Notice, progress: Progress) -> Text:
    alert = notice.alert
    began = notice.step is EventType.NEW
    step = say("ALERT") if began else say("ended")
    name = progress.titles.get(alert.dev_eui, alert.dev_eui)
    title = alert.title if name in alert.title else f"{name}: {alert.title}"
    return Text.assemble(
        f"{when(notice.time_s)}  ",
        (f"{step}  ", STYLES[alert.severity] if began else "green"),
        f"[{alert.kind}] {title}",
        (f"  ({why(alert)})" if began and alert.reason else "", "dim"),
        (f"  {alert.advice}" if began and alert.advice else "", "italic"),
    )


def _command_lines(progress: Progress) -> Text | None:
    newest = sorted(progress.downlinks.values(), key=lambda downlink: downlink.changed_s)[-2:]
    if not newest:
        return None
    return Text("\n").join(
        Text(
            f"Command to {progress.titles.get(downlink.dev_eui, downlink.dev_eui)}: "
            f"{downlink.state.value}  ({downlink.data.hex()} on port {downlink.f_port})"
        )
        for downlink in newest
    )


def _chosen(readings: Iterable[Reading]) -> list[Reading]:
    """Pick what a grower would look at: measured quantities, and what an actuator is doing."""
    shown = [
        reading
        for reading in readings
        if not reading.channel.startswith(BACKGROUND)
        and (reading.kind is ReadingKind.NUMERIC or reading.channel.endswith(".state"))
    ]
    return sorted(shown, key=lambda reading: reading.channel)[:SHOWN_READINGS]


def _status(eui: str, progress: Progress) -> Text:
    alerts = [alert for alert in progress.open_alerts.values() if alert.dev_eui == eui]
    if not alerts:
        return Text("ok" if DevEui(eui) in progress.readings else "waiting", style="green")
    worst = max(alerts, key=lambda alert: list(Severity).index(alert.severity))
    kinds = ", ".join(dict.fromkeys(alert.kind for alert in alerts))
    return Text(kinds, style=STYLES[worst.severity])


def _reading_text(reading: Reading) -> str:
    name = reading.channel.rsplit(".", 1)[-1]
    return f"{name} {figure(reading.value, reading.unit)}"


def _age(seconds: float) -> str:
    minutes = seconds / 60.0
    if minutes < 90.0:  # noqa: PLR2004 - up to here people count minutes
        return f"{max(minutes, 0.0):.0f} min"
    return f"{minutes / 60.0:.1f} h"
