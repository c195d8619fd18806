"""Where a device's keys come from when it is registered: never from a shell's memory by force.

An option, `-` for stdin (one key a line, in the order they are wanted), a file of `name = key`, a
generator, or the terminal without echo.
"""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.codecs.lorawan.identity import KEY_BYTES
from gateway.errors import ConfigError
from gateway.network.devices import KEY_NAMES, Kind
from gateway.network.registration import TITLES

_WANTED = {Kind.OTAA: ("app_key",), Kind.ABP: ("nwk_s_key", "app_s_key"), Kind.PRIVATE: ("key",)}
_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True, repr=False)
class KeyWishes:
    """What was said of keys on the command line. No `repr`, for `given` may hold them."""

    given: Mapping[str, str]
    file: Path | None = None
    generate: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class FoundKeys:
    """Keys as texts by their field's name, and which of them were made just now."""

    texts: Mapping[str, str]
    made: tuple[str, ...] = ()


def ask_on_terminal(title: str) -> str:
    """Ask for a key without echo.

    Raises
    ------
    ConfigError
        There is no terminal to ask on.

    """
    if not sys.stdin.isatty():
        raise ConfigError(
            f"The {title} is missing: give it on stdin with -, in --keys-file, or at a terminal."
        )
    return getpass.getpass(f"{title} (32 hex digits, not shown): ")


def kind_of(fields: Mapping[str, str], wishes: KeyWishes) -> Kind:
    """Return which kind of device was described."""
    if "node_id" in fields or "key" in wishes.given:
        return Kind.PRIVATE
    by_hand = "dev_addr" in fields or wishes.given.keys() & {"nwk_s_key", "app_s_key"}
    return Kind.ABP if by_hand else Kind.OTAA


def find(kind: Kind, wishes: KeyWishes, ask: Callable[[str], str] = ask_on_terminal) -> FoundKeys:
    """Return the keys of a device of this kind, those that are left out made or asked for.

    Raises
    ------
    ConfigError
        A key cannot be had, or two wishes contradict each other.

    """
    texts = {**(_read_file(wishes.file) if wishes.file else {}), **wishes.given}
    for name in [name for name, text in texts.items() if text == "-"]:
        texts[name] = sys.stdin.readline()
    if wishes.plain and (kind is not Kind.PRIVATE or texts or wishes.generate):
        raise ConfigError("--plain is for a node (--node-id) without a key.")
    if wishes.generate and kind is Kind.OTAA:
        raise ConfigError(
            "--generate-key is for ABP devices and nodes: an AppKey is the one printed on the "
            "device, or the one you have put into it."
        )
    missing = () if wishes.plain else tuple(name for name in _WANTED[kind] if name not in texts)
    for name in missing:
        texts[name] = secrets.token_hex(KEY_BYTES) if wishes.generate else ask(TITLES[name])
    return FoundKeys(texts, missing if wishes.generate else ())


def _read_file(path: Path) -> dict[str, str]:
    """Read lines of `name = key`; what is wrong is named by its line, never repeated."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no text.") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, key = line.partition("=")
        field = name.strip().lower()
        if not equals or field not in KEY_NAMES:
            raise ConfigError(
                f"{path}, line {number}: write NAME = KEY, with a NAME of {', '.join(KEY_NAMES)}."
            )
        found[field] = key.strip().strip("\"'")
    return found
