"""The vocabulary every stage shares: frozen data, and the protocols where stages meet.

Times are POSIX seconds (UTC) as `float`, named `*_s`; durations too. Names follow LoRaWAN
(DevEUI, FCnt, FPort) and The Things Network's normalized payload (`soil.moisture`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NewType, Protocol

import numpy as np
import numpy.typing as npt

DevEui = NewType("DevEui", str)
"""16 lower-case hex digits."""

Channel = NewType("Channel", str)
"""A dotted name with one unit, such as `soil.moisture`."""

Scalar = float | int | bool | str
Json = Any
"""A value as `json.loads` gives it."""

FloatArray = npt.NDArray[np.float32]
QUANTILES = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
"""The levels every forecast states, in this order."""


# --- what arrives ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as a source received it, not yet looked into.

    `source` names the source (and so the decoder); `token` is what the source needs to
    acknowledge it, None when there is nothing to acknowledge.
    """

    source: str
    topic: str
    payload: bytes
    received_s: float
    qos: int = 0
    retained: bool = False
    token: object | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Who speaks, as the network server knows it."""

    dev_eui: DevEui
    name: str = ""
    profile_id: str = ""
    profile: str = ""
    application_id: str = ""
    application: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reception:
    """One radio gateway's hearing of an uplink. `server_time_s` is the network server's clock."""

    gateway_id: str
    rssi_dbm: float
    snr_db: float
    server_time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Uplink:
    """One radio message from a device.

    `id` is the network server's `deduplicationId` (or one made from device session and FCnt);
    `object` is the decoding of `data`, the server's or ours, None without a codec; `object_units`
    are the units that our codec states, by dotted key, and `normalized` what it gives in The Things
    Network's normalized form. `time_s` is the best known
    time of the transmission; `clock_suspect` says the radio gateway's clock was wrong and the
    server's was used.
    """

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    dev_addr: str
    f_cnt: int
    f_port: int
    data: bytes
    object: Mapping[str, Json] | None
    receptions: tuple[Reception, ...] = ()
    frequency_hz: int | None = None
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    data_rate: int | None = None
    confirmed: bool = False
    adr: bool = False
    clock_suspect: bool = False
    object_units: Mapping[str, str] = field(default_factory=dict)
    normalized: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """A device joined: a new session, so its frame counter starts again."""

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    dev_addr: str


@dataclass(frozen=True, slots=True)
class TxAck:
    """A radio gateway transmitted a downlink. It does not say the device heard it."""

    device: DeviceInfo
    time_s: float
    received_s: float
    queue_item_id: str
    f_cnt_down: int | None
    gateway_id: str


@dataclass(frozen=True, slots=True)
class Ack:
    """The device acknowledged (or did not) a confirmed downlink."""

    device: DeviceInfo
    time_s: float
    received_s: float
    queue_item_id: str
    acknowledged: bool
    f_cnt_down: int | None


@dataclass(frozen=True, slots=True)
class ServerLog:
    """The network server's remark on a device: `level` INFO|WARNING|ERROR, `code` such as OTAA."""

    device: DeviceInfo
    time_s: float
    received_s: float
    level: str
    code: str
    description: str
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device's answer to DevStatusReq. `battery_percent` is None when unknown."""

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    margin_db: float
    external_power: bool
    battery_percent: float | None


@dataclass(frozen=True, slots=True)
class DeviceLocation:
    """Where the network server believes a device to be (degrees, metres)."""

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    latitude: float
    longitude: float
    altitude_m: float | None


DeviceEvent = Uplink | Join | TxAck | Ack | ServerLog | DeviceStatus | DeviceLocation


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that was put aside. `reason` is counted; `detail` is for a person."""

    reason: str
    detail: str
    source: str
    topic: str
    payload: bytes
    received_s: float


# --- what it means ---------------------------------------------------------------------------


class ReadingKind(StrEnum):
    """What may be done with a reading: only NUMERIC is windowed and judged."""

    NUMERIC = "numeric"
    COUNTER = "counter"
    BOOLEAN = "boolean"
    ENUM = "enum"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one channel at one time. `unit` is "" when the channel has none.

    `key` is the name it had in the payload (dotted), so that nothing is ever lost to a rename.
    """

    dev_eui: DevEui
    channel: Channel
    value: Scalar
    unit: str
    kind: ReadingKind
    time_s: float
    key: str


