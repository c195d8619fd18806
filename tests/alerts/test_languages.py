"""Whole alerts in the other language: every rule's own words, and the user's left alone."""

from __future__ import annotations

import re

import pytest

from gateway.alerts.book import AlertBook
from gateway.alerts.diagnosis import diagnose
from gateway.alerts.rules.derived_limits import DERIVED_LIMITS
from gateway.alerts.rules.link_history import BadFrequency, LinkFacts
from gateway.alerts.rules.link_words import advise
from gateway.alerts.rules.thresholds import PHYSICAL, Limit, ThresholdRule
from gateway.speech import speaking
from gateway.types import Alert, Channel, DevEui, DeviceInfo, Reading, ReadingKind

DEVICE = DeviceInfo(DevEui("a84041000181c061"), "北区")
LATIN = re.compile(r"[A-Za-z]{3,}")
CHANNELS = (
    "soil.moisture", "soil.temperature", "air.temperature", "tank.distance", "water.level",
    "water.flow", "pump.current", "radio.rssi", "device.battery_v", "air.co2",
)  # fmt: skip
PATTERNS = ("rise", "fall", "level", "drift", "stuck", "spike", "noise")


def english_in(text: str) -> list[str]:
    return [word for word in LATIN.findall(text) if word not in {"SNR", "dBm", "MHz"}]


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_diagnosis_is_chinese_throughout(channel: str) -> None:
    with speaking("zh_CN"):
        for pattern in PATTERNS:
            for up in (True, False, None):
                found = diagnose(Channel(channel), pattern, up=up, valve="")
                assert english_in(found.text + found.advice) == []


@pytest.mark.parametrize("snr_db", [-15.0, 2.0, 9.0])
@pytest.mark.parametrize("fallen", [True, False])
@pytest.mark.parametrize("frequency", [None, BadFrequency(868.1, 9.0, 80.0)])
def test_every_advice_on_links_is_chinese_throughout(
    snr_db: float, frequency: BadFrequency | None, *, fallen: bool
) -> None:
    facts = LinkFacts(
        loss=0.3, rssi_dbm=-90.0, snr_db=snr_db, margin_db=snr_db + 10, spreading_factor=10,
        usual_rssi_dbm=-78.0, usual_loss=0.01, frequency=frequency,
    )  # fmt: skip
    with speaking("zh_CN"):
        said = advise(facts, fallen=fallen, loses=True)
    assert english_in(said.text + said.advice) == []


def beyond(limit: Limit) -> Alert:
    channel = Channel(limit.channel.replace("*", "North" if "field" in limit.channel else ""))
    value = limit.bound + limit.sign * 10.0
    rule = ThresholdRule(AlertBook(), (limit,))
    events = []
    for step in range(8):
        reading = Reading(DEVICE.dev_eui, channel, value, "", ReadingKind.NUMERIC, 600.0 * step, "")
        events += rule.consider(DEVICE, [reading])
    return events[0].alert


@pytest.mark.parametrize("limit", [*PHYSICAL, *DERIVED_LIMITS], ids=lambda limit: limit.name)
def test_built_in_limits_are_chinese_throughout(limit: Limit) -> None:
    with speaking("zh_CN"):
        alert = beyond(limit)
    assert alert.title.startswith("北区：")
    assert english_in(alert.title + alert.advice) == []


def test_a_limit_of_the_users_own_is_told_in_the_users_words() -> None:
    mine = Limit("mine", "soil.moisture", 30.0, 1, title="yes", advice="no")
    with speaking("zh_CN"):
        alert = beyond(mine)
    assert (alert.title, alert.advice) == ("北区：yes", "no")


def test_a_limit_without_a_title_is_told_in_the_units_of_the_site() -> None:
    hot = Limit("hot", "air.temperature", 30.0, 1)
    reading = Reading(DEVICE.dev_eui, Channel("air.temperature"), 35.0, "°C",
                      ReadingKind.NUMERIC, 0.0, "")  # fmt: skip
    with speaking("zh_CN", "imperial"):
        (event,) = ThresholdRule(AlertBook(), (hot,)).consider(DEVICE, [reading])
    assert event.alert.title == "北区：气温高于 86 °F"
