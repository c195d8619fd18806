"""Messages of a layout: which payload is which, its fields, and its stream of items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.codecs.payloads.contract import Decoded, Frame
from gateway.codecs.payloads.layouts.checksums import Checksum, checksum_of
from gateway.codecs.payloads.layouts.conditions import when_all, when_message
from gateway.codecs.payloads.layouts.fields import compile_fields
from gateway.codecs.payloads.layouts.keep import Place
from gateway.codecs.payloads.layouts.model import ByteOrder, ItemModel, MessageModel
from gateway.codecs.payloads.layouts.scan import Finished, Holds, Scan, Step, run, short
from gateway.errors import BadInput
from gateway.types import Json


@dataclass(frozen=True, slots=True)
class Item:
    """One kind of item: what must hold, how long it is (None: as its fields), what it gives."""

    holds: Holds | None
    size: int | None
    steps: tuple[Step, ...]
    collect: str | None


@dataclass(frozen=True, slots=True)
class Items:
    """A stream of items, each begun by `id_size` bytes that say what it is."""

    id_size: int
    length_byte: bool
    on_unknown: str
    known: Mapping[bytes, tuple[Item, ...]]
    loose: tuple[tuple[tuple[int | str, ...], Item], ...]

    def read(self, scan: Scan) -> None:
        """Read items up to the end."""
        while scan.at < scan.end:
            start = scan.take(None, self.id_size + self.length_byte, "an item")
            name = scan.data[start : start + self.id_size]
            length = scan.data[scan.at - 1] if self.length_byte else None
            item = self._find(name, scan)
            if item is None:
                if self.on_unknown == "stop":
                    return
                if self.on_unknown == "error" or length is None:
                    raise BadInput("codec_unknown_type", f"no item has the id {name.hex(' ')}")
                scan.take(None, length, name.hex(" "))
            else:
                _read_item(item, item.size if length is None else length, scan)

    def _find(self, name: bytes, scan: Scan) -> Item | None:
        first, scan.first = scan.first, scan.at
        try:
            for item in self.known.get(name, ()):
                if item.holds is None or item.holds(scan):
                    return item
            for pattern, item in self.loose:
                fits = all(want in (byte, "any") for want, byte in zip(pattern, name, strict=True))
                if fits and (item.holds is None or item.holds(scan)):
                    return item
        finally:
            scan.first = first
        return None


def _read_item(item: Item, size: int | None, scan: Scan) -> None:
    first, end, last, out = scan.first, scan.end, scan.last, scan.out
    scan.first = scan.at
    if item.collect is not None:
        scan.out = {}
    ended = False
    try:
        _read_value(item, size, scan)
    except Finished:
        ended = True
    finally:
        given = scan.out
        scan.first, scan.end, scan.last, scan.out = first, end, last, out
    if item.collect is not None:
        _collect(out, item.collect, given)
    if ended:
        raise Finished


def _read_value(item: Item, size: int | None, scan: Scan) -> None:
    if size is None:
        scan.far = scan.at
        for step in item.steps:
            step(scan)
        scan.at = scan.far
        return
    stop = scan.at + size
    if stop > scan.end:
        raise short("an item", size, scan.end - scan.at)
    scan.end = scan.last = stop
    run(item.steps, scan)
    scan.at = stop


def _collect(out: dict[str, Json], key: str, given: dict[str, Json]) -> None:
    *path, last = key.split(".")
    for part in path:
        out = out.setdefault(part, {})
    out.setdefault(last, []).append(given)


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of uplink, ready to read."""

    holds: Holds
    steps: tuple[Step, ...]
    items: Items | None
    checksum: Checksum | None

    def read(self, scan: Scan) -> Decoded:
        """Return what the payload says."""
        warning = ""
        if self.checksum is not None:
            warning = self.checksum.check(scan.data)
            scan.end = self.checksum.end(len(scan.data))
        try:
            for step in self.steps:
                step(scan)
            if self.items is not None:
                self.items.read(scan)
        except Finished:
            pass
        return Decoded(scan.out, (warning,) if warning else (), tuple(scan.rejects))


def scan_of(frame: Frame) -> Scan:
    """Return the beginning of reading a payload."""
    size = len(frame.data)
    return Scan(frame.data, frame.f_port, size, size)


def compile_message(model: MessageModel, byte_order: ByteOrder) -> Message:
    """Return a message ready to read; raises `ValueError` in plain words."""
    place = Place(model.byte_order or byte_order)
    return Message(
        when_message(model.when, place),
        compile_fields(model.field, place),
        _compile_items(model, place),
        checksum_of(model.checksum, place.byte_order),
    )


def _compile_items(model: MessageModel, place: Place) -> Items | None:
    if not model.item:
        return None
    known: dict[bytes, list[Item]] = {}
    loose: list[tuple[tuple[int | str, ...], Item]] = []
    for item in model.item:
        pattern = tuple(item.id) if isinstance(item.id, list) else (item.id,)
        ready = _compile_item(item, place)
        if "any" in pattern:
            loose.append((pattern, ready))
        else:
            known.setdefault(bytes(part for part in pattern if part != "any"), []).append(ready)
    return Items(
        len(pattern),
        model.length_byte,
        model.on_unknown,
        {name: tuple(items) for name, items in known.items()},
        tuple(loose),
    )


def _compile_item(model: ItemModel, place: Place) -> Item:
    place = replace(place, byte_order=model.byte_order or place.byte_order)
    return Item(
        when_all(model.when, place), model.size, compile_fields(model.field, place), model.collect
    )
