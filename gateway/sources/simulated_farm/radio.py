"""The radio between devices and two radio gateways: losses, strengths, data rates, times.

Each link has a mean strength, slow shadowing and fast fading; what falls below the sensitivity of
its spreading factor is lost (Semtech SX1276 datasheet, table 10: -123 dBm at SF7, 2.5 dB a step).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from gateway.sources.simulated_farm.chance import Drift, clamp
from gateway.sources.simulated_farm.weather import HOUR_S

CHANNELS_HZ = (
    *(868100000, 868300000, 868500000),
    *(867100000, 867300000, 867500000, 867700000, 867900000),
)
NOISE_DBM = -117.0
COLLISION = 0.012
"""Share of uplinks lost to others on the air, whatever their strength."""


@dataclass(frozen=True, slots=True)
class RadioGateway:
    """A receiver of the farm. One with GPS states its own time; the other knows the server's."""

    gateway_id: str
    gps: bool
    location: Mapping[str, float]


BARN = RadioGateway("0016c001f1500812", gps=False, location={})
HILL = RadioGateway(
    "00800000a0004d21", gps=True,
    location={"latitude": 46.0312, "longitude": 0.00417, "altitude": 212.0},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hearing:
    """One gateway's hearing of one uplink."""

    gateway: RadioGateway
    rssi_dbm: int
    snr_db: float
    delay_ns: int
    uplink_id: int
    context: str


class Link:
    """One device's way to both gateways; `mean_dbm` to the barn and to the hill."""

    def __init__(self, random: Random, mean_dbm: tuple[float, float], data_rate: int) -> None:
        self._random = random
        self._paths = tuple(
            (gateway, mean, Drift(random, 2.0 * HOUR_S))
            for gateway, mean in zip((BARN, HILL), mean_dbm, strict=True)
        )
        self.data_rate = data_rate
        self._time_s: float | None = None

    @property
    def spreading_factor(self) -> int:
        """SF12 at data rate 0 to SF7 at 5 (LoRaWAN regional parameters, EU868)."""
        return 12 - self.data_rate

    def frequency_hz(self) -> int:
        """Return the channel of the next transmission."""
        return self._random.choice(CHANNELS_HZ)

    def send(self, time_s: float) -> tuple[Hearing, ...]:
        """Return who hears a transmission at `time_s`, nobody when it is lost."""
        elapsed = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        collided = self._random.random() < COLLISION
        hearings = [
            self._hear(gateway, mean + 1.5 * shadow.step(elapsed))
            for gateway, mean, shadow in self._paths
        ]
        return () if collided else tuple(h for h in hearings if h is not None)

    def _hear(self, gateway: RadioGateway, strength_dbm: float) -> Hearing | None:
        random = self._random
        rssi = strength_dbm + random.gauss(0.0, 1.6)
        fade = random.expovariate(1 / 9.0) if random.random() < 0.04 else 0.0  # noqa: PLR2004
        rssi -= fade
        snr = clamp(rssi - NOISE_DBM + random.gauss(0.0, 0.8), -25.0, 13.5)
        context = random.getrandbits(32).to_bytes(4, "big")
        delay_ns = random.randrange(70_000_000, 140_000_000)
        uplink_id = random.getrandbits(16 if gateway.gps else 32)
        if rssi < -123.0 - 2.5 * (self.spreading_factor - 7):
            return None
        return Hearing(
            gateway, round(rssi), round(snr * 4) / 4, delay_ns, uplink_id,
            base64.b64encode(context).decode(),
        )  # fmt: skip
