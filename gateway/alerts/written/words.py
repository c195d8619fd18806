"""What a written rule says: in its alert, in the user's own words or ours, and when it is listed.

A user's text is never a format string: four placeholders are put in, in one pass, and what they
put in is not looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.alerts.families import words_of
from gateway.alerts.written.conditions import Leaf, Mark
from gateway.config import PLACEHOLDERS, ConditionConfig, RuleConfig
from gateway.speech import duration, figure, say
from gateway.types import Channel, DeviceInfo, Reason

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_NAMED = 3


def filled(text: str, fields: Mapping[str, str]) -> str:
    """Return a user's text with its placeholders filled in."""
    return _PLACEHOLDER.sub(lambda found: fields[found[1]], text)


def fields_of(rule: RuleConfig, leaf: Leaf, mark: Mark, who: str, now_s: float) -> dict[str, str]:
    """Return what each placeholder stands for in an alert."""
    return {
        "value": _value(leaf, mark, now_s),
        "device": who,
        "channel": words_of(mark.channel),
        "limit": _limit(leaf.config, _unit(leaf.config, mark.unit)),
    } | ({"channel": words_of(Channel(leaf.config.channel))} if rule.quantifier == "mean" else {})


def who_of(devices: Sequence[DeviceInfo]) -> str:
    """Return several devices as people list them."""
    names = [device.name or str(device.dev_eui) for device in devices]
    if len(names) <= _NAMED:
        return ", ".join(names)
    return say(
        "{names} and {count} more", names=", ".join(names[:_NAMED]), count=len(names) - _NAMED
    )


def title_of(rule: RuleConfig, fields: Mapping[str, str], unit: str) -> str:
    """Return an alert's title: the user's message, else the condition; the device stands in it."""
    if rule.message:
        said = filled(rule.message, fields)
        if "{device}" in rule.message:
            return said
    else:
        said = condition(rule, unit, fields["channel"])
        if rule.quantifier == "mean":
            said = say("the mean of {what}", what=said)
    return say("{device}: {what}", device=fields["device"], what=said)


def reasons_of(found: Sequence[tuple[Leaf, Mark]]) -> tuple[Reason, ...]:
    """Return the part that each condition has in an alert."""
    return tuple(
        Reason(
            mark.channel,
            mark.value,
            mark.outlook.expected if mark.outlook is not None else None,
            1 / len(found),
            None,
            mark.unit,
        )
        for _, mark in found
    )


def condition(one: ConditionConfig, unit: str = "", channel: str = "") -> str:
    """Return a condition as a clause; `channel` in words where it is known better."""
    if one.test:
        return _leaf(one, unit, channel)
    inner = [f"({said})" if sub.all or sub.any else said
             for sub in (*one.all, *one.any) for said in (condition(sub),)]  # fmt: skip
    return (say(" and ") if one.all else say(" or ")).join(inner)


def describe(rule: RuleConfig) -> str:
    """Return a rule as one plain sentence, for `check` and for lists."""
    said = condition(rule)
    if rule.for_s:
        said = say("{what} for {span}", what=said, span=duration(rule.for_s))
    said = say("When {what}", what=said)
    for clause in (_whom(rule), _when(rule)):
        said += f", {clause}" if clause else ""
    said = say("{said}: {severity}.", said=said, severity=_severity(rule.severity))
    if rule.cooldown_s:
        said += " " + say("Then quiet for {span}.", span=duration(rule.cooldown_s))
    if rule.action is not None:
        where = rule.action.device or say("the same device")
        said += " " + say("Sends {command} to {device}.", command=rule.action.command, device=where)
        if rule.action.dry_run:
            said += " " + say("(Checked only, nothing is sent.)")
    return said if rule.enabled else say("(Off.) {said}", said=said)


def _leaf(one: ConditionConfig, unit: str, channel: str) -> str:
    what = channel or words_of(Channel(one.channel))
    if "*" in what:
        what = say("any channel {pattern}", pattern=one.channel)
    if one.device:
        what = say("{channel} of {device}", channel=what, device=one.device)
    limit = _limit(one, _unit(one, unit))
    if one.minus is not None:
        what = say("{channel} less {reference}", channel=what, reference=_reference(one))
    if one.within_s is not None:
        return _outlook(one, what, limit)
    if one.silent_s is not None:
        return say("there is no {channel} for {limit}", channel=what, limit=limit)
    if one.unchanged_s is not None:
        return say("{channel} has not changed for {limit}", channel=what, limit=limit)
    return _compared(one, what, limit)


