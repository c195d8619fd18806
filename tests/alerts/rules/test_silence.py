"""Silence: learned per device, never our own fault, one alert when many go quiet."""

import heapq
import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from gateway.alerts import AlertEngine, sentence
from gateway.config import Config
from gateway.types import AlertEvent, DevEui, DeviceInfo, EventType

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
TICK_S = 30.0


def device(index: int) -> DeviceInfo:
    return DeviceInfo(DevEui(f"70b3d57ed00000{index:02x}"), f"Probe {index}")


def regular(rng: random.Random, interval_s: float, until_s: float, loss: float = 0.05,
            start_s: float = 0.0) -> Iterator[float]:  # fmt: skip
    time_s = start_s + rng.random() * interval_s
    while time_s < until_s:
        if rng.random() >= loss:
            yield time_s + rng.random() * 5
        time_s += interval_s


def play(
    engine: AlertEngine,
    heard: dict[int, list[float]],
    until_s: float,
    start_s: float = 0.0,
    running: Callable[[float], bool] = lambda _: True,
) -> list[tuple[float, AlertEvent]]:
    """Run receptions and ticks in the order of time."""
    calls = [(time_s, index) for index, times in heard.items() for time_s in times]
    ticks = [(start_s + n * TICK_S, -1) for n in range(int((until_s - start_s) / TICK_S))]
    found: list[tuple[float, AlertEvent]] = []
    for time_s, index in heapq.merge(sorted(calls), ticks):
        if not running(time_s):
            continue
        events = engine.tick(time_s) if index < 0 else engine.heard(device(index), time_s, time_s)
        found += [(time_s, event) for event in events]
    return found


def times_of(index: int, interval_s: float, until_s: float, loss: float = 0.05) -> list[float]:
    return list(regular(random.Random(index), interval_s, until_s, loss))  # noqa: S311


def outside(times: list[float], from_s: float, to_s: float) -> list[float]:
    return [time_s for time_s in times if not from_s <= time_s < to_s]


@pytest.mark.parametrize("interval_s", [60.0, 600.0, 900.0, 3600.0, 4 * 3600.0])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
def test_a_month_of_lossy_regular_devices_raises_almost_nothing(
    interval_s: float, loss: float
) -> None:
    count, until_s = 8, 300 * interval_s
    heard = {n: times_of(n, interval_s, until_s, loss) for n in range(count)}
    found = play(AlertEngine(Config()), heard, until_s)
    news = [event for _, event in found if event.event_type is EventType.NEW]
    assert len(news) <= (0 if loss < 0.1 else 3)


@pytest.mark.parametrize(
    ("interval_s", "limit_s"), [(60.0, 600.0), (900.0, 3600.0), (3600.0, 14400.0)]
)
def test_a_device_that_stops_is_reported_after_its_own_limit(
    interval_s: float, limit_s: float
) -> None:
    until_s = 60 * interval_s
    heard = {n: times_of(n, interval_s, until_s + 20 * interval_s, 0.0) for n in range(4)}
    heard[0] = [time_s for time_s in heard[0] if time_s < until_s]
    ((time_s, event),) = play(AlertEngine(Config()), heard, until_s + 20 * interval_s)
    assert event.alert.dev_eui == device(0).dev_eui
    assert time_s - heard[0][-1] == pytest.approx(limit_s, rel=0.02, abs=TICK_S + 1)
    assert (event.alert.kind, event.alert.cause) == ("silence", "network")


def test_a_silent_device_that_is_heard_again_ends_its_alert_and_is_online() -> None:
    engine = AlertEngine(Config())
    heard = {n: times_of(n, 900, 3 * DAY_S) for n in range(4)}
    heard[0] = outside(heard[0], DAY_S, 2 * DAY_S)
    (_, new), (_, end) = play(engine, heard, 3 * DAY_S)
    assert (new.event_type, end.event_type) == (EventType.NEW, EventType.END)
    assert new.alert.id == end.alert.id
    assert "nothing heard for 60 min" in new.alert.title or "nothing heard" in new.alert.title
    assert engine.available(device(0).dev_eui)
    assert "Check its battery" in sentence(new.alert)


