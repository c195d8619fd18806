"""The key dictionary: a payload's key -> the channel it means, from `key_dictionary.toml`.

A key is looked up whole, then without wrapping tables, then without a probe's number or a word such
as `max`, which then ends the channel's name. README.md beside this file shows each with examples.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from gateway.types import ReadingKind

_SEPARATORS = re.compile(r"[\s._-]+")
_DECIMAL = re.compile(r"(?<=[0-9])[._-](?=[0-9])")
_WORDS = re.compile(r"[\s._-]+|(?<=[a-z])(?=[A-Z])")
_NUMBERED = re.compile(r"([^\W\d]*)(\d{1,4})(cm|mm|m|inch|in|ft)?", re.IGNORECASE)

CONFIGURED = -1
"""The rank of a meaning from the settings: before all others."""

_MOST_WORDS = 8
"""A key of more words is nobody's spelling, and not worth the time to take apart."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a key becomes: `value * scale + offset` in `unit`. A lower `rank` goes first.

    An unlisted one is a guess from the key alone: it makes no number out of text.
    """

    channel: str
    unit: str = ""
    kind: ReadingKind = ReadingKind.NUMERIC
    scale: float = 1.0
    offset: float = 0.0
    rank: int = 0
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Context:
    """Keys that mean another channel in other company; all spellings normalized."""

    becomes: Meaning
    keys: frozenset[str]
    beside: frozenset[str]
    beside_keys: frozenset[str]
    unless: frozenset[str]
    profile: tuple[str, ...]

    def holds(self, channels: Collection[str], names: Collection[str], profile: str) -> bool:
        """Tell whether it applies among these channels and spellings, for this profile name."""
        if self.unless.intersection(channels):
            return False
        if not (self.beside.isdisjoint(channels) and self.beside_keys.isdisjoint(names)):
            return True
        lower = profile.lower()
        return any(word in lower for word in self.profile)


def normalize(key: str) -> str:
    """Return the key as spellings are compared: no case, no separators but between digits.

    Those stay, as one dot: `pm1_0` is not `pm10`.
    """
    return _SEPARATORS.sub("", _DECIMAL.sub("\0", key)).casefold().replace("\0", ".")


class KeyDictionary:
    """Spellings, contexts and endings, ready for look-up.

    Raises
    ------
    ValueError
        Two channels claim one spelling, or a context names an unknown channel.

    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.channels: dict[str, Meaning] = {}
        self.spellings: dict[str, Meaning] = {}
        for channel, table in tree["channel"].items():
            self._add_channel(channel, table)
        names = tree["names"]
        self._wrappers = frozenset(normalize(word) for word in names["wrappers"])
        self._tails = frozenset(normalize(word) for word in names["tails"])
        self._counted = frozenset(names["counted"])
        self._qualifiers = frozenset(names["qualifiers"])
        self._endings = tuple(
            (ending, ReadingKind(kind))
            for kind, endings in tree["endings"].items()
            for ending in endings
        )
        self._stated = {
            (text.casefold(), item["unit"]): (item.get("scale", 1.0), item.get("offset", 0.0))
            for item in tree["stated"]
            for text in item["texts"]
        }
        self.measurements: Mapping[str, str] = tree.get("measurement_ids", {})
        self.contexts = tuple(self._context(table) for table in tree["context"])

    def find(self, key: str) -> Meaning | None:
        """Return what a dotted payload key means, None when no spelling fits."""
        for candidate in self.unwrapped(key):
            if (meaning := self.spellings.get(normalize(candidate))) is not None:
                return meaning
            if (meaning := self._qualified(candidate)) is not None:
                return meaning
        return None

    def find_leaf(self, key: str) -> Meaning | None:
        """Return what the last level of a dotted key means; its table says whose it is."""
        return self.find(key.rpartition(".")[2]) if "." in key else None

    def kind_by_ending(self, key: str) -> ReadingKind | None:
        """Return what an unknown key's last word says of its values, None when nothing."""
        last = normalize(key.rpartition(".")[2])
        return next((kind for ending, kind in self._endings if last.endswith(ending)), None)

    def restate(self, meaning: Meaning, unit: str) -> Meaning | None:
        """Return the meaning for values in this unit, None when it does not lead to the channel's.

        Settings know better than the payload, so a configured meaning stays.
        """
        if meaning.rank == CONFIGURED or meaning.kind not in {
            ReadingKind.NUMERIC,
            ReadingKind.COUNTER,
        }:
            return meaning
        known = self._stated.get((unit.strip().casefold(), meaning.unit))
        if known is None and unit.strip() != meaning.unit:
            return None
        scale, offset = known or (1.0, 0.0)
        return replace(meaning, scale=scale, offset=offset)

    def _add_channel(self, channel: str, table: Mapping[str, Any]) -> None:
        kind = ReadingKind(table.get("kind", "numeric"))
        plain = Meaning(channel, table["unit"], kind)
        self.channels[channel] = plain
        self._add_spelling(channel, plain)
        for key in table["keys"]:
            self._add_spelling(key, plain)
        for other in table.get("scaled", ()):
            scale, offset = other.get("scale", 1.0), other.get("offset", 0.0)
            for key in other["keys"]:
                self._add_spelling(key, replace(plain, scale=scale, offset=offset))

    def _add_spelling(self, key: str, meaning: Meaning) -> None:
        name = normalize(key)
        earlier = self.spellings.get(name)
        if earlier is None:
            self.spellings[name] = replace(meaning, rank=len(self.spellings))
        elif earlier.channel != meaning.channel or earlier.scale != meaning.scale:
            raise ValueError(f"{key!r} is claimed by {earlier.channel} and {meaning.channel}")

    def _context(self, table: Mapping[str, Any]) -> Context:
        named = {table["becomes"], *table["beside"], *table["unless"]}
        if unknown := named - set(self.channels):
            raise ValueError(f"context of unknown channels: {', '.join(sorted(unknown))}")
        return Context(
            becomes=replace(self.channels[table["becomes"]], scale=table.get("scale", 1.0)),
            keys=frozenset(normalize(key) for key in table["keys"]),
            beside=frozenset(table["beside"]),
            beside_keys=frozenset(normalize(key) for key in table.get("beside_keys", ())),
            unless=frozenset(table["unless"]),
            profile=tuple(table.get("profile", ())),
        )

    def unwrapped(self, key: str) -> Iterator[str]:
        """Yield the key, and then what is left without tables and tails that say nothing."""
        yield key
        levels = key.split(".")
        while len(levels) > 1 and normalize(levels[-1]) in self._tails:
            levels.pop()
        while len(levels) > 1 and (normalize(levels[0]) in self._wrappers or levels[0].isdigit()):
            del levels[0]
        if (rest := ".".join(levels)) != key:
            yield rest

    def _qualified(self, key: str) -> Meaning | None:
        """Look the key up without one number or qualifying word, the last such first."""
        words = [word for word in _WORDS.split(key) if word]
        if len(words) > _MOST_WORDS:
            return None
        for place in range(len(words) - 1, -1, -1):
            base, suffix = self._split_word(words[place])
            if not suffix:
                continue
            before, after = words[:place], words[place + 1 :]
            meaning = self._joined([*before, base, *after])
            while (
                meaning is None and not base and before and before[-1].casefold() in self._counted
            ):
                before = before[:-1]
                meaning = self._joined([*before, *after])
            if meaning is not None:
                return replace(meaning, channel=f"{meaning.channel}.{suffix}")
        return None

    def _joined(self, words: Collection[str]) -> Meaning | None:
        return self.spellings.get(normalize("_".join(words)))

    def _split_word(self, word: str) -> tuple[str, str]:
        lower = word.casefold()
        if lower in self._qualifiers:
            return "", lower
        numbered = _NUMBERED.fullmatch(lower)
        if numbered is None:
            return lower, ""
        base = "" if numbered[1] in self._counted else numbered[1]
        return base, numbered[2] + (numbered[3] or "")


@functools.cache
def default_dictionary() -> KeyDictionary:
    """Return the dictionary that ships with the package."""
    text = resources.files("gateway.codecs").joinpath("key_dictionary.toml").read_text("utf-8")
    return KeyDictionary(tomllib.loads(text))
