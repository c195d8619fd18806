"""What people ask of alerts over MQTT: answered, stored, audited, and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from jsonschema import Draft202012Validator

from gateway.alerts.life import DIGEST
from gateway.bulletin import Bulletin
from gateway.config import Config
from gateway.outcome import Outcome
from gateway.publishers import contract
from gateway.types import Json, Message

PROBE, OTHER = eui(1), eui(2)
WET = {"name": "wet", "channel": "soil.moisture", "above": 60.0, "hysteresis": 5.0}
HOUR_S = 3600.0


def farm(**sections: Mapping[str, Any]) -> Config:
    return settings(alerts={"threshold": [WET]}, **sections)


async def soak(gateway: Bench, f_cnt: int = 1, moisture: float = 70.0, probe: str = PROBE) -> str:
    """Let a probe report; return the id of its open alert."""
    at_s = gateway.clock.now_s() + 60.0
    await gateway.hear(up(probe, f_cnt, at_s, {"water_SOIL": moisture}), received_s=at_s)
    return next((one.id for one in gateway.store.open_alerts() if one.dev_eui == probe), "")


async def asked(gateway: Bench, verb: str, **body: Json) -> tuple[Outcome, Any, str | None]:
    """Ask, and return the outcome, the data and the error."""
    topic = f"lora-gateway/bridge/request/alert/{verb}"
    outcome = await gateway.ask(topic, json.dumps(body).encode())
    (reply,) = outcome.replies
    return outcome, reply.data, reply.error


def bulletin(gateway: Bench) -> Bulletin:
    return Bulletin(gateway.assembly, version="1", info=dict, health=dict)


def said(messages: list[Message]) -> dict[str, Any]:
    return {one.topic.removeprefix("lora-gateway/"): json.loads(one.payload or "null")
            for one in messages}  # fmt: skip


async def test_an_acknowledgement_is_shown_stored_and_audited_but_no_news() -> None:
    async with bench(farm()) as gateway:
        name = await soak(gateway)
        outcome, data, error = await asked(
            gateway, "ack", id=name[:8], by="anna", text="on my way", transaction="7"
        )
        assert error is None
        assert data["alerts"][0]["ack"] == "anna"
        told = said(bulletin(gateway).durable(outcome))
        assert list(told) == [f"device/{PROBE}/alerts/{name}"]
        (kept,) = told.values()
        assert kept["ack"] == "anna"
        assert [one["text"] for one in kept["comments"]] == ["on my way"]
        shown = said(bulletin(gateway).live(outcome))
        assert shown[f"device/{PROBE}/alerts"]["unacknowledged"] == 0
        assert shown["bridge/response/alert/ack"]["transaction"] == "7"
        (stored,) = gateway.store.open_alerts()
        assert stored.ack == "anna"
        (row,) = gateway.store.audit()
        facts = json.loads(row.body)
        assert (facts["kind"], facts["detail"]["what"]) == ("alert", "ack")
        assert (facts["detail"]["by"], facts["detail"]["ids"]) == ("anna", [name])


async def test_all_alerts_of_a_device_can_be_snoozed_at_once() -> None:
    async with bench(farm()) as gateway:
        name = await soak(gateway)
        _, data, error = await asked(gateway, "snooze", **{"dev_eui": PROBE, "for": "2h"})
        assert error is None
        assert [one["id"] for one in data["alerts"]] == [name]
        woken = await gateway.wait(2 * HOUR_S)
        assert [(one.event_type.value, one.told) for one in woken.alerts] == [("update", True)]


async def test_a_false_alarm_of_the_users_own_limit_proposes_a_change() -> None:
    async with bench(farm()) as gateway:
        name = await soak(gateway)
        outcome, data, _ = await asked(gateway, "false-alarm", id=name, by="anna")
        assert "wet is your own and stays as it is" in data["proposal"]
        assert data["adjustments"] == []
        told = said(bulletin(gateway).durable(outcome))
        assert told[f"device/{PROBE}/alert"]["false_alarm"] is True
        assert told[f"device/{PROBE}/alerts/{name}"] is None
        assert await soak(gateway, 2, 75.0) == ""


async def test_a_false_alarm_of_ours_is_listed_and_can_be_undone(tmp_path: Path) -> None:
    path, config = tmp_path / "gateway.db", settings(alerts={"late_after_s": 1e9})
    async with bench(config, path) as gateway:
        for f_cnt in range(2):
            name = await soak(gateway, f_cnt, 250.0)
        _, data, _ = await asked(gateway, "false-alarm", id=name)
        assert [one["channel"] for one in data["adjustments"]] == ["soil.moisture"]
        assert data["said"].startswith("The built-in limit on soil moisture is wider")
    async with bench(config, path, start_s=NOW_S + HOUR_S) as gateway:
        _, data, _ = await asked(gateway, "adjustments")
        assert [(one["dev_eui"], one["step"]) for one in data["adjustments"]] == [(PROBE, 1)]
        _, data, error = await asked(gateway, "undo", dev_eui=PROBE, by="anna")
        assert (error, len(data["undone"])) == (None, 1)
        assert gateway.store.alert_memory() == {}
        _, _, error = await asked(gateway, "undo", dev_eui=PROBE)
        assert error is not None
        assert error.startswith("unknown_adjustment")


async def test_what_is_over_can_still_be_shown() -> None:
    async with bench(farm()) as gateway:
        name = await soak(gateway)
        await soak(gateway, 2, 30.0)
        _, data, _ = await asked(gateway, "list")
        assert data == {"count": 0, "alerts": []}
        _, data, _ = await asked(gateway, "show", id=name)
        assert (data["dev_eui"], data["end_time"] is not None) == (PROBE, True)


@pytest.mark.parametrize(
    ("verb", "body", "why"),
    [
        ("ack", {}, "malformed"),
        ("ack", {"id": "0000", "by": "anna"}, "unknown_alert"),
        ("ack", {"id": "", "dev_eui": OTHER}, "unknown_alert"),
        ("ack", {"id": "12345678", "dev_eui": PROBE}, "malformed"),
        ("ack", {"id": 7}, "malformed"),
        ("ack", {"dev_eui": PROBE, "extra": 1}, "malformed"),
        ("ack", {"dev_eui": PROBE, "time": "2020-01-01T00:00:00Z"}, "stale"),
        ("ack", {"dev_eui": PROBE, "text": "x" * 501}, "malformed"),
        ("snooze", {"dev_eui": PROBE, "for": "soon"}, "malformed"),
        ("snooze", {"dev_eui": PROBE, "for": "91d"}, "malformed"),
        ("snooze", {"dev_eui": PROBE, "for": 0}, "malformed"),
        ("snooze", {"dev_eui": PROBE, "until": "2020-01-01T00:00:00Z"}, "malformed"),
        ("snooze", {"dev_eui": PROBE, "until": "never"}, "malformed"),
        ("comment", {"dev_eui": PROBE, "text": " "}, "malformed"),
        ("false-alarm", {"dev_eui": PROBE}, "malformed"),
        ("undo", {}, "malformed"),
        ("show", {"id": "nothing"}, "unknown_alert"),
        ("explode", {"dev_eui": PROBE}, "unknown_verb"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(
    verb: str, body: dict[str, Json], why: str
) -> None:
    async with bench(farm()) as gateway:
        await soak(gateway)
        before = gateway.store.open_alerts()
        outcome, _, error = await asked(gateway, verb, **body)
        assert error is not None
        assert error.startswith(f"{why}: ")
        assert outcome.alerts == []
        assert gateway.store.open_alerts() == before


async def test_operators_may_do_what_their_role_and_devices_allow() -> None:
    operators = {
        "anna": {"role": "operator", "devices": [PROBE]},
        "eve": {"role": "viewer"},
    }
    async with bench(farm(operators=operators)) as gateway:
        mine, other = await soak(gateway), await soak(gateway, 1, 70.0, OTHER)
        assert (await asked(gateway, "list"))[1]["count"] == 2
        for by, name in [("eve", mine), ("", mine), ("mallory", mine), ("anna", other)]:
            _, _, error = await asked(gateway, "ack", id=name, by=by)
            assert error is not None
            assert error.startswith("unauthorised")
        _, _, error = await asked(gateway, "ack", id=mine, by="anna")
        assert error is None
        kinds = [json.loads(row.body)["kind"] for row in gateway.store.audit()]
        assert kinds == ["alert_refused"] * 4 + ["alert"]


async def test_the_digest_is_told_once_and_stays(tmp_path: Path) -> None:
    config = settings(
        alerts={"per_week": 1, "digest_at": "07:00", "late_after_s": 1e9},
        agronomy={"time_zone": "UTC"},
    )
    path = tmp_path / "gateway.db"
    async with bench(config, path) as gateway:
        for number in (1, 2):
            for f_cnt in range(2):
                await soak(gateway, f_cnt, 250.0, eui(number))
        _, data, _ = await asked(gateway, "list")
        assert [one["in_digest"] for one in data["alerts"]] == [False, True]
    async with bench(config, path, start_s=NOW_S + HOUR_S) as gateway:
        outcomes = [await gateway.wait(HOUR_S) for _ in range(48)]
        told = [one for one in outcomes if DIGEST in one.memory]
        assert len(told) == 1
        sent = said(bulletin(gateway).durable(told[0]))["bridge/digest"]
        assert (sent["count"], sent["devices"]) == (1, {OTHER: 1})
        Draft202012Validator(contract.schema("digest")).validate(sent)
        assert sent["since"] < sent["time"]
        again = {one.topic: one for one in bulletin(gateway).snapshot()}
        assert json.loads(again["lora-gateway/bridge/digest"].payload) == sent
        assert (await asked(gateway, "digest"))[1] == sent
