"""One cause, one alert: fronts, faulty probes, neighbours, and what is left when most is over."""

import math

import pytest
from alert_fields import HOUR_S, Field, config, device, front

from gateway.types import Alert, AlertEvent, Channel, EventType, Severity


@pytest.mark.parametrize("known", ["area", "tags", "learned", "nothing"])
def test_a_cold_front_across_neighbours_is_one_alert_of_the_environment(known: str) -> None:
    field = Field(config(dict.fromkeys(range(6), "North") if known == "area" else None))
    if known == "learned":
        field.learn(list(range(6)))
    for number in range(6):
        tags = {"field": "North"} if known == "tags" else {}
        field.say(number, 4.0, pattern="fall", **tags)
        field.now_s += 120.0
    field.pass_time(120.0)

    alert = field.the_alert()
    assert field.types().count("new") == 1
    assert (alert.kind, alert.cause, len(alert.peers)) == ("cold", "environment", 5)
    assert alert.dev_eui == device(0).dev_eui
    assert "6 devices" in alert.title
    assert alert.evidence
    assert alert.advice


def test_freezing_air_makes_it_a_frost() -> None:
    field = Field()
    front(field, range(3), value=-0.5)

    assert field.the_alert().kind == "frost"


@pytest.mark.parametrize(
    ("areas", "apart"),
    [({0: "North", 1: "South"}, ()), ({}, (1,))],
    ids=["other field", "learned otherwise"],
)
def test_who_is_no_neighbour_has_an_alert_of_its_own(
    areas: dict[int, str], apart: tuple[int, ...]
) -> None:
    field = Field(config(areas))
    if apart:
        field.learn([0, 1], apart=apart)
    front(field, range(2))

    assert field.types() == ["new", "new"]


def test_sites_that_differ_never_share_an_alert() -> None:
    field = Field()
    field.say(0, 4.0, pattern="fall", site="Hill")
    field.say(1, 4.0, pattern="fall", site="Valley")

    assert field.types() == ["new", "new"]


def test_the_other_direction_is_another_alert() -> None:
    field = Field(config({0: "North", 1: "North"}))
    field.say(0, 4.0, pattern="fall")
    field.say(1, 30.0, pattern="rise")

    assert field.types() == ["new", "new"]


def test_one_probe_against_its_neighbours_is_a_sensor_fault_with_its_evidence() -> None:
    field = Field()
    field.learn([0, 1, 2, 3])
    usual = 16.0 + 4 * math.sin(2 * math.pi * 40 / 24)
    field.say(0, usual + 15.0, pattern="level", expected=(usual - 3, usual, usual + 3))
    assert field.the_alert().cause == "unknown"  # nobody has spoken since
    for number in (1, 2, 3):
        field.say(number, usual + 0.3 * number)
    field.pass_time(30.0)

    alert = field.the_alert()
    assert alert.cause == "sensor"
    assert alert.evidence[0] == "None of 3 neighbours shows it."
    assert "neighbours show" in alert.evidence[1]


def test_neighbours_that_show_it_without_an_alert_make_it_the_environment() -> None:
    field = Field()
    field.learn([0, 1, 2, 3])
    usual = 16.0 + 4 * math.sin(2 * math.pi * 40 / 24)
    field.say(0, usual - 9.0, pattern="fall", expected=(usual - 3, usual, usual + 3))
    for number in (1, 2, 3):
        field.say(number, usual - 9.0 + 0.3 * number)
    field.pass_time(30.0)

    alert = field.the_alert()
    assert alert.cause == "environment"
    assert alert.evidence[0] == "3 of 3 neighbours fell likewise."


def recover(field: Field, number: int) -> None:
    for _ in range(3):
        field.say(number, 16.0)


def test_a_front_ends_with_its_last_device() -> None:
    field = Field()
    front(field, range(4))
    for number in range(4):
        assert "end" not in field.types()
        recover(field, number)

    assert field.types()[-1] == "end"
    assert not field.engine.open()


def test_what_stays_when_most_is_over_becomes_an_alert_of_its_own() -> None:
    field = Field()
    front(field, range(4))
    for number in range(3):
        recover(field, number)
    field.pass_time(HOUR_S)
    assert len(field.engine.open()) == 1
    field.pass_time(2 * HOUR_S)

    alert = field.the_alert()
    assert [event.event_type for event in field.events[-2:]] == [EventType.END, EventType.NEW]
    assert (alert.dev_eui, alert.peers) == (device(3).dev_eui, ())
    assert "as usual again" in " ".join(alert.evidence)
    recover(field, 3)
    assert not field.engine.open()


def test_the_device_that_began_it_keeps_the_id_when_it_is_the_last() -> None:
    field = Field()
    front(field, range(4))
    identity = field.the_alert().id
    for number in range(1, 4):
        recover(field, number)
    field.pass_time(3 * HOUR_S)

    alert = field.the_alert()
    assert (alert.id, alert.peers) == (identity, ())