@dataclass(frozen=True, slots=True)
class Window:
    """The recent past of one channel on a fixed step, newest slot last.

    `values` float64 [context], 0 where `mask` is 0; `mask` float32 [context], 1 = observed.
    `end_s` is the time of the newest slot, `observed` the newest sample itself, `samples` how many
    were ever seen (so it may exceed the context), `gap_steps` how many slots passed since the
    sample before it (1 = none missing).
    """

    dev_eui: DevEui
    channel: Channel
    end_s: float
    step_s: float
    values: npt.NDArray[np.float64]
    mask: FloatArray
    observed: float
    samples: int
    gap_steps: int


@dataclass(frozen=True, slots=True)
class Warming:
    """Not enough history to judge: its own type, never a score of 0."""

    dev_eui: DevEui
    channel: Channel
    time_s: float
    observed: float
    samples: int
    needed: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles per coming step: `quantiles` float32 [horizon, len(QUANTILES)], channel units.

    Row 0 is for `start_s`, row i for `start_s + i * step_s`.
    """

    dev_eui: DevEui
    channel: Channel
    start_s: float
    step_s: float
    quantiles: FloatArray


class Status(StrEnum):
    """A verdict on one sample, as `backtest` writes it."""

    WARMING = "warming"
    OK = "ok"
    ANOMALOUS = "anomalous"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector thinks of one sample of one channel.

    `expected` is (low, mid, high), the 0.01, 0.5 and 0.99 quantiles, in channel units; `score`
    rises with abnormality and, unlike `p_value`, does not get used to it; `heads` holds each
    head's own raw nonconformity, so that calibration can be rebuilt from the store.
    `pattern` names the shape of what is wrong (`spike`, `stuck`, `drift`, `noise`, `level`,
    `rise`, `fall`) when status is ANOMALOUS.
    """

    dev_eui: DevEui
    channel: Channel
    time_s: float
    observed: float
    status: Status
    expected: tuple[float, float, float] | None = None
    score: float | None = None
    p_value: float | None = None
    heads: Mapping[str, float] = field(default_factory=dict)
    pattern: str = ""
    forecast: Forecast | None = None


# --- what people are told --------------------------------------------------------------------


