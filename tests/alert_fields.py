"""Probes in a field that speak in turn, judged as a test says, and what is told of them."""

import math

from gateway.alerts import AlertEngine
from gateway.config import Config
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    ReadingKind,
    Status,
    Verdict,
)

HOUR_S = 3600.0
STEP_S = 900.0
T0 = 1_790_000_000.0
AIR = Channel("air.temperature")
ROOM = (12.0, 16.0, 20.0)


def device(number: int, **tags: str) -> DeviceInfo:
    return DeviceInfo(DevEui(f"70b3d57ed00000{number:02x}"), f"Probe {number}", tags=tags)


def config(areas: dict[int, str] | None = None, **alerts: object) -> Config:
    devices = {device(number).dev_eui: {"area": area} for number, area in (areas or {}).items()}
    return Config.model_validate({"devices": devices, "alerts": alerts})


class Field:
    """Probes that speak in turn; keeps what was told."""

    def __init__(self, settings: Config | None = None) -> None:
        self.settings = settings or config()
        self.engine = AlertEngine(self.settings)
        self.now_s = T0
        self.events: list[AlertEvent] = []

    def say(
        self, number: int, value: float, *, pattern: str = "", channel: Channel = AIR,
        expected: tuple[float, float, float] | None = ROOM, **tags: str,
    ) -> list[AlertEvent]:  # fmt: skip
        probe, status = device(number, **tags), Status.ANOMALOUS if pattern else Status.OK
        one = Verdict(probe.dev_eui, channel, self.now_s, value, status, expected, 5.0, 1e-5,
                      pattern=pattern)  # fmt: skip
        reading = Reading(
            probe.dev_eui, channel, value, "°C", ReadingKind.NUMERIC, self.now_s, channel
        )
        told = self.engine.consider(probe, [one], [reading], self.now_s)
        self.events += told
        return told

    def pass_time(self, seconds: float) -> list[AlertEvent]:
        self.now_s += seconds
        told = self.engine.tick(self.now_s)
        self.events += told
        return told

    def learn(self, probes: list[int], hours: int = 40, apart: tuple[int, ...] = ()) -> None:
        """Let probes live through days; those `apart` do not know of day and night."""
        for hour in range(hours):
            for number in probes:
                phase = 2 * math.pi * (7.3 if number in apart else 1.0) * hour / 24
                self.say(number, 16.0 + 0.3 * number + 4 * math.sin(phase))
            self.now_s += HOUR_S
        assert not self.events

    def restart(self) -> None:
        opened = self.engine.open()
        self.engine = AlertEngine(self.settings)
        self.engine.restore(opened, {}, self.now_s)

    def types(self) -> list[str]:
        return [event.event_type.value for event in self.events]

    def the_alert(self) -> Alert:
        (alert,) = self.engine.open()
        return alert


def front(field: Field, probes: range, value: float = 4.0) -> None:
    for number in probes:
        field.say(number, value, pattern="fall")
        field.now_s += 120.0
