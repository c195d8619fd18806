"""The command schema: what fits is chosen, what does not is refused by key, value and allowance."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import CommandConfig, Config, DownlinkConfig
from gateway.control import Catalogue, Target, parse_set
from gateway.errors import CommandRefused
from gateway.types import DevEui, DeviceInfo, Downlink, DownlinkState

NOW_S = 1_790_000_000.0
EUI = DevEui("70b3d57ed0000001")
OPEN = {
    "f_port": 10,
    "effect": "open",
    "fixed": {"valve": "open"},
    "keys": {"minutes": {"type": "integer", "min": 1, "max": 120, "unit": "min"}},
    "duration_key": "minutes",
}
COMMANDS = {
    "open": OPEN,
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
    "mode": {
        "f_port": 11,
        "keys": {
            "mode": {"type": "enum", "values": ["auto", "manual", 3]},
            "level": {"min": 0.5, "unit": "bar", "required": False},
            "name": {"type": "text", "max_length": 4, "required": False},
            "on": {"type": "boolean", "required": False, "default": True},
        },
    },
}
TABLE = {name: CommandConfig.model_validate(one) for name, one in COMMANDS.items()}


def encode(made: Mapping[str, Any], _: int | None) -> tuple[bytes, int | None]:
    return json.dumps(made, sort_keys=True).encode(), None


def parse(body: object, key: str | None = None, learned: bool = False) -> Downlink:  # noqa: FBT001, FBT002
    table = {"commands": {}, "learned": TABLE} if learned else {"commands": TABLE}
    return parse_set(
        EUI,
        key,
        json.dumps(body).encode(),
        retained=False,
        now_s=NOW_S,
        target=Target("app", "Valve", 5, encode, **table),
        config=DownlinkConfig(),
    )


@pytest.mark.parametrize(
    ("body", "key", "made", "f_port"),
    [
        ({"command": "open", "object": {"minutes": 5}}, None, {"valve": "open", "minutes": 5}, 10),
        ({"object": {"valve": "open", "minutes": 5}}, None, {"valve": "open", "minutes": 5}, 10),
        ({"object": {"minutes": 120}, "command": "open", "f_port": 10}, None,
         {"valve": "open", "minutes": 120}, 10),
        (5, "open", {"valve": "open", "minutes": 5}, 10),
        ({"minutes": 5}, "open", {"valve": "open", "minutes": 5}, 10),
        ({"command": "mode", "object": {"mode": 3}}, None, {"mode": 3, "on": True}, 11),
        ("auto", "mode", {"mode": "auto", "on": True}, 11),
        ({"object": {"mode": "auto", "level": 0.5, "name": "abcd", "on": False}}, None,
         {"mode": "auto", "level": 0.5, "name": "abcd", "on": False}, 11),
    ],
)  # fmt: skip
def test_a_command_is_made_of_its_keys(
    body: object, key: str | None, made: dict[str, object], f_port: int
) -> None:
    downlink = parse(body, key)
    assert json.loads(downlink.data) == made
    assert downlink.f_port == f_port


def test_a_command_of_bytes_needs_no_codec() -> None:
    for downlink in (parse({"command": "close"}), parse(True, "close"), parse({}, "close")):
        assert (downlink.data, downlink.f_port, downlink.effect) == (b"\0", 10, "close")


def test_an_open_knows_how_long_it_is_and_expires_soon() -> None:
    downlink = parse({"command": "open", "object": {"minutes": 5}})
    assert (downlink.command, downlink.effect, downlink.duration_s) == ("open", "open", 300.0)
    assert downlink.expires_s == NOW_S + DownlinkConfig().open_expiry_s


def test_a_dry_run_is_checked_encoded_and_final() -> None:
    downlink = parse({"command": "close", "dry_run": True})
    assert downlink.state is DownlinkState.REHEARSED
    assert "00 on port 10" in downlink.detail


@pytest.mark.parametrize(
    ("body", "key", "reason", "said"),
    [
        ({"command": "open", "object": {"minutes": 121}}, None, "value",
         "`minutes` may not be 121; it takes a whole number from 1 to 120 min."),
        ({"command": "open", "object": {"minutes": 1.5}}, None, "value", "a whole number"),
        ({"command": "open", "object": {"minutes": True}}, None, "value", "may not be true"),
        ({"command": "open", "object": {"minutes": "5"}}, None, "value", "may not be '5'"),
        ({"command": "open", "object": {"minutes": [5]}}, None, "value", "[5]"),
        ({"command": "open"}, None, "value", "open needs `minutes`: a whole number from 1"),
        ({"command": "open", "object": {"minutes": 5, "x": 1}}, None, "value", "no key 'x'"),
        ({"command": "open", "object": {"minutes": 5, "valve": "shut"}}, None, "value", "'valve'"),
        ({"command": "opne"}, None, "unknown_command", "did you mean 'open'?"),
        ({"command": "zzz"}, None, "unknown_command", "it takes: close, mode, open."),
        ({"hex": "01", "f_port": 10}, None, "not_in_schema", "it takes: close, mode, open."),
        ({"data": "AQ==", "f_port": 10}, None, "not_in_schema", "close, mode, open"),
        ({"object": {"valve": "open", "force": 1}}, None, "not_in_schema", "force, valve"),
        ({"object": {"valve": "shut"}}, None, "not_in_schema", "valve"),
        ({"command": "close", "hex": "01"}, None, "ambiguous", "not both"),
        ({"command": "mode", "object": {"mode": "of"}}, None, "value", "'auto', 'manual', 3"),
        ({"command": "mode", "object": {"mode": 3.0}}, None, "value", "one of"),
        ({"command": "mode", "object": {"mode": 3, "level": 0.4}}, None, "value",
         "a number, at least 0.5 bar"),
        ({"command": "mode", "object": {"mode": 3, "name": "abcde"}}, None, "value",
         "a text in quotes, of 4 characters at most"),
        ({"command": "mode", "object": {"mode": 3, "on": 1}}, None, "value", "`true` or `false`"),
        ({"command": "open", "object": {"minutes": 5}, "f_port": 9}, None, "f_port", "`f_port` 10"),
        (None, "open", "malformed", "set/open takes"),
        (5, "close", "malformed", "set/close takes"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_key_the_value_and_what_is_allowed(
    body: object, key: str | None, reason: str, said: str
) -> None:
    with pytest.raises(CommandRefused) as caught:
        parse(body, key)
    assert caught.value.reason == reason
    assert said in caught.value.detail


def test_what_a_codec_knows_of_its_commands_is_checked_and_bytes_stay_free() -> None:
    with pytest.raises(CommandRefused, match="a whole number from 1 to 120 min"):
        parse({"object": {"minutes": 0}}, learned=True)
    assert json.loads(parse({"object": {"minutes": 7}}, learned=True).data) == {"minutes": 7}
    assert json.loads(parse({"object": {"other": 7}}, learned=True).data) == {"other": 7}
    assert parse({"hex": "07"}, learned=True).data == b"\x07"
    assert parse({"command": "mode", "object": {"mode": "auto"}}, learned=True).f_port == 11


def test_a_device_may_have_commands_beside_those_of_its_profile() -> None:
    config = Config.model_validate(
        {
            "profiles": {"Valve": {"commands": COMMANDS}},
            "devices": {EUI: {"commands": {"close": {"f_port": 3, "hex": "FF"}}}},
        }
    )
    catalogue = Catalogue(config)
    assert set(catalogue.of(EUI)) == {"close"}
    catalogue.learn(DeviceInfo(EUI, profile="Valve"))
    assert set(catalogue.of(EUI)) == {"open", "close", "mode"}
    assert catalogue.of(EUI)["close"].f_port == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"duration_key": ""}, "must end"),
        ({"close_with": "close"}, "must end"),
        ({"duration_key": "hours"}, "one of its `keys`"),
        ({"keys": {"minutes": {"type": "integer"}}}, "needs its `unit`"),
        ({"keys": {"minutes": {"unit": "min", "required": False}}}, "must be required"),
        ({"keys": {"minutes": {"type": "text", "unit": "min"}}}, "a number"),
        ({"keys": {"minutes": {"type": "enum", "unit": "min"}}}, "`values`"),
        ({"keys": {"minutes": {"min": 2, "max": 1, "unit": "min"}}}, "must not exceed"),
        ({"hex": "01"}, "without `keys`"),
        ({"fixed": {"minutes": 1}}, "two things"),
        ({"fixed": {"minutes.from": 1}}, "two things"),
        ({"max_day_l": 5}, "flow_l_per_min"),
        ({"hex": "0"}, "pattern"),
    ],
)
def test_settings_of_a_command_that_cannot_be_safe_are_refused(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        CommandConfig.model_validate(OPEN | changes)


def test_the_close_that_an_open_names_must_be_one() -> None:
    start = {"f_port": 1, "hex": "01", "effect": "start", "close_with": "stop"}
    for commands in ({"start": start}, {"start": start, "stop": {"f_port": 1, "hex": "00"}}):
        with pytest.raises(ValidationError, match="close_with"):
            Config.model_validate({"profiles": {"Pump": {"commands": commands}}})
