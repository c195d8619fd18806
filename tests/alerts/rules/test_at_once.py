"""Rules that need no model: what they find on the first days, and what they leave alone."""

import math
import random
from collections.abc import Callable, Iterable, Sequence

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
    Reception,
    Severity,
    Status,
    Uplink,
    Verdict,
)

PROBE = DeviceInfo(DevEui("70b3d57ed0000001"), "Probe", profile="Soil probe")
RAIN = DeviceInfo(DevEui("70b3d57ed0000002"), "Rain gauge")
STEP_S = 900.0
HOUR_S = 3600.0
DAY_S = 86400.0
T0 = 1_790_000_000.0
UNITS = {"soil.moisture": "%", "device.battery_v": "V", "device.battery_percent": "%"}


class Days:
    """One probe that speaks every quarter of an hour; keeps what was told, by step."""

    def __init__(self, step_s: float = STEP_S) -> None:
        self.engine = AlertEngine(Config())
        self.now_s = T0
        self.step_s = step_s
        self.events: list[AlertEvent] = []

    def say(self, values: dict[str, float], *, status: Status | None = None) -> None:
        self.now_s += self.step_s
        readings = [reading(channel, value, self.now_s) for channel, value in values.items()]
        verdicts = [
            Verdict(PROBE.dev_eui, one.channel, self.now_s, float(one.value), status)
            for one in readings if status is not None
        ]  # fmt: skip
        self.events += self.engine.consider(PROBE, verdicts, readings, self.now_s)
        self.events += self.engine.tick(self.now_s)

    def run(self, channel: str, values: Iterable[float]) -> "Days":
        for value in values:
            self.say({channel: value})
        return self

    def restart(self) -> None:
        opened = self.engine.open()
        self.engine = AlertEngine(Config())
        self.engine.restore(opened, {}, self.now_s)

    def new(self) -> list[Alert]:
        return [event.alert for event in self.events if event.event_type is EventType.NEW]

    def told(self) -> list[tuple[str, str]]:
        return [(event.event_type.value, event.alert.kind) for event in self.events]


def reading(channel: str, value: float, time_s: float) -> Reading:
    unit = UNITS.get(channel, "°C" if "temperature" in channel.lower() else "")
    return Reading(PROBE.dev_eui, Channel(channel), value, unit, ReadingKind.NUMERIC, time_s,
                   channel)  # fmt: skip


def wandering(count: int, digits: int, seed: int = 1, level: float = 18.0) -> list[float]:
    dice = random.Random(seed)  # noqa: S311 - weather
    return [
        round(level + 4 * math.sin(index / 15) + dice.gauss(0, 0.1), digits)
        for index in range(count)
    ]


# --- spikes, steps, stuck probes --------------------------------------------------------------


def test_a_sample_far_away_and_back_again_is_a_spike() -> None:
    days = Days().run("air.temperature", [*wandering(20, 1), 85.0, *wandering(8, 1)])

    assert days.told() == [("new", "spike"), ("end", "spike")]


def test_moisture_that_steps_up_without_water_is_a_leak() -> None:
    days = Days().run("soil.moisture", [*[30.0, 30.1] * 10, *[44.0] * 6])

    (alert,) = days.new()
    assert (alert.kind, alert.cause) == ("leak", "actuator")
    assert alert.first_seen_s == T0 + 21 * STEP_S


def test_moisture_that_steps_up_after_rain_is_no_news() -> None:
    days = Days().run("soil.moisture", [30.0, 30.1] * 10)
    wet = Reading(RAIN.dev_eui, Channel("rain.amount"), 4.0, "mm", ReadingKind.NUMERIC,
                  days.now_s, "rain")  # fmt: skip
    days.engine.consider(RAIN, [], [wet], days.now_s)
    days.run("soil.moisture", [44.0] * 6)

    assert not days.events


def test_a_temperature_that_steps_and_stays_says_so_and_ends_when_that_is_how_it_is() -> None:
    days = Days().run("soil.temperature", [*wandering(20, 1)[:1] * 12, *[30.0] * 60])

    (alert,) = days.new()
    assert alert.kind == "step"
    assert "rose by 11.9 °C" in alert.title
    assert days.told()[-1] == ("end", "step")


def test_a_lively_channel_that_stops_is_stuck_after_half_a_day() -> None:
    days = Days().run("air.temperature", [*wandering(60, 2), *[17.31] * 60, 17.4])

    assert days.told() == [("new", "stuck"), ("end", "stuck")]
    assert days.events[0].alert.last_seen_s - days.events[0].alert.first_seen_s >= 12 * HOUR_S


