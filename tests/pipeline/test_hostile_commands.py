"""A thousand hostile commands: each refused with a reason, none of them reaches a link."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, delivery, settings

from gateway.codecs import format_rfc3339
from gateway.config import Config
from gateway.control import sign
from gateway.outcome import Outcome
from gateway.publishers import Topics, messages, payloads, values
from gateway.store import verify
from gateway.types import DownlinkState

VALVE, OTHER = eui(3), eui(4)
SET = f"lora-gateway/device/{VALVE}/set"
KEY = b"an operator's key, known to nobody else"
COUNT = 1000

Hostile = tuple[str, bytes, bool]
"""Topic, payload, and whether it is retained."""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "anna.key").write_bytes(KEY)
    commands = {
        "open": {
            "f_port": 10,
            "effect": "open",
            "hex": "01",
            "close_with": "close",
            "max_s": 3600,
        },
        "close": {"f_port": 10, "effect": "close", "hex": "00"},
        "level": {"f_port": 11, "keys": {"level": {"type": "integer", "min": 0, "max": 9}}},
    }
    return settings(
        devices={VALVE: {"commands": commands}, OTHER: {"command_f_port": 2}},
        operators={
            "anna": {"key_file": str(tmp_path / "anna.key"), "devices": [VALVE]},
            "root": {"role": "admin", "key_file": str(tmp_path / "anna.key")},
            "view": {"role": "viewer", "key_file": str(tmp_path / "anna.key")},
        },
        downlink={"require_signature": True, "per_device_per_hour": 10**6},
        groups={"all": {"devices": [VALVE, OTHER]}},
        programs={"orchard": {"start": ["03:00"], "minutes": 5, "valve": [{"device": VALVE}]}},
    )


def good(random_: random.Random, at_s: float = NOW_S, **changes: object) -> dict[str, object]:
    """Return a command that would be carried out, less its signature."""
    body: dict[str, object] = {
        "id": str(uuid.UUID(int=random_.getrandbits(128), version=4)),
        "time": format_rfc3339(at_s),
        "by": "anna",
        "command": "open",
        "duration_s": 600,
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


def signed(body: dict[str, object], dev_eui: str = VALVE, key: bytes = KEY) -> bytes:
    return json.dumps({**body, "signature": sign(key, dev_eui, body)}).encode()


def hostile(seed: int) -> Iterator[Hostile]:
    """Yield commands of every kind that must not be carried out, without end."""
    chance = random.Random(seed)  # noqa: S311 - the same commands each time
    while True:
        body = good(chance)
        whole = signed(body)
        cut = chance.randrange(1, len(whole) - 1)
        yield SET, whole[:cut], False  # malformed
        at = chance.randrange(len(whole))
        yield (
            SET,
            whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(7)]) + whole[at + 1 :],
            False,
        )
        yield SET, chance.randbytes(chance.randrange(1, 200)), False
        yield SET, b"[" * chance.randrange(1, 8000), False
        yield SET, b'{"a":' * chance.randrange(1, 1500), False
        yield SET, whole + b" " * 9000, False  # oversized
        yield SET, signed(good(chance, object={"x" * 7000: 1})), False
        yield SET, signed(good(chance, command=None, hex="00" * 300, f_port=1)), False
        yield SET, whole, True  # retained
        yield SET, json.dumps(body).encode(), False  # forged
        yield SET, signed(body, key=chance.randbytes(32)), False
        yield SET, signed(body, dev_eui=OTHER), False
        yield SET, signed(good(chance, by="view")), False
        yield SET, signed(good(chance, by=f"anna{chance.randrange(9)}")), False
        yield SET, json.dumps({**body, "duration_s": 3601, "signature": "00" * 32}).encode(), False
        yield f"lora-gateway/device/{OTHER}/set", signed(body, dev_eui=OTHER), False
        yield f"lora-gateway/device/{eui(chance.randrange(50, 999))}/set", whole, False
        yield SET, signed(good(chance, at_s=NOW_S - chance.uniform(301, 1e6))), False  # replayed
        yield SET, signed(good(chance, at_s=NOW_S + chance.uniform(31, 1e6))), False
        yield SET, signed(good(chance, expires=format_rfc3339(NOW_S - 1))), False
        yield SET, signed(good(chance, duration_s=chance.uniform(3601, 1e5))), False  # out of range
        yield SET, signed(good(chance, duration_s=-1)), False
        yield SET, signed(good(chance, duration_s=None)), False
        yield SET, signed(good(chance, expires_in_s=1e9)), False
        level = chance.choice([-1, 10, 1.5, True, "5", None, [], {}, 1e300, 2**70, "' OR 1=1 --"])
        yield SET, signed(good(chance, command="level", object={"level": level})), False
        yield SET, signed(good(chance, command="level", object={"level": 1, "__proto__": 1})), False
        injected = chance.choice(["open; close", "../close", "open\0", "OPEN", "${open}", "öpen"])
        yield SET, signed(good(chance, command=injected)), False  # injected
        data = base64.b64encode(b"\1").decode()
        yield SET, signed(good(chance, command=None, data=data, f_port=10)), False
        yield SET, signed(good(chance, command=None, object={"valve": 1}, f_port=10)), False
        yield f"{SET}/open", b'{"duration_s": 600}', False
        yield f"{SET}/{injected.replace('/', '.')}", b"true", False
        yield SET, signed(good(chance, f_port=chance.choice([0, 9, 224, -1]))), False
        asked = json.dumps({**body, "dev_eui": VALVE, "signature": "ff" * 32}).encode()
        yield "lora-gateway/bridge/request/downlink", asked, False


async def introduce(gateway: Bench) -> None:
    await gateway.hear(up(VALVE, 1, NOW_S, {"x": 1}), up(OTHER, 1, NOW_S, {"x": 1}))


async def test_a_thousand_hostile_commands_are_refused_and_none_reaches_a_link(
    config: Config,
) -> None:
    async with bench(config) as gateway:
        await introduce(gateway)
        reasons: dict[str, int] = {}
        attacks = hostile(1)
        for _ in range(COUNT // 50):
            batch = [next(attacks) for _ in range(50)]
            outcome = await gateway.take(
                *(
                    delivery((topic, body), NOW_S, source="operator", retained=retained)
                    for topic, body, retained in batch
                )
            )
            assert (outcome.dispatch, outcome.downlinks, outcome.transmissions) == ([], [], [])
            refused = [one for one in outcome.answers if one.state is DownlinkState.REFUSED]
            assert len(refused) == len(outcome.answers)
            # A request whose body is no object at all is put aside, with a reason too.
            assert len(refused) + len(outcome.rejected) == len(batch)
            for one in refused:
                reason, _, said = one.detail.partition(": ")
                assert said.strip()
                assert KEY.decode() not in one.detail
                reasons[reason] = reasons.get(reason, 0) + 1
        assert gateway.store.open_downlinks() == []
        assert gateway.store.downlinks_since(0.0) == []
        assert set(reasons) >= {
            "malformed", "too_large", "retained", "signature", "unsigned", "unauthorised", "stale",
            "unknown_device", "expired", "expiry", "limit", "interlock", "value", "f_port",
            "unknown_command", "not_in_schema",
        }  # fmt: skip
        rows = [row for page in (0, 1000) for row in gateway.store.audit(page)]
        assert len(rows) == sum(reasons.values())
        assert verify(rows, gateway.store.audit_head()).fault is None


async def test_what_the_attacks_are_made_from_would_be_carried_out(config: Config) -> None:
    async with bench(config) as gateway:
        await introduce(gateway)
        body = good(random.Random(1))  # noqa: S311 - as above
        outcome = await gateway.ask(SET, signed(body))
        assert [one.command for one in outcome.dispatch] == ["open"]
        again = await gateway.ask(SET, signed(body))  # replayed at once: it changes nothing
        assert (again.dispatch, again.downlinks) == ([], [])
        assert [one.id for one in again.answers] == [body["id"]]
        gateway.clock.observe(NOW_S + 400)
        later = await gateway.ask(SET, signed(body))
        assert (later.dispatch, later.downlinks) == ([], [])


async def test_an_emergency_stop_needs_no_name_and_its_end_an_admin(config: Config) -> None:
    async with bench(config) as gateway:
        await introduce(gateway)
        await gateway.ask("lora-gateway/bridge/request/stop", b"{}")
        for body in (b"{}", b'{"by":"anna"}', b'{"by":"view"}', b'{"x":1}', b'{"by":5}'):
            outcome = await gateway.ask("lora-gateway/bridge/request/resume", body)
            assert outcome.replies[0].error is not None
        refused = await gateway.ask(SET, signed(good(random.Random(2))))  # noqa: S311 - as above
        assert refused.answers[0].detail.startswith("emergency_stop")


async def test_a_signed_order_is_good_for_what_it_says_and_once(config: Config) -> None:
    def order(verb: str, at_s: float = NOW_S) -> bytes:
        body = {"id": str(uuid.uuid4()), "time": format_rfc3339(at_s), "by": "root"}
        return json.dumps({**body, "signature": sign(KEY, "", {**body, "order": verb})}).encode()

    async with bench(config) as gateway:
        await introduce(gateway)
        stop, resume = order("stop"), order("resume")
        await gateway.ask("lora-gateway/bridge/request/stop", stop)
        outcome = await gateway.ask("lora-gateway/bridge/request/resume", stop)
        assert str(outcome.replies[0].error).startswith("signature")
        outcome = await gateway.ask("lora-gateway/bridge/request/resume", resume)
        assert outcome.replies[0].error is None
        gateway.clock.observe(NOW_S + 5)
        await gateway.ask("lora-gateway/bridge/request/stop", order("stop", NOW_S + 5))
        outcome = await gateway.ask("lora-gateway/bridge/request/resume", resume)
        assert str(outcome.replies[0].error).startswith("stale")


async def test_an_order_of_any_make_up_is_answered(config: Config) -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    async with bench(config) as gateway:
        await introduce(gateway)
        for more in (
            {"transaction": "\ud800"}, {"transaction": deep}, {"by": "\ud800"},
            {"reason": "\ud800"}, {"command": "\ud800"}, {"id": 5}, {"time": "\ud800"},
            {"signature": "ä" * 64},
        ):  # fmt: skip
            body = {"by": "root", "id": "x", "time": format_rfc3339(NOW_S), "signature": "0" * 64}
            payload = json.dumps(body | more).encode()
            for verb in ("resume", "confirm"):
                outcome = await gateway.ask(f"lora-gateway/bridge/request/{verb}", payload)
                assert outcome.replies[0].error is not None


async def test_what_is_hostile_to_a_device_is_hostile_to_a_group(config: Config) -> None:
    async with bench(config) as gateway:
        await introduce(gateway)
        attacks = hostile(2)
        for _ in range(COUNT // 50):
            made = (next(attacks) for _ in range(50))
            batch = [one for one in made if not one[0].endswith("downlink")]
            outcome = await gateway.take(
                *(
                    delivery(
                        (topic.replace(f"device/{topic.split('/')[2]}", "group/all"), body),
                        NOW_S, source="operator", retained=retained,
                    )
                    for topic, body, retained in batch
                )
            )  # fmt: skip
            assert (outcome.dispatch, outcome.multicasts, outcome.transmissions) == ([], [], [])
            assert {view.state for view in outcome.groups} <= {"refused"}
            bulletin_of(outcome)
        assert gateway.store.downlinks_since(0.0) == []


async def test_a_request_to_a_group_or_program_of_any_make_up_is_answered(config: Config) -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    async with bench(config) as gateway:
        await introduce(gateway)
        for more in (
            {}, {"transaction": deep}, {"by": "\ud800"}, {"by": 5}, {"reason": "\ud800"},
            {"id": 5}, {"id": "\ud800"}, {"time": "\ud800"}, {"signature": "ä" * 64},
            {"group": "a/#"}, {"group": "\ud800"}, {"group": 5}, {"group": deep},
            {"name": "\ud800"}, {"name": 5}, {"minutes": -1}, {"minutes": 1e999}, {"undo": "x"},
            {"object": deep}, {"by": "program:orchard"},
        ):  # fmt: skip
            verbs = ("downlink", "program/run", "program/skip", "program/enable")
            for verb in verbs:
                about = {"group": "all"} if verb == "downlink" else {"name": "orchard"}
                payload = json.dumps({**about, **more}).encode()
                outcome = await gateway.ask(f"lora-gateway/bridge/request/{verb}", payload)
                assert all(reply.error is not None for reply in outcome.replies)
                assert len(outcome.replies) + len(outcome.rejected) == 1
                assert outcome.dispatch == []
                bulletin_of(outcome)


async def test_a_signed_order_on_a_program_is_good_once(config: Config) -> None:
    body = {"id": "one", "time": format_rfc3339(NOW_S), "by": "root", "name": "orchard"}
    body["signature"] = sign(KEY, "", {**body, "order": "program/run"})
    async with bench(config) as gateway:
        await introduce(gateway)
        topic = "lora-gateway/bridge/request/program/run"
        first = await gateway.ask(topic, json.dumps(body).encode())
        assert first.replies[0].error is None
        await gateway.ask("lora-gateway/bridge/request/program/stop", b'{"name": "orchard"}')
        again = await gateway.ask(topic, json.dumps(body).encode())
        assert str(again.replies[0].error).startswith("id_in_use")


def bulletin_of(outcome: Outcome) -> None:
    """Make what would be published of it: topics and payloads that a broker takes."""
    topics = Topics("lora-gateway")
    for view in outcome.groups:
        for message in messages.group_command(topics, view):
            message.topic.encode()
            assert not set(message.topic) & {"#", "+", "\0"}
    for reply in outcome.replies:
        body = payloads.response(data=reply.data, error=reply.error, transaction=None)
        assert values.dumps(body)
