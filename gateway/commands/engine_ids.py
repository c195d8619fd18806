"""The alert engine as `backtest` asks for it: which alert each channel of a table is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.alerts import AlertEngine
from gateway.config import Config
from gateway.types import Channel, DevEui, DeviceInfo, Verdict


class EngineIds:
    """Feeds the daemon's own alert engine, so that ids begin and end as they would have live."""

    def __init__(self, config: Config) -> None:
        self._engine = AlertEngine(config)
        self._ids: dict[tuple[DevEui, Channel], str] = {}

    def __call__(
        self, verdicts: Sequence[Verdict], now_s: float
    ) -> Mapping[tuple[DevEui, Channel], str]:
        """Return the id of every channel's open alert."""
        if not verdicts:
            return self._ids
        events = self._engine.tick(now_s)
        events += self._engine.consider(DeviceInfo(verdicts[0].dev_eui), verdicts, (), now_s)
        if events:
            self._ids = {
                (alert.dev_eui, part.channel): alert.id
                for alert in self._engine.open()
                for part in alert.reason
                if alert.care.well_since_s is None
            }
        return self._ids
