"""Translations: a gettext `.po` file, read when its language is chosen.

No compiled catalogue is kept, for no binary belongs in the sources and none can then be out of
date. The file's entries are laid out as a `.mo` in memory and given to the standard library's
gettext, which knows plural forms. Formats: GNU gettext manual, "The Format of PO Files" and "The
Format of GNU MO Files".
"""

from __future__ import annotations

import gettext
import io
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources

DOMAIN = "lora-gateway"
_MAGIC = 0x950412DE
_LINE = re.compile(r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?)?\s*"(.*)"$')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_CONTEXT = "\x04"  # between a context and its sentence, as gettext joins them


@dataclass(slots=True)
class Entry:
    """One sentence of a catalogue: the keyword of each part with its text."""

    parts: dict[str, str] = field(default_factory=dict)
    fuzzy: bool = False

    @property
    def key(self) -> str:
        """The English sentence."""
        return self.parts["msgid"]

    @property
    def translations(self) -> tuple[str, ...]:
        """What it is in the other language: one text, or one for each plural form."""
        return tuple(text for name, text in self.parts.items() if name.startswith("msgstr"))


def entries_of(text: str) -> list[Entry]:
    """Return the entries of a `.po` file, its header first; obsolete ones are left out.

    Raises
    ------
    ValueError
        A line is none of a catalogue; its number is named.

    """
    return [entry for entry in _read(text.splitlines()) if "msgid" in entry.parts]


def translations(language: str) -> gettext.NullTranslations:
    """Return the sentences of a language; English, the language of the sources, needs none."""
    if language == "en":
        return gettext.NullTranslations()
    path = resources.files(__package__).joinpath(
        "locale", language, "LC_MESSAGES", f"{DOMAIN}.po"
    )  # fmt: skip
    return translations_in(path.read_text("utf-8"))


def translations_in(text: str) -> gettext.GNUTranslations:
    """Return the sentences of a `.po` file that are translated for certain; raises as above."""
    return gettext.GNUTranslations(io.BytesIO(_compiled(entries_of(text))))


def _read(lines: Iterable[str]) -> Iterator[Entry]:
    entry, name = Entry(), ""
    for number, line in enumerate(map(str.strip, lines), start=1):
        starts = line.startswith(("#", "msgctxt", "msgid "))
        if not line or (starts and any(part.startswith("msgstr") for part in entry.parts)):
            yield entry
            entry, name = Entry(), ""
        if line.startswith("#"):
            entry.fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        if not line:
            continue
        found = _LINE.match(line)
        name = (found and found[1]) or name
        if found is None or not name:
            raise ValueError(f"line {number} is no part of a catalogue: {line[:60]}")
        entry.parts[name] = entry.parts.get(name, "") + _unquoted(found[2])
    yield entry


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)


def _compiled(entries: Iterable[Entry]) -> bytes:
    """Lay the translated entries out as a `.mo` file.

    ::

        magic 0 count keys-at texts-at 0 0        seven words of 32 bits
        (length, offset) of each key, then of each text; then all of them, each with a zero
    """
    pairs = sorted(
        (_mo_key(entry).encode(), "\0".join(entry.translations).encode())
        for entry in entries
        if all(entry.translations) and not entry.fuzzy
    )
    count, size = len(pairs), struct.calcsize("<7I")
    texts_at = size + 8 * count
    offset = texts_at + 8 * count
    table, body = bytearray(), bytearray()
    for column in zip(*pairs, strict=True):
        for text in column:
            table += struct.pack("<2I", len(text), offset + len(body))
            body += text + b"\0"
    return struct.pack("<7I", _MAGIC, 0, count, size, texts_at, 0, 0) + table + body


def _mo_key(entry: Entry) -> str:
    context, plural = entry.parts.get("msgctxt"), entry.parts.get("msgid_plural")
    key = entry.key if context is None else context + _CONTEXT + entry.key
    return key if plural is None else f"{key}\0{plural}"
