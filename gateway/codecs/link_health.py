"""How well each device is heard, as readings of every uplink whichever radio took it.

| channel | unit | what |
|---|---|---|
| `radio.link_margin` | dB | SNR above the least that the spreading factor needs |
| `radio.missed` | | frames missed just before this one |
| `radio.loss` | % | of the newest 100 frames that were sent, how many were not heard |
| `radio.frequency_868100.rssi` | dBm | mean on this frequency (kHz), newest weighing most |
| `radio.frequency_868100.snr` | dB | likewise |
| `radio.frequency_868100.share_of_even` | % | frames heard on it; 100 were all frequencies alike |

`radio.margin` is another thing: the device's own figure, of the downlinks that it hears.

A lost frame tells nothing of its frequency, so there is no loss by frequency. A device picks its
frequencies at random (LoRaWAN 1.0.3, section 1), so one that brings far fewer frames than an even
share loses them. The channels by frequency begin once a device is heard on two.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from gateway.codecs.link_margin import DEMODULATION_FLOOR_DB, LossWindow
from gateway.types import Channel, DevEui, Reading, ReadingKind, Uplink

_PREFIX = "radio.frequency_"
_MARGIN = Channel("radio.link_margin")
_MISSED = Channel("radio.missed")
_LOSS = Channel("radio.loss")
_RSSI = Channel("radio.rssi")
_SNR = Channel("radio.snr")

LINK_CHANNELS = (_MARGIN, _MISSED, _LOSS, _PREFIX)
"""How the names of these channels begin."""

FREQUENCIES = 16
"""Frequencies of a device that have channels; a device that uses more shows its first ones."""

LEAST_SENT = 10
"""Frames sent before a loss is told: of three frames it would be 0 or 33 %."""

_OUT_OF_ORDER = 8
_SETTLED_S = 30.0
_GREATEST_GAP = 16384  # LoRaWAN 1.0.3, MAX_FCNT_GAP: past it no server follows the counter
_KEEPS = 0.99
_NEWEST = 0.1
_TWICE = 1.2
_IN_USE = 0.5


class StoredFrame(Protocol):
    """What the store keeps of an uplink, as far as it is needed here."""

    @property
    def dev_addr(self) -> str:
        """Return the session's address."""
        ...

    @property
    def f_cnt(self) -> int:
        """Return the full counter."""
        ...

    @property
    def time_s(self) -> float:
        """Return when it was sent."""
        ...

    @property
    def received_s(self) -> float:
        """Return when it was taken."""
        ...

    @property
    def readings(self) -> Sequence[Reading]:
        """Return what it said."""
        ...


@dataclass(slots=True)
class _Frequency:
    """One frequency of a device. `weight` is the count of frames, older ones counting less."""

    rssi_dbm: float
    snr_db: float
    weight: float = 0.0


@dataclass(slots=True)
class _Link:
    """What is known of one device."""

    dev_addr: str = ""
    newest_s: float = 0.0
    window: LossWindow = field(default_factory=LossWindow)
    frequencies: dict[int, _Frequency] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)

    def count(self, dev_addr: str, f_cnt: int, time_s: float, *, restarted: bool) -> int | None:
        """Take a frame's counter; return how many were missed before it, None when unknown."""
        window = self.window
        known = window.sent > 0
        if known and (restarted or dev_addr != self.dev_addr or self._starts_again(f_cnt, time_s)):
            window.restart()
            known = False
        newer = f_cnt > window.newest
        missed = window.add(f_cnt)
        if newer or not known:
            self.dev_addr, self.newest_s = dev_addr, time_s
        return missed if known and newer else None

    def _starts_again(self, f_cnt: int, time_s: float) -> bool:
        """Tell a counter that was reset from frames that are repeated or out of order.

        A device repeats a frame under its own number (NbTrans), and a network may swap neighbours;
        an earlier number that was sent well after a later one is of another count.
        """
        ahead, later_s = f_cnt - self.window.newest, time_s - self.newest_s
        if ahead > 0:
            return ahead > _GREATEST_GAP or later_s < -_SETTLED_S
        return ahead < 0 and later_s > (0.0 if -ahead > _OUT_OF_ORDER else _SETTLED_S)

    def tune(self, khz: int, rssi_dbm: float, snr_db: float) -> float:
        """Take a frame's frequency; return its share against an even one."""
        for one in self.frequencies.values():
            one.weight *= _KEEPS
        found = self.frequencies.get(khz)
        if found is None:
            if len(self.frequencies) >= FREQUENCIES:
                del self.frequencies[min(self.frequencies, key=self._weight)]
            found = self.frequencies[khz] = _Frequency(rssi_dbm, snr_db)
        found.rssi_dbm += _NEWEST * (rssi_dbm - found.rssi_dbm)
        found.snr_db += _NEWEST * (snr_db - found.snr_db)
        found.weight += 1.0
        weights = [one.weight for one in self.frequencies.values()]
        return found.weight * sum(weight > _IN_USE for weight in weights) / sum(weights)

    def shows(self, khz: int) -> bool:
        """Say whether a frequency has channels: heard twice, beside another, and room."""
        if khz not in self.shown:
            often = self.frequencies[khz].weight > _TWICE and len(self.frequencies) > 1
            if not often or len(self.shown) >= FREQUENCIES:
                return False
            self.shown.add(khz)
        return True

    def _weight(self, khz: int) -> float:
        return self.frequencies[khz].weight


