"""From a rule that holds to the alert that tells of it."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.alerts.book import alert_id
from gateway.alerts.written.conditions import Leaf, Mark
from gateway.alerts.written.rule import GROUP, WrittenRule
from gateway.alerts.written.scope import is_called
from gateway.alerts.written.words import fields_of, filled, reasons_of, title_of, who_of
from gateway.types import Alert, DevEui, DeviceInfo, Reason, Severity

RULE_PREFIX = "rule:"
"""How `Alert.rule`, and a command's `by`, begin for a rule that a person wrote."""

_CAUSES = {"frost": "environment", "heat": "environment", "rain": "environment",
           "battery": "sensor", "link": "network", "silence": "network"}  # fmt: skip


def alert_of(
    rule: WrittenRule,
    subject: str,
    since_s: float,
    worst: tuple[Leaf, Mark],
    now_s: float,
) -> Alert:
    """Return the alert of a rule that holds for a subject, as it is told now."""
    config = rule.config
    devices = _devices(rule, subject, now_s)
    fields = fields_of(config, *worst, who_of(devices), now_s)
    lead = devices[0].dev_eui if devices else DevEui("0" * 16)
    found = [
        (leaf, mark)
        for leaf in rule.leaves
        if (mark := leaf.worst(_subject_key(leaf, subject, lead))) is not None
    ] or [worst]
    return Alert(
        id=alert_id(lead, RULE_PREFIX + config.name, subject, since_s),
        dev_eui=lead,
        rule=RULE_PREFIX + config.name,
        kind=config.kind,
        cause=_CAUSES.get(config.kind, "unknown"),
        severity=Severity(config.severity),
        title=title_of(config, fields, worst[1].unit),
        advice=filled(config.advice, fields),
        reason=reasons_of(found),
        first_seen_s=since_s,
        last_seen_s=now_s,
        peers=tuple(device.dev_eui for device in devices[1:]),
    )


def badness(rule: WrittenRule, mark: Mark, now_s: float) -> float:
    """Return how bad it is, to tell when it has become worse."""
    if rule.is_counted:
        return float(len(rule.holding(now_s)))
    return mark.past


def _subject_key(leaf: Leaf, subject: str, lead: DevEui) -> str:
    """Return under which subject a leaf knows what an alert is about."""
    if leaf.config.device or GROUP in leaf.marks:
        return GROUP
    return subject or lead


def _devices(rule: WrittenRule, subject: str, now_s: float) -> list[DeviceInfo]:
    """Return the devices that an alert names, the one it is filed under first."""
    if subject != GROUP:
        return [rule.infos.get(DevEui(subject), DeviceInfo(DevEui(subject)))]
    if rule.is_fixed:
        first = rule.leaves[0].config.device
        return sorted(rule.infos.values(), key=lambda one: (not is_called(one, first), one.dev_eui))
    return [rule.infos.get(eui, DeviceInfo(eui)) for eui in rule.holding(now_s)]


def latch(rule: WrittenRule, subject: str, alert: Alert, reason: Reason) -> None:
    """Let the series that an open alert names hold on through their hysteresis.

    Forecasts are not stored, so what was known of one is what its alert says.
    """
    for leaf in rule.leaves:
        if leaf.is_forecast and fnmatchcase(reason.channel, leaf.config.channel):
            key = _subject_key(leaf, subject, alert.dev_eui)
            leaf.marks.setdefault(key, {})[reason.channel] = Mark(
                alert.last_seen_s, reason.observed, reason.unit, reason.channel, holds=True,
                since_s=alert.first_seen_s,
            )  # fmt: skip
        keys = [GROUP] if GROUP in leaf.marks else [subject or alert.dev_eui, *alert.peers]
        for key in keys:
            mark = leaf.marks.get(key, {}).get(reason.channel)
            near = mark is not None and mark.past > -leaf.config.hysteresis
            if mark is not None and mark.known and (near or leaf.is_forecast):
                mark.holds = mark.latched = True
