"""Which devices stand outdoors: what was said goes before what is guessed."""

from __future__ import annotations

import pytest

from gateway.alerts.rules.outdoors import Outdoors
from gateway.config import DeviceConfig
from gateway.types import Channel, DevEui, DeviceInfo, Reading, ReadingKind

EUI = DevEui("70b3d57ed0000001")


@pytest.mark.parametrize(
    ("name", "tags", "channels", "outdoors"),
    [
        ("Mast 3", {}, ["air.temperature"], None),
        ("Mast 3", {}, ["air.temperature", "wind.speed"], True),
        ("Mast 3", {"location": "Outdoor"}, [], True),
        ("Mast 3", {"placement": "indoors"}, ["rain.amount"], False),
        ("Weather north", {}, [], True),
        ("House 2", {}, ["air.temperature"], False),
        ("House 2 roof", {}, ["wind.speed"], True),
        ("Cold store", {}, [], False),
        ("Coldwater meadow", {}, [], True),
        ("Observers", {}, [], None),
        ("3号大棚", {}, [], False),
        ("北果园", {}, [], True),
    ],
)
def test_tags_go_before_channels_and_channels_before_names(
    name: str, tags: dict[str, str], channels: list[str], outdoors: object
) -> None:
    known = Outdoors({})
    known.note(DeviceInfo(EUI, name, tags=tags), [_reading(one) for one in channels])

    assert known.said(EUI) is outdoors


@pytest.mark.parametrize("said", [True, False])
def test_the_setting_goes_before_all(said: object) -> None:
    known = Outdoors({EUI: DeviceConfig.model_validate({"outdoors": said})})
    known.note(DeviceInfo(EUI, "Greenhouse", tags={"outdoor": "yes"}), [])

    assert known.said(EUI) is said


def _reading(channel: str) -> Reading:
    return Reading(EUI, Channel(channel), 1.0, "", ReadingKind.NUMERIC, 1_790_000_000.0, channel)
