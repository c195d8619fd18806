"""The rules that look at days, as people meet them: one alert for a site, its words, its end."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from gateway.alerts import AlertEngine
from gateway.config import Config
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    EventType,
    Reading,
    ReadingKind,
    Severity,
)

HOUR_S = 3600.0
DAY_H = 24
T0 = 1_790_006_400.0  # midnight
UNITS = {"soil.moisture": "%", "air.temperature": "°C", "soil.temperature": "°C",
         "wind.speed": "m/s"}  # fmt: skip
Given = dict[str, Callable[[int], float]]


def eui(number: int) -> DevEui:
    return DevEui(f"70b3d57ed00000{number:02x}")


class Site:
    """Devices that speak each half hour; `given` is what each reads, by the half hour."""

    def __init__(self, given: dict[str, Given], settings: dict[str, object] | None = None) -> None:
        self.given = given
        self.config = Config.model_validate({"site": {"name": "Hill"}, **(settings or {})})
        self.engine = AlertEngine(self.config)
        self.half_hours = 0
        self.events: list[AlertEvent] = []

    def run(self, days: float) -> Site:
        for _ in range(int(days * 2 * DAY_H)):
            self.half_hours += 1
            for number, name in enumerate(self.given):
                self._say(number, name)
            self.events += self.engine.tick(self.now_s)
        return self

    def restart(self) -> None:
        """Begin anew as after a restart: with the open alerts, and what is stored of two weeks."""
        opened, before = self.engine.open(), self.engine
        self.engine = AlertEngine(self.config)
        self.engine.restore(opened, {}, self.now_s)
        del before
        now = self.half_hours
        for number, name in enumerate(self.given):
            for self.half_hours in range(max(1, now - 15 * 2 * DAY_H), now + 1):
                self.engine.recall_days(_device(number, name), self._readings(number, name))
        self.half_hours = now

    @property
    def now_s(self) -> float:
        return T0 + self.half_hours * HOUR_S / 2

    def _say(self, number: int, name: str) -> None:
        readings = self._readings(number, name)
        self.events += self.engine.consider(_device(number, name), [], readings, self.now_s)

    def _readings(self, number: int, name: str) -> list[Reading]:
        return [
            Reading(eui(number), Channel(channel), round(value(self.half_hours), 2),
                    UNITS.get(channel, ""), ReadingKind.NUMERIC, self.now_s + number, channel)
            for channel, value in self.given[name].items()
        ]  # fmt: skip

    def new(self) -> list[Alert]:
        return [one.alert for one in self.events if one.event_type is EventType.NEW and one.told]

    def newest(self) -> Alert:
        (identity,) = {one.alert.id for one in self.events if one.alert.rule.startswith("days:")}
        return [one.alert for one in self.events if one.alert.id == identity][-1]


def _device(number: int, name: str) -> DeviceInfo:
    return DeviceInfo(eui(number), name, profile="Thermometer")


def weather(half_hour: int, mean: float = 12.0, swing: float = 6.0) -> float:
    """Return the air of ordinary days that differ a little."""
    hour = half_hour / 2
    return (
        mean + swing * math.cos((hour % DAY_H - 15) / DAY_H * 2 * math.pi)
        + 1.2 * math.sin(hour / 37.0)
    )  # fmt: skip


def after(day: float, fall_c: float) -> Callable[[int], float]:
    """Return the same weather, colder by `fall_c` from a day on, within two hours."""
    return lambda at: weather(at) - fall_c * min(max(at / 4 - day * DAY_H / 2, 0.0), 1.0)


def masts(count: int, value: Callable[[int], float]) -> dict[str, Given]:
    return {f"mast {i}": {"air.temperature": value} for i in range(count)}


def test_a_front_is_one_alert_of_the_site_that_names_every_device() -> None:
    site = Site(masts(5, after(8.6, 11.0))).run(9)

    (alert,) = site.new()
    newest = site.newest()
    assert (alert.cause, alert.severity) == ("environment", Severity.WARNING)
    assert len(newest.peers) == 4
    assert newest.title.startswith("Hill: a ")
    assert "5 devices" in newest.title
    assert newest.evidence
    assert newest.advice


def test_two_thermometers_of_which_nobody_knows_say_nothing_of_the_weather() -> None:
    assert Site(masts(2, after(8.6, 11.0))).run(9).new() == []


@pytest.mark.parametrize("known", ["setting", "tag", "sky"])
def test_one_device_is_enough_where_it_is_known_to_stand_outdoors(known: str) -> None:
    given: Given = {"air.temperature": after(8.6, 11.0)}
    if known == "sky":
        given["wind.speed"] = lambda at: 2.0 + math.sin(at)
    settings = {"devices": {eui(0): {"outdoors": True}}} if known == "setting" else {}
    site = Site({"North" if known != "tag" else "outdoor mast": given}, settings).run(9)

    (alert,) = site.new()
    assert alert.rule.startswith("days:")


def test_a_house_that_is_known_to_be_one_takes_no_part() -> None:
    site = Site({**masts(3, weather), "greenhouse": {"air.temperature": after(8.6, 11.0)}})

    assert [one for one in site.run(9).new() if one.kind in {"front", "cold", "heat"}] == []


def test_a_restart_keeps_the_id_and_tells_nothing_twice() -> None:
    site = Site(masts(4, after(8.6, 11.0))).run(8.8)
    (alert,) = site.new()
    site.restart()
    site.run(0.3)

    assert [one.id for one in site.new()] == [alert.id]
    assert {one.id for one in site.engine.open()} == {alert.id}


def test_a_front_ends_when_it_is_through() -> None:
    site = Site(masts(4, lambda at: weather(at, mean=20.0) - (9.0 if 420 < at < 432 else 0.0)))
    site.run(11)

    assert [one.event_type for one in site.events if one.told][-1] is EventType.END
    assert site.engine.open() == []


def test_drift_of_one_of_four_is_a_fault_of_its_sensor_with_its_evidence() -> None:
    given = masts(4, weather)
    given["mast 2"] = {"air.temperature": lambda at: weather(at) + max(0.0, (at - 336) / 24)}
    (alert,) = Site(given).run(10).new()

    assert (alert.dev_eui, alert.kind, alert.cause) == (eui(2), "drift", "sensor")
    assert "above what 3 neighbours imply" in alert.evidence[0]


def bed(at: int, leak: float = 0.0) -> float:
    """Return moisture that dries, and climbs by `leak` per cent an hour from the eighth day on."""
    return 24 - 0.01 * at + leak * max(0.0, min((at - 384) / 2, 14.0))


def beds(leaking: int, leak: float = 1.2, **more: Callable[[int], float]) -> dict[str, Given]:
    return {
        f"bed {i}": {"soil.moisture": lambda at, i=i: bed(at, leak if i < leaking else 0.0), **more}
        for i in range(3)
    }  # fmt: skip


def test_one_bed_of_three_that_gets_wet_for_hours_is_a_leak() -> None:
    (alert,) = Site(beds(1)).run(8.5).new()

    assert (alert.dev_eui, alert.kind, alert.cause) == (eui(0), "leak", "actuator")
    assert alert.evidence[-1] == "2 other probes did not rise."


def test_all_beds_that_get_wet_together_are_no_leak() -> None:
    assert Site(beds(3)).run(8.5).new() == []


def test_soil_that_thaws_is_no_leak() -> None:
    site = Site(beds(1, **{"soil.temperature": lambda at: 0.3 + max(0.0, (at - 384) / 40)}))

    assert site.run(8.5).new() == []


def test_a_forgotten_device_leaves_nothing_open() -> None:
    site = Site(beds(1)).run(8.5)

    (end,) = site.engine.forget(eui(0))
    assert end.event_type is EventType.END


def test_a_changed_unit_is_no_heat() -> None:
    def changed(at: int) -> float:
        degrees = weather(at, mean=20.0)
        return degrees * 1.8 + 32 if at > 384 else degrees

    kinds = {one.kind for one in Site(masts(4, changed)).run(9).new()}

    assert kinds <= {"scale", "step"}
