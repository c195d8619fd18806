"""What every radio dialect shares: the vocabulary (from `gateway.types`), turns, and refusals.

A dialect is a pure state machine (`RadioDialect`). Within one call it collects what it wants done
in a `Collected` and hands that back as a `Turn`.
"""

from __future__ import annotations

from gateway.errors import ConfigError
from gateway.types import (
    LARGEST_FRAME,
    BoardCounters,
    BoardInfo,
    BoardLost,
    HeardFrame,
    Hop,
    Listening,
    NotCancelled,
    RadioCapabilities,
    RadioDialect,
    RadioEvent,
    RadioSettings,
    RadioTrouble,
    Scan,
    Transmit,
    TransmitOutcome,
    Transmitted,
    Turn,
    Write,
)

__all__ = [
    "LARGEST_FRAME",
    "PRIVATE_SYNC_WORD",
    "PUBLIC_SYNC_WORD",
    "BoardCounters",
    "BoardInfo",
    "BoardLost",
    "Collected",
    "HeardFrame",
    "Hop",
    "Listening",
    "NotCancelled",
    "RadioCapabilities",
    "RadioDialect",
    "RadioEvent",
    "RadioSettings",
    "RadioTrouble",
    "Scan",
    "Transmit",
    "TransmitOutcome",
    "Transmitted",
    "Turn",
    "Write",
    "airtime_bound_s",
    "believable_db",
    "check_settings",
    "refusal",
]

PRIVATE_SYNC_WORD = 0x12
PUBLIC_SYNC_WORD = 0x34
"""LoRaWAN's (LoRaWAN 1.0.3 regional parameters, "sync word")."""

DECIBELS = (-400.0, 200.0)
"""No RSSI in dBm and no SNR in dB is outside of these."""

QUEUED_TRANSMITS = 8
"""Packets that may wait in a dialect for the one in the air."""


class Collected:
    """The writes and events of one call, in order."""

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._events: list[RadioEvent] = []

    def write(self, data: bytes, peer: object | None = None) -> None:
        """Put bytes on the wire."""
        self._writes.append(Write(data, peer))

    def tell(self, event: RadioEvent) -> None:
        """Hand on an event."""
        self._events.append(event)

    def trouble(self, reason: str, what: object = "") -> None:
        """Hand on that something was passed over; of bytes, a short printable excerpt."""
        text = repr(what[:60]) if isinstance(what, bytes) else str(what)
        self._events.append(RadioTrouble(reason, text[:200]))

    def ended(
        self,
        request: Transmit,
        outcome: TransmitOutcome,
        detail: str = "",
        counter_us: int | None = None,
    ) -> None:
        """Hand on the end of a `Transmit`."""
        self._events.append(Transmitted(request.id, outcome, detail, counter_us))

    def take(self) -> Turn:
        """Return what was collected and begin anew."""
        turn = Turn(tuple(self._writes), tuple(self._events))
        self._writes, self._events = [], []
        return turn


def check_settings(board: str, able: RadioCapabilities, settings: RadioSettings) -> None:
    """Raise ConfigError when a board's capabilities do not cover the settings."""
    if able.sync_words and settings.sync_word not in able.sync_words:
        allowed = ", ".join(f"0x{word:02x}" for word in sorted(able.sync_words))
        raise ConfigError(
            f"{board}: sync word 0x{settings.sync_word:02x} cannot be set; it has {allowed}."
        )
    if settings.iq_inverted and not able.inverts_iq:
        raise ConfigError(f"{board}: it cannot invert IQ; set iq_inverted = false.")
    least, most = able.spreading_factors
    if not least <= settings.spreading_factor <= most:
        raise ConfigError(
            f"{board}: spreading factor {settings.spreading_factor}; it has {least} to {most}."
        )
    if able.bandwidths_hz and settings.bandwidth_hz not in able.bandwidths_hz:
        allowed = ", ".join(str(width) for width in sorted(able.bandwidths_hz))
        raise ConfigError(f"{board}: bandwidth {settings.bandwidth_hz} Hz; it has {allowed}.")


def refusal(board: str, able: RadioCapabilities, request: Transmit) -> str:
    """Return why a board cannot send this, "" when it can."""
    if not able.transmits:
        return f"{board} cannot send packets as they are"
    if not request.payload:
        return "there is nothing to send"
    if len(request.payload) > able.largest:
        return f"{len(request.payload)} bytes; {board} sends at most {able.largest}"
    if request.at_us is not None and not able.transmits_at:
        return f"{board} cannot send at a given time"
    if request.settings is not None:
        try:
            check_settings(board, able, request.settings)
        except ConfigError as error:
            return str(error)
    return ""


def believable_db(value: float | None) -> float | None:
    """Return an RSSI or SNR, None for one that noise made: the packet is worth more than it."""
    least, most = DECIBELS
    return value if value is not None and least <= value <= most else None


def airtime_bound_s(settings: RadioSettings, size: int) -> float:
    """Return a time that no packet of `size` bytes exceeds: preamble and payload at 4/8.

    A bound to wait by, not the airtime: 16 code bits a byte over SF-2 bits a symbol (the worst
    of low data rate optimisation), plus header (SX1276 datasheet, section 4.1.1.6).
    """
    symbol_s = 2**settings.spreading_factor / settings.bandwidth_hz
    symbols = 8 + 8 * (1 + (8 * size + 44) / (4 * (settings.spreading_factor - 2)))
    return float((settings.preamble + 4.25 + symbols) * symbol_s)
