"""What keeps a program from starting, and how much it brings: figures in, sentences out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.config import CommandConfig, ProgramConditionConfig, ProgramConfig
from gateway.control.programs.amounts import amount, body_of
from gateway.control.programs.weather import USUAL, Fact, look
from gateway.errors import ConfigError
from gateway.types import DevEui

NOW_S = 1_790_000_000.0
STATION = DevEui("a84041000181c061")


@dataclass
class Sky:
    """One figure for every question, and what was asked."""

    value: float | None
    age_s: float = 0.0
    asked: list[tuple[str, str, float]] = field(default_factory=list)

    def fact(
        self, dev_eui: DevEui, channel: str, over: str, hours: float, now_s: float
    ) -> Fact | None:
        assert dev_eui == STATION
        self.asked.append((channel, over, hours))
        return None if self.value is None else Fact(self.value, "mm", now_s - self.age_s)


def condition(**fields: Any) -> ProgramConditionConfig:  # noqa: ANN401
    return ProgramConditionConfig.model_validate({"kind": "rained", "device": "Station", **fields})


@pytest.mark.parametrize(
    ("fields", "value", "age_s", "holds", "said"),
    [
        ({}, 6.0, 0, True, "rain.amount, sum of 24 h, is 6 mm, above 5."),
        ({}, 5.0, 0, False, "rain.amount, sum of 24 h, is 5 mm, not above 5."),
        ({"kind": "rain_expected"}, 3.0, 0, True,
         "rain.amount, sum expected in 12 h, is 3 mm, above 2."),
        ({"kind": "dry"}, 12.0, 0, True, "soil.moisture is 12 mm, below 20."),
        ({"kind": "wet", "below": 90}, 12.0, 0, True, "soil.moisture is 12 mm, below 90."),
        ({"kind": "frost", "max_age_h": 2}, 80.0, 7300, False,
         "frost.probability of Station is older than 2 h."),
        ({"kind": "wind", "unknown": "yes"}, None, 0, True, "wind.speed of Station is not known."),
        ({"kind": "wind"}, None, 0, False, "wind.speed of Station is not known."),
    ],
)  # fmt: skip
def test_a_condition_says_what_it_saw(
    fields: dict[str, Any], value: float | None, age_s: float, *, holds: bool, said: str
) -> None:
    found = look(condition(**fields), STATION, Sky(value, age_s), NOW_S, "Station")
    assert (found.holds, found.said) == (holds, said)


def test_every_kind_asks_for_something_usual_of_its_own() -> None:
    for kind in USUAL:
        fields = {"kind": kind, "channel": "x", "above": 1} if kind == "value" else {"kind": kind}
        sky = Sky(1.0)
        look(condition(**{"channel": "x"} | fields if kind == "deficit" else fields), STATION, sky,
             NOW_S, "Station")  # fmt: skip
        assert sky.asked[0][0]


TIMED = CommandConfig.model_validate(
    {"effect": "open", "keys": {"minutes": {"type": "integer", "unit": "min"}},
     "duration_key": "minutes", "flow_l_per_min": 20}
)  # fmt: skip
PLAIN = CommandConfig.model_validate({"effect": "open", "close_with": "close"})
METERED = CommandConfig.model_validate(
    {"effect": "open", "close_with": "close", "keys": {"litres": {"type": "integer"}},
     "volume_key": "litres"}
)  # fmt: skip


def program(**fields: Any) -> ProgramConfig:  # noqa: ANN401
    valve = fields.pop("valve", {})
    return ProgramConfig.model_validate(
        {"start": ["05:00"], "valve": [{"device": "v", **valve}], **fields}
    )


@pytest.mark.parametrize(
    ("fields", "spec", "deficit", "seconds", "body"),
    [
        ({"minutes": 7.5}, TIMED, None, 450, {"command": "open", "object": {"minutes": 8}}),
        ({"minutes": 7.5}, PLAIN, None, 450, {"command": "open", "duration_s": 450}),
        ({"litres": 100}, TIMED, None, 300, {"command": "open", "object": {"minutes": 5}}),
        ({"litres": 100}, PLAIN, None, 0, None),
        ({"litres": 100}, METERED, None, 7200,
         {"command": "open", "duration_s": 7200, "object": {"litres": 100}}),
        ({"mm": 2, "area_m2": 100}, TIMED, None, 600, None),
        ({"minutes": 5, "valve": {"mm": 2, "area_m2": 100}}, TIMED, None, 600, None),
        ({"minutes": 500}, PLAIN, None, 7200, None),
        ({"minutes": 5, "min_minutes": 6}, PLAIN, None, 0, None),
        ({"deficit_channel": "d", "deficit_device": "s", "area_m2": 50}, TIMED, 4.0, 600, None),
        ({"deficit_channel": "d", "deficit_device": "s", "area_m2": 50}, TIMED, 0.0, 0, None),
        ({"deficit_channel": "d", "deficit_device": "s", "area_m2": 50}, TIMED, None, 0, None),
    ],
)  # fmt: skip
def test_an_amount_becomes_a_time_and_a_command(
    fields: dict[str, Any],
    spec: CommandConfig,
    deficit: float | None,
    seconds: float,
    body: dict[str, Any] | None,
) -> None:
    made = program(**fields)
    fact = None if deficit is None else Fact(deficit, "mm", NOW_S)
    found = amount(made, made.valve[0], spec, lambda: fact)
    assert found.duration_s == seconds
    assert found.said
    if body is not None:
        assert body_of("open", spec, found) == body


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"start": []}, "it never starts"),
        ({"minutes": None}, "say how much"),
        ({"mm": 3, "minutes": None}, "area_m2"),
        ({"mm": 3}, "give one of"),
        ({"start_when": [{"kind": "dry", "device": "s"}]}, "goes without"),
        ({"start": [], "start_when": [{"kind": "dry", "device": "s"}]}, "needs `earliest`"),
        ({"season_begin": "04-01"}, "go together"),
        ({"start": ["25:00"]}, "pattern"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"skip_when": [{"kind": "value", "device": "s", "channel": "x"}]}, "needs `channel`"),
    ],
)
def test_a_mistake_in_a_program_is_told(fields: dict[str, Any], said: str) -> None:
    whole = {"minutes": 5, **fields}
    with pytest.raises((ValueError, ConfigError), match=said):
        program(**{key: one for key, one in whole.items() if one is not None})