@pytest.mark.parametrize(
    ("channel", "values"),
    [
        ("rain.amount", [0.0, 0.2] * 30 + [0.0] * 200),
        ("soil.moisture", [0.0] * 300),
        ("air.relativeHumidity", [*wandering(60, 1, level=92), *[100.0] * 100]),
        ("soil.temperature", [round(value, 1) for value in wandering(40, 1)
                              for _ in range(12)]),
        ("soil.temperature", [*[8.1, 8.2] * 12, *[8.2] * 40]),
        ("air.lightIntensity", [*wandering(60, 1, level=500), *[0.0] * 60]),
        ("air.temperature", [21.0] * 400),
    ],
)  # fmt: skip
def test_what_is_constant_by_nature_is_not_stuck(channel: str, values: list[float]) -> None:
    assert not Days().run(channel, values).events


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("step_s", [60.0, 900.0, 3600.0, 6 * 3600.0])
def test_weather_is_no_trouble(seed: int, step_s: float) -> None:
    dice = random.Random(seed)  # noqa: S311 - weather
    days, front = Days(step_s), 0.0
    for _ in range(300):
        if dice.random() < 0.3:
            days.now_s += dice.random() * 4 * step_s  # some are lost
        front = 0.98 * front + dice.gauss(0, 0.4 * math.sqrt(step_s / 3600))
        day = math.sin(2 * math.pi * days.now_s / DAY_S)
        days.say({
            "air.temperature": round(15 + 7 * day + front, 1),
            "air.relativeHumidity": round(min(100.0, max(20.0, 70 - 20 * day - front)), 0),
            "soil.temperature": round(12 + day, 1),
            "air.pressure": round(1013 + front, 1),
        })  # fmt: skip

    assert not days.events


def test_a_model_that_knows_the_channel_judges_it_alone() -> None:
    days = Days()
    for value in [*wandering(20, 1), 85.0, *wandering(8, 1)]:
        days.say({"air.temperature": value}, status=Status.OK)

    assert [kind for _, kind in days.told() if kind == "spike"] == []


# --- units ------------------------------------------------------------------------------------


def fahrenheit(value: float) -> float:
    return round(1.8 * value + 32, 1)


@pytest.mark.parametrize(
    ("channel", "level", "turn"),
    [
        ("device.battery_v", 3.6, lambda value: 1000 * value),
        ("soil.moisture", 31.0, lambda value: value / 100),
        ("air.pressure", 1013.0, lambda value: value / 10),
        ("air.temperature", 18.0, fahrenheit),
        ("air.temperature", 18.0, lambda value: value + 273.15),
        ("soil.temperature", 12.0, lambda value: 10 * value),
    ],
)
def test_a_unit_that_changed_is_told_and_ends_when_it_is_put_right(
    channel: str, level: float, turn: Callable[[float], float]
) -> None:
    dice = random.Random(1)  # noqa: S311 - noise
    values = [round(level + dice.gauss(0, level / 300), 3) for _ in range(40)]
    days = Days().run(channel, values[:20])
    days.run(channel, [turn(value) for value in values[20:30]])

    scaled = [alert for alert in days.engine.open() if alert.kind == "scale"]
    assert [alert.cause for alert in scaled] == ["sensor"]
    assert scaled[0].evidence
    days.restart()
    days.run(channel, values[30:])
    assert not [alert for alert in days.engine.open() if alert.kind == "scale"]


def swing(hour: float) -> float:
    """Return the air of a clear spring day: 4 degrees before dawn, 20 in the afternoon."""
    return 12.0 - 8.0 * math.cos(2 * math.pi * (hour - 4) / 24)


@pytest.mark.parametrize("hour", [52, 58, 63, 69])
@pytest.mark.parametrize("turn", [lambda old: 1.8 * old + 32, lambda old: 10 * old])
def test_a_unit_that_changes_amid_the_daily_swing_is_told_within_three_hours(
    hour: int, turn: Callable[[float], float]
) -> None:
    days = Days()
    for step in range(4 * hour + 12):
        old = swing(step / 4)
        days.run("air.temperature", [round(turn(old) if step >= 4 * hour else old, 1)])

    assert [alert.kind for alert in days.engine.open()] == ["scale"]


