"""The radios of our own at work: settings to boards, boards to sources, transmissions to the air.

::

    [radios.NAME] -> Radio (what it can, how it listens) -> NetworkServer
                 `-> link -> SerialRadioSource --frames--> pipeline
    Transmission -> (shortly before its moment) -> source.transmit -> next window? -> Ended

A board holds one packet that waits for its moment, so it gets each shortly before, in the order of
their moments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gateway.codecs.lorawan import region
from gateway.codecs.radio import BAUD_RATES, DIALECTS, write_heard
from gateway.config import Config, RadioConfig
from gateway.errors import ConfigError
from gateway.links import SerialLink, SerialSettings, UdpLink, UdpSettings
from gateway.network import Ended, Radio, Transmission
from gateway.sources import SerialRadioSource
from gateway.telemetry import Telemetry
from gateway.types import (
    BytePort,
    Deliver,
    Hop,
    Json,
    RadioDialect,
    RadioSettings,
    Scan,
    TransmitOutcome,
)

SEMTECH_UDP = "semtech-udp"
LORAWAN_SYNC_WORD = 0x34

HAND_OVER_S = 0.5
"""How long before its moment a board gets a packet: enough for the wire, too short for another
device's window to fall behind it in the board's queue."""

LONGEST_WAIT_S = 17.0
"""RX2 of the longest RxDelay opens after 16 s; more than this is a clock that was set back."""

OnState = Callable[[bool, str], None]
MakePort = Callable[[str, RadioConfig, OnState], BytePort]
Rebook = Callable[[Transmission, int], str]


def radios_of(config: Config) -> list[Radio]:
    """Return what the network server knows of each radio in the settings.

    Raises
    ------
    ConfigError
        A board cannot do what its settings ask.

    """
    return [_radio(name, one, config.lorawan.region) for name, one in config.radios.items()]


def _radio(name: str, config: RadioConfig, region_name: str) -> Radio:
    dialect = DIALECTS[config.dialect]()
    return Radio(
        name=name,
        region=region(region_name),
        settings=_settings(name, config, dialect),
        times=dialect.capabilities.transmits_at and dialect.capabilities.inverts_iq,
        transmits=dialect.capabilities.transmits,
        antenna_gain_dbi=config.antenna_gain_dbi,
    )


def _settings(name: str, config: RadioConfig, dialect: RadioDialect) -> RadioSettings:
    words = dialect.capabilities.sync_words
    usual = LORAWAN_SYNC_WORD if not words or LORAWAN_SYNC_WORD in words else min(words)
    try:
        settings = RadioSettings(
            frequency_hz=config.frequency_hz,
            spreading_factor=config.spreading_factor,
            bandwidth_hz=config.bandwidth_hz,
            coding_rate=config.coding_rate,
            sync_word=usual if config.sync_word < 0 else config.sync_word,
            power_dbm=config.power_dbm,
            turns=_turns(config),
        )
        dialect.check(settings)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"radios.{name}: {error}") from None
    return settings


def _turns(config: RadioConfig) -> Hop | Scan | None:
    if config.hop_hz:
        return Hop(config.hop_hz, dwell_ms=config.hop_dwell_ms)
    return Scan(config.scan_spreading_factors) if config.scan_spreading_factors else None


def port_of(name: str, config: RadioConfig, on_state: OnState) -> BytePort:
    """Return the wire that a radio is on."""
    if config.dialect == SEMTECH_UDP:
        where = UdpSettings(config.listen_host, config.listen_port)
        return UdpLink(where, name=name, on_state=on_state)
    return SerialLink(serial_settings(config), name=name, on_state=on_state)


def serial_settings(config: RadioConfig) -> SerialSettings:
    """Return how a board's port is opened."""
    baud = config.baud or BAUD_RATES[config.dialect][0]
    return SerialSettings(
        config.port, baud=baud, dtr=config.dtr, rts=config.rts, boot_s=config.boot_s
    )


class Radios:
    """Runs every radio of the settings. `on_ended` hears what became of each transmission."""

    def __init__(
        self,
        config: Config,
        *,
        telemetry: Telemetry,
        now_s: Callable[[], float],
        rebook: Rebook,
        on_ended: Callable[[Ended], None],
        make_port: MakePort = port_of,
    ) -> None:
        self._now_s = now_s
        self._rebook = rebook
        self._on_ended = on_ended
        self._due: asyncio.Queue[Transmission] = asyncio.Queue()
        self._under_way: set[asyncio.Task[None]] = set()
        self._sources = {
            name: SerialRadioSource(
                make_port(name, one, telemetry.link_watcher(name)),
                dialect := DIALECTS[one.dialect](),
                _settings(name, one, dialect),
                write_heard,
                name=name,
                now_s=now_s,
                on_trouble=telemetry.trouble_watcher(name),
            )
            for name, one in config.radios.items()
        }

    def names(self) -> Sequence[str]:
        """Return every radio's name."""
        return tuple(self._sources)

    def listens(self, name: str) -> bool:
        """Tell whether a radio is there."""
        return self._sources[name].listens

    def send(self, transmission: Transmission) -> None:
        """Take a transmission that is committed. Never waits; `on_ended` hears of it once."""
        self._due.put_nowait(transmission)

    async def run(self, deliver: Deliver) -> None:
        """Receive and transmit until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, source in self._sources.items():
                group.create_task(source.run(deliver), name=name)
            while True:
                task = group.create_task(self._carry_out(await self._due.get()))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def finish(self, within_s: float) -> None:
        """Wait for what is under way, so that a clean stop knows what became of it."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)

    def health(self) -> Mapping[str, Mapping[str, Json]]:
        """Return each radio's state."""
        return {name: dict(source.health()) for name, source in self._sources.items()}

    async def _carry_out(self, transmission: Transmission) -> None:
        """Try window by window until one is sent."""
        now_s = asyncio.get_running_loop().time  # the system's clock may be set meanwhile
        ahead_s = self._now_s() - now_s()
        certain, detail = True, ""
        for place in range(len(transmission.tries)):
            if place and (why := self._rebook(transmission, place)):
                detail = f"{detail}; {why}"
                break
            start_s = transmission.tries[place].wanted.start_s - ahead_s
            early_s = start_s - HAND_OVER_S - now_s()
            await asyncio.sleep(min(max(0.0, early_s), LONGEST_WAIT_S))
            request = transmission.tries[place].request
            result = await self._sources[transmission.radio].transmit(request)
            detail = result.detail
            if result.outcome is TransmitOutcome.SENT:
                self._on_ended(Ended(transmission, result.outcome, detail))
                return
            certain = certain and result.outcome is not TransmitOutcome.FAILED
        outcome = TransmitOutcome.REFUSED if certain else TransmitOutcome.FAILED
        self._on_ended(Ended(transmission, outcome, detail))
