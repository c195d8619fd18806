"""Every built-in device against payloads worked out from its maker's documents."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs import ReadingMapper
from gateway.codecs.payloads.builtin import builtin_names, builtin_text
from gateway.codecs.payloads.contract import REASONS, Frame
from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
from gateway.config import Config
from gateway.errors import BadInput
from gateway.types import DevEui, DeviceInfo, Json, Reading, Uplink

FOLDER = Path(__file__).parents[2] / "vectors" / "codecs" / "devices"
VECTORS: dict[str, dict[str, Any]] = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text("utf-8"))
    for path in sorted(FOLDER.glob("*/*.json"))
}
MAPPER = ReadingMapper(Config())
CODECS: dict[str, LayoutCodec] = {}


def codec(name: str) -> LayoutCodec:
    if name not in CODECS:
        suffix, text = builtin_text(name)
        assert suffix == ".toml"
        CODECS[name] = parse_layout(text, name)
    return CODECS[name]


def each(kind: str, key: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}-{index}")
        for name, vector in VECTORS.items()
        for index, case in enumerate(vector[kind])
        if key in case
    ]


def decode(name: str, case: dict[str, Any]) -> dict[str, Json]:
    decoded = codec(name).decode(Frame(bytes.fromhex(case["hex"]), case["f_port"]))
    assert decoded.rejects == ()
    assert len(decoded.warnings) == case.get("warnings", 0)
    return dict(decoded.data)


def readings(tree: dict[str, Json]) -> dict[str, Reading]:
    uplink = Uplink(
        id="u", device=DeviceInfo(DevEui("0101010101010101"), profile="", profile_id="p"),
        time_s=1e9, received_s=1e9, dev_addr="00", f_cnt=1, f_port=1, data=b"", object=tree,
    )  # fmt: skip
    found, rejects = MAPPER.readings(uplink)
    assert rejects == []
    return {reading.channel: reading for reading in found}


def test_every_built_in_device_has_vectors_and_every_vector_a_device() -> None:
    assert set(builtin_names()) == set(VECTORS)


def test_every_built_in_device_names_its_source_and_how_often_it_sends() -> None:
    for name in builtin_names():
        known = codec(name)
        assert known.source
        assert known.model == VECTORS[name]["model"]
        keys = {key.key for form in known.commands for key in form.keys}
        assert "report_interval" in keys, name


@pytest.mark.parametrize(("name", "case"), each("examples", "object"))
def test_a_payload_decodes_to_exactly_what_the_maker_documents(
    name: str, case: dict[str, Any]
) -> None:
    assert decode(name, case) == case["object"]


@pytest.mark.parametrize(("name", "case"), each("examples", "reason"))
def test_a_payload_that_cannot_be_right_is_refused(name: str, case: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        decode(name, case)
    assert caught.value.reason == case["reason"]


@pytest.mark.parametrize(("name", "case"), each("examples", "readings"))
def test_the_values_come_out_under_their_channels_and_units(
    name: str, case: dict[str, Any]
) -> None:
    found = readings(decode(name, case))
    shown = {
        channel: [reading.value, reading.unit]
        for channel, reading in found.items()
        if channel in case["readings"]
    }
    assert shown == case["readings"]


@pytest.mark.parametrize(("name", "case"), each("commands", "command"))
def test_a_command_becomes_the_bytes_that_the_maker_documents(
    name: str, case: dict[str, Any]
) -> None:
    encoded = codec(name).encode(case["command"], {})
    assert (encoded.data.hex(), encoded.f_port) == (case["hex"], case["f_port"])


@pytest.mark.parametrize(("name", "case"), each("commands", "command"))
def test_a_commands_bytes_read_back_as_the_command(name: str, case: dict[str, Any]) -> None:
    port = case["f_port"] or 1
    read = codec(name).decode_downlink(Frame(bytes.fromhex(case["hex"]), port)).data
    assert read.items() >= case["command"].items()


@pytest.mark.parametrize("name", VECTORS)
def test_no_payload_cut_short_or_with_a_wrong_bit_does_more_than_be_refused(name: str) -> None:
    for case in VECTORS[name]["examples"]:
        data = bytes.fromhex(case["hex"])
        spoilt = [data[:size] for size in range(len(data))]
        spoilt += [
            data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            for place in range(len(data))
            for bit in range(8)
        ]
        for payload in spoilt:
            try:
                decoded = codec(name).decode(Frame(payload, case["f_port"]))
            except BadInput as error:
                assert error.reason in REASONS  # noqa: PT017 - both outcomes are right
            else:
                json.dumps(decoded.data, allow_nan=False)


def test_a_soil_probe_looks_the_same_whoever_made_it() -> None:
    def units(name: str, index: int) -> dict[str, str]:
        found = readings(decode(name, VECTORS[name]["examples"][index]))
        return {c: r.unit for c, r in found.items() if c.startswith("soil.")}

    three = {"soil.moisture": "%", "soil.temperature": "°C", "soil.ec": "dS/m"}
    assert units("dragino/lse01", 1) == three
    assert units("milesight/em500-smtc", 0) == three
    assert units("decentlab/dl-trs12", 0) == three | {"soil.permittivity": ""}
    assert units("sensecap/s2104", 0) == {"soil.moisture": "%", "soil.temperature": "°C"}
    profile = units("decentlab/dl-smtp", 0)
    assert profile["soil.moisture.0"] == "%"
    assert profile["soil.temperature.0"] == "°C"


def test_an_unknown_built_in_codec_is_refused_in_words() -> None:
    for name in ("dragino/lse99", "../secret", "dragino", "", "a/b/c"):
        with pytest.raises(BadInput, match="built-in"):
            builtin_text(name)
