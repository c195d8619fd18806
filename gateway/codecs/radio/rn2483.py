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
from collections.abc import Iterable

from gateway.codecs.radio.commanded import Commanded
from gateway.codecs.radio.contract import (
    BoardInfo,
    Listening,
    RadioCapabilities,
    RadioSettings,
    Transmit,
    TransmitOutcome,
)
from gateway.codecs.radio.conversation import Ask, Lines

_VERSION = re.compile(rb"(RN2\d{3}A?) (\d+\.\d+\.\d+\S*)( .*)?$")
_HEARD = re.compile(rb"radio_rx +([0-9A-Fa-f]*)$")
_NUMBER = re.compile(rb"-?\d{1,4}$")
_RECEIVE = Ask(b"radio rx 0\r\n", "receive")


class Rn2483(Commanded[bytes]):
    """A dialect of `gateway.types.RadioDialect`."""

    name = "rn2483"
    capabilities = RadioCapabilities(
        inverts_iq=True, bandwidths_hz=frozenset({125_000, 250_000, 500_000})
    )
    board, a_board, passed_over = "RN2483", "an RN2483", "line_too_long"
    ping = Ask(b"radio get wdt\r\n", "ping")
    sends_otherwise = True

    def __init__(self) -> None:
        super().__init__(Lines())
        self._payload: bytes | None = None
        self._rssi_dbm: float | None = None
        self._rearm_s: float | None = None

    # --- what it is asked --------------------------------------------------------------------

    def _opening(self, settings: RadioSettings) -> Iterable[Ask]:
        self._payload = self._rearm_s = None
        return (
            Ask(b"\r\nsys get ver\r\n", "version", timeout_s=1.0, tries=5),
            Ask(b"radio rxstop\r\n", "rxstop"),
            Ask(b"mac pause\r\n", "pause"),
            Ask(b"radio set mod lora\r\n", "set"),
            Ask(b"radio set wdt 0\r\n", "set"),
            *(Ask(line, "set") for line in _setup(settings)),
            _RECEIVE,
        )

    def _sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:
        data = request.payload.hex().upper().encode()
        return (
            Ask(b"radio rxstop\r\n", "rxstop"),
            *(Ask(line, "set") for line in _changes(settings, request.settings or settings)),
            Ask(b"radio tx " + data + b"\r\n", "send", 3.0, 1),
        )

    def _after_sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:
        self._talk.drop("receive")
        back = _changes(request.settings or settings, settings)
        return (*(Ask(line, "set") for line in back), _RECEIVE)

    def _may_send(self) -> bool:
        return super()._may_send() and self._payload is None

    def _time_passes(self, now_s: float) -> None:
        if self._rearm_s is not None and now_s >= self._rearm_s:
            self._rearm_s = None
            self._talk.ask(Ask(b"radio rxstop\r\n", "rxstop"), _RECEIVE)

    # --- what the board says -----------------------------------------------------------------

    def _take(self, line: bytes, now_s: float) -> None:
        if (found := _VERSION.search(line)) is not None:
            self._version(found, now_s)
        elif b"radio_rx" in line:
            self._heard(line)
        elif line.endswith(b"radio_tx_ok"):
            if self._air_until_s is not None:
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
        if self._air_until_s is not None:
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
        elif what in {"set", "rxstop", "receive", "send"} and (good or refused):
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
        elif what == "send" and good:
            self._wait_for_air(now_s)
        elif what == "send":
            self._sent(TransmitOutcome.FAILED, f"the board says {line[-40:].decode('latin-1')}")
        elif what == "set" and not good and ask is not None:
            self._out.trouble("setting_refused", ask.line.strip().decode())

    def _unanswered(self, ask: Ask) -> None:
        if ask.what in {"rssi", "snr"}:
            self._measured(ask.what, None)
        else:
            super()._unanswered(ask)

    def _deliver(self, snr_db: float | None) -> None:
        if self._payload is not None and self._settings is not None:
            self._hear(self._payload, self._rssi_dbm, snr_db)
            self._payload = self._rssi_dbm = None

    def _rearm(self) -> None:
        if self._outgoing.current is None and self._settings is not None:
            self._talk.drop("receive")
            self._talk.ask(_RECEIVE)


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


def _changes(before: RadioSettings, after: RadioSettings) -> list[bytes]:
    """Return only the commands in which two settings differ."""
    had = set(_setup(before))
    return [line for line in _setup(after) if line not in had]
