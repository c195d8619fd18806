"""Intervals that the gateway advises, and sets where the operator agreed."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from gateway.alerts.equipment import Equipment
from gateway.config import Config
from gateway.control import Catalogue, CommandParser, Safety, Target
from gateway.devices import Device
from gateway.publishers import payloads
from gateway.publishers.contract import schema
from gateway.store import UplinkRecord
from gateway.types import (
    QUANTILES,
    Channel,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    Forecast,
    Reading,
    ReadingKind,
    Status,
    Verdict,
)
from gateway.upkeep import Advised, SamplingAdviser, condition_json, kept_sampling, sampling_json

EUI = DevEui("a84041000181c061")
INFO = DeviceInfo(EUI, "North", profile="Soil probe", application_id="app")
SOIL = Channel("soil.moisture")
DAY_S = 86400.0
INTERVAL = {
    "f_port": 2,
    "keys": {"minutes": {"type": "integer", "min": 5, "max": 240, "unit": "min"}},
    "interval_key": "minutes",
}


def settings(sampling: str, **command: object) -> Config:
    return Config.model_validate(
        {
            "advice": {"sampling": sampling},
            "profiles": {"Soil probe": {"commands": {"interval": {**INTERVAL, **command}}}},
        }
    )


class Bench:
    """An adviser with a device that measures every quarter of an hour, and nothing happens."""

    def __init__(self, config: Config, hours: int = 12) -> None:
        self.catalogue = Catalogue(config)
        self.catalogue.learn(INFO)
        self.safety = Safety(config.downlink, self.catalogue)
        self.known: dict[str, Downlink] = {}
        parser = CommandParser(config.downlink, self.known.get, safety=self.safety)
        self.adviser = SamplingAdviser(config, Equipment(), self.catalogue, parser)
        self.device = Device(INFO, 0.0, 0.0)
        for number in range(4 * hours):
            reading = Reading(EUI, SOIL, 30.0, "%", ReadingKind.NUMERIC, 900.0 * number, "")
            record = UplinkRecord(f"u{number}", EUI, "01", number, 900.0 * number, 0.0,
                                  late=False, readings=(reading,))  # fmt: skip
            self.adviser.equipment.hear(INFO, record)
        quantiles = np.full((96, len(QUANTILES)), 30.0, np.float32)
        forecast = Forecast(EUI, SOIL, 0.0, 900.0, quantiles)
        self.device.verdicts[SOIL] = Verdict(EUI, SOIL, 0.0, 30.0, Status.OK, forecast=forecast)

    def look(self, now_s: float) -> Advised:
        return self.adviser.look([self.device], (), lambda _: self.target(), now_s)

    def target(self) -> Target:
        return Target("app", "Soil probe", commands=self.catalogue.of(EUI),
                      encode=lambda found, port: (json.dumps(found).encode(), port))  # fmt: skip


def test_a_suggestion_is_told_and_nothing_is_sent() -> None:
    advised = Bench(settings("suggest")).look(DAY_S)

    (found,) = advised.changed.values()
    assert (found.case, found.every_s, found.wanted_s) == ("calm", 900.0, 7200.0)
    assert advised.commands == []


def test_nothing_is_advised_where_nobody_wants_it_or_too_little_is_known() -> None:
    assert Bench(settings("off")).look(DAY_S).changed == {}
    assert Bench(settings("suggest"), hours=1).look(DAY_S).changed == {}


def test_what_the_operator_agreed_to_is_sent_as_a_command_of_the_schema() -> None:
    advised = Bench(settings("send")).look(DAY_S)

    ((downlink, is_new),) = advised.commands
    assert is_new
    assert (downlink.by, downlink.command, downlink.state) == (
        "gateway", "interval", DownlinkState.ACCEPTED,
    )  # fmt: skip
    assert json.loads(downlink.data) == {"minutes": 120}


def test_a_device_is_commanded_once_a_day_at_most_even_when_looked_at_again() -> None:
    bench = Bench(settings("send"))
    first = bench.look(DAY_S)
    bench.adviser.hasten(EUI)
    again = bench.look(DAY_S + 600.0)
    tomorrow = bench.look(2 * DAY_S + 700.0)

    assert [len(one.commands) for one in (first, again, tomorrow)] == [1, 0, 1]


def test_a_restart_within_the_day_sends_nothing_again() -> None:
    first = Bench(settings("send"))
    ((downlink, _),) = first.look(DAY_S).commands
    later = Bench(settings("send"))
    later.adviser.restore([downlink], {})

    assert later.look(DAY_S + 3600.0).commands == []


@pytest.mark.parametrize("reason", ["unknown_device", "rate", "value"])
def test_every_check_of_a_command_holds_for_the_gateways_own(reason: str) -> None:
    config = settings("send")
    bench = Bench(config)
    target: Target | None = bench.target()
    if reason == "unknown_device":
        target = None
    elif reason == "value":
        narrow = settings("send", keys={"minutes": {**INTERVAL["keys"]["minutes"], "max": 60}})  # type: ignore[index]
        strict = Catalogue(narrow)
        strict.learn(INFO)
        target = replace(bench.target(), commands=strict.of(EUI))
    else:
        for number in range(config.downlink.per_device_per_hour):
            bench.adviser._parser.parse(
                EUI, "interval", str(5 + number).encode(), retained=False, now_s=DAY_S,
                target=target,
            )  # fmt: skip

    advised = bench.adviser.look([bench.device], (), lambda _: target, DAY_S)

    ((downlink, is_new),) = advised.commands
    assert (downlink.state, is_new) == (DownlinkState.REFUSED, False)
    assert downlink.detail.startswith(reason)


def test_what_was_advised_comes_back_from_the_store_and_is_published_as_its_schema_says() -> None:
    bench = Bench(settings("suggest"))
    advised = bench.look(DAY_S)
    told = sampling_json(advised.changed[EUI])

    assert told is not None
    jsonschema.validate(payloads.advice(told, time_s=DAY_S), schema("advice"))
    kept = json.loads(json.dumps(dict(advised.kept)))
    assert kept_sampling({**kept, "stop": None, "sampling:gone": None}) == advised.changed
    (condition,) = bench.adviser.equipment.conditions((), DAY_S)
    assert condition_json(condition)["sampling"] == told


def test_an_interval_key_must_be_a_bounded_span_that_the_gateway_can_give_alone() -> None:
    key = INTERVAL["keys"]["minutes"]  # type: ignore[index]
    for wrong in (
        {"interval_key": "hours"},
        {"keys": {"minutes": {**key, "unit": ""}}},
        {"keys": {"minutes": {**key, "max": None}}},
        {"keys": {"minutes": key, "mode": {"type": "integer"}}},
        {"severity": "critical"},
    ):
        with pytest.raises(ValueError, match=r"interval|minutes|mode"):
            settings("send", **wrong)
