"""Codecs by name or file, for the commands that need one.

The engines are imported when the first codec is opened: `--help` must not wait for them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from gateway.codecs.payloads.contract import PayloadCodec
from gateway.errors import BadInput, ConfigError
from gateway.types import Json

FOLDER = Path("/var/lib/lora-gateway/codecs")
"""Where the user's own codecs are, unless the command line says another."""

_LIBRARY = "gateway.codecs.payloads.library"
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
    file = _file(name, folder)
    if file is None:
        return _built_in(name)
    try:
        script = file.read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    return make_codec(name if file.stem in name else file.stem, file.suffix, script)


def make_codec(name: str, suffix: str, script: str) -> PayloadCodec:
    """Return the codec of a script or layout; `suffix` is `.js` or `.toml`.

    Raises
    ------
    BadInput
        `codec_syntax`, or another reason of the contract.

    """
    if suffix not in _SUFFIXES:
        raise BadInput("codec_syntax", f"a codec ends in .js or .toml, not in {suffix!r}")
    codec: PayloadCodec = _library().make_codec(name, suffix, script)
    return codec


def evaluate_json5(text: str) -> Json:
    """Return the JSON of a JavaScript literal; raises `BadInput`."""
    return _library().evaluate_json5(text)


def _file(name: str, folder: Path) -> Path | None:
    candidates = [Path(name), folder / name, *(folder / f"{name}{s}" for s in _SUFFIXES)]
    return next((path for path in candidates if path.is_file()), None)


def _built_in(name: str) -> PayloadCodec:
    codec: PayloadCodec | None = _library().built_in(name)
    if codec is None:
        raise ConfigError(
            f"There is no codec {name!r}: give a file, or a name that `codec list` shows."
        )
    return codec


def _library() -> Any:  # noqa: ANN401 - the library is known by its three functions
    try:
        return importlib.import_module(_LIBRARY)
    except ModuleNotFoundError as error:
        if error.name != _LIBRARY:
            raise
        raise ConfigError("This installation has no codec engines.") from None
