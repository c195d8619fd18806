"""The farm's world: believable ranges, one story per seed, faults where the script says."""

from __future__ import annotations

import base64
import json
import math
import statistics
from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import islice, pairwise, takewhile

import pytest

from gateway.sources.simulated_farm import (
    APPLICATION_ID,
    DEVICES,
    START_S,
    Farm,
    FarmEvent,
    Fault,
    Judgement,
    Outcome,
    SeenAlert,
    judge,
)
from gateway.sources.simulated_farm.payloads import read_valve_command

DAY_S, HOUR_S = 86400.0, 3600.0
EUIS = {device.name: device.dev_eui for device in DEVICES}
Series = dict[tuple[str, str], list[tuple[float, float]]]

RANGES = {
    "water_SOIL": (5.0, 50.0),
    "temp_SOIL": (0.0, 25.0),
    "conduct_SOIL": (50.0, 1500.0),
    "TempC_SHT": (-12.0, 45.0),
    "temperature": (-12.0, 40.0),
    "Hum_SHT": (5.0, 100.0),
    "humidity": (5.0, 100.0),
    "pressure": (970.0, 1050.0),
    "wind_speed": (0.0, 20.0),
    "wind_direction": (0.0, 359.0),
    "illuminance": (0.0, 130000.0),
    "co2": (0.0, 1500.0),
    "pm2_5": (0.0, 120.0),
    "pm10": (0.0, 200.0),
    "LAeq": (25.0, 80.0),
    "LAFmax": (28.0, 120.0),
    "distance": (280.0, 3300.0),
    "current": (0.0, 20.0),
    "flow": (0.0, 90.0),
    "BatV": (2.9, 3.7),
    "Bat": (3.3, 3.7),
    "battery": (95.0, 100.0),
}


@cache
def told(seed: int, days: float) -> list[FarmEvent]:
    farm = Farm(seed)
    return list(takewhile(lambda event: event.time_s < START_S + days * DAY_S, farm.events()))


def series_of(events: list[FarmEvent]) -> Series:
    names = {device.dev_eui: device.name for device in DEVICES}
    series: Series = defaultdict(list)
    for event in events:
        if event.topic.endswith("/up"):
            name = names[event.topic.split("/")[3]]
            for key, value in json.loads(event.payload)["object"].items():
                if isinstance(value, float):
                    series[name, key].append((event.time_s, value))
    return series


@pytest.fixture(scope="module")
def scenario() -> list[FarmEvent]:
    return told(1, 8.0)


@pytest.fixture(scope="module")
def series(scenario: list[FarmEvent]) -> Series:
    return series_of(scenario)


def between(samples: list[tuple[float, float]], start_s: float, end_s: float) -> list[float]:
    return [value for time_s, value in samples if start_s <= time_s < end_s]


def test_one_seed_tells_one_story() -> None:
    assert told(7, 0.5) == told.__wrapped__(7, 0.5)
    assert told(7, 0.5) != told(8, 0.5)


def test_time_only_goes_forward(scenario: list[FarmEvent]) -> None:
    times = [event.time_s for event in scenario]
    assert times == sorted(times)


def test_every_device_is_heard_and_there_are_at_least_twelve(scenario: list[FarmEvent]) -> None:
    heard = {event.topic.split("/")[3] for event in scenario if event.topic.endswith("/up")}
    assert heard == set(EUIS.values())
    assert len(heard) >= 12


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_value_lies_in_a_believable_range(seed: int) -> None:
    for (name, key), samples in series_of(told(seed, 8.0)).items():
        low, high = RANGES.get(key, (-math.inf, math.inf))
        values = [value for _, value in samples]
        assert all(math.isfinite(value) for value in values)
        assert low <= min(values), (name, key)
        assert max(values) <= high, (name, key)


def test_most_uplinks_arrive_some_are_lost_and_a_few_come_twice(
    scenario: list[FarmEvent],
) -> None:
    ids, counters = defaultdict(int), defaultdict(set)
    for event in scenario:
        if event.topic.endswith("/up"):
            up = json.loads(event.payload)
            ids[up["deduplicationId"]] += 1
            counters[up["devAddr"]].add(up["fCnt"])
    sent = sum(max(seen) - min(seen) + 1 for seen in counters.values())
    lost = 1 - sum(len(seen) for seen in counters.values()) / sent
    repeated = sum(count > 1 for count in ids.values()) / len(ids)
    assert 0.005 < lost < 0.08
    assert 0.001 < repeated < 0.02


