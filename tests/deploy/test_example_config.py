"""The example configuration shows every setting, and means the same as no file at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.config import (
    ActionConfig,
    ChannelConfig,
    CommandConfig,
    CommandKeyConfig,
    Config,
    DeviceConfig,
    FieldConfig,
    GroupConfig,
    MinusConfig,
    OperatorConfig,
    ProfileConfig,
    ProgramConditionConfig,
    ProgramConfig,
    PumpConfig,
    RuleConfig,
    ThresholdConfig,
    TrendConfig,
    ValveConfig,
    VerifyConfig,
    load,
)

EXAMPLE = Path(__file__).parents[2] / "deploy" / "lora-gateway.toml"
HEADER = re.compile(r"^(?:# )?\[+(?P<name>[a-z_.]+)[\"\]a-z0-9. A-Z]*\]+$")
KEY = re.compile(r"^(?:# )?(?P<key>[a-z_0-9]+)(?:\.[A-Za-z_]+)? = ")
NAMED = {
    "alerts.threshold": ThresholdConfig,
    "agronomy.field": FieldConfig,
    "agronomy.trend": TrendConfig,
    "profiles.": ProfileConfig,
    "devices.a": DeviceConfig,
    "operators.anna": OperatorConfig,
    "programs.orchard": ProgramConfig,
    "programs.orchard.valve": ValveConfig,
    "programs.orchard.pump": PumpConfig,
    "programs.orchard.skip_when": ProgramConditionConfig,
    "groups.valves": GroupConfig,
}


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from sections(inner, f"{path}.{name}".lstrip("."))


def keys_by_section() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    section = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := HEADER.match(line):
            section = re.sub(r"^programs\.[a-z]+", "programs.orchard", header["name"])
        elif key := KEY.match(line):
            found.setdefault(section, set()).add(key["key"])
    return found


def without_marks(text: str) -> str:
    return "\n".join(
        line.removeprefix("# ") if HEADER.match(line) or KEY.match(line) else line
        for line in text.splitlines()
    )


def test_the_example_means_the_same_as_no_file() -> None:
    assert load(EXAMPLE, environment={}) == Config()


@pytest.mark.parametrize(
    ("section", "model"),
    [pair for pair in sections(Config) if pair[0]],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_setting_of_a_section_is_shown(section: str, model: type[BaseModel]) -> None:
    simple = {
        name
        for name, field in model.model_fields.items()
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    }
    apart = {"threshold", "field", "trend", "rule", "adapters"}  # tables of their own
    assert simple - apart <= keys_by_section()[section]


def test_every_setting_of_a_rule_is_shown() -> None:
    shown = keys_by_section()["rule"] | keys_by_section()["rule.all"]
    assert {*RuleConfig.model_fields} - {"all", "rises_per_h"} <= shown
    text = EXAMPLE.read_text(encoding="utf-8")
    inner = {*ActionConfig.model_fields} | {*MinusConfig.model_fields}
    assert {name for name in inner if f"{name} = " not in text} == set()


@pytest.mark.parametrize("section", NAMED)
def test_every_setting_of_a_commented_section_is_shown(section: str) -> None:
    apart = {"above", "below"} | {"valve", "pump", "skip_when"}  # or one, or tables of their own
    assert set(NAMED[section].model_fields) - apart <= keys_by_section()[section]


def test_every_setting_of_a_channel_is_shown() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert all(f"{name} = " in text for name in ChannelConfig.model_fields)


def test_every_setting_of_a_command_is_shown() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = {*CommandConfig.model_fields} | {*CommandKeyConfig.model_fields}
    shown |= {*VerifyConfig.model_fields}
    assert {name for name in shown if f"{name} = " not in text} == set()
    assert "keys.minutes = " in text


def test_the_example_is_still_right_with_its_marks_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "lora-gateway.toml"
    text = without_marks(EXAMPLE.read_text(encoding="utf-8"))
    path.write_text(re.sub(r"(?m)^password = .*\n", "", text), encoding="utf-8")

    config = load(path, environment={})

    assert config.alerts.threshold[0].below == 1.0
    assert config.agronomy.field[0].crop == "maize"
    assert config.rule[1].name == "frost-ahead"
    assert config.profiles["Tank level"].channels["raw"].offset == 100.0
    assert config.devices["a84041000181c061"].command_f_port == 2
    assert config.mqtt.ca_file is not None
    assert config.profiles["Valve"].commands["open"].duration_key == "minutes"
    assert config.profiles["Pump"].commands["start"].close_with == "stop"
    assert config.operators["anna"].role == "operator"
    assert config.programs["orchard"].skip_when[0].kind == "rained"
    assert config.programs["field"].start_when[0].above == 5.0
    assert config.groups["valves"].tag == "row=4"
