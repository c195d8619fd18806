"""The whole daemon on brokers in memory: what it says, to whom, and after what."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import APPLICATION, eui, up, uplink_id
from daemon_in_memory import Farm, running
from gateways import settings
from jsonschema import Draft202012Validator
from server_events import ack, log, txack

from gateway.config import Config
from gateway.links import MemoryBroker, MemoryLink
from gateway.publishers import contract
from gateway.types import CORRELATION_DATA, RESPONSE_TOPIC, Message

BASE = "lora-gateway"
HOT = {"name": "hot", "channel": "air.temperature", "above": 30.0, "hysteresis": 2.0}
ID = "11111111-2222-4333-8444-555555555555"
PROBE = eui(1)
DOWN = f"application/{APPLICATION}/device/{PROBE}/command/down"
COMMAND = f"{BASE}/device/{PROBE}/command/{ID}"


def daemon_settings(folder: Path, **sections: Any) -> Config:  # noqa: ANN401 - any section
    store = {"path": str(folder / "gateway.db"), "commit_wait_s": 0.02}
    return settings(
        **({"store": store, "alerts": {"threshold": [HOT], "late_after_s": 1e7}} | sections)
    )


def speak(farm: Farm, number: int, f_cnt: int, **values: object) -> None:
    values = {"TempC_SHT": 20.5, "Hum_SHT": 55.5, "BatV": 3.1} | values
    farm.say(*up(eui(number), f_cnt, time.time(), values))


SCHEMAS = {
    r"lora-gateway/(bridge/state|device/[^/]+/availability)": "availability",
    r"lora-gateway/bridge/response/.+": "response",
    r"lora-gateway/bridge/info": "bridge_info",
    r"lora-gateway/bridge/health": "bridge_health",
    r"lora-gateway/bridge/devices": "bridge_devices",
    r"lora-gateway/history/[^/]+": "history",
    r"lora-gateway/device/[^/]+/(alert|alerts/[^/]+)": "alert",
    r"lora-gateway/device/[^/]+/command/[^/]+": "command",
    r"lora-gateway/device/[^/]+/state": "state",
    r"lora-gateway/device/[^/]+/anomaly": "anomaly",
    r"lora-gateway/device/[^/]+/forecast": "forecast",
    r"lora-gateway/program/[^/]+/state": "program",
    r"lora-gateway/group/[^/]+/command/[^/]+": "group_command",
    r"homeassistant/device/[^/]+/config": "home_assistant",
}
"""Which schema the messages of a topic follow."""


def schema_of(topic: str) -> str:
    (name,) = [name for pattern, name in SCHEMAS.items() if re.fullmatch(pattern, topic)]
    return name


def ours(broker: MemoryBroker) -> list[Message]:
    """Return what the daemon published: all but what the tests and the server say."""
    return [
        message
        for message in broker.published
        if not message.topic.startswith("application/")
        and "/set" not in message.topic
        and "/request/" not in message.topic
        and message.topic != "homeassistant/status"
    ]


async def test_every_message_of_a_small_life_follows_its_shipped_schema(tmp_path: Path) -> None:
    warm = {"enabled": True, "warm_samples": 16}
    broker = MemoryBroker()
    together = {
        "groups": {"all": {"devices": [PROBE]}},
        "programs": {"bed": {"start": ["03:00"], "minutes": 5, "valve": [{"device": PROBE}]}},
    }
    async with running(daemon_settings(tmp_path, inference=warm, **together), broker) as farm:
        for f_cnt in range(24):
            at_s = time.time() - 900.0 * (24 - f_cnt)
            hot = 45.0 if f_cnt == 20 else 20.0 + f_cnt % 3
            farm.say(*up(PROBE, f_cnt, at_s, {"TempC_SHT": hot, "mode": "auto", "open": True}))
        await farm.until(lambda: farm.assembly.telemetry.counts["uplinks"] == 24)
        for verb in ("health", "info", "devices", "nonsense"):
            farm.say(f"{BASE}/bridge/request/{verb}", b'{"transaction": "t"}')
            await farm.until(lambda verb=verb: farm.heard(f"{BASE}/bridge/response/{verb}"))
        farm.say(f"{BASE}/device/{PROBE}/set", json.dumps({"id": ID, "hex": "01"}).encode())
        await farm.until(lambda: farm.heard(COMMAND))
        farm.say(f"{BASE}/group/all/set", json.dumps({"id": ID[::-1], "hex": "01"}).encode())
        await farm.until(lambda: any("/group/all/command/" in one.topic for one in ours(broker)))
        broker.stop()
        broker.start()
        speak(farm, 1, 30)
        await farm.until(lambda: farm.heard(f"{BASE}/history/{PROBE}"), "history")

    seen: Counter[str] = Counter()
    for message in ours(broker):
        if message.payload:
            name = schema_of(message.topic)
            payload = json.loads(message.payload)
            Draft202012Validator(contract.schema(name)).validate(payload)
            seen[name] += 1
    assert set(seen) == set(contract.names())


async def test_a_link_that_goes_bad_is_published_as_the_schemas_say(tmp_path: Path) -> None:
    broker = MemoryBroker()
    async with running(daemon_settings(tmp_path), broker) as farm:
        for step in range(80):
            at_s = time.time() - 1800.0 * (80 - step)
            topic, payload = up(PROBE, 2 * step, at_s, {"TempC_SHT": 20.5})
            event = json.loads(payload)
            event["txInfo"]["frequency"] = 868_100_000 + 200_000 * (step % 3)
            farm.say(topic, json.dumps(event).encode())
        await farm.until(lambda: farm.assembly.telemetry.counts["uplinks"] == 80)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/alert"), "alert")

    (alert,) = farm.heard(f"{BASE}/device/{PROBE}/alert")
    assert (alert["kind"], alert["cause"], alert["event_type"]) == ("link", "network", "new")
    state = farm.heard(f"{BASE}/device/{PROBE}/state")[-1]["radio"]
    assert state["loss"] > 45
    assert state["link_margin"] == 16.0
    assert set(state["frequency_868100"]) == {"rssi", "snr", "share_of_even"}
    for message in ours(broker):
        if message.payload:
            schema = contract.schema(schema_of(message.topic))
            Draft202012Validator(schema).validate(json.loads(message.payload))
        assert b"frequency_868" not in message.payload or "homeassistant" not in message.topic


async def test_requests_are_answered_with_their_transaction_and_mark(tmp_path: Path) -> None:
    async with running(daemon_settings(tmp_path)) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        farm.say(f"{BASE}/bridge/request/devices", b'{"transaction": {"n": 1}}')
        await farm.until(lambda: farm.heard(f"{BASE}/bridge/response/devices"))
        (answer,) = farm.heard(f"{BASE}/bridge/response/devices")
        assert answer["status"] == "ok"
        assert answer["transaction"] == {"n": 1}
        assert [one["dev_eui"] for one in answer["data"]["devices"]] == [PROBE]
        farm.say(f"{BASE}/bridge/request/quit", b'{"transaction": 2}')
        await farm.until(lambda: farm.heard(f"{BASE}/bridge/response/quit"))
        (refusal,) = farm.heard(f"{BASE}/bridge/response/quit")
        assert (refusal["status"], refusal["transaction"]) == ("error", 2)
        assert "'quit'; known: info, health, devices" in refusal["error"]
        properties = {RESPONSE_TOPIC: "my/answers", CORRELATION_DATA: "beef"}
        farm.say(f"{BASE}/bridge/request/info", b"", **properties)
        await farm.until(lambda: farm.heard("my/answers"))
        (direct,) = [one for one in farm.broker.published if one.topic == "my/answers"]
        assert direct.properties[CORRELATION_DATA] == "beef"
        assert json.loads(direct.payload)["data"]["version"]


async def test_health_shows_what_was_put_aside(tmp_path: Path) -> None:
    async with running(daemon_settings(tmp_path)) as farm:
        farm.say(f"application/{APPLICATION}/device/{PROBE}/event/up", b"{")
        await farm.until(lambda: farm.assembly.telemetry.quarantined)
        farm.say(f"{BASE}/bridge/request/health")
        await farm.until(lambda: farm.heard(f"{BASE}/bridge/response/health"))
        (answer,) = farm.heard(f"{BASE}/bridge/response/health")
        aside = answer["data"]["quarantine"]
        assert aside["counts"] == {"truncated_json": 1}
        assert aside["recent"][0]["reason"] == "truncated_json"


async def test_an_alert_is_told_kept_while_it_lasts_and_cleared(tmp_path: Path) -> None:
    stream = f"{BASE}/device/{PROBE}/alert"
    async with running(daemon_settings(tmp_path)) as farm:
        speak(farm, 1, 1, TempC_SHT=50.0)
        await farm.until(lambda: farm.heard(stream))
        (new,) = farm.heard(stream)
        assert new["event_type"] == "new"
        kept = f"{BASE}/device/{PROBE}/alerts/{new['id']}"
        await farm.until(lambda: kept in farm.broker.retained)
        speak(farm, 1, 2, TempC_SHT=20.0)
        await farm.until(lambda: farm.heard(stream)[-1]["event_type"] == "end")
        await farm.until(lambda: kept not in farm.broker.retained)


async def test_home_assistant_is_told_everything_again_when_it_comes_up(tmp_path: Path) -> None:
    topic = f"homeassistant/device/lora_gateway_{PROBE}/config"
    async with running(daemon_settings(tmp_path)) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: len(farm.heard(topic)) == 1)
        farm.say("homeassistant/status", b"online")
        await farm.until(lambda: len(farm.heard(topic)) == 2)
        first, second = farm.heard(topic)
        assert first == second


async def test_a_broker_that_forgot_is_given_every_retained_topic_again(tmp_path: Path) -> None:
    async with running(daemon_settings(tmp_path)) as farm:
        for number in range(3):
            speak(farm, number, 1, TempC_SHT=50.0 if number == 1 else 20.0)
        farm.say(f"{BASE}/device/{PROBE}/set", b'{"hex": "01", "f_port": 2}')
        await farm.until(lambda: farm.heard(DOWN))
        await farm.until(lambda: retained_of(farm, "/command/"))
        await farm.until(
            lambda: len(retained_of(farm, "homeassistant/device/lora_gateway_a8")) == 3
        )
        await farm.until(lambda: len(retained_of(farm, "/availability")) == 3)
        await farm.until(lambda: retained_of(farm, "/alerts/"))
        before = dict(farm.broker.retained)
        farm.broker.stop()
        farm.broker.retained.clear()
        farm.broker.start()
        await farm.until(lambda: before.keys() <= farm.broker.retained.keys(), "all of it")


def retained_of(farm: Farm, part: str) -> set[str]:
    return {topic for topic in farm.broker.retained if part in topic}


async def test_after_a_restart_everything_shown_is_as_it_was(tmp_path: Path) -> None:
    config = daemon_settings(tmp_path)
    broker = MemoryBroker()
    wanted = ["state", "availability", "/alerts/", "homeassistant/"]

    def shown() -> dict[str, Any]:
        return {
            topic: json.loads(message.payload)
            for topic, message in broker.retained.items()
            if any(part in topic for part in wanted) and "bridge" not in topic
        }

    async with running(config, broker) as farm:
        for f_cnt in range(3):
            speak(farm, 1, f_cnt, TempC_SHT=50.0)
            speak(farm, 2, f_cnt)
        await farm.until(lambda: farm.assembly.telemetry.counts["uplinks"] == 6)
        await farm.until(lambda: len(shown()) == 7)
        before = shown()
    assert json.loads(broker.retained[f"{BASE}/bridge/state"].payload) == {"state": "offline"}
    broker.retained.clear()
    async with running(config, broker) as farm:
        await farm.until(lambda: len(shown()) == 7)
        after = shown()
        (topic,) = retained_of(farm, "/alerts/")
        assert after.pop(topic)["id"] == before.pop(topic)["id"]
        assert after == before


async def test_each_uplink_of_an_outage_is_published_afterwards(tmp_path: Path) -> None:
    config = daemon_settings(tmp_path)
    ids = {uplink_id(eui(number), f_cnt) for number in range(2) for f_cnt in range(30)}
    outer = MemoryBroker()
    async with running(config, outer) as farm:
        for f_cnt in range(30):
            for number in range(2):
                speak(farm, number, f_cnt)
            if f_cnt == 10:
                await farm.until(lambda: farm.assembly.telemetry.counts["uplinks"] == 22)
                outer.stop()
            if f_cnt == 20:
                outer.start()
        await farm.until(lambda: farm.assembly.telemetry.counts["uplinks"] == 60)
        await farm.until(lambda: ids <= published_ids(outer), "every uplink")
        historical = [
            json.loads(message.payload)
            for message in outer.published
            if message.topic.startswith(f"{BASE}/history/")
        ]
        assert all(one["historical"] is True for one in historical)


def published_ids(broker: MemoryBroker) -> set[str]:
    return {
        json.loads(message.payload)["id"]
        for message in broker.published
        if message.payload
        and (message.topic.endswith("/state") or "/history/" in message.topic)
        and "bridge" not in message.topic
    }


async def test_a_command_goes_to_the_server_and_is_followed_to_its_end(tmp_path: Path) -> None:
    async with running(daemon_settings(tmp_path)) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        command = {"id": ID, "hex": "01ff", "f_port": 3, "confirmed": True, "by": "tester"}
        farm.say(f"{BASE}/device/{PROBE}/set", json.dumps(command).encode())
        await farm.until(lambda: farm.heard(DOWN))
        (down,) = farm.heard(DOWN)
        assert down.pop("expiresAt")
        assert down == {"id": ID, "devEui": PROBE, "confirmed": True, "fPort": 3, "data": "Af8="}
        await farm.until(lambda: len(farm.heard(COMMAND)) == 2)
        farm.say(*txack(PROBE, time.time(), ID))
        farm.say(*ack(PROBE, time.time(), ID))
        await farm.until(lambda: farm.heard(COMMAND)[-1:] == [None], "the end of it")
        told = [one["state"] for one in farm.heard(COMMAND) if one]
        assert told == ["accepted", "queued", "sent", "acked"]
        assert COMMAND not in farm.broker.retained


async def test_a_command_that_the_server_refuses_has_failed(tmp_path: Path) -> None:
    async with running(daemon_settings(tmp_path)) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        farm.say(
            f"{BASE}/device/{PROBE}/set", json.dumps({"id": ID, "hex": "01", "f_port": 3}).encode()
        )
        await farm.until(lambda: farm.heard(DOWN))
        farm.say(*log(PROBE, time.time(), "DOWNLINK_PAYLOAD_SIZE", ID))
        await farm.until(lambda: farm.heard(COMMAND)[-1:] == [None], "the end of it")
        assert farm.heard(COMMAND)[-2]["state"] == "failed"
        assert "too long" in farm.heard(COMMAND)[-2]["detail"]


async def test_a_command_that_may_have_gone_before_a_restart_is_not_sent_twice(
    tmp_path: Path,
) -> None:
    config = daemon_settings(tmp_path)
    broker = MemoryBroker()
    async with running(config, broker) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        farm.assembly.downlinks.queued = lambda _id, _now_s: []  # type: ignore[method-assign]
        farm.say(
            f"{BASE}/device/{PROBE}/set", json.dumps({"id": ID, "hex": "01", "f_port": 3}).encode()
        )
        await farm.until(lambda: farm.heard(DOWN))
    async with running(config, broker) as farm:
        await farm.until(lambda: farm.heard(COMMAND)[-1:] == [None], "the end of it")
        told = farm.heard(COMMAND)[-2]
        assert (told["state"], "restarted" in told["detail"]) == ("failed", True)
        assert len(farm.heard(DOWN)) == 1


async def test_a_command_waits_for_the_servers_broker_also_over_a_restart(tmp_path: Path) -> None:
    config = daemon_settings(tmp_path)
    broker = MemoryBroker()

    def wire() -> MemoryLink:
        return next(one for one in reversed(broker._links) if one.client_id == "lora-gateway-in")

    async with running(config, broker) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        wire().disconnect()
        farm.say(
            f"{BASE}/device/{PROBE}/set", json.dumps({"id": ID, "hex": "01", "f_port": 3}).encode()
        )
        await farm.until(
            lambda: (found := farm.assembly.store.downlink(ID)) is not None and not found.offered
        )
        assert farm.heard(DOWN) == []
    async with running(config, broker) as farm:
        await farm.until(lambda: farm.heard(DOWN), "the command")
        await farm.until(lambda: farm.heard(COMMAND)[-1]["state"] == "queued")
        wire().disconnect()
        other = ID[:-1] + "6"
        farm.say(
            f"{BASE}/device/{PROBE}/set",
            json.dumps({"id": other, "hex": "02", "f_port": 3}).encode(),
        )
        await farm.until(
            lambda: (found := farm.assembly.store.downlink(other)) is not None and not found.offered
        )
        wire().connect()
        await farm.until(lambda: len(farm.heard(DOWN)) > 1, "the other command")
        assert [one["id"] for one in farm.heard(DOWN)] == [ID, other]


async def test_a_pack_that_does_not_load_leaves_a_daemon_that_judges_by_the_shipped_one(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK no zip")
    config = daemon_settings(tmp_path, inference={"pack": str(broken)})
    async with running(config) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        farm.say(f"{BASE}/bridge/request/health")
        await farm.until(lambda: farm.heard(f"{BASE}/bridge/response/health"))
        (answer,) = farm.heard(f"{BASE}/bridge/response/health")
        assert answer["data"]["status"] == "degraded"
        assert "model_pack_unusable" in answer["data"]["last_error"]


async def test_secrets_stay_out_of_what_is_published(tmp_path: Path) -> None:
    secret = "do-not-tell"  # noqa: S105 - it is the test's own
    config = daemon_settings(
        tmp_path,
        mqtt={"username": "u", "password": secret},
        chirpstack={"mqtt": {"username": "c", "password": secret}},
    )
    async with running(config) as farm:
        speak(farm, 1, 1)
        await farm.until(lambda: farm.heard(f"{BASE}/device/{PROBE}/state"))
        (info, *_) = farm.heard(f"{BASE}/bridge/info")
        assert info["settings"]["mqtt"]["password"] == "set"  # noqa: S105 - it says that there is one
        assert not any(secret.encode() in message.payload for message in farm.broker.published)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_stopped_daemon_can_be_started_on_the_same_database(
    tmp_path: Path, moment: str
) -> None:
    config = daemon_settings(tmp_path)
    async with running(config) as farm:
        if moment == "after":
            speak(farm, 1, 1)
            await farm.until(lambda: farm.assembly.telemetry.counts["uplinks"] == 1)
    async with running(config) as farm:
        assert len(farm.assembly.stages.devices) == (moment == "after")
