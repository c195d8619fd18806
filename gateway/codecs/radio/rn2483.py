r"""Microchip RN2483 and RN2903 (LoStik): text, 57600 baud, every line ends in CR LF.

Source: Microchip DS40001784, RN2483 LoRa Technology Module Command Reference, "Radio Commands"::

    > sys get ver             < RN2483 1.0.5 Oct 31 2018 15:06:52
    > mac pause               < 4294967245        (milliseconds that the LoRaWAN stack stays quiet)
    > radio set freq 868100000                    < ok | invalid_param
    > radio rx 0              < ok | busy         then  < radio_rx  48656C6C6F  |  radio_err
    > radio get rssi          < -87               of the last packet; firmware 1.0.5 and later
    > radio get snr           < 9
    > radio rxstop            < ok
    > radio tx 48656C6C6F     < ok | busy         then  < radio_tx_ok  |  radio_err

Reception ends with every packet and every error, so it is armed again each time; RSSI and SNR are
asked for before that, because the next packet would overwrite them. The board is deaf meanwhile.
"""

from __future__ import annotations

import re
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
    airtime_bound_s,
    check_settings,
    refusal,
)
from gateway.codecs.radio.conversation import Ask, Conversation, Lines
from gateway.codecs.radio.turns import check_turns

PING_S = 60.0
"""Silence after which the board is asked whether it is still there."""

_VERSION = re.compile(rb"(RN2\d{3}A?) (\d+\.\d+\.\d+\S*)( .*)?$")
_HEARD = re.compile(rb"radio_rx +([0-9A-Fa-f]*)$")
_NUMBER = re.compile(rb"-?\d{1,4}$")


