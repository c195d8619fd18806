"""Model anomalies: one alert for what goes wrong together, told sparingly, ended by itself."""

from dataclasses import replace

import pytest

from gateway.alerts import AlertEngine, sentence
from gateway.config import Config
from gateway.types import (
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    EventType,
    Reading,
    ReadingKind,
    Severity,
    Status,
    Verdict,
)

PROBE = DeviceInfo(DevEui("70b3d57ed0000001"), "North field")
TANK = DeviceInfo(DevEui("70b3d57ed0000002"), "Tank")
VALVE = DeviceInfo(DevEui("70b3d57ed0000003"), "Valve 2")
STATION = DeviceInfo(DevEui("70b3d57ed0000004"), "Station")
STEP_S = 900.0
T0 = 1_790_000_000.0


def verdict(
    device: DeviceInfo,
    channel: str,
    time_s: float,
    pattern: str = "",
    observed: float = 41.8,
    *,
    expected: tuple[float, float, float] | None = (28.0, 30.9, 33.5),
    score: float = 5.0,
) -> Verdict:
    status = Status.ANOMALOUS if pattern else Status.OK
    return Verdict(device.dev_eui, Channel(channel), time_s, observed, status, expected,
                   score, 10**-score, pattern=pattern)  # fmt: skip


def reading(
    device: DeviceInfo,
    channel: str,
    value: float | bool | str,  # noqa: FBT001
    time_s: float,
    *,
    unit: str = "",
    kind: ReadingKind = ReadingKind.NUMERIC,
) -> Reading:
    return Reading(device.dev_eui, Channel(channel), value, unit, kind, time_s, channel)


class Farm:
    """Feeds an engine one sample of some channels at a time and keeps what came of it."""

    def __init__(self, engine: AlertEngine | None = None) -> None:
        self.engine = engine or AlertEngine(Config(), "base@sha256:0")
        self.now_s = T0
        self.events: list[AlertEvent] = []

    def sample(self, device: DeviceInfo = PROBE, **patterns: str) -> list[AlertEvent]:
        self.now_s += STEP_S
        verdicts = [
            verdict(device, name.replace("__", "."), self.now_s, pattern)
            for name, pattern in patterns.items()
        ]
        events = self.engine.consider(device, verdicts, [], self.now_s)
        self.events += events
        return events

    def types(self) -> list[str]:
        return [str(event.event_type) for event in self.events]


@pytest.mark.parametrize(
    ("channel", "pattern", "above", "kind", "cause", "severity"),
    [
        ("soil.moisture", "rise", True, "leak", "actuator", "warning"),
        ("soil.moisture.2", "level", True, "leak", "actuator", "warning"),
        ("soil.moisture", "drift", True, "leak", "actuator", "warning"),
        ("soil.moisture", "drift", False, "drift", "sensor", "warning"),
        ("soil.moisture", "fall", False, "dry", "environment", "warning"),
        ("soil.moisture", "stuck", True, "stuck", "sensor", "warning"),
        ("soil.moisture", "spike", True, "spike", "sensor", "info"),
        ("soil.moisture", "noise", True, "noise", "sensor", "warning"),
        ("tank.level", "fall", False, "leak", "actuator", "warning"),
        ("distance", "rise", True, "leak", "actuator", "warning"),
        ("distance", "fall", False, "drift", "unknown", "warning"),
        ("water.flow", "level", True, "leak", "actuator", "warning"),
        ("pump.current", "level", True, "pump", "actuator", "warning"),
        ("air.temperature", "drift", True, "drift", "sensor", "warning"),
        ("air.temperature", "level", True, "drift", "unknown", "warning"),
        ("air.co2", "noise", True, "noise", "sensor", "warning"),
        ("noise.level", "fall", False, "drift", "unknown", "warning"),
        ("device.battery_v", "fall", False, "battery", "sensor", "warning"),
        ("device.battery_percent", "level", True, "battery", "sensor", "info"),
        ("anything.else", "", None, "", "", ""),
        ("anything.else", "stuck", None, "stuck", "sensor", "warning"),
    ],
)
def test_a_pattern_on_a_channel_has_a_kind_a_cause_and_a_severity(
    *,
    channel: str,
    pattern: str,
    above: bool | None,
    kind: str,
    cause: str,
    severity: str,
) -> None:
    observed = 0.0 if above is None else 40.0 if above else 20.0
    one = verdict(
        PROBE,
        channel,
        T0,
        pattern,
        observed,
        expected=(28.0, 30.9, 33.5) if above is not None else None,
    )
    events = AlertEngine(Config()).consider(PROBE, [one], [], T0)
    found = [(e.alert.kind, e.alert.cause, str(e.alert.severity)) for e in events]
    assert found == ([(kind, cause, severity)] if kind else [])


