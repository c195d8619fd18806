"""Whatever comes, and however it is cut into batches, every delivery is accounted for."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json

from chirpstack_events import eui, up
from gateways import NOW_S, Bench, delivery, settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from server_events import ack, changed, join, location, log, status, txack

from gateway.types import Delivery

FEW = examples(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
VALUES = {"TempC_SHT": 20.5, "Hum_SHT": 55.5, "mode": "auto", "open": True}
HOT = {"name": "hot", "channel": "air.temperature", "above": 30.0, "hysteresis": 2.0}
NUMBERS = st.integers(0, 5)
IDS = NUMBERS.map(lambda number: f"0b6f9c3e-55a4-4b0e-9d0a-{number:012x}")
EUIS = NUMBERS.map(eui)
TIMES = st.floats(NOW_S - 7200, NOW_S + 60)

UPLINKS = st.builds(up, EUIS, NUMBERS, TIMES, st.just(VALUES))
OTHERS = st.one_of(
    st.builds(join, EUIS, TIMES, st.just("01020304"), IDS),
    st.builds(status, EUIS, TIMES, IDS),
    st.builds(location, EUIS, TIMES, IDS),
    st.builds(txack, EUIS, TIMES, IDS),
    st.builds(ack, EUIS, TIMES, IDS),
    st.builds(log, EUIS, TIMES, st.sampled_from(["UPLINK_CODEC", "EXPIRED", "OTAA"]), IDS),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = ["deviceInfo", "time", "fCnt", "object", "rxInfo", "data", "deduplicationId", "devAddr"]
WRONG = st.builds(
    lambda event, name, value: changed(event, **{name: value}),
    UPLINKS, st.sampled_from(FIELDS), JSON,
)  # fmt: skip
CUT = st.builds(lambda event, at: (event[0], event[1][: int(at * len(event[1]))]), UPLINKS,
                st.floats(0, 1))  # fmt: skip
FLIPPED = st.builds(
    lambda event, at, bit: (event[0], flip(event[1], at, bit)),
    UPLINKS, st.integers(0, 10**6), st.integers(0, 7),
)  # fmt: skip
STRAY = st.tuples(st.text(max_size=40), st.binary(max_size=60))
EVENTS = st.lists(st.one_of(UPLINKS, OTHERS, WRONG, CUT, FLIPPED, STRAY), max_size=30)


def flip(payload: bytes, at: int, bit: int) -> bytes:
    changing = bytearray(payload)
    changing[at % len(changing)] ^= 1 << bit
    return bytes(changing)


@FEW
@given(EVENTS, st.sets(st.integers(0, 30)), st.booleans())
def test_every_delivery_is_an_uplink_a_repeat_an_event_or_put_aside(
    events: list[tuple[str, bytes]],
    cuts: set[int],
    retained: bool,  # noqa: FBT001
) -> None:
    asyncio.run(account(events, cuts, retained=retained))


async def account(events: list[tuple[str, bytes]], cuts: set[int], *, retained: bool) -> None:
    gateway = Bench(settings())
    deliveries = [
        delivery(event, NOW_S + at, retained=retained and at == 0)
        for at, event in enumerate(events)
    ]
    whole_messages_aside = 0
    for batch in split(deliveries, cuts):
        outcome = await gateway.take(*batch)
        whole_messages_aside += sum(one.source != "codec" for one in outcome.rejected)
        leaves_aside = [one for one in outcome.rejected if one.source == "codec"]
        assert all(one.reason for one in leaves_aside)
    telemetry, stored = gateway.telemetry, gateway.stored()
    measured = telemetry.events["status"] + telemetry.events["location"]
    logged = gateway.store.connection.execute("SELECT count(*) FROM event").fetchone()[0]
    duplicates = telemetry.counts["duplicates"]
    assert len(stored) + logged + duplicates + whole_messages_aside == len(events)
    assert telemetry.counts["uplinks"] <= len(stored) <= telemetry.counts["uplinks"] + measured
    kept = gateway.store.quarantine_counts()
    assert kept == dict(telemetry.quarantined)
    assert sum(kept.values()) >= whole_messages_aside
    assert len({row.record.uid for row in stored}) == len(stored)
    await gateway.store.close()


def split(deliveries: list[Delivery], cuts: set[int]) -> list[list[Delivery]]:
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(deliveries)), len(deliveries)]
    return [deliveries[a:b] for a, b in itertools.pairwise(edges)]


def recording() -> list[Delivery]:
    """Three devices for a day, with repeats, a late one, rubbish and two hot spells."""
    found = []
    for step in range(48):
        at_s = NOW_S + 1800.0 * step
        for number in range(3):
            hot = number == 1 and (10 <= step < 14 or 30 <= step < 33)
            values = {"TempC_SHT": 40.0 if hot else 20.0 + step % 5, "Hum_SHT": 50 + step % 3}
            event = up(eui(number), step, at_s + number, values)
            found.append(delivery(event, at_s + number + 0.5))
            if step % 7 == number:
                found.append(delivery(event, at_s + number + 1.0))
        if step % 11 == 5:
            backfill = up(eui(0), 1000 + step, at_s - 90_000, {"TempC_SHT": 45.0})
            found.append(delivery(backfill, at_s + 3.0))
            found.append(delivery(("application/x", b"{"), at_s + 3.5))
    return found


def gist(gateway: Bench, told: list[str]) -> str:
    rows = [
        (row.record.uid, row.record.late, [(one.channel, one.value) for one in row.record.readings],
         [(one.channel, one.status.value, one.score, one.p_value) for one in row.record.verdicts])
        for row in gateway.stored()
    ]  # fmt: skip
    return json.dumps([rows, told, gateway.assembly.summary()])


async def run_in_batches(cuts: set[int]) -> str:
    config = settings(alerts={"threshold": [HOT], "silence": {"enabled": False}})
    gateway = Bench(config)
    told = []
    for batch in split(recording(), cuts):
        # The clock only turns between batches: every cut sees the same rules at work.
        outcome = await gateway.take(*batch)
        told += [f"{event.event_type} {event.alert.id}" for event in outcome.alerts]
    result = gist(gateway, told)
    await gateway.store.close()
    return result


@functools.cache
def one_by_one() -> str:
    return asyncio.run(run_in_batches(set(range(1000))))


def test_the_recording_holds_what_it_is_for() -> None:
    _, told, summary = json.loads(one_by_one())
    # Twice it is hot at once: a limit that is passed, and a step before any model knows the probe.
    assert [step.split()[0] for step in told].count("new") == 4
    assert [step.split()[0] for step in told].count("end") == 4
    assert summary["duplicates"] > 10
    assert summary["quarantined"] == {"unknown_topic": 4}


@examples(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(0, 200)))
def test_how_deliveries_are_cut_into_batches_changes_nothing(cuts: set[int]) -> None:
    assert asyncio.run(run_in_batches(cuts)) == one_by_one()
