"""What the daemon takes of the machine's memory, with the model that ships."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import Client, Daemon, rss_mb, running

pytestmark = [pytest.mark.network, pytest.mark.mosquitto, pytest.mark.slow]

DEVICES = 100
WARM = 70
JUDGED = 30
STEP_S = 600.0
QUIET_S = 16.0  # the daemon gives back what a burst took every 15 s


def send(client: Client, frames: range, begun_s: float) -> None:
    for f_cnt in frames:
        day = 2 * math.pi * f_cnt * STEP_S / 86400
        for number in range(DEVICES):
            values = {
                "TempC_SHT": round(18 + 5 * math.sin(day + number), 2),
                "Hum_SHT": round(60 - 12 * math.sin(day + number), 1),
                "water_SOIL": round(31 - 0.01 * f_cnt + 0.1 * math.cos(7 * day), 2),
                "temp_SOIL": round(15 + 2 * math.sin(day - 1), 2),
            }
            client.publish(*up(eui(number), f_cnt, begun_s + f_cnt * STEP_S + number, values))


@pytest.mark.timeout(300)
def test_a_hundred_devices_of_four_channels_fit_in_145_mib(
    tmp_path: Path, mosquitto: Mosquitto, record_property: Callable[[str, object], None]
) -> None:
    begun_s = time.time() - (WARM + JUDGED) * STEP_S
    daemon = Daemon(tmp_path / "gateway", mosquitto)
    client = Client(mosquitto)
    with running(daemon):
        client.wait_ready(daemon)
        send(client, range(WARM), begun_s)
        daemon.wait_stored(DEVICES * WARM, 120)
        warm_mb = rss_mb(daemon.pid)
        send(client, range(WARM, WARM + JUDGED), begun_s)
        daemon.wait_stored(DEVICES * (WARM + JUDGED), 200)
        burst_mb = rss_mb(daemon.pid)
        time.sleep(QUIET_S)
        judged_mb = rss_mb(daemon.pid)
        judged = daemon.rows("SELECT count(*) FROM uplink WHERE verdicts LIKE '%\"ok\"%'")
    client.close()
    record_property("rss_warm_mb", round(warm_mb, 1))
    record_property("rss_burst_mb", round(burst_mb, 1))
    record_property("rss_judged_mb", round(judged_mb, 1))

    assert judged[0][0], "nothing was judged"
    assert burst_mb < 155, f"{burst_mb:.1f} MiB in a burst"
    assert judged_mb < 145, f"{warm_mb:.1f} MiB warm, {judged_mb:.1f} MiB judged and at rest"
