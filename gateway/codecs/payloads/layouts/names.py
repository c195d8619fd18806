"""The names in a layout: which keys a message gives, their units, and whether they can stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.codecs.payloads.layouts.model import FieldModel, MessageModel


def leaves(fields: Iterable[FieldModel], prefix: str = "") -> Iterator[tuple[str, FieldModel]]:
    """Yield every field that has a key, also those within groups, with its dotted key."""
    for field in fields:
        key = prefix + (field.name or "")
        if field.flags is not None:
            stem = f"{key}." if field.name else prefix
            yield from ((stem + flag, field) for flag in field.flags.values())
        elif field.type == "group":
            yield from leaves(field.field, f"{key}." if field.name else prefix)
        elif field.name:
            yield key, field


def message_leaves(message: MessageModel) -> Iterator[tuple[str, FieldModel]]:
    """Yield every field of a message and its items, with its dotted key."""
    yield from leaves(message.field)
    for item in message.item:
        yield from leaves(item.field, f"{item.collect}." if item.collect else "")


def check_names(message: MessageModel) -> None:
    """Raise `ValueError` when a key would be a value and also the table around another."""
    tables = {item.collect for item in message.item if item.collect}
    plain = [message.field, *(item.field for item in message.item if not item.collect)]
    keys = {key for fields in plain for key in _scope(fields)}
    for key in sorted(keys & tables):
        raise ValueError(f"`{key}` is a value, so it cannot collect items: rename one")
    check_nesting(keys | tables)
    for item in message.item:
        if item.collect:
            check_nesting(_scope(item.field))


def check_nesting(keys: Iterable[str]) -> None:
    """Raise `ValueError` where one dotted key leads through another."""
    known = set(keys)
    for key in sorted(known):
        parts = key.split(".")
        for size in range(1, len(parts)):
            table = ".".join(parts[:size])
            if table in known:
                raise ValueError(f"`{table}` is a value, so `{key}` cannot stand in it: rename one")


def _scope(fields: Iterable[FieldModel], prefix: str = "") -> Iterator[str]:
    """Yield the keys of one object; the objects of a list are their own, and checked here."""
    for field in fields:
        key = prefix + (field.name or "")
        if field.type != "group":
            yield from (name for name, _ in leaves([field], prefix))
        elif field.repeat is not None:
            check_nesting(_scope(field.field))
            yield key
        else:
            yield from _scope(field.field, f"{key}." if field.name else prefix)


def check_references(fields: Sequence[FieldModel], known: set[str], prefix: str = "") -> None:
    """Raise `ValueError` where a condition or a count names no field that was read before."""
    for field in fields:
        wanted = [each.field for each in field.when if each.field]
        if isinstance(field.repeat, str) and field.repeat != "end":
            wanted.append(field.repeat)
        for name in wanted:
            if name not in known and prefix + name not in known:
                raise ValueError(
                    f"`{field.name or field.type}` refers to `{name}`, which no field before it has"
                )
        key = prefix + (field.name or "")
        if field.type == "group":
            inner = "" if field.repeat is not None else f"{key}." if field.name else prefix
            check_references(field.field, known, inner)
        elif field.name or field.flags:
            known.add(key)