def test_soil_swings_less_and_later_at_depth(series: Series) -> None:
    def swing(name: str) -> float:
        days = [
            between(series[name, "temp_SOIL"], START_S + day * DAY_S, START_S + (day + 1) * DAY_S)
            for day in range(4)
        ]
        return statistics.mean(max(day) - min(day) for day in days)

    assert swing("north-soil-50") < 0.5 * swing("north-soil-20")


def test_irrigation_wets_the_field_and_it_dries_down_after(series: Series) -> None:
    samples = series["north-soil-20", "water_SOIL"]
    opened_s = next(t for t, flow in series["valve-north", "flow"] if flow > 0.0)
    before = between(samples, opened_s - 2 * HOUR_S, opened_s)
    wet = between(samples, opened_s + HOUR_S, opened_s + 3 * HOUR_S)
    later = between(samples, opened_s + 16 * HOUR_S, opened_s + 20 * HOUR_S)
    assert max(wet) > statistics.mean(before) + 0.8
    assert statistics.mean(later) < max(wet) - 0.5


def test_days_are_lighter_warmer_and_louder_than_nights(series: Series) -> None:
    def mean_at(name: str, key: str, hour: float) -> float:
        values = [
            value
            for day in range(4)
            for value in between(
                series[name, key],
                START_S + day * DAY_S + (hour - 1.5) * HOUR_S,
                START_S + day * DAY_S + (hour + 1.5) * HOUR_S,
            )
        ]
        return statistics.mean(values)

    assert mean_at("weather", "illuminance", 1.5) == 0.0
    assert mean_at("weather", "illuminance", 12.0) > 5000.0
    assert mean_at("weather", "temperature", 14.0) > mean_at("weather", "temperature", 4.0) + 2.0
    assert mean_at("noise", "LAeq", 12.0) > mean_at("noise", "LAeq", 2.0) + 5.0
    assert mean_at("greenhouse-co2", "co2", 12.0) < mean_at("greenhouse-co2", "co2", 3.0) - 80.0


def fault(kind: str, device: str = "", seed: int = 1) -> Fault:
    return next(
        fault for fault in Farm(seed).script.faults if fault.kind == kind and device in fault.device
    )


def test_nothing_scripted_is_wrong_in_the_first_four_days() -> None:
    for seed in range(5):
        assert min(fault.start_s for fault in Farm(seed).script.faults) > START_S + 4 * DAY_S


def test_a_stuck_probe_says_the_same_until_it_is_mended(series: Series) -> None:
    stuck = fault("stuck")
    samples = series[stuck.device, "temp_SOIL"]
    assert len(set(between(samples, stuck.start_s, stuck.end_s))) == 1
    assert len(set(between(samples, stuck.end_s, stuck.end_s + DAY_S))) > 10


def test_a_drifting_probe_leaves_its_neighbour(series: Series) -> None:
    drift = fault("drift")
    span = (drift.end_s - 0.3 * DAY_S, drift.end_s)
    broken = statistics.mean(between(series[drift.device, "temp_SOIL"], *span))
    neighbour = statistics.mean(between(series["south-soil-50", "temp_SOIL"], *span))
    assert broken > neighbour + 3.0


def test_a_silent_device_is_silent(series: Series) -> None:
    silent = fault("silence")
    assert between(series[silent.device, "TempC_SHT"], silent.start_s, silent.end_s) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_freezes_in_the_scripted_night_and_in_no_other(seed: int) -> None:
    frost = fault("frost", seed=seed)
    air = series_of(told(seed, 8.0))["weather", "temperature"]
    assert min(between(air, frost.start_s, frost.end_s)) < -1.0
    before = between(air, START_S, frost.start_s - 2 * HOUR_S)
    after = between(air, frost.end_s + 2 * HOUR_S, START_S + 8 * DAY_S)
    assert min(before + after) > 0.0


def test_a_pipe_leak_wets_the_field_while_no_valve_is_open(series: Series) -> None:
    leak = fault("leak", "soil")
    samples = series[leak.device, "water_SOIL"]
    before = between(samples, leak.start_s - DAY_S, leak.start_s)
    assert max(between(samples, leak.start_s, leak.end_s)) > max(before) + 1.0