def test_the_leak_of_the_design_is_told_in_plain_words() -> None:
    engine = AlertEngine(Config(), "base@sha256:0")
    engine.consider(VALVE, [], [reading(VALVE, "valve", False, T0, kind=ReadingKind.BOOLEAN)], T0)
    (event,) = engine.consider(
        PROBE, [verdict(PROBE, "soil.moisture", T0, "rise")],
        [reading(PROBE, "soil.moisture", 41.8, T0, unit="%")], T0,
    )  # fmt: skip
    assert event.alert.title == "North field: moisture rising with no rain or irrigation"
    assert event.alert.advice == "Check Valve 2."
    assert event.alert.model == "base@sha256:0"
    assert sentence(event.alert) == (
        "North field: moisture rising with no rain or irrigation. "
        "Soil moisture is 41.8 %, expected 28 to 33.5 %. Check Valve 2."
    )


def test_channels_that_go_wrong_together_are_one_alert_whose_shares_sum_to_one() -> None:
    farm = Farm()
    (event,) = farm.sample(soil__moisture="rise", soil__ec="rise", air__temperature="")
    assert event.event_type is EventType.NEW
    assert {r.channel for r in event.alert.reason} == {"soil.moisture", "soil.ec"}
    assert sum(r.share for r in event.alert.reason) == pytest.approx(1)


def test_a_channel_that_follows_joins_and_one_that_comes_much_later_does_not() -> None:
    farm = Farm()
    farm.sample(soil__moisture="rise")
    (joined,) = farm.sample(soil__moisture="rise", soil__ec="rise")
    assert joined.event_type is EventType.UPDATE
    farm.now_s += 10 * 3600
    events = farm.sample(air__temperature="stuck")
    assert [e.event_type for e in events] == [EventType.NEW]
    assert len(farm.engine.open()) == 2


def test_a_battery_has_an_alert_of_its_own_and_links_are_left_to_their_rule() -> None:
    farm = Farm()
    farm.sample(soil__moisture="rise", radio__rssi="level", device__battery_v="fall")
    kinds = {alert.kind for alert in farm.engine.open()}
    assert kinds == {"leak", "battery"}


def test_a_long_anomaly_is_told_again_only_every_six_hours() -> None:
    farm = Farm()
    for _ in range(96):
        farm.sample(soil__moisture="rise")
    assert farm.types() == ["new", "update", "update", "update"]


def test_a_worse_severity_is_told_at_once_and_never_falls() -> None:
    farm = Farm()
    farm.sample(soil__moisture="spike")
    (worse,) = farm.sample(soil__moisture="stuck")
    assert (worse.event_type, worse.alert.severity) == (EventType.UPDATE, Severity.WARNING)
    for _ in range(3):
        farm.sample(soil__moisture="spike")
    assert farm.events[-1].alert.kind == "spike"
    assert farm.events[-1].alert.severity is Severity.WARNING
    assert farm.types() == ["new", "update", "update"]