class Rn2483:
    """A dialect of `gateway.types.RadioDialect`."""

    name = "rn2483"
    capabilities = RadioCapabilities(
        inverts_iq=True, bandwidths_hz=frozenset({125_000, 250_000, 500_000})
    )

    def __init__(self) -> None:
        self._lines = Lines()
        self._talk = Conversation()
        self._out = Collected()
        self._settings: RadioSettings | None = None
        self._payload: bytes | None = None
        self._rssi_dbm: float | None = None
        self._queue: deque[Transmit] = deque()
        self._sending: Transmit | None = None
        self._in_air = False
        self._radio_deadline_s = 0.0
        self._heard_s = 0.0
        self._rearm_s: float | None = None

    def check(self, settings: RadioSettings) -> None:
        """Raise ConfigError when the board cannot do what is asked."""
        check_settings("RN2483", self.capabilities, settings)
        check_turns("RN2483", self.capabilities, settings)

    def start(self, settings: RadioSettings, now_s: float) -> Turn:
        """Identify, quiet the LoRaWAN stack, set up, receive."""
        self._fail_all("the board was set up anew")
        self._lines.clear()
        self._talk.clear()
        self._settings, self._payload, self._rearm_s = settings, None, None
        self._heard_s = now_s
        self._talk.ask(
            Ask(b"\r\nsys get ver\r\n", "version", timeout_s=1.0, tries=5),
            Ask(b"radio rxstop\r\n", "rxstop"),
            Ask(b"mac pause\r\n", "pause"),
            Ask(b"radio set mod lora\r\n", "set"),
            Ask(b"radio set wdt 0\r\n", "set"),
            *(Ask(line, "set") for line in _setup(settings)),
            Ask(b"radio rx 0\r\n", "receive"),
        )
        return self._turn(now_s)

    def feed(self, data: bytes, now_s: float, peer: object | None = None) -> Turn:  # noqa: ARG002 - the protocol's signature
        """Take bytes as they came."""
        self._heard_s = now_s
        before = self._lines.too_long
        for line in self._lines.feed(data):
            self._line(line, now_s)
        if self._lines.too_long > before:
            self._out.trouble("line_too_long")
        return self._turn(now_s)

    def transmit(self, request: Transmit, now_s: float) -> Turn:
        """Send one packet, after those before it."""
        why = refusal("an RN2483", self.capabilities, request)
        if not why and self._settings is None:
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
        if self._in_air and now_s >= self._radio_deadline_s:
            self._sent(TransmitOutcome.FAILED, "the board did not say that it was sent")
        if self._rearm_s is not None and now_s >= self._rearm_s:
            self._rearm_s = None
            self._talk.ask(Ask(b"radio rxstop\r\n", "rxstop"), Ask(b"radio rx 0\r\n", "receive"))
        if self._settings is not None and self._talk.idle and now_s - self._heard_s >= PING_S:
            self._talk.ask(Ask(b"radio get wdt\r\n", "ping"))
        return self._turn(now_s)

    # --- what the board says -----------------------------------------------------------------

    def _line(self, line: bytes, now_s: float) -> None:
        if (found := _VERSION.search(line)) is not None:
            self._version(found, now_s)
        elif b"radio_rx" in line:
            self._heard(line)
        elif line.endswith(b"radio_tx_ok"):
            if self._in_air:
                self._sent(TransmitOutcome.SENT)
        elif line.endswith(b"radio_err"):
            self._radio_err()
        else:
            self._answer(line, now_s)

    def _version(self, found: re.Match[bytes], now_s: float) -> None:
        flying = self._talk.flying
        if flying is not None and flying.what == "version":
            self._talk.answered()
            self._out.tell(BoardInfo(found[1].decode(), found[2].decode("ascii", "replace")))
        else:
            self._rebooted(now_s)  # its banner, unasked

    def _rebooted(self, now_s: float) -> None:
        if self._settings is None:
            return
        self._out.trouble("board_rebooted", "it has forgotten its settings")
        turn = self.start(self._settings, now_s)
        for event in turn.events:
            self._out.tell(event)
        for write in turn.writes:
            self._out.write(write.data)

    def _heard(self, line: bytes) -> None:
        found = _HEARD.search(line)
        if found is None or not found[1] or len(found[1]) % 2:
            self._out.trouble("rn2483_bad_line", line)
            self._rearm()
            return
        if self._payload is not None:
            self._deliver(None)  # its measurements will never be told apart from this one's
        self._talk.drop("rssi", "snr")
        self._payload = bytes.fromhex(found[1].decode())[:255]
        self._talk.ask_first(
            Ask(b"radio get rssi\r\n", "rssi", 0.5, 2), Ask(b"radio get snr\r\n", "snr", 0.5, 2)
        )
        self._rearm()

    def _radio_err(self) -> None:
        if self._in_air:
            self._sent(TransmitOutcome.FAILED, "radio_err")
        else:
            self._out.trouble("crc_error", "radio_err")
            self._rearm()

    def _answer(self, line: bytes, now_s: float) -> None:
        flying = self._talk.flying
        what = flying.what if flying is not None else ""
        good = line.endswith(b"ok")
        refused = line.endswith((b"invalid_param", b"busy"))
        if what in {"rssi", "snr"} and (_NUMBER.match(line) or refused):
            self._talk.answered()
            self._measured(what, None if refused else float(line))
        elif what == "pause" and line.isdigit():
            self._talk.answered()
        elif what == "ping" and line.isdigit():
            self._talk.answered()
            if int(line) != 0:  # we set the watchdog to 0; after a reset it is 15000
                self._rebooted(now_s)
        elif what in {"set", "rxstop", "receive", "tx"} and (good or refused):
            self._talk.answered()
            self._done(what, flying, line, now_s, good=good)
        else:
            self._out.trouble("unexpected_line", line)

    def _measured(self, what: str, value: float | None) -> None:
        if what == "rssi":
            self._rssi_dbm = value
        else:
            self._deliver(value)

    def _done(self, what: str, ask: Ask | None, line: bytes, now_s: float, *, good: bool) -> None:
        if what == "receive":
            if good:
                self._out.tell(Listening())
            else:
                self._rearm_s = now_s + 1.0
        elif what == "tx":
            if good and self._sending is not None and self._settings is not None:
                self._in_air = True
                used = self._sending.settings or self._settings
                size = len(self._sending.payload)
                self._radio_deadline_s = now_s + 2.0 + airtime_bound_s(used, size)
            else:
                self._sent(TransmitOutcome.FAILED, f"the board says {line[-40:].decode('latin-1')}")
        elif what == "set" and not good and ask is not None:
            self._out.trouble("setting_refused", ask.line.strip().decode())

    def _unanswered(self, ask: Ask) -> None:
        if ask.what in {"rssi", "snr"}:
            self._measured(ask.what, None)
        elif ask.what == "tx":
            self._sent(TransmitOutcome.FAILED, "the board did not answer")
        else:
            self._talk.clear()
            self._settings = None
            self._fail_all("the board does not answer")
            self._out.tell(BoardLost(f"no answer to `{ask.line.strip().decode()}`"))

    # --- what is done about it ---------------------------------------------------------------

    def _deliver(self, snr_db: float | None) -> None:
        if self._payload is None or self._settings is None:
            return
        self._out.tell(
            HeardFrame(
                payload=self._payload,
                rssi_dbm=self._rssi_dbm,
                snr_db=snr_db,
                frequency_hz=self._settings.frequency_hz,
                spreading_factor=self._settings.spreading_factor,
                bandwidth_hz=self._settings.bandwidth_hz,
            )
        )
        self._payload = self._rssi_dbm = None

    def _rearm(self) -> None:
        if self._sending is None and self._settings is not None:
            self._talk.drop("receive")
            self._talk.ask(Ask(b"radio rx 0\r\n", "receive"))

    def _begin(self) -> None:
        if self._settings is None or self._sending is not None or not self._queue:
            return
        if not self._talk.idle or self._payload is not None:
            return
        self._sending = request = self._queue.popleft()
        self._talk.ask(
            Ask(b"radio rxstop\r\n", "rxstop"),
            *(Ask(line, "set") for line in _changes(self._settings, request.settings)),
            Ask(b"radio tx " + request.payload.hex().upper().encode() + b"\r\n", "tx", 3.0, 1),
        )

    def _sent(self, outcome: TransmitOutcome, detail: str = "") -> None:
        request, self._sending, self._in_air = self._sending, None, False
        if request is None or self._settings is None:
            return
        self._out.ended(request, outcome, detail)
        if request.settings is not None:
            back = _changes(request.settings, self._settings)
            self._talk.ask(*(Ask(line, "set") for line in back))
        self._rearm()

    def _fail_all(self, why: str) -> None:
        waiting = [*([self._sending] if self._sending else []), *self._queue]
        self._queue.clear()
        self._sending, self._in_air = None, False
        for request in waiting:
            self._out.ended(request, TransmitOutcome.FAILED, why)

    def _turn(self, now_s: float) -> Turn:
        self._begin()
        if (line := self._talk.next(now_s)) is not None:
            self._out.write(line)
        return self._out.take()


def _setup(settings: RadioSettings) -> list[bytes]:
    """Return the commands that set a radio up, in the order the manual lists them."""
    facts = {
        "freq": settings.frequency_hz,
        "pwr": max(-3, min(15, settings.power_dbm)),
        "sf": f"sf{settings.spreading_factor}",
        "crc": "on" if settings.crc else "off",
        "iqi": "on" if settings.iq_inverted else "off",
        "cr": f"4/{settings.coding_rate}",
        "sync": f"{settings.sync_word:02x}",
        "bw": settings.bandwidth_hz // 1000,
        "prlen": settings.preamble,
    }
    return [f"radio set {key} {value}\r\n".encode() for key, value in facts.items()]


def _changes(before: RadioSettings, after: RadioSettings | None) -> list[bytes]:
    """Return only the commands in which two settings differ."""
    if after is None:
        return []
    had = set(_setup(before))
    return [line for line in _setup(after) if line not in had]