def test_a_tank_leak_lowers_the_level_at_night(series: Series) -> None:
    leak = fault("leak", "tank")
    evening = between(
        series["tank", "distance"], leak.start_s + 4 * HOUR_S, leak.start_s + 15 * HOUR_S
    )
    assert evening[-1] - evening[0] > 300.0


# --- commands ---------------------------------------------------------------------------------

VALVE = "70b3d5a4d200010d"
DOWN = f"application/{APPLICATION_ID}/device/{VALVE}/command/down"


def command(**changes: object) -> bytes:
    fields = {
        "id": "4e91db13-5ce3-4c8c-ab0f-dfc626cf0771",
        "devEui": VALVE,
        "confirmed": True,
        "fPort": 10,
        "data": base64.b64encode(b"\x01\x00\x0f").decode(),
    }
    return json.dumps(fields | changes).encode()


def answers(farm: Farm, events: int = 40) -> dict[str, dict[str, object]]:
    stream = farm.events()
    found = {}
    for event in islice(stream, events):
        parts = event.topic.split("/")
        if parts[3] == VALVE:
            found[parts[-1]] = json.loads(event.payload)
    return found


def advanced() -> Farm:
    farm = Farm(1)
    for _ in islice(farm.events(), 30):
        pass
    return farm


def test_a_valve_told_to_open_acknowledges_and_shows_that_it_is_open() -> None:
    farm = advanced()
    assert farm.handle_command(DOWN, command())
    found = answers(farm, 8)
    assert found["txack"]["queueItemId"] == found["ack"]["queueItemId"]
    assert found["ack"]["acknowledged"] is True
    assert found["up"]["object"]["valve"] == "open"
    assert found["up"]["object"]["flow"] > 30.0


def test_an_unconfirmed_command_is_sent_but_not_acknowledged() -> None:
    farm = advanced()
    assert farm.handle_command(DOWN, command(confirmed=False))
    found = answers(farm, 8)
    assert "txack" in found
    assert "ack" not in found


def test_the_same_command_twice_is_done_once() -> None:
    farm = advanced()
    assert farm.handle_command(DOWN, command())
    assert farm.handle_command(DOWN, command())
    stream = [event.topic for event in islice(farm.events(), 20)]
    assert sum(topic.endswith("txack") for topic in stream) == 1


def test_an_expired_command_is_discarded_with_a_log_event() -> None:
    farm = advanced()
    assert farm.handle_command(DOWN, command(expiresAt="2020-01-01T00:00:00Z"))
    found = answers(farm, 8)
    assert found["log"]["code"] == "EXPIRED"
    assert "txack" not in found


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (DOWN, b"{"),
        (DOWN, b"[]"),
        (DOWN, command(devEui=VALVE.upper())),
        (DOWN, command(fPort=0)),
        (DOWN, command(fPort="ten")),
        (DOWN, command(data="%%")),
        (DOWN, command(expiresAt="soon")),
        (DOWN.replace(VALVE, "0000000000000000"), command()),
        (DOWN.replace("down", "up"), command()),
        ("command/down", command()),
    ],
)
def test_a_command_that_the_server_would_not_take_changes_nothing(
    topic: str, payload: bytes
) -> None:
    farm = advanced()
    assert not farm.handle_command(topic, payload)
    assert "txack" not in answers(farm)


def test_a_class_a_device_gets_its_command_after_its_next_uplink() -> None:
    farm, eui = advanced(), EUIS["tank"]
    topic = DOWN.replace(VALVE, eui)
    assert farm.handle_command(topic, command(devEui=eui))
    kinds = [
        event.topic.rsplit("/", 1)[-1] for event in islice(farm.events(), 60) if eui in event.topic
    ]
    assert kinds.index("up") < kinds.index("txack")


def test_a_valve_reads_its_commands_and_no_others() -> None:
    assert read_valve_command(b"\x00") == 0.0
    assert read_valve_command(b"\x01") == 1800.0
    assert read_valve_command(b"\x01\x00\x05") == 300.0
    assert read_valve_command(b"\x02") is None
    assert read_valve_command(b"") is None


# --- judging ----------------------------------------------------------------------------------


def alert(device: str, kind: str, time_s: float, channel: str = "soil.temperature") -> SeenAlert:
    return SeenAlert(
        f"{device}/{kind}", frozenset({EUIS[device]}), frozenset({kind}), "sensor", time_s,
        frozenset({channel}),
    )  # fmt: skip


