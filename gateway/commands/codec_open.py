"""Codecs by name or file, for the commands that need one, with the engine they run on."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path

from gateway.codecs import CodecLibrary
from gateway.codecs.payloads.contract import PayloadCodec
from gateway.codecs.payloads.javascript import evaluate
from gateway.config import CodecsConfig
from gateway.errors import BadInput, ConfigError
from gateway.links import ScriptProcess
from gateway.types import Json

FOLDER = Path("/var/lib/lora-gateway/codecs")
"""Where the user's own codecs are, unless the command line says another."""

_SUFFIXES = (".js", ".toml")


def open_codec(name: str, folder: Path = FOLDER) -> PayloadCodec:
    """Return the codec of a file, of a name in the codecs folder, or a built-in one.

    Raises
    ------
    ConfigError
        There is no such codec.
    BadInput
        It is there and cannot be used.

    """
    file = Path(name)
    if file.is_file():
        try:
            script = file.read_text("utf-8-sig", errors="replace")
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
        return make_codec(file.stem, file.suffix, script)
    library = CodecLibrary(CodecsConfig(folder=folder), _engine())
    try:
        return library.get(name)
    except BadInput as error:
        if error.reason != "codec_unknown":
            raise
        raise ConfigError(
            f"There is no codec {name!r}: give a file, or a name that `codec list` shows."
        ) from None


def make_codec(name: str, suffix: str, script: str) -> PayloadCodec:
    """Return the codec of a script or layout; `suffix` is `.js` or `.toml`.

    Raises
    ------
    BadInput
        `codec_syntax`, or another reason of the contract.

    """
    if suffix not in _SUFFIXES:
        raise BadInput("codec_syntax", f"a codec ends in .js or .toml, not in {suffix!r}")
    return _maker().make(name, suffix, script)


def evaluate_json5(text: str) -> Json:
    """Return the JSON of a JavaScript literal; raises `BadInput`."""
    return evaluate(_engine(), text)


@cache
def _engine() -> ScriptProcess:
    engine = ScriptProcess()
    atexit.register(engine.stop)
    return engine


@cache
def _maker() -> CodecLibrary:
    return CodecLibrary(CodecsConfig(folder=FOLDER / ".none"), _engine())
