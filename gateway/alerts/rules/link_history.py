"""One device's link over time: the newest hearings in full, the last two weeks as medians.

Loss is told from the share of hearings that came after a gap. It equals the loss where frames are
lost one by one, and an outage of our own, however long, is a single gap in it.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

_Number = TypeVar("_Number", int, float)

NEWEST = 24
"""Hearings that a median of now is made of."""

RECENT = 64
"""Hearings that are remembered one by one."""

_BLOCK = 16
_BLOCK_S = 4 * 3600.0
_BLOCKS = 84
_MOST_COUNTED = 0xFFFF
_NEEDED = 12  # two days of a device that speaks four times an hour
_HELD_BACK = 2  # the newest blocks, so that what is wrong now is not yet usual
_FREQUENCIES = 16
_WORSE_DB = 8.0
_RARE_PERCENT = 40.0
_COMPARED = 3
_MAD = 1.4826  # standard deviations in a median absolute deviation


@dataclass(frozen=True, slots=True)
class Heard:
    """One uplink's link. What it does not tell is None; `missed` counts the frames before it."""

    rssi_dbm: float
    snr_db: float
    margin_db: float | None = None
    spreading_factor: int | None = None
    missed: int | None = None
    mhz: float | None = None
    mean_rssi_dbm: float = 0.0
    mean_snr_db: float = 0.0
    even_percent: float = 100.0


@dataclass(frozen=True, slots=True)
class BadFrequency:
    """One frequency that is heard worse than the device's others; one of the two is why."""

    mhz: float
    below_db: float
    even_percent: float


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """How a device is heard now, and usually. Losses are shares; what is unknown is None."""

    loss: float
    rssi_dbm: float
    snr_db: float
    margin_db: float | None = None
    spreading_factor: int | None = None
    usual_loss: float | None = None
    usual_rssi_dbm: float | None = None
    frequency: BadFrequency | None = None

    @property
    def fall_db(self) -> float:
        """By how much the signal is weaker than usual; 0 when that is unknown."""
        return 0.0 if self.usual_rssi_dbm is None else self.usual_rssi_dbm - self.rssi_dbm


def surely(gaps: int, hearings: int, z: float) -> float:
    """Return the share that gaps surely have: Wilson's lower bound at `z` standard deviations."""
    if not hearings:
        return 0.0
    share, spread = gaps / hearings, z * z / hearings
    root = math.sqrt(share * (1 - share) * spread + spread * spread / 4)
    return (share + spread / 2 - root) / (1 + spread)


