"""A recording goes through the whole pipeline, and the summary leaves nothing out."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import SENTINEL, Client, Daemon, running
from gateways import Bench, settings

from gateway.assembly import chirpstack_decoder
from gateway.codecs import LinkHealth
from gateway.commands import recording, replay
from gateway.errors import BadInput, ConfigError, GatewayError
from gateway.types import Delivery, Rejected, Uplink

RECORDING = Path(__file__).parents[1] / "vectors" / "replay_small.jsonl"
MAKER = RECORDING.with_name("make_replay_small.py")
BROKEN = {
    "invalid_recording_line": 4,
    "retained": 1,
    "unknown_event": 1,
    "unknown_topic": 1,
    "truncated_json": 1,
    "not_an_object": 1,
    "wrong_type": 1,
}


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_GATEWAY_INFERENCE__ENABLED", "false")


def summary(file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    status = replay.run(file, config_path=None, broker=None, speed=0.0, as_json=True)
    assert status == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    found = json.loads(printed)
    assert found.pop("seconds") >= 0
    return dict(found)


def up_bodies() -> Iterator[dict[str, Any]]:
    """Yield the body of every sound uplink in the recording."""
    for _, item in recording.read(RECORDING):
        if isinstance(item, Delivery) and item.topic.endswith("/event/up") and not item.retained:
            try:
                body = json.loads(item.payload)
            except ValueError:
                continue
            if isinstance(body, dict) and isinstance(body.get("fCnt"), int):
                yield body


def health() -> int:
    """Return how many readings of link health the recording's frames make, repeats left out."""
    decode, link = chirpstack_decoder(settings()), LinkHealth(10)
    frames: set[tuple[str, int]] = set()
    made = 0
    for _, item in recording.read(RECORDING):
        if not isinstance(item, Delivery) or item.retained:
            continue
        try:
            event = decode(item)
        except BadInput:
            continue
        if isinstance(event, Uplink) and (event.device.dev_eui, event.f_cnt) not in frames:
            frames.add((event.device.dev_eui, event.f_cnt))
            made += len(link.readings(event))
    return made


def leaves(tree: object) -> int:
    if isinstance(tree, dict):
        return sum(map(leaves, tree.values()))
    return tree is not None


def test_the_recording_is_what_its_maker_writes(tmp_path: Path) -> None:
    shutil.copy(MAKER, tmp_path)
    path = {"PYTHONPATH": str(RECORDING.parents[1])}
    subprocess.run(
        [sys.executable, tmp_path / MAKER.name], check=True, env={**os.environ, **path}, timeout=60
    )
    assert (tmp_path / RECORDING.name).read_bytes() == RECORDING.read_bytes()


def test_the_summary_adds_up_to_the_lines_of_the_recording(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = summary(RECORDING, capsys)
    lines = [line for line in RECORDING.read_text().splitlines() if line.strip()]
    assert list(found) == [
        "events", "uplinks", "duplicates", "quarantined", "devices", "readings",
        "windows_scored", "alerts",
    ]  # fmt: skip
    assert found["quarantined"] == BROKEN
    assert sum(found["events"].values()) + sum(BROKEN.values()) == len(lines)

    frames = {(body["deviceInfo"]["devEui"], body["fCnt"]): body for body in up_bodies()}
    assert found["uplinks"] == len(frames)
    assert found["events"]["up"] == sum(1 for _ in up_bodies())
    repeats_of_others = 1 + found["events"]["status"] // 2
    assert found["duplicates"] == found["events"]["up"] - len(frames) + repeats_of_others
    assert found["devices"] == 3
    measured = found["events"]["status"] // 2 * 3 + found["events"]["location"] * 3
    link = 3
    assert found["readings"] == measured + health() + sum(
        leaves(body["object"]) + link for body in frames.values()
    )
    assert found["alerts"] == {"new": 0, "update": 0, "end": 0}


def test_a_packed_recording_gives_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "recording.jsonl.gz"
    packed.write_bytes(gzip.compress(RECORDING.read_bytes()))
    assert summary(packed, capsys) == summary(RECORDING, capsys)


def test_a_payload_is_the_same_as_text_or_as_an_object() -> None:
    topic, payload = up(eui(1), 1, 1_790_000_000.0, {"temp": 1.5, "name": "Süd"})
    tree = json.loads(payload)
    record = {"tst": "2026-09-21T14:13:20.000000Z+0000", "topic": topic, "qos": 1, "retain": 0}
    as_text, as_object = (
        recording.delivery(json.dumps(record | {"payload": form}).encode())
        for form in (payload.decode(), tree)
    )
    assert isinstance(as_text, Delivery)
    assert isinstance(as_object, Delivery)
    assert json.loads(as_text.payload) == json.loads(as_object.payload) == tree
    assert as_text.received_s == as_object.received_s == 1_790_000_000.0


@pytest.mark.parametrize(
    "tst",
    [
        "2026-09-21T14:13:20.000000Z+0000",
        "2026-09-21T19:43:20.000000Z+0530",
        "2026-09-21T14:13:20.000Z",
        "2026-09-21T16:13:20.000+02:00",
        "2026-09-21T16:13:20+0200",
    ],
)
def test_times_are_read_as_mosquitto_and_others_write_them(tst: str) -> None:
    line = json.dumps({"tst": tst, "topic": "t", "payload": "{}"}).encode()
    item = recording.delivery(line)
    assert isinstance(item, Delivery)
    assert item.received_s == 1_790_000_000.0


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"null", b'{"topic": "t", "payload": 1}', b"\xff", b"[" * 100_000,
             b'{"tst": 5, "topic": "t", "payload": 1}',
             b'{"tst": "2026-01-01T00:00:00Z", "topic": "t", "payload": 1, "qos": "x"}'],
    ids=range(8),
)  # fmt: skip
def test_a_line_that_is_none_is_told_and_not_fatal(line: bytes) -> None:
    item = recording.delivery(line)
    assert isinstance(item, Rejected)
    assert item.reason == "invalid_recording_line"


