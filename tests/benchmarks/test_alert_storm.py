"""What a storm costs: 500 devices fail together, again and again, through the real pipeline."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from daemons import rss_mb
from gateways import NOW_S, Bench, bench, delivery, settings

from gateway.pipeline import BATCH
from gateway.types import EventType

pytestmark = pytest.mark.slow

DEVICES = 500
CALM_C = 36.0
HALF_DAY_S = 43200.0
WARM = 8
STORMS = 12
FLAT_MB = 4.0
"""What 500 devices still learn of themselves meanwhile; 12 storms that stayed would be 20 MiB."""

HOT = {"name": "hot", "channel": "air.temperature", "above": 40.0, "hysteresis": 2.0}
WITHIN_S = 2.0


async def speak(gateway: Bench, f_cnt: int, celsius: float) -> tuple[int, float, float]:
    """Let all speak at once; return how many alerts began, and when the first and last was told."""
    at_s = NOW_S + f_cnt * HALF_DAY_S  # so far apart, it is not the same trouble again
    began_s, told, first_s, last_s = time.perf_counter(), 0, 0.0, 0.0
    for start in range(0, DEVICES, BATCH):
        batch = [
            delivery(up(eui(number), f_cnt, at_s, {"TempC_SHT": celsius}), at_s)
            for number in range(start, min(start + BATCH, DEVICES))
        ]
        steps = (await gateway.take(*batch)).alerts
        if steps:
            last_s = time.perf_counter() - began_s
            first_s = first_s or last_s
        told += sum(step.event_type is EventType.NEW for step in steps)
    return told, first_s, last_s


@pytest.mark.timeout(300)
async def test_500_devices_at_once_are_told_within_2_s_and_cost_no_memory(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    firsts, lasts, sizes = [], [], []
    config = settings(alerts={"threshold": [HOT]})
    async with bench(config, tmp_path / "gateway.db") as gateway:
        for calm in range(WARM):
            await speak(gateway, calm, CALM_C)
        for storm in range(STORMS):
            told, first_s, last_s = await speak(gateway, WARM + 2 * storm, 45.0)
            assert told == 1
            firsts.append(first_s)
            lasts.append(last_s)
            await speak(gateway, WARM + 2 * storm + 1, CALM_C)
            sizes.append(rss_mb(os.getpid()))
        assert gateway.assembly.alerts.open() == []
    grown_mb = sizes[-1] - sizes[2]
    print(f"first told {max(firsts):.2f} s, all named {max(lasts):.2f} s; +{grown_mb:.2f} MiB")
    record_property("first_s", round(max(firsts), 3))
    record_property("all_named_s", round(max(lasts), 3))
    record_property("grown_mb", round(grown_mb, 2))

    assert max(lasts) < WITHIN_S
    assert grown_mb < FLAT_MB, f"{sizes} MiB"
