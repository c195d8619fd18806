r"""RNode: KISS frames at 115200 baud.

Source: the RNode firmware's `Framing.h` and `Config.h` (command numbers, offsets)::

    00 data            one packet, at most 508 bytes; raw, at most 255, in promiscuous mode
    01 f f f f         frequency in Hz, big-endian        echoed with what was taken
    02 b b b b         bandwidth in Hz, big-endian        echoed
    03 p / 04 s / 05 c power in dBm, SF, coding rate 4/c  echoed
    06 1               radio on                           echoed
    08 73              detect                             answered 08 46
    0E 1               promiscuous: packets as they are   echoed
    0F 1               ready for the next packet (with flow control)
    23 r               RSSI of the packet that follows: r - 157 dBm
    24 s               its SNR: s / 4 dB, signed
    50 0               firmware version                   answered 50 major minor
    55 F8              it was reset
    90 n               error: 01 radio not found, 02 transmission failed, ...

A packet is three frames: 23, 24, then 00. The sync word is 0x12 and cannot be set. There is no
checksum on the wire to the host; packets with a wrong one of their own the firmware drops unheard.
"""

from __future__ import annotations

from collections import deque

from gateway.codecs.radio.contract import (
    QUEUED_TRANSMITS,
    BoardInfo,
    BoardLost,
    Collected,
    HeardFrame,
    Listening,
    RadioCapabilities,
    RadioSettings,
    Transmit,
    TransmitOutcome,
    Turn,
    check_settings,
    refusal,
)
from gateway.codecs.radio.conversation import Ask, Conversation
from gateway.codecs.radio.kiss import KissStream, wrap
from gateway.codecs.radio.turns import check_turns

PING_S = 60.0

DATA, FREQUENCY, BANDWIDTH, POWER, SPREADING, CODING = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05
RADIO_STATE, DETECT, PROMISCUOUS, READY = 0x06, 0x08, 0x0E, 0x0F
RSSI, SNR, FIRMWARE, RESET, ERROR = 0x23, 0x24, 0x50, 0x55, 0x90
DETECT_REQUEST, DETECT_ANSWER, RESET_DONE = 0x73, 0x46, 0xF8
RSSI_OFFSET_DB = 157

ERRORS = {
    0x01: "the radio was not found",
    0x02: "transmission failed",
    0x03: "its settings memory is locked",
    0x04: "its queue is full",
    0x05: "it is short of memory",
    0x06: "the modem timed out",
}

_SETTINGS = (FREQUENCY, BANDWIDTH, POWER, SPREADING, CODING, RADIO_STATE, PROMISCUOUS)


