"""Microseconds and bytes written per uplink, for batches of several sizes.

Run it on the disk in question: `python tests/benchmarks/bench_store.py [FOLDER]`. The store is
first filled with 20,000 uplinks of 200 devices, so that indexes have the shape they have in use.
Bytes are `write_bytes` of /proc/self/io: what the process caused to be written to the disk.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path

from gateway.config import StoreConfig
from gateway.store import Batch, Store, UplinkRecord
from gateway.types import Channel, DevEui, Reading, ReadingKind, Status, Verdict

DEVICES = 200
FILL = 20_000
MEASURED = 1920
CHANNELS = ("soil.moisture", "soil.temperature", "soil.ec", "device.battery_v")
chance = random.Random(1)  # noqa: S311 - figures for a benchmark


def uplink(number: int) -> UplinkRecord:
    """Make one uplink as a soil probe sends it: four channels judged, link quality beside."""
    dev_eui = DevEui(f"a84041{number % DEVICES:010x}")
    time_s = 1.7e9 + number * 4.5
    values = {name: round(chance.gauss(20, 5), 2) for name in CHANNELS}
    values |= {"radio.rssi": -chance.randint(60, 120), "radio.snr": chance.randint(-20, 10)}
    readings = tuple(
        Reading(dev_eui, Channel(name), value, "%", ReadingKind.NUMERIC, time_s, name)
        for name, value in values.items()
    )
    verdicts = tuple(
        Verdict(
            dev_eui,
            Channel(name),
            time_s,
            values[name],
            Status.OK,
            (chance.gauss(15, 1), chance.gauss(20, 1), chance.gauss(25, 1)),
            chance.random(),
            chance.random(),
            {"forecast": chance.random(), "shape": chance.random()},
        )
        for name in CHANNELS
    )
    uid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    return UplinkRecord(
        uid, dev_eui, "01a2b3c4", number, time_s, time_s, readings=readings, verdicts=verdicts
    )


def written_bytes() -> int:
    """Bytes this process has caused to be written so far."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def say(line: str) -> None:
    """Write one line of the report."""
    sys.stdout.write(f"{line}\n")


async def measure(store: Store, first: int, size: int) -> tuple[float, float]:
    """Commit `MEASURED` uplinks in batches of `size`; return us and bytes per uplink."""
    batches = [
        Batch(uplinks=tuple(uplink(n) for n in range(start, start + size)))
        for start in range(first, first + MEASURED, size)
    ]
    before, begin_s = written_bytes(), time.perf_counter()
    for batch in batches:
        await store.commit(batch)
    elapsed_s = time.perf_counter() - begin_s
    return elapsed_s / MEASURED * 1e6, (written_bytes() - before) / MEASURED


async def main(folder: Path) -> None:
    """Fill, measure, and say how fast windows would be rebuilt."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        store = Store.open(Path(name) / "gateway.db", StoreConfig())
        for start in range(0, FILL, 1000):
            await store.commit(Batch(uplinks=tuple(uplink(n) for n in range(start, start + 1000))))
        say(f"{store.counts().bytes / FILL:.0f} bytes of file per uplink")
        say("batch  us/uplink  bytes written/uplink")
        first = FILL
        for size in (1, 20, 64):
            elapsed_us, count = await measure(store, first, size)
            first += MEASURED
            say(f"{size:5}  {elapsed_us:9.0f}  {count:20.0f}")
        begin_s = time.perf_counter()
        rows = sum(len(store.history(device.info.dev_eui, 100)) for device in store.devices())
        say(f"history: {(time.perf_counter() - begin_s) / rows * 1e6:.0f} us per uplink read")
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())))
