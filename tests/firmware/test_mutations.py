"""Each known mistake in the driver is noticed: by the radio model, or by what comes of it."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from board_bench import Bench, command
from board_wire import PING, TRANSMIT, TRANSMITTED, settings
from firmware_builds import FIRMWARE, make

pytestmark = pytest.mark.firmware

MUTATIONS = {
    "low data rate never on": ("settings.c", "> 16000", "> 16000000"),
    "low data rate always on": ("settings.c", "> 16000", "> 0"),
    "IQ half inverted": ("sx127x.c", "rx_inverted || tx_inverted ? INVERT2_ON :", "false ? 0 :"),
    "IQ of the two directions mixed up": (
        "sx127x.c",
        "set_iq(false, settings->flags & SETTINGS_IQ_INVERTED)",
        "set_iq(settings->flags & SETTINGS_IQ_INVERTED, false)",
    ),
    "no standby before configuring": (
        "sx127x.c",
        "    enter(MODE_STANDBY);\n    set_modem(settings);",
        "    set_modem(settings);",
    ),
    "erratum 2.1 left out": ("errata.c", "const bool wide =", "const bool wide = false &&"),
    "erratum 2.3 left out": ("errata.c", "sx127x_write(REG_IF_FREQ2", "(void)(REG_IF_FREQ2"),
    "erratum 2.3 without its offset": (
        "errata.c",
        "return bandwidth < 6 ?",
        "return bandwidth > 99 ?",
    ),
    "interrupts not cleared": ("sx127x.c", "sx127x_write(REG_IRQ_FLAGS, 0xFF)", "(void)0"),
    "DIO0 not mapped to TxDone": ("sx127x.c", "REG_DIO_MAPPING1, DIO0_TX_DONE", "0x40, 0"),
    "synthesizer not locked ahead": ("sx127x.c", "enter(MODE_FSTX);", "mode = 0;"),
    "LoRa bit set outside sleep": (
        "sx127x.c",
        "sx127x_write(REG_OP_MODE, MODE_SLEEP);",
        "sx127x_write(REG_OP_MODE, MODE_STANDBY);",
    ),
    "not listening after a transmission": (
        "sender.c",
        "    listener_resume();\n}\n\nstatic void arm",
        "}\n\nstatic void arm",
    ),
    "alarm a millisecond late": ("sender.c", "self.at_us - hal_alarm_lead_us", "self.at_us + 1000"),
    "stamped when read": ("listener.c", "take_frame(at_us);", "take_frame(hal_now_us());"),
    "FIFO read from 0": ("listener.c", "sx127x_fifo_begin(state->fifo_at)", "sx127x_fifo_begin(0)"),
    "NSS left low": (
        "sx127x.c",
        "void sx127x_fifo_end(void)\n{\n    hal_radio_select(false);",
        "void sx127x_fifo_end(void)\n{",
    ),
    "current limit kept at 20 dBm": ("sx127x.c", "high ? OCP_140_MA :", "high ? OCP_100_MA :"),
    "band bit forgotten": ("sx127x.c", "? MODE_LOW_FREQUENCY : 0", "? 0 : 0"),
    "tuned 100 kHz off": ("sx127x.c", "whole * 256U", "whole * 256U + 1638U"),
}


def judge(bench: Bench) -> list[str]:
    """Use the board as a gateway does and return everything that is wrong."""
    wrong: list[str] = []
    cases: list[tuple[bytes, dict[str, int]]] = [
        (settings(), {}),
        (settings(sf=12), {"sf": 12}),
        (settings(flags=3), {"iq": True}),
        (settings(bandwidth=9), {"bw": 500000}),
        (settings(bandwidth=5, frequency_hz=433175000), {"bw": 41700, "freq": 433175000}),
    ]
    for radio, air in cases:
        bench.listen(radio)
        wrong += hear(bench, air)
        wrong += transmit(bench)
        wrong += hear(bench, air)
    return wrong + [str(what) for what in bench.violations]


def hear(bench: Bench, air: dict[str, int]) -> list[str]:
    """Put two frames on the air, the second while the first is read; return what is wrong."""
    payloads = ["5a" * 255, "40020304"]
    ends_us = [bench.now_us + 50_000, bench.now_us + 50_150]
    for payload, end_us in zip(payloads, ends_us, strict=True):
        bench.say(cmd="inject", t_us=end_us, airtime_us=100, payload=payload, **air)
    before = len(bench.received())
    bench.run(100_000)
    frames = bench.received()[before:]
    if [frame.payload.hex() for frame in frames] != payloads:
        return [f"not heard: {air}"]
    lags = [frame.time_us - end_us for frame, end_us in zip(frames, ends_us, strict=True)]
    return [f"stamped {lag} us late" for lag in lags if not -20 < lag < 20]


def transmit(bench: Bench) -> list[str]:
    """Send one frame at a time and return what is wrong with it."""
    now_us = int.from_bytes(bench.ask(PING).body[:4], "little")
    at_us = now_us + 100_000
    radio = settings(flags=1, power_dbm=20)
    sent = len(bench.named("tx"))
    told = len(bench.of_type(TRANSMITTED))
    bench.ask(TRANSMIT, struct.pack("<IB", at_us, 0) + radio + b"down")
    bench.run(200_000)
    wrong = [] if len(bench.of_type(TRANSMITTED)) == told + 1 else ["not told"]
    if len(bench.named("tx")) != sent + 1:
        return [*wrong, "not sent"]
    frame = bench.named("tx")[-1]
    late_us = float(str(frame["t_us"])) - at_us
    if not -50 < late_us < 50:
        wrong.append(f"late by {late_us} us")
    if frame["payload"] != b"down".hex() or frame["iq"] is not True:
        wrong.append("sent something else")
    return wrong


def build(folder: Path, mutation: tuple[str, str, str] | None) -> Path:
    """Compile a copy of the core, changed, and return the build folder."""
    core = folder / "core"
    shutil.copytree(FIRMWARE / "core", core)
    (folder / "sim").symlink_to(FIRMWARE / "sim")
    if mutation is not None:
        name, old, new = mutation
        text = (core / name).read_text()
        assert text.count(old) >= 1
        (core / name).write_text(text.replace(old, new))
    make(
        f"CORE={core}",
        f"B={folder}/build",
        "WARN=-w",
        "NATIVE_CFLAGS=-O0",
        f"{folder}/build/native/board",
    )
    return folder / "build"


def test_the_driver_as_it_is_passes_the_judge(tmp_path: Path) -> None:
    with Bench(command(build(tmp_path, None), "native")) as bench:
        assert judge(bench) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_caught(tmp_path: Path, name: str) -> None:
    with Bench(command(build(tmp_path, MUTATIONS[name]), "native")) as bench:
        try:
            wrong = judge(bench)
        except AssertionError:
            wrong = ["no answer"]
    assert wrong != []
