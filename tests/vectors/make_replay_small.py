"""Write `replay_small.jsonl`: an invented farm, recorded as `mosquitto_sub -F '%J'` would.

Events have ChirpStack 4's JSON form (see `chirpstack_events` and `server_events`); devices, values
and times are made here by seed. Run it from this folder: `python make_replay_small.py`.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from chirpstack_events import eui, up  # noqa: E402 - found through the path above
from server_events import ack, changed, join, location, log, status, txack  # noqa: E402

BEGIN_S = datetime(2025, 5, 4, 6, 0, tzinfo=UTC).timestamp()
STEP_S = 1800.0
STEPS = 72
COMMAND = "9a1d9a52-6a0f-4b2e-8c77-3f1f0d1f7a01"
Event = tuple[str, bytes]


def values(number: int, step: int, rng: random.Random) -> dict[str, object]:
    """Return what a soil probe, a climate box or a valve would say."""
    day = math.sin(2 * math.pi * (step / 48 - 0.3))
    if number == 0:
        return {
            "water_SOIL": f"{28.0 - step * 0.02 + rng.gauss(0, 0.05):.2f}",
            "temp_SOIL": f"{14.0 + 3.0 * day:.2f}",
            "conduct_SOIL": 214,
            "BatV": 3.61,
        }
    if number == 1:
        climate = {"temperature": round(19.0 + 6.0 * day, 1), "humidity": round(60 - 15 * day, 1)}
        return {"measured": climate, "co2": 600 + step % 9, "ok": True, "mode": "day"}
    return {"valve": "open" if step % 12 == 0 else "closed", "pulses": 40 * step, "fault": None}


def events() -> Iterator[tuple[float, Event]]:
    """Yield (time of receipt, event): uplinks with what comes between and beside them."""
    rng = random.Random(20250504)  # noqa: S311 - repeatable, not secret
    for step in range(STEPS):
        for number in range(3):
            at_s = BEGIN_S + step * STEP_S + 211.0 * number
            uplink = up(eui(0xB0 + number), step, at_s, values(number, step, rng))
            yield at_s + 0.3, uplink
            if rng.random() < 0.04:
                yield at_s + 0.4, uplink
            if rng.random() < 0.02:
                other = f"00000000-0000-4000-8000-{step:08x}{number:04x}"
                yield at_s + 0.6, changed(uplink, deduplicationId=other)
        at_s = BEGIN_S + step * STEP_S + 900.0
        device = eui(0xB0 + step % 3)
        if step % 36 == 7:
            yield at_s, status(device, at_s, f"status-{step}")
            yield at_s + 1, status(device, at_s, f"status-{step}")
            yield at_s + 2, location(device, at_s, f"location-{step}")
        if step % 48 == 20:
            yield at_s, up(device, 5000 + step, at_s - 30_000.0, {"BatV": 3.5})
    at_s = BEGIN_S + STEPS * STEP_S
    yield at_s, join(eui(0xB2), at_s, "01b20001", "join-1")
    yield at_s + 1, join(eui(0xB2), at_s, "01b20001", "join-1")
    yield at_s + 2, txack(eui(0xB2), at_s, COMMAND)
    yield at_s + 3, ack(eui(0xB2), at_s, COMMAND)
    yield at_s + 4, log(eui(0xB2), at_s, "UPLINK_F_CNT_RESET")


def line(received_s: float, event: Event, number: int, *, retain: bool = False) -> str:
    """Return one line; every fifth holds its payload as text, as `%j` writes it."""
    topic, payload = event
    return json.dumps(
        {
            "tst": _tst(received_s, number),
            "topic": topic,
            "qos": 1,
            "retain": int(retain),
            "payloadlen": len(payload),
            "payload": payload.decode() if number % 5 == 0 else json.loads(payload),
        },
        ensure_ascii=False,
    )


def _tst(received_s: float, number: int) -> str:
    """Write a time as mosquitto does (local, a stray Z, an offset), and sometimes as RFC 3339."""
    if number % 7 == 0:
        return datetime.fromtimestamp(received_s, UTC).isoformat(timespec="milliseconds")
    zone = timezone(timedelta(hours=2)) if number % 2 else UTC
    return datetime.fromtimestamp(received_s, zone).strftime("%Y-%m-%dT%H:%M:%S.%fZ%z")


def broken() -> Iterator[str]:
    """Yield lines of which nothing, or not all, can be used."""
    at_s = BEGIN_S + STEP_S
    topic, payload = up(eui(0xB0), 9000, at_s, {"temp_SOIL": 12.0, "BatV": 3.6})
    good = line(at_s, (topic, payload), 1)
    yield good[: len(good) // 2]
    yield "42"
    yield good.replace('"tst"', '"time"', 1)
    yield good.replace('"tst": "2025', '"tst": "soon', 1)
    yield line(at_s, (topic, payload), 1, retain=True)
    yield line(at_s, (topic.replace("/event/up", "/event/telepathy"), payload), 1)
    yield line(at_s, ("somewhere/else", payload), 1)
    yield json.dumps({"tst": _tst(at_s, 1), "topic": topic, "payload": payload.decode()[:90]})
    yield json.dumps({"tst": _tst(at_s, 1), "topic": topic, "payload": [1, 2]})
    yield line(at_s, changed((topic, payload), fCnt="twelve"), 1)


def write(file: Path) -> None:
    """Write the recording."""
    lines = [line(*item, number) for number, item in enumerate(events())]
    for number, bad in enumerate(broken()):
        lines.insert(20 + 15 * number, bad)
    file.write_text("\n".join(lines) + "\n\n", encoding="utf-8")


if __name__ == "__main__":
    write(HERE / "replay_small.jsonl")
