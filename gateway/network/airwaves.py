"""Our radios as transmitters: how each listens, what it may send when, and what it has sent.

A `Transmission` is one downlink on its way: the same bytes for RX1 and, should that fail, for RX2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.codecs.lorawan import (
    AirtimeLedger,
    Hearing,
    ReceiveWindow,
    Refusal,
    Region,
    Wanted,
)
from gateway.codecs.lorawan import Transmission as Aired
from gateway.codecs.lorawan.airtime import Modulation, airtime_s
from gateway.store import AirtimeRecord
from gateway.types import DevEui, HeardFrame, Json, RadioSettings, Transmit, TransmitOutcome

LEAD_S = 0.15
"""A window that opens sooner than this is missed: the commit, the wire and the board take time."""


@dataclass(frozen=True, slots=True)
class Radio:
    """One radio of ours. `times` says whether it can transmit at a moment of its own clock.

    `settings` are how it listens.
    """

    name: str
    region: Region
    settings: RadioSettings
    times: bool
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
class Chance:
    """An occasion to transmit: after a frame that a radio heard, or at once (`frame` None).

    `received_s` is when that frame ended, by the clock that says `now_s`.
    """

    radio: Radio
    now_s: float
    received_s: float
    frame: HeardFrame | None = None

    @property
    def meets_windows(self) -> bool:
        """Tell whether a device that listens at one moment only can be met."""
        timed = self.frame is None or self.frame.counter_us is not None
        return self.radio.transmits and self.radio.times and timed

    def start_s(self, opens_s: float) -> float:
        """Return the moment `opens_s` after the frame."""
        return self.now_s if self.frame is None else self.received_s + opens_s

    def is_missed(self, opens_s: float) -> bool:
        """Tell whether a window opens too soon to be met."""
        return self.frame is not None and self.start_s(opens_s) < self.now_s + LEAD_S

    def at_us(self, opens_s: float) -> int | None:
        """Return the moment on the radio's own counter, None for at once."""
        if self.frame is None or self.frame.counter_us is None or not self.radio.times:
            return None
        return self.frame.counter_us + round(opens_s * 1e6)

    def hearing(self) -> Hearing:
        """Return how the frame was heard, as LoRaWAN's functions want it."""
        frame = self.frame or HeardFrame(b"", None, None)
        return Hearing(
            end_s=self.received_s,
            frequency_hz=self.radio.frequency_hz(frame),
            spreading_factor=self.radio.spreading_factor(frame),
            bandwidth_hz=self.radio.bandwidth_hz(frame),
            rssi_dbm=frame.rssi_dbm,
            snr_db=frame.snr_db,
        )


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

    radio: str
    dev_eui: DevEui
    tries: tuple[Try, ...]
    command: str = ""
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a transmission.

    REFUSED is certain: it was not transmitted. FAILED is not: it may have been.
    """

    transmission: Transmission
    outcome: TransmitOutcome
    detail: str = ""


class Airwaves:
    """The radios and their ledgers; memory is bounded by the duty cycle."""

    def __init__(
        self,
        radios: Iterable[Radio],
        aired: Iterable[AirtimeRecord] = (),
        *,
        dwell: bool | None = None,
    ) -> None:
        self.listens: Callable[[str], bool] = lambda _: True
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

    def unbook(self, radio: str, wanted: Wanted) -> None:
        """Take a packet out that was for certain not sent.

        What is stored of it stays: it counts again after a restart, which is the safe side.
        """
        self._ledgers[radio].unbook(wanted)

    def watch(self, listens: Callable[[str], bool]) -> None:
        """Ask this whether a radio is there; until then all are taken to be."""
        self.listens = listens

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


def try_in(chance: Chance, window: ReceiveWindow, phy_payload: bytes, identity: str) -> Try:
    """Return how a LoRaWAN downlink is sent in a window: IQ inverted, without payload CRC."""
    settings = replace(
        chance.radio.settings,
        frequency_hz=window.frequency_hz,
        spreading_factor=window.spreading_factor,
        bandwidth_hz=window.bandwidth_hz,
        coding_rate=5,
        iq_inverted=window.iq_inverted,
        crc=False,
        preamble=8,
        turns=None,
    )
    return _try(chance, settings, window.opens_s, phy_payload, (identity, window.name))


def private_try(chance: Chance, delay_s: float, octets: bytes, identity: str) -> Try:
    """Return how a home-made node is answered: as its own frame was sent.

    A radio that cannot time answers at once.
    """
    heard = chance.hearing()
    settings = replace(
        chance.radio.settings,
        frequency_hz=heard.frequency_hz,
        spreading_factor=heard.spreading_factor,
        bandwidth_hz=heard.bandwidth_hz,
        turns=None,
    )
    opens_s = delay_s if chance.meets_windows else 0.0
    return _try(chance, settings, opens_s, octets, (identity, "private"))


def _try(
    chance: Chance, settings: RadioSettings, opens_s: float, octets: bytes, names: tuple[str, str]
) -> Try:
    modulation = Modulation(
        settings.spreading_factor,
        settings.bandwidth_hz,
        coding_rate=settings.coding_rate,
        preamble_symbols=settings.preamble,
        crc=settings.crc,
    )
    frame = chance.frame
    request = Transmit(
        id="/".join(names),
        payload=octets,
        settings=settings,
        at_us=chance.at_us(opens_s),
        gateway_id=frame.gateway_id if frame is not None else None,
        destination=(frame.sender or 0) if frame is not None else 0,
    )
    wanted = Wanted(
        start_s=chance.start_s(opens_s),
        airtime_s=airtime_s(len(octets), modulation),
        frequency_hz=settings.frequency_hz,
        bandwidth_hz=settings.bandwidth_hz,
        eirp_dbm=settings.power_dbm + chance.radio.antenna_gain_dbi,
    )
    return Try(request, wanted, names[1])
