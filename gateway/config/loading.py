"""Reading the settings: the file, then the environment, then the defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.complaints import explain
from gateway.config.whole import Config
from gateway.errors import ConfigError

ENV_PREFIX = "LORA_GATEWAY_"


def load(path: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Read the file (defaults alone when None) and the environment.

    Raises
    ------
    ConfigError
        The file cannot be read, is not TOML, or a key or value is wrong; the text names each.

    """
    tree = _read(path) if path is not None else {}
    variables = _override(tree, os.environ if environment is None else environment)

    def origin_of(key: str) -> str:
        return f"{variables[key]}: " if key in variables else ""

    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        where = str(path) if path else "the settings"
        raise ConfigError(f"{where}: {explain(error, Config, origin_of)}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist. `lora-gateway init --out {path}` writes one."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _override(tree: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put the environment's values over the file's; return which variable set which key."""
    variables: dict[str, str] = {}
    for name, text in environment.items():
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        *parents, key = name.removeprefix(ENV_PREFIX).lower().split("__")
        table = tree
        for parent in parents:
            below = table.setdefault(parent, {})
            if not isinstance(below, dict):
                raise ConfigError(f"{name} goes through {parent!r}, which is not a table.")
            table = below
        table[key] = _value(text)
        variables[".".join((*parents, key))] = name
    return variables


def _value(text: str) -> Any:  # noqa: ANN401 - whatever TOML says it is
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