class EventType(StrEnum):
    """The life of an alert."""

    NEW = "new"
    UPDATE = "update"
    END = "end"


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Reason:
    """One channel's part in an alert; `share` of all parts sums to 1."""

    channel: Channel
    observed: Scalar
    expected: tuple[float, float, float] | None
    share: float
    p_value: float | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong, from its beginning to its end, under one `id`.

    `rule` names what raised it (`model`, `silence`, or a threshold's own name); together with
    device and channel it is the key under which the alert is open at most once.
    """

    id: str
    dev_eui: DevEui
    rule: str
    kind: str
    cause: str
    severity: Severity
    title: str
    advice: str
    reason: tuple[Reason, ...]
    first_seen_s: float
    last_seen_s: float
    end_s: float | None = None
    ack: str | None = None
    model: str = ""
    peers: tuple[DevEui, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A step in an alert's life, to be stored and published."""

    event_type: EventType
    alert: Alert


# --- the way back ----------------------------------------------------------------------------


class DownlinkState(StrEnum):
    """How far a command has come; the last six are final."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    SENT = "sent"
    ACKED = "acked"
    NACKED = "nacked"
    EXPIRED = "expired"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Downlink:
    """A command on its way to a device. `id` is a UUID of ours and the server's queue id."""

    id: str
    dev_eui: DevEui
    application_id: str
    f_port: int
    data: bytes
    object: Mapping[str, Json] | None
    confirmed: bool
    expires_s: float
    created_s: float
    changed_s: float
    state: DownlinkState
    by: str = ""
    detail: str = ""


RESPONSE_TOPIC = "$response_topic"
"""Key in `properties` of `Delivery` and `Message`: where an MQTT 5 requester wants its answer."""

CORRELATION_DATA = "$correlation_data"
"""Key in `properties`: the bytes, as hex, that an MQTT 5 requester wants back with it."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish. An empty payload with `retain` clears a retained topic.

    `durable` messages go through the outbox in the batch's own transaction and are published at
    least once, in order, also after a crash; the others show the present state and are made
    again at every reconnect.
    """

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1
    durable: bool = False
    expiry_s: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


# --- the radio -------------------------------------------------------------------------------

LARGEST_FRAME = 255
"""Bytes of payload in one LoRa packet (SX1276 datasheet, section 4.1.1.8: 8-bit length)."""


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """How one LoRa radio listens, and sends unless a `Transmit` says otherwise.

    `coding_rate` is the denominator of 4/x, `sync_word` the SX127x register's byte (0x12 private,
    0x34 LoRaWAN), `preamble` in symbols. ValueError when a figure is not LoRa's.
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
    """What became of a `Transmit`: refused before, or failed while, it was tried."""

    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"


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
    HeardFrame | Transmitted | BoardInfo | BoardCounters | Listening | RadioTrouble | BoardLost
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
    only boards of the same maker hear each other.
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


# --- where stages meet -----------------------------------------------------------------------


class Clock(Protocol):
    """What time it is: the machine's own, or that of a recording or a simulation."""

    def now_s(self) -> float:
        """Return POSIX seconds."""
        ...

    def observe(self, time_s: float) -> None:
        """Learn that an event of `time_s` has come; the machine's own clock ignores it."""
        ...


Deliver = Callable[[Delivery], Awaitable[None]]
"""Puts a delivery in the pipeline's bounded queue; waits while it is full."""


class Source(Protocol):
    """Where deliveries come from."""

    name: str

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled. Reconnects by itself."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge what has been committed, in the order received."""
        ...

    def health(self) -> Mapping[str, Json]:
        """State for `bridge/health`: at least `connected` (bool) and `last_error` (str)."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """A codec's text, made ready to run, and its limits.

    `prelude` are texts evaluated before it in its context; `time_s` is CPU time per message,
    `memory_bytes` its heap. `isolated` asks for a context of its own for each message.
    """

    prelude: tuple[str, ...]
    wrapped: str
    time_s: float
    memory_bytes: int
    isolated: bool


@dataclass(frozen=True, slots=True)
class OpenedScript:
    """A script that can be called by `number`, and which of a codec's functions it defines."""

    number: int
    functions: tuple[str, ...]
    isolated: bool
    memory_bytes: int


class ScriptEngine(Protocol):
    """Runs payload codecs written in JavaScript: `links/` has it as a process, and a twin.

    One caller at a time; never shared between threads.
    """

    def open(self, script: Script) -> OpenedScript:
        """Make a script ready.

        Raises
        ------
        BadInput
            `codec_exception` when its text cannot be run, or the limit that was met.

        """
        ...

    def call(self, number: int, direction: str, request: str) -> str:
        """Run it for one message, JSON in and out.

        Raises
        ------
        BadInput
            `codec_time_limit`, `codec_memory_limit`, `codec_crash` or `codec_exception`.

        """
        ...

    def close(self, number: int) -> None:
        """Forget a script."""
        ...

    def stop(self) -> None:
        """Give back everything; a later call starts anew."""
        ...


class MqttPort(Protocol):
    """An MQTT connection as stages see it: `links/` has the real one and its in-memory twin.

    It reconnects by itself with capped and jittered backoff, and subscribes again each time.
    """

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        ...

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did."""
        ...

    async def run(
        self,
        on_message: Callable[[Delivery], Awaitable[None]],
        on_connect: Callable[[], Awaitable[None]],
    ) -> None:
        """Connect, subscribe and dispatch until cancelled; `on_connect` after every connect."""
        ...

    async def publish(self, message: Message) -> None:
        """Publish and return once the broker has it (QoS 1: PUBACK).

        Raises
        ------
        LinkError
            Not connected, or the connection broke before the broker answered.

        """
        ...

    def ack(self, token: object) -> None:
        """Acknowledge one received QoS 1 message; a token of a lost connection is ignored."""
        ...


@dataclass(frozen=True, slots=True)
class ServerCodec:
    """The payload codec of one ChirpStack device profile; `changed_s` is the profile's.

    `script` is "" unless `runtime` is "js".
    """

    profile_id: str
    name: str
    runtime: Literal["none", "js", "cayenne_lpp"]
    script: str
    changed_s: float


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """A device profile as a listing shows it, without its codec."""

    profile_id: str
    name: str
    changed_s: float


@dataclass(frozen=True, slots=True)
class ServerDevice:
    """A device as a listing shows it, without its variables."""

    dev_eui: str
    name: str
    profile_id: str
    profile_name: str


class CodecServer(Protocol):
    """A network server that knows its devices' payload codecs.

    Both methods raise `LinkRefused` for what it does not have, `LinkError` for anything else.
    """

    async def profile_codec(self, profile_id: str) -> ServerCodec:
        """Return the codec of one device profile."""
        ...

    async def device_variables(self, dev_eui: str) -> Mapping[str, str]:
        """Return the variables of one device, as a codec is handed them."""
        ...
