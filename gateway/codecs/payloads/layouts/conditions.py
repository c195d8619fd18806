"""Conditions of a layout, made into functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.codecs.payloads.layouts.keep import Place
from gateway.codecs.payloads.layouts.model import (
    INTEGER_BYTES,
    Choice,
    ConditionModel,
    WhenModel,
)
from gateway.codecs.payloads.layouts.scan import Holds, Scan


def when_all(conditions: Sequence[ConditionModel], place: Place) -> Holds | None:
    """Return the test that all conditions hold; None for no condition."""
    tests = tuple(_holds(condition, place) for condition in conditions)
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda scan: all(test(scan) for test in tests)


def when_message(when: WhenModel, place: Place) -> Holds:
    """Return the test that a message is for a payload."""
    values = when_all(when.value, place)
    f_port, length = when.f_port, when.length

    def holds(scan: Scan) -> bool:
        return (
            (f_port is None or scan.f_port in f_port)
            and (length is None or len(scan.data) in length)
            and (values is None or values(scan))
        )

    return holds


def _holds(condition: ConditionModel, place: Place) -> Holds:
    number = _number(condition, place)
    mask, wanted, refused = condition.mask, condition.is_, condition.is_not

    def holds(scan: Scan) -> bool:
        found = number(scan)
        if found is None:
            return False
        if mask is not None:
            found = int(found) & mask
        return _fits(found, wanted, refused)

    return holds


def _fits(number: float, wanted: Choice | None, refused: Choice | None) -> bool:
    if wanted is None and refused is None:
        return number != 0
    return (wanted is None or number in wanted) and (refused is None or number not in refused)


def _number(condition: ConditionModel, place: Place) -> Callable[[Scan], float | None]:
    if condition.field is not None:
        near, name = place.prefix + condition.field, condition.field
        return lambda scan: scan.raw.get(near, scan.raw.get(name))
    at, size = condition.at, INTEGER_BYTES[condition.type]
    order = condition.byte_order or place.byte_order

    def read(scan: Scan) -> int | None:
        start = scan.position(at)
        if start < 0 or start < scan.first or start + size > scan.last:
            return None
        return int.from_bytes(scan.data[start : start + size], order)

    return read
