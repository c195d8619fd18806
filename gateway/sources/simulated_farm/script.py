"""What will happen on the farm: weather that must come, and faults with their device and time.

The first four days hold only harmless things, so that a detector can learn: daily irrigation, two
showers. Then faults come one after another while irrigation and rain go on. All times move a
little with the seed.

A fault counts as **detected** when an alert of one of its `alert_kinds`, with one of its `channels`
among the reasons, begins on its device from `start_s` to `end_s + grace_s`. An alert on a device
without a fault at the time is a **false alarm**, unless a fault physically reaches that device too
(`also`). A cold night cools every thermometer outdoors and in the soil, the greenhouse a little,
and its still air is quiet; a broken pipe wets both depths of its field and empties the tank, which
the pump then refills. Coming back to normal is part of a fault, hence the grace. The air is cold
for some hours before it freezes, hence `early_s`; what the cold has taken from the soil is still
missing half a metre down a day and a half later, hence `linger_s`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from gateway.sources.simulated_farm.chance import stream
from gateway.sources.simulated_farm.weather import DAY_S, HOUR_S, ColdNight, Rain, Weather

SCENARIO_DAYS = 8.25
GRACE_S = 12 * HOUR_S
FROST_START_S = 5 * DAY_S + 16 * HOUR_S
FROST_DEPTHS_C = (8.0, 9.5, 11.0, 13.0, 16.0)
FROST_C = -2.0
FREEZING_C = 0.3
"""Frost begins and ends here: a thermometer may be so far off."""
STEP_S = 300.0
"""How finely weather and world are stepped."""
SPIN_UP_S = 3 * DAY_S
"""Run before the start, so that soil and greenhouse have forgotten how they were set up."""

MODEL_KINDS = ("spike", "stuck", "drift", "noise", "level", "rise", "fall", "leak", "dropout")
"""What a model alert may be called: the shape is its guess, the device and time are what counts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault of one device.

    `key` is the measured quantity that goes wrong ("*" for all), `size` the fault's own measure:
    units per day of a drift, standard deviation of noise, height of spikes. `channels` is what the
    gateway calls it, empty when the kind of alert says enough. `early_s` is how long
    before the start the cause can already be seen, `linger_s` how long after the end elsewhere.
    """

    kind: str
    device: str
    key: str
    start_s: float
    end_s: float
    size: float = 0.0
    channels: tuple[str, ...] = ()
    alert_kinds: tuple[str, ...] = MODEL_KINDS
    also: tuple[str, ...] = ()
    grace_s: float = GRACE_S
    early_s: float = 0.0
    linger_s: float = GRACE_S

    def active(self, time_s: float) -> bool:
        """Whether the fault acts at `time_s`."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class PipeLeak:
    """A cracked drip line: it wets the ground of a field without any irrigation."""

    field: str
    start_s: float
    end_s: float
    mm_h: float

    def flows(self, time_s: float) -> bool:
        """Whether water is lost at `time_s`."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class TankLeak:
    """A loose fitting below the tank's water line."""

    start_s: float
    end_s: float
    l_h: float

    def flows(self, time_s: float) -> bool:
        """Whether water is lost at `time_s`."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class Script:
    """All of it. `faults` are in order of their start; the scenario is over at `end_s`."""

    start_s: float
    end_s: float
    rains: tuple[Rain, ...]
    cold_nights: tuple[ColdNight, ...]
    pipe_leak: PipeLeak | None
    tank_leak: TankLeak | None
    faults: tuple[Fault, ...]


def write_script(seed: int, start_s: float) -> Script:
    """Return the scenario of `seed` that begins at `start_s`."""
    random = stream(seed, "script")

    def at(day: float, spread_h: float = 1.0) -> float:
        return start_s + day * DAY_S + random.uniform(-spread_h, spread_h) * HOUR_S

    rains = _rains(random, start_s)
    pipe = PipeLeak("south", at(5.4), at(6.8), mm_h=3.6)
    tank = TankLeak(at(6.4), at(7.9), l_h=450.0)
    cold, below_s, above_s = _frost(seed, rains, start_s + FROST_START_S)
    faults = (
        Fault(
            "noise", "greenhouse-co2", "co2", at(4.5), at(5.2), size=120.0,
            channels=("air.co2",),
        ),
        Fault("silence", "south-air", "*", at(4.3), at(5.9), alert_kinds=("silence",)),
        Fault(
            "stuck", "orchard-soil-20", "*", at(4.7), at(6.7),
            channels=("soil.moisture", "soil.temperature", "soil.ec"),
        ),
        Fault(
            "drift", "north-soil-50", "temp_SOIL", at(4.85), at(7.5), size=2.0,
            channels=("soil.temperature",),
        ),
        Fault(
            "spike", "greenhouse-climate", "TempC_SHT", at(5.05), at(5.3), size=14.0,
            channels=("air.temperature",),
        ),
        Fault(
            "leak", "south-soil-20", "water_SOIL", pipe.start_s, pipe.end_s,
            channels=("soil.moisture", "soil.ec"), also=("south-soil-50", "tank", "pump"),
        ),
        Fault(
            "frost", "weather", "temperature", below_s, above_s, alert_kinds=("frost",),
            early_s=below_s - cold.start_s, linger_s=36 * HOUR_S,
            also=(
                "south-air", "orchard-air", "yard-air", "greenhouse-climate", "greenhouse-co2",
                "north-soil-20", "south-soil-20", "orchard-soil-20",
                "north-soil-50", "south-soil-50", "orchard-soil-50", "noise",
            ),
        ),
        Fault(
            "leak", "tank", "distance", tank.start_s, tank.end_s,
            channels=("distance", "water.distance"), also=("pump",),
        ),
    )  # fmt: skip
    return Script(
        start_s=start_s,
        end_s=start_s + SCENARIO_DAYS * DAY_S,
        rains=rains,
        cold_nights=(cold,),
        pipe_leak=pipe,
        tank_leak=tank,
        faults=tuple(sorted(faults, key=lambda fault: fault.start_s)),
    )


def _frost(seed: int, rains: tuple[Rain, ...], start_s: float) -> tuple[ColdNight, float, float]:
    """Return a night cold enough in this seed's weather, and from when to when it freezes."""
    # The weather depends on nothing else, so it can be looked at in advance.
    evening = Weather(seed, rains, ())
    time_s = start_s - FROST_START_S - SPIN_UP_S
    while time_s < start_s:
        time_s += STEP_S
        evening.step(time_s, STEP_S)
    for depth_c in FROST_DEPTHS_C:
        night = ColdNight(start_s, start_s + 15 * HOUR_S, depth_c)
        air = _air_during(evening.with_cold((night,)), time_s, night)
        freezing = [at_s for at_s, air_c in air if air_c < FREEZING_C]
        if min(air_c for _, air_c in air) < FROST_C:
            break
    return night, freezing[0], freezing[-1]


