import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.codecs.payloads import REASONS, Frame
from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
from gateway.codecs.payloads.layouts.checksums import CHECKSUMS
from gateway.codecs.payloads.layouts.model import (
    KEYS_BY_TYPE,
    CommandModel,
    ConditionModel,
    FieldModel,
    ItemModel,
    LayoutModel,
    MessageModel,
)
from gateway.errors import BadInput

VECTORS = Path(__file__).parents[2] / "vectors" / "codecs" / "layouts"
README = Path(__file__).parents[3] / "gateway" / "codecs" / "payloads" / "README.md"
CASES = [
    pytest.param(path.stem, case, id=f"{path.stem}-{number}")
    for path in sorted(VECTORS.glob("*.json"))
    for number, case in enumerate(json.loads(path.read_text("utf-8")), 1)
]


def load(name: str) -> LayoutCodec:
    return parse_layout((VECTORS / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


def readme_layout() -> LayoutCodec:
    text = README.read_text("utf-8")
    found = re.search(r"```toml\n(vendor.*?)```", text, re.DOTALL)
    assert found is not None
    return parse_layout(found[1], "README.md")


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_layout_does_what_its_cases_say(name: str, case: dict[str, Any]) -> None:
    codec = load(name)
    if "command" in case:
        check_command(codec, case)
    else:
        check_uplink(codec, case)


def check_uplink(codec: LayoutCodec, case: dict[str, Any]) -> None:
    frame = Frame(bytes.fromhex(case["hex"]), case["f_port"])
    if "reason" in case:
        assert reason(lambda: codec.decode(frame)) == case["reason"]
        return
    decoded = codec.decode(frame)
    assert decoded.data == case["object"]
    assert [list(reject) for reject in decoded.rejects] == case.get("rejects", [])


def check_command(codec: LayoutCodec, case: dict[str, Any]) -> None:
    if "reason" in case:
        assert reason(lambda: codec.encode(case["command"], {})) == case["reason"]
        return
    encoded = codec.encode(case["command"], {})
    assert encoded.data == bytes.fromhex(case["hex"])
    assert encoded.f_port == case["f_port"]
    back = codec.decode_downlink(Frame(encoded.data, case["f_port"]))
    assert back.data == case["command"]


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as refusal:
        call()
    assert refusal.value.reason in REASONS
    return refusal.value.reason


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.toml")))
def test_every_good_payload_cut_or_with_a_bit_turned_gives_values_or_a_reason(name: str) -> None:
    codec = load(name)
    for case in json.loads((VECTORS / f"{name}.json").read_text("utf-8")):
        if "object" in case:
            data = bytes.fromhex(case["hex"])
            for size in range(len(data)):
                values_or_reason(codec, data[:size], case["f_port"])
            for position in range(8 * len(data)):
                turned = bytearray(data)
                turned[position // 8] ^= 1 << position % 8
                values_or_reason(codec, bytes(turned), case["f_port"])


def values_or_reason(codec: LayoutCodec, data: bytes, f_port: int) -> None:
    found = None
    try:
        json.dumps(dict(codec.decode(Frame(data, f_port)).data), allow_nan=False)
    except BadInput as error:
        found = error.reason
    assert found is None or found in REASONS


def test_the_layout_of_the_readme_is_right_about_itself() -> None:
    codec = readme_layout()
    assert codec.units["soil.moisture"] == "%"
    assert [command.name for command in codec.commands] == ["sending interval", "fan"]
    (key,) = codec.commands[0].keys
    assert (key.key, key.type, key.low, key.high, key.unit) == (
        "interval_s",
        "integer",
        60,
        86400,
        "s",
    )
    (fan,) = codec.commands[1].keys
    assert (fan.type, fan.choices) == ("choice", ("off", "slow", "fast"))


@pytest.mark.parametrize(
    "model", [FieldModel, ItemModel, MessageModel, CommandModel, LayoutModel, ConditionModel]
)
def test_the_readme_explains_every_key(model: type[BaseModel]) -> None:
    text = README.read_text("utf-8")
    for name, key in model.model_fields.items():
        word = key.alias or name
        assert re.search(rf"`(\[\[)?{word}\b|\b{word} =|\.{word}`", text), word


def test_the_readme_names_every_type_and_checksum() -> None:
    text = README.read_text("utf-8")
    ranges = {f"{sign}{8 * size}" for sign in "ui" for size in range(1, 9)}
    for word in (set(KEYS_BY_TYPE) - ranges) | set(CHECKSUMS):
        assert f"`{word}`" in text, word


def test_an_unplugged_sensor_leaves_its_value_out() -> None:
    data = readme_layout().decode(Frame(bytes.fromhex("7fff5a03e88411"), 2)).data
    assert data["air"] == {"relativeHumidity": 45.0}
