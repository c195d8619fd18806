"""Rubbish of every kind at a running daemon: each piece counted by its reason, no good one lost."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto
from chirpstack_events import APPLICATION, eui, up, uplink_id
from daemons import SENTINEL, Client, Daemon, running

pytestmark = [pytest.mark.network, pytest.mark.mosquitto, pytest.mark.slow]

HEALTH = "lora-gateway/bridge/response/health"
VALUES = {"TempC_SHT": 20.5, "Hum_SHT": 55.5, "BatV": 3.1}
GOOD = 200


def changed(payload: bytes, **fields: object) -> bytes:
    event = json.loads(payload)
    for name, value in fields.items():
        if value is None:
            del event[name]
        else:
            event[name] = value
    return json.dumps(event).encode()


def rubbish(now_s: float) -> Iterator[tuple[str, str, bytes]]:
    """Yield (reason, topic, payload), each with a frame of its own."""
    for number in range(5):
        topic, payload = up(eui(900), number, now_s, VALUES)
        ancient = "1902-01-01T00:00:00Z"
        yield "truncated_json", topic, payload[: len(payload) // 2]
        yield "wrong_type", topic, changed(payload, fCnt="twelve")
        yield "out_of_range", topic, changed(payload, fCnt=-1)
        yield "wrong_type", topic, changed(payload, rxInfo={"rssi": "loud"})
        yield "not_an_object", topic, b"[1, 2, 3]"
        yield "not_an_object", topic, b"7"
        yield "truncated_json", topic, b""
        yield "unknown_event", topic.replace("event/up", "event/telepathy"), payload
        yield "missing_field", topic, changed(payload, deviceInfo=None)
        yield "absurd_time", topic, changed(payload, time=ancient, rxInfo=[])
        yield "absurd_time", topic, changed(payload, time="2199-01-01T00:00:00Z", rxInfo=[])
        yield "invalid_time", topic, changed(payload, time="yesterday", rxInfo=[])
        yield "invalid_json", topic, payload.replace(b"{", b"(")
        # One value that is none costs that value: the rest of the uplink is stored.
        yield "not_finite", topic, payload.replace(b"20.5", b"NaN")
        yield "invalid_utf8", topic, payload.replace(b"probe", b"pr\xf6be")
        yield "payload_too_large", topic, changed(payload, data="A" * 1_000_000)
        yield "invalid_base64", topic, changed(payload, data="!!!")
        yield "too_deep", topic, changed(payload, object=nested(100))
        yield "too_many_keys", topic, changed(payload, object={f"k{i}": i for i in range(300)})
        yield "invalid_dev_eui", topic, payload.replace(eui(900).encode(), b"not an EUI at all")


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"value": 1}
    for _ in range(depth):
        tree = {"deeper": tree}
    return tree


def good_id(number: int, f_cnt: int) -> str:
    return uplink_id(eui(number), f_cnt).replace("-", "")


def test_every_piece_of_rubbish_is_counted_and_every_good_uplink_is_stored(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    now_s = time.time()
    daemon = Daemon(tmp_path / "gateway", mosquitto)
    client = Client(mosquitto, HEALTH)
    pieces = list(rubbish(now_s))
    expected = Counter(reason for reason, _, _ in pieces)
    old_topic, old_payload = up(eui(901), 1, now_s - 86400, VALUES)
    client.publish(old_topic, old_payload, retain=True)
    expected["retained"] += 1
    with running(daemon):
        client.wait_ready(daemon)
        for f_cnt in range(GOOD):
            # Neighbours swapped: frames out of order are as good as any.
            topic, payload = up(eui(f_cnt % 7), f_cnt ^ 1, now_s - GOOD + f_cnt, VALUES)
            client.publish(topic, payload)
            if f_cnt % 10 == 0:
                client.publish(topic, payload)
            for _, bad_topic, bad_payload in pieces[f_cnt::GOOD]:
                client.publish(bad_topic, bad_payload)
        daemon.wait_stored(GOOD + 5, 30)
        counts = client.ask_health(lambda c: sum(c.values()) >= expected.total(), 20)
        assert daemon.runs()
    client.close()

    assert counts == expected
    good = [good_id(f_cnt % 7, f_cnt ^ 1) for f_cnt in range(GOOD)]
    assert daemon.stored_ids() == Counter(good + [good_id(900, f_cnt) for f_cnt in range(5)])
    kept = dict(daemon.rows("SELECT reason, count(*) FROM quarantine GROUP BY reason"))
    assert kept == expected


def test_ten_thousand_strangers_in_a_minute_do_not_push_out_those_who_belong(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    now_s = time.time()
    daemon = Daemon(tmp_path / "gateway", mosquitto)
    client = Client(mosquitto, HEALTH)
    strangers = 10_000
    with running(daemon):
        client.wait_ready(daemon)
        client.publish(*up(eui(1), 0, now_s - 100, VALUES))
        daemon.wait_stored(1, 10)
        for number in range(strangers):
            client.publish(*up(eui(1000 + number), 1, now_s, VALUES))
            if number % 100 == 0:
                client.publish(*up(eui(1), 1 + number // 100, now_s - 99 + number / 200, VALUES))
        counts = client.ask_health(
            lambda c: sum(c.values()) + daemon.stored() >= strangers + 101, 60
        )
        assert daemon.runs()
    client.close()

    stored = daemon.stored_ids()
    assert all(stored[good_id(1, f_cnt)] == 1 for f_cnt in range(101))
    # Every stranger is either admitted within the limit or counted.
    assert isinstance(counts, dict)
    assert sum(counts.values()) + len(stored) == strangers + 101
    assert len(stored) < 101 + strangers / 5
    assert daemon.database.stat().st_size < 20e6


def test_only_named_devices_are_heard_when_so_configured(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    named = f"[devices.{eui(1)}]\n[devices.{SENTINEL}]\n"
    more = f"[limits]\nknown_devices_only = true\n{named}"
    daemon = Daemon(tmp_path / "gateway", mosquitto, more)
    client = Client(mosquitto, HEALTH)
    with running(daemon):
        client.wait_ready(daemon)
        for f_cnt in range(10):
            client.publish(*up(eui(1), f_cnt, time.time(), VALUES))
            client.publish(*up(eui(2), f_cnt, time.time(), VALUES))
        client.ask_health(lambda counts: counts == {"unknown_device": 10}, 20)
        assert daemon.stored_ids() == Counter(good_id(1, f_cnt) for f_cnt in range(10))
    client.close()


def test_commands_from_strangers_to_wrong_devices_change_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    daemon = Daemon(tmp_path / "gateway", mosquitto)
    client = Client(mosquitto, f"application/{APPLICATION}/device/+/command/down")
    with running(daemon):
        client.wait_ready(daemon)
        client.publish(*up(eui(1), 0, time.time(), VALUES))
        daemon.wait_stored(1, 10)
        for payload in (b"", b"{", b"[]", b"\xff\xfe", b'{"f_port": 999}', b'{"data": "zz"}'):
            client.publish(f"lora-gateway/device/{eui(1)}/set", payload)
            client.publish(f"lora-gateway/device/{eui(77)}/set", payload)
            client.publish("lora-gateway/device/nobody/set", payload)
        assert client.drain(3.0) == []
        assert daemon.runs()
    client.close()
