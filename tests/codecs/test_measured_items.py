from typing import Any

import pytest

from gateway.codecs import ReadingMapper
from gateway.codecs.dictionary import default_dictionary
from gateway.codecs.measured_items import name_measurements
from gateway.config import Config
from gateway.types import DevEui, DeviceInfo, Uplink

MAPPER = ReadingMapper(Config())
NAMES = {"4102": "soil.temperature", "4103": "soil.moisture"}


def item(number: object, value: object) -> dict[str, Any]:
    return {"type": "report_telemetry", "measurementId": number, "measurementValue": value}


def shown(tree: dict[str, Any]) -> dict[str, list[object]]:
    uplink = Uplink(
        id="u", device=DeviceInfo(DevEui("0101010101010101"), profile="", profile_id="p"),
        time_s=1e9, received_s=1e9, dev_addr="00", f_cnt=1, f_port=1, data=b"", object=tree,
    )  # fmt: skip
    readings, rejects = MAPPER.readings(uplink)
    assert rejects == []
    return {reading.channel: [reading.value, reading.unit] for reading in readings}


def test_what_sensecaps_own_decoder_gives_becomes_the_channels_of_any_soil_probe() -> None:
    tree = {"valid": True, "messages": [item(4102, 24.1), item("4103", 45.5), item(4108, 0.18)]}
    assert shown(tree) == {
        "valid": [True, ""],
        "soil.temperature": [24.1, "°C"],
        "soil.moisture": [45.5, "%"],
        "soil.ec": [0.18, "dS/m"],
    }


def test_lists_of_lists_and_other_messages_are_read_too() -> None:
    battery = {"type": "upload_battery", "battery": 100}
    interval = {"type": "upload_interval", "interval": 3600}
    found = shown({"messages": [[item(4101, 76200), item(4097, -3.5)], battery, interval]})
    assert found["air.pressure"] == [762.0, "hPa"]
    assert found["air.temperature"] == [-3.5, "°C"]
    assert found["device.battery_percent"] == [100, "%"]
    assert found["device.reportInterval"] == [3600, ""]


def test_a_number_that_nobody_listed_stays_in_its_list() -> None:
    tree = {"messages": [item(9999, 1), item(4102, 2)]}
    assert name_measurements(tree, NAMES) == {"messages": [item(9999, 1)], "soil.temperature": 2}


def test_what_comes_twice_or_stands_there_already_costs_nothing() -> None:
    twice = {"messages": [item(4102, 1), item(4102, 2)]}
    assert name_measurements(twice, NAMES) == {"messages": [item(4102, 2)], "soil.temperature": 1}
    there = {"soil.temperature": 3, "messages": [item(4102, 1)]}
    assert name_measurements(there, NAMES) is there


@pytest.mark.parametrize(
    "tree",
    [{}, {"a": 1}, {"a": []}, {"a": [1, None, "x", {}, [[]]]}, {"a": [{"measurementId": 4102}]}],
)
def test_other_objects_are_left_as_they_are(tree: dict[str, Any]) -> None:
    assert name_measurements(tree, NAMES) is tree


@pytest.mark.parametrize("number", [[], {}, None, 1.5, "4" * 999, True])
def test_a_number_of_any_kind_is_no_harm(number: object) -> None:
    tree = {"messages": [item(number, 1)]}
    assert name_measurements(tree, NAMES) is tree


def test_every_numbered_measurement_has_a_channel_with_a_unit() -> None:
    dictionary = default_dictionary()
    assert len(dictionary.measurements) == 17
    for name in dictionary.measurements.values():
        found = dictionary.find(name)
        assert found is not None, name
        assert found.unit, name
