"""What uplinks tell of the devices that sent them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from gateway.alerts.equipment import Condition, Equipment, Level
from gateway.alerts.equipment.condition import floor_of
from gateway.speech import speaking
from gateway.types import Alert, Channel, DevEui, DeviceInfo, Reading, ReadingKind, Severity

EUI = DevEui("a84041000181c061")
NORTH = DeviceInfo(EUI, "North", profile="LSE01")
HOUR_S = 3600.0
UNITS = {"device.battery_v": "V", "device.battery_percent": "%", "radio.loss": "%"}


@dataclass(frozen=True)
class Heard:
    time_s: float
    readings: Sequence[Reading]
    dev_addr: str = "01020304"
    f_cnt: int | None = 0


def heard(time_s: float, f_cnt: int, dev_addr: str = "01020304", **values: float) -> Heard:
    named = {name.replace("__", "."): value for name, value in values.items()}
    readings = [
        Reading(EUI, Channel(name), value, UNITS.get(name, ""), ReadingKind.NUMERIC, time_s, "")
        for name, value in named.items()
    ]
    return Heard(time_s, readings, dev_addr, f_cnt)


def days(count: int, *, per_day: float = 0.0, every_s: float = HOUR_S) -> Equipment:
    """Return what is known of a device after so many days, its battery falling in each."""
    equipment = Equipment()
    for number in range(int(count * 86400 / every_s)):
        time_s = number * every_s
        volts = 3.6 - per_day * time_s / 86400.0
        said = {"device__battery_v": volts, "radio__snr": -3.0, "radio__link_margin": 12.0}
        equipment.hear(NORTH, heard(time_s, number, **said, radio__loss=1.0))
    return equipment


def condition(equipment: Equipment, now_s: float, *alerts: Alert) -> Condition:
    (found,) = equipment.conditions(alerts, now_s)
    return found


def alert(severity: Severity, title: str = "North: soil drier than expected") -> Alert:
    return Alert("a1", EUI, "model", "dry", "environment", severity, title, "", (), 0.0, 0.0)


def test_a_device_that_does_well_is_in_good_order() -> None:
    found = condition(days(10), 10 * 86400.0)

    assert (found.level, found.judgement) == (Level.OK, "in good order")
    assert found.every_s == HOUR_S
    assert (found.link.margin_db, found.link.snr_db, found.link.loss_percent) == (12.0, -3.0, 1.0)
    assert found.battery is not None
    assert found.battery.forecast is None


@pytest.mark.parametrize(
    ("per_day", "level", "judgement"),
    [
        (0.002, Level.OK, "in good order, its battery lasts about 331 days"),
        (0.01, Level.WATCH, "its battery lasts about 51 days more"),
        (0.03, Level.ACT, "its battery lasts about 4 days more"),
    ],
)
def test_a_battery_that_declines_is_told_with_the_days_it_has(
    per_day: float, level: Level, judgement: str
) -> None:
    found = condition(days(20, per_day=per_day), 20 * 86400.0)

    assert (found.level, found.judgement) == (level, judgement)


def test_an_alert_goes_before_all_else_without_the_name_that_stands_beside_it() -> None:
    found = condition(days(20, per_day=0.03), 20 * 86400.0, alert(Severity.WARNING))
    assert (found.level, found.judgement) == (Level.ACT, "soil drier than expected")

    mild = condition(days(10), 10 * 86400.0, alert(Severity.INFO))
    assert (mild.level, mild.judgement) == (Level.WATCH, "soil drier than expected")


def test_an_alert_of_many_devices_is_each_ones() -> None:
    site = replace(alert(Severity.CRITICAL, "Farm: 5 of 8 devices silent together"),
                   dev_eui=DevEui("f" * 16), peers=(EUI,))  # fmt: skip
    assert condition(days(10), 864000.0, site).judgement == "Farm: 5 of 8 devices silent together"


def test_a_bad_link_a_restart_and_a_long_silence_are_worth_a_look() -> None:
    weak = days(10)
    for number in range(24):
        weak.hear(NORTH, heard(864000.0 + number * HOUR_S, 240 + number, radio__link_margin=1.0))
    assert condition(weak, 864000.0).judgement == "heard only 1 dB above what can be heard"

    lossy = days(10)
    lossy.hear(NORTH, heard(864000.0, 240, radio__loss=34.0))
    assert condition(lossy, 864000.0).judgement == "34 % of its messages are lost"

    assert condition(days(10), 11 * 86400.0).judgement == "nothing heard for 25 h"


def test_a_counter_that_begins_again_is_a_restart_and_one_out_of_order_is_none() -> None:
    equipment = days(10)
    for number, f_cnt in enumerate((0, 1, 2, 1, 3, 0)):  # one restart: 239 -> 0
        equipment.hear(NORTH, heard(864000.0 + number * HOUR_S, f_cnt))
    assert condition(equipment, 864000.0).restarts == 1
    equipment.hear(NORTH, heard(864000.0 + 7 * HOUR_S, 0, dev_addr="0a0b0c0d"))
    equipment.hear(NORTH, heard(864000.0 + 8 * HOUR_S, 1, dev_addr="0a0b0c0d"))
    found = condition(equipment, 864000.0 + 8 * HOUR_S)
    assert found.restarts == 1  # a new session whose counter is not lower is a join as any other
    equipment.hear(NORTH, heard(864000.0 + 9 * HOUR_S, 0, dev_addr="ffffffff"))
    found = condition(equipment, 864000.0 + 9 * HOUR_S)
    assert (found.restarts, found.judgement) == (2, "restarted 2 times lately")


def test_a_few_messages_tell_nothing_yet() -> None:
    equipment = Equipment()
    equipment.hear(NORTH, heard(0.0, 1))
    found = condition(equipment, 60.0)
    assert (found.level, found.judgement) == (Level.NEW, "too new to tell")
    assert found.every_s is None


def test_older_days_come_back_after_a_restart_whatever_came_first() -> None:
    at_once = days(20, per_day=0.01)
    restarted = Equipment()
    rows = [
        heard(number * HOUR_S, number, device__battery_v=3.6 - 0.01 * number / 24)
        for number in range(480)
    ]
    for row in rows[-24:]:
        restarted.hear(NORTH, row)
    restarted.recall(NORTH, rows[:-24:12])

    (before,) = at_once.conditions((), 20 * 86400.0)
    (after,) = restarted.conditions((), 20 * 86400.0)
    assert before.days_left == pytest.approx(after.days_left, rel=0.02)


def test_the_worst_device_comes_first_and_every_line_can_be_chinese() -> None:
    equipment = days(20, per_day=0.03)
    other = DeviceInfo(DevEui("b" * 16), "A good one")
    for number in range(30):
        equipment.hear(other, heard(number * HOUR_S, number))
    with speaking("zh_CN"):
        found = equipment.conditions((), 30 * HOUR_S)
    assert [one.device.name for one in found] == ["North", "A good one"]
    assert [one.judgement for one in found] == ["电池约剩 4 天", "状态良好"]


@pytest.mark.parametrize(
    ("highest", "floor"), [(12.9, 11.6), (4.15, 3.4), (3.67, 2.9), (3.05, 2.3), (1.5, 1.0)]
)
def test_a_battery_is_empty_where_its_kind_is(highest: float, floor: float) -> None:
    assert floor_of("V", highest) == floor
    assert floor_of("%", 100.0) == 10.0