def test_moisture_that_goes_both_ways_in_one_alert_is_a_noisy_probe() -> None:
    farm = Farm()
    farm.sample(soil__moisture="rise")
    assert farm.engine.open()[0].kind == "leak"
    for pattern in ("fall", "rise", "fall"):
        farm.now_s += 1800.0
        farm.sample(soil__moisture=pattern)

    (alert,) = farm.engine.open()
    assert (alert.kind, alert.cause) == ("noise", "sensor")


def test_a_stuck_probe_stays_one_wherever_its_value_should_be_by_now() -> None:
    farm = Farm()
    for pattern in ("stuck", "level", "level", "level"):
        farm.now_s += 1800.0
        farm.sample(soil__moisture=pattern)

    (alert,) = farm.engine.open()
    assert (alert.kind, alert.cause) == ("stuck", "sensor")


def test_an_alert_ends_after_three_ok_samples_and_flapping_does_not_end_it() -> None:
    farm = Farm()
    for pattern in ("rise", "", "", "rise", "", "", "", ""):
        farm.sample(soil__moisture=pattern)
    assert farm.types() == ["new", "end"]
    ended = farm.events[-1].alert
    assert ended.id == farm.events[0].alert.id
    assert ended.end_s == T0 + 7 * STEP_S
    assert farm.engine.open() == []


def test_an_alert_waits_for_all_its_channels_to_be_ok() -> None:
    farm = Farm()
    farm.sample(soil__moisture="rise", soil__ec="rise")
    for _ in range(5):
        farm.sample(soil__moisture="", soil__ec="rise")
    assert "end" not in farm.types()


def test_a_spike_ends_by_itself_even_if_the_device_never_speaks_again() -> None:
    farm = Farm()
    farm.sample(air__temperature="spike")
    assert farm.engine.tick(farm.now_s + 47 * 3600) == []
    (event,) = farm.engine.tick(farm.now_s + 49 * 3600)
    assert event.event_type is EventType.END
    assert event.alert.end_s == event.alert.last_seen_s


def test_a_late_uplink_never_raises_updates_or_ends_an_alert() -> None:
    engine = AlertEngine(Config())
    late = [verdict(PROBE, "soil.moisture", T0, "rise")]
    assert engine.consider(PROBE, late, [], T0, late=True) == []
    engine.consider(PROBE, late, [], T0)
    for _ in range(5):
        ok = [verdict(PROBE, "soil.moisture", T0)]
        assert engine.consider(PROBE, ok, [], T0, late=True) == []


def test_the_same_calls_make_the_same_events() -> None:
    def run() -> list[AlertEvent]:
        farm = Farm()
        for pattern in ("rise", "rise", "", "", "", "stuck"):
            farm.sample(soil__moisture=pattern, soil__ec=pattern)
        return farm.events

    assert run() == run()
    assert len({event.alert.id for event in run()}) == 2


def test_a_restart_neither_repeats_nor_forgets() -> None:
    before = Farm()
    before.sample(soil__moisture="rise", soil__ec="rise")
    engine = AlertEngine(Config(), "base@sha256:0")
    engine.restore(before.engine.open(), {}, before.now_s)
    after = Farm(engine)
    after.now_s = before.now_s
    assert after.sample(soil__moisture="rise", soil__ec="rise") == []
    assert engine.open()[0].id == before.engine.open()[0].id
    for _ in range(3):
        after.sample(soil__moisture="", soil__ec="")
    assert after.types() == ["end"]
    assert after.events[0].alert.id == before.events[0].alert.id


def test_an_alert_of_a_rule_that_is_gone_ends_at_the_next_tick() -> None:
    farm = Farm()
    farm.sample(soil__moisture="rise")
    engine = AlertEngine(Config())
    engine.restore([replace(farm.engine.open()[0], rule="old-limit")], {}, T0)
    assert [e.event_type for e in engine.tick(T0)] == [EventType.END]


