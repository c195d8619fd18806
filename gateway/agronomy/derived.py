"""The one way in: one uplink's readings, and what follows from them and from those before.

Nothing that a device measures itself is derived again. State is bounded: two days of hours for each
device that measures air or noise, a few days for each configured field, weeks of daily means for
each configured trend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.agronomy.breath import POLLUTANTS, Breath
from gateway.agronomy.channels import Told, find
from gateway.agronomy.comfort import HUMIDITY, TEMPERATURE, comfort
from gateway.agronomy.field import fields_of
from gateway.agronomy.frost import AFTER_SUNRISE_S, coming_night
from gateway.agronomy.loudness import LEVEL, Loudness
from gateway.agronomy.site import Site
from gateway.agronomy.trends import trends_of
from gateway.config import AgronomyConfig
from gateway.errors import BadInput
from gateway.types import DevEui, DeviceInfo, Reading, Verdict


class Derivation:
    """Derives readings. Raises ConfigError for a field whose crop or soil is not known."""

    def __init__(self, config: AgronomyConfig) -> None:
        self._config = config
        self._site = Site.of(config)
        self._fields = tuple(fields_of(config, self._site)) if config.enabled else ()
        self._trends = tuple(trends_of(config, self._site)) if config.enabled else ()
        self._air_kpa = self._site.air_kpa
        self._breaths: dict[DevEui, Breath] = {}
        self._noises: dict[DevEui, Loudness] = {}
        self._recalled: set[DevEui] = set()

    def lookback_s(self, device: DeviceInfo) -> float:
        """Return how far back a device must be recalled before any speaks, 0 when it need not."""
        fields_s = max((one.lookback_s(device) for one in self._fields), default=0.0)
        return max(fields_s, *(one.lookback_s(device) for one in self._trends), 0.0)

    def recall(self, device: DeviceInfo, rows: Iterable[Sequence[Reading]]) -> None:
        """Take back what a device has told, oldest uplink first; the first call alone counts.

        For a device that need not be looked back at (`lookback_s`) two days are enough.
        """
        if not self._config.enabled or device.dev_eui in self._recalled:
            return
        self._recalled.add(device.dev_eui)
        ranked = [(one, rank) for one in self._fields if (rank := one.rank(device)) is not None]
        trends = [one for one in self._trends if one.watches(device)]
        for readings in rows:
            self._note(device, readings)
            for one, rank in ranked:
                one.recall(rank, readings)
            for trend in trends:
                trend.recall(readings)

    def readings(
        self,
        device: DeviceInfo,
        readings: Sequence[Reading],
        verdicts: Sequence[Verdict] = (),
        *,
        late: bool = False,
    ) -> list[Reading]:
        """Return what follows from one uplink: of its own time, or of the end of a day.

        A late uplink adds to its hours and days, and tells only what follows from it alone.
        """
        if not self._config.enabled or not readings:
            return []
        derived = list(comfort(readings, self._air_kpa))
        self._note(device, readings)
        for one in self._fields:
            rank = one.rank(device)
            if rank is None:
                continue
            one.take(rank, readings)
            if not late:
                derived += one.tell(rank, device, _newest_s(readings))
        for trend in self._trends:
            if trend.watches(device):
                trend.take(readings)
                if not late:
                    derived += trend.tell(device, _newest_s(readings))
        if not late:
            derived += self._tell(device, readings)
            derived += self._frost(device, readings, verdicts)
        measured = {reading.channel for reading in readings}
        return [reading for reading in derived if reading.channel not in measured]

    def forget(self, dev_eui: DevEui) -> None:
        """Drop what is kept of a device; what it told of a field stays."""
        self._breaths.pop(dev_eui, None)
        self._noises.pop(dev_eui, None)
        self._recalled.discard(dev_eui)

    def _in_field(self, device: DeviceInfo) -> bool:
        return any(one.rank(device) is not None for one in self._fields)

    def _note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        channels = {reading.channel for reading in readings}
        if not POLLUTANTS.keys().isdisjoint(channels):
            self._breaths.setdefault(device.dev_eui, Breath()).take(readings)
        if LEVEL in channels:
            self._noises.setdefault(device.dev_eui, Loudness(self._site)).take(readings)

    def _tell(self, device: DeviceInfo, readings: Sequence[Reading]) -> Iterator[Reading]:
        time_s = _newest_s(readings)
        breath = self._breaths.get(device.dev_eui)
        if breath is not None:
            yield from breath.tell(Told(device.dev_eui, time_s), self._config.air_quality)
        loudness = self._noises.get(device.dev_eui)
        if loudness is not None and any(reading.channel == LEVEL for reading in readings):
            yield from loudness.tell(device.dev_eui, time_s)

    def _frost(
        self, device: DeviceInfo, readings: Sequence[Reading], verdicts: Sequence[Verdict]
    ) -> Iterator[Reading]:
        """Yield the coming night's frost where a field's thermometer has a forecast."""
        forecast = next(
            (one.forecast for one in verdicts if one.channel == TEMPERATURE and one.forecast), None
        )
        now_c = find(readings, TEMPERATURE, "°C")
        if forecast is None or now_c is None or not self._in_field(device):
            return
        time_s = _newest_s(readings)
        sunrise_s = self._site.sunrise_s(time_s - AFTER_SUNRISE_S)
        if sunrise_s is None:
            return
        try:
            night = coming_night(
                forecast, sunrise_s + AFTER_SUNRISE_S, self._config.frost_below, now_c=now_c,
                humidity=find(readings, HUMIDITY, "%"), elevation_m=self._site.elevation_m,
            )  # fmt: skip
        except BadInput:
            return
        if night is None:
            return
        told = Told(device.dev_eui, time_s)
        yield told.number("frost.probability", 100 * night.probability, "%", "frost")
        yield told.number("frost.lowest", night.lowest_c, "°C", "frost")
        if night.wet_bulb_c is not None:
            yield told.number("frost.wetBulb", night.wet_bulb_c, "°C", "frost")


def _newest_s(readings: Sequence[Reading]) -> float:
    return max(reading.time_s for reading in readings)
