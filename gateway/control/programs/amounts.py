"""How long a valve is to stay open: minutes, litres, millimetres, or what the soil asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import DURATION_UNITS, CommandConfig, ProgramConfig, ValveConfig
from gateway.control.programs.weather import Fact
from gateway.speech import say
from gateway.types import Json

Deficit = Callable[[], Fact | None]
"""What the soil asks for just now, in mm; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How long, and in words why; 0 s where nothing is needed or it cannot be told."""

    duration_s: float
    said: str
    litres: float | None = None


def amount(
    program: ProgramConfig,
    valve: ValveConfig,
    spec: CommandConfig | None,
    deficit: Deficit,
) -> Amount:
    """Return what one valve is to bring now, within the program's `min_minutes`, `max_minutes`."""
    asked = _asked(program, valve, spec, deficit)
    if asked.duration_s <= 0:
        return asked
    if asked.duration_s < program.min_minutes * 60.0:
        said = say("{said} That is less than {minutes} min: not worth it.", said=asked.said,
                   minutes=f"{program.min_minutes:g}")  # fmt: skip
        return Amount(0.0, said)
    most_s = program.max_minutes * 60.0
    if asked.duration_s <= most_s:
        return asked
    said = say("{said} At most {minutes} min.", said=asked.said, minutes=f"{program.max_minutes:g}")
    part = most_s / asked.duration_s
    return Amount(most_s, said, None if asked.litres is None else asked.litres * part)


def _asked(
    program: ProgramConfig,
    valve: ValveConfig,
    spec: CommandConfig | None,
    deficit: Deficit,
) -> Amount:
    most_s = program.max_minutes * 60.0
    own = valve.minutes or valve.litres or valve.mm
    minutes = valve.minutes if own else program.minutes
    if minutes:
        return Amount(minutes * 60.0, say("{minutes} min.", minutes=f"{minutes:g}"))
    litres = valve.litres if own else program.litres
    if litres:
        return _of_litres(litres, spec, say("{litres} L.", litres=f"{litres:g}"), most_s)
    area_m2 = valve.area_m2 or program.area_m2 or 0.0
    mm = valve.mm if own else program.mm
    if mm:
        said = say("{mm} mm on {area} m².", mm=f"{mm:g}", area=f"{area_m2:g}")
        return _of_litres(mm * area_m2, spec, said, most_s)
    fact = deficit()
    if fact is None:
        return Amount(0.0, say("What the soil asks for is not known."))
    if fact.value <= 0:
        return Amount(0.0, say("The soil asks for no water."))
    said = say("The soil asks for {mm} mm on {area} m².", mm=f"{fact.value:.3g}",
               area=f"{area_m2:g}")  # fmt: skip
    return _of_litres(fact.value * area_m2, spec, said, most_s)


def _of_litres(litres: float, spec: CommandConfig | None, said: str, most_s: float) -> Amount:
    """Return how long litres take; 1 mm on 1 m² is 1 L (FAO-56, chapter 1)."""
    flow = spec.flow_l_per_min if spec is not None else None
    if flow:
        return Amount(60.0 * litres / flow, said, litres)
    if spec is not None and spec.volume_key:
        return Amount(most_s, said, litres)  # the device measures and ends it before that
    said = say("{said} How long that takes is not known: give the command its flow_l_per_min.",
               said=said)  # fmt: skip
    return Amount(0.0, said)


def body_of(name: str, spec: CommandConfig | None, wanted: Amount) -> dict[str, Json]:
    """Return the command that opens or starts for as long as is wanted, at least a second."""
    body: dict[str, Json] = {"command": name}
    if spec is None:
        return body
    values: dict[str, Json] = {}
    if spec.duration_key:
        key = spec.keys[spec.duration_key]
        value = wanted.duration_s / DURATION_UNITS[key.unit]
        values[spec.duration_key] = max(1, math.ceil(value)) if key.type == "integer" else value
    elif spec.close_with:
        body["duration_s"] = max(1.0, wanted.duration_s)
    if spec.volume_key and wanted.litres is not None:
        key = spec.keys[spec.volume_key]
        litres = wanted.litres
        values[spec.volume_key] = math.ceil(litres) if key.type == "integer" else round(litres, 1)
    if values:
        body["object"] = values
    return body