def judged(one: Fault, seen: list[SeenAlert]) -> tuple[Outcome, int]:
    """Return what became of one fault by its end, and how many alerts nothing explains."""
    found = judge([one], seen, EUIS, one.end_s)
    (outcome,) = found.outcomes
    return outcome, len(found.false_alarms)


def test_an_alert_on_the_device_within_the_fault_detects_it() -> None:
    stuck = fault("stuck")
    seen = [alert(stuck.device, "level", stuck.start_s + 600.0)]
    outcome, strays = judged(stuck, seen)
    assert (outcome.delay_s, outcome.alert, strays) == (600.0, seen[0], 0)
    assert outcome.right_cause


def test_an_alert_before_the_fault_or_on_another_device_is_a_false_alarm() -> None:
    stuck = fault("stuck")
    seen = [
        alert(stuck.device, "level", stuck.start_s - 600.0),
        alert("noise", "spike", stuck.start_s + 600.0),
        alert(stuck.device, "level", stuck.end_s + 13 * HOUR_S),
    ]
    outcome, strays = judged(stuck, seen)
    assert (outcome.delay_s, outcome.alert, strays) == (None, None, 3)
    assert not outcome.right_cause


def test_an_alert_about_something_else_on_the_device_is_neither_found_nor_false() -> None:
    stuck = fault("stuck")
    seen = [alert(stuck.device, "battery", stuck.start_s + 600.0, "device.battery_v")]
    seen.append(alert(stuck.device, "level", stuck.start_s + 600.0, "radio.rssi"))
    outcome, strays = judged(stuck, seen)
    assert (outcome.alert, strays) == (None, 0)


def test_what_a_fault_physically_reaches_is_neither_found_nor_false() -> None:
    leak = fault("leak", "soil")
    seen = [alert("south-soil-50", "rise", leak.start_s + HOUR_S)]
    outcome, strays = judged(leak, seen)
    assert (outcome.alert, strays) == (None, 0)


def test_an_alert_of_several_devices_is_false_only_where_no_fault_explains_any() -> None:
    stuck = fault("stuck")
    at_s = stuck.start_s + 600.0
    alone = replace(alert("weather", "level", at_s), id="group")
    group = replace(alone, devices=alone.devices | {EUIS[stuck.device]})
    assert judged(stuck, [group])[1] == 0
    assert judged(stuck, [alone])[1] == 1


def test_a_silent_device_is_found_by_its_silence_alone() -> None:
    silent = fault("silence")
    seen = [alert(silent.device, "drift", silent.start_s + HOUR_S)]
    outcome, strays = judged(silent, seen)
    assert (outcome.alert, strays) == (None, 0)


def test_a_fault_that_has_not_begun_is_not_judged() -> None:
    stuck = fault("stuck")
    assert judge([stuck], [], EUIS, stuck.start_s - 1.0) == Judgement((), ())


def test_an_alert_that_names_the_device_among_others_finds_the_fault_too() -> None:
    stuck = fault("stuck")
    alone = alert("noise", "level", stuck.start_s + 600.0)
    grouped = replace(alone, devices=alone.devices | {EUIS[stuck.device]}, cause="environment")
    outcome, strays = judged(stuck, [grouped])
    assert (outcome.alert, outcome.right_cause, strays) == (grouped, False, 0)


# --- the further weeks ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_months_hold_every_kind_of_fault_on_many_devices_and_quiet_days_between(
    seed: int,
) -> None:
    short, script = Farm(seed).script, Farm(seed, days=60.0).script
    assert script.faults[: len(short.faults)] == short.faults
    assert script.rains == short.rains
    further = script.faults[len(short.faults) :]
    assert {fault.kind for fault in further} == {
        "noise", "silence", "stuck", "drift", "spike", "leak",
    }  # fmt: skip
    assert len({fault.device for fault in further}) >= 12
    assert script.end_s == START_S + 60 * DAY_S
    for number in range(7):
        start_s = START_S + (8.25 + 7 * number) * DAY_S
        assert not any(f.start_s < start_s + 3 * DAY_S and f.end_s > start_s for f in further)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_device_has_two_faults_at_a_time(seed: int) -> None:
    faults = Farm(seed, days=60.0).script.faults
    for device in {fault.device for fault in faults} - {"weather"}:
        own = [fault for fault in faults if fault.device == device]
        assert all(a.end_s + a.grace_s < b.start_s for a, b in pairwise(own))
