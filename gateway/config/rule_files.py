"""Rules read from files and from messages; what is wrong names the rule, the key and the remedy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator

from gateway.complaints import explain
from gateway.config.rules import RuleConfig, unique
from gateway.config.section import Section
from gateway.errors import ConfigError


class RulesFile(Section):
    """A file of a rules folder: `[[rule]]` tables and nothing else."""

    rule: tuple[RuleConfig, ...] = ()

    @field_validator("rule")
    @classmethod
    def _own_names(cls, rules: tuple[RuleConfig, ...]) -> tuple[RuleConfig, ...]:
        return unique(rules)


def read_rules(path: Path) -> tuple[RuleConfig, ...]:
    """Return the rules of one file.

    Raises
    ------
    ConfigError
        It cannot be read, or a rule is wrong.

    """
    tree = read_toml(path, "It should hold [[rule]] tables.")
    try:
        return RulesFile.model_validate(tree).rule
    except ValidationError as error:
        said = explain(error, RulesFile, lambda key: named(tree, key))
        raise ConfigError(f"{path}: {said}") from None


def folder_rules(folder: Path) -> tuple[RuleConfig, ...]:
    """Return the rules of every `*.toml` in a folder, by file name; none where it is not there.

    Raises
    ------
    ConfigError
        As `read_rules`, or two files use one name.

    """
    try:
        files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    except OSError as error:
        raise ConfigError(
            f"alerts.rules_folder = {str(folder)!r} cannot be read: {error.strerror}."
        ) from error
    rules = tuple(rule for file in files for rule in read_rules(file))
    try:
        return unique(rules)
    except ValueError as error:
        raise ConfigError(f"{folder}: {error}.") from None


def as_rule(tree: Mapping[str, Any]) -> RuleConfig:
    """Return a rule that came as a message.

    Raises
    ------
    ConfigError
        What is wrong with it.

    """
    try:
        return RuleConfig.model_validate(dict(tree))
    except ValidationError as error:
        said = explain(error, RuleConfig, lambda _: "")
        raise ConfigError(f"{_called(tree)}{said}") from None


def named(tree: Mapping[str, Any], key: str) -> str:
    """Return which rule a dotted key such as `rule[2].below` is of, with a colon; "" for none."""
    if not key.startswith("rule["):
        return ""
    try:
        return _called(tree["rule"][int(key[5:].split("]", 1)[0])])
    except (KeyError, IndexError, TypeError, ValueError):
        return ""


def read_toml(path: Path, remedy: str) -> dict[str, Any]:
    """Return a file's tables.

    Raises
    ------
    ConfigError
        It is not there (with the remedy), cannot be read, or is not TOML.

    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist. {remedy}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _called(rule: Any) -> str:  # noqa: ANN401 - whatever a stranger wrote
    name = rule.get("name") if isinstance(rule, Mapping) else None
    return f"rule {name[:48]!r}: " if isinstance(name, str) and name else ""
