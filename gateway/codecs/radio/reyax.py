r"""Reyax RYLR896, RYLR998 and kin: AT commands, 115200 baud, every line ends in CR LF.

Source: Reyax, "LoRa AT Command Guide" of the RYLR40x/89x and of the RYLR498/998::

    > AT+BAND=868500000            < +OK
    > AT+PARAMETER=7,7,1,8         < +OK             SF, bandwidth code, CR code, preamble
    > AT+VER?                      < +VER=RYLR89C_V1.2.7
    > AT+SEND=50,5,HELLO           < +OK             when it has been sent
                                   < +RCV=50,5,HELLO,-99,40      address, length, data, RSSI, SNR
                                   < +ERR=4          see `ERRORS`

The data is as it was sent and may hold commas and line ends: it is cut out by its length. Packets
carry the maker's own header, so that only Reyax boards hear each other, and no checksum reaches
the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.codecs.radio.commanded import Commanded
from gateway.codecs.radio.contract import (
    BoardInfo,
    Listening,
    RadioCapabilities,
    RadioSettings,
    Transmit,
    TransmitOutcome,
    airtime_bound_s,
)
from gateway.codecs.radio.conversation import Ask

LARGEST = 240
PATIENCE_S = 1.0
"""How long the rest of a received packet may take: 250 characters need 22 ms at 115200 baud."""

ERRORS = {
    1: "the command had no line end",
    2: "the command does not begin with AT",
    3: "the command has no =",
    4: "unknown command",
    5: "lengths do not match",
    10: "transmission timed out",
    11: "reception timed out",
    12: "a packet with a wrong checksum",
    13: "more than 240 bytes",
    14: "flash could not be written",
    15: "unknown failure",
    17: "the last transmission had not ended",
    18: "the preamble is not allowed",
    19: "a packet with a wrong header",
    20: "the power saving times are not allowed",
}
"""The guides' error numbers in our words."""

_RECEPTION_ERRORS = frozenset({11, 12, 19})

BANDWIDTHS = {
    7_800: 0,
    10_400: 1,
    15_600: 2,
    20_800: 3,
    31_250: 4,
    41_700: 5,
    62_500: 6,
    125_000: 7,
    250_000: 8,
    500_000: 9,
}

_RCV = b"+RCV="
_HEAD = re.compile(rb"\+RCV=(\d{1,5}),(\d{1,3}),")
_HEAD_SO_FAR = re.compile(rb"\+RCV=(\d{0,5}|\d{1,5},\d{0,3})\Z")
_TAIL = re.compile(rb",(-?\d{1,3}),(-?\d{1,3})\r?\n")
_TAIL_SO_FAR = re.compile(rb"(,(-?\d{0,3}|-?\d{1,3},-?\d{0,3}\r?))?\Z")


@dataclass(frozen=True, slots=True)
class Packet:
    """One `+RCV=` line."""

    address: int
    data: bytes
    rssi_dbm: float
    snr_db: float


