"""What people ask over our own broker, and what they are answered."""

from __future__ import annotations

import asyncio
import json

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from server_events import ack, join, log, txack

from gateway.requests import Question
from gateway.types import Downlink, DownlinkState

VALVE = eui(3)
SET = f"lora-gateway/device/{VALVE}/set"
ID = "11111111-2222-4333-8444-555555555555"


async def introduce(gateway: Bench) -> None:
    await gateway.hear(up(VALVE, 1, NOW_S, {"valve_status": "open"}))


def body(**fields: object) -> bytes:
    return json.dumps({"id": ID, "f_port": 2, "hex": "0101"} | fields).encode()


def states(downlinks: list[Downlink]) -> list[str]:
    return [one.state.value for one in downlinks]


async def test_a_command_of_bytes_is_accepted_and_to_be_sent() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        outcome = await gateway.ask(SET, body())
        (downlink,) = outcome.dispatch
        assert (downlink.id, downlink.data, downlink.f_port) == (ID, b"\x01\x01", 2)
        assert states(outcome.downlinks) == ["accepted"]
        assert outcome.urgent
        assert [one.id for one in gateway.store.open_downlinks()] == [ID]


async def test_hex_alone_uses_the_port_set_for_the_device() -> None:
    async with bench(settings(devices={VALVE: {"command_f_port": 7}})) as gateway:
        await introduce(gateway)
        outcome = await gateway.ask(SET, b"0x0A 0b")
        (downlink,) = outcome.dispatch
        assert (downlink.data, downlink.f_port) == (b"\x0a\x0b", 7)


async def test_a_key_and_a_value_become_an_object_for_the_servers_codec() -> None:
    async with bench(settings(devices={VALVE: {"command_f_port": 7}})) as gateway:
        await introduce(gateway)
        outcome = await gateway.ask(f"{SET}/valve", b"true")
        (downlink,) = outcome.dispatch
        assert downlink.object == {"valve": True}


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        (SET, b"", "no_payload"),
        (SET, b"{", "malformed"),
        (SET, body(hex="zz"), "malformed"),
        (SET, body(f_port=0), "f_port"),
        (SET, body(extra=1), "malformed"),
        (SET, body(time="2020-01-01T00:00:00Z"), "stale"),
        (f"lora-gateway/device/{eui(99)}/set", body(), "unknown_device"),
        (f"{SET}/valve", b"[1]", "malformed"),
    ],
)
async def test_a_refused_command_is_answered_with_the_reason(
    topic: str, payload: bytes, why: str
) -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        outcome = await gateway.ask(topic, payload)
        (answer,) = outcome.answers
        assert answer.state is DownlinkState.REFUSED
        assert answer.detail.startswith(f"{why}: ")
        assert outcome.dispatch == []
        assert gateway.store.open_downlinks() == []


async def test_a_retained_command_is_refused() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        outcome = await gateway.ask(SET, body(), retained=True)
        assert [one.detail.split(":")[0] for one in outcome.answers] == ["retained"]
        assert outcome.dispatch == []


async def test_the_same_command_again_is_answered_and_not_sent_again() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        await gateway.ask(SET, body())
        again = await gateway.ask(SET, body())
        assert again.dispatch == []
        assert [one.id for one in again.answers] == [ID]
        await gateway.hear(txack(VALVE, NOW_S, ID))
        after = await gateway.ask(SET, body())
        assert states(after.answers) == ["sent"]
        other = await gateway.ask(SET, body(hex="0202"))
        assert other.answers[0].detail.startswith("id_in_use")


async def test_more_commands_than_the_limit_are_refused() -> None:
    async with bench(settings(downlink={"per_device_per_hour": 2})) as gateway:
        await introduce(gateway)
        for number in range(3):
            outcome = await gateway.ask(SET, body(id=ID[:-1] + str(number)))
        assert outcome.answers[0].detail.startswith("rate")


