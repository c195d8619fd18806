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

from collections.abc import Iterable

from gateway.codecs.radio.commanded import Commanded
from gateway.codecs.radio.contract import (
    BoardInfo,
    Listening,
    RadioCapabilities,
    RadioSettings,
    TransmitOutcome,
)
from gateway.codecs.radio.conversation import Ask
from gateway.codecs.radio.kiss import KissStream, wrap

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


class RNode(Commanded[bytes]):
    """A dialect of `gateway.types.RadioDialect`.

    `SENT` says that the board took the packet: it tells nothing afterwards.
    """

    name = "rnode"
    capabilities = RadioCapabilities(sync_words=frozenset({0x12}), spreading_factors=(5, 12))
    board, a_board, passed_over = "RNode", "an RNode", "kiss_bad_frame"
    ping = Ask(wrap(DETECT, bytes((DETECT_REQUEST,))), "ping")

    def __init__(self) -> None:
        super().__init__(KissStream())
        self._wanted: dict[int, bytes] = {}
        self._rssi_dbm: float | None = None
        self._snr_db: float | None = None
        self._listens = False

    # --- what it is asked --------------------------------------------------------------------

    def _opening(self, settings: RadioSettings) -> Iterable[Ask]:
        self._listens = False
        self._rssi_dbm = self._snr_db = None
        self._wanted = _setup(settings)
        return (
            Ask(wrap(DETECT, bytes((DETECT_REQUEST,))), "detect", timeout_s=1.0, tries=5),
            Ask(wrap(FIRMWARE, b"\x00"), "firmware"),
            *(Ask(wrap(command, value), _name(command)) for command, value in self._wanted.items()),
        )

    def _is_set_up(self) -> bool:
        return self._listens

    def _begin(self) -> None:
        while self._listens and (request := self._outgoing.begin()) is not None:
            self._out.write(wrap(DATA, request.payload))
            self._sent(TransmitOutcome.SENT, "handed to the board")

    # --- what the board says -----------------------------------------------------------------

    def _take(self, frame: bytes, now_s: float) -> None:
        command, data = frame[0], frame[1:]
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
            if self._talk.idle:  # not the answer to its opening
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
        if 0 < len(data) <= self.capabilities.largest:
            self._hear(data, rssi_dbm, snr_db)
        else:
            self._out.trouble("rnode_bad_length", f"{len(data)} bytes")

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

    def _unanswered(self, ask: Ask) -> None:
        if ask.what not in {"power", "promiscuous"}:
            self._listens = False
            self._lost(ask.what)
            return
        self._out.trouble("setting_not_echoed", ask.what)  # some ports do not
        if ask.what == "promiscuous":
            self._listens = True
            self._out.tell(Listening())


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