def test_a_forgotten_device_leaves_nothing_open() -> None:
    farm = Farm()
    farm.sample(soil__moisture="rise", device__battery_v="fall")
    assert len(farm.engine.forget(PROBE.dev_eui)) == 2
    assert farm.engine.open() == []


# --- what explains water ----------------------------------------------------------------------

OPEN = ("valve", True, ReadingKind.BOOLEAN)


def explained(
    engine: AlertEngine,
    source: DeviceInfo,
    fact: tuple[str, float | bool | str, ReadingKind],
    after_s: float,
    *,
    pattern: str = "rise",
    channel: str = "soil.moisture",
    observed: float = 41.8,
) -> bool:
    name, value, kind = fact
    engine.consider(source, [], [reading(source, name, value, T0, kind=kind)], T0)
    one = verdict(PROBE, channel, T0 + after_s, pattern, observed)
    return engine.consider(PROBE, [one], [], T0 + after_s) == []


HOUR_S = 3600.0


@pytest.mark.parametrize(
    ("fact", "after_s", "pattern", "quiet"),
    [
        (OPEN, 2 * HOUR_S, "rise", True),
        (OPEN, 7 * HOUR_S, "rise", False),
        (OPEN, 2 * HOUR_S, "stuck", False),
        (OPEN, 2 * HOUR_S, "noise", False),
        (("valve", False, ReadingKind.BOOLEAN), 1 * HOUR_S, "rise", False),
        (("valve_state", "open", ReadingKind.ENUM), 1 * HOUR_S, "rise", True),
        (("valve_state", "closed", ReadingKind.ENUM), 1 * HOUR_S, "rise", False),
        (("rain.rate", 1.2, ReadingKind.NUMERIC), 11 * HOUR_S, "rise", True),
        (("rain.rate", 1.2, ReadingKind.NUMERIC), 13 * HOUR_S, "rise", False),
        (("rain.rate", 0.0, ReadingKind.NUMERIC), 1 * HOUR_S, "rise", False),
        (("rain.total", 120.0, ReadingKind.COUNTER), 1 * HOUR_S, "rise", False),
        (("drain.state", 1.0, ReadingKind.NUMERIC), 1 * HOUR_S, "rise", False),
        (("water.flow", 8.0, ReadingKind.NUMERIC), 1 * HOUR_S, "rise", True),
        (("pump.current", 4.0, ReadingKind.NUMERIC), 1 * HOUR_S, "rise", True),
        (("pump.current", 0.1, ReadingKind.NUMERIC), 1 * HOUR_S, "rise", False),
    ],
)
def test_water_that_came_explains_a_rise(
    *,
    fact: tuple[str, float | bool | str, ReadingKind],
    after_s: float,
    pattern: str,
    quiet: bool,
) -> None:
    assert explained(AlertEngine(Config()), VALVE, fact, after_s, pattern=pattern) is quiet


def test_the_dry_down_after_watering_is_no_alert_for_a_day() -> None:
    after = {"pattern": "fall", "observed": 20.0}
    assert explained(AlertEngine(Config()), VALVE, OPEN, 20 * HOUR_S, **after)  # type: ignore[arg-type]
    assert not explained(AlertEngine(Config()), VALVE, OPEN, 25 * HOUR_S, **after)  # type: ignore[arg-type]


def test_a_growing_rain_counter_is_rain() -> None:
    engine = AlertEngine(Config())
    for index, total in enumerate((120.0, 120.2)):
        one = reading(STATION, "rain.total", total, T0 + index, unit="mm", kind=ReadingKind.COUNTER)
        engine.consider(STATION, [], [one], T0)
    assert engine.consider(PROBE, [verdict(PROBE, "soil.moisture", T0 + 9, "rise")], [], T0) == []