class RNode:
    """A dialect of `gateway.types.RadioDialect`."""

    name = "rnode"
    capabilities = RadioCapabilities(sync_words=frozenset({0x12}), spreading_factors=(5, 12))

    def __init__(self) -> None:
        self._stream = KissStream()
        self._talk = Conversation()
        self._out = Collected()
        self._settings: RadioSettings | None = None
        self._wanted: dict[int, bytes] = {}
        self._rssi_dbm: float | None = None
        self._snr_db: float | None = None
        self._queue: deque[Transmit] = deque()
        self._listens = False
        self._heard_s = 0.0

    def check(self, settings: RadioSettings) -> None:
        """Raise ConfigError when the board cannot do what is asked."""
        check_settings("RNode", self.capabilities, settings)
        check_turns("RNode", self.capabilities, settings)

    def start(self, settings: RadioSettings, now_s: float) -> Turn:
        """Detect, set up, then take packets as they are on the air."""
        self._fail_all("the board was set up anew")
        self._stream.clear()
        self._talk.clear()
        self._settings, self._heard_s, self._listens = settings, now_s, False
        self._rssi_dbm = self._snr_db = None
        self._wanted = _setup(settings)
        self._talk.ask(
            Ask(wrap(DETECT, bytes((DETECT_REQUEST,))), "detect", timeout_s=1.0, tries=5),
            Ask(wrap(FIRMWARE, b"\x00"), "firmware"),
            *(Ask(wrap(command, value), _name(command)) for command, value in self._wanted.items()),
        )
        return self._turn(now_s)

    def feed(self, data: bytes, now_s: float, peer: object | None = None) -> Turn:  # noqa: ARG002 - the protocol's signature
        """Take bytes as they came."""
        self._heard_s = now_s
        before = self._stream.passed_over
        for frame in self._stream.feed(data):
            self._frame(frame[0], frame[1:], now_s)
        for _ in range(before, self._stream.passed_over):
            self._out.trouble("kiss_bad_frame")
        return self._turn(now_s)

    def transmit(self, request: Transmit, now_s: float) -> Turn:
        """Send one packet. `SENT` says that the board took it: it tells nothing afterwards."""
        why = refusal("an RNode", self.capabilities, request)
        if not why and request.settings is not None and request.settings != self._settings:
            why = "an RNode sends only as it listens"
        if not why and not self._listens:
            why = "the board is not set up yet"
        if not why and len(self._queue) >= QUEUED_TRANSMITS:
            why = "too many packets wait to be sent"
        if why:
            self._out.ended(request, TransmitOutcome.REFUSED, why)
        else:
            self._queue.append(request)
        return self._turn(now_s)

    def tick(self, now_s: float) -> Turn:
        """Repeat what was not answered, ask a silent board, give a dead one up."""
        if (line := self._talk.again(now_s)) is not None:
            self._out.write(line)
        elif (ask := self._talk.spent(now_s)) is not None:
            self._unanswered(ask)
        if self._settings is not None and self._talk.idle and now_s - self._heard_s >= PING_S:
            self._talk.ask(Ask(wrap(DETECT, bytes((DETECT_REQUEST,))), "ping"))
        return self._turn(now_s)

    # --- what the board says -----------------------------------------------------------------

    def _frame(self, command: int, data: bytes, now_s: float) -> None:
        if command == RSSI and len(data) == 1:
            self._rssi_dbm = float(data[0] - RSSI_OFFSET_DB)
        elif command == SNR and len(data) == 1:
            self._snr_db = int.from_bytes(data, "big", signed=True) / 4
        elif command == DATA:
            self._heard(data)
        elif command == DETECT:
            self._detected(data)
        elif command == FIRMWARE and len(data) == 2:  # noqa: PLR2004 - major and minor
            self._firmware(data)
        elif command == RESET and data == bytes((RESET_DONE,)):
            self._rebooted(now_s)
        elif command == ERROR:
            number = data[0] if data else 0
            self._out.trouble("board_error", f"{number}: {ERRORS.get(number, 'unknown')}")
        elif command in self._wanted and command in _SETTINGS:
            self._echoed(command, data)
        # Boards also tell temperature, battery, channel load and the like: not ours to know.

    def _heard(self, data: bytes) -> None:
        rssi_dbm, snr_db = self._rssi_dbm, self._snr_db
        self._rssi_dbm = self._snr_db = None
        settings = self._settings
        if not 0 < len(data) <= self.capabilities.largest:
            self._out.trouble("rnode_bad_length", f"{len(data)} bytes")
            return
        self._out.tell(
            HeardFrame(
                payload=data,
                rssi_dbm=rssi_dbm,
                snr_db=snr_db,
                frequency_hz=settings.frequency_hz if settings else None,
                spreading_factor=settings.spreading_factor if settings else None,
                bandwidth_hz=settings.bandwidth_hz if settings else None,
            )
        )

    def _detected(self, data: bytes) -> None:
        flying = self._talk.flying
        if data != bytes((DETECT_ANSWER,)):
            self._out.trouble("rnode_bad_detect", data)
        elif flying is not None and flying.what in {"detect", "ping"}:
            self._talk.answered()

    def _firmware(self, data: bytes) -> None:
        flying = self._talk.flying
        if flying is not None and flying.what == "firmware":
            self._talk.answered()
            self._out.tell(BoardInfo("RNode", f"{data[0]}.{data[1]}"))

    def _echoed(self, command: int, data: bytes) -> None:
        flying = self._talk.flying
        if flying is None or flying.what != _name(command):
            return
        self._talk.answered()
        if data != self._wanted[command] and not _near(command, data, self._wanted[command]):
            self._out.trouble("setting_refused", f"{_name(command)}: it has {data[:8].hex()}")
        if command == PROMISCUOUS:
            self._listens = True
            self._out.tell(Listening())

    def _rebooted(self, now_s: float) -> None:
        if self._settings is None or not self._talk.idle:
            return  # the answer to its opening
        self._out.trouble("board_rebooted", "it is set up again")
        turn = self.start(self._settings, now_s)
        for event in turn.events:
            self._out.tell(event)
        for write in turn.writes:
            self._out.write(write.data)

    def _unanswered(self, ask: Ask) -> None:
        if ask.what in {"power", "promiscuous"}:  # some ports do not echo these
            self._out.trouble("setting_not_echoed", ask.what)
            if ask.what == "promiscuous":
                self._listens = True
                self._out.tell(Listening())
            return
        self._talk.clear()
        self._settings, self._listens = None, False
        self._fail_all("the board does not answer")
        self._out.tell(BoardLost(f"no answer to `{ask.what}`"))

    def _fail_all(self, why: str) -> None:
        while self._queue:
            self._out.ended(self._queue.popleft(), TransmitOutcome.FAILED, why)

    def _turn(self, now_s: float) -> Turn:
        while self._listens and self._queue:
            request = self._queue.popleft()
            self._out.write(wrap(DATA, request.payload))
            self._out.ended(request, TransmitOutcome.SENT, "handed to the board")
        if (line := self._talk.next(now_s)) is not None:
            self._out.write(line)
        return self._out.take()


def _name(command: int) -> str:
    return {
        FREQUENCY: "frequency",
        BANDWIDTH: "bandwidth",
        POWER: "power",
        SPREADING: "spreading factor",
        CODING: "coding rate",
        RADIO_STATE: "radio state",
        PROMISCUOUS: "promiscuous",
    }[command]


def _near(command: int, data: bytes, wanted: bytes) -> bool:
    """Tell whether a frequency differs only by the synthesizer's step (61 Hz) or twice that."""
    if command != FREQUENCY or len(data) != len(wanted):
        return False
    return abs(int.from_bytes(data, "big") - int.from_bytes(wanted, "big")) <= 2 * 61


def _setup(settings: RadioSettings) -> dict[int, bytes]:
    """Return command -> value, in the order of writing."""
    return {
        FREQUENCY: settings.frequency_hz.to_bytes(4, "big"),
        BANDWIDTH: settings.bandwidth_hz.to_bytes(4, "big"),
        POWER: bytes((max(0, min(37, settings.power_dbm)),)),
        SPREADING: bytes((settings.spreading_factor,)),
        CODING: bytes((settings.coding_rate,)),
        RADIO_STATE: b"\x01",
        PROMISCUOUS: b"\x01",
    }