def _air_during(weather: Weather, time_s: float, night: ColdNight) -> list[tuple[float, float]]:
    air = []
    while time_s < night.end_s + 6 * HOUR_S:
        time_s += STEP_S
        air.append((time_s, weather.step(time_s, STEP_S).air_c))
    return air


def _rains(random: Random, start_s: float) -> tuple[Rain, ...]:
    def shower(day: float, hours: float, mm_h: float) -> Rain:
        begins = start_s + day * DAY_S + random.uniform(-2.0, 2.0) * HOUR_S
        lasts = hours * HOUR_S * random.uniform(0.8, 1.2)
        return Rain(begins, begins + lasts, mm_h * random.uniform(0.8, 1.2))

    scripted = [
        shower(-2.3, 4.0, 2.0), shower(1.6, 3.0, 3.2), shower(2.9, 5.0, 1.8), shower(4.9, 3.0, 3.5),
    ]  # fmt: skip
    # Beyond the scenario the farm goes on, with a shower every few days.
    day = SCENARIO_DAYS
    while day < 400.0:  # noqa: PLR2004 - longer than anybody watches
        day += random.uniform(1.5, 5.0)
        scripted.append(shower(day, random.uniform(1.0, 6.0), random.uniform(0.8, 4.0)))
    return tuple(scripted)


# --- how a run is judged ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert that names a device for the first time: of what kind, when, and about what."""

    id: str
    dev_eui: str
    kind: str
    time_s: float
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fault; `delay_s` and `alert_id` are None when it was missed."""

    fault: Fault
    dev_eui: str
    delay_s: float | None
    alert_id: str | None


def judge(
    faults: Iterable[Fault], alerts: Iterable[SeenAlert], euis: dict[str, str], now_s: float
) -> tuple[tuple[Outcome, ...], int]:
    """Return the outcome of every fault that has begun by `now_s`, and the false alarms.

    `euis` gives the DevEUI of each device name. An alert of several devices is false when no fault
    explains it on any of them.
    """
    begun = [fault for fault in faults if fault.start_s <= now_s]
    seen = sorted(alerts, key=lambda alert: (alert.time_s, alert.id))
    outcomes = tuple(_outcome(fault, seen, euis[fault.device]) for fault in begun)
    explained = {alert.id for alert in seen if any(_explains(f, alert, euis) for f in begun)}
    return outcomes, len({alert.id for alert in seen} - explained)


def _outcome(fault: Fault, seen: list[SeenAlert], dev_eui: str) -> Outcome:
    for alert in seen:
        on_time = fault.start_s <= alert.time_s <= fault.end_s + fault.grace_s
        named = alert.kind in fault.alert_kinds
        named = named and (not fault.channels or not alert.channels.isdisjoint(fault.channels))
        if alert.dev_eui == dev_eui and named and on_time:
            return Outcome(fault, dev_eui, alert.time_s - fault.start_s, alert.id)
    return Outcome(fault, dev_eui, None, None)


def _explains(fault: Fault, alert: SeenAlert, euis: dict[str, str]) -> bool:
    begins_s = fault.start_s - fault.early_s
    if alert.dev_eui == euis[fault.device]:
        return begins_s <= alert.time_s <= fault.end_s + fault.grace_s
    reached = alert.dev_eui in {euis[name] for name in fault.also}
    return reached and begins_s <= alert.time_s <= fault.end_s + fault.linger_s
