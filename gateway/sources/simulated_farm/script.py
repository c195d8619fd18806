"""What will happen on the farm: weather that must come, and faults with their device and time.

The first four days hold only harmless things, so that a detector can learn: daily irrigation, two
showers. Then faults come one after another while irrigation and rain go on. All times move a
little with the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gateway.sources.simulated_farm.chance import stream
from gateway.sources.simulated_farm.chapters import in_order, tank_fault, write_chapters
from gateway.sources.simulated_farm.faults import Fault, PipeLeak, TankLeak
from gateway.sources.simulated_farm.weather import DAY_S, HOUR_S, ColdNight, Rain, Weather

SCENARIO_DAYS = 8.25
FROST_START_S = 5 * DAY_S + 16 * HOUR_S
FROST_DEPTHS_C = (8.0, 9.5, 11.0, 13.0, 16.0)
FROST_C = -2.0
FREEZING_C = 0.3
"""Frost begins and ends here: a thermometer may be so far off."""
STEP_S = 300.0
"""How finely weather and world are stepped."""
SPIN_UP_S = 3 * DAY_S
"""Run before the start, so that soil and greenhouse have forgotten how they were set up."""


@dataclass(frozen=True, slots=True)
class Script:
    """All of it. `faults` are in order of their start; the scenario is over at `end_s`."""

    start_s: float
    end_s: float
    rains: tuple[Rain, ...]
    cold_nights: tuple[ColdNight, ...]
    pipe_leaks: tuple[PipeLeak, ...]
    tank_leaks: tuple[TankLeak, ...]
    faults: tuple[Fault, ...]


def write_script(seed: int, start_s: float, days: float = SCENARIO_DAYS) -> Script:
    """Return the scenario of `seed` that begins at `start_s`, with chapters up to `days`."""
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
        Fault(
            "silence", "south-air", "*", at(4.3), at(5.9), alert_kinds=("silence",),
            causes=("network", "sensor"),
        ),
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
            channels=("soil.moisture", "soil.ec"), causes=("actuator",),
            also=("south-soil-50", "tank", "pump"),
        ),
        Fault(
            "frost", "weather", "temperature", below_s, above_s, alert_kinds=("frost",),
            causes=("environment",),
            early_s=below_s - cold.start_s, linger_s=36 * HOUR_S,
            also=(
                "south-air", "orchard-air", "yard-air", "greenhouse-climate", "greenhouse-co2",
                "north-soil-20", "south-soil-20", "orchard-soil-20",
                "north-soil-50", "south-soil-50", "orchard-soil-50", "noise",
            ),
        ),
        tank_fault(tank),
    )  # fmt: skip
    chapters = write_chapters(seed, start_s + SCENARIO_DAYS * DAY_S, start_s + days * DAY_S)
    return Script(
        start_s=start_s,
        end_s=start_s + max(days, SCENARIO_DAYS) * DAY_S,
        rains=rains,
        cold_nights=(cold,),
        pipe_leaks=(pipe, *chapters.pipe_leaks),
        tank_leaks=(tank, *chapters.tank_leaks),
        faults=in_order((*faults, *chapters.faults)),
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
