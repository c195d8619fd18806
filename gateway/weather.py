"""What programs ask of the weather and the soil, answered from what devices said and will say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gateway.control import Fact
from gateway.devices import DeviceBook
from gateway.store import Reader
from gateway.types import QUANTILES, Channel, DevEui, Forecast, Reading, ReadingKind

MOST_UPLINKS = 2000
"""The most uplinks that one sum or mean looks back over."""

_MIDDLE = QUANTILES.index(0.5)
_FORECAST = "forecast_"


class StoreWeather:
    """Readings from memory and the store, forecasts from the newest verdicts."""

    def __init__(self, devices: DeviceBook, store: Reader) -> None:
        self._devices = devices
        self._store = store

    def fact(
        self, dev_eui: DevEui, channel: str, over: str, hours: float, now_s: float
    ) -> Fact | None:
        """Return the figure, None where the device said nothing of the channel in that time."""
        device = self._devices.get(dev_eui)
        newest = device.readings.get(Channel(channel)) if device is not None else None
        if device is None or newest is None:
            return None
        if over == "newest":
            value = _number(newest)
            return None if value is None else Fact(value, newest.unit, newest.time_s)
        if over.startswith(_FORECAST):
            verdict = device.verdicts.get(Channel(channel))
            coming = verdict.forecast if verdict is not None else None
            values = list(_coming(coming, now_s, hours)) if coming is not None else []
            value = of_span(over.removeprefix(_FORECAST), values)
        else:
            readings = list(self._past(dev_eui, channel, now_s - hours * 3600.0))
            value = _of_past(over, newest.kind, readings)
        return None if value is None else Fact(value, newest.unit, now_s)

    def _past(self, dev_eui: DevEui, channel: str, since_s: float) -> Iterator[Reading]:
        for row in self._store.history(dev_eui, MOST_UPLINKS):
            for reading in row.record.readings:
                if reading.channel == channel and reading.time_s >= since_s:
                    yield reading


def _of_past(over: str, kind: ReadingKind, readings: list[Reading]) -> float | None:
    values = [value for one in readings if (value := _number(one)) is not None]
    if over == "sum" and kind is ReadingKind.COUNTER:
        return sum(max(0.0, after - before) for before, after in itertools.pairwise(values))
    return of_span(over, values)


def of_span(over: str, values: list[float]) -> float | None:
    """Return the `sum`, `mean`, `highest` or `lowest` of values; None of none."""
    if not values:
        return None
    if over == "mean":
        return sum(values) / len(values)
    if over == "sum":
        return sum(values)
    return max(values) if over == "highest" else min(values)


def _coming(forecast: Forecast, now_s: float, hours: float) -> Iterator[float]:
    for row, quantiles in enumerate(forecast.quantiles):
        if now_s <= forecast.start_s + row * forecast.step_s <= now_s + hours * 3600.0:
            yield float(quantiles[_MIDDLE])


def _number(reading: Reading) -> float | None:
    value = reading.value
    return None if isinstance(value, str) else float(value)
