"""Which window a command goes in, when not every one may be used."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from gateways import NOW_S, Bench, bench, delivery, settings
from lorawan_devices import EUI, Device
from radio_farm import abp

from gateway.codecs.lorawan import DeviceClass
from gateway.codecs.radio import write_heard
from gateway.network import Ended, RadioDevice, to_record
from gateway.outcome import Outcome
from gateway.store import database
from gateway.store import radio as register
from gateway.types import DownlinkState, HeardFrame, TransmitOutcome

SET = f"lora-gateway/device/{EUI}/set"
LONG, SHORT = b'{"f_port": 4, "hex": "' + b"55" * 100 + b'"}', b'{"f_port": 4, "hex": "55"}'


def bench_of(
    path: Path, device: RadioDevice, **radio: object
) -> AbstractAsyncContextManager[Bench]:
    """Return a gateway that serves this device over a radio with these settings."""
    with closing(database.prepare(path)) as connection, connection:
        register.put(connection, [to_record(device, NOW_S)])
    return bench(settings(radios={"board": {"port": "/dev/null", **radio}}), path)


async def heard_with(path: Path, command: bytes, after_s: float = 1.0, **radio: object) -> Outcome:
    """Command a device over a radio with these settings, and hear its next uplink."""
    frame = HeardFrame(
        Device().uplink(), -80.0, 9.0, frequency_hz=868_100_000, spreading_factor=7,
        bandwidth_hz=125_000, counter_us=5_000_000,
    )  # fmt: skip
    async with bench_of(path, abp(EUI, 1), **radio) as gateway:
        await gateway.ask(SET, command)
        heard = delivery(("radio/board", write_heard(frame)), NOW_S + after_s, source="board")
        return await gateway.take(heard)


async def test_power_that_only_the_second_window_s_band_allows_is_used_there(
    tmp_path: Path,
) -> None:
    outcome = await heard_with(tmp_path / "gateway.db", SHORT, power_dbm=20)
    (transmission,) = outcome.transmissions
    assert [one.window for one in transmission.tries] == ["rx2"]
    assert [one.state for one in outcome.downlinks] == [DownlinkState.QUEUED]


async def test_a_command_that_no_window_will_ever_take_fails_with_the_reason(
    tmp_path: Path,
) -> None:
    outcome = await heard_with(tmp_path / "gateway.db", LONG, power_dbm=20)
    assert outcome.transmissions == []
    (failed,) = outcome.downlinks
    assert failed.state is DownlinkState.FAILED
    assert "100 bytes" in failed.detail


async def test_a_command_whose_time_has_run_out_is_not_sent(tmp_path: Path) -> None:
    command = b'{"f_port": 4, "hex": "55", "expires_in_s": 10}'
    for after_s, sent in ((9.0, 1), (11.0, 0)):
        outcome = await heard_with(tmp_path / f"{after_s}.db", command, after_s)
        assert len(outcome.transmissions) == sent


async def test_nothing_is_built_for_a_radio_that_is_away(tmp_path: Path) -> None:
    device = abp(EUI, 1, device_class=DeviceClass.C)
    async with bench_of(tmp_path / "gateway.db", device) as gateway:
        gateway.assembly.network.watch(lambda _: False)
        outcome = await gateway.ask(SET, SHORT)
        assert outcome.transmissions == []
        assert "not connected" in outcome.downlinks[-1].detail
        assert (await gateway.wait(600.0)).transmissions == []
        gateway.assembly.network.watch(lambda _: True)
        (sent,) = (await gateway.wait(1.0)).transmissions
        assert sent.f_cnt == 0


async def test_what_was_for_certain_not_sent_costs_no_airtime(tmp_path: Path) -> None:
    device = abp(EUI, 1, device_class=DeviceClass.C)
    async with bench_of(tmp_path / "gateway.db", device) as gateway:
        network = gateway.assembly.network
        outcome = await gateway.ask(SET, SHORT)
        for ended, costs in ((TransmitOutcome.REFUSED, False), (TransmitOutcome.FAILED, True)):
            (sent,) = outcome.transmissions
            network.transmitted(Ended(sent, ended), NOW_S)
            used = network.health(gateway.clock.now_s() + 60.0)["airtime"]
            assert isinstance(used, dict)
            assert (used["board"]["P"]["used_s"] > 0) is costs
            outcome = await gateway.wait(600.0)
