"""People's own rules in the pipeline: told over MQTT, kept, audited, and what their alerts send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings

from gateway.config import Config
from gateway.outcome import Outcome
from gateway.store import verify
from gateway.types import EventType

PROBE, VALVE = eui(2), eui(3)
HOT: dict[str, Any] = {"name": "hot", "channel": "air.temperature", "above": 30, "hysteresis": 1}
COMMANDS = {
    "open": {
        "f_port": 10, "effect": "open", "hex": "01", "close_with": "close", "max_s": 600,
    },
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}  # fmt: skip


def farm(**sections: Any) -> Config:  # noqa: ANN401 - any section
    devices = {VALVE: {"name": "Valve", "commands": COMMANDS}, PROBE: {"name": "Probe"}}
    return settings(**({"devices": devices} | sections))


async def ask(gateway: Bench, verb: str, **body: object) -> Outcome:
    payload = json.dumps(body).encode()
    return await gateway.ask(f"lora-gateway/bridge/request/rule/{verb}", payload)


async def data(gateway: Bench, verb: str, **body: object) -> Any:  # noqa: ANN401 - any JSON
    (reply,) = (await ask(gateway, verb, **body)).replies
    assert reply.error is None
    return reply.data


async def error(gateway: Bench, verb: str, **body: object) -> str:
    (reply,) = (await ask(gateway, verb, **body)).replies
    assert reply.error is not None
    return reply.error


class Farm:
    """Counts the frames of a farm's devices."""

    def __init__(self, gateway: Bench) -> None:
        self.gateway = gateway
        self._frames = 0

    async def warm(self, value: float, after_s: float = 0.0) -> Outcome:
        """Let the probe tell a temperature, so long after what was last heard."""
        self._frames += 1
        at_s = self.gateway.clock.now_s() + after_s
        event = up(PROBE, self._frames, at_s, {"TempC_SHT": value})
        return await self.gateway.hear(event, received_s=at_s)

    async def introduce(self) -> None:
        """Let the valve be heard once."""
        await self.gateway.hear(up(VALVE, 1, NOW_S, {"valve_status": "closed"}))


def alerts(outcome: Outcome) -> list[tuple[str, str]]:
    return [(event.event_type.value, event.alert.rule) for event in outcome.alerts]


async def test_a_rule_told_over_mqtt_is_kept_counted_and_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        probe = Farm(gateway)
        await probe.warm(20)
        outcome = await ask(gateway, "add", rule=HOT, by="anna")
        assert outcome.rules is not None
        assert outcome.rules["count"] == 1
        assert alerts(await probe.warm(31, 60)) == [("new", "rule:hot")]
        (entry,) = (await data(gateway, "list"))["rules"]
        assert (entry["source"], entry["enabled"]) == ("mqtt", True)
        assert entry["fired"] == {"last_7_days": 1, "last_30_days": 1}
        began = gateway.store.open_alerts()
    async with bench(farm(), path, start_s=NOW_S + 100) as gateway:
        (entry,) = (await data(gateway, "list"))["rules"]
        assert entry["fired"]["last_7_days"] == 1
        assert gateway.assembly.alerts.open() == began
        probe = Farm(gateway)
        probe._frames = 10
        assert alerts(await probe.warm(29.5, 60)) == []
        assert alerts(await probe.warm(29, 60)) == [("end", "rule:hot")]


async def test_a_duration_continues_through_a_restart(tmp_path: Path) -> None:
    config = farm(rule=[{**HOT, "for_s": 1200}])
    async with bench(config, tmp_path / "gateway.db") as gateway:
        assert alerts(await Farm(gateway).warm(31)) == []
    async with bench(config, tmp_path / "gateway.db", start_s=NOW_S + 600) as gateway:
        probe = Farm(gateway)
        probe._frames = 10
        outcome = await probe.warm(31, 600)
        assert alerts(outcome) == [("new", "rule:hot")]
        assert outcome.alerts[0].alert.first_seen_s == NOW_S