async def test_a_confirmed_command_is_followed_to_the_devices_answer() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        await gateway.ask(SET, body(confirmed=True))
        assert states((await gateway.hear(txack(VALVE, NOW_S, ID))).downlinks) == ["sent"]
        assert states((await gateway.hear(ack(VALVE, NOW_S, ID))).downlinks) == ["acked"]
        assert gateway.store.open_downlinks() == []
        kept = gateway.store.downlink(ID)
        assert kept is not None
        assert kept.state is DownlinkState.ACKED


async def test_what_the_server_could_not_encode_has_failed() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        await gateway.ask(SET, body())
        outcome = await gateway.hear(log(VALVE, NOW_S, "DOWNLINK_CODEC", ID))
        assert states(outcome.downlinks) == ["failed"]


async def test_a_join_is_told_to_whoever_waits_for_a_command() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        await gateway.ask(SET, body())
        gateway.assembly.downlinks.queued(ID, NOW_S)
        outcome = await gateway.hear(join(VALVE, NOW_S, "01020304", "joined-1"))
        assert ["joined anew" in one.detail for one in outcome.downlinks] == [True]


async def test_a_command_that_nobody_takes_expires() -> None:
    async with bench(settings()) as gateway:
        await introduce(gateway)
        await gateway.ask(SET, body(expires_in_s=120))
        outcome = await gateway.wait(200)
        assert states(outcome.downlinks) == ["expired"]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("lora-gateway/bridge/request/health", b"{", "invalid_json"),
        ("lora-gateway/bridge/request/health", b"[]", "not_an_object"),
        ("lora-gateway/bridge/request/health", b" " * 70_000, "payload_too_large"),
        ("lora-gateway/something/else", b"{}", "unknown_topic"),
    ],
)
async def test_a_request_that_cannot_be_read_is_put_aside(
    topic: str, payload: bytes, reason: str
) -> None:
    async with bench(settings()) as gateway:
        outcome = await gateway.ask(topic, payload)
        assert [one.reason for one in outcome.rejected] == [reason]


async def test_a_request_is_a_question_with_its_transaction() -> None:
    async with bench(settings()) as gateway:
        outcome = await gateway.ask("lora-gateway/bridge/request/health", b'{"transaction": 7}')
        assert outcome.questions == [Question("health", {"transaction": 7}, {})]
        assert (await gateway.ask("lora-gateway/bridge/request/info")).questions[0].body == {}


async def test_home_assistant_is_greeted_when_it_comes_up() -> None:
    async with bench(settings()) as gateway:
        assert (await gateway.ask("homeassistant/status", b"online")).hello
        assert not (await gateway.ask("homeassistant/status", b"offline")).hello


BODIES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.dictionaries(
        st.sampled_from(["id", "hex", "data", "object", "f_port", "confirmed", "expires", "time",
                         "transaction", "by", "expires_in_s"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
        | st.just(ID) | st.just({"valve": True}) | st.just("01ff"),
    ).map(lambda tree: json.dumps(tree).encode()),
)  # fmt: skip
TOPICS = st.sampled_from(
    [SET, f"{SET}/valve", f"{SET}/ä b", f"lora-gateway/device/{eui(9)}/set",
     "lora-gateway/device//set",
     "lora-gateway/bridge/request/health", "lora-gateway/bridge/request", "homeassistant/status",
     "lora-gateway/bridge/request/a/b", "lora-gateway", "x"],
)  # fmt: skip


@given(st.lists(st.tuples(TOPICS, BODIES, st.booleans()), max_size=15))
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_asked_is_done_answered_or_put_aside(
    asked: list[tuple[str, bytes, bool]],
) -> None:
    asyncio.run(ask_all(asked))


async def ask_all(asked: list[tuple[str, bytes, bool]]) -> None:
    gateway = Bench(settings())
    await introduce(gateway)
    for topic, payload, retained in asked:
        outcome = await gateway.ask(topic, payload, retained=retained)
        found = (
            len(outcome.dispatch) + len(outcome.answers) + len(outcome.questions)
            + len(outcome.rejected) + outcome.hello
        )  # fmt: skip
        assert found == 1 or topic == "homeassistant/status"
    await gateway.store.close()
