"""The audit chain: whole as it was written, and broken wherever somebody laid a hand on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import StoreConfig
from gateway.store import AuditRecord, AuditRow, Batch, Store, Verified, verify

NOW_S = 1_700_000_000.0
DAY_S = 86400.0
Open = Callable[..., Store]


def decisions(count: int, start_s: float = NOW_S) -> Batch:
    return Batch(
        audit=tuple(
            AuditRecord(start_s + number, "command", {"state": "accepted", "number": number})
            for number in range(count)
        )
    )


def checked(store: Store, *, known: tuple[str, ...] = ()) -> Verified:
    return verify(store.audit(), store.audit_head(), known=known)


async def test_what_was_written_in_many_commits_is_one_chain(open_store: Open) -> None:
    store = open_store()
    for _ in range(5):
        await store.commit(decisions(3))
    found = checked(store)
    assert (found.rows, found.fault) == (15, None)
    assert [row.seq for row in store.audit()] == list(range(1, 16))
    assert found.head == store.audit()[-1].digest


async def test_the_chain_goes_on_after_a_restart(open_store: Open) -> None:
    store = open_store()
    await store.commit(decisions(2))
    head = store.audit_head()[1]
    await store.close()
    store = open_store()
    await store.commit(decisions(2))
    assert checked(store, known=(head,)).fault is None


async def test_an_empty_log_is_whole(open_store: Open) -> None:
    assert checked(open_store()).fault is None


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE audit SET body = replace(body, 'accepted', 'refused') WHERE seq = 4", 4),
        ("UPDATE audit SET time_s = time_s + 1 WHERE seq = 4", 4),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq > 7", 8),
        ("DELETE FROM audit", 1),
        ("DELETE FROM audit WHERE seq < 4", 3),
        ("UPDATE audit SET seq = seq + 1 WHERE seq = 10", 10),
        ("INSERT INTO audit SELECT 11, time_s, body, hash FROM audit WHERE seq = 10", 11),
        ("UPDATE audit SET body = 'no json' WHERE seq = 1", 1),
    ],
)
async def test_every_hand_laid_on_it_shows(
    open_store: Open, tmp_path: Path, statement: str, seq: int
) -> None:
    store = open_store()
    await store.commit(decisions(10))
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as stranger:
        stranger.execute(statement)
        stranger.commit()
    fault = checked(store).fault
    assert fault is not None
    assert fault.seq == seq


async def test_a_rewritten_log_lacks_the_head_that_was_written_down(open_store: Open) -> None:
    store = open_store()
    await store.commit(decisions(3))
    other = open_store(None)
    await other.commit(decisions(4, NOW_S + 1))
    assert checked(other, known=(store.audit_head()[1],)).fault is not None


async def test_old_decisions_leave_and_the_rest_is_still_a_chain(open_store: Open) -> None:
    store = open_store(config=StoreConfig(max_days=1))
    await store.commit(decisions(50))
    await store.commit(decisions(5, NOW_S + 4 * DAY_S))
    pruned = await store.prune(NOW_S + 5 * DAY_S)
    assert pruned.audit == 50
    assert [row.seq for row in store.audit()] == [51, 52, 53, 54, 55, 56]
    assert checked(store).fault is None
    assert (await store.prune(NOW_S + 5 * DAY_S)).audit == 0
    await store.commit(decisions(2, NOW_S + 9 * DAY_S))
    assert (await store.prune(NOW_S + 9 * DAY_S)).audit > 0
    assert checked(store).fault is None


async def test_when_all_is_old_the_checkpoint_alone_remains(open_store: Open) -> None:
    store = open_store(config=StoreConfig(max_days=1))
    await store.commit(decisions(3))
    await store.prune(NOW_S + 30 * DAY_S)
    (row,) = store.audit()
    assert '"kind":"checkpoint"' in row.body
    assert checked(store).fault is None


async def test_rows_cut_off_at_the_front_are_missed_after_retention_too(
    open_store: Open, tmp_path: Path
) -> None:
    store = open_store(config=StoreConfig(max_days=1))
    await store.commit(decisions(5))
    await store.commit(decisions(5, NOW_S + 4 * DAY_S))
    await store.prune(NOW_S + 5 * DAY_S)
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as stranger:
        stranger.execute("DELETE FROM audit WHERE seq <= 7")
        stranger.commit()
    assert checked(store).fault is not None


async def test_a_batch_that_fails_leaves_no_decision(open_store: Open) -> None:
    store = open_store()
    wrong = Batch(audit=(AuditRecord(NOW_S, "command", {"x": float("nan")}),))
    with pytest.raises(ValueError, match="JSON"):
        await store.commit(wrong)
    await store.commit(decisions(1))
    assert (checked(store).rows, checked(store).fault) == (1, None)


CHAIN: list[AuditRow] = []


@pytest.fixture(autouse=True)
async def chain(open_store: Open) -> None:
    if not CHAIN:
        store = open_store(None)
        await store.commit(decisions(6))
        CHAIN.extend(store.audit())


@given(st.data())
def test_every_single_character_changed_shows(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(CHAIN) - 1))
    row = CHAIN[at]
    place = data.draw(st.integers(0, len(row.body) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda one: one != row.body[place]))
    body = row.body[:place] + other + row.body[place + 1 :]
    changed = [*CHAIN[:at], replace(row, body=body), *CHAIN[at + 1 :]]
    assert verify(changed).fault is not None
