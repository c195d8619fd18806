"""Devices that come and go while the gateway runs."""

from __future__ import annotations

import time
import uuid

import pytest
from board_on_air import OnAir
from lorawan_devices import EUI
from radio_farm import QUICK, Farm, Settle, abp, node_of

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.network,
    pytest.mark.mosquitto,
    pytest.mark.slow,
]

SERVED_S = 5.0


def wait_served(farm: Farm, *, devices: int) -> float:
    """Return how long it took until so many devices are served."""
    begun_s = time.monotonic()
    farm.health(lambda body: body["network"]["devices"] == devices)
    return time.monotonic() - begun_s


@pytest.fixture(scope="module")
def running(settle: Settle) -> tuple[Farm, OnAir]:
    farm, air = settle(more=QUICK)
    farm.register()
    farm.start()
    return farm, air


def test_a_device_is_served_soon_after_it_is_registered_and_counts_on_when_it_comes_back(
    running: tuple[Farm, OnAir], figures: dict[str, str]
) -> None:
    farm, air = running
    device = abp(EUI, 1)
    node = node_of(air, device)
    node.say()
    farm.health(lambda body: body["network"]["strangers"]["counts"].get("unknown_dev_addr") == 1)
    assert farm.daemon.stored() == 0

    farm.register(device)
    took_s = wait_served(farm, devices=1)
    figures["register_s"] = f"{took_s:.2f}"
    assert took_s < SERVED_S
    old = node.device.uplink()
    air.hear(old)
    farm.daemon.wait_stored(1, 10)
    node.read(node.converse(confirmed=True)[1])
    stored = farm.daemon.stored()

    farm.unregister(EUI)
    assert wait_served(farm, devices=0) < SERVED_S
    mark = len(air.events)
    node.say(confirmed=True)
    assert air.next_sent(mark, 2.5) is None
    assert farm.daemon.stored() == stored

    identity = str(uuid.uuid4())
    farm.publish(f"device/{EUI}/set", {"id": identity, "hex": "01", "f_port": 2})
    refused = farm.wait(f"device/{EUI}/command/{identity}")
    assert (refused["state"], refused["detail"][:14]) == ("refused", "not_registered")

    farm.register(device)
    wait_served(farm, devices=1)
    node.read(node.converse(confirmed=True)[1])
    assert len(node.seen) == 2
    air.hear(old)
    farm.health(lambda body: body["quarantine"]["counts"] == {"replay": 1})
