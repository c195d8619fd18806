"""SIGKILL at any moment: every acknowledged uplink is stored once, every alert has one id."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up, uplink_id
from daemons import Client, Daemon, running, wait_until

pytestmark = [pytest.mark.network, pytest.mark.mosquitto, pytest.mark.slow]

SEED = 20261123
DEVICES = 20
FRAMES = 100
KILLS = 50
STEP_S = 600.0
THRESHOLD = """
[[alerts.threshold]]
name = "wet"
channel = "soil.moisture"
above = 60.0
hysteresis = 5.0
"""


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


def test_fifty_kills_cost_no_uplink_and_double_no_alert(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    messages = frames(rng)
    daemon = Daemon(tmp_path / "gateway", mosquitto, THRESHOLD)
    listener = Client(mosquitto, "lora-gateway/bridge/state", "lora-gateway/device/+/alert")
    server = Client(mosquitto)
    progress = []
    done = threading.Event()

    def publish() -> None:
        for topic, payload in messages:
            server.publish(topic, payload)
            if done.wait(60.0 / len(messages)):
                return

    with running(daemon):
        listener.wait_for("lora-gateway/bridge/state", lambda s: s == {"state": "online"}, 20)
        sender = threading.Thread(target=publish)
        sender.start()
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.2, 2.2))
            daemon.kill()
            progress.append(daemon.stored())
            daemon.start()
        sender.join()
        wait_until(lambda: daemon.stored() >= DEVICES * FRAMES, 60, "storing the rest")
        time.sleep(2)  # repeats that are still on their way
        assert daemon.stop() == 0
    done.set()
    said = [json.loads(body) for topic, body, _ in listener.drain(0.5) if topic.endswith("/alert")]
    listener.close()
    server.close()

    assert len(set(progress)) > KILLS / 4, "the kills did not fall while uplinks came"
    everything = {
        uplink_id(eui(n), f).replace("-", "") for n in range(DEVICES) for f in range(FRAMES)
    }
    stored = [str(uid).lower() for (uid,) in daemon.rows("SELECT hex(uid) FROM uplink")]
    assert len(stored) == len(everything)
    assert set(stored) == everything
    assert daemon.rows("PRAGMA integrity_check") == [("ok",)]
    assert daemon.rows("PRAGMA foreign_key_check") == []

    alerts = [json.loads(str(body)) for (body,) in daemon.rows("SELECT body FROM alert")]
    wet = Counter(str(alert["dev_eui"]) for alert in alerts if alert["rule"] == "wet")
    assert wet == {eui(number): 1 for number in range(DEVICES)}
    assert all(alert["end_s"] for alert in alerts if alert["rule"] == "wet")
    told = {event["id"] for event in said if event["event_type"] == "new"}
    ended = {event["id"] for event in said if event["event_type"] == "end"}
    wet_ids = {alert["id"] for alert in alerts if alert["rule"] == "wet"}
    assert wet_ids <= told
    assert wet_ids <= ended
    assert {event["id"] for event in said} <= {alert["id"] for alert in alerts}
