"""Reading the settings: the file, then the environment, then the defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.complaints import explain
from gateway.config.rule_files import folder_rules, named, read_toml
from gateway.config.rules import unique
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

    where = str(path) if path else "the settings"

    def origin_of(key: str) -> str:
        return f"{variables[key]}: " if key in variables else named(tree, key)

    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error, Config, origin_of)}") from None
    more = folder_rules(config.alerts.rules_folder)
    try:
        return config.model_copy(update={"rule": unique((*config.rule, *more))}) if more else config
    except ValueError as error:
        raise ConfigError(f"{where} and {config.alerts.rules_folder}: {error}.") from None


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, f"`lora-gateway init --out {path}` writes one.")


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
