"""Which window a command goes in, when not every one may be used."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from gateways import NOW_S, Bench, delivery, settings
from lorawan_devices import EUI, Device
from radio_farm import abp

from gateway.codecs.radio import write_heard
from gateway.network import to_record
from gateway.outcome import Outcome
from gateway.store import database
from gateway.store import radio as register
from gateway.types import DownlinkState, HeardFrame

SET = f"lora-gateway/device/{EUI}/set"
LONG, SHORT = b'{"f_port": 4, "hex": "' + b"55" * 100 + b'"}', b'{"f_port": 4, "hex": "55"}'


async def heard_with(path: Path, command: bytes, after_s: float = 1.0, **radio: object) -> Outcome:
    """Command a device over a radio with these settings, and hear its next uplink."""
    with closing(database.prepare(path)) as connection, connection:
        register.put(connection, [to_record(abp(EUI, 1), NOW_S)])
    bench = Bench(settings(radios={"board": {"port": "/dev/null", **radio}}), path)
    try:
        await bench.ask(SET, command)
        frame = HeardFrame(
            Device().uplink(), -80.0, 9.0, frequency_hz=868_100_000, spreading_factor=7,
            bandwidth_hz=125_000, counter_us=5_000_000,
        )  # fmt: skip
        heard = delivery(("radio/board", write_heard(frame)), NOW_S + after_s, source="board")
        return await bench.take(heard)
    finally:
        bench.assembly.codecs.close()
        await bench.store.close()


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