def test_a_late_joiner_joins_the_open_alert_under_its_id() -> None:
    field = Field()
    front(field, range(2))
    identity = field.the_alert().id
    field.now_s += 4 * HOUR_S
    field.say(2, 4.0, pattern="fall")

    alert = field.the_alert()
    assert alert.id == identity
    assert device(2).dev_eui in alert.peers


def test_a_restart_keeps_the_id_and_takes_its_devices_back_one_by_one() -> None:
    field = Field()
    front(field, range(4))
    field.pass_time(120.0)
    before = field.the_alert()
    field.restart()
    assert field.the_alert() == before
    field.events.clear()
    field.say(2, 4.0, pattern="fall")
    for number in (0, 1, 3):
        recover(field, number)
    assert field.types().count("new") == 0
    assert field.the_alert().id == before.id
    recover(field, 2)

    assert not field.engine.open()
    assert field.types()[-1] == "end"


def test_a_restart_does_not_end_a_front_when_its_first_device_is_well() -> None:
    field = Field()
    front(field, range(4))
    field.pass_time(120.0)
    before = field.the_alert()
    field.restart()
    recover(field, 0)
    assert field.the_alert().id == before.id
    for number in (1, 2, 3):
        recover(field, number)

    assert not field.engine.open()


def test_devices_that_never_speak_again_after_a_restart_hold_nothing_open() -> None:
    field = Field()
    front(field, range(4))
    field.restart()
    for _ in range(60):
        field.pass_time(HOUR_S)

    assert not field.engine.open()


def test_probes_that_stick_at_different_times_are_different_faults() -> None:
    field = Field(config({0: "North", 1: "North"}))
    field.say(0, 16.0, pattern="stuck")
    field.now_s += HOUR_S
    field.say(1, 16.0, pattern="stuck")

    assert field.types() == ["new", "new"]


def test_many_that_stick_at_once_are_one_and_those_told_before_are_folded_into_it() -> None:
    field = Field(config({number: f"Field {number}" for number in range(6)}))
    for number in range(6):
        field.say(number, 16.0, pattern="stuck")
        field.now_s += 5.0
    field.pass_time(120.0)

    alert = field.the_alert()
    folded = [event.alert for event in field.events if event.event_type is EventType.END]
    assert len(alert.peers) == 5
    assert len(folded) == 2
    assert {one.folded_into for one in folded} == {alert.id}
    assert field.types().count("new") == 3


def test_what_was_folded_and_stays_comes_back_under_another_id() -> None:
    field = Field(config({number: f"Field {number}" for number in range(6)}))
    for number in range(6):
        field.say(number, 16.0, pattern="stuck")
        field.now_s += 5.0
    for number in (0, 2, 3, 4, 5):
        recover(field, number)
    field.pass_time(3 * HOUR_S)

    alert = field.the_alert()
    earlier = {event.alert.id for event in field.events[:-1]}
    assert alert.dev_eui == device(1).dev_eui
    assert alert.id not in earlier
    recover(field, 1)
    assert not field.engine.open()


def test_a_rule_of_the_users_own_is_grouped_with_its_like_and_keeps_its_words() -> None:
    hot = {"name": "hot", "channel": "air.temperature", "above": 30.0, "title": "Too hot"}
    field = Field(config({0: "House", 1: "House"}, threshold=[hot]))
    for number in range(2):
        field.say(number, 35.0, pattern="rise")

    ours = [alert for alert in field.engine.open() if alert.rule == "hot"]
    assert [alert.title for alert in ours] == ["Probe 0: Too hot; one more device likewise"]
    assert ours[0].peers == (device(1).dev_eui,)


def test_a_low_battery_and_a_bad_link_of_one_device_are_one_alert() -> None:
    field = Field()
    battery = Channel("device.battery_v")
    field.say(0, 2.6, pattern="fall", channel=battery, expected=(3.2, 3.3, 3.4))
    low = field.the_alert()
    weak = Alert(
        id="link", dev_eui=low.dev_eui, rule="link", kind="link", cause="network",
        severity=Severity.WARNING, title="Probe 0: 40 % of its messages are lost", advice="",
        reason=low.reason, first_seen_s=field.now_s, last_seen_s=field.now_s,
    )  # fmt: skip
    causes = field.engine._causes  # a bad link takes days to make
    told = causes.take([AlertEvent(EventType.NEW, weak)], field.now_s)

    assert [(event.event_type, event.alert.id) for event in told] == [(EventType.UPDATE, low.id)]
    assert told[0].alert.kind == "battery"
    assert "40 % of its messages" in told[0].alert.evidence[-1]
