"""The farm's further weeks: after the scenario, faults come and go in chapters of seven days.

A chapter begins with three days in which nothing is wrong. Then each kind of fault comes once, on
devices that change from chapter to chapter, so that within two months every part of the farm has
been struck. Nothing of it changes the scenario's own days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.sources.simulated_farm.chance import stream
from gateway.sources.simulated_farm.faults import MODEL_KINDS, Fault, PipeLeak, TankLeak
from gateway.sources.simulated_farm.weather import DAY_S, HOUR_S

CHAPTER_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class _Play:
    """A fault as it is played: on which day of the chapter, for how many days, how strongly."""

    device: str
    key: str
    day: float
    days: float
    size: float
    channels: tuple[str, ...]


_CLIMATE = ("air.temperature", "air.relativeHumidity")
_SOIL = ("soil.moisture", "soil.temperature", "soil.ec")
_PLAYS: dict[str, tuple[_Play, ...]] = {
    "noise": (
        _Play("weather", "humidity", 3.2, 1.2, 14.0, ("air.relativeHumidity",)),
        _Play("greenhouse-co2", "co2", 3.2, 0.8, 120.0, ("air.co2",)),
        _Play("orchard-air", "Hum_SHT", 3.2, 1.2, 14.0, ("air.relativeHumidity",)),
    ),
    "silence": (
        _Play("orchard-soil-50", "*", 3.1, 1.6, 0.0, ()),
        _Play("yard-air", "*", 3.1, 1.6, 0.0, ()),
        _Play("greenhouse-co2", "*", 3.1, 1.6, 0.0, ()),
        _Play("south-air", "*", 3.1, 1.6, 0.0, ()),
    ),
    "stuck": (
        _Play("greenhouse-climate", "*", 4.0, 2.0, 0.0, _CLIMATE),
        _Play("south-soil-50", "*", 4.0, 2.0, 0.0, _SOIL),
        _Play("weather", "*", 4.0, 2.0, 0.0, (*_CLIMATE, "air.pressure", "wind.speed")),
    ),
    "drift": (
        _Play("orchard-soil-20", "temp_SOIL", 3.4, 2.7, 2.2, ("soil.temperature",)),
        _Play("south-air", "TempC_SHT", 3.4, 2.7, 4.0, ("air.temperature",)),
        _Play("north-soil-50", "temp_SOIL", 3.4, 2.7, 2.0, ("soil.temperature",)),
    ),
    "spike": (
        _Play("south-soil-20", "temp_SOIL", 5.4, 0.3, 9.0, ("soil.temperature",)),
        _Play("greenhouse-co2", "temperature", 5.4, 0.3, 14.0, ("air.temperature",)),
        _Play("noise", "LAeq", 5.4, 0.4, 25.0, ("air.noiseLevel",)),
        _Play("orchard-air", "TempC_SHT", 5.4, 0.4, 14.0, ("air.temperature",)),
    ),
}  # fmt: skip
_CAUSES = {"silence": ("network", "sensor")}
_LEAKING = ("north", "south")


@dataclass(frozen=True, slots=True)
class Chapters:
    """What the further weeks hold."""

    faults: tuple[Fault, ...]
    pipe_leaks: tuple[PipeLeak, ...]
    tank_leaks: tuple[TankLeak, ...]


def write_chapters(seed: int, begin_s: float, end_s: float) -> Chapters:
    """Return the whole chapters between the two times."""
    random = stream(seed, "chapters")

    def at(day: float) -> float:
        return day * DAY_S + random.uniform(-1.5, 1.5) * HOUR_S

    faults: list[Fault] = []
    pipes: list[PipeLeak] = []
    tanks: list[TankLeak] = []
    for number in range(int((end_s - begin_s) / DAY_S // CHAPTER_DAYS)):
        start_s = begin_s + number * CHAPTER_DAYS * DAY_S
        for kind, plays in _PLAYS.items():
            play = plays[number % len(plays)]
            faults.append(_fault(kind, play, start_s + at(play.day)))
        if number % 2 == 0:
            pipe = PipeLeak(_LEAKING[number // 2 % 2], start_s + at(4.4), start_s + at(5.6), 3.6)
            pipes.append(pipe)
            faults.append(_burst(pipe))
        else:
            tank = TankLeak(start_s + at(4.5), start_s + at(6.0), l_h=450.0)
            tanks.append(tank)
            faults.append(tank_fault(tank))
    return Chapters(in_order(faults), tuple(pipes), tuple(tanks))


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return faults in the order of their start."""
    return tuple(sorted(faults, key=lambda fault: fault.start_s))


def tank_fault(leak: TankLeak) -> Fault:
    """Return what a leak of the tank is to those who look at the farm."""
    return Fault(
        "leak", "tank", "distance", leak.start_s, leak.end_s,
        channels=("distance", "water.distance"), causes=("actuator",), also=("pump",),
    )  # fmt: skip


def _burst(pipe: PipeLeak) -> Fault:
    upper, lower = f"{pipe.field}-soil-20", f"{pipe.field}-soil-50"
    return Fault(
        "leak", upper, "water_SOIL", pipe.start_s, pipe.end_s,
        channels=("soil.moisture", "soil.ec"), causes=("actuator",), also=(lower, "tank", "pump"),
    )  # fmt: skip


def _fault(kind: str, play: _Play, start_s: float) -> Fault:
    kinds = ("silence",) if kind == "silence" else MODEL_KINDS
    return Fault(
        kind, play.device, play.key, start_s, start_s + play.days * DAY_S, size=play.size,
        channels=play.channels, causes=_CAUSES.get(kind, ("sensor",)),
        alert_kinds=kinds,
    )  # fmt: skip
