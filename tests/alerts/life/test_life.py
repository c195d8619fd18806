"""What becomes of an alert between its rule and its readers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.alerts.life import Life
from gateway.alerts.life.states import AGAIN_S, MOST_COMMENTS, PAUSE_S, SETTLE_S
from gateway.config import AlertsConfig
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    EventType,
    Reason,
    Severity,
)

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NOW_S = 1_790_000_000.0
EUI = DevEui("70b3d57ed0000001")
FROST = {"name": "frost", "channel": "air.temperature", "below": 1.0, "hysteresis": 1.0}


def alert(
    number: int = 0,
    *,
    rule: str = "model",
    severity: Severity = Severity.WARNING,
    channel: str = "soil.moisture",
    observed: float = 41.8,
    at_s: float = NOW_S,
    eui: DevEui = EUI,
) -> Alert:
    reason = Reason(Channel(channel), observed, (28.0, 30.9, 33.5), 1.0, 2e-6, "%")
    return Alert(
        id=f"{number:08d}-alert", dev_eui=eui, rule=rule, kind="leak", cause="unknown",
        severity=severity, title="North field: moisture rising", advice="", reason=(reason,),
        first_seen_s=at_s, last_seen_s=at_s,
    )  # fmt: skip


def life(**fields: object) -> Life:
    return Life(AlertsConfig.model_validate(fields), ("range:low:soil.moisture",), "UTC")


def begin(of: Life, one: Alert, now_s: float = NOW_S) -> list[AlertEvent]:
    return of.follow([AlertEvent(EventType.NEW, one)], now_s)


def end(of: Life, one: Alert, end_s: float) -> list[AlertEvent]:
    return of.follow([AlertEvent(EventType.END, replace(one, end_s=end_s))], end_s)


def update(of: Life, one: Alert, now_s: float = NOW_S) -> list[AlertEvent]:
    return of.follow([AlertEvent(EventType.UPDATE, one)], now_s)


def told(events: list[AlertEvent]) -> list[str]:
    return [event.event_type.value for event in events if event.told]


def worse(one: Alert) -> Alert:
    return replace(one, severity=Severity.CRITICAL)


def test_an_alert_is_told_from_its_beginning_to_its_end() -> None:
    made = life()
    assert told(begin(made, alert())) == ["new"]
    assert told(update(made, worse(alert()))) == ["update"]
    assert told(end(made, alert(), NOW_S + HOUR_S)) == ["end"]
    assert made.open() == []


def test_devices_that_join_one_after_the_other_are_told_together() -> None:
    made, said = life(), []
    begin(made, alert(rule="codec"))
    for number in range(300):
        peers = tuple(DevEui(f"{one:016x}") for one in range(number + 1))
        said += told(update(made, replace(alert(rule="codec"), peers=peers), NOW_S + number))
    (event,) = made.tick(NOW_S + PAUSE_S)
    assert said == []
    assert (event.told, len(event.alert.peers)) == (True, 300)
    assert made.tick(NOW_S + 2 * PAUSE_S) == []


def test_what_the_model_only_says_again_is_shown_and_not_told() -> None:
    made = life()
    begin(made, alert())
    (event,) = update(made, alert(observed=42.5))
    assert not event.told
    assert made.open()[0].reason[0].observed == 42.5


def test_an_acknowledged_alert_is_told_again_only_when_it_is_worse() -> None:
    made = life()
    begin(made, alert(rule="frost"))
    (event,) = made.ack(made.open()[0], "anna", "on my way", NOW_S + 60)
    assert (event.told, event.alert.ack) == (False, "anna")
    assert [one.text for one in event.alert.care.comments] == ["on my way"]
    assert told(update(made, alert(rule="frost", observed=44.0))) == []
    (event,) = update(made, worse(alert(rule="frost")))
    assert (event.told, event.alert.ack) == (True, "anna")
    assert told(made.unack(made.open()[0])) == []
    assert made.open()[0].ack is None


def test_a_snoozed_alert_rests_until_its_time_and_is_then_told_once() -> None:
    made = life()
    begin(made, alert(rule="frost"))
    made.snooze(made.open()[0], NOW_S + DAY_S, "anna", "", NOW_S)
    assert told(update(made, alert(rule="frost", observed=44.0))) == []
    assert made.tick(NOW_S + DAY_S - 1) == []
    (event,) = made.tick(NOW_S + DAY_S)
    assert (event.told, event.event_type) == (True, EventType.UPDATE)
    assert event.alert.care.snoozed_until_s is None
    assert made.tick(NOW_S + DAY_S + 30) == []


def test_what_becomes_worse_breaks_through_a_snooze() -> None:
    made = life()
    begin(made, alert())
    made.snooze(made.open()[0], NOW_S + DAY_S, "anna", "", NOW_S)
    (event,) = update(made, worse(alert()))
    assert event.told
    assert event.alert.care.snoozed_until_s is None


def test_a_snoozed_alert_still_ends() -> None:
    made = life()
    begin(made, alert())
    made.snooze(made.open()[0], NOW_S + DAY_S, "anna", "", NOW_S)
    (event,) = end(made, alert(), NOW_S + HOUR_S)
    assert event.told
    assert event.alert.care.snoozed_until_s is None


def test_the_newest_comments_stay() -> None:
    made = life()
    begin(made, alert())
    for number in range(MOST_COMMENTS + 5):
        made.comment(made.open()[0], "anna", str(number), NOW_S + number)
    kept = [one.text for one in made.open()[0].care.comments]
    assert kept == [str(number) for number in range(5, MOST_COMMENTS + 5)]


# --- what comes again -----------------------------------------------------------------------


def test_what_comes_again_soon_says_so_and_ends_only_once_it_is_sure() -> None:
    made = life()
    begin(made, alert(1))
    end(made, alert(1), NOW_S + 60)
    (event,) = begin(made, alert(2), NOW_S + 600)
    assert (event.told, event.alert.care.recurred) == (True, 1)
    (event,) = end(made, alert(2), NOW_S + 1200)
    assert (event.told, event.alert.end_s) == (False, None)
    assert made.tick(NOW_S + 1200 + SETTLE_S - 1) == []
    (event,) = made.tick(NOW_S + 1200 + SETTLE_S)
    assert (event.told, event.event_type, event.alert.end_s) == (True, EventType.END, NOW_S + 1200)


def test_an_end_in_the_future_of_a_wrong_clock_is_told_all_the_same() -> None:
    made = life()
    begin(made, alert(1))
    end(made, alert(1), NOW_S + 60)
    begin(made, alert(2), NOW_S + 600)
    ended = replace(alert(2), end_s=NOW_S + 3650 * DAY_S)
    made.follow([AlertEvent(EventType.END, ended)], NOW_S + 1200)
    assert told(made.tick(NOW_S + 1200 + SETTLE_S)) == ["end"]


def test_trouble_that_comes_and_goes_all_day_is_told_a_few_times() -> None:
    made, said = life(), []
    for number in range(144):
        at_s = NOW_S + 600 * number
        said += told(begin(made, alert(number, at_s=at_s), at_s))
        said += told(end(made, alert(number, at_s=at_s), at_s + 300))
        said += told(made.tick(at_s + 400))
    said += told(made.tick(NOW_S + DAY_S + AGAIN_S))
    assert said == ["new", "end", "new", "end"]


def test_a_worse_recurrence_is_told() -> None:
    made = life()
    begin(made, alert(1))
    end(made, alert(1), NOW_S + 60)
    begin(made, alert(2), NOW_S + 600)
    end(made, alert(2), NOW_S + 1200)
    (event,) = begin(made, worse(alert(3)), NOW_S + 1800)
    assert (event.event_type, event.told) == (EventType.UPDATE, True)
    assert event.alert.id == alert(2).id
    assert event.alert.care.recurred == 2


def test_what_comes_again_a_day_later_is_a_fresh_alert() -> None:
    made = life()
    begin(made, alert(1))
    end(made, alert(1), NOW_S + 60)
    made.tick(NOW_S + DAY_S)
    (event,) = begin(made, alert(2), NOW_S + DAY_S)
    assert event.alert.care.recurred == 0
    assert told(end(made, alert(2), NOW_S + DAY_S + 60)) == ["end"]


def test_an_id_that_a_rule_uses_again_gets_another_one() -> None:
    made = life()
    begin(made, alert(1))
    end(made, alert(1), NOW_S + 60)
    (event,) = begin(made, alert(1), NOW_S + 600)
    assert event.event_type is EventType.NEW
    assert event.alert.id != alert(1).id
    update(made, worse(alert(1)), NOW_S + 700)
    assert [one.severity for one in made.open()] == [Severity.CRITICAL]


# --- false alarms -----------------------------------------------------------------------------


def test_a_false_alarm_ends_at_once_and_its_rule_is_not_heard_of_it_again() -> None:
    made = life()
    begin(made, alert())
    done = made.false_alarm(made.open()[0], "anna", "cows", NOW_S + 60)
    (event,) = done.events
    assert (event.event_type, event.told) == (EventType.END, True)
    assert event.alert.care.false_alarm
    assert update(made, alert(observed=50.0), NOW_S + 120) == []
    (event,) = end(made, alert(), NOW_S + 600)
    assert not event.told
    assert not event.alert.care.muted


def test_a_false_alarm_that_becomes_worse_is_a_fresh_alert() -> None:
    made = life()
    begin(made, alert())
    made.false_alarm(made.open()[0], "anna", "", NOW_S + 60)
    events = update(made, worse(alert()), NOW_S + 120)
    assert told(events) == ["new"]
    assert made.open()[0].id != alert().id
    assert told(end(made, worse(alert()), NOW_S + 600)) == []
    assert told(made.tick(NOW_S + 600 + SETTLE_S)) == ["end"]


def test_each_false_alarm_goes_a_step_further_up_to_a_bound() -> None:
    made, seen = life(), []
    for number in range(5):
        at_s = NOW_S + number * DAY_S
        begin(made, alert(number), at_s)
        (one,) = made.false_alarm(made.open()[0], "anna", "", at_s).adjustments
        seen.append((one.step, made.adjustments.factors[EUI, Channel("soil.moisture")]))
    assert seen == [(1, 1 / 4), (2, 1 / 16), (3, 1 / 64), (3, 1 / 64), (3, 1 / 64)]


def test_an_adjustment_is_taken_back_by_people_or_by_time() -> None:
    made = life(false_alarm_days=30)
    begin(made, alert())
    made.false_alarm(made.open()[0], "anna", "", NOW_S)
    made.tick(NOW_S + 29 * DAY_S)
    assert made.adjustments.all() != []
    made.tick(NOW_S + 30 * DAY_S)
    assert made.adjustments.factors == {}
    begin(made, alert(2), NOW_S)
    made.false_alarm(made.open()[0], "anna", "", NOW_S)
    assert len(made.adjustments.take_back(EUI, "soil.moisture", "")) == 1
    assert made.adjustments.all() == []
    assert set(made.changes().values()) == {None}


@pytest.mark.parametrize(
    ("rule", "channel"),
    [("silence", ""), ("link", ""), ("range:low:soil.moisture", "soil.moisture")],
)
def test_built_in_rules_learn_from_false_alarms(rule: str, channel: str) -> None:
    made = life()
    begin(made, alert(rule=rule))
    (one,) = made.false_alarm(made.open()[0], "anna", "", NOW_S).adjustments
    assert (one.rule, one.channel) == (rule, channel)
    assert 0 < one.sensitivity < 1
    assert one.effect().endswith(".")


def test_the_users_own_limit_is_not_changed_but_a_change_is_proposed() -> None:
    made = life(threshold=[FROST])
    begin(made, alert(rule="frost", channel="air.temperature", observed=0.4))
    done = made.false_alarm(made.open()[0], "anna", "", NOW_S)
    assert done.adjustments == []
    assert "frost is your own and stays as it is" in done.proposal
    assert "below = 0" in done.proposal


# --- the budget and its digest ------------------------------------------------------------------


def test_what_exceeds_the_weeks_budget_is_in_the_digest_only() -> None:
    made = life(per_week=3)
    said = [
        told(begin(made, alert(number, eui=DevEui(f"{number:016x}")), NOW_S + number))
        for number in range(5)
    ]
    assert said == [["new"], ["new"], ["new"], [], []]
    assert [one.care.digested_s is not None for one in made.open()] == [False] * 3 + [True] * 2
    assert told(end(made, alert(4, eui=DevEui(f"{4:016x}")), NOW_S + 60)) == []
    week_s = NOW_S + 7 * DAY_S
    assert told(begin(made, alert(9, eui=DevEui(f"{9:016x}"), at_s=week_s), week_s)) == ["new"]


def test_info_goes_to_the_digest_first() -> None:
    made = life(per_week=4)
    info = [alert(n, severity=Severity.INFO, eui=DevEui(f"{n:016x}")) for n in range(4)]
    assert [told(begin(made, one)) for one in info] == [["new"], ["new"], [], []]
    warning = alert(9, eui=DevEui(f"{9:016x}"))
    assert told(begin(made, warning)) == ["new"]


@pytest.mark.parametrize("rule", ["frost", "rule:wet", "model"])
def test_critical_alerts_and_the_users_own_are_never_held_back(rule: str) -> None:
    made = life(per_week=1, threshold=[FROST])
    begin(made, alert(0, eui=DevEui(f"{1:016x}")))
    severity = Severity.CRITICAL if rule == "model" else Severity.WARNING
    for number in range(10, 20):
        one = alert(number, rule=rule, severity=severity, eui=DevEui(f"{number:016x}"))
        assert told(begin(made, one)) == ["new"]


def test_an_alert_of_the_digest_is_told_when_it_becomes_critical() -> None:
    made = life(per_week=1)
    begin(made, alert(0, eui=DevEui(f"{1:016x}")))
    assert told(begin(made, alert(1))) == []
    (event,) = update(made, worse(alert(1)), NOW_S + 60)
    assert (event.event_type, event.told) == (EventType.NEW, True)
    assert event.alert.care.digested_s is None
    made.tick(NOW_S + 2 * DAY_S)
    assert made.digest.newest is None


def test_without_a_budget_all_is_told() -> None:
    made = life(per_week=0)
    said = [told(begin(made, alert(n, eui=DevEui(f"{n:016x}")))) for n in range(300)]
    assert said == [["new"]] * 300


def test_the_digest_comes_once_a_day_at_its_hour_and_only_if_there_is_something() -> None:
    made = life(per_week=1, digest_at="07:00")
    begin(made, alert(0, eui=DevEui(f"{1:016x}")))
    made.tick(NOW_S + 3 * DAY_S)
    assert made.digest.newest is None
    for number in (1, 2):
        at_s = NOW_S + 3 * DAY_S + number
        begin(made, alert(number, eui=DevEui(f"{number + 5:016x}"), at_s=at_s), at_s)
    seven_s = (NOW_S + 3 * DAY_S) // DAY_S * DAY_S + 7 * HOUR_S
    due_s = seven_s if seven_s > NOW_S + 3 * DAY_S + 1 else seven_s + DAY_S
    made.tick(due_s - 1)
    assert made.digest.newest is None
    made.tick(due_s)
    newest = made.changes()["digest"]
    assert (newest["count"], newest["kinds"]) == (2, {"leak": 2})
    assert newest["ids"] == [alert(1).id, alert(2).id]
    made.tick(due_s + DAY_S)
    assert made.changes() == {}


def test_what_comes_and_goes_in_the_digest_is_there_twice_at_most() -> None:
    made = life(per_week=1)
    begin(made, alert(0, eui=DevEui(f"{1:016x}")))
    for number in range(1, 40):
        at_s = NOW_S + 600 * number
        begin(made, alert(number, at_s=at_s), at_s)
        end(made, alert(number, at_s=at_s), at_s + 300)
    made.tick(NOW_S + 2 * DAY_S)
    assert made.changes()["digest"]["count"] == 2


# --- restarts -------------------------------------------------------------------------------------


def test_what_people_did_survives_a_restart() -> None:
    made = life()
    begin(made, alert(rule="frost"))
    made.ack(made.open()[0], "anna", "", NOW_S)
    made.snooze(made.open()[0], NOW_S + DAY_S, "anna", "later", NOW_S)
    again = life()
    held = again.restore(made.open(), made.changes())
    assert [one.id for one in held] == [alert().id]
    assert again.open() == made.open()
    assert told(update(again, alert(rule="frost", observed=45.0))) == []


def test_a_false_alarm_stays_one_through_a_restart() -> None:
    made = life()
    begin(made, alert())
    done = made.false_alarm(made.open()[0], "anna", "", NOW_S)
    again = life()
    held = again.restore([event.alert for event in done.events], made.changes())
    assert [(one.id, one.end_s) for one in held] == [(alert().id, None)]
    assert again.adjustments.factors == made.adjustments.factors
    assert told(update(again, alert(observed=50.0))) == []
    assert told(end(again, alert(), NOW_S + 60)) == []


def test_alerts_of_an_older_version_count_as_told() -> None:
    made = life()
    made.restore([alert()], {})
    assert told(end(made, alert(), NOW_S + 60)) == ["end"]