async def test_a_new_rule_knows_what_it_would_have_known() -> None:
    async with bench(farm()) as gateway:
        probe = Farm(gateway)
        await probe.warm(31)
        await ask(gateway, "add", rule={**HOT, "for_s": 600})
        outcome = await probe.warm(31, 600)
        assert alerts(outcome) == [("new", "rule:hot")]


async def test_a_rule_is_switched_off_and_on_and_removed() -> None:
    async with bench(farm()) as gateway:
        probe = Farm(gateway)
        await ask(gateway, "add", rule=HOT)
        await probe.warm(31)
        assert alerts(await ask(gateway, "disable", name="hot")) == [("end", "rule:hot")]
        assert (await data(gateway, "get", name="hot"))["enabled"] is False
        assert alerts(await probe.warm(31, 60)) == []
        assert (await data(gateway, "enable", name="hot"))["enabled"] is True
        assert alerts(await probe.warm(31, 60)) == [("new", "rule:hot")]
        assert (await data(gateway, "remove", name="hot"))["removed"] is True
        assert (await data(gateway, "list"))["count"] == 0
        assert gateway.assembly.alerts.open() == []


async def test_a_rule_of_a_file_can_only_be_switched_off(tmp_path: Path) -> None:
    config = farm(rule=[HOT])
    async with bench(config, tmp_path / "gateway.db") as gateway:
        assert "stands in a settings file" in await error(gateway, "add", rule=HOT)
        assert "stands in a settings file" in await error(gateway, "remove", name="hot")
        assert (await data(gateway, "disable", name="hot"))["enabled"] is False
    async with bench(config, tmp_path / "gateway.db") as gateway:
        assert alerts(await Farm(gateway).warm(31)) == []
        assert (await data(gateway, "enable", name="hot"))["source"] == "file"


async def test_a_channel_that_nobody_told_of_is_a_warning() -> None:
    async with bench(farm()) as gateway:
        await Farm(gateway).warm(20)
        answer = await data(gateway, "add", rule={**HOT, "channel": "air.temprature"})
        (warning,) = answer["warnings"]
        assert warning.endswith("no device has told of air.temprature so far; "
                                "did you mean air.temperature?")  # fmt: skip


def deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"channel": "a", "above": 1}
    for _ in range(levels):
        tree = {"all": [tree]}
    return tree


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"name": "x"}, "give exactly one test"),
        ({"name": "X y", "channel": "a", "above": 1}, "must match the pattern"),
        ({"name": "x", "chanel": "a", "above": 1}, "did you mean 'channel'?"),
        ({"name": "x", **deep(5)}, "nest at most 4 deep"),
        ({"name": "x", **deep(300)}, "nest at most 4 deep"),
        ({"name": "x", "all": [{"channel": "a", "above": 1}] * 17}, "at most 16 conditions"),
        ({"name": "x", "all": [{"channel": "a", "above": 1}] * 400}, "8192 characters"),
        ({"name": "x", "channel": "a", "above": float("nan")}, "finite number"),
        ({"name": "x", "channel": "a", "above": float("inf")}, "finite number"),
        ({"name": "x", "channel": "a", "above": 1, "message": "{0.__class__}"}, "not filled in"),
        ({"name": "x", "channel": "a", "above": 1, "message": "a\nb"}, "one line"),
        ({"name": "x", "channel": "a", "above": 1, "message": "a" * 9000}, "8192 characters"),
        ({"name": "x", "channel": "a", "above": 1, "season": "13-01..02-30"}, "two days"),
        ({"name": "x", "channel": "a", "above": 1, "hours": "25:00-26:00"}, "pattern"),
        ({"name": "x", "channel": "a", "above": "1; DROP TABLE alert"}, "a number"),
    ],
)
async def test_a_hostile_or_mistaken_rule_is_refused_with_the_reason(
    rule: dict[str, Any], why: str
) -> None:
    async with bench(farm()) as gateway:
        assert why in await error(gateway, "add", rule=rule)
        assert (await data(gateway, "list"))["count"] == 0
        assert any("rule_refused" in row.body for row in gateway.store.audit())


