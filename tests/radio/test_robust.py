"""The board comes and goes, and the gateway is killed, at any moment."""

from __future__ import annotations

import itertools
import os
import random
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest
from board_on_air import OnAir
from lorawan_devices import EUI
from radio_farm import QUICK, RX1_US, RX2_US, Farm, Settle, abp, met, node_of, until_met

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.network,
    pytest.mark.mosquitto,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

SEED = 20261124
REPLUGS = int(os.environ.get("RADIO_REPLUGS", "5"))
KILLS = int(os.environ.get("RADIO_KILLS", "6"))
"""A hundred and thirty take five minutes; what matters shows with these too."""

LISTENING_S = 3.0
LONGEST_LIFE_S = 1.4
"""From an uplink until after its second window has been prepared."""


def held(farm: Farm) -> tuple[int, int]:
    """Return how many descriptors and threads the gateway has."""
    process = Path("/proc") / str(farm.daemon.pid)
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def wait_opened(air: OnAir, since: int) -> None:
    """Wait until the board is reset by its port being opened: it hears once it is set up again."""
    assert air.until(lambda event: event["event"] == "reset", since, 20.0)


def test_a_board_that_comes_back_under_another_name_is_listened_to_again(
    settle: Settle, figures: dict[str, str]
) -> None:
    farm, air = settle(more=QUICK)
    device = abp(EUI, 1)
    farm.register(device)
    farm.start()
    node = node_of(air, device)
    took_s, before = [], held(farm)
    for _ in range(REPLUGS):
        begun_s, mark = time.monotonic(), len(air.events)
        air.say(cmd="replug")
        wait_opened(air, mark)
        node.say()
        took_s.append(time.monotonic() - begun_s)
        farm.daemon.wait_stored(node.device.f_cnt, 10)
    figures["replug_s"] = f"median {statistics.median(took_s):.2f}, max {max(took_s):.2f}"
    assert statistics.median(took_s) < LISTENING_S
    health = farm.health(lambda body: body["sources"]["board"]["listening"])
    assert health["sources"]["board"]["openings"] == REPLUGS + 1
    after = held(farm)
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 1

    def attempt() -> int:
        """Restart the board between an uplink and its windows: its clock begins anew."""
        identity = farm.command(EUI, hex="0a", f_port=3)
        mark = len(air.events)
        node.say()
        time.sleep(0.1)
        air.say(cmd="reset")
        assert air.next_sent(mark, 3.0) is None, "it was sent at a moment of another clock"
        if farm.command_states(EUI, identity)[-1] == "failed":
            return 0  # the board had it already, so nobody knows
        end_us, sent = node.converse()
        assert node.read(sent).frm_payload == b"\x0a"
        farm.command_is(EUI, identity, "sent")
        return met(end_us, sent, RX1_US, RX2_US)

    until_met(attempt, RX1_US)


def test_kills_at_any_moment_reuse_no_counter_and_repeat_no_command(
    settle: Settle, figures: dict[str, str]
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    farm, air = settle(more=QUICK)
    device = abp(EUI, 1)
    farm.register(device)
    node = node_of(air, device)
    farm.start()
    commands: dict[bytes, str] = {}
    numbers = itertools.count(1)

    def command() -> None:
        payload = next(numbers).to_bytes(2, "big")
        sure = rng.random() < 0.5
        commands[payload] = farm.command(EUI, hex=payload.hex(), f_port=9, confirmed=sure)

    for _ in range(KILLS):
        command()
    heard: list[bytes] = []
    read = 0
    for kill in range(KILLS):
        down = [node.read(sent) for sent in air.sent()]
        got, read = any(frame.confirmed for frame in down[read:]), len(down)
        up = node.device.uplink(
            kill.to_bytes(2, "big"),
            confirmed=rng.random() < 0.3,
            ack=got and rng.random() < 0.7,  # or it did not hear it
        )
        air.hear(up)
        heard.append(up)
        time.sleep(rng.uniform(0.0, LONGEST_LIFE_S))
        farm.daemon.kill()
        mark = len(air.events)
        farm.daemon.start()
        wait_opened(air, mark)
        if len(heard) > 2:
            air.hear(rng.choice(heard[:-1]))
    farm.wait_listening()
    for _ in range(2):  # another chance for what waits
        node.ask(confirmed=True)
    farm.daemon.stop()

    down = [node.read(sent) for sent in air.sent()]
    counters = [frame.f_cnt for frame in down]
    assert counters == sorted(set(counters))
    figures["kills"] = f"{KILLS}, {len(down)} downlinks transmitted"
    carried = Counter(frame.frm_payload for frame in down if frame.f_port == 9)
    assert carried.keys() <= commands.keys()
    assert set(carried.values()) == {1}
    states = dict(farm.daemon.rows("SELECT id, state FROM downlink"))
    told_sent = {payload for payload, one in commands.items() if states[one] in {"sent", "acked"}}
    still_waiting = {p for p, one in commands.items() if states[one] == "accepted"}
    assert told_sent <= carried.keys()
    assert not still_waiting & carried.keys()
    assert len(carried) >= KILLS / 6

    stored = [f_cnt for (f_cnt,) in farm.daemon.rows("SELECT f_cnt FROM uplink ORDER BY rowid")]
    assert stored == sorted(set(stored))
    assert len(stored) > KILLS / 2
    assert farm.daemon.rows("PRAGMA integrity_check") == [("ok",)]
    assert farm.daemon.rows("PRAGMA foreign_key_check") == []
