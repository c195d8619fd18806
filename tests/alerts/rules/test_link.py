"""Links that become bad: few alerts, true, and with the advice that fits. Links are simulated."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from gateway.alerts import AlertEngine, sentence
from gateway.codecs import LinkHealth, ReadingMapper
from gateway.config import Config
from gateway.types import Alert, AlertEvent, DevEui, DeviceInfo, EventType, Reception, Uplink

DAY_S = 86400.0
STEP_S = 900.0
BEGUN_S = 1_790_000_000.0
FLOOR_DB = {7: -7.5, 9: -12.5, 12: -20.0}
NOISE_DBM = -117.0


@dataclass(frozen=True)
class Air:
    """What a link is like: signal with shadowing, noise, collisions, a bad frequency."""

    rssi_dbm: float = -95.0
    shadow_db: float = 3.0
    noise_dbm: float = NOISE_DBM
    lost: float = 0.03
    spreading_factor: int = 7
    bad_khz: int = 0
    repeats: int = 1
    dev_addr: str = "01000001"


GOOD = Air()
Weather = Callable[[float], Air]


def always(air: Air) -> Weather:
    return lambda _: air


def after(day: float, then: Air, before: Air = GOOD) -> Weather:
    return lambda time_s: before if time_s < BEGUN_S + day * DAY_S else then


class Farm:
    """Devices over one engine; the frames that the air lets through are heard."""

    def __init__(self, seed: int = 1, **link: object) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation
        self.config = Config.model_validate({"alerts": {"link": link}})
        self.restart()
        self.events: list[AlertEvent] = []

    def restart(self) -> None:
        self.engine = AlertEngine(self.config)
        self.health = LinkHealth(100)
        self.mapper = ReadingMapper(self.config)
        self.counters: dict[int, int] = {}

    def run(
        self, days: float, weather: Weather, *, devices: int = 1, from_day: float = 0.0,
        count: Callable[[int], int] = lambda f_cnt: f_cnt, late: bool = False,
    ) -> list[AlertEvent]:  # fmt: skip
        """Let time pass; return what came of it."""
        found = []
        for step in range(int(days * DAY_S / STEP_S)):
            time_s = BEGUN_S + from_day * DAY_S + step * STEP_S
            for number in range(devices):
                self.counters[number] = f_cnt = self.counters.get(number, -1) + 1
                for up in self.heard(number, count(f_cnt), time_s + number, weather(time_s)):
                    readings, _ = self.mapper.readings(up)
                    readings += self.health.readings(up)
                    found += self.engine.consider(up.device, (), readings, time_s, late=late)
        self.events += found
        return found

    def heard(self, number: int, f_cnt: int, time_s: float, air: Air) -> Iterator[Uplink]:
        device = DeviceInfo(DevEui(f"a84041000000{number:04x}"), f"Probe {number}")
        for repeat in range(air.repeats):
            khz = 868_100 + 200 * self.random.randrange(8)
            rssi = self.random.gauss(air.rssi_dbm, air.shadow_db)
            snr = min(rssi - air.noise_dbm + self.random.gauss(0, 1), 11.0)
            weak = snr < FLOOR_DB[air.spreading_factor]
            lost = self.random.random() < (0.95 if khz == air.bad_khz else air.lost)
            if not weak and not lost:
                shown = rssi if snr > 0 else 10 * math.log10(
                    10 ** (rssi / 10) + 10 ** (air.noise_dbm / 10))  # fmt: skip
                yield Uplink(
                    id=f"{f_cnt}/{repeat}", device=device, time_s=time_s + 3 * repeat,
                    received_s=time_s + 3 * repeat, dev_addr=air.dev_addr, f_cnt=f_cnt, f_port=1,
                    data=b"", object=None, receptions=(Reception("g", round(shown), snr),),
                    frequency_hz=khz * 1000, spreading_factor=air.spreading_factor,
                )  # fmt: skip

    def open(self) -> Alert:
        (alert,) = self.engine.open()
        return alert


def steps(events: list[AlertEvent]) -> list[str]:
    return [str(event.event_type) for event in events]


@pytest.mark.parametrize(
    ("weather", "title", "advice", "severity"),
    [
        pytest.param(after(5, Air(-112, 1.5)), "weaker than usual, at -112 dBm", "fallen", "info",
                     id="the antenna was covered"),
        pytest.param(after(5, Air(-122, 3.0)), "of its messages are lost", "antenna is loose",
                     "warning", id="the antenna fell"),
        pytest.param(always(Air(-123, 3.0)), "above what can be heard",
                     "Raise or move its antenna, or put a gateway or relay nearer; a slower data "
                     "rate than SF7 helps until then.", "warning", id="far away"),
        pytest.param(always(Air(-136, 3.0, spreading_factor=12)), "above what can be heard",
                     "or put a gateway or relay nearer.", "warning", id="far away and slow"),
        pytest.param(always(Air(-88, 3.0, noise_dbm=-81.5)), "in noise", "Use other frequencies",
                     "warning", id="a source of noise"),
        pytest.param(always(Air(-70, 3.0, lost=0.45)), "though it is heard well (-7",
                     "Send fewer or shorter messages", "warning", id="collisions"),
        pytest.param(always(Air(-95, 3.0, lost=0.45, spreading_factor=12)), "though it is heard",
                     "a faster data rate than SF12 would do so and save battery.", "warning",
                     id="collisions of long messages"),
        pytest.param(always(Air(-90, 3.0, lost=0.3, bad_khz=868_500)), "868.5 MHz brings",
                     "Take 868.5 MHz out of its channels", "warning", id="one bad frequency"),
    ],
)  # fmt: skip
def test_a_bad_link_is_told_with_what_to_do(
    weather: Weather, title: str, advice: str, severity: str
) -> None:
    farm = Farm()
    events = farm.run(9, weather)
    assert steps(events)[0] == "new"
    assert steps(events).count("new") == 1
    alert = farm.open()
    assert (alert.rule, alert.kind, alert.cause) == ("link", "link", "network")
    assert title in alert.title
    assert advice in alert.advice
    assert str(alert.severity) == severity
    assert sum(reason.share for reason in alert.reason) == pytest.approx(1.0)
    assert sentence(alert).startswith("Probe 0: ")


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "air",
    [
        pytest.param(GOOD, id="ordinary"),
        pytest.param(Air(-110, 5.0, lost=0.08), id="weak and a little lossy"),
        pytest.param(Air(-130, 0.7, spreading_factor=12, lost=0.01), id="slow"),
        pytest.param(Air(-120, 1.0, lost=0.01), id="always at the edge, losing nothing"),
        pytest.param(Air(-95, 3.0, lost=0.3, repeats=3), id="every frame three times"),
    ],
)
def test_an_ordinary_link_is_no_alert_in_thirty_days(air: Air, seed: int) -> None:
    assert Farm(seed).run(30, always(air)) == []


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(lambda f_cnt: f_cnt % 100, id="switched off and on every day"),
        pytest.param(lambda f_cnt: 65_000 + f_cnt, id="past 16 bits"),
        pytest.param(lambda f_cnt: (65_000 + f_cnt) % 65_536, id="back to 0 after 16 bits"),
        pytest.param(lambda f_cnt: f_cnt + 60 * (f_cnt // 200), id="we were out now and then"),
    ],
)
def test_what_a_counter_does_by_itself_is_no_alert(count: Callable[[int], int]) -> None:
    assert Farm().run(20, always(GOOD), count=count) == []


def test_a_join_is_no_alert() -> None:
    farm = Farm()
    farm.run(3, always(GOOD))
    farm.counters[0] = -1
    assert farm.run(3, always(replace(GOOD, dev_addr="01000002")), from_day=3) == []


def test_a_device_that_moves_about_is_no_alert() -> None:
    chance = random.Random(3)  # noqa: S311
    places = [chance.uniform(-108, -60) for _ in range(200)]
    weather = lambda time_s: Air(places[int((time_s - BEGUN_S) / (6 * 3600.0))])  # noqa: E731
    assert Farm().run(30, weather) == []


def test_it_ends_by_itself_and_does_not_flap() -> None:
    farm = Farm()
    events = farm.run(5, always(GOOD)) + farm.run(4, always(Air(lost=0.5)), from_day=5)
    events += farm.run(10, always(GOOD), from_day=9)
    assert steps([events[0], events[-1]]) == ["new", "end"]
    assert set(steps(events[1:-1])) <= {"update"}
    assert len({event.alert.id for event in events}) == 1


@pytest.mark.parametrize("hours", [1, 4])
def test_a_bad_hour_is_no_alert(hours: float) -> None:
    farm = Farm()
    farm.run(5, always(GOOD))
    farm.run(hours / 24, always(Air(lost=0.8)), from_day=5)
    farm.run(5, always(GOOD), from_day=5 + hours / 24)
    assert farm.events == []


def test_a_fall_that_stays_is_the_new_normal_after_two_weeks() -> None:
    events = Farm().run(40, after(6, Air(-75, 2.0), before=Air(-55, 2.0)))
    assert steps(events) == ["new", "end"]
    assert events[1].alert.end_s is not None
    lasted_s = events[1].alert.end_s - events[0].alert.first_seen_s
    assert 13 * DAY_S < lasted_s < 16 * DAY_S


def test_late_uplinks_never_raise() -> None:
    assert Farm().run(9, always(Air(lost=0.6)), late=True) == []


def test_it_can_be_switched_off_and_tuned() -> None:
    assert Farm(enabled=False).run(5, always(Air(lost=0.6))) == []
    assert Farm(loss_percent=80).run(5, always(Air(lost=0.6))) == []
    assert steps(Farm(loss_percent=5).run(5, always(Air(lost=0.2))))[0] == "new"


def test_an_alert_goes_on_after_a_restart_and_ends() -> None:
    farm = Farm()
    (begun,) = farm.run(4, always(Air(lost=0.6)))[:1]
    kept = farm.engine.open()
    farm.restart()
    farm.engine.restore(kept, {}, BEGUN_S + 4 * DAY_S)
    bad = farm.run(2, always(Air(lost=0.6)), from_day=4)
    assert "new" not in steps(bad)
    assert "end" not in steps(bad)
    good = farm.run(4, always(GOOD), from_day=6)
    assert steps(good)[-1] == "end"
    assert good[-1].alert.id == begun.alert.id


@pytest.mark.parametrize(
    ("weather", "title", "advice"),
    [
        (after(5, Air(lost=0.5)), "Farm: 8 of 8 devices lose", "listens on every frequency"),
        (after(5, Air(-118, 1.5)), "8 devices are heard weaker than usual", "gateway's antenna"),
    ],
    ids=["loss", "fall"],
)
def test_trouble_of_the_whole_site_is_one_alert(weather: Weather, title: str, advice: str) -> None:
    farm = Farm()
    events = farm.run(8, weather, devices=8)
    alert = farm.open()
    assert steps(events).count("new") == 1
    assert alert.rule == "link-site"
    assert title in alert.title
    assert advice in alert.advice
    assert len(alert.peers) == 7
    kept = farm.engine.open()
    farm.restart()
    farm.engine.restore(kept, {}, BEGUN_S + 8 * DAY_S)
    assert steps(farm.run(6, always(GOOD), devices=8, from_day=8)) == ["end"]


def test_a_forgotten_devices_alert_ends() -> None:
    farm = Farm()
    farm.run(4, always(Air(lost=0.6)))
    (event,) = farm.engine.forget(farm.open().dev_eui)
    assert event.event_type is EventType.END
    assert farm.engine.open() == []
