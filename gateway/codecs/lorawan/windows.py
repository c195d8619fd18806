"""When and how a device listens: RX1, RX2, and class C's RX2 that is always open.

A single radio transmits on any frequency, so it can serve RX2 of another channel too; what it must
keep is the moment. Times are seconds after the *end* of the uplink, to 20 µs (LoRaWAN 1.0.3,
section 3.3.1): the radio board's own clock must time it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.codecs.lorawan.airtime import Modulation, airtime_s
from gateway.codecs.lorawan.regions import JOIN_ACCEPT_DELAY1_S, RX2_AFTER_RX1_S, Region, region
from gateway.codecs.lorawan.session import Hearing, RxSettings, Session
from gateway.errors import BadInput


@dataclass(frozen=True, slots=True)
class ReceiveWindow:
    """One moment, or for class C any moment, at which a device hears a downlink.

    `name` is `rx1`, `rx2` or `rxc`. `max_mac_payload` is M, the most bytes between MHDR and MIC.
    Downlinks are sent with inverted IQ, so that devices do not hear each other nor gateways.
    """

    name: str
    opens_s: float
    frequency_hz: int
    spreading_factor: int
    bandwidth_hz: int
    max_mac_payload: int
    iq_inverted: bool = True

    @property
    def modulation(self) -> Modulation:
        """Return how a downlink is sent in it: without payload CRC."""
        return Modulation(self.spreading_factor, self.bandwidth_hz, crc=False)

    def airtime_s(self, phy_payload: bytes) -> float:
        """Return how long this downlink would be on air."""
        return airtime_s(len(phy_payload), self.modulation)


def windows(session: Session, hearing: Hearing) -> tuple[ReceiveWindow, ...]:
    """Return RX1 and RX2 after an uplink.

    RX1 is left out where the region has none for the uplink's channel or data rate: a device off
    the plan's channels is heard in RX2 alone.

    Raises
    ------
    BadInput
        `unknown_region`, or `unknown_data_rate` in the session's own settings.

    """
    return _both(region(session.region), session.rx, hearing, session.rx.rx1_delay_s)


def join_windows(plan: Region, hearing: Hearing) -> tuple[ReceiveWindow, ...]:
    """Return RX1 and RX2 for a join-accept: the region's defaults, 5 s and 6 s later."""
    return _both(plan, RxSettings.default(plan), hearing, JOIN_ACCEPT_DELAY1_S)


def class_c_window(session: Session) -> ReceiveWindow:
    """Return the window that a class C device keeps open whenever it does not send."""
    return _rx2(region(session.region), session.rx, "rxc", 0.0)


def _both(
    plan: Region, rx: RxSettings, hearing: Hearing, delay_s: int
) -> tuple[ReceiveWindow, ...]:
    second = _rx2(plan, rx, "rx2", float(delay_s + RX2_AFTER_RX1_S))
    try:
        uplink = plan.data_rate_index(hearing.spreading_factor, hearing.bandwidth_hz)
        index = plan.rx1_data_rate(uplink, rx.rx1_dr_offset, dwell=rx.downlink_dwell)
        moved_hz = dict(rx.rx1_moved).get(hearing.frequency_hz)
        frequency_hz = moved_hz or plan.rx1_frequency_hz(hearing.frequency_hz)
    except BadInput:
        return (second,)
    return (_window(plan, rx, ("rx1", float(delay_s)), frequency_hz, index), second)


def _rx2(plan: Region, rx: RxSettings, name: str, opens_s: float) -> ReceiveWindow:
    return _window(plan, rx, (name, opens_s), rx.rx2_frequency_hz, rx.rx2_data_rate)


def _window(
    plan: Region, rx: RxSettings, opening: tuple[str, float], frequency_hz: int, index: int
) -> ReceiveWindow:
    rate = plan.data_rate(index)
    most = plan.max_mac_payload(index, dwell=rx.downlink_dwell)
    return ReceiveWindow(*opening, frequency_hz, rate.spreading_factor, rate.bandwidth_hz, most)
