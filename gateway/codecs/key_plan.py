"""What the keys of one event become, in layers: configuration, key dictionary, own name."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.codecs.dictionary import CONFIGURED, KeyDictionary, Meaning, normalize
from gateway.config import ChannelConfig, Config
from gateway.types import DeviceInfo, ReadingKind

MAX_CHANNEL = 64

_MOST_KEPT = 8192
_UNSAFE = re.compile(r"[^\w.-]+")
_DOTS = re.compile(r"\.{2,}")
_BY_LEAF = 1_000_000
_BY_NAME = 2_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key's values go: as its meaning says when they fit, else under its own name."""

    key: str
    meaning: Meaning
    own: str


class KeyPlanner:
    """Settles what keys become; the plan for a set of keys is kept, since devices repeat them."""

    def __init__(self, config: Config, dictionary: KeyDictionary) -> None:
        self._config = config
        self._dictionary = dictionary
        self._plans: dict[tuple[str, str, str, frozenset[str]], Mapping[str, Place]] = {}
        self._kept = 0

    def plan(self, device: DeviceInfo, keys: Collection[str]) -> Mapping[str, Place]:
        """Return the place of each key. Their order says nothing: the server's is a hash map's."""
        own_settings = device.dev_eui if device.dev_eui in self._config.devices else ""
        at = (own_settings, device.profile_id, device.profile, frozenset(keys))
        plan = self._plans.get(at)
        if plan is None:
            if self._kept >= _MOST_KEPT:
                self._plans.clear()
                self._kept = 0
            plan = {place.key: place for place in self._places(device, sorted(at[3]))}
            self._plans[at] = plan
            self._kept += 1 + len(plan)
        return plan

    def _places(self, device: DeviceInfo, keys: Sequence[str]) -> Iterator[Place]:
        """Give each channel to the key of lowest rank; the others stay under their own names."""
        layers = list(self._layers(device))
        known = self._in_company(keys, [self._dictionary.find(key) for key in keys], device.profile)
        meanings = [
            self._configured(key, found or self._unlisted(key), layers)
            for key, found in zip(keys, known, strict=True)
        ]
        first: dict[str, int] = {}
        for index in sorted(range(len(keys)), key=lambda index: meanings[index].rank):
            first.setdefault(meanings[index].channel, index)
        for index, (key, meaning) in enumerate(zip(keys, meanings, strict=True)):
            own = channel_name(key)
            kept = first[meaning.channel] == index
            yield Place(key, meaning if kept else replace(meaning, channel=own), own)

    def _layers(self, device: DeviceInfo) -> Iterator[Mapping[str, ChannelConfig]]:
        profiles = self._config.profiles
        profile = profiles.get(device.profile) or profiles.get(device.profile_id)
        if profile is not None:
            yield profile.channels
        if (own := self._config.devices.get(device.dev_eui)) is not None:
            yield own.channels

    def _in_company(
        self, keys: Sequence[str], known: Sequence[Meaning | None], profile: str
    ) -> list[Meaning | None]:
        channels = {meaning.channel for meaning in known if meaning is not None}
        names = [{normalize(part) for part in self._dictionary.unwrapped(key)} for key in keys]
        every = frozenset().union(*names)
        active = [
            item for item in self._dictionary.contexts if item.holds(channels, every, profile)
        ]
        result = list(known)
        for index, (own, meaning) in enumerate(zip(names, known, strict=True)):
            found = next((item.becomes for item in active if not own.isdisjoint(item.keys)), None)
            if found is not None and meaning is not None:
                result[index] = replace(found, rank=meaning.rank)
        return result

    def _unlisted(self, key: str) -> Meaning:
        """Keep the key's name; its last level's unit holds: `greenhouse.humidity` is in % too."""
        leaf = self._dictionary.find_leaf(key)
        if leaf is not None:
            return replace(leaf, channel=channel_name(key), rank=_BY_LEAF)
        kind = self._dictionary.kind_by_ending(key) or ReadingKind.NUMERIC
        return Meaning(channel_name(key), "", kind, rank=_BY_NAME, listed=False)

    def _configured(
        self, key: str, meaning: Meaning, layers: Sequence[Mapping[str, ChannelConfig]]
    ) -> Meaning:
        for layer in layers:
            setting = layer.get(key) or _spelled(layer, key)
            if setting is not None:
                meaning = self._override(meaning, setting)
        return meaning

    def _override(self, base: Meaning, setting: ChannelConfig) -> Meaning:
        """Lay a setting over what was known; what it leaves out stays, unless the unit changes."""
        channel = channel_name(setting.channel) if setting.channel else base.channel
        listed = self._dictionary.channels.get(channel) if channel != base.channel else None
        known = listed or base
        unit = known.unit if setting.unit is None else setting.unit
        raw = base if unit == base.unit else Meaning("")
        given = setting.model_fields_set
        return Meaning(
            channel=channel,
            unit=unit,
            kind=ReadingKind(setting.kind) if setting.kind else known.kind,
            scale=setting.scale if "scale" in given else raw.scale,
            offset=setting.offset if "offset" in given else raw.offset,
            rank=CONFIGURED,
        )


def _spelled(layer: Mapping[str, ChannelConfig], key: str) -> ChannelConfig | None:
    name = normalize(key)
    return next((item for spelling, item in layer.items() if normalize(spelling) == name), None)


def channel_name(key: str) -> str:
    """Return a key as a name safe in topics and JSON paths, at most 64 characters.

    A cut name ends in a checksum of the whole, so that two long keys stay apart.
    """
    name = _DOTS.sub(".", _UNSAFE.sub("_", key)).strip(".") or "value"
    if len(name) <= MAX_CHANNEL:
        return name
    return f"{name[: MAX_CHANNEL - 9]}-{zlib.crc32(key.encode('utf-8', 'replace')):08x}"
