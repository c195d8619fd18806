"""Every request there is, with values of any make-up: each is answered, and the daemon goes on."""

from __future__ import annotations

import json
from pathlib import Path

from chirpstack_events import eui, up
from daemon_in_memory import Farm, running
from gateways import NOW_S, settings

from gateway.bulletin import RULE_VERBS
from gateway.control import PROGRAM_VERBS, VERBS

VALVE = eui(3)
QUESTIONS = {
    "info", "health", "health/devices", "devices", "downlink", "program/list", "program/simulate",
    "alert/list", "alert/show", "alert/acknowledge", "alert/snooze", "alert/comment",
    "alert/false-alarm", "alert/undo", "alert/adjustments", "alert/digest", "alert/chart",
    "nonsense", "../up", "",
}  # fmt: skip
KEYS = (
    "id", "name", "dev_eui", "group", "by", "days", "minutes", "command", "object", "hex", "rule",
    "text", "until", "for", "channel", "transaction", "duration_s", "expires", "confirmed",
)  # fmt: skip
ODD: tuple[object, ...] = (
    None, True, 5, -1, 1e300, 2**70, "", "x" * 300, "\ud800", "a/#", "+", "\0", [], ["x"], {},
    {"x": {}}, [[[]]],
)  # fmt: skip
CONFIG = {
    "devices": {VALVE: {"commands": {"close": {"f_port": 10, "effect": "close", "hex": "00"}}}},
    "programs": {"orchard": {"start": ["03:00"], "minutes": 5, "valve": [{"device": VALVE}]}},
    "groups": {"all": {"devices": [VALVE]}},
}


async def answered(farm: Farm, verb: str) -> None:
    """Wait until what was asked before this is answered, by asking something of our own."""
    before = len(farm.heard("lora-gateway/bridge/response/info"))
    farm.say("lora-gateway/bridge/request/info", b'{"transaction": "alive"}')
    await farm.until(
        lambda: len(farm.heard("lora-gateway/bridge/response/info")) > before, f"life after {verb}"
    )


async def test_a_request_of_any_make_up_leaves_the_daemon_alive(tmp_path: Path) -> None:
    store = {"path": str(tmp_path / "gateway.db"), "commit_wait_s": 0.0}
    async with running(settings(**CONFIG, store=store)) as farm:
        farm.say(*up(VALVE, 1, NOW_S, {"x": 1}))
        verbs = sorted(QUESTIONS | VERBS | PROGRAM_VERBS | {*RULE_VERBS})
        for verb in verbs:
            for key in KEYS:
                for odd in ODD:
                    body = {"name": "orchard", "dev_eui": VALVE, key: odd}
                    farm.say(f"lora-gateway/bridge/request/{verb}", json.dumps(body).encode())
            await answered(farm, verb)
        for message in farm.broker.published:
            assert not set(message.topic.encode()) & set(b"#+\0") or "/request/" in message.topic
