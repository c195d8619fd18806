r"""RAKwireless RAK811: AT commands, 115200 baud, every line ends in CR LF.

Source: RAKwireless, "RAK811 LoRa AT Command" (firmware 2.0.x) and "RAK811 WisDuo AT Command
Manual" (firmware 3.0.x), the chapters on LoRaP2P::

    > at+version                       < OK2.0.3.0   |  OK V3.0.0.14.H

    firmware 3
    > at+set_config=lora:work_mode:1                           < ... Initialization OK
    > at+set_config=lorap2p:868100000:7:0:1:8:14               < OK
    > at+set_config=lorap2p:transfer_mode:1   (1 hears, 2 sends)    < OK
    > at+send=lorap2p:48656C6C6F                               < OK
                                       < at+recv=-63,7,5:48656C6C6F      RSSI, SNR, length
                                       < at+recv=0,-63,7,5:48656C6C6F    port before them
    firmware 2
    > at+mode=1                                                < OK
    > at+rf_config=868100000,7,0,1,8,14                        < OK
    > at+rxc=1                                                 < OK
    > at+txc=1,10,48656C6C6F                                   < OK     and at+recv=9,0,0 when sent
                                       < at+recv=0,0,-63,7,5,48656C6C6F  event, port before them

Only packets of LoRaP2P are heard, with the sync word the firmware has (0x34).
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
from gateway.codecs.radio.conversation import Ask, Lines
from gateway.errors import BadInput

BANDWIDTHS = {125_000: 0, 250_000: 1, 500_000: 2}

EVENTS = {
    1: "confirmed transmission ended",
    2: "unconfirmed transmission ended",
    3: "joined",
    4: "not joined",
    5: "transmission timed out",
    6: "nothing heard in RX2",
    7: "downlink repeated",
    8: "woken up",
    9: "packet sent",
    100: "unknown event",
}
"""Firmware 2: what an `at+recv=` without data says."""

_SENT_EVENT = 9
_VERSION = re.compile(rb"OK ?V?(\d+\.\d+\.\d+[.\w]*)$")
_ERROR = re.compile(rb"ERROR[-: ]+(-?\d{1,3})")
_RECV = re.compile(rb"at\+recv=((?:-?\d{1,6},){2,4}-?\d{1,6})(?:[:,]([0-9A-Fa-f]*))?$")


@dataclass(frozen=True, slots=True)
class Received:
    """An `at+recv=` line that carries a packet."""

    rssi_dbm: float
    snr_db: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """An `at+recv=` line of firmware 2 that tells how something ended."""

    number: int


def read_recv(line: bytes) -> Received | Event:
    """Read an `at+recv=` line of any firmware.

    Raises
    ------
    BadInput
        `rak811_bad_line`: not of any known form, or the data is not as long as it says.

    """
    found = _RECV.search(line)
    if found is None:
        raise BadInput("rak811_bad_line", repr(line[:60]))
    *before, rssi, snr, size = (int(field) for field in found[1].split(b","))
    data = found[2]
    if not before and rssi >= 0 and snr >= 0 and size == 0 and not data:
        return Event(rssi)  # event, port, length 0: no packet is heard at 0 dBm
    payload = bytes.fromhex(data.decode()) if data and len(data) % 2 == 0 else b""
    if size != len(payload) or (data and len(data) % 2):
        raise BadInput("rak811_bad_line", f"length {size} with {len(data or b'')} hex digits")
    return Received(float(rssi), float(snr), payload)


class Rak811(Commanded[bytes]):
    """A dialect of `gateway.types.RadioDialect`."""

    name = "rak811"
    capabilities = RadioCapabilities(
        sync_words=frozenset({0x34}), bandwidths_hz=frozenset(BANDWIDTHS), spreading_factors=(6, 12)
    )

    board, a_board, passed_over = "RAK811", "a RAK811", "line_too_long"
    ping = Ask(b"at+version\r\n", "ping")

    def __init__(self) -> None:
        super().__init__(Lines())
        self._major = 3

    # --- what it is asked --------------------------------------------------------------------

    def _opening(self, settings: RadioSettings) -> Iterable[Ask]:  # noqa: ARG002 - the answer says which firmware's commands set it up
        return (Ask(b"at+version\r\n", "version", timeout_s=1.0, tries=5),)

    def _sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:
        data = request.payload.hex().upper().encode()
        patience_s = 3.0 + airtime_bound_s(settings, len(request.payload))
        if self._major == 2:  # noqa: PLR2004 - the firmware's number
            return (
                Ask(b"at+rx_stop\r\n", "stop"),
                Ask(b"at+txc=1,10," + data + b"\r\n", "send", patience_s, 1),
            )
        return (
            Ask(b"at+set_config=lorap2p:transfer_mode:2\r\n", "set"),
            Ask(b"at+send=lorap2p:" + data + b"\r\n", "send", patience_s, 1),
        )

    def _after_sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:  # noqa: ARG002 - the shape of all boards
        return (_receive(self._major),)

    # --- what the board says -----------------------------------------------------------------

    def _take(self, line: bytes, now_s: float) -> None:
        flying = self._talk.flying
        what = flying.what if flying is not None else ""
        if b"at+recv=" in line:
            self._recv(line)
        elif (error := _ERROR.search(line)) is not None and flying is not None:
            self._talk.answered()
            self._refused(flying, f"ERROR {error[1].decode()}")
        elif (version := _VERSION.search(line)) is not None and what in {"version", "ping"}:
            self._talk.answered()
            if what == "version":
                self._version(version[1].decode())
        elif what not in {"", "version", "ping"} and line.endswith(b"OK"):
            self._talk.answered()
            self._done(what, now_s)
        elif b"Welcome to RAK811" in line or b"Initialization OK" in line:
            if self._talk.idle:  # not at its start, nor after the work mode was set
                self._rebooted(now_s)
        elif not line.lstrip().startswith((b"UART", b"LoRa work mode", b"Selected")):
            self._out.trouble("unexpected_line", line)

    def _version(self, firmware: str) -> None:
        self._major = 2 if firmware.startswith(("1.", "2.")) else 3
        self._out.tell(BoardInfo("RAK811", firmware[:40]))
        if self._settings is not None:
            self._talk.ask(*_setup(self._settings, self._major))

    def _recv(self, line: bytes) -> None:
        try:
            received = read_recv(line)
        except BadInput as error:
            self._out.trouble(error.reason, error.detail)
            return
        if isinstance(received, Received):
            self._heard(received)
        elif received.number == _SENT_EVENT and self._air_until_s is not None:
            self._sent(TransmitOutcome.SENT)
        elif received.number in {5, 100} and self._air_until_s is not None:
            self._sent(TransmitOutcome.FAILED, EVENTS[received.number])
        else:
            words = EVENTS.get(received.number, "not in the manual")
            self._out.trouble("board_event", f"{received.number}: {words}")

    def _heard(self, received: Received) -> None:
        if received.payload:
            self._hear(received.payload, received.rssi_dbm, received.snr_db)
        else:
            self._out.trouble("empty_packet")

    def _done(self, what: str, now_s: float) -> None:
        if what == "receive":
            self._out.tell(Listening())
        elif what == "send" and self._major == 2:  # noqa: PLR2004 - the firmware's number
            self._wait_for_air(now_s)
        elif what == "send":
            self._sent(TransmitOutcome.SENT)

    def _refused(self, ask: Ask, words: str) -> None:
        if ask.what == "send":
            self._sent(TransmitOutcome.FAILED, words)
        elif ask.what not in {"stop", "ping"}:
            self._out.trouble("setting_refused", f"{ask.line.strip().decode()} {words}")


def _receive(major: int) -> Ask:
    if major == 2:  # noqa: PLR2004 - the firmware's number
        return Ask(b"at+rxc=1\r\n", "receive")
    return Ask(b"at+set_config=lorap2p:transfer_mode:1\r\n", "receive")


def _setup(settings: RadioSettings, major: int) -> list[Ask]:
    """Return the commands that set a radio up and let it receive."""
    figures = (
        settings.frequency_hz,
        settings.spreading_factor,
        BANDWIDTHS.get(settings.bandwidth_hz, 0),
        settings.coding_rate - 4,
        settings.preamble,
        max(5, min(20, settings.power_dbm)),
    )
    if major == 2:  # noqa: PLR2004 - the firmware's number
        line = "at+rf_config=" + ",".join(map(str, figures))
        return [
            Ask(b"at+mode=1\r\n", "set", 3.0),
            Ask(line.encode() + b"\r\n", "set"),
            _receive(major),
        ]
    line = "at+set_config=lorap2p:" + ":".join(map(str, figures))
    return [
        Ask(b"at+set_config=lora:work_mode:1\r\n", "set", 5.0),
        Ask(line.encode() + b"\r\n", "set"),
        _receive(major),
    ]
