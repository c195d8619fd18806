"""All payload codecs by name, opened when they are first needed and again when they change.

Where a name is looked for, first found serves: the user's folder, what the network server gave,
what ships with the gateway, and the formats `cayenne_lpp` and `raw`.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.codecs.payloads import folder as codec_folder
from gateway.codecs.payloads.builtin import builtin_names, builtin_text
from gateway.codecs.payloads.cayenne_lpp import CayenneLpp
from gateway.codecs.payloads.contract import PayloadCodec
from gateway.codecs.payloads.javascript import JavaScriptCodec, Log
from gateway.codecs.payloads.layouts import parse_layout
from gateway.codecs.payloads.raw import RawCodec
from gateway.config import CodecsConfig
from gateway.errors import BadInput
from gateway.types import ScriptEngine

FORMATS: Mapping[str, Callable[[], PayloadCodec]] = {
    "cayenne_lpp": CayenneLpp,
    "raw": RawCodec,
}
CAYENNE_LPP = 'kind = "cayenne_lpp"\n'
"""The text that stands for Cayenne LPP where a server's device profile names it."""

SERVER = "chirpstack/"
"""What the network server's own codecs are called: this, and the device profile's id."""


@dataclass(frozen=True, slots=True)
class CodecEntry:
    """One codec that can be had: `origin` is `folder`, `server`, `built-in` or `format`."""

    name: str
    origin: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A codec's text, and the ending of the file it came in."""

    suffix: str
    text: str


class CodecLibrary:
    """Opens codecs by name.

    One that cannot be opened says so at every use, and is tried again once its file has changed;
    until a changed codec opens, the earlier one goes on serving.
    """

    def __init__(
        self, settings: CodecsConfig, engine: ScriptEngine, log: Log | None = None
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._log = log
        self._files = codec_folder.scan(settings.folder)
        self._server: dict[str, _Text] = {}
        self._open: dict[str, PayloadCodec] = {}
        self.broken: dict[str, BadInput] = {}
        """Codecs whose present text does not open, and why."""

    def entries(self) -> Iterator[CodecEntry]:
        """Yield every codec that can be had, each name once, where it would come from."""
        seen: set[str] = set()
        sources = (
            [CodecEntry(name, "folder", file.path) for name, file in self._files.items()],
            [CodecEntry(name, "server") for name in self._server],
            [CodecEntry(name, "built-in") for name in builtin_names()],
            [CodecEntry(name, "format") for name in FORMATS],
        )
        for entry in (entry for source in sources for entry in source):
            if entry.name not in seen:
                seen.add(entry.name)
                yield entry

    def has(self, name: str) -> bool:
        """Tell whether there is a codec of this name, without opening it."""
        key = name.casefold()
        return key in self._files or key in self._server or key in FORMATS or key in _BUILTIN

    def get(self, name: str) -> PayloadCodec:
        """Return a codec, ready to be called.

        Raises
        ------
        BadInput
            `codec_unknown`: there is none of this name; else why it does not open.

        """
        key = name.casefold()
        codec = self._open.get(key)
        if codec is not None:
            return codec
        if (error := self.broken.get(key)) is not None:
            raise error
        return self._renew(key)

    def refresh(self) -> list[str]:
        """Look at the folder; open again what was open and has changed. Return the names."""
        files = codec_folder.scan(self._settings.folder)
        changed = [
            name
            for name in {*files, *self._files}
            if _stamp(files, name) != _stamp(self._files, name)
        ]
        self._files = files
        for name in changed:
            self._reopen(name)
        return sorted(changed)

    def put(self, profile_id: str, suffix: str, text: str) -> bool:
        """Take a codec from the network server; tell whether it is a new one.

        It is kept in the folder too, where that may be written, so that it is there at the next
        start without the server.
        """
        name = f"{SERVER}{profile_id}".casefold()
        fresh = _Text(suffix, text)
        if self._server.get(name) == fresh:
            return False
        self._server[name] = fresh
        with contextlib.suppress(OSError):
            codec_folder.keep(self._settings.folder, name, suffix, text)
        self._files = codec_folder.scan(self._settings.folder)
        self._reopen(name)
        return True

    def close(self) -> None:
        """Give every codec back, and the engine with them."""
        self._open.clear()
        self._engine.stop()

    def _reopen(self, name: str) -> None:
        known = name in self._open
        self.broken.pop(name, None)
        if not known:
            return
        earlier = self._open[name]
        try:
            self._renew(name)
        except BadInput as error:
            if error.reason == "codec_unknown":
                self._drop(name)
            else:
                self._open[name] = earlier

    def _renew(self, name: str) -> PayloadCodec:
        try:
            codec = self._made(name)
        except BadInput as error:
            if error.reason != "codec_unknown":
                self.broken[name] = error
            raise
        self._drop(name)
        self._open[name] = codec
        return codec

    def _drop(self, name: str) -> None:
        codec = self._open.pop(name, None)
        if isinstance(codec, JavaScriptCodec):
            codec.close()

    def _made(self, name: str) -> PayloadCodec:
        found = self._text(name)
        if found is None:
            if name in FORMATS:
                return FORMATS[name]()
            raise BadInput("codec_unknown", f"there is no codec {name!r} here")
        return self.make(name, found.suffix, found.text)

    def make(self, name: str, suffix: str, text: str) -> PayloadCodec:
        """Open a text as a codec of this name, without keeping it.

        Raises
        ------
        BadInput
            Why it does not open.

        """
        if suffix == ".js":
            return JavaScriptCodec(
                name,
                text,
                self._engine,
                time_s=self._settings.time_ms / 1000,
                memory_bytes=self._settings.memory_mb << 20,
                isolated=self._settings.isolated,
                log=self._log,
            )
        if (kind := format_named(text)) is not None:
            return FORMATS[kind]()
        return parse_layout(text, name)

    def _text(self, name: str) -> _Text | None:
        if (file := self._files.get(name)) is not None:
            return _Text(file.path.suffix, file.read())
        if (given := self._server.get(name)) is not None:
            return given
        if name in _BUILTIN:
            return _Text(*builtin_text(name))
        return None


_BUILTIN = frozenset(builtin_names())


def format_named(text: str) -> str | None:
    """Return the format that a one-line TOML names (`kind = "cayenne_lpp"`), None for a layout."""
    try:
        kind = tomllib.loads(text).get("kind")
    except tomllib.TOMLDecodeError:
        return None  # the layout's reader says what is wrong
    return kind if kind in FORMATS else None


def _stamp(files: Mapping[str, codec_folder.CodecFile], name: str) -> tuple[int, int] | None:
    return files[name].stamp if name in files else None
