"""Device events -> readings: every leaf of the decoded object one reading, none lost to a rename.

What a key becomes is settled in layers: the device's own settings, its profile's, the key
dictionary, and at last the key's own name. A value that does not fit what its key means (text where
a number belongs) keeps the key's own name as its channel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gateway.codecs.dictionary import KeyDictionary, Meaning, default_dictionary
from gateway.codecs.flatten import leaves
from gateway.codecs.key_plan import KeyPlanner, Place, channel_name
from gateway.codecs.measured_items import name_measurements
from gateway.codecs.normalized import normalized_object
from gateway.codecs.values import fit, plain, unusable
from gateway.config import Config
from gateway.types import (
    Channel,
    DeviceInfo,
    DeviceLocation,
    DeviceStatus,
    Json,
    Reading,
    ReadingKind,
    Scalar,
    Uplink,
)

MAX_KEY = 200
MAX_UNIT = 16

_UNIT_ENDS = (".unit", ".units")
_VALUE_ENDS = (".value", ".val")

Measured = Uplink | DeviceStatus | DeviceLocation
"""The events that hold values."""

Reject = tuple[str, str]
"""(reason, key) of a leaf that could not become a reading."""

_LINK = {
    place.key: place
    for place in (
        Place("rxInfo.rssi", Meaning("radio.rssi", "dBm"), ""),
        Place("rxInfo.snr", Meaning("radio.snr", "dB"), ""),
        Place("txInfo.spreadingFactor", Meaning("radio.spreadingFactor", "", ReadingKind.ENUM), ""),
        Place("margin", Meaning("radio.margin", "dB"), ""),
        Place("externalPowerSource", Meaning("device.external_power", "", ReadingKind.BOOLEAN), ""),
        Place("batteryLevel", Meaning("device.battery_percent", "%"), ""),
        Place("location.latitude", Meaning("location.latitude", "°"), ""),
        Place("location.longitude", Meaning("location.longitude", "°"), ""),
        Place("location.altitude", Meaning("location.altitude", "m"), ""),
    )
}


class ReadingMapper:
    """Turns events into readings. What it keeps between calls only saves time."""

    def __init__(self, config: Config, dictionary: KeyDictionary | None = None) -> None:
        self._dictionary = dictionary or default_dictionary()
        self._planner = KeyPlanner(config, self._dictionary)
        self._most = config.limits.object_keys

    def readings(self, event: Measured) -> tuple[list[Reading], list[Reject]]:
        """Return every value of the event as a reading, and what could not become one.

        No two readings of one event share a channel; link quality and status have theirs first.
        A null is no value and is passed over.

        Raises
        ------
        BadInput
            `too_deep`: the object nests beyond what any codec makes.

        """
        batch = _Batch(event)
        for key, raw in _link_values(event):
            batch.add(_LINK[key], raw)
        if isinstance(event, Uplink):
            for row in event.normalized:
                self._add(event.device, normalized_object(row), {}, batch)
            batch.settled = frozenset(batch.values)
            if event.object is not None:
                self._add(event.device, event.object, event.object_units, batch)
        return batch.readings, batch.rejects

    def _add(
        self,
        device: DeviceInfo,
        tree: Mapping[str, Json],
        stated: Mapping[str, str],
        batch: _Batch,
    ) -> None:
        values = self._values(tree, batch.rejects)
        places = self._planner.plan(device, [key for key, _ in values])
        units = dict(_stated_units(values))
        for key, raw in values:
            place = places[key]
            if units and (unit := units.get(key.rpartition(".")[0])) is not None:
                place = self._restated(place, unit)
            elif (unit := stated.get(key)) is not None:
                place = self._in_unit(place, unit)
            batch.add(place, raw)

    def _restated(self, place: Place, unit: str) -> Place:
        """Take the payload's word for the unit of `{"value": …, "unit": …}`."""
        return self._in_unit(place, unit) if place.key.endswith(_VALUE_ENDS) else place

    def _in_unit(self, place: Place, unit: str) -> Place:
        """Lead values in this unit to their channel; where that is not known they keep the unit."""
        meaning = self._dictionary.restate(place.meaning, unit)
        if meaning is None:
            meaning = Meaning(place.own, unit, place.meaning.kind, rank=place.meaning.rank)
        return replace(place, meaning=meaning)

    def _values(self, tree: Mapping[str, Json], rejects: list[Reject]) -> list[tuple[str, Json]]:
        values: list[tuple[str, Json]] = []
        tree = name_measurements(tree, self._dictionary.measurements)
        for key, value in leaves(tree):
            if value is None:
                continue
            if len(values) >= self._most:
                rejects.append(("too_many_keys", key[:MAX_KEY]))
                break
            if len(key) > MAX_KEY:
                rejects.append(("key_too_long", key[:MAX_KEY]))
            else:
                values.append((key, value))
        return values


def _stated_units(values: Iterable[tuple[str, Json]]) -> Iterator[tuple[str, str]]:
    for key, value in values:
        if key.endswith(_UNIT_ENDS) and isinstance(value, str) and len(value) <= MAX_UNIT:
            yield key.rpartition(".")[0], value


class _Batch:
    """The readings of one event as they gather: each channel once.

    `settled` are channels that the codec's own normalization filled: what says the same again under
    a maker's name adds nothing.
    """

    def __init__(self, event: Measured) -> None:
        self.readings: list[Reading] = []
        self.rejects: list[Reject] = []
        self.values: dict[str, Scalar] = {}
        self.settled: frozenset[str] = frozenset()
        self._event = event

    def add(self, place: Place, raw: Json) -> None:
        if (reason := unusable(raw)) is not None:
            self.rejects.append((reason, place.key))
            return
        meaning = place.meaning
        fitted = fit(meaning, raw)
        channel, unit = (meaning.channel, meaning.unit) if fitted else (place.own, "")
        value, kind = fitted or plain(raw)
        if channel in self.settled and _alike(value, self.values[channel]):
            return
        reading = Reading(
            dev_eui=self._event.device.dev_eui,
            channel=self._free(channel, place.own),
            value=value,
            unit=unit,
            kind=kind,
            time_s=self._event.time_s,
            key=place.key,
        )
        self.readings.append(reading)
        self.values[reading.channel] = value

    def _free(self, channel: str, own: str) -> Channel:
        name = own if channel in self.values else channel
        count = 1
        while name in self.values:
            count += 1
            name = channel_name(f"{own}_{count}")
        return Channel(name)


def _alike(one: Scalar, other: Scalar) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=1e-6)


def _link_values(event: Measured) -> list[tuple[str, Json]]:
    if isinstance(event, DeviceStatus):
        values: list[tuple[str, Json]] = [
            ("margin", event.margin_db),
            ("externalPowerSource", event.external_power),
            ("batteryLevel", event.battery_percent),
        ]
    elif isinstance(event, DeviceLocation):
        values = [
            ("location.latitude", event.latitude),
            ("location.longitude", event.longitude),
            ("location.altitude", event.altitude_m),
        ]
    else:
        best = max(event.receptions, key=lambda r: (r.snr_db, r.rssi_dbm), default=None)
        values = [
            ("rxInfo.rssi", best and best.rssi_dbm),
            ("rxInfo.snr", best and best.snr_db),
            ("txInfo.spreadingFactor", event.spreading_factor),
        ]
    return [(key, value) for key, value in values if value is not None]
