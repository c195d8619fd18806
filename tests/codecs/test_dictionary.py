import tomllib
from collections import Counter
from importlib import resources
from typing import Any

import pytest

from gateway.codecs.dictionary import KeyDictionary, default_dictionary, normalize
from gateway.codecs.key_plan import channel_name
from gateway.types import ReadingKind

TREE: dict[str, Any] = tomllib.loads(
    resources.files("gateway.codecs").joinpath("key_dictionary.toml").read_text("utf-8")
)


def spellings(channel: str) -> list[str]:
    table = TREE["channel"][channel]
    return [*table["keys"], *(key for other in table.get("scaled", ()) for key in other["keys"])]


def test_the_dictionary_is_large_enough_to_be_of_use() -> None:
    assert len(TREE["channel"]) >= 60
    assert sum(len(spellings(channel)) for channel in TREE["channel"]) >= 250


def test_no_spelling_is_written_twice() -> None:
    count = Counter(normalize(key) for channel in TREE["channel"] for key in spellings(channel))
    assert [key for key, times in count.items() if times > 1] == []


@pytest.mark.parametrize("channel", TREE["channel"])
def test_every_entry_loads_and_is_found_by_every_spelling(channel: str) -> None:
    table = TREE["channel"][channel]
    assert set(table) <= {"unit", "kind", "keys", "scaled"}
    assert channel_name(channel) == channel
    kind = ReadingKind(table.get("kind", "numeric"))
    for key in [channel, *spellings(channel)]:
        found = default_dictionary().find(key)
        assert found is not None
        assert (found.channel, found.unit, found.kind) == (channel, table["unit"], kind)


def test_one_quantity_has_one_unit_everywhere() -> None:
    units = {
        "temperature": "°C", "relativeHumidity": "%", "moisture": "%", "pressure": None,
        "ec": None, "pH": "pH", "battery_v": "V", "co2": "ppm",
    }  # fmt: skip
    for channel, table in TREE["channel"].items():
        expected = units.get(channel.rpartition(".")[2])
        assert expected is None or table["unit"] == expected, channel


def test_only_measured_channels_are_scaled() -> None:
    for channel, table in TREE["channel"].items():
        assert "scaled" not in table or table.get("kind", "numeric") in {"numeric", "counter"}
        for other in table.get("scaled", ()):
            assert set(other) <= {"keys", "scale", "offset"}, channel
            assert {"scale", "offset"} & set(other), channel


@pytest.mark.parametrize(
    ("key", "channel"),
    [
        ("temperature_1", "air.temperature.1"),
        ("TempC2", "air.temperature.2"),
        ("ch1_temperature", "air.temperature.1"),
        ("probe2.temperature", "air.temperature.2"),
        ("temperatureSensor.3", "air.temperature.3"),
        ("soil_1_moisture", "soil.moisture.1"),
        ("soil1_moisture", "soil.moisture.1"),
        ("soil_moisture_10cm", "soil.moisture.10cm"),
        ("Soil_Moisture_Depth_20cm", "soil.moisture.20cm"),
        ("moisture_at_20cm", "soil.moisture.20cm"),
        ("co2_1", "air.co2.1"),
        ("pm2_5", "air.pm2_5"),
        ("pm2.5", "air.pm2_5"),
        ("pm1_0", "air.pm1_0"),
        ("pm10", "air.pm10"),
        ("maxTemperature", "air.temperature.max"),
        ("temperature_min", "air.temperature.min"),
        ("indoor_temperature", "air.temperature.indoor"),
        ("data.temperature", "air.temperature"),
        ("decoded_payload.soil.moisture", "soil.moisture"),
        ("battery_voltage.value", "device.battery_v"),
        ("DI1_status", "digital.input.1"),
        ("RO2_status", "relay.state.2"),
    ],
)
def test_numbers_words_and_wrappers_are_taken_apart(key: str, channel: str) -> None:
    found = default_dictionary().find(key)
    assert found is not None
    assert found.channel == channel


@pytest.mark.parametrize(
    "key", ["foo", "", ".", "...", "_", "0", "a.b.c", "temperature_10_20", "ch4x", "value", "💧"]
)
def test_what_is_not_known_is_not_guessed(key: str) -> None:
    assert default_dictionary().find(key) is None


def test_two_channels_cannot_claim_one_spelling() -> None:
    tree = TREE | {"channel": TREE["channel"] | {"other": {"unit": "", "keys": ["Temp-erature"]}}}
    with pytest.raises(ValueError, match="claimed by"):
        KeyDictionary(tree)


def test_a_context_must_name_channels_that_exist() -> None:
    context = {"becomes": "soil.temperature", "keys": ["t"], "beside": ["nowhere"], "unless": []}
    with pytest.raises(ValueError, match="nowhere"):
        KeyDictionary(TREE | {"context": [context]})