class ReyaxStream:
    """Cuts a byte stream into packets and other lines; memory is bounded by `LONGEST`.

    `passed_over` counts `+RCV=` heads that no whole packet followed.
    """

    LONGEST = 512

    def __init__(self) -> None:
        self.passed_over = 0
        self._held = bytearray()

    @property
    def waits(self) -> bool:
        """Whether the beginning of something is held."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[Packet | bytes]:
        """Return what is whole now, in order: packets, and lines without their end."""
        found: list[Packet | bytes] = []
        for start in range(0, len(data), self.LONGEST):
            self._held += data[start : start + self.LONGEST]
            while (item := self._next()) is not None:
                found.append(item)
            if len(self._held) > self.LONGEST:
                self.passed_over += 1
                del self._held[: -self.LONGEST // 2]
        return [item for item in found if not isinstance(item, bytes) or item]

    def give_up(self) -> list[Packet | bytes]:
        """Stop waiting for the rest of a packet: what stands behind its head is looked at anew."""
        if self._held.startswith(_RCV):
            self.passed_over += 1
            del self._held[: len(_RCV)]
        else:
            self._held.clear()
        return self.feed(b"")

    def clear(self) -> None:
        """Forget what is held."""
        self._held.clear()

    def _next(self) -> Packet | bytes | None:
        """Take the next whole item out, b"" for something passed over, None for "need more"."""
        held = self._held
        start = held.find(_RCV)
        end = min((at for at in (held.find(b"\r"), held.find(b"\n")) if at >= 0), default=-1)
        if start < 0 or 0 <= end < start:
            if end < 0:
                return None
            line = bytes(held[:end])
            del held[: end + 1]
            return line
        if start > 0:
            line = bytes(held[:start])
            del held[:start]
            return line
        return self._packet()

    def _packet(self) -> Packet | bytes | None:
        held = self._held
        head = _HEAD.match(held)
        if head is None:
            return None if _HEAD_SO_FAR.match(held) else self._pass_over()
        size = int(head[2])
        if size > LARGEST:
            return self._pass_over()
        if len(held) < head.end() + size:
            return None
        tail = _TAIL.match(held, head.end() + size)
        if tail is None:
            return None if _TAIL_SO_FAR.match(held, head.end() + size) else self._pass_over()
        data = bytes(held[head.end() : head.end() + size])
        packet = Packet(int(head[1]), data, float(tail[1]), float(tail[2]))
        del held[: tail.end()]
        return packet

    def _pass_over(self) -> bytes:
        self.passed_over += 1
        del self._held[: len(_RCV)]
        return b""


class Reyax(Commanded[Packet | bytes]):
    """A dialect of `gateway.types.RadioDialect`.

    `address` and `network_id` are set when given; boards hear only their own network, and with an
    address only what is sent to it or to 0.
    """

    name = "reyax"
    capabilities = RadioCapabilities(
        sync_words=frozenset({0x12}),
        bandwidths_hz=frozenset(BANDWIDTHS),
        spreading_factors=(5, 12),
        largest=LARGEST,
        raw=False,
    )

    board, a_board, passed_over = "Reyax RYLR", "a Reyax board", "reyax_bad_packet"
    ping = Ask(b"AT\r\n", "ping")

    def __init__(self, address: int | None = None, network_id: int | None = None) -> None:
        self._stream = ReyaxStream()
        super().__init__(self._stream)
        self._own = [
            *([f"AT+ADDRESS={address}"] if address is not None else []),
            *([f"AT+NETWORKID={network_id}"] if network_id is not None else []),
        ]
        self._network_id = network_id

    # --- what it is asked --------------------------------------------------------------------

    def _opening(self, settings: RadioSettings) -> Iterable[Ask]:  # noqa: ARG002 - set once the version is known
        return (
            Ask(b"AT\r\n", "hello", timeout_s=1.0, tries=5),
            Ask(b"AT+VER?\r\n", "version"),
        )

    def _sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:
        line = b"AT+SEND=%d,%d," % (request.destination, len(request.payload))
        patience_s = 3.0 + airtime_bound_s(settings, len(request.payload) + 8)
        return (Ask(line + request.payload + b"\r\n", "send", patience_s, 1),)

    def _why_not(self, request: Transmit) -> str:
        if b"\r" in request.payload or b"\n" in request.payload:
            return "a Reyax board cannot send line ends: send the payload as text or hex"
        return ""

    def _time_passes(self, now_s: float) -> None:
        if self._stream.waits and now_s - self._heard_s >= PATIENCE_S:
            before = self._stream.passed_over
            self._take_all(self._stream.give_up(), before, now_s)

    # --- what the board says -----------------------------------------------------------------

    def _take(self, item: Packet | bytes, now_s: float) -> None:
        if isinstance(item, Packet):
            self._hear(item.data, item.rssi_dbm, item.snr_db, item.address)
        else:
            self._line(item, now_s)

    def _line(self, line: bytes, now_s: float) -> None:
        flying = self._talk.flying
        if (at := line.rfind(b"+ERR=")) >= 0 and line[at + 5 :].isdigit():
            self._error(int(line[at + 5 :][:3]), flying)
        elif line.endswith(b"+READY"):
            if self._talk.idle:  # not the word of one that was just opened
                self._rebooted(now_s)
        elif flying is not None and flying.what == "version" and b"+VER=" in line:
            self._talk.answered()
            _, _, version = line.partition(b"+VER=")
            board, _, firmware = version.decode("latin-1").partition("_")
            self._out.tell(BoardInfo(f"Reyax {board[:40]}", firmware[:40]))
            self._set_up(board)
        elif flying is not None and flying.what != "version" and line.endswith(b"+OK"):
            self._talk.answered()
            if flying.what == "send":
                self._sent(TransmitOutcome.SENT)
            elif flying.what == "listening":
                self._out.tell(Listening())
        else:
            self._out.trouble("unexpected_line", line)

    def _error(self, number: int, flying: Ask | None) -> None:
        words = f"+ERR={number}: {ERRORS.get(number, 'not in the guide')}"
        if number in _RECEPTION_ERRORS or flying is None:
            self._out.trouble("crc_error" if number in _RECEPTION_ERRORS else "board_error", words)
            return
        self._talk.answered()
        if flying.what == "send":
            self._sent(TransmitOutcome.FAILED, words)
        elif flying.what == "version":  # the oldest firmware does not know the question
            self._out.tell(BoardInfo("Reyax", ""))
            self._set_up("")
        else:
            self._out.trouble("setting_refused", f"{flying.line.strip().decode()} {words}")

    def _set_up(self, board: str) -> None:
        if self._settings is None:
            return
        preamble = preamble_of(board, self._network_id, self._settings.preamble)
        lines = [*_setup(self._settings, preamble), *self._own]
        self._talk.ask(*(Ask(line.encode() + b"\r\n", "set") for line in lines))
        self._talk.ask(Ask(b"AT\r\n", "listening"))


def preamble_of(board: str, network_id: int | None, wanted: int) -> int:
    """Return the preamble nearest to the wanted one that a board takes.

    RYLR40x and 89x take 4 to 7; RYLR498 and 998 take 4 to 24 in network 18, in others only 12.
    """
    if "98" not in board:
        return max(4, min(7, wanted))
    return 12 if network_id not in {None, 18} else max(4, min(24, wanted))


def _setup(settings: RadioSettings, preamble: int) -> list[str]:
    """Return the commands that set a radio up."""
    width = BANDWIDTHS.get(settings.bandwidth_hz, BANDWIDTHS[125_000])
    rate = f"{settings.spreading_factor},{width},{settings.coding_rate - 4},{preamble}"
    return [
        "AT+MODE=0",
        f"AT+BAND={settings.frequency_hz}",
        f"AT+PARAMETER={rate}",
        f"AT+CRFOP={max(0, min(22, settings.power_dbm))}",
    ]
