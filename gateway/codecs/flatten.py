"""A decoded object -> its leaves, named by their dotted path; lists count from 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.errors import BadInput
from gateway.types import Json

MAX_DEPTH = 16
"""Nesting no honest codec reaches; a LoRaWAN payload has at most 242 bytes."""


def leaves(tree: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield (dotted key, value) of every leaf in order; empty tables and lists have none.

    Raises
    ------
    BadInput
        `too_deep`: nested beyond `MAX_DEPTH`.

    """
    return _leaves(tree, "", 1)


def _leaves(tree: Mapping[str, Json], prefix: str, depth: int) -> Iterator[tuple[str, Json]]:
    if depth > MAX_DEPTH:
        raise BadInput("too_deep", f"nested deeper than {MAX_DEPTH} levels at {prefix[:80]}")
    for name, value in tree.items():
        key = prefix + name
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.", depth + 1)
        elif isinstance(value, list | tuple):
            items = {str(index): item for index, item in enumerate(value)}
            yield from _leaves(items, f"{key}.", depth + 1)
        else:
            yield key, value


def check_size(tree: Mapping[str, Json], most: int) -> None:
    """Refuse an object that no device could have sent.

    Raises
    ------
    BadInput
        `too_deep`, or `too_many_keys`: more than `most` leaves.

    """
    for count, _ in enumerate(leaves(tree), start=1):
        if count > most:
            raise BadInput("too_many_keys", f"more than {most} values in one object")
