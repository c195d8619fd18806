"""From a device's antenna to MQTT and back: the real image, a real port, the real daemon."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace

import pytest
from board_on_air import OnAir, Sent
from lorawan_devices import EUI, JOIN_EUI, Device, Joiner, key
from radio_farm import (
    ATTEMPTS,
    JOIN1_US,
    JOIN2_US,
    RX1_US,
    RX2_US,
    Farm,
    Node,
    Settle,
    abp,
    assert_like_lorawan,
    met,
    node_of,
    until_met,
)

from gateway.codecs.lorawan import (
    AppKey,
    DevAddr,
    DeviceClass,
)
from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.mac_commands import (
    DeviceTimeAns,
    DeviceTimeReq,
    LinkCheckAns,
    LinkCheckReq,
    build,
    parse,
)
from gateway.codecs.lorawan.private import (
    PrivateFrame,
    Version,
    dev_eui_of,
    open_private,
    seal_private,
)
from gateway.network import Kind, RadioDevice
from gateway.types import DevEui

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.network,
    pytest.mark.mosquitto,
    pytest.mark.slow,
]

SEED = 20261125
CHANNEL_HZ, RX2_HZ = 868_100_000, 869_525_000
SOIL, VALVE, SIREN, JOINING = (DevEui(f"70b3d57ed000000{number}") for number in range(1, 5))
WELL_ID = 0xC0FFEE01
WELL = dev_eui_of(WELL_ID)
WELL_KEY = key(9)
GPS_EPOCH_S, LEAP_S = 315_964_800, 18
"""6 January 1980, and the leap seconds since, which GPS time does not have (IS-GPS-200)."""

DRY_SOIL = bytes.fromhex("0e10 0000 04d2 05dc 0064 10")
"""An LSE01 reports 3.6 V, 12.34 % of water, 15.00 °C, 100 uS/cm (its manual, section 2.3)."""

WARM = bytes.fromhex("0167 00ff")
"""25.5 °C as CayenneLPP has it."""


REGISTERED = (
    abp(SOIL, 1, codec="dragino/lse01", name="Plot 1"),
    abp(VALVE, 21),
    abp(SIREN, 41, dev_addr=DevAddr("26011bdc"), device_class=DeviceClass.C),
    RadioDevice(JOINING, Kind.OTAA, app_key=AppKey(key(3)), codec="cayenne_lpp"),
    RadioDevice(WELL, Kind.PRIVATE, node_id=WELL_ID, key=WELL_KEY, codec="cayenne_lpp"),
)


@pytest.fixture(scope="module")
def running(settle: Settle) -> tuple[Farm, OnAir]:
    farm, air = settle(more="[lorawan]\nclass_c_wait_s = 1.0\n")
    farm.register(*REGISTERED)
    farm.start()
    return farm, air


@pytest.fixture(scope="module")
def farm(running: tuple[Farm, OnAir]) -> Farm:
    return running[0]


@pytest.fixture(scope="module")
def air(running: tuple[Farm, OnAir]) -> OnAir:
    return running[1]


@pytest.fixture(scope="module")
def soil(air: OnAir) -> Node:
    return node_of(air, REGISTERED[0])


@pytest.fixture(scope="module")
def valve(air: OnAir) -> Node:
    return node_of(air, REGISTERED[1])


def test_a_reading_goes_from_the_antenna_to_the_state_and_an_alert(farm: Farm, soil: Node) -> None:
    soil.say(DRY_SOIL)

    state = farm.wait(f"device/{SOIL}/state")
    assert state["soil"] == {"moisture": 12.34, "temperature": 15.0, "ec": 0.1}
    assert state["device"]["battery_v"] == 3.6
    assert state["device"]["name"] == "Plot 1"
    alert = farm.wait(f"device/{SOIL}/alert")
    assert (alert["event_type"], alert["kind"]) == ("new", "threshold")
    assert alert["reason"][0]["observed"] == 12.34
    (stored,) = farm.daemon.rows("SELECT body FROM alert")
    assert json.loads(str(stored[0]))["id"] == alert["id"]
    assert farm.daemon.stored() == 1


def test_a_command_meets_the_first_window_and_is_followed_to_its_acknowledgement(
    farm: Farm, soil: Node
) -> None:
    def attempt() -> int:
        identity = farm.command(SOIL, hex="01 00 04 b0", f_port=7, confirmed=True)
        end_us, sent = soil.converse(DRY_SOIL)
        delay_us = met(end_us, sent, RX1_US, RX2_US)
        first = delay_us == RX1_US
        assert_like_lorawan(sent, CHANNEL_HZ if first else RX2_HZ, 7 if first else 12)
        frame = soil.read(sent)
        assert (frame.confirmed, frame.f_port) == (True, 7)
        assert frame.frm_payload == bytes.fromhex("010004b0")
        farm.command_is(SOIL, identity, "sent")
        soil.say(DRY_SOIL, ack=True)
        farm.command_is(SOIL, identity, "acked")
        told = farm.command_states(SOIL, identity)
        assert told == ["accepted", "queued", "sent", "acked"]
        return delay_us

    until_met(attempt, RX1_US)


def test_an_object_is_encoded_by_the_device_s_own_codec(farm: Farm, soil: Node) -> None:
    identity = farm.command(SOIL, object={"report_interval": 1200}, f_port=2)
    _, sent = soil.converse(DRY_SOIL)
    frame = soil.read(sent)
    assert (frame.confirmed, frame.f_port) == (False, 2)
    assert frame.frm_payload == bytes.fromhex("010004b0")
    farm.command_is(SOIL, identity, "sent")


def test_a_command_that_the_device_did_not_confirm_is_told_so(farm: Farm, soil: Node) -> None:
    identity = farm.command(SOIL, hex="04ff", f_port=2, confirmed=True)
    soil.converse(DRY_SOIL)
    farm.command_is(SOIL, identity, "sent")
    soil.say(DRY_SOIL)
    farm.command_is(SOIL, identity, "nacked")


def test_a_confirmed_uplink_is_acknowledged_and_its_questions_are_answered(
    valve: Node,
) -> None:
    asked = build([LinkCheckReq(), DeviceTimeReq()])
    end_us, sent = valve.converse(confirmed=True, f_opts=asked)
    at_s = time.time()
    met(end_us, sent, RX1_US, RX2_US)
    frame = valve.read(sent)
    assert frame.ack
    check, clock = parse(frame.f_opts, Direction.DOWN)[0]
    assert isinstance(check, LinkCheckAns)
    assert isinstance(clock, DeviceTimeAns)
    assert (check.margin_db, check.gateway_count) == (16, 1)
    assert clock.seconds == pytest.approx(at_s - GPS_EPOCH_S + LEAP_S, abs=5.0)


def test_two_devices_of_one_address_are_told_apart(farm: Farm, soil: Node, valve: Node) -> None:
    commands = [
        farm.command(eui, hex=payload, f_port=2, confirmed=True)
        for eui, payload in ((SOIL, "aa"), (VALVE, "bb"))
    ]
    for node, eui, identity, payload in (
        (soil, SOIL, commands[0], b"\xaa"),
        (valve, VALVE, commands[1], b"\xbb"),
    ):
        _, sent = node.converse(DRY_SOIL)
        assert node.read(sent).frm_payload == payload
        node.say(DRY_SOIL, ack=True)
        farm.command_is(eui, identity, "acked")


def test_a_device_joins_five_seconds_later_and_no_nonce_joins_twice(farm: Farm, air: OnAir) -> None:
    joiner = Joiner(AppKey(key(3)), JOINING, JOIN_EUI)
    nonces = iter(range(1, 100))
    joined: list[tuple[int, Sent]] = []

    def attempt() -> int:
        nonce, mark = next(nonces), len(air.events)
        end_us = air.hear(joiner.request(nonce))
        sent = air.next_sent(mark, 9.0)
        if sent is None:
            return 0
        joined.append((nonce, sent))
        delay_us = met(end_us, sent, JOIN1_US, JOIN2_US)
        first = delay_us == JOIN1_US
        assert_like_lorawan(sent, CHANNEL_HZ if first else RX2_HZ, 7 if first else 12)
        return delay_us

    until_met(attempt, JOIN1_US)
    nonce, sent = joined[-1]
    accept, device = joiner.accept(sent.payload, nonce)
    node = Node(air, replace(device, dev_addr=accept.dev_addr))
    identity = farm.command(JOINING, hex="0102", f_port=9, confirmed=True)
    _, down = node.converse(WARM)
    assert node.read(down).frm_payload == b"\x01\x02"
    node.say(WARM, ack=True)
    farm.command_is(JOINING, identity, "acked")
    assert farm.wait(f"device/{JOINING}/state")["f_cnt"] is not None

    before, mark = farm.quarantined("dev_nonce_used"), len(air.events)
    air.hear(joiner.request(nonce))
    farm.health(lambda body: body["quarantine"]["counts"].get("dev_nonce_used") == before + 1)
    assert air.next_sent(mark, 1.0) is None
    node.say(WARM)
    farm.wait(f"device/{JOINING}/state", lambda body: body["f_cnt"] == node.device.f_cnt - 1)


def test_a_device_that_always_listens_is_told_at_once(farm: Farm, air: OnAir) -> None:
    siren, mark = node_of(air, REGISTERED[2]), len(air.events)
    identity = farm.command(SIREN, hex="ff", f_port=3, confirmed=True)
    sent = air.next_sent(mark, 10.0)
    assert sent is not None
    assert_like_lorawan(sent, RX2_HZ, 12)
    assert siren.read(sent).frm_payload == b"\xff"
    farm.command_is(SIREN, identity, "sent")
    newer = farm.command(SIREN, hex="00", f_port=3, confirmed=True)
    farm.command_is(SIREN, newer, "sent")
    # It answers the newer one: of the older nobody knows whether it arrived.
    siren.say(ack=True)
    farm.command_is(SIREN, newer, "acked")
    assert farm.command_states(SIREN, identity)[-1] == "sent"


def test_a_home_made_node_is_heard_and_told_in_its_own_frames(farm: Farm, air: OnAir) -> None:
    counters = iter(range(1, 100))

    def up() -> float:
        frame = PrivateFrame(Version.SEALED_UP, WELL_ID, next(counters), WARM)
        return air.hear(seal_private(frame, WELL_KEY))

    up()
    assert farm.wait(f"device/{WELL}/state")["air"] == {"temperature": {"1": 25.5}}

    def attempt() -> int:
        identity = farm.command(WELL, hex="0a0b", f_port=1)
        mark = len(air.events)
        end_us = up()
        sent = air.next_sent(mark, 3.0)
        if sent is None:
            return 0
        frame = open_private(sent.payload, WELL_KEY)
        assert (frame.version, frame.node_id) == (Version.SEALED_DOWN, WELL_ID)
        assert frame.payload == b"\x0a\x0b"
        assert (sent.sf, sent.iq) == (7, False)
        farm.command_is(WELL, identity, "sent")
        return met(end_us, sent, RX1_US)

    until_met(attempt, RX1_US)


def test_a_replayed_frame_is_put_aside_and_not_answered(farm: Farm, soil: Node, air: OnAir) -> None:
    old, mark = soil.device.uplink(DRY_SOIL, 2, confirmed=True), len(air.events)
    air.hear(old)
    air.next_sent(mark, 4.0)
    soil.converse(DRY_SOIL, confirmed=True)
    farm.wait(f"device/{SOIL}/state", lambda body: body["f_cnt"] == soil.device.f_cnt - 1)
    before, mark, stored = farm.quarantined("replay"), len(air.events), farm.daemon.stored()
    air.hear(old)
    farm.health(lambda body: body["quarantine"]["counts"].get("replay") == before + 1)
    assert air.next_sent(mark, 1.5) is None
    assert farm.daemon.stored() == stored


def test_a_neighbour_s_frames_are_shown_with_advice_and_are_no_bad_input(
    farm: Farm, air: OnAir
) -> None:
    before = farm.health()["quarantine"]["counts"]
    neighbour = Node(air, Device(dev_addr=DevAddr("01020304")))
    neighbour.say(confirmed=True)
    air.hear(Joiner(dev_eui=DevEui("0102030405060708")).request(1))
    air.hear(b"\xe0hello there")

    def all_three(body: dict[str, dict[str, dict[str, int]]]) -> bool:
        return set(body["network"]["strangers"]["counts"]) >= {
            "unknown_dev_addr", "unknown_device", "not_lorawan",
        }  # fmt: skip

    health = farm.health(all_three)
    newest = {one["who"]: one for one in health["network"]["strangers"]["newest"]}
    assert "lora-gateway devices add" in newest["01020304"]["advice"]
    assert "lora-gateway devices add" in newest["0102030405060708"]["advice"]
    assert health["quarantine"]["counts"] == before
    assert EUI not in newest


def test_rubbish_on_the_air_costs_nothing_but_itself(farm: Farm, air: OnAir, soil: Node) -> None:
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    address = bytes.fromhex(soil.device.dev_addr)[::-1]

    def rubbish(kind: int) -> bytes:
        noise = rng.randbytes(rng.randrange(1, 200))
        match kind:
            case 0:
                return noise
            case 1:
                return bytes((rng.choice((0x40, 0x80, 0x60)),)) + address + noise
            case 2:
                return soil.device.uplink(noise, rng.choice((1, 2, 224, 255)), f_opts=noise[:15])
            case 3:
                return soil.device.uplink(noise[:40], 0)
            case _:
                return bytes((rng.choice(list(Version)),)) + WELL_ID.to_bytes(4, "big") + noise

    for number in range(150):
        air.hear(rubbish(number % 5), airtime_us=3000, rssi=rng.randrange(-140, 0), snr=-20)
    air.hear(soil.device.uplink(DRY_SOIL, 2))
    farm.wait(f"device/{SOIL}/state", lambda body: body["f_cnt"] == soil.device.f_cnt - 1)
    assert len(farm.health()["network"]["strangers"]["newest"]) <= 20

    identity = farm.command(SOIL, hex="0b", f_port=2)
    for _ in range(ATTEMPTS):  # answers to what made sense in the rubbish may come first
        mark = len(air.events)
        soil.say(DRY_SOIL)
        air.next_sent(mark, 3.0)
        if "sent" in farm.command_states(SOIL, identity):
            break
    farm.command_is(SOIL, identity, "sent")
