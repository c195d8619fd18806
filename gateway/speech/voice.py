"""The language, the units and the local time in which this process speaks.

One process serves one site, and a site has one language: it is state of the process, like a locale,
set once by whoever puts the parts together (`gateway.assembly`, or a command) before anything is
said. So the stages stay functions of what they are given *and* of this: an id, a kind or a figure
on a topic never depends on it, only the sentences do. Tests choose one with `speaking`.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gateway.speech.catalogue import translations

LANGUAGES = ("en", "zh_CN")


class Phrase(str):
    """A sentence of ours that is said later, and so in the catalogue; a user's words are none."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Voice:
    """How this process speaks. `zone` None is the machine's own local time."""

    language: str = "en"
    imperial: bool = False
    zone: ZoneInfo | None = None
    sentences: gettext.NullTranslations = gettext.NullTranslations()  # noqa: RUF009 - has no state


_voices: list[Voice] = [Voice()]


def voice() -> Voice:
    """Return how this process speaks now."""
    return _voices[-1]


def translated() -> bool:
    """Tell whether another language than that of the sources is spoken."""
    return voice().language != "en"


def use(language: str = "en", units: str = "metric", time_zone: str = "") -> None:
    """Speak like this from now on: one of `LANGUAGES`, `metric` or `imperial`, a zone's name."""
    _voices[-1] = _voice(language, units, time_zone)


@contextmanager
def speaking(language: str = "en", units: str = "metric", time_zone: str = "") -> Iterator[None]:
    """Speak like this within the block."""
    _voices.append(_voice(language, units, time_zone))
    try:
        yield
    finally:
        _voices.pop()


def say(template: str, /, **fields: object) -> str:
    """Return the sentence in the site's language with its fields filled in, `{name}` by `name`.

    `template` is a literal English sentence, or a `Phrase`: it is the key of the catalogue. Without
    fields it is said as it is.
    """
    text = voice().sentences.gettext(template) if template else ""  # "" is a catalogue's header
    return text.format(**fields) if fields else text


def say_many(one: str, many: str, count: int, /, **fields: object) -> str:
    """Return the sentence for so many, in the plural form of the site's language.

    Both are literals; `{count}` stands for the number in them.
    """
    return voice().sentences.ngettext(one, many, count).format(count=count, **fields)


def phrase(template: str, /) -> Phrase:
    """Mark a literal sentence for the catalogue where it stands in a table; `say` it later."""
    return Phrase(template)


def _voice(language: str, units: str, time_zone: str) -> Voice:
    zone = ZoneInfo(time_zone) if time_zone else None
    return Voice(language, units == "imperial", zone, translations(language))
