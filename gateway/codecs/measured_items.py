"""Lists of numbered measurements -> values under names.

SenseCAP's public decoders give `{"messages": [{"measurementId": 4102, "measurementValue": 24.1}]}`,
newer ones a list of such lists. Only the number says what is measured: `measurement_ids` in
key_dictionary.toml gives its name (SenseCAP documentation, List of Measurement IDs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.types import Json

_ID, _VALUE = "measurementId", "measurementValue"


def name_measurements(tree: Mapping[str, Json], names: Mapping[str, str]) -> Mapping[str, Json]:
    """Return the object with its numbered measurements under their names, the rest as it was.

    What comes twice, or already stands there, keeps its place in the list, and so its own name.
    """
    lists = {key: value for key, value in tree.items() if isinstance(value, list)}
    named: dict[str, Json] = {}
    kept: dict[str, Json] = {}
    for key, items in lists.items():
        kept[key] = [item for item in _flat(items) if not _take(item, names, named, tree)]
    if not named:
        return tree
    return {**tree, **kept, **named}


def _flat(items: list[Json]) -> Iterator[Json]:
    for item in items:
        if isinstance(item, list):
            yield from item
        else:
            yield item


def _take(
    item: Json, names: Mapping[str, str], named: dict[str, Json], tree: Mapping[str, Json]
) -> bool:
    if not isinstance(item, dict) or _ID not in item or _VALUE not in item:
        return False
    name = names.get(str(item[_ID]))
    if name is None or name in named or name in tree:
        return False
    named[name] = item[_VALUE]
    return True