def median(values: Iterable[float]) -> float:
    """Return the middle of at least one value; `statistics` would cost megabytes to load."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _floats() -> array[float]:
    return array("f")


@dataclass(slots=True)
class LinkHistory:
    """What is remembered of one device, under 3 kB.

    `usual_rssi_dbm` is the median of the last two weeks, `usual_loss` their loss, both None before
    two days or so are known; `spread_db` is how much the signal itself changes from one part of a
    day to another.
    """

    spreading_factor: int | None = None
    hearings: int = 0
    usual_rssi_dbm: float | None = None
    usual_loss: float | None = None
    spread_db: float = 0.0
    _rssi: array[float] = field(default_factory=_floats)
    _snr: array[float] = field(default_factory=_floats)
    _margin: array[float] = field(default_factory=_floats)
    _gaps: int = 0  # bit n: the nth newest counted hearing came after a gap
    _counted: int = 0
    _block_rssi: array[float] = field(default_factory=_floats)
    _block_gaps: array[int] = field(default_factory=lambda: array("H"))
    _block_counted: array[int] = field(default_factory=lambda: array("H"))
    _in_block: list[int] = field(default_factory=lambda: [0, 0, 0])
    _block_s: float | None = None
    _frequencies: dict[float, tuple[float, float, float]] = field(default_factory=dict)

    def hear(self, heard: Heard, time_s: float) -> None:
        """Take one uplink."""
        self.hearings += 1
        self.spreading_factor = heard.spreading_factor
        _keep(self._rssi, heard.rssi_dbm, RECENT)
        _keep(self._snr, heard.snr_db, RECENT)
        if heard.margin_db is not None:
            _keep(self._margin, heard.margin_db, NEWEST)
        if heard.missed is not None:
            self._gaps = (self._gaps << 1 | (heard.missed > 0)) & ((1 << RECENT) - 1)
            self._counted = min(self._counted + 1, RECENT)
        if heard.mhz is not None and (
            heard.mhz in self._frequencies or len(self._frequencies) < _FREQUENCIES
        ):
            means = heard.mean_rssi_dbm, heard.mean_snr_db, heard.even_percent
            self._frequencies[heard.mhz] = means
        self._settle(heard.missed, time_s)

    def gaps(self, hearings: int) -> tuple[int, int]:
        """Return how many of the newest hearings came after a gap, and of how many."""
        return (self._gaps & ((1 << hearings) - 1)).bit_count(), min(self._counted, hearings)

    def facts(self) -> LinkFacts:
        """Return what is known. At least one uplink was heard."""
        gaps, counted = self.gaps(RECENT)
        return LinkFacts(
            loss=gaps / counted if counted else 0.0,
            rssi_dbm=self.rssi_dbm,
            snr_db=median(self._snr[-NEWEST:]),
            margin_db=self.margin_db,
            spreading_factor=self.spreading_factor,
            usual_loss=self.usual_loss,
            usual_rssi_dbm=self.usual_rssi_dbm,
            frequency=self._bad_frequency(),
        )

    @property
    def rssi_dbm(self) -> float:
        """The median signal of the newest hearings."""
        return median(self._rssi[-NEWEST:])

    @property
    def margin_db(self) -> float | None:
        """The median margin of the newest hearings that had one."""
        return median(self._margin) if self._margin else None

    def _settle(self, missed: int | None, time_s: float) -> None:
        """Close a block of hearings once it is long enough and holds enough."""
        if self._block_s is None:
            self._block_s = time_s
        block = self._in_block
        block[0] += 1
        if missed is not None and block[2] < _MOST_COUNTED:
            block[1] += missed > 0
            block[2] += 1
        if block[0] < _BLOCK or 0 <= time_s - self._block_s < _BLOCK_S:
            return
        _keep(self._block_rssi, median(self._rssi[-_BLOCK:]), _BLOCKS)
        _keep(self._block_gaps, block[1], _BLOCKS)
        _keep(self._block_counted, block[2], _BLOCKS)
        self._in_block, self._block_s = [0, 0, 0], time_s
        self._reckon()

    def _reckon(self) -> None:
        """Reckon what is usual anew."""
        before = self._block_rssi[:-_HELD_BACK]
        if len(before) < _NEEDED:
            return
        middle = self.usual_rssi_dbm = median(before)
        self.spread_db = _MAD * median(abs(one - middle) for one in before)
        counted = sum(self._block_counted[:-_HELD_BACK])
        if counted:
            self.usual_loss = sum(self._block_gaps[:-_HELD_BACK]) / counted

    def _bad_frequency(self) -> BadFrequency | None:
        """Return the worst one, where it is clearly worse than the middle of the others."""
        found: list[tuple[float, BadFrequency]] = []
        for mhz, (rssi, snr, even) in self._frequencies.items():
            others = [one for key, one in self._frequencies.items() if key != mhz]
            if len(others) < _COMPARED - 1:
                return None
            below_db = max(
                median(one[0] for one in others) - rssi,
                median(one[1] for one in others) - snr,
            )
            if below_db >= _WORSE_DB or even <= _RARE_PERCENT:
                badness = below_db / _WORSE_DB + (1 - even / 100.0)
                found.append((badness, BadFrequency(mhz, below_db, even)))
        return max(found, key=lambda one: one[0])[1] if found else None


def _keep(values: array[_Number], newest: _Number, most: int) -> None:
    values.append(newest)
    if len(values) > most:
        del values[0]


def heard_of(values: Mapping[str, float], frequency: Sequence[str]) -> Heard | None:
    """Return the link of one uplink by its `radio.` channels; None when it has no signal.

    `frequency` are the names of its channels by frequency.
    """
    rssi, snr = values.get("radio.rssi"), values.get("radio.snr")
    if rssi is None or snr is None:
        return None
    factor, missed = values.get("radio.spreadingFactor"), values.get("radio.missed")
    stem = frequency[0].rpartition(".")[0] if frequency else ""
    khz = stem.rpartition("_")[2]
    return Heard(
        rssi, snr, values.get("radio.link_margin"),
        spreading_factor=None if factor is None else int(factor),
        missed=None if missed is None else int(missed),
        mhz=int(khz) / 1000 if khz.isdecimal() else None,
        mean_rssi_dbm=values.get(f"{stem}.rssi", rssi),
        mean_snr_db=values.get(f"{stem}.snr", snr),
        even_percent=values.get(f"{stem}.share_of_even", 100.0),
    )  # fmt: skip
