"""Payloads through the whole pipeline: whose decoding goes, what fails, what people are told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings

from gateway.config import Config
from gateway.types import EventType

DEVICE = eui(1)
GOOD = """
function decodeUplink(input) {
  if (input.bytes.length < 2) return {errors: ['too short']};
  var hundredths = input.bytes[0] << 8 | input.bytes[1];
  return {data: {TempC_SHT: hundredths / 100, depth: input.variables.depth}};
}
function encodeDownlink(input) { return {bytes: [1, input.data.minutes], fPort: 7}; }
"""
BAD = "function decodeUplink(input) { throw new Error('no such probe'); }"
ENDLESS = "function decodeUplink(input) { for (;;) {} }"


def configured(
    folder: Path, *, codecs: Mapping[str, Any] | None = None, **device: object
) -> Config:
    return settings(
        codecs={"folder": str(folder), **(codecs or {})},
        devices={DEVICE: {"codec": "own/probe", **device}},
    )


def write(folder: Path, text: str, name: str = "own/probe.js") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    stamp_ns = path.stat().st_mtime_ns + 1_000_000 * len(text)  # written anew within one tick
    os.utime(path, ns=(stamp_ns, stamp_ns))


def frame(
    f_cnt: int, data: bytes, obj: Mapping[str, Any] | None = None, device: str = DEVICE
) -> tuple[str, bytes]:
    return up(device, f_cnt, NOW_S + 60 * f_cnt, obj, data=data, f_port=2)


def values(made: Bench) -> list[dict[str, object]]:
    return [
        {r.channel: r.value for r in row.record.readings if not r.channel.startswith("radio.")}
        for row in made.stored()
    ]


async def test_an_uplink_without_an_object_is_decoded_here(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path, variables={"depth": "20 cm"})) as made:
        await made.hear(frame(1, b"\x09\x29"), received_s=NOW_S + 60)

        assert values(made) == [{"air.temperature": 23.45, "depth": "20 cm"}]
        assert made.telemetry.codecs["own/probe"] == {"decoded": 1}


async def test_the_servers_object_goes_and_a_disagreement_is_counted(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path)) as made:
        await made.hear(frame(1, b"\x09\x29", {"TempC_SHT": 23.45}), received_s=NOW_S + 60)
        await made.hear(frame(2, b"\x09\x29", {"TempC_SHT": 25.0}), received_s=NOW_S + 120)

        assert [one["air.temperature"] for one in values(made)] == [23.45, 25.0]
        assert made.telemetry.codecs["own/probe"] == {"decoded": 2, "disagreed": 1}


@pytest.mark.parametrize(
    ("decoding", "expected"), [("own", 23.45), ("server", 25.0), ("auto", 25.0)]
)
async def test_whose_decoding_goes_is_configurable(
    tmp_path: Path, decoding: str, expected: float
) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path, decoding=decoding)) as made:
        await made.hear(frame(1, b"\x09\x29", {"TempC_SHT": 25.0}), received_s=NOW_S + 60)

        assert values(made)[0]["air.temperature"] == expected


async def test_without_comparing_a_codec_that_is_not_needed_is_not_asked(tmp_path: Path) -> None:
    write(tmp_path, BAD)
    config = configured(tmp_path, codecs={"compare": False})
    async with bench(config) as made:
        await made.hear(frame(1, b"\x09\x29", {"TempC_SHT": 25.0}), received_s=NOW_S + 60)

        assert not made.telemetry.quarantined
        assert not made.telemetry.codecs


async def test_a_codecs_error_is_put_aside_with_its_bytes_and_costs_nothing_else(
    tmp_path: Path,
) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path)) as made:
        outcome = await made.hear(frame(1, b"\x09"), frame(2, b"\x09\x29"), received_s=NOW_S + 120)

        assert [one.reason for one in outcome.rejected] == ["codec_error"]
        assert outcome.rejected[0].payload == b"\x09"
        assert "own/probe: too short" in outcome.rejected[0].detail
        assert values(made) == [{}, {"air.temperature": 23.45}]
        assert {"radio.rssi", "radio.snr"} <= {r.channel for r in made.stored()[0].record.readings}


async def test_a_codec_that_goes_on_failing_raises_one_alert_that_ends(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path)) as made:
        steps = []
        for f_cnt in range(1, 25):
            data = b"\x09" if f_cnt <= 12 else b"\x09\x29"
            outcome = await made.hear(frame(f_cnt, data), received_s=NOW_S + 60 * f_cnt)
            steps += [event for event in outcome.alerts if event.alert.kind == "codec"]

        assert [event.event_type for event in steps] == [EventType.NEW, EventType.END]
        assert steps[0].alert.id == steps[1].alert.id
        assert "too short" in str(steps[0].alert.reason[0].observed)
        assert made.telemetry.quarantined["codec_error"] == 12


async def test_many_devices_of_one_broken_codec_are_one_alert(tmp_path: Path) -> None:
    write(tmp_path, BAD)
    config = settings(
        codecs={"folder": str(tmp_path)},
        devices={eui(number): {"codec": "own/probe"} for number in range(1, 6)},
    )
    async with bench(config) as made:
        steps = []
        for f_cnt in range(1, 6):
            events = [frame(f_cnt, b"\x09\x29", device=eui(number)) for number in range(1, 6)]
            outcome = await made.hear(*events, received_s=NOW_S + 60 * f_cnt)
            steps += [event for event in outcome.alerts if event.alert.kind == "codec"]

        assert len({event.alert.id for event in steps}) == 1
        assert steps[0].event_type is EventType.NEW
        assert {steps[-1].alert.dev_eui, *steps[-1].alert.peers} == {eui(n) for n in range(1, 6)}


async def test_the_alert_of_a_broken_codec_survives_a_restart(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    config, path = configured(tmp_path), tmp_path / "store.db"
    async with bench(config, path) as made:
        for f_cnt in range(1, 5):
            outcome = await made.hear(frame(f_cnt, b"\x09"), received_s=NOW_S + 60 * f_cnt)
            if outcome.alerts:
                begun = outcome.alerts[0].alert.id
    async with bench(config, path, start_s=NOW_S + 600) as made:
        ended = []
        for f_cnt in range(11, 15):
            outcome = await made.hear(frame(f_cnt, b"\x09\x29"), received_s=NOW_S + 60 * f_cnt)
            ended += outcome.alerts

        assert [(event.event_type, event.alert.id) for event in ended] == [(EventType.END, begun)]


async def test_a_codec_without_end_is_left_alone_and_others_go_on(tmp_path: Path) -> None:
    write(tmp_path, ENDLESS)
    write(tmp_path, GOOD, "own/good.js")
    config = settings(
        codecs={"folder": str(tmp_path), "time_ms": 20},
        devices={DEVICE: {"codec": "own/probe"}, eui(2): {"codec": "own/good"}},
    )
    async with bench(config) as made:
        for f_cnt in range(1, 9):
            await made.hear(
                frame(f_cnt, b"\x09\x29"), frame(f_cnt, b"\x09\x29", device=eui(2)),
                received_s=NOW_S + f_cnt,
            )  # fmt: skip

        assert made.telemetry.quarantined == {"codec_time_limit": 3, "codec_resting": 5}
        assert made.telemetry.codecs["own/good"] == {"decoded": 8}
        later_s = NOW_S + 100
        await made.hear(frame(9, b"\x09\x29"), received_s=later_s)
        assert made.telemetry.quarantined["codec_time_limit"] == 4


async def test_a_codec_written_anew_is_taken_up_and_a_broken_one_is_not(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path)) as made:
        library = made.assembly.codecs
        await made.hear(frame(1, b"\x09\x29"), received_s=NOW_S + 60)
        write(tmp_path, GOOD.replace("/ 100", "/ 10"))
        assert library.refresh() == ["own/probe"]
        await made.hear(frame(2, b"\x09\x29"), received_s=NOW_S + 120)
        write(tmp_path, "function decodeUplink( {")
        assert library.refresh() == ["own/probe"]
        assert library.broken["own/probe"].reason == "codec_syntax"
        await made.hear(frame(3, b"\x09\x29"), received_s=NOW_S + 180)
        assert library.refresh() == []

        assert [one["air.temperature"] for one in values(made)] == [23.45, 234.5, 234.5]


async def test_a_codec_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with bench(configured(tmp_path)) as made:
        await made.hear(frame(1, b"\x09\x29"), received_s=NOW_S + 60)
        assert made.telemetry.quarantined == {"codec_unknown": 1}
        write(tmp_path, GOOD)
        made.assembly.codecs.refresh()
        await made.hear(frame(2, b"\x09\x29"), received_s=NOW_S + 120)

        assert values(made) == [{}, {"air.temperature": 23.45}]


async def test_a_command_object_is_encoded_by_the_devices_codec(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    async with bench(configured(tmp_path)) as made:
        await made.hear(frame(1, b"\x09\x29"), received_s=NOW_S + 60)
        outcome = await made.ask(
            f"lora-gateway/device/{DEVICE}/set", b'{"object": {"minutes": 20}}'
        )

        (downlink,) = outcome.dispatch
        assert (downlink.data, downlink.f_port, downlink.object) == (b"\x01\x14", 7, None)


FAN = """
vendor = "Home-made"
model = "Fan"
source = "the tests' own"
f_port = 10
[[message]]
when.f_port = 2
[[message.field]]
name = "speed"
type = "u8"
[[command]]
name = "sending interval"
header = [0x01]
[[command.field]]
name = "interval_s"
type = "u24"
min = 60
max = 86400
unit = "s"
[[command]]
header = [0x02]
[[command.field]]
name = "fan"
type = "u8"
values = { 0 = "off", 1 = "slow" }
[[command]]
header = [0x03]
[[command.field]]
name = "label"
type = "text"
size = 128
default = "%s"
""" % ("x" * 100)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"object": {"interval_s": 600}}', "01000258"),
        ('{"command": "sending interval", "object": {"interval_s": 60}}', "0100003c"),
        ('{"command": "fan", "object": {"fan": "slow"}}', "0201"),
        ('{"hex": "ff", "f_port": 3}', "ff"),
        ('{"object": {"interval_s": 59}}', "from 60 to 86400 s"),
        ('{"object": {"fan": "fast"}}', "one of 'off', 'slow'"),
        ('{"command": "fan", "object": {"fan": 1}}', "one of 'off', 'slow'"),
        ('{"command": "fun"}', "did you mean 'fan'?"),
        ('{"object": {"fam": "slow"}}', "codec"),
    ],
)
async def test_what_a_layout_says_of_its_commands_is_checked_before_encoding(
    tmp_path: Path, body: str, found: str
) -> None:
    write(tmp_path, FAN, "own/probe.toml")
    async with bench(configured(tmp_path)) as made:
        await made.hear(frame(1, b"\x09"), received_s=NOW_S + 60)
        outcome = await made.ask(f"lora-gateway/device/{DEVICE}/set", body.encode())
        if outcome.answers:
            assert found in outcome.answers[0].detail
        else:
            assert outcome.dispatch[0].data.hex() == found


async def test_a_mac_only_uplink_asks_no_codec(tmp_path: Path) -> None:
    write(tmp_path, BAD)
    async with bench(configured(tmp_path)) as made:
        await made.hear(up(DEVICE, 1, NOW_S + 60, None, data=b"", f_port=0), received_s=NOW_S + 60)

        assert not made.telemetry.quarantined


async def test_the_normalized_form_gives_channels_and_is_not_said_twice(tmp_path: Path) -> None:
    write(
        tmp_path,
        """function decodeUplink(i) {
          return {data: {T1: i.bytes[0] / 10, TempC_SHT: 23.5, extra: 4}}; }
        function normalizeUplink(i) {
          return {data: {air: {temperature: i.data.T1}, soil: {moisture: 30}}}; }""",
    )
    async with bench(configured(tmp_path)) as made:
        await made.hear(frame(1, b"\xeb"), received_s=NOW_S + 60)

        assert values(made) == [
            {"air.temperature": 23.5, "soil.moisture": 30, "T1": 23.5, "extra": 4}
        ]
