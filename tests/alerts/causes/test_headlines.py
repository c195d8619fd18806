"""Whose words an alert of several has, and how one that becomes another kind finds the others."""

from dataclasses import replace

import pytest
from alert_fields import AIR, STEP_S, Field, config, device, front

from gateway.alerts.causes.headline import headline
from gateway.types import Alert, AlertEvent, Channel, EventType, Reason, Severity

HUMID = Channel("air.relativeHumidity")
FROST = {
    "name": "frost", "channel": "air.temperature", "below": 0.5, "kind": "frost",
    "title": "Light the candles",
}  # fmt: skip


def alert(rule: str, severity: Severity = Severity.WARNING, number: int = 0) -> Alert:
    return Alert(
        id=f"{rule}-{number}", dev_eui=device(number).dev_eui, rule=rule, kind="drift",
        cause="unknown", severity=severity, title=rule, advice="", reason=(),
        first_seen_s=0.0, last_seen_s=0.0,
    )  # fmt: skip


def test_the_users_own_words_go_before_built_in_limits_rules_and_the_model() -> None:
    order = ["rule:cold", "derived:frost", "at-once:scale", "range:low:air", "link", "model"]
    left = [alert(rule) for rule in reversed(order)]
    told = []
    while left:
        told.append(headline(left, device(0).dev_eui))
        left.remove(told[-1])

    assert [one.rule for one in told] == order


def test_what_is_worse_goes_before_all_else() -> None:
    one, other = alert("mine", Severity.INFO), alert("model", Severity.CRITICAL, 1)

    assert headline([one, other], device(0).dev_eui) is other


def test_among_equals_the_device_that_it_is_filed_under_has_the_word() -> None:
    alerts = [alert("model", number=number) for number in range(3)]

    assert headline(alerts, device(1).dev_eui) is alerts[1]


@pytest.mark.parametrize("model_first", [True, False])
def test_the_users_frost_and_the_cold_that_the_model_sees_are_one_alert(
    model_first: bool,  # noqa: FBT001
) -> None:
    field = Field(config(dict.fromkeys(range(3), "Orchard"), threshold=[FROST]))
    if model_first:
        front(field, range(3), value=1.0)
    for number in range(3):
        field.say(number, -0.5)
        field.now_s += 120.0
    front(field, range(3), value=-1.0)
    field.pass_time(120.0)

    told = field.the_alert()
    folded = {one.alert.folded_into for one in field.events if one.event_type is EventType.END}
    assert folded == ({told.id} if model_first else set())
    assert (told.kind, told.rule) == ("frost", "frost")
    assert "Light the candles; 2 more devices likewise" in told.title
    assert len(told.peers) == 2


def test_a_limit_of_the_users_own_is_told_though_what_it_joins_is_acknowledged() -> None:
    field = Field(config(dict.fromkeys(range(2), "Orchard"), threshold=[FROST]))
    field.say(0, 1.0, pattern="fall")
    field.engine.life.ack(field.the_alert(), "anna", "", field.now_s)
    told = field.say(1, -0.5)

    assert [(one.event_type.value, one.told) for one in told] == [("new", True), ("end", True)]
    assert field.the_alert().title == "Probe 1: Light the candles"
    assert field.the_alert().peers == (device(0).dev_eui,)


def test_a_spike_that_neighbours_show_at_the_same_time_is_weather() -> None:
    field = Field()
    field.learn([0, 1, 2])
    field.say(0, 5.0, pattern="spike")
    assert field.the_alert().cause == "sensor"
    field.now_s += STEP_S
    field.say(1, 5.0, pattern="spike")
    field.say(2, 90.0, pattern="spike", channel=HUMID, expected=(30.0, 40.0, 50.0))
    field.pass_time(120.0)

    told = field.the_alert()
    assert field.types().count("new") == 1
    assert (told.kind, told.cause, told.severity) == ("spike", "environment", Severity.INFO)
    assert "air temperature fell suddenly at 3 devices" in told.title