def test_availability_follows_and_is_told_once_each_time() -> None:
    engine = AlertEngine(Config())
    play(engine, {0: times_of(0, 900, DAY_S), 1: times_of(1, 900, 2 * DAY_S)}, 2 * DAY_S)
    assert not engine.available(device(0).dev_eui)
    assert engine.available(device(1).dev_eui)
    assert dict(engine.availability_changes()) == {
        device(0).dev_eui: False,
        device(1).dev_eui: True,
    }
    assert engine.availability_changes() == []
    engine.heard(device(0), 2 * DAY_S, 2 * DAY_S)
    assert engine.availability_changes() == [(device(0).dev_eui, True)]


def test_fewer_than_four_intervals_say_nothing() -> None:
    heard = {0: [0.0, 900.0, 1800.0, 2700.0], 1: times_of(1, 900, 5 * DAY_S)}
    assert play(AlertEngine(Config()), heard, 5 * DAY_S) == []


def test_an_event_driven_device_gets_a_long_limit() -> None:
    rng, times, now_s = random.Random(7), [0.0] * 0, 0.0  # noqa: S311
    while now_s < 20 * DAY_S:
        now_s += rng.lognormvariate(7.0, 1.5)
        times.append(now_s)
    heard = {0: times, 1: times_of(1, 900, 20 * DAY_S), 2: times_of(2, 900, 20 * DAY_S)}
    assert max(later - before for before, later in pairwise(times)) > 8 * HOUR_S
    found = play(AlertEngine(Config()), heard, 20 * DAY_S)
    assert len([event for _, event in found if event.event_type is EventType.NEW]) <= 1


def test_a_device_that_sends_two_frames_at_a_time_is_known_by_its_pauses() -> None:
    single = times_of(0, 900, 3 * DAY_S)
    heard = {0: sorted(single + [time_s + 3 for time_s in single]), 1: times_of(1, 900, 3 * DAY_S)}
    assert play(AlertEngine(Config()), heard, 3 * DAY_S) == []
    ((time_s, _),) = play(
        AlertEngine(Config()), heard | {1: times_of(1, 900, 4 * DAY_S)}, 4 * DAY_S
    )
    assert time_s - 3 * DAY_S < 2 * HOUR_S


def test_events_between_heartbeats_do_not_make_a_device_irregular() -> None:
    rng = random.Random(3)  # noqa: S311
    beats = times_of(0, 3600, 3 * DAY_S, 0.0)
    events = [beat + rng.random() * 60 + 20 * n for beat in beats for n in range(1, 3)]
    heard = {0: sorted(beats + events), 1: times_of(1, 900, 4 * DAY_S)}
    ((time_s, _),) = play(AlertEngine(Config()), heard, 4 * DAY_S)
    assert time_s - 3 * DAY_S < 6 * HOUR_S


def test_a_slower_rhythm_is_learned_after_two_intervals() -> None:
    fast = times_of(0, 900, DAY_S, 0.0)
    slow = list(regular(random.Random(1), 7200, 6 * DAY_S, 0.0, DAY_S))  # noqa: S311
    heard = {0: fast + slow, 1: times_of(1, 900, 6 * DAY_S)}
    found = play(AlertEngine(Config()), heard, 6 * DAY_S)
    begun_s = [time_s for time_s, event in found if event.event_type is EventType.NEW]
    assert len(begun_s) <= 2
    assert all(time_s < DAY_S + 3 * 7200 + 60 for time_s in begun_s)