def test_where_valves_are_known_a_pump_alone_explains_nothing() -> None:
    engine = AlertEngine(Config())
    closed = reading(VALVE, "valve", False, T0, kind=ReadingKind.BOOLEAN)
    engine.consider(VALVE, [], [closed], T0)
    assert not explained(engine, STATION, ("pump.current", 4.0, ReadingKind.NUMERIC), HOUR_S)


def test_a_valve_of_another_area_explains_nothing() -> None:
    areas = Config.model_validate({"devices": {VALVE.dev_eui: {"area": "south"},
                                               PROBE.dev_eui: {"area": "north"}}})  # fmt: skip
    assert not explained(AlertEngine(areas), VALVE, OPEN, HOUR_S)


def test_a_tank_may_fall_while_a_valve_is_open_and_not_hours_later() -> None:
    fall = {"pattern": "fall", "channel": "tank.level", "observed": 20.0}
    assert explained(AlertEngine(Config()), VALVE, OPEN, 0.5 * HOUR_S, **fall)  # type: ignore[arg-type]
    assert not explained(AlertEngine(Config()), VALVE, OPEN, 2 * HOUR_S, **fall)  # type: ignore[arg-type]


def test_a_late_valve_report_still_explains() -> None:
    engine = AlertEngine(Config())
    opened = reading(VALVE, "valve", True, T0, kind=ReadingKind.BOOLEAN)
    engine.consider(VALVE, [], [opened], T0 + 7200, late=True)
    assert engine.consider(PROBE, [verdict(PROBE, "soil.moisture", T0, "rise")], [], T0) == []


def test_what_was_recognised_is_not_taken_back_by_the_shape_of_its_end() -> None:
    farm = Farm()
    for pattern in ("noise", *("level", "rise", "fall") * 10):
        farm.sample(air__temperature=pattern)
    (alert,) = farm.engine.open()
    assert (alert.kind, alert.cause) == ("noise", "sensor")


def test_a_jump_that_stays_is_something_else() -> None:
    farm = Farm()
    for pattern in ("spike", *("level",) * 20):
        farm.sample(air__temperature=pattern)
    (alert,) = farm.engine.open()
    assert alert.kind == "drift"


def test_a_slow_course_that_nothing_was_expected_of_still_has_its_direction() -> None:
    engine, now_s = AlertEngine(Config(), "base@sha256:0"), T0
    for step in range(60):
        now_s += STEP_S
        level = 1.8 if step % 2 else 1.81
        engine.consider(TANK, [verdict(TANK, "tank.level", now_s, "", level)], [], now_s)
    fallen = verdict(TANK, "tank.level", now_s + STEP_S, "drift", 1.4, expected=None)
    (told,) = engine.consider(TANK, [fallen], [], now_s + STEP_S)

    assert (told.alert.kind, told.alert.cause) == ("leak", "actuator")
    assert told.alert.reason[0].expected == pytest.approx((1.8, 1.8, 1.81), abs=0.02)


def test_a_direction_that_the_detector_names_is_believed_before_what_was_usual() -> None:
    engine, now_s = AlertEngine(Config(), "base@sha256:0"), T0
    for _ in range(60):
        now_s += STEP_S
        engine.consider(TANK, [verdict(TANK, "tank.level", now_s, "", 1.8)], [], now_s)
    named = verdict(TANK, "tank.level", now_s + STEP_S, "rise", 1.4, expected=None)
    (told,) = engine.consider(TANK, [named], [], now_s + STEP_S)

    assert "higher than expected" in told.alert.title
    assert told.alert.reason[0].expected is None


def test_a_spike_that_stays_becomes_a_warning_under_the_same_id() -> None:
    farm = Farm()
    for _ in range(4):
        farm.sample(air__temperature="spike")

    first, last = farm.events[0].alert, farm.events[-1].alert
    assert (first.kind, first.severity) == ("spike", Severity.INFO)
    assert (last.kind, last.severity, last.id) == ("drift", Severity.WARNING, first.id)
