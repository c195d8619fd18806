from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.alerts.words import reason_sentence, sentence, titled
from gateway.speech import speaking
from gateway.types import Alert, Channel, DevEui, DeviceInfo, Reason, Severity

EUI = DevEui("a84041000181c061")
MOISTURE = Channel("soil.moisture")


def reason(**changes: object) -> Reason:
    plain = Reason(MOISTURE, 41.8, (28.0, 30.9, 33.5), 1.0, 2e-6, "%")
    return replace(plain, **changes)  # type: ignore[arg-type]


def alert(**changes: object) -> Alert:
    plain = Alert("a1", EUI, "model", "leak", "actuator", Severity.WARNING,
                  "North: moisture rising", "Check valve 2.", (reason(),), 0.0, 60.0)  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "english", "chinese"),
    [
        (
            reason(),
            "Soil moisture is 41.8 %, expected 28 to 33.5 %.",
            "土壤水分为 41.8%，预期为 28～33.5%。",
        ),
        (reason(expected=None), "Soil moisture is 41.8 %.", "土壤水分为 41.8%。"),
        (
            reason(observed=33.0),
            "Soil moisture is 33 %, and about 30.9 % was expected.",
            "土壤水分为 33%，预期约为 30.9%。",
        ),
        (
            Reason(Channel("device.silent_for"), 10800, (0.0, 900.0, 3600.0), 1.0, None, "s"),
            "Nothing was heard for 3 h, and usually something comes every 15 min.",
            "已 3 小时没有收到消息，平时每 15 分钟上报一次。",
        ),
        (
            Reason(Channel("codec.own/probe"), "no object: null", None, 1.0, None),
            "The codec own/probe says no object: null.",
            "编解码器 own/probe 报告：no object: null。",
        ),
        (
            Reason(Channel("valve.state"), "{open}", None, 1.0, None),
            "Valve is {open}.",
            "阀门为 {open}。",
        ),
    ],
)
def test_a_reason_is_one_sentence(told: Reason, english: str, chinese: str) -> None:
    assert reason_sentence(told) == english
    with speaking("zh_CN"):
        assert reason_sentence(told) == chinese


def test_an_alert_is_told_with_what_why_and_what_to_do() -> None:
    assert sentence(alert()) == (
        "North: moisture rising. Soil moisture is 41.8 %, expected 28 to 33.5 %. Check valve 2."
    )
    with speaking("zh_CN"):
        ended = alert(reason=(reason(),) * 5, end_s=7200.0 * 24, title="北区：土壤水分在上升")
        assert sentence(ended) == (
            "北区：土壤水分在上升。"
            + "土壤水分为 41.8%，预期为 28～33.5%。" * 3
            + "另有 2 项。已结束，持续了 2 天。"
        )


def test_a_users_own_words_are_never_translated() -> None:
    with speaking("zh_CN"):
        assert sentence(alert(title="yes", reason=(), advice="no")) == "yes。no"


def test_a_title_names_the_device_or_its_number() -> None:
    assert titled(DeviceInfo(EUI, "North"), "quiet") == "North: quiet"
    with speaking("zh_CN"):
        assert titled(DeviceInfo(EUI), "失联") == f"{EUI}：失联"