def test_a_spike_that_calm_neighbours_saw_without_an_alert_is_weather_too() -> None:
    field = Field()
    field.learn([0, 1, 2])
    field.say(0, 4.0, pattern="spike")
    for number in (1, 2):
        field.now_s += 60.0
        field.say(number, 4.0)
    field.pass_time(60.0)

    assert field.the_alert().cause == "environment"


def test_a_return_from_a_wild_value_to_where_the_neighbours_always_were_is_no_weather() -> None:
    field = Field()
    field.learn([0, 1, 2])
    expected = (24.0, 26.0, 28.0)  # of a forecast that saw the wild value
    field.say(0, 12.5, pattern="spike", expected=expected)
    for number in (1, 2):
        field.now_s += 60.0
        field.say(number, 12.5 + 0.3 * number)
    field.pass_time(60.0)

    assert field.the_alert().cause == "sensor"


def test_spikes_that_go_opposite_ways_are_no_weather() -> None:
    field = Field(config({0: "North", 1: "North"}))
    field.say(0, 4.0, pattern="spike")
    field.say(1, 40.0, pattern="spike")

    assert field.the_alert().cause != "environment"


def test_a_spike_that_stays_joins_its_neighbours_and_ends_under_its_own_id() -> None:
    field = Field(config({0: "North", 1: "North"}))
    field.say(0, 4.0, pattern="fall")
    field.say(1, 4.0, pattern="spike")
    for _ in range(4):
        field.now_s += STEP_S
        field.say(1, 4.0, pattern="spike")
    field.pass_time(120.0)

    front_alert = field.the_alert()
    (folded,) = (one.alert for one in field.events if one.event_type is EventType.END)
    assert front_alert.dev_eui == device(0).dev_eui
    assert front_alert.peers == (device(1).dev_eui,)
    assert (folded.dev_eui, folded.folded_into) == (device(1).dev_eui, front_alert.id)


def test_a_fault_that_gains_a_channel_is_not_lost_in_its_neighbours_weather() -> None:
    field = Field(config({0: "North", 1: "North"}))
    moisture = Channel("soil.moisture")
    field.say(1, 40.0, pattern="rise", channel=moisture, expected=(20.0, 21.0, 22.0))
    field.say(0, 30.0, pattern="rise")
    field.now_s += STEP_S
    field.say(1, 30.0, pattern="rise")

    assert {alert.kind for alert in field.engine.open()} == {"leak", "drift"}


def test_neighbours_of_whom_nothing_was_expected_are_one_alert_all_the_same() -> None:
    field = Field()
    for number in range(2):
        field.say(number, 32.0, pattern="fall", expected=None)

    told = field.the_alert()
    assert told.title.endswith("lower than expected; one more device likewise")
    assert (told.cause, field.types().count("new")) == ("environment", 1)


def test_a_link_that_the_model_noted_is_told_as_the_link_rule_tells_it() -> None:
    causes = Field().engine._causes
    rssi = Reason(Channel("radio.rssi"), -120.0, (-100.0, -98.0, -96.0), 1.0, None, "dBm")
    noted = replace(
        alert("model", Severity.INFO), kind="link", reason=(rssi,), title="It is unusual"
    )
    weak = replace(alert("link"), kind="link", reason=(rssi,), title="40 % are lost")
    causes.take([AlertEvent(EventType.NEW, noted)], 0.0)
    told = causes.take([AlertEvent(EventType.NEW, weak)], 60.0)

    assert [(one.event_type, one.alert.id) for one in told] == [(EventType.UPDATE, noted.id)]
    assert told[0].alert.title == "40 % are lost"
    assert not any("unusual" in one for one in told[0].alert.evidence)


def test_a_restart_amid_a_front_that_changed_its_words_repeats_nothing() -> None:
    field = Field(config(dict.fromkeys(range(3), "Orchard"), threshold=[FROST]))
    front(field, range(3), value=-1.0)
    field.pass_time(120.0)
    before = field.the_alert()
    field.restart()
    front(field, range(3), value=-1.0)
    field.pass_time(120.0)

    assert field.the_alert().id == before.id
    assert field.types().count("new") == 1
    for _ in range(4):
        for number in range(3):
            field.say(number, 16.0)
        field.now_s += STEP_S
    assert not field.engine.open()
    assert AIR in {reason.channel for reason in before.reason}