def test_two_devices_of_a_profile_that_jump_alike_need_two_samples_each() -> None:
    engine, events = AlertEngine(Config()), []
    twins = [
        DeviceInfo(DevEui(f"70b3d57ed000000{number}"), f"Probe {number}", profile="Thermometer")
        for number in (1, 2)
    ]
    for step in range(102):
        for number, twin in enumerate(twins):
            now_s = T0 + step * STEP_S + 60 * number
            old = swing(step / 4) + number
            value = 1.8 * old + 32 if step >= 100 else old
            one = Reading(twin.dev_eui, Channel("air.temperature"), round(value, 1), "°C",
                          ReadingKind.NUMERIC, now_s, "air.temperature")  # fmt: skip
            events += engine.consider(twin, [], [one], now_s)

    (told,) = engine.open()
    assert (told.kind, told.cause, len(told.peers)) == ("scale", "sensor", 0)
    # The first was judged before the second had shown the same; it follows with its next samples.
    for step in (102, 103):
        for number, twin in enumerate(twins):
            now_s = T0 + step * STEP_S + 60 * number
            one = Reading(twin.dev_eui, Channel("air.temperature"),
                          round(1.8 * (swing(step / 4) + number) + 32, 1), "°C",
                          ReadingKind.NUMERIC, now_s, "air.temperature")  # fmt: skip
            events += engine.consider(twin, [], [one], now_s)
    (told,) = engine.open()
    assert len(told.peers) == 1
    assert "2 devices of the profile Thermometer" in told.title


@pytest.mark.parametrize(
    ("channel", "old", "new"),
    [
        ("air.temperature", [2.0, 2.1] * 10, [19.0, 20.4, 21.0, 20.6, 20.0]),
        ("air.temperature", [15.0, 16.0] * 10, [29.0, 30.0, 29.5, 29.0]),
        ("soil.moisture", [12.0, 12.2] * 10, [38.0, 37.0, 36.5, 36.0, 35.0]),
        ("device.battery_v", [3.1, 3.0] * 10, [3.6, 3.6, 3.6, 3.6]),
    ],
)
def test_an_ordinary_jump_is_no_change_of_unit(
    channel: str, old: Sequence[float], new: Sequence[float]
) -> None:
    days = Days().run(channel, [*old, *new])

    assert "scale" not in {alert.kind for alert in days.new()}


# --- channels that go missing -------------------------------------------------------------------


def test_a_channel_that_no_longer_comes_is_missed_until_it_comes_again() -> None:
    days = Days()
    for index in range(160):
        both = {"soil.moisture": 30.0 + 0.1 * (index % 3), "soil.temperature": 12.0}
        days.say(both if not 60 <= index < 120 else {"soil.temperature": 12.0})

    assert days.told() == [("new", "dropout"), ("end", "dropout")]
    assert "soil moisture is missing" in days.new()[0].title


def test_a_channel_that_comes_now_and_then_is_not_missed() -> None:
    dice = random.Random(2)  # noqa: S311 - a device
    days = Days()
    for index in range(600):
        rare = {"soil.ec": 0.4} if dice.random() < 0.1 else {}
        days.say({"soil.temperature": 12.0 + 0.1 * (index % 2), **rare})

    assert not days.events


# --- batteries --------------------------------------------------------------------------------


def test_a_battery_that_declines_is_told_with_the_days_that_are_left() -> None:
    days = Days(step_s=4 * HOUR_S)
    days.run("device.battery_v", [3.6 - 0.01 * index / 6 for index in range(6 * 40)])

    (alert,) = days.new()
    assert (alert.kind, alert.severity, alert.cause) == ("battery", Severity.INFO, "sensor")
    assert "days more" in alert.title
    assert "a week" in alert.evidence[0]
    days.run("device.battery_v", [3.2 - 0.01 * index / 6 for index in range(6 * 28)])
    assert days.engine.open()[0].severity is Severity.WARNING
    days.run("device.battery_v", [3.6] * 60)
    assert not days.engine.open()


def test_a_battery_that_swings_with_the_day_is_left_alone() -> None:
    values = [3.6 + 0.05 * math.sin(2 * math.pi * index / 24) for index in range(24 * 40)]

    assert not Days(step_s=HOUR_S).run("device.battery_v", values).events


def test_a_charge_that_is_low_three_times_is_told_at_once() -> None:
    days = Days().run("device.battery_percent", [50.0, 9.0, 9.0, 9.0])

    assert days.told() == [("new", "battery")]
    assert "down to 9 %" in days.new()[0].title


