"""The farm's physical world: one weather, three fields, a tank, a greenhouse, stepped together.

`World.at(time_s)` gives the state at any later time; it never looks back. All states are true
values: sensors add their own noise, resolution and faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from gateway.sources.simulated_farm.chance import clamp, stream
from gateway.sources.simulated_farm.ground import FieldWater, HeatColumn, SoilKind
from gateway.sources.simulated_farm.indoors import Greenhouse, YardAir
from gateway.sources.simulated_farm.script import SPIN_UP_S, STEP_S, Script
from gateway.sources.simulated_farm.water import IRRIGATION_MM_H, VALVE_L_H, Tank, TankState, Valve
from gateway.sources.simulated_farm.weather import HOUR_S, Sky, Weather

UPPER_M, LOWER_M = 0.20, 0.50

SOILS: Mapping[str, tuple[SoilKind, float, float, float]] = {
    # field: soil, water at both depths, share of the sun on the ground
    "north": (SoilKind(capacity_pct=31.0, wilting_pct=11.0, crop=1.0, drip=2.6), 31.0, 33.5, 0.55),
    "south": (SoilKind(capacity_pct=26.0, wilting_pct=8.0, crop=1.1, drip=2.4), 26.5, 28.5, 0.7),
    "orchard": (
        SoilKind(capacity_pct=35.0, wilting_pct=14.0, crop=0.6, drip=0.0),
        33.0,
        34.0,
        0.35,
    ),
}


@dataclass(frozen=True, slots=True)
class Ground:
    """One field at its two probe depths."""

    upper_pct: float
    lower_pct: float
    upper_c: float
    lower_c: float


@dataclass(frozen=True, slots=True)
class State:
    """Everything a sensor may look at, at `time_s`."""

    time_s: float
    sky: Sky
    rain_mm: float
    fields: Mapping[str, Ground]
    tank: TankState
    flows_l_h: Mapping[str, float]
    metered_l: Mapping[str, float]
    greenhouse_c: float
    greenhouse_pct: float
    greenhouse_co2_ppm: float
    pm2_5: float


_Blend = TypeVar("_Blend", Sky, Ground)


class World:
    """Steps all of it. `valves` may be commanded from outside."""

    def __init__(self, seed: int, start_s: float, script: Script) -> None:
        self._script = script
        self._time_s = start_s - SPIN_UP_S
        self._weather = Weather(seed, script.rains, script.cold_nights)
        self._heat = {name: HeatColumn(self._time_s, soil[3]) for name, soil in SOILS.items()}
        self._water = {name: FieldWater(*soil[:3]) for name, soil in SOILS.items()}
        self.valves = {
            "north": Valve(opens_at_h=5.6, target_pct=31.0, random=stream(seed, "valve/north")),
            "south": Valve(opens_at_h=19.4, target_pct=26.0, random=stream(seed, "valve/south")),
        }
        self._tank = Tank(level_mm=2300.0)
        self._greenhouse = Greenhouse()
        self._yard = YardAir(stream(seed, "yard"))
        self._rain_mm = 0.0
        self._now = self._step()
        self._before = self._now

    def at(self, time_s: float) -> State:
        """Return the state at `time_s`, linear between two steps where a quantity is continuous."""
        self._advance(time_s)
        share = clamp((time_s - self._before.time_s) / STEP_S, 0.0, 1.0)
        return replace(
            self._now,
            time_s=time_s,
            flows_l_h={
                name: VALVE_L_H if valve.is_open(time_s) else 0.0
                for name, valve in self.valves.items()
            },
            sky=_between(self._before.sky, self._now.sky, share),
            fields={
                name: _between(ground, self._now.fields[name], share)
                for name, ground in self._before.fields.items()
            },
        )

    def valve_is_open(self, name: str, time_s: float) -> bool:
        """Whether a valve is open at `time_s`: cheaper than the whole state."""
        self._advance(time_s)
        return self.valves[name].is_open(time_s)

    def _advance(self, time_s: float) -> None:
        while self._now.time_s < time_s:
            self._before, self._now = self._now, self._step()

    def _step(self) -> State:
        self._time_s += STEP_S
        now, script = self._time_s, self._script
        sky = self._weather.step(now, STEP_S)
        self._rain_mm += sky.rain_mm_h * STEP_S / HOUR_S
        flows = {
            name: valve.step(now, STEP_S, self._water[name].upper_pct)
            for name, valve in self.valves.items()
        }
        for name, water in self._water.items():
            water.step(
                sky,
                STEP_S,
                irrigation_mm_h=IRRIGATION_MM_H if flows.get(name) else 0.0,
                leak_mm_h=sum(
                    leak.mm_h
                    for leak in script.pipe_leaks
                    if leak.field == name and leak.flows(now)
                ),
            )
            self._heat[name].step(now, sky, STEP_S)
        self._tank.step(
            now,
            STEP_S,
            drawn_l_h=sum(flows.values()),
            leak_l_h=sum(leak.l_h for leak in script.tank_leaks if leak.flows(now)),
        )
        self._greenhouse.step(sky, STEP_S)
        self._yard.step(now, sky, STEP_S)
        return self._snapshot(sky, flows)

    def _snapshot(self, sky: Sky, flows: Mapping[str, float]) -> State:
        return State(
            time_s=self._time_s,
            sky=sky,
            rain_mm=self._rain_mm,
            fields={
                name: Ground(
                    upper_pct=water.upper_pct,
                    lower_pct=water.lower_pct,
                    upper_c=self._heat[name].at(UPPER_M),
                    lower_c=self._heat[name].at(LOWER_M),
                )
                for name, water in self._water.items()
            },
            tank=self._tank.state,
            flows_l_h=flows,
            metered_l={name: valve.metered_l for name, valve in self.valves.items()},
            greenhouse_c=self._greenhouse.air_c,
            greenhouse_pct=self._greenhouse.humidity_pct,
            greenhouse_co2_ppm=self._greenhouse.co2_ppm,
            pm2_5=self._yard.pm2_5,
        )


def _between(before: _Blend, after: _Blend, share: float) -> _Blend:
    values = {
        field.name: getattr(before, field.name)
        + share * (getattr(after, field.name) - getattr(before, field.name))
        for field in fields(before)
    }
    return type(before)(**values)
