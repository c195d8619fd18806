from __future__ import annotations

import pytest

from gateway.speech import speaking, words_of
from gateway.types import Channel


@pytest.mark.parametrize(
    ("channel", "english", "chinese"),
    [
        ("soil.moisture", "soil moisture", "土壤水分"),
        ("air.relativeHumidity", "air humidity", "空气湿度"),
        ("soil.moisture.2", "soil moisture 2", "土壤水分 2"),
        ("soil.temperature.10cm", "soil temperature 10cm", "土壤温度 10cm"),
        ("air.temperature.max", "air temperature highest", "气温 最高"),
        ("air.aqi.epa", "air quality index (US)", "空气质量指数（美国）"),
        ("field.North.et0", "reference evapotranspiration of North", "North的参考蒸散量"),
        ("field.A.B.irrigation", "irrigation due on A.B", "A.B的应灌水量"),
        ("trend.air.co2.slope", "trend of CO₂", "CO₂浓度变化趋势"),
        ("leakStatus", "leak Status", "leak Status"),
        ("my.own_thing", "my own thing", "my own thing"),
        ("...", "...", "..."),
    ],
)
def test_a_channel_is_called_by_its_name(channel: str, english: str, chinese: str) -> None:
    assert words_of(Channel(channel)) == english
    with speaking("zh_CN"):
        assert words_of(Channel(channel)) == chinese