# --- counters and clocks ------------------------------------------------------------------------


def frame(
    f_cnt: int, time_s: float, dev_addr: str = "01020304", *, suspect: bool = False
) -> Uplink:
    return Uplink(
        id=f"{dev_addr}/{f_cnt}/{time_s}", device=PROBE, time_s=time_s, received_s=time_s,
        dev_addr=dev_addr, f_cnt=f_cnt, f_port=1, data=b"", object=None,
        receptions=(Reception("0016c001f17adc38", -90.0, 5.0),), clock_suspect=suspect,
    )  # fmt: skip


def hear(days: Days, *frames: Uplink) -> None:
    for one in frames:
        days.now_s = one.received_s
        days.events += days.engine.heard(PROBE, one.time_s, one.received_s, uplink=one)
        days.events += days.engine.tick(days.now_s)


def test_a_counter_that_goes_back_without_a_join_is_a_restart() -> None:
    days = Days()
    counts = [100, 101, 102, 0, 1, 2]
    hear(days, *(frame(count, T0 + 600 * at) for at, count in enumerate(counts)))

    assert days.told() == [("new", "reboot")]
    assert days.new()[0].severity is Severity.INFO
    for hour in range(1, 30):
        days.now_s += hour
        hear(days, frame(2 + hour, T0 + 3600 * (hour + 1)))
    assert days.told()[-1] == ("end", "reboot")


def test_a_device_that_restarts_again_and_again_is_a_fault() -> None:
    days = Days()
    counts = [50, 0, 30, 0, 30, 0]
    hear(days, *(frame(count, T0 + 600 * at) for at, count in enumerate(counts)))

    assert days.told() == [("new", "reboot"), ("update", "reboot")]
    assert days.events[-1].alert.severity is Severity.WARNING


@pytest.mark.parametrize(
    "frames",
    [
        [(100, 0.0, "01020304"), (0, 600.0, "0a0b0c0d")],
        [(100, 0.0, "01020304"), (99, 1.0, "01020304"), (101, 2.0, "01020304")],
        [(100, 0.0, "01020304"), (95, 600.0, "01020304")],
    ],
    ids=["join", "out of order", "repeat"],
)
def test_other_counters_are_no_restart(frames: list[tuple[int, float, str]]) -> None:
    days = Days()
    hear(days, *(frame(count, T0 + at_s, address) for count, at_s, address in frames))

    assert not days.events


def test_a_radio_gateway_whose_clock_is_wrong_is_told_once() -> None:
    days = Days()
    hear(days, *(frame(count, T0 + 600 * count, suspect=4 <= count < 20) for count in range(30)))

    assert days.told() == [("new", "clock"), ("end", "clock")]
    assert days.new()[0].cause == "network"


def test_a_device_whose_clock_is_ahead_is_told() -> None:
    days = Days()
    for at in range(20):
        now_s = T0 + 600 * at
        ahead_s = 7200.0 if at < 10 else 0.0
        one = reading("soil.temperature", 12.0 + at / 10, now_s + ahead_s)
        days.events += days.engine.consider(PROBE, [], [one], now_s)

    assert days.told() == [("new", "clock"), ("end", "clock")]
    assert "2 h ahead" in days.new()[0].title.replace("120 min", "2 h")


# --- restarts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "trouble", "well"),
    [
        ("air.temperature", [*wandering(60, 2), *[17.31] * 60], [17.4]),
        ("device.battery_percent", [9.0] * 4, []),
        ("soil.moisture", [*[30.0, 30.1] * 10, *[44.0] * 6], [30.0] * 4),
    ],
)
def test_a_restart_neither_repeats_nor_forgets_an_alert(
    channel: str, trouble: list[float], well: list[float]
) -> None:
    days = Days().run(channel, trouble)
    before = days.engine.open()
    days.restart()
    assert days.engine.open() == before
    assert before
    days.events.clear()
    days.run(channel, [trouble[-1]] * 3)
    assert not days.new()
    days.run(channel, well)

    assert bool(days.engine.open()) == (not well)


def test_a_forgotten_device_has_no_alerts() -> None:
    days = Days().run("device.battery_percent", [9.0] * 4)
    days.events += days.engine.forget(PROBE.dev_eui)

    assert days.told() == [("new", "battery"), ("end", "battery")]
    assert not days.engine.open()