def test_late_uplinks_do_not_count_as_being_heard() -> None:
    engine = AlertEngine(Config())
    play(engine, {n: times_of(n, 900, DAY_S) for n in range(2)}, DAY_S)
    for step in range(40):
        now_s = DAY_S + step * 300
        assert engine.heard(device(0), DAY_S - 9000, now_s, late=True) == []
        engine.heard(device(1), now_s, now_s)
        engine.tick(now_s)
    assert not engine.available(device(0).dev_eui)


def test_when_everybody_goes_silent_there_is_one_alert_with_the_others_as_peers() -> None:
    heard = {n: outside(times_of(n, 900, 3 * DAY_S), DAY_S, 2 * DAY_S) for n in range(16)}
    found = play(AlertEngine(Config()), heard, 3 * DAY_S)
    assert [event.event_type for _, event in found] == [EventType.NEW, EventType.END]
    alert = found[0][1].alert
    assert alert.cause == "network"
    assert len(alert.peers) == 15
    assert "16 of 16 devices" in alert.title
    assert found[1][0] - 2 * DAY_S < HOUR_S


def test_devices_that_stay_away_after_a_shared_silence_get_their_own_alert() -> None:
    heard = {n: outside(times_of(n, 900, 3 * DAY_S), DAY_S, 2 * DAY_S) for n in range(16)}
    heard[5] = [time_s for time_s in heard[5] if time_s < DAY_S]
    found = play(AlertEngine(Config()), heard, 3 * DAY_S)
    assert [event.event_type for _, event in found] == ["new", "end", "new"]
    assert found[-1][1].alert.dev_eui == device(5).dev_eui


def test_a_pause_of_our_own_silences_nobody() -> None:
    heard = {n: times_of(n, 900, 3 * DAY_S) for n in range(16)}
    found = play(
        AlertEngine(Config()), heard, 3 * DAY_S,
        running=lambda time_s: not DAY_S <= time_s < 2 * DAY_S,
    )  # fmt: skip
    assert found == []


def test_a_short_time_in_which_nobody_is_heard_silences_nobody() -> None:
    heard = {n: outside(times_of(n, 900, 2 * DAY_S), DAY_S, DAY_S + 2600) for n in range(16)}
    assert play(AlertEngine(Config()), heard, 2 * DAY_S) == []


def test_a_restart_gives_everybody_one_limit_of_grace() -> None:
    heard = {n: times_of(n, 900, DAY_S, 0.0) for n in range(16)}
    engine, now_s = AlertEngine(Config()), 2 * DAY_S
    activity = {device(n).dev_eui: times[-64:] for n, times in heard.items()}
    engine.restore([], activity, now_s, [device(n) for n in heard])
    after = {n: list(regular(random.Random(n), 900, 3 * DAY_S, 0.0, now_s)) for n in range(1, 16)}  # noqa: S311
    found = play(engine, after, 3 * DAY_S, now_s)
    ((time_s, event),) = found
    assert event.alert.dev_eui == device(0).dev_eui
    assert event.alert.title.startswith("Probe 0: ")
    assert time_s - now_s == pytest.approx(3600, abs=TICK_S + 1)


def test_a_restart_neither_repeats_nor_forgets_a_silence() -> None:
    heard = {0: times_of(0, 900, DAY_S), 1: times_of(1, 900, 2 * DAY_S)}
    before = AlertEngine(Config())
    ((_, new),) = play(before, heard, 2 * DAY_S)
    after = AlertEngine(Config())
    activity = {device(n).dev_eui: times[-64:] for n, times in heard.items()}
    after.restore(before.open(), activity, 2 * DAY_S)
    later = {1: list(regular(random.Random(1), 900, 3 * DAY_S, 0.0, 2 * DAY_S))}  # noqa: S311
    assert play(after, later, 3 * DAY_S, 2 * DAY_S) == []
    assert not after.available(device(0).dev_eui)
    (end,) = after.heard(device(0), 3 * DAY_S, 3 * DAY_S)
    assert (end.event_type, end.alert.id) == (EventType.END, new.alert.id)


