"""Radios of our own: how they listen, what they hear and send, how they are spoken to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.types.names import Json

LARGEST_FRAME = 255
"""Bytes of payload in one LoRa packet (SX1276 datasheet, section 4.1.1.8: 8-bit length)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Listen `dwell_ms` on each frequency in turn, longer while a packet is coming in.

    One radio hears one frequency at a time: of n frequencies it hears about 1 packet in n. A
    packet is found when 5 symbols of its preamble are left as the radio comes by. ValueError when
    there are fewer than two frequencies, or one twice.
    """

    frequencies_hz: tuple[int, ...]
    dwell_ms: int = 400

    def __post_init__(self) -> None:
        _check_turns("frequencies_hz", self.frequencies_hz, 100_000_000, 3_000_000_000)
        if not 1 <= self.dwell_ms <= 600_000:  # noqa: PLR2004 - up to ten minutes
            raise ValueError(f"dwell_ms = {self.dwell_ms} is not within 1 and 600000.")


@dataclass(frozen=True, slots=True)
class Scan:
    """Look for a preamble on each spreading factor in turn, and stay where there is one.

    Channel activity detection takes about 2 symbols and 1 ms each, and 5 symbols of the preamble
    must be left after it. A packet is found for sure when its preamble is longer than 7 symbols
    and one turn together; the usual 8 symbols are mostly missed. ValueError when there are fewer
    than two spreading factors, or one twice.
    """

    spreading_factors: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_turns("spreading_factors", self.spreading_factors, 5, 12)


def _check_turns(name: str, turns: tuple[int, ...], least: int, most: int) -> None:
    if len(turns) < 2 or len(set(turns)) < len(turns):  # noqa: PLR2004 - one is no turn
        raise ValueError(f"{name} = {turns}: two or more, all different.")
    for turn in turns:
        if not least <= turn <= most:
            raise ValueError(f"{name}: {turn} is not within {least} and {most}.")


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """How one LoRa radio listens, and sends unless a `Transmit` says otherwise.

    `coding_rate` is the denominator of 4/x, `sync_word` the SX127x register's byte (0x12 private,
    0x34 LoRaWAN), `preamble` in symbols (when scanning: of the nodes). `turns` None: it listens
    all the time on its frequency and spreading factor; otherwise these are what it sends with,
    and must be among the turns. ValueError when a figure is not LoRa's.
    """

    frequency_hz: int
    spreading_factor: int = 7
    bandwidth_hz: int = 125_000
    coding_rate: int = 5
    sync_word: int = 0x34
    iq_inverted: bool = False
    crc: bool = True
    power_dbm: int = 14
    preamble: int = 8
    turns: Hop | Scan | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("frequency_hz", 100_000_000, 3_000_000_000),
            ("spreading_factor", 5, 12),
            ("bandwidth_hz", 7_800, 1_700_000),
            ("coding_rate", 5, 8),
            ("sync_word", 0, 0xFF),
            ("power_dbm", -20, 33),
            ("preamble", 2, 0xFFFF),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} = {getattr(self, name)} is not within {least} and {most}."
                )


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """One LoRa packet as a radio heard it. What the radio does not tell is None.

    `crc_ok` None: the packet carried no checksum, or the radio does not say. `counter_us` is the
    radio's own microsecond counter at the end of the packet, unwrapped, to time a `Transmit` by;
    `dropped` how many packets the radio lost since it started. `gateway_id` names the
    concentrator where several share one wire, `sender` the address that some sticks (Reyax) put
    in front of every packet.
    """

    payload: bytes
    rssi_dbm: float | None
    snr_db: float | None
    frequency_hz: int | None = None
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    crc_ok: bool | None = True
    frequency_error_hz: int | None = None
    counter_us: int | None = None
    dropped: int | None = None
    gateway_id: str | None = None
    sender: int | None = None


@dataclass(frozen=True, slots=True)
class Transmit:
    """One packet to send. `settings` None: as the radio listens.

    `at_us` is a time on the counter of the frame that it answers, None for at once; `id` comes
    back in `Transmitted` and must not be in use. `gateway_id` picks the concentrator, and
    `destination` the address of sticks that have one (65535 or 0: everybody).
    """

    id: str
    payload: bytes
    settings: RadioSettings | None = None
    at_us: int | None = None
    gateway_id: str | None = None
    destination: int = 0


class TransmitOutcome(StrEnum):
    """What became of a `Transmit`.

    REFUSED and CANCELLED are certain: nothing was on air. FAILED is not: it may have been.
    """

    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Transmitted:
    """The end of one `Transmit`; `detail` says why when it was not sent.

    `counter_us` is when the packet left, on the radio's counter, where the radio tells.
    """

    id: str
    outcome: TransmitOutcome
    detail: str = ""
    counter_us: int | None = None


@dataclass(frozen=True, slots=True)
class NotCancelled:
    """A `cancel` changed nothing: a packet that there is goes its way to its `Transmitted`."""

    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """A board said what it is."""

    board: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Listening:
    """The board has taken all settings and receives."""


@dataclass(frozen=True, slots=True)
class RadioTrouble:
    """Something was passed over: bytes between frames, a failed checksum, a refused setting.

    `reason` is a constant to count; `detail` is for a person and at most 200 characters.
    """

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BoardCounters:
    """What a board has counted since it started, under the names of its own document."""

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BoardLost:
    """The board does not answer any more: the port should be opened again."""

    detail: str


RadioEvent = (
    HeardFrame
    | Transmitted
    | NotCancelled
    | BoardInfo
    | BoardCounters
    | Listening
    | RadioTrouble
    | BoardLost
)


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes for the wire. `peer` says whom, on a wire that has more than one other end."""

    data: bytes
    peer: object | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What a dialect wants done after one call: first write, then hand on, each in order."""

    writes: tuple[Write, ...] = ()
    events: tuple[RadioEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class RadioCapabilities:
    """What a kind of board can do. An empty set: any.

    `largest` is in bytes of payload; `raw` False: packets carry the maker's own header, so that
    only boards of the same maker hear each other. `hops` is the most frequencies it can take
    turns over (0: it cannot), `dwells_ms` for how long; `scans`: over spreading factors. `cancels`:
    a packet that it was given and has not begun to send can be taken back.
    """

    transmits: bool = True
    transmits_at: bool = False
    inverts_iq: bool = False
    sync_words: frozenset[int] = frozenset()
    reports_signal: bool = True
    bandwidths_hz: frozenset[int] = frozenset()
    spreading_factors: tuple[int, int] = (7, 12)
    largest: int = LARGEST_FRAME
    raw: bool = True
    hops: int = 0
    dwells_ms: tuple[int, int] = (1, 600_000)
    scans: bool = False
    cancels: bool = False


class RadioDialect(Protocol):
    """How one kind of board is spoken to: bytes in, bytes and events out.

    No clock (`now_s` is any steadily rising time), no wire. It never raises on what a board
    sends; memory is bounded whatever comes.
    """

    name: str
    capabilities: RadioCapabilities

    def check(self, settings: RadioSettings) -> None:
        """Raise ConfigError, with the remedy, when this board cannot do what is asked."""
        ...

    def start(self, settings: RadioSettings, now_s: float) -> Turn:
        """Begin anew with a board in an unknown state: identify it, set it up, receive."""
        ...

    def feed(self, data: bytes, now_s: float, peer: object | None = None) -> Turn:
        """Take bytes as they came, cut anywhere (on a datagram wire: exactly one datagram)."""
        ...

    def transmit(self, request: Transmit, now_s: float) -> Turn:
        """Send one packet; a `Transmitted` of its id follows, now or later, exactly once."""
        ...

    def cancel(self, id_: str, now_s: float) -> Turn:
        """Take a packet back. Its one `Transmitted` is the answer, or `NotCancelled` before it."""
        ...

    def tick(self, now_s: float) -> Turn:
        """Let time pass (a few times a second): retries, pings, timeouts."""
        ...


class BytePort(Protocol):
    """A wire to boards as stages see it: `links/` has serial, UDP and their in-memory twins."""

    @property
    def connected(self) -> bool:
        """Whether the wire is open."""
        ...

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did since it was opened."""
        ...

    async def run(
        self,
        on_bytes: Callable[[bytes, object | None], Awaitable[None]],
        on_open: Callable[[], Awaitable[None]],
        on_lost: Callable[[str], Awaitable[None]],
    ) -> None:
        """Open, read and open again until cancelled; the calls come one at a time, in order."""
        ...

    def write(self, data: bytes, peer: object | None = None) -> None:
        """Put bytes on the wire in order. Never waits.

        Raises
        ------
        LinkError
            The wire is not open, or what waits to be written is at its bound.

        """
        ...

    def reopen(self, reason: str) -> None:
        """Close and open again: whoever is there does not answer."""
        ...

    def health(self) -> Mapping[str, Json]:
        """Counters and state for `bridge/health`."""
        ...
