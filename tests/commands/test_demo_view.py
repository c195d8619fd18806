"""The demo's picture and its summary, from made-up outcomes."""

from __future__ import annotations

import io

from rich.console import Console

from gateway.commands.demo_score import Progress
from gateway.commands.demo_view import LiveView, PlainView, summary_table, when, why
from gateway.outcome import Outcome
from gateway.sources.simulated_farm import DEVICES, START_S, Farm
from gateway.store import UplinkRecord
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    Downlink,
    DownlinkState,
    EventType,
    Reading,
    ReadingKind,
    Reason,
    Severity,
)

FARM = Farm(1)
STUCK = next(fault for fault in FARM.script.faults if fault.kind == "stuck")
EUIS = {device.name: device.dev_eui for device in DEVICES}
EUI = DevEui(EUIS[STUCK.device])
MOISTURE = Channel("soil.moisture")


def progress() -> Progress:
    return Progress(
        script=FARM.script,
        titles={device.dev_eui: device.title for device in DEVICES},
        euis=EUIS,
        now_s=START_S,
    )


def alert(**changes: object) -> Alert:
    facts: dict[str, object] = {
        "id": "a1",
        "dev_eui": EUI,
        "rule": "model",
        "kind": "stuck",
        "cause": "sensor",
        "severity": Severity.WARNING,
        "title": "Orchard soil 20 cm: moisture has not changed",
        "advice": "Look at the probe.",
        "reason": (Reason(MOISTURE, 41.8, (28.0, 30.9, 33.5), 1.0, 1e-6, "%"),),
        "first_seen_s": STUCK.start_s,
        "last_seen_s": STUCK.start_s,
    }
    return Alert(**(facts | changes))  # type: ignore[arg-type]


def outcome(step: EventType | None = None, delay_s: float = 600.0) -> Outcome:
    reading = Reading(EUI, MOISTURE, 41.8, "%", ReadingKind.NUMERIC, STUCK.start_s, "water_SOIL")
    record = UplinkRecord("u", EUI, "01", 1, STUCK.start_s, STUCK.start_s, readings=(reading,))
    events = [] if step is None else [AlertEvent(step, alert())]
    return Outcome(STUCK.start_s + delay_s, taken=1, uplinks=[record], alerts=events)


def drawn(progress: Progress, view: type[LiveView | PlainView]) -> str:
    text = io.StringIO()
    console = Console(file=text, width=160, height=60)
    shown = view(console, ["how to listen"])
    shown.show(progress)
    shown.close(progress)
    if isinstance(shown, LiveView):
        console.print(shown.picture(progress))
    return text.getvalue()


def test_the_summary_says_when_a_fault_was_found() -> None:
    known = progress()
    known.now_s = STUCK.start_s + 600.0
    known.take(outcome(EventType.NEW))
    found = next(one for one in known.summary()["faults"] if one["kind"] == "stuck")
    assert (found["detected"], found["delay_s"], found["alert_id"]) == (True, 600.0, "a1")
    assert found["device"] == EUI
    assert found["start"].startswith("2026-04-1")
    assert known.summary()["false_alarms"] == 0


def test_an_update_is_not_a_second_alert() -> None:
    known = progress()
    known.now_s = STUCK.start_s + 900.0
    for step in (EventType.NEW, EventType.UPDATE, EventType.END):
        known.take(outcome(step))
    assert len(known.seen) == 1
    assert known.open_alerts == {}
    assert [notice.step for notice in known.notices] == [EventType.NEW, EventType.END]


def test_plain_lines_tell_the_alert_with_its_reason_once() -> None:
    known = progress()
    known.now_s = STUCK.start_s + 600.0
    known.take(outcome(EventType.NEW))
    text = drawn(known, PlainView)
    assert text.count("ALERT") == 1
    assert "Soil moisture is 41.8 %, expected 28 to 33.5 %." in text
    assert "how to listen" in text
    assert "1 of " in text


def test_the_live_picture_shows_readings_alerts_and_commands() -> None:
    known = progress()
    known.now_s = STUCK.start_s + 600.0
    step = outcome(EventType.NEW)
    step.downlinks = [
        Downlink(
            id="d", dev_eui=DevEui(EUIS["valve-north"]), application_id="a", f_port=10,
            data=b"\x01", object=None, confirmed=True, expires_s=2.0, created_s=0.0,
            changed_s=1.0, state=DownlinkState.ACKED,
        )
    ]  # fmt: skip
    known.take(step)
    text = drawn(known, LiveView)
    for words in ("moisture 41.8 %", "stuck", "Command to North valve: acked", "10 min"):
        assert words in text


def test_a_device_that_has_not_spoken_is_waited_for() -> None:
    assert "waiting" in drawn(progress(), LiveView)


def test_a_run_without_faults_is_summed_up_in_a_line() -> None:
    text = io.StringIO()
    Console(file=text, width=100).print(summary_table(progress()))
    assert text.getvalue().strip() == (
        "0 of 0 faults found, 0 with the right cause, 0 false alarms, 0 uplinks."
    )


def test_times_are_the_farms_day_and_hour() -> None:
    assert when(START_S + 86400.0 + 3600.0 * 5.5) == "day 2 05:30"


def test_a_reason_without_expectation_is_told_alone() -> None:
    reason = Reason(MOISTURE, 41.8, None, 1.0, None, "%")
    assert why(alert(reason=(reason,))) == "Soil moisture is 41.8 %."