def test_a_restart_in_a_shared_silence_keeps_its_one_alert() -> None:
    heard = {n: times_of(n, 900, DAY_S) for n in range(16)}
    before = AlertEngine(Config())
    ((_, new),) = play(before, heard, 1.5 * DAY_S)
    after = AlertEngine(Config())
    activity = {device(n).dev_eui: times[-64:] for n, times in heard.items()}
    after.restore(before.open(), activity, 1.5 * DAY_S)
    later = {n: list(regular(random.Random(n), 900, 3 * DAY_S, 0, 2 * DAY_S)) for n in heard}  # noqa: S311
    ((_, end),) = play(after, later, 3 * DAY_S, 1.5 * DAY_S)
    assert (end.event_type, end.alert.id) == (EventType.END, new.alert.id)


def test_a_leap_of_the_clock_silences_nobody() -> None:
    engine = AlertEngine(Config())
    play(engine, {n: times_of(n, 900, DAY_S) for n in range(6)}, DAY_S)
    leap_s = 20_000 * DAY_S
    assert engine.tick(leap_s) == []
    later = {n: list(regular(random.Random(n), 900, leap_s + DAY_S, 0, leap_s)) for n in range(6)}  # noqa: S311
    assert play(engine, later, leap_s + DAY_S, leap_s) == []


def test_silence_can_be_switched_off_and_availability_stays() -> None:
    config = Config.model_validate({"alerts": {"silence": {"enabled": False}}})
    engine = AlertEngine(config)
    heard = {0: times_of(0, 900, DAY_S), 1: times_of(1, 900, 2 * DAY_S)}
    assert play(engine, heard, 2 * DAY_S) == []
    assert not engine.available(device(0).dev_eui)


def test_a_forgotten_device_is_never_missed() -> None:
    engine = AlertEngine(Config())
    heard = {0: times_of(0, 900, DAY_S), 1: times_of(1, 900, DAY_S)}
    play(engine, heard, DAY_S)
    engine.forget(device(0).dev_eui)
    later = {1: list(regular(random.Random(1), 900, 3 * DAY_S, 0, DAY_S))}  # noqa: S311
    assert play(engine, later, 3 * DAY_S, DAY_S) == []


def _slow_down(alike: dict[int, str], slower: tuple[int, ...]) -> list[str]:
    """Live through a change from 15 to 60 min at some of three devices; return who is silent."""
    engine = AlertEngine(Config())
    calls = []
    for index, profile in alike.items():
        end_s = DAY_S + (HOUR_S if index in slower else 0.0)
        times = [index * 400.0 + n * 900.0 for n in range(int(DAY_S / 900))]
        step_s = HOUR_S + 30 * (index + 3) if index in slower else 900.0
        times += [times[-1] + step_s * (n + 1) for n in range(int(8 * end_s / DAY_S))]
        calls += [(time_s, index, profile) for time_s in times]
    ticks = [(n * TICK_S, -1, "") for n in range(int((DAY_S + 2 * HOUR_S) / TICK_S))]
    silent = []
    for time_s, index, profile in heapq.merge(sorted(calls), ticks):
        if index < 0:
            events = engine.tick(time_s)
        else:
            one = DeviceInfo(device(index).dev_eui, f"Probe {index}", profile=profile)
            events = engine.heard(one, time_s, time_s)
        silent += [e.alert.dev_eui for e in events if e.event_type is EventType.NEW]
    return silent


def test_devices_of_one_profile_that_slow_down_together_are_not_silent() -> None:
    assert not _slow_down(dict.fromkeys(range(3), "Thermometer"), (0, 1, 2))


def test_a_device_that_is_late_alone_is_silent_whatever_other_profiles_do() -> None:
    silent = _slow_down({0: "Thermometer", 1: "Thermometer", 2: "Soil probe"}, (2,))

    assert silent == [device(2).dev_eui]
