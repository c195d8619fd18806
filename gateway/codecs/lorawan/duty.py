"""Whether one may transmit now: duty cycle, dwell time, power, frequency; and if not, when.

The duty cycle is kept in a sliding window of an hour (ETSI EN 300 220-1, section 5.4.1: the ratio
over an observation period of one hour): at no moment has a band been on air for more than its share
of the hour before. Every transmission of the radio counts, joins and acknowledgements too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.codecs.lorawan.regions import Band, Region
from gateway.errors import BadInput

WINDOW_S = 3600.0
_ROUNDING_S = 1e-5
"""What POSIX seconds in a float lose when an hour of them is summed."""

_STEP_S = 1e-3
"""The least that a refused packet is moved by, so that rounding never holds it in place."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """One packet on air, in the past or already promised. `band` is the name of its band."""

    band: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """One packet that somebody wants to send at `start_s`."""

    start_s: float
    airtime_s: float
    frequency_hz: int
    bandwidth_hz: int
    eirp_dbm: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `reason` in snake_case, and `earliest_s` when it may be; None says never so."""

    reason: str
    detail: str
    earliest_s: float | None


def overlap_s(transmission: Transmission, start_s: float, end_s: float) -> float:
    """Return for how long a transmission was on air between two moments."""
    return max(0.0, min(transmission.end_s, end_s) - max(transmission.start_s, start_s))


class AirtimeLedger:
    """What one radio sent and promised to send in the last hour, and the rule of its region.

    Only `book` changes it. Memory is bounded by the duty cycle: what is older than an hour is
    forgotten with each booking. `transmissions` is what must be stored to keep the promise over a
    restart.
    """

    def __init__(
        self,
        region: Region,
        transmissions: Iterable[Transmission] = (),
        *,
        dwell: bool | None = None,
    ) -> None:
        self._region = region
        self._dwell = region.dwell_default if dwell is None else dwell
        self._booked = sorted(transmissions, key=lambda t: t.end_s)

    @property
    def transmissions(self) -> tuple[Transmission, ...]:
        """Return what is booked, in the order of its end."""
        return tuple(self._booked)

    def refusal_or_none(self, wanted: Wanted) -> Refusal | None:
        """Return why a packet may not be sent when it is wanted, None when it may."""
        try:
            band = self._region.band(wanted.frequency_hz, wanted.bandwidth_hz, wanted.eirp_dbm)
        except BadInput as refused:
            return Refusal(refused.reason, refused.detail, None)
        if (dwell := self._dwell_refusal(wanted)) is not None:
            return dwell
        budget_s = band.duty * WINDOW_S
        if wanted.airtime_s > budget_s + _ROUNDING_S:
            detail = f"{wanted.airtime_s:.3f} s is more than band {band.name} has in an hour"
            return Refusal("duty_cycle", detail, None)
        earliest_s = self._earliest_s(wanted, band, budget_s)
        if earliest_s <= wanted.start_s:
            return None
        detail = (
            f"band {band.name} allows {budget_s:g} s an hour: "
            f"wait {earliest_s - wanted.start_s:.1f} s"
        )
        return Refusal("duty_cycle", detail, earliest_s)

    def book(self, wanted: Wanted) -> Refusal | None:
        """Count a packet that will be sent; if it is refused, say why and count nothing."""
        if (refusal := self.refusal_or_none(wanted)) is not None:
            return refusal
        band = self._region.band(wanted.frequency_hz, wanted.bandwidth_hz, wanted.eirp_dbm)
        end_s = wanted.start_s + wanted.airtime_s
        self._booked = [t for t in self._booked if t.end_s > wanted.start_s - WINDOW_S]
        self._booked.append(Transmission(band.name, wanted.start_s, end_s))
        self._booked.sort(key=lambda t: t.end_s)
        return None

    def unbook(self, wanted: Wanted) -> None:
        """Take a packet out that was booked and for certain not sent."""
        end_s = wanted.start_s + wanted.airtime_s
        band = self._region.band(wanted.frequency_hz, wanted.bandwidth_hz, wanted.eirp_dbm)
        booked = Transmission(band.name, wanted.start_s, end_s)
        if booked in self._booked:
            self._booked.remove(booked)

    def used_s(self, band: str, now_s: float) -> float:
        """Return for how long a band was on air in the hour up to now."""
        return sum(overlap_s(t, now_s - WINDOW_S, now_s) for t in self._booked if t.band == band)

    def _dwell_refusal(self, wanted: Wanted) -> Refusal | None:
        rule = self._region.dwell
        if not self._dwell or rule is None or wanted.airtime_s <= rule.limit_s:
            return None
        if rule.below_hz is not None and wanted.bandwidth_hz >= rule.below_hz:
            return None
        detail = f"{wanted.airtime_s:.3f} s on air, {rule.limit_s:g} s is the longest allowed"
        return Refusal("dwell_time", detail, None)

    def _earliest_s(self, wanted: Wanted, band: Band, budget_s: float) -> float:
        """Return the first moment, not before the wanted one, that breaks the rule nowhere.

        The share of a sliding window is greatest where it ends with a transmission, so those ends
        are looked at: the wanted one's own, and of everything promised for later.
        """
        if band.duty >= 1.0:
            return wanted.start_s
        others = [t for t in self._booked if t.band == band.name]
        start_s = wanted.start_s
        while True:
            ends = [start_s + wanted.airtime_s]
            ends += [t.end_s for t in others if t.end_s > ends[0]]
            late = [_moved_s(start_s, wanted.airtime_s, end, others, budget_s) for end in ends]
            if max(late) <= start_s:
                return start_s
            start_s = max(late)


def _moved_s(
    start_s: float, airtime_s: float, end_s: float, others: list[Transmission], budget_s: float
) -> float:
    """Return where the wanted packet must begin so that the window ending at `end_s` holds.

    For its own window (`end_s` is its end) it moves until enough of the past has left the window;
    out of a later one, and from under another packet, it moves altogether.
    """
    own = Transmission("", start_s, start_s + airtime_s)
    spent_s = sum(overlap_s(t, end_s - WINDOW_S, end_s) for t in others)
    if spent_s + overlap_s(own, end_s - WINDOW_S, end_s) <= budget_s + _ROUNDING_S:
        return start_s
    if end_s > own.end_s:
        return end_s
    if crossed := [t.end_s for t in others if overlap_s(t, start_s, own.end_s) > 0]:
        return max(crossed)
    past = [t for t in others if t.end_s <= start_s]
    opens_s = _latest_with_s(past, budget_s - airtime_s)
    return max(opens_s + WINDOW_S - airtime_s, start_s + _STEP_S)


def _latest_with_s(transmissions: list[Transmission], allowed_s: float) -> float:
    """Return the moment from which on these come to `allowed_s`; some may have overlapped."""
    edges = [(t.end_s, 1) for t in transmissions] + [(t.start_s, -1) for t in transmissions]
    edges.sort(reverse=True)
    on_air, spent_s, later_s = 0, 0.0, edges[0][0] if edges else 0.0
    for moment_s, step in edges:
        more_s = on_air * (later_s - moment_s)
        if spent_s + more_s > allowed_s:
            return later_s - (allowed_s - spent_s) / on_air
        spent_s, later_s, on_air = spent_s + more_s, moment_s, on_air + step
    return later_s