@pytest.mark.parametrize(
    ("verb", "body", "why"),
    [
        ("explode", {}, "is none of list, get"),
        ("get", {}, "Give the rule's `name`"),
        ("get", {"name": "none"}, "'none' is no rule"),
        ("add", {"rule": HOT, "name": "hot"}, "not both"),
        ("add", {"rule": "hot"}, "`rule` does not fit"),
        ("test", {"rule": HOT, "days": 1000}, "`days` does not fit"),
        ("add", {"rule": HOT, "time": "2020-01-01T00:00:00Z"}, "s ago"),
    ],
)
async def test_a_request_that_cannot_be_understood_is_answered(
    verb: str, body: dict[str, Any], why: str
) -> None:
    async with bench(farm()) as gateway:
        assert why in await error(gateway, verb, **body)


async def test_more_rules_than_may_be_kept_are_refused() -> None:
    async with bench(farm()) as gateway:
        for number in range(200):
            await ask(gateway, "add", rule={**HOT, "name": f"r{number}"})
        assert "remove one first" in await error(gateway, "add", rule=HOT)


# --- who may ---------------------------------------------------------------------------------

OPERATORS = {"anna": {"role": "operator"}, "boss": {"role": "admin"}, "eve": {"role": "viewer"}}
OPENING = {**HOT, "action": {"device": "Valve", "command": "open", "duration_s": 300}}


@pytest.mark.parametrize(
    ("by", "rule", "may"),
    [
        ("anna", HOT, True), ("eve", HOT, False), ("nobody", HOT, False), ("", HOT, False),
        ("anna", OPENING, False), ("boss", OPENING, True),
    ],
)  # fmt: skip
async def test_an_operator_writes_rules_and_an_admin_those_that_send(
    by: str, rule: dict[str, Any], *, may: bool
) -> None:
    async with bench(farm(operators=OPERATORS)) as gateway:
        (reply,) = (await ask(gateway, "add", rule=rule, by=by)).replies
        assert (reply.error is None) is may


async def test_an_operator_may_switch_off_what_sends_and_not_on_again() -> None:
    async with bench(farm(operators=OPERATORS, rule=[OPENING])) as gateway:
        assert "takes `admin`" in await error(gateway, "enable", name="hot", by="anna")
        assert (await data(gateway, "disable", name="hot", by="anna"))["enabled"] is False
        assert "takes `admin`" in await error(gateway, "enable", name="hot", by="anna")
        assert (await data(gateway, "enable", name="hot", by="boss"))["enabled"] is True


# --- what an alert sends ---------------------------------------------------------------------


async def test_an_alert_sends_its_command_once_through_controls_checks(tmp_path: Path) -> None:
    config = farm(rule=[OPENING], operators=OPERATORS)
    async with bench(config, tmp_path / "gateway.db") as gateway:
        probe = Farm(gateway)
        await probe.introduce()
        outcome = await probe.warm(31)
        (sent,) = outcome.dispatch
        assert (sent.command, sent.by, sent.duration_s) == ("open", "rule:hot", 300)
        assert [one.state.value for one in outcome.downlinks] == ["accepted", "held"]
        assert outcome.alerts[-1].alert.advice == "The command open was given."
        assert alerts(outcome) == [("new", "rule:hot")]
        assert (await probe.warm(33, 1900)).dispatch == []
        assert verify(gateway.store.audit()).fault is None
    async with bench(config, tmp_path / "gateway.db", start_s=NOW_S + 2000) as gateway:
        probe = Farm(gateway)
        probe._frames = 10
        again = (await probe.warm(34, 60)).dispatch
        assert [one.command for one in again] == ["close"]  # of the open that may have gone