def test_a_recording_without_a_line_has_an_empty_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    found = summary(empty, capsys)
    assert (found["events"], found["uplinks"], found["quarantined"]) == ({}, 0, {})
    empty.write_text("not a line\n")
    assert summary(empty, capsys)["quarantined"] == {"invalid_recording_line": 1}


def test_a_file_that_cannot_be_read_is_told_plainly(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(RECORDING.read_bytes())[:5000])
    for file in (tmp_path / "none.jsonl", cut, tmp_path):
        with pytest.raises(GatewayError, match="cannot be read"):
            replay.run(file, config_path=None, broker=None, speed=0.0, as_json=True)
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        replay.run(RECORDING, config_path=None, broker="nowhere", speed=0.0, as_json=True)


Facts = Counter[tuple[object, ...]]


@pytest.mark.network
@pytest.mark.mosquitto
def test_through_a_real_broker_and_daemon_the_readings_are_the_same(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(tmp_path / "gateway", mosquitto, "[inference]\nenabled = false\n")
    listener = Client(mosquitto)
    with running(daemon):
        listener.wait_ready(daemon)
        listener.close()
        broker = f"{mosquitto.host}:{mosquitto.port}"
        assert replay.run(RECORDING, config_path=None, broker=broker, speed=0.0, as_json=True) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["not_published"] == BROKEN["invalid_recording_line"] + BROKEN["retained"]
        here = directly(RECORDING)
        daemon.wait_stored(here[1], 30)
        time.sleep(0.5)  # what should not be stored would come now
        assert daemon.stop() == 0
    assert stored_readings(daemon.database) == here[0]


def stored_readings(database: Path) -> Facts:
    """Return what a daemon that has ended left in its database."""

    async def read() -> Facts:
        gateway = Bench(settings(), database)
        found = Counter(fact for fact in gateway.facts() if fact[0] != SENTINEL)
        await gateway.store.close()
        return found

    return asyncio.run(read())


def directly(file: Path) -> tuple[Facts, int]:
    """Return the readings and the number of messages stored without a broker between."""

    async def work() -> tuple[Facts, int]:
        gateway = Bench(settings(), start_s=0.0)
        for _, item in recording.read(file):
            if isinstance(item, Delivery):
                await gateway.take(item)
        found = Counter(gateway.facts()), len(gateway.stored())
        await gateway.store.close()
        return found

    return asyncio.run(work())


def test_between_the_lines_time_goes_on_and_who_falls_silent_is_missed(tmp_path: Path) -> None:
    file, told = tmp_path / "quiet.jsonl", tmp_path / "alerts.jsonl"
    start_s, lines = 1_700_000_000.0, []
    for number in (1, 2, 3, 4):
        stops = 60 if number == 1 else 100
        for step in [*range(stops), 120]:
            time_s = start_s + step * 600.0 + number
            topic, payload = up(eui(number), step, time_s, {"air_temperature": 20.0})
            lines.append((time_s, topic, payload))
    with file.open("w") as out:
        for time_s, topic, payload in sorted(lines):
            tst = datetime.fromtimestamp(time_s, UTC).isoformat()
            out.write(json.dumps({"tst": tst, "topic": topic, "payload": payload.decode()}) + "\n")

    replay.run(file, config_path=None, broker=None, speed=0.0, alerts=told, as_json=True)

    steps = [json.loads(line) for line in told.read_text().splitlines()]
    silences = [step for step in steps if step["kind"] == "silence"]
    assert [(step["event_type"], step["dev_eui"]) for step in silences[:1]] == [("new", eui(1))]
    # All four are silent in the end: the recording's last lines end both alerts.
    assert {step["event_type"] for step in silences} == {"new", "end"}
    new_s = datetime.fromisoformat(silences[0]["time"]).timestamp()
    assert start_s + 60 * 600 < new_s < start_s + 100 * 600
