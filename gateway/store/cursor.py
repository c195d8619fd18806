"""Which stored uplinks still have to be published: pure functions over ranges of seq.

::

    1 ....... 40 | 41 ... 57 | 58 ....... 90 | 91 ...
    published    | gap       | published     | live_from

Live uplinks go first: after an outage everything it left behind becomes a gap (`missed`), `live`
continues behind it, and gaps are filled from the oldest (`next_gap`) when there is time.
Whatever is not known to be published is published again, so each seq goes out at least once.
"""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[int, int]
"""First and last seq, both included."""

MAX_GAPS = 64


@dataclass(frozen=True, slots=True)
class HistoryCursor:
    """Every seq in `gaps` and every seq from `live_from` on is still to be published.

    Gaps ascend, do not touch each other, and end below `live_from`.
    """

    gaps: tuple[Span, ...] = ()
    live_from: int = 1

    def __post_init__(self) -> None:
        before = -1
        for first, last in self.gaps:
            if not before + 1 < first <= last < self.live_from:
                raise ValueError(f"gaps must ascend, apart, below {self.live_from}: {self.gaps}")
            before = last


def missed(cursor: HistoryCursor, head: int) -> HistoryCursor:
    """Turn all live seqs up to `head` into a gap: call it at start and at every reconnect."""
    if head < cursor.live_from:
        return cursor
    return HistoryCursor(_bounded(_joined(*cursor.gaps, (cursor.live_from, head))), head + 1)


def published(cursor: HistoryCursor, first: int, last: int) -> HistoryCursor:
    """Take `first` to `last` out, be they live or in gaps.

    A live seq that is skipped over (published out of order) becomes a gap.
    """
    if last < first:
        return cursor
    opened = missed(cursor, last) if last >= cursor.live_from else cursor
    kept: list[Span] = []
    for low, high in opened.gaps:
        if low < first:
            kept.append((low, min(high, first - 1)))
        if high > last:
            kept.append((max(low, last + 1), high))
    return HistoryCursor(_bounded(tuple(kept)), opened.live_from)


def next_gap(cursor: HistoryCursor) -> Span | None:
    """Return the oldest gap, None when only live uplinks remain."""
    return cursor.gaps[0] if cursor.gaps else None


def pending(cursor: HistoryCursor) -> int:
    """How many seqs lie in gaps."""
    return sum(last - first + 1 for first, last in cursor.gaps)


def without_pruned(cursor: HistoryCursor, tail: int) -> HistoryCursor:
    """Forget gaps below `tail`, the oldest seq that retention left."""
    kept = tuple((max(first, tail), last) for first, last in cursor.gaps if last >= tail)
    return HistoryCursor(kept, cursor.live_from)


def _joined(*spans: Span) -> tuple[Span, ...]:
    joined: list[Span] = []
    for first, last in spans:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def _bounded(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Merge the nearest neighbours until few enough are left: some go out twice, none is lost."""
    bounded = list(spans)
    while len(bounded) > MAX_GAPS:
        distances = [bounded[i + 1][0] - bounded[i][1] for i in range(len(bounded) - 1)]
        at = distances.index(min(distances))
        bounded[at : at + 2] = [(bounded[at][0], bounded[at + 1][1])]
    return tuple(bounded)
