"""Which stored uplinks were not published yet: the store's cursor, as the publisher asks for it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.publishers import Chunk
from gateway.store import HistoryCursor, Store, StoredUplink, missed, next_gap, published
from gateway.types import Message

SPARED = 200
"""So many uplinks may go out once more after a crash, to spare the SD card a page per commit."""


class Backlog:
    """Keeps the cursor; `take` gives it to a commit when enough of it has changed."""

    def __init__(self, store: Store, message_of: Callable[[StoredUplink], Message]) -> None:
        self._store = store
        self._message_of = message_of
        self._cursor = self._stored = store.cursor()

    def take(self, *, last: bool = False) -> HistoryCursor | None:
        """Return the cursor to commit, None while the stored one will do; `last` is exact."""
        moved = self._cursor.live_from - self._stored.live_from
        same_gaps = self._cursor.gaps == self._stored.gaps
        if self._cursor == self._stored or (same_gaps and moved < SPARED and not last):
            return None
        self._stored = self._cursor
        return self._cursor

    def missed(self) -> None:
        """Count everything stored and not yet published as backlog."""
        self._cursor = missed(self._cursor, self._store.head_seq())

    def published(self, first: int, last: int) -> None:
        """Take these uplinks as published."""
        self._cursor = published(self._cursor, first, last)

    def chunk(self, limit: int) -> Chunk | None:
        """Return the oldest piece of backlog, None without any."""
        gap = next_gap(self._cursor)
        if gap is None:
            return None
        first, last = gap
        rows = [row for row in self._store.after(first - 1, limit) if row.seq <= last]
        if len(rows) == limit:
            last = rows[-1].seq
        # Fewer rows than the limit: retention took the rest, and the gap ends with what is left.
        return Chunk(first, last, tuple(self._message_of(row) for row in rows))
