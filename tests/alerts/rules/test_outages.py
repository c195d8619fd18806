"""Whose silence is one: a radio gateway's devices, the site's, and what was told before."""

import heapq
from collections.abc import Iterable

import pytest

from gateway.alerts import AlertEngine
from gateway.config import Config
from gateway.types import Alert, AlertEvent, DevEui, DeviceInfo, EventType, Reception, Uplink

HOUR_S = 3600.0
TICK_S = 30.0
LOST_S = 24 * HOUR_S
NORTH, SOUTH = ("0016c001f17adc38",), ("00800000a000e24f",)
BOTH = NORTH + SOUTH


class Site:
    """Devices that are heard by some radio gateways; keeps what was told."""

    def __init__(self) -> None:
        self.engine = AlertEngine(Config())
        self.events: list[AlertEvent] = []
        self.gateways: dict[int, tuple[str, ...]] = {}
        self.intervals: dict[int, float] = {}
        self.now_s = 0.0

    def add(self, numbers: Iterable[int], gateways: tuple[str, ...], every_s: float) -> None:
        for number in numbers:
            self.gateways[number], self.intervals[number] = gateways, every_s

    def run(self, until_s: float, *, silent: Iterable[int] = (), cut_off: bool = False) -> None:
        """Let time pass; those who are `silent` say nothing."""
        quiet = set(silent)
        agenda = [
            (time_s, number)
            for number, every_s in self.intervals.items() if number not in quiet
            for time_s in steps(self.now_s + number, until_s, every_s)
        ]  # fmt: skip
        ticks = [(time_s, -1) for time_s in steps(self.now_s, until_s, TICK_S)]
        for time_s, number in heapq.merge(sorted(agenda), ticks):
            if number < 0:
                self.events += self.engine.tick(time_s, cut_off=cut_off)
            else:
                self.hear(number, time_s)
        self.now_s = until_s

    def hear(self, number: int, time_s: float) -> None:
        info = device(number)
        uplink = Uplink(
            id=f"{number}/{time_s}", device=info, time_s=time_s, received_s=time_s,
            dev_addr="01020304", f_cnt=0, f_port=1, data=b"", object=None,
            receptions=tuple(Reception(name, -90.0, 5.0) for name in self.gateways[number]),
        )  # fmt: skip
        self.events += self.engine.heard(info, time_s, time_s, uplink=uplink)

    def new(self) -> list[Alert]:
        return [event.alert for event in self.events if event.event_type is EventType.NEW]


def device(number: int) -> DeviceInfo:
    application = "field" if number < 20 else "house"
    return DeviceInfo(
        DevEui(f"70b3d57ed00000{number:02x}"), f"Probe {number}", application=application
    )


def steps(start_s: float, until_s: float, every_s: float) -> list[float]:
    return [start_s + at * every_s for at in range(int((until_s - start_s) / every_s) + 1)]


def test_the_devices_of_a_lost_radio_gateway_are_one_alert_that_names_it() -> None:
    site = Site()
    site.add(range(4), NORTH, 900.0)
    site.add(range(4, 12), SOUTH, 900.0)
    site.run(LOST_S)
    site.run(LOST_S + 6 * HOUR_S, silent=range(4))

    (alert,) = site.new()
    assert (alert.kind, alert.cause) == ("silence", "network")
    assert {alert.dev_eui, *alert.peers} == {device(number).dev_eui for number in range(4)}
    assert NORTH[0] in alert.title
    assert NORTH[0] in alert.evidence[0]
    site.run(site.now_s + HOUR_S)
    assert not site.engine.open()


def test_devices_that_another_gateway_hears_too_are_not_its_loss() -> None:
    site = Site()
    site.add(range(3), BOTH, 900.0)
    site.add(range(4, 12), SOUTH, 900.0)
    site.run(LOST_S)
    site.run(LOST_S + 6 * HOUR_S, silent=range(3))

    assert [alert.peers for alert in site.new()] == [(), (), ()]


def test_a_slow_device_joins_the_open_outage_of_its_gateway() -> None:
    site = Site()
    site.add(range(4), NORTH, 900.0)
    site.add([5], NORTH, 4 * HOUR_S)
    site.add(range(6, 18), SOUTH, 900.0)
    site.run(4 * LOST_S)
    site.run(4 * LOST_S + 30 * HOUR_S, silent=[0, 1, 2, 3, 5])

    assert len(site.new()) == 1
    (alert,) = site.engine.open()
    assert device(5).dev_eui in alert.peers
    assert "5 devices" in alert.title


def test_who_was_heard_after_an_outage_began_has_a_silence_of_its_own() -> None:
    site = Site()
    site.add(range(8), BOTH, 900.0)
    site.add([20], BOTH, HOUR_S)
    site.run(2 * LOST_S)
    site.run(site.now_s + 12 * HOUR_S, silent=range(8))
    site.run(site.now_s + 12 * HOUR_S, silent=[*range(8), 20])

    outage, single = site.new()
    assert (len(outage.peers), single.dev_eui) == (7, device(20).dev_eui)


def test_a_silence_told_before_is_folded_into_the_outage_that_it_began_with() -> None:
    site = Site()
    site.add([0], NORTH, 60.0)
    site.add(range(1, 9), NORTH, 4 * HOUR_S)
    site.run(5 * LOST_S)
    site.run(5 * LOST_S + 24 * HOUR_S, silent=range(9))

    single, outage = site.new()
    ends = [event.alert for event in site.events if event.event_type is EventType.END]
    assert (single.peers, len(outage.peers)) == ((), 8)
    assert [(one.id, one.folded_into) for one in ends] == [(single.id, outage.id)]
    assert [alert.id for alert in site.engine.open()] == [outage.id]


def test_a_broker_that_cannot_be_reached_is_the_first_evidence() -> None:
    site = Site()
    site.add(range(8), NORTH, 900.0)
    site.run(LOST_S)
    site.run(LOST_S + 6 * HOUR_S, silent=range(8), cut_off=True)

    (alert,) = site.new()
    assert "broker is down" in alert.evidence[0]
    assert any("No device at all" in said for said in alert.evidence)


def test_only_one_application_that_falls_silent_is_said() -> None:
    site = Site()
    site.add(range(8), BOTH, 900.0)
    site.add(range(20, 24), BOTH, 900.0)
    site.run(LOST_S)
    site.run(LOST_S + 6 * HOUR_S, silent=range(8))

    (alert,) = site.new()
    assert "All are of the application field, and others are heard." in alert.evidence


@pytest.mark.parametrize("overrun", [1.2, 2.5])
def test_a_device_that_came_back_by_itself_is_not_told_of_for_the_like_again(
    overrun: float,
) -> None:
    site = Site()
    site.add([0], NORTH, 900.0)
    site.add(range(1, 6), NORTH, 850.0)
    site.run(LOST_S)
    for _ in range(5):
        site.run(site.now_s + overrun * HOUR_S, silent=[0])
        site.run(site.now_s + 20 * HOUR_S)

    assert len(site.new()) == 1


def test_a_long_outage_hides_no_later_one() -> None:
    site = Site()
    site.add([0], NORTH, 900.0)
    site.add(range(1, 6), NORTH, 850.0)
    site.run(LOST_S)
    for _ in range(3):
        site.run(site.now_s + 6 * HOUR_S, silent=[0])
        site.run(site.now_s + 20 * HOUR_S)

    assert len(site.new()) == 3