@pytest.mark.parametrize(
    ("action", "sections", "why"),
    [
        ({"duration_s": 3000}, {}, "interlock|max_s|600"),
        ({}, {}, "Give `duration_s`"),
        ({"duration_s": 300}, {"downlink": {"quiet_hours": "00:00-23:59"}}, "quiet_hours"),
        ({"command": "explode", "duration_s": 300}, {}, "unknown_command"),
        ({"device": "Nobody", "duration_s": 300}, {}, "0 devices are called Nobody"),
    ],
)
async def test_a_refused_command_is_told_in_the_alert_and_audited(
    action: dict[str, Any], sections: Mapping[str, Any], why: str
) -> None:
    rule = {**HOT, "advice": "Air it.", "action": {"device": "Valve", "command": "open", **action}}
    async with bench(farm(rule=[rule], **sections)) as gateway:
        probe = Farm(gateway)
        await probe.introduce()
        outcome = await probe.warm(31)
        assert outcome.dispatch == []
        advice = outcome.alerts[-1].alert.advice
        assert advice.startswith("Air it. The command ")
        assert any(part in advice for part in why.split("|"))
        assert any("rule_action" in row.body for row in gateway.store.audit())
        assert gateway.store.open_alerts()[0].advice == advice


async def test_an_emergency_stop_holds_for_rules_too() -> None:
    async with bench(farm(rule=[OPENING])) as gateway:
        probe = Farm(gateway)
        await probe.introduce()
        await gateway.ask("lora-gateway/bridge/request/stop", b'{"by": "anna"}')
        outcome = await probe.warm(31)
        assert outcome.dispatch == []
        assert "emergency_stop" in outcome.alerts[-1].alert.advice


async def test_a_rehearsed_command_says_what_it_would_send() -> None:
    rule = {**OPENING, "action": {**OPENING["action"], "dry_run": True}}
    async with bench(farm(rule=[rule])) as gateway:
        probe = Farm(gateway)
        await probe.introduce()
        outcome = await probe.warm(31)
        assert outcome.dispatch == []
        assert "Checked and not sent" in outcome.alerts[-1].alert.advice


async def test_late_data_neither_begins_an_alert_nor_sends_anything() -> None:
    async with bench(farm(rule=[OPENING])) as gateway:
        await Farm(gateway).introduce()
        late = up(PROBE, 1, NOW_S - 7200, {"TempC_SHT": 35.0})
        outcome = await gateway.hear(late, received_s=NOW_S)
        assert outcome.alerts == []
        assert outcome.dispatch == []


async def test_what_was_heard_before_a_restart_moves_nothing(tmp_path: Path) -> None:
    rule = {
        "name": "left-open", "channel": "valve.state", "equals": "open", "for_s": 1200,
        "action": {"command": "close"},
    }  # fmt: skip
    devices = {VALVE: {"commands": COMMANDS, "channels": {"v": {"channel": "valve.state"}}}}
    config = settings(devices=devices, rule=[rule])
    async with bench(config, tmp_path / "gateway.db") as gateway:
        await gateway.hear(up(VALVE, 1, NOW_S, {"v": "open"}))
    async with bench(config, tmp_path / "gateway.db", start_s=NOW_S + 100) as gateway:
        outcome = await gateway.wait(1200)
        assert [event.event_type for event in outcome.alerts] == [EventType.NEW]
        assert outcome.dispatch == []
        assert "before the gateway was restarted" in outcome.alerts[-1].alert.advice


async def test_a_trial_is_left_to_the_daemon() -> None:
    async with bench(farm()) as gateway:
        outcome = await ask(gateway, "test", rule=HOT, days=3)
        ((question, trial),) = outcome.trials
        assert (question.verb, trial.rule.name, trial.days) == ("rule/test", "hot", 3)
        assert outcome.replies == []
        assert (await data(gateway, "list"))["count"] == 0