def _compared(one: ConditionConfig, what: str, limit: str) -> str:
    said = {
        "above": say("{channel} is above {limit}", channel=what, limit=limit),
        "below": say("{channel} is below {limit}", channel=what, limit=limit),
        "outside": say("{channel} is outside {limit}", channel=what, limit=limit),
        "rises_per_h": say("{channel} rises faster than {limit}", channel=what, limit=limit),
        "falls_per_h": say("{channel} falls faster than {limit}", channel=what, limit=limit),
    }
    return said.get(one.test) or say("{channel} is {limit}", channel=what, limit=limit)


def _outlook(one: ConditionConfig, what: str, limit: str) -> str:
    fields = {
        "channel": what,
        "limit": limit,
        "span": duration(one.within_s or 0.0),
        "chance": f"{100 * (one.probability or 0.0):g} %",
    }
    if one.above is not None:
        return say("{channel} is above {limit} within {span}, likely by {chance} or more", **fields)
    return say("{channel} is below {limit} within {span}, likely by {chance} or more", **fields)


def _reference(one: ConditionConfig) -> str:
    minus = one.minus
    if minus is None:
        return ""
    channel = words_of(Channel(minus.channel or one.channel))
    if minus.others:
        return say("the mean of the others")
    return say("{channel} of {device}", channel=channel, device=minus.device) if (
        minus.device
    ) else channel  # fmt: skip


def _limit(one: ConditionConfig, unit: str) -> str:
    if one.outside is not None:
        low, high = one.outside
        return say("{low} to {high}", low=figure(low), high=figure(high, unit))
    for span in (one.unchanged_s, one.silent_s):
        if span is not None:
            return duration(span)
    value = getattr(one, one.test)
    return figure(value, "" if isinstance(value, bool | str) else unit)


def _value(leaf: Leaf, mark: Mark, now_s: float) -> str:
    one = leaf.config
    if one.silent_s is not None:
        return duration(max(now_s - mark.time_s, 0.0))
    if isinstance(mark.value, str | bool):
        return figure(mark.value)
    if one.unchanged_s is not None:
        return figure(mark.value, mark.unit)
    return figure(mark.told if leaf.marks else mark.value, _unit(one, mark.unit))


def _unit(one: ConditionConfig, unit: str) -> str:
    rate = one.rises_per_h is not None or one.falls_per_h is not None
    return f"{unit}/h" if rate else unit


def _whom(rule: RuleConfig) -> str:
    parts = []
    if rule.devices:
        parts.append(say("device {names}", names=_listed(rule.devices)))
    if rule.profiles:
        parts.append(say("profile {names}", names=_listed(rule.profiles)))
    if rule.areas:
        parts.append(say("area {names}", names=_listed(rule.areas)))
    if rule.fields:
        parts.append(say("field {names}", names=_listed(rule.fields)))
    if rule.tags:
        tags = _listed([f"{name}={value}" for name, value in rule.tags.items()])
        parts.append(say("tag {names}", names=tags))
    who = ", ".join(parts)
    if rule.quantifier == "mean":
        return say("as the mean of {who}", who=who or say("all devices"))
    if rule.quantifier == "all":
        return say("on every device of {who}", who=who or say("all devices"))
    if rule.at_least is not None:
        return say(
            "on at least {count} of {who}", count=rule.at_least, who=who or say("all devices")
        )
    if rule.quantifier == "any":
        return say("on any of {who}, as one alert", who=who or say("all devices"))
    return say("on {who}", who=who) if who else ""


def _when(rule: RuleConfig) -> str:
    parts = []
    if rule.hours:
        parts.append(say("between {hours}", hours=rule.hours.replace("-", say(" and "))))
    if rule.days:
        parts.append(say("on {days}", days=_listed(rule.days)))
    if rule.months:
        parts.append(say("in {months}", months=_listed(rule.months)))
    if rule.season:
        parts.append(say("from {first} to {last}", **_ends(rule.season)))
    return ", ".join(parts)


def _ends(season: str) -> dict[str, str]:
    first, last = season.split("..")
    return {"first": first, "last": last}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    if len(names) <= _NAMED:
        return shown
    return say("{names} and {count} more", names=shown, count=len(names) - _NAMED)


def _severity(name: str) -> str:
    if name == "critical":
        return say("critical")
    return say("for information") if name == "info" else say("warning")
