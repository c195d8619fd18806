"""What a run will do, made when it begins: its stages, and how much each valve gives."""

from __future__ import annotations

from dataclasses import replace

from gateway.config import Config, ProgramConfig, PumpConfig
from gateway.control.programs.amounts import Amount, amount
from gateway.control.programs.runs import Leg, LegState, Stage
from gateway.control.programs.weather import Fact, Weather
from gateway.control.schema import Catalogue
from gateway.speech import say
from gateway.types import DevEui

STALE_S = 2 * 86400.0
"""Soil water is told once a day; what is older than two days says nothing of today."""


class Planner:
    """Makes the stages of runs, from the settings and from what the soil lacks."""

    def __init__(self, config: Config, catalogue: Catalogue, weather: Weather) -> None:
        self._config = config
        self._catalogue = catalogue
        self._weather = weather

    def stages(
        self, config: ProgramConfig, now_s: float, minutes: float | None = None
    ) -> tuple[tuple[Stage, ...], list[Amount]]:
        """Return a run's stages, all waiting, and how much each valve gives.

        `minutes` for each valve goes before what the settings say.
        """
        legs, amounts = [], []
        for valve in config.valve:
            dev_eui = DevEui(self._config.eui_of(valve.device))
            spec = self._catalogue.of(dev_eui).get(valve.open)
            wanted = (
                amount(config, valve, spec, lambda: self._deficit(config, now_s))
                if minutes is None
                else Amount(60.0 * minutes, say("{minutes} min.", minutes=f"{minutes:g}"))
            )
            end = valve.close or self._end_of(dev_eui, valve.open)
            leg = Leg(dev_eui, valve.open, end, duration_s=wanted.duration_s, litres=wanted.litres,
                      detail=wanted.said)  # fmt: skip
            if wanted.duration_s <= 0:
                leg = replace(leg, state=LegState.SKIPPED)
            legs.append(leg)
            amounts.append(wanted)
        rows = [tuple(legs)] if config.together else [(leg,) for leg in legs]
        return tuple(Stage(row, self._pump(config.pump)) for row in rows), amounts

    def _deficit(self, config: ProgramConfig, now_s: float) -> Fact | None:
        dev_eui = DevEui(self._config.eui_of(config.deficit_device))
        fact = self._weather.fact(dev_eui, config.deficit_channel, "newest", 0.0, now_s)
        return fact if fact is not None and now_s - fact.time_s <= STALE_S else None

    def _pump(self, pump: PumpConfig | None) -> Leg | None:
        if pump is None:
            return None
        dev_eui = DevEui(self._config.eui_of(pump.device))
        return Leg(dev_eui, pump.start, pump.stop or self._end_of(dev_eui, pump.start))

    def _end_of(self, dev_eui: DevEui, begin: str) -> str:
        """Return the command that ends another, "" where the settings name none."""
        commands = self._catalogue.of(dev_eui)
        spec = commands.get(begin)
        if spec is not None and spec.close_with:
            return spec.close_with
        free = [
            name
            for name, one in commands.items()
            if one.ends and not any(key.required for key in one.keys.values())
        ]
        return free[0] if free else ""
