"""Our radios as transmitters: how each listens, what it may send when, and what it has sent.

A `Transmission` is one downlink on its way: the same bytes for RX1 and, should that fail, for RX2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.codecs.lorawan import (
    AirtimeLedger,
    ReceiveWindow,
    Refusal,
    Region,
    Wanted,
)
from gateway.codecs.lorawan import Transmission as Aired
from gateway.codecs.lorawan.airtime import Modulation, airtime_s
from gateway.store import AirtimeRecord
from gateway.types import DevEui, HeardFrame, Json, RadioSettings, Transmit

LEAD_S = 0.15
"""A window that opens sooner than this is missed: the commit, the wire and the board take time."""


@dataclass(frozen=True, slots=True)
class Radio:
    """One radio of ours. `times` says whether it can transmit at a moment of its own clock."""

    name: str
    region: Region
    settings: RadioSettings
    times: bool
    inverts_iq: bool
    transmits: bool = True
    antenna_gain_dbi: float = 0.0

    def frequency_hz(self, frame: HeardFrame) -> int:
        """Return where a frame was heard: boards that do not say listen at one place only."""
        return frame.frequency_hz or self.settings.frequency_hz

    def spreading_factor(self, frame: HeardFrame) -> int:
        """Return how a frame was spread."""
        return frame.spreading_factor or self.settings.spreading_factor

    def bandwidth_hz(self, frame: HeardFrame) -> int:
        """Return a frame's bandwidth."""
        return frame.bandwidth_hz or self.settings.bandwidth_hz


@dataclass(frozen=True, slots=True)
class Moment:
    """When something may be sent: `opens_s` after a frame ended, or at once (`frame` None)."""

    received_s: float
    frame: HeardFrame | None = None

    def start_s(self, opens_s: float) -> float:
        """Return the moment as POSIX seconds."""
        return self.received_s + (0.0 if self.frame is None else opens_s)

    def at_us(self, opens_s: float) -> int | None:
        """Return the moment on the radio's counter, None for at once."""
        if self.frame is None or self.frame.counter_us is None:
            return None
        return self.frame.counter_us + round(opens_s * 1e6)


@dataclass(frozen=True, slots=True)
class Try:
    """One way to send it: what the radio is asked, and what that costs of airtime."""

    request: Transmit
    wanted: Wanted
    window: str


@dataclass(frozen=True, slots=True)
class Transmission:
    """A downlink on its way. `tries` are in order; the first is booked already.

    `command` is the id of the command that it carries, "" when it carries none.
    """

    id: str
    radio: str
    dev_eui: DevEui
    tries: tuple[Try, ...]
    command: str = ""
    f_cnt: int | None = None


class Airwaves:
    """The radios and their ledgers; memory is bounded by the duty cycle."""

    def __init__(
        self,
        radios: Iterable[Radio],
        aired: Iterable[AirtimeRecord] = (),
        *,
        dwell: bool | None = None,
    ) -> None:
        self._radios = {radio.name: radio for radio in radios}
        past: dict[str, list[Aired]] = {}
        for record in aired:
            past.setdefault(record.radio, []).append(
                Aired(record.band, record.start_s, record.end_s)
            )
        self._ledgers = {
            name: AirtimeLedger(radio.region, past.get(name, ()), dwell=dwell)
            for name, radio in self._radios.items()
        }

    def __contains__(self, name: object) -> bool:
        return name in self._radios

    def get(self, name: str) -> Radio:
        """Return a radio by its name."""
        return self._radios[name]

    def only(self) -> Radio | None:
        """Return the radio, where there is exactly one."""
        return next(iter(self._radios.values())) if len(self._radios) == 1 else None

    def names(self) -> Sequence[str]:
        """Return every radio's name."""
        return tuple(self._radios)

    def book(self, radio: str, wanted: Wanted) -> Aired | Refusal:
        """Count a packet that will be sent, or say why it may not be."""
        ledger = self._ledgers[radio]
        refusal = ledger.book(wanted)
        if refusal is not None:
            return refusal
        end_s = wanted.start_s + wanted.airtime_s
        plan = self._radios[radio].region
        band = plan.band(wanted.frequency_hz, wanted.bandwidth_hz, wanted.eirp_dbm)
        return Aired(band.name, wanted.start_s, end_s)

    def health(self, now_s: float) -> Mapping[str, Json]:
        """Return, per radio and band, the seconds on air in the last hour and how many may be."""
        return {
            name: {
                band.name: {
                    "used_s": round(self._ledgers[name].used_s(band.name, now_s), 3),
                    "allowed_s": round(band.duty * 3600.0, 3),
                }
                for band in radio.region.bands
                if band.duty < 1.0
            }
            for name, radio in self._radios.items()
        }


def try_in(
    radio: Radio, window: ReceiveWindow, moment: Moment, phy_payload: bytes, identity: str
) -> Try:
    """Return how a LoRaWAN downlink is sent in a window: IQ inverted, without payload CRC."""
    settings = replace(
        radio.settings,
        frequency_hz=window.frequency_hz,
        spreading_factor=window.spreading_factor,
        bandwidth_hz=window.bandwidth_hz,
        coding_rate=5,
        iq_inverted=window.iq_inverted,
        crc=False,
        preamble=8,
    )
    return _try(radio, settings, (moment, window.opens_s), phy_payload, (identity, window.name))


def private_try(
    radio: Radio, moment: Moment, delay_s: float, octets: bytes, identity: str
) -> Try:
    """Return how a home-made node is answered: as the radio itself listens, so as the node sends.

    A radio that cannot time answers at once.
    """
    settings = radio.settings
    if moment.frame is not None:
        settings = replace(
            settings,
            frequency_hz=radio.frequency_hz(moment.frame),
            spreading_factor=radio.spreading_factor(moment.frame),
            bandwidth_hz=radio.bandwidth_hz(moment.frame),
        )
    opens_s = delay_s if radio.times else 0.0
    return _try(radio, settings, (moment, opens_s), octets, (identity, "private"))


def _try(
    radio: Radio,
    settings: RadioSettings,
    when: tuple[Moment, float],
    octets: bytes,
    names: tuple[str, str],
) -> Try:
    moment, opens_s = when
    modulation = Modulation(
        settings.spreading_factor,
        settings.bandwidth_hz,
        coding_rate=settings.coding_rate,
        preamble_symbols=settings.preamble,
        crc=settings.crc,
    )
    request = Transmit(
        id=f"{names[0]}/{names[1]}",
        payload=octets,
        settings=settings,
        at_us=moment.at_us(opens_s) if radio.times else None,
        gateway_id=moment.frame.gateway_id if moment.frame is not None else None,
        destination=(moment.frame.sender or 0) if moment.frame is not None else 0,
    )
    wanted = Wanted(
        start_s=moment.start_s(opens_s),
        airtime_s=airtime_s(len(octets), modulation),
        frequency_hz=settings.frequency_hz,
        bandwidth_hz=settings.bandwidth_hz,
        eirp_dbm=settings.power_dbm + radio.antenna_gain_dbi,
    )
    return Try(request, wanted, names[1])
