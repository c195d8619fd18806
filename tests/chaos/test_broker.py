"""The broker goes away and comes back: nothing is lost and everybody sees the present again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up, uplink_id
from daemons import Client, Daemon, running

pytestmark = [pytest.mark.network, pytest.mark.mosquitto, pytest.mark.slow]

DEVICES = 10
FRAMES = 100
STATE = "lora-gateway/bridge/state"


def online(body: object) -> bool:
    return body == {"state": "online"}


def message(number: int, f_cnt: int, begun_s: float) -> tuple[str, bytes]:
    values = {"TempC_SHT": 20.0 + 0.1 * (f_cnt % 7), "Hum_SHT": 55.5, "BatV": 3.1}
    return up(eui(number), f_cnt, begun_s + 60.0 * f_cnt + number, values)


@pytest.mark.parametrize("away_s", [0.5, 6.0])
def test_a_broker_restart_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, away_s: float
) -> None:
    begun_s = time.time() - 60.0 * FRAMES
    daemon = Daemon(tmp_path / "gateway", mosquitto)
    server = Client(mosquitto)
    with running(daemon):
        server.wait_ready(daemon)

        def publish() -> None:
            for f_cnt in range(FRAMES):
                for number in range(DEVICES):
                    server.publish(*message(number, f_cnt, begun_s))
                    time.sleep(0.005)

        sender = threading.Thread(target=publish)
        sender.start()
        for _ in range(2):
            time.sleep(1.0)
            mosquitto.stop()
            time.sleep(away_s)
            mosquitto.start()
            back_s = time.monotonic()
            watcher = Client(mosquitto, STATE)
            watcher.wait_for(STATE, online, 5.0)
            assert time.monotonic() - back_s < 5.0
            watcher.close()
        sender.join()
        daemon.wait_stored(DEVICES * FRAMES, 60)
        assert daemon.runs()
    server.close()

    everything = {
        uplink_id(eui(n), f).replace("-", "") for n in range(DEVICES) for f in range(FRAMES)
    }
    assert daemon.stored_ids() == Counter(everything)


def test_a_broker_that_forgot_everything_has_every_retained_topic_back_in_five_seconds(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    everything = ("lora-gateway/#", "homeassistant/#")
    begun_s = time.time() - 60.0 * FRAMES
    daemon = Daemon(tmp_path / "gateway", mosquitto)
    server = Client(mosquitto)
    with running(daemon):
        server.wait_ready(daemon)
        for f_cnt in range(3):
            for number in range(DEVICES):
                server.publish(*message(number, f_cnt, begun_s))
        daemon.wait_stored(3 * DEVICES, 20)
        server.close()
        before = retained(mosquitto, *everything)

        mosquitto.kill()
        (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
        time.sleep(3.0)
        mosquitto.start()
        time.sleep(5.0)
        after = retained(mosquitto, *everything)

    assert len(before) > 3 * DEVICES
    assert before - after == set()


def retained(broker: Mosquitto, *topics: str) -> set[str]:
    client = Client(broker, *topics)
    heard = {topic for topic, payload, is_retained in client.drain(0.5) if is_retained and payload}
    client.close()
    return heard
