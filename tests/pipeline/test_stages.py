"""What one delivery comes to: stored, a repeat, late, put aside, or news of another kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chirpstack_events import eui, up, uplink_id
from gateways import NOW_S, Bench, bench, delivery, settings
from server_events import changed, join, location, log, status, txack

from gateway.inference import load_model
from gateway.types import DevEui

VALUES = {"TempC_SHT": 20.5, "Hum_SHT": 55.5, "BatV": 3.1}
PROBE = eui(1)
OTHER_ID = "0b6f9c3e-55a4-4b0e-9d0a-6f1d2c3b4a59"
HOT = {"name": "hot", "channel": "air.temperature", "above": 30.0}


def frame(f_cnt: int, at_s: float = NOW_S, **values: object) -> tuple[str, bytes]:
    return up(PROBE, f_cnt, at_s, VALUES | values)


async def test_an_uplink_becomes_stored_readings() -> None:
    async with bench(settings()) as gateway:
        await gateway.hear(frame(7))

        (row,) = gateway.stored()
        assert row.record.uid == uplink_id(PROBE, 7)
        assert (row.record.dev_eui, row.record.f_cnt, row.record.late) == (PROBE, 7, False)
        found = {one.channel: (one.value, one.unit, one.key) for one in row.record.readings}
        assert found["air.temperature"] == (20.5, "°C", "TempC_SHT")
        assert found["device.battery_v"] == (3.1, "V", "BatV")
        assert found["radio.rssi"] == (-90.0, "dBm", "rxInfo.rssi")
        assert {one.time_s for one in row.record.readings} == {NOW_S}
        assert gateway.assembly.summary() | {"readings": 0} == {
            "events": {"up": 1},
            "uplinks": 1,
            "duplicates": 0,
            "quarantined": {},
            "devices": 1,
            "readings": 0,
            "windows_scored": 0,
            "alerts": {"new": 0, "update": 0, "end": 0},
        }
        assert gateway.assembly.summary()["readings"] == len(row.record.readings)


# --- repeats ---------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
async def test_the_same_message_twice_is_stored_once(*, together: bool) -> None:
    async with bench(settings()) as gateway:
        if together:
            await gateway.hear(frame(1), frame(1))
        else:
            await gateway.hear(frame(1))
            await gateway.hear(frame(1))
        assert gateway.uids() == [uplink_id(PROBE, 1)]
        assert gateway.telemetry.counts["duplicates"] == 1


async def test_the_same_message_after_a_restart_is_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(settings(), path) as gateway:
        await gateway.hear(frame(1), join(PROBE, NOW_S, "01aabbcc", OTHER_ID))
    async with bench(settings(), path) as gateway:
        await gateway.hear(frame(1), join(PROBE, NOW_S, "01aabbcc", OTHER_ID))
        assert gateway.uids() == [uplink_id(PROBE, 1)]
        assert gateway.telemetry.counts["duplicates"] == 2


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_the_same_frame_under_another_id_is_stored_once(
    tmp_path: Path, *, restart: bool
) -> None:
    path = tmp_path / "gateway.db"
    again = changed(frame(1), deduplicationId=OTHER_ID)
    async with bench(settings(), path) as gateway:
        await gateway.hear(frame(1))
        if not restart:
            await gateway.hear(again)
        assert gateway.uids() == [uplink_id(PROBE, 1)]
    if restart:
        async with bench(settings(), path) as gateway:
            await gateway.hear(again)
            assert gateway.uids() == [uplink_id(PROBE, 1)]


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_a_counter_that_starts_again_later_is_no_repeat(
    tmp_path: Path, *, restart: bool
) -> None:
    path = tmp_path / "gateway.db"
    later_s = NOW_S + 3 * 3600.0
    again = changed(frame(0, later_s), deduplicationId=OTHER_ID)
    async with bench(settings(), path) as gateway:
        await gateway.hear(*(frame(f_cnt, NOW_S + f_cnt) for f_cnt in range(5)))
        if not restart:
            await gateway.hear(again, received_s=later_s)
            assert len(gateway.uids()) == 6
    if restart:
        async with bench(settings(), path) as gateway:
            await gateway.hear(again, received_s=later_s)
            assert len(gateway.uids()) == 6


async def test_a_device_that_joins_anew_counts_from_zero() -> None:
    async with bench(settings()) as gateway:
        await gateway.hear(frame(0), frame(1, NOW_S + 1))
        await gateway.hear(join(PROBE, NOW_S + 2, "01000fff", OTHER_ID))
        rejoined = changed(
            frame(0, NOW_S + 3),
            devAddr="01000fff",
            deduplicationId="7c1c7e5e-1c43-4a0f-8a63-0d6b1f6e2f10",
        )
        await gateway.hear(rejoined)
        assert len(gateway.uids()) == 3
        assert gateway.telemetry.counts["duplicates"] == 0
        assert gateway.telemetry.events == {"up": 3, "join": 1}


async def test_frames_out_of_order_are_all_stored() -> None:
    async with bench(settings()) as gateway:
        order = [3, 1, 2, 0, 4]
        await gateway.hear(*(frame(f_cnt, NOW_S - 50 + 10 * f_cnt) for f_cnt in order))
        assert gateway.uids() == [uplink_id(PROBE, f_cnt) for f_cnt in order]
        device = gateway.assembly.stages.devices.get(DevEui(PROBE))
        assert device is not None
        assert device.newest_id == uplink_id(PROBE, 4)
        assert device.readings["air.temperature"].time_s == NOW_S - 10


# --- late and retained -----------------------------------------------------------------------


async def test_a_late_uplink_is_stored_and_raises_nothing() -> None:
    config = settings(alerts={"threshold": [HOT]})
    async with bench(config) as gateway:
        late = await gateway.hear(frame(1, NOW_S - 7200, TempC_SHT=50.0), received_s=NOW_S)
        assert [row.record.late for row in gateway.stored()] == [True]
        assert late.alerts == []
        live = await gateway.hear(frame(2, NOW_S, TempC_SHT=50.0), received_s=NOW_S)
        assert [event.alert.rule for event in live.alerts] == ["hot"]


async def test_a_retained_uplink_is_put_aside() -> None:
    async with bench(settings()) as gateway:
        outcome = await gateway.take(delivery(frame(1), NOW_S, retained=True))
        assert gateway.stored() == []
        assert [one.reason for one in outcome.rejected] == ["retained"]
        assert gateway.store.quarantine_counts() == {"retained": 1}


# --- leaves ----------------------------------------------------------------------------------


async def test_a_value_that_is_no_number_costs_only_itself() -> None:
    topic, payload = frame(1)
    async with bench(settings()) as gateway:
        await gateway.hear((topic, payload.replace(b"20.5", b"NaN")))
        (row,) = gateway.stored()
        assert "air.temperature" not in {one.channel for one in row.record.readings}
        assert "air.relativeHumidity" in {one.channel for one in row.record.readings}
        assert gateway.telemetry.quarantined == {"not_finite": 1}


async def test_ten_thousand_keys_are_one_line_in_the_quarantine() -> None:
    many = {f"key{number}": number for number in range(10_000)}
    async with bench(settings()) as gateway:
        await gateway.hear(up(PROBE, 1, NOW_S, many), frame(2))
        assert gateway.uids() == [uplink_id(PROBE, 2)]
        assert gateway.telemetry.quarantined == {"too_many_keys": 1}


# --- limits ----------------------------------------------------------------------------------


async def test_only_named_devices_are_heard_when_so_configured() -> None:
    config = settings(limits={"known_devices_only": True}, devices={PROBE: {"name": "Ours"}})
    async with bench(config) as gateway:
        await gateway.hear(frame(1), up(eui(2), 1, NOW_S, VALUES))
        assert gateway.uids() == [uplink_id(PROBE, 1)]
        assert gateway.telemetry.quarantined == {"unknown_device": 1}
        device = gateway.assembly.stages.devices.get(DevEui(PROBE))
        assert device is not None
        assert device.info.name == "Ours"


async def test_a_full_device_book_still_hears_those_in_it() -> None:
    async with bench(settings(limits={"devices": 2})) as gateway:
        for number in range(4):
            await gateway.hear(up(eui(number), 1, NOW_S, VALUES))
        await gateway.hear(up(eui(0), 2, NOW_S, VALUES))
        assert gateway.uids() == [uplink_id(eui(0), 1), uplink_id(eui(1), 1), uplink_id(eui(0), 2)]
        assert gateway.telemetry.quarantined == {"too_many_devices": 2}


async def test_strangers_are_admitted_at_a_limited_rate() -> None:
    async with bench(settings(limits={"new_devices_per_minute": 3})) as gateway:
        await gateway.hear(*(up(eui(number), 1, NOW_S, VALUES) for number in range(5)))
        assert len(gateway.stored()) == 3
        assert gateway.telemetry.quarantined == {"too_many_new_devices": 2}
        await gateway.hear(up(eui(4), 2, NOW_S + 61, VALUES), received_s=NOW_S + 61)
        assert len(gateway.stored()) == 4


# --- other events ----------------------------------------------------------------------------


async def test_battery_and_place_are_stored_as_readings_without_disturbing_the_last_frame() -> None:
    async with bench(settings()) as gateway:
        await gateway.hear(frame(5))
        await gateway.hear(status(PROBE, NOW_S + 1, "st-1"), location(PROBE, NOW_S + 2, "lo-1"))
        await gateway.hear(status(PROBE, NOW_S + 1, "st-1"))
        facts = {(channel, value) for _, channel, _, value in gateway.facts()}
        assert {("device.battery_percent", 83.5), ("radio.margin", 11.0)} <= facts
        assert ("location.latitude", 52.0116) in facts
        assert len(gateway.stored()) == 3
        assert gateway.telemetry.counts["duplicates"] == 1
        device = gateway.assembly.stages.devices.get(DevEui(PROBE))
        assert device is not None
        assert device.f_cnt == 5
        assert (device.newest_id, device.newest_s) == ("lo-1", NOW_S + 2)


async def test_a_limit_on_the_battery_holds_for_what_the_server_reports_of_it() -> None:
    flat = {"name": "flat", "channel": "device.battery_percent", "below": 20.0}
    async with bench(settings(alerts={"threshold": [flat]})) as gateway:
        old = await gateway.hear(status(PROBE, NOW_S - 7200, "st-0", battery=5.0))
        assert old.alerts == []
        new = await gateway.hear(status(PROBE, NOW_S, "st-1", battery=5.0))
        assert [event.alert.rule for event in new.alerts] == ["flat"]


async def test_a_battery_the_server_does_not_know_is_no_reading() -> None:
    async with bench(settings()) as gateway:
        await gateway.hear(status(PROBE, NOW_S, "st-1", battery=None))
        channels = {channel for _, channel, _, _ in gateway.facts()}
        assert "radio.margin" in channels
        assert "device.battery_percent" not in channels


async def test_what_the_server_remarks_is_kept_as_an_event() -> None:
    async with bench(settings()) as gateway:
        await gateway.hear(
            log(PROBE, NOW_S, "UPLINK_CODEC"), txack(PROBE, NOW_S, OTHER_ID),
            join(PROBE, NOW_S, "01aabbcc", OTHER_ID),
        )  # fmt: skip
        kept = gateway.store.connection.execute("SELECT count(*) FROM event").fetchone()
        assert kept == (3,)
        assert gateway.telemetry.events == {"log": 1, "txack": 1, "join": 1}
        assert gateway.stored() == []


async def test_a_restart_knows_every_device_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"

    def shown(gateway: Bench) -> str:
        device = gateway.assembly.stages.devices.get(DevEui(PROBE))
        assert device is not None
        seen = {channel: (one.value, one.time_s) for channel, one in device.readings.items()}
        return json.dumps([device.f_cnt, device.newest_id, device.newest_s, device.dev_addr, seen])

    async with bench(settings(), path) as gateway:
        await gateway.hear(*(frame(f_cnt, NOW_S + f_cnt) for f_cnt in range(3)))
        await gateway.hear(status(PROBE, NOW_S + 5, "st-1"))
        before = shown(gateway)
    async with bench(settings(), path) as gateway:
        assert json.loads(shown(gateway)) == json.loads(before)


async def test_the_shipped_model_stands_in_for_one_that_does_not_load(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip at all")
    config = settings(inference={"pack": str(broken)}, alerts={"threshold": [HOT]})
    async with bench(config) as gateway:
        outcome = await gateway.hear(frame(1, TempC_SHT=50.0))
        assert gateway.assembly.model_name == load_model().name
        assert "broken.zip cannot be used" in gateway.assembly.model_trouble
        assert "model_pack_unusable" in gateway.telemetry.last_error
        assert [event.alert.rule for event in outcome.alerts] == ["hot"]
        assert len(gateway.stored()) == 1