class LinkHealth:
    """The links of the `devices` heard last; no clock, and what it holds is bounded.

    `restore` rebuilds a device from its newest stored uplinks, before its first new one.
    """

    def __init__(self, devices: int) -> None:
        self._most = devices
        self._links: OrderedDict[DevEui, _Link] = OrderedDict()

    def readings(self, uplink: Uplink, *, restarted: bool = False) -> list[Reading]:
        """Return the link's readings of an uplink that is no repeat.

        `restarted` says that the device is known to count anew; another address, or a counter that
        goes back further than repeats explain, says so by itself. What is unknown has no reading.
        """
        link = self._link(uplink.device.dev_eui)
        time_s = min(uplink.time_s, uplink.received_s)
        missed = link.count(uplink.dev_addr, uplink.f_cnt, time_s, restarted=restarted)
        return [
            Reading(uplink.device.dev_eui, channel, value, unit, ReadingKind.NUMERIC,
                    uplink.time_s, key)
            for channel, value, unit, key in _values(link, uplink, missed)
        ]  # fmt: skip

    def restore(self, dev_eui: DevEui, frames: Iterable[StoredFrame]) -> None:
        """Take a device's newest stored uplinks, oldest first, in place of what is known of it."""
        self._links.pop(dev_eui, None)
        link = self._link(dev_eui)
        for frame in frames:
            time_s = min(frame.time_s, frame.received_s)
            link.count(frame.dev_addr, frame.f_cnt, time_s, restarted=False)
            values = {reading.channel: reading.value for reading in frame.readings}
            khz = next(filter(None, map(_khz_of, values)), None)
            rssi, snr = values.get(_RSSI), values.get(_SNR)
            if khz and isinstance(rssi, int | float) and isinstance(snr, int | float):
                link.tune(khz, rssi, snr)
                link.shows(khz)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        self._links.pop(dev_eui, None)

    def __len__(self) -> int:
        return len(self._links)

    def _link(self, dev_eui: DevEui) -> _Link:
        link = self._links.get(dev_eui)
        if link is None:
            link = self._links[dev_eui] = _Link()
            if len(self._links) > self._most:
                self._links.popitem(last=False)
        else:
            self._links.move_to_end(dev_eui)
        return link


def _values(
    link: _Link, uplink: Uplink, missed: int | None
) -> Iterator[tuple[Channel, float, str, str]]:
    best = max(uplink.receptions, key=lambda one: (one.snr_db, one.rssi_dbm), default=None)
    floor_db = DEMODULATION_FLOOR_DB.get(uplink.spreading_factor or 0)
    if best is not None and floor_db is not None:
        yield _MARGIN, round(best.snr_db - floor_db, 2), "dB", "rxInfo.snr"
    if missed is not None:
        yield _MISSED, missed, "", "fCnt"
    loss = link.window.loss
    if loss is not None and link.window.sent >= LEAST_SENT:
        yield _LOSS, round(100.0 * loss, 1), "%", "fCnt"
    if best is not None and uplink.frequency_hz:
        khz = round(uplink.frequency_hz / 1000)
        share = link.tune(khz, best.rssi_dbm, best.snr_db)
        if link.shows(khz):
            heard = link.frequencies[khz]
            rssi, snr, even = _channels_of(khz)
            yield rssi, round(heard.rssi_dbm, 1), "dBm", "rxInfo.rssi"
            yield snr, round(heard.snr_db, 1), "dB", "rxInfo.snr"
            yield even, round(100.0 * share, 1), "%", "txInfo.frequency"


@lru_cache(maxsize=1024)
def _channels_of(khz: int) -> tuple[Channel, Channel, Channel]:
    prefix = f"{_PREFIX}{khz}"
    return Channel(f"{prefix}.rssi"), Channel(f"{prefix}.snr"), Channel(f"{prefix}.share_of_even")


def _khz_of(channel: Channel) -> int | None:
    if not channel.startswith(_PREFIX):
        return None
    khz = channel.removeprefix(_PREFIX).partition(".")[0]
    return int(khz) if khz.isdecimal() else None
