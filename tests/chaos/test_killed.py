"""SIGKILL at any moment: every acknowledged uplink is stored once, every alert has one id."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up, uplink_id
from daemons import Client, Daemon, running

pytestmark = [pytest.mark.network, pytest.mark.mosquitto, pytest.mark.slow]

SEED = 20261123
DEVICES = 20
FRAMES = 100
KILLS = 50
WHILE_STARTING = 0.2  # of the kills; the others fall while uplinks are worked on
STEP_S = 600.0
# A limit of its own for each: one limit for all would make one alert for all.
THRESHOLD = "".join(
    f"""
[[alerts.threshold]]
name = "wet-{number}"
channel = "soil.moisture"
above = 60.0
hysteresis = 5.0
devices = ["{eui(number)}"]
"""
    for number in range(DEVICES)
)


def frames(rng: random.Random) -> list[tuple[str, bytes]]:
    """Every device wet for frames 40 to 59; one uplink in twenty sent twice, as radio does."""
    begun_s = time.time() - FRAMES * STEP_S
    messages = []
    for f_cnt in range(FRAMES):
        for number in range(DEVICES):
            moisture = 75.0 if 40 <= f_cnt < 60 else 30.0
            values = {
                "water_SOIL": f"{moisture + rng.gauss(0.0, 0.3):.2f}",
                "temp_SOIL": round(15.0 + rng.gauss(0.0, 0.1), 2),
                "BatV": 3.6,
            }
            message = up(eui(number), f_cnt, begun_s + f_cnt * STEP_S + number, values)
            messages += [message] * (2 if rng.random() < 0.05 else 1)
    return messages


@pytest.mark.timeout(600)
def test_fifty_kills_cost_no_uplink_and_double_no_alert(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    messages = frames(rng)
    share = math.ceil(len(messages) / KILLS)
    daemon = Daemon(tmp_path / "gateway", mosquitto, THRESHOLD)
    listener = Client(mosquitto, "lora-gateway/device/+/alert")
    server = Client(mosquitto)
    with running(daemon):
        server.wait_ready(daemon)
        for kill in range(KILLS):
            before = daemon.stored()
            for message in messages[kill * share : (kill + 1) * share]:
                server.publish(*message)
            if rng.random() < WHILE_STARTING:
                time.sleep(rng.uniform(0.0, 1.5))
            else:
                daemon.wait_stored(before + 1, 30)
                time.sleep(rng.uniform(0.0, 0.2))
            daemon.kill()
            daemon.start()
        daemon.wait_stored(DEVICES * FRAMES, 60)
        time.sleep(2)  # repeats that are still on their way
        daemon.wait_empty_outbox(30)
    said = [json.loads(body) for _, body, _ in listener.drain(0.5)]
    listener.close()
    server.close()

    everything = {
        uplink_id(eui(n), f).replace("-", "") for n in range(DEVICES) for f in range(FRAMES)
    }
    assert daemon.stored_ids() == Counter(everything)
    assert daemon.rows("PRAGMA integrity_check") == [("ok",)]
    assert daemon.rows("PRAGMA foreign_key_check") == []

    alerts = [json.loads(str(body)) for (body,) in daemon.rows("SELECT body FROM alert")]
    wet = [alert for alert in alerts if alert["rule"].startswith("wet-")]
    assert Counter(str(alert["dev_eui"]) for alert in wet) == {
        eui(number): 1 for number in range(DEVICES)
    }
    assert all(alert["end_s"] for alert in wet)
    told = {event["id"] for event in said if event["event_type"] == "new"}
    ended = {event["id"] for event in said if event["event_type"] == "end"}
    wet_ids = {alert["id"] for alert in wet}
    assert wet_ids <= told
    assert wet_ids <= ended
    assert {event["id"] for event in said} <= {alert["id"] for alert in alerts}
