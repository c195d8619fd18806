"""What happened is counted, and said once in a form that a person or a machine can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.clocks import EventClock, SystemClock
from gateway.config import LogConfig
from gateway.errors import StoreError
from gateway.telemetry import RECENT, Telemetry, configure_logging
from gateway.types import Rejected


def rejected(reason: str, detail: str = "why") -> Rejected:
    return Rejected(reason, detail, "chirpstack", "a/topic", b"secret payload", 0.0)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def counting() -> Telemetry:
    configure_logging(LogConfig(format="json"))
    return Telemetry()


def test_a_log_line_is_json_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = counting()
    telemetry.trouble("commit_failed", StoreError("no room: buy a card"))
    (line,) = logged(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "commit_failed", "level": "error", "error": telemetry.last_error[15:]}
    assert telemetry.last_error.startswith("commit_failed: no room")
    assert telemetry.counts["troubles"] == 1


def test_rubbish_is_counted_each_time_and_said_ever_more_rarely(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry = counting()
    for _ in range(1000):
        telemetry.put_aside(rejected("truncated_json"))
    assert telemetry.quarantined == {"truncated_json": 1000}
    lines = logged(capsys)
    assert [line["total"] for line in lines] == [1, 10, 100, 1000]
    assert "secret payload" not in json.dumps(lines)


def test_the_newest_rubbish_is_kept_to_be_shown() -> None:
    telemetry = counting()
    for number in range(RECENT + 5):
        telemetry.put_aside(rejected("bad", str(number)))
    assert len(telemetry.recent) == RECENT
    assert telemetry.recent[-1] == {
        "reason": "bad", "detail": str(RECENT + 4), "topic": "a/topic",
    }  # fmt: skip


def test_what_is_usual_is_only_said_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for level, wanted in (("info", []), ("debug", ["uplink_duplicate", "uplink_late"])):
        configure_logging(LogConfig.model_validate({"format": "json", "level": level}))
        telemetry = Telemetry()
        telemetry.uplink_duplicate("a84041000181c061", 7)
        telemetry.uplink_late("a84041000181c061", 8)
        assert [line["event"] for line in logged(capsys)] == wanted
        assert telemetry.counts == {"duplicates": 1, "late": 1}


def test_on_a_terminal_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogConfig(format="console"))
    Telemetry().trouble("commit_failed", StoreError("no room: buy a card"))
    line = capsys.readouterr().err
    assert "commit_failed" in line
    assert not line.startswith("{")


def test_the_clock_of_a_recording_only_moves_forward() -> None:
    clock = EventClock(100.0)
    assert clock.now_s() == 100.0
    clock.observe(160.0)
    clock.observe(130.0)
    assert clock.now_s() == 160.0


def test_the_machines_clock_heeds_no_event() -> None:
    clock = SystemClock()
    before_s = clock.now_s()
    clock.observe(before_s + 1e9)
    assert before_s <= clock.now_s() < before_s + 1e6
