"""What is told of a link: margin, what was missed, loss, and each frequency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs import LINK_CHANNELS, LinkHealth
from gateway.codecs.link_health import FREQUENCIES
from gateway.types import DevEui, DeviceInfo, Reading, Reception, Uplink

PROBE = DeviceInfo(DevEui("a840410000000001"), "Probe")
STEP_S = 600.0
BASE_S = 1_790_000_000.0


def frame(
    f_cnt: int,
    time_s: float = BASE_S,
    *,
    device: DeviceInfo = PROBE,
    dev_addr: str = "01000001",
    snr_db: float = 5.0,
    rssi_dbm: float = -90.0,
    khz: int | None = 868_100,
    spreading_factor: int | None = 7,
) -> Uplink:
    return Uplink(
        id=f"{dev_addr}/{f_cnt}", device=device, time_s=time_s, received_s=time_s,
        dev_addr=dev_addr, f_cnt=f_cnt, f_port=1, data=b"", object=None,
        receptions=(Reception("far", rssi_dbm - 9, snr_db - 9), Reception("g", rssi_dbm, snr_db)),
        frequency_hz=khz and khz * 1000, spreading_factor=spreading_factor,
    )  # fmt: skip


def told(readings: Iterable[Reading]) -> dict[str, object]:
    return {str(reading.channel): reading.value for reading in readings}


def play(health: LinkHealth, counters: Iterable[int], **changes: object) -> dict[str, object]:
    """Return what is told of the last of these frames, sent one step after another."""
    found: dict[str, object] = {}
    for index, f_cnt in enumerate(counters):
        found = told(health.readings(frame(f_cnt, BASE_S + index * STEP_S, **changes)))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("snr_db", "spreading_factor", "margin_db"),
    [(5.0, 7, 12.5), (-20.0, 12, 0.0), (-9.3, 7, -1.8), (0.0, None, None), (0.0, 13, None)],
)
def test_the_margin_is_that_of_the_best_reception_above_the_floor(
    snr_db: float, spreading_factor: int | None, margin_db: float | None
) -> None:
    one = frame(1, snr_db=snr_db, spreading_factor=spreading_factor)
    assert told(LinkHealth(5).readings(one)).get("radio.link_margin") == margin_db


@pytest.mark.parametrize(
    ("counters", "loss", "missed"),
    [
        (range(20), 0.0, 0),
        (range(0, 40, 2), 48.7, 1),
        (range(0, 400, 2), 49.5, 1),
        ([*range(20), 25], 19.2, 5),
        ([*range(65530, 65550)], 0.0, 0),  # the full counter goes on where 16 bits end
        (range(5), None, 0),  # too few to tell
        ([n for n in range(20) for _ in range(3)], 0.0, None),  # NbTrans 3
        ([*range(20), 18], 0.0, None),
    ],
)
def test_loss_is_told_from_the_full_counter(
    counters: Iterable[int], loss: float | None, missed: int | None
) -> None:
    health = LinkHealth(5)
    found: dict[str, object] = {}
    for index, f_cnt in enumerate(counters):
        time_s = BASE_S + index * 2.0  # as quick as repeats come
        found = told(health.readings(frame(f_cnt, time_s)))
    assert found.get("radio.loss") == loss
    assert found.get("radio.missed") == missed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (range(3, 50, 3), range(20)),  # personalised by hand, and switched off and on
        ([*range(0, 12, 4)], range(20)),
        (range(65500, 65536), range(20)),  # a counter of 16 bits that began again
        (range(10), range(40_000, 40_020)),  # further ahead than a server follows
    ],
)
def test_a_counter_that_starts_again_is_no_loss(before: list[int], after: range) -> None:
    found = play(LinkHealth(5), [*before, *after])
    assert (found["radio.loss"], found["radio.missed"]) == (0.0, 0)


@pytest.mark.parametrize("known", [True, False], ids=["told", "by its address"])
def test_a_join_is_no_loss(*, known: bool) -> None:
    health = LinkHealth(5)
    play(health, range(0, 40, 2))
    first = frame(300, BASE_S + 1e5, dev_addr="01000001" if known else "01000002")
    assert "radio.missed" not in told(health.readings(first, restarted=known))
    assert "radio.loss" not in told(
        health.readings(frame(301, BASE_S + 2e5, dev_addr=first.dev_addr))
    )


def test_a_frame_that_comes_late_fills_its_gap() -> None:
    health = LinkHealth(5)
    play(health, [*range(10), *range(12, 20)])
    late = told(health.readings(frame(10, BASE_S + 9.5 * STEP_S)))
    assert late["radio.loss"] == 5.0
    assert "radio.missed" not in late


def test_frequencies_have_channels_once_there_are_two() -> None:
    health = LinkHealth(5)
    found = play(health, range(10))
    assert not [name for name in found if name.startswith("radio.frequency_")]
    for f_cnt in range(10, 410):
        bad = f_cnt % 4 == 0
        if f_cnt % 16 != 0 and bad:
            continue  # three of four are lost on one of four frequencies
        one = frame(f_cnt, BASE_S + f_cnt * STEP_S, khz=867_100 + 200 * (f_cnt % 4),
                    rssi_dbm=-110.0 if bad else -90.0)  # fmt: skip
        found |= told(health.readings(one))
    assert found["radio.frequency_867100.rssi"] == -110.0
    assert found["radio.frequency_867300.rssi"] == -90.0
    assert found["radio.frequency_867300.snr"] == 5.0
    assert 25 <= float(str(found["radio.frequency_867100.share_of_even"])) <= 40
    assert 110 <= float(str(found["radio.frequency_867300.share_of_even"])) <= 135


def test_a_device_that_hops_everywhere_shows_no_more_than_its_first_frequencies() -> None:
    health = LinkHealth(5)
    names: set[str] = set()
    for f_cnt in range(2000):
        khz = 902_300 + 200 * (f_cnt // 4 % 64)
        names |= set(told(health.readings(frame(f_cnt, BASE_S + f_cnt, khz=khz))))
    stems = {name.rpartition(".")[0] for name in names if name.startswith("radio.frequency_")}
    assert len(stems) == FREQUENCIES


def test_every_channel_begins_as_the_others_are_told() -> None:
    health = LinkHealth(5)
    play(health, range(12))
    found = told(health.readings(frame(12, khz=868_300)))
    assert all(name.startswith(LINK_CHANNELS) for name in found)


def test_only_the_devices_heard_last_are_kept() -> None:
    health = LinkHealth(3)
    for number in range(10):
        device = DeviceInfo(DevEui(f"{number:016x}"))
        health.readings(frame(1, device=device))
    assert len(health) == 3
    health.forget(DevEui(f"{9:016x}"))
    assert len(health) == 2


@dataclass(frozen=True)
class Row:
    dev_addr: str
    f_cnt: int
    time_s: float
    received_s: float
    readings: tuple[Reading, ...]


def test_stored_frames_bring_everything_back() -> None:
    one, other = LinkHealth(5), LinkHealth(5)
    rows = []
    for f_cnt in range(0, 60, 2):
        up = frame(f_cnt, BASE_S + f_cnt * STEP_S, khz=868_100 + 200 * (f_cnt % 3))
        signal = tuple(
            Reading(PROBE.dev_eui, channel, value, "", kind, up.time_s, "")  # type: ignore[arg-type]
            for channel, value, kind in (("radio.rssi", -90.0, ""), ("radio.snr", 5.0, ""))
        )
        readings = (*signal, *one.readings(up))
        rows.append(Row(up.dev_addr, f_cnt, up.time_s, up.received_s, readings))
    other.restore(PROBE.dev_eui, rows)
    for f_cnt in (63, 64, 66):
        up = frame(f_cnt, BASE_S + f_cnt * STEP_S, khz=868_300)
        mine, theirs = told(one.readings(up)), told(other.readings(up))
        share = "radio.frequency_868300.share_of_even"
        assert float(str(mine.pop(share))) == pytest.approx(float(str(theirs.pop(share))), rel=0.1)
        assert mine == theirs


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1) | st.integers(0, 300), st.floats(-1e6, 1e6),
                  st.sampled_from(["a", "b"]), st.integers(860_000, 860_040)),
        max_size=200,
    )
)  # fmt: skip
def test_whatever_the_counters_do_loss_is_a_share(
    frames: list[tuple[int, float, str, int]],
) -> None:
    health = LinkHealth(5)
    for f_cnt, offset_s, dev_addr, khz in frames:
        one = frame(f_cnt, BASE_S + offset_s, dev_addr=dev_addr, khz=khz)
        for reading in health.readings(one):
            if reading.channel == "radio.loss":
                assert 0.0 <= float(reading.value) <= 100.0
            elif reading.channel == "radio.missed":
                assert 0 <= float(reading.value) <= 16384
            elif reading.channel.endswith("share_of_even"):
                assert 0.0 < float(reading.value) <= 100.0 * FREQUENCIES
