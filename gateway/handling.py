"""What people ask of alerts: `{base}/bridge/request/alert/<verb>`, answered like any request.

::

    list                                      what is open, and with `dev_eui` of one device
    show          id                          one alert, open or over
    ack, unack    id, or dev_eui (all of it)  somebody has taken it on: told again only when worse
    snooze        id or dev_eui, `for`/`until`   rests; what becomes worse breaks through
    unsnooze      id or dev_eui
    comment       id, text
    false-alarm   id                          ends it, and makes what raised it less sensitive
    adjustments                               what false alarms have changed
    undo          id, or dev_eui, channel     takes that back
    digest                                    the newest digest

`id` may be cut short as long as it is one alert's. `by` is a claim, as for commands: where the
settings name operators it is one of them who may, a viewer may only look, and one with a key
signs. `text` goes with any verb that changes something and stays with the alert as a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.alerts import AlertEngine
from gateway.alerts.life import Adjustment
from gateway.control import Authority
from gateway.control.forms import check_age, mistake_in, moment_s
from gateway.errors import CommandRefused
from gateway.publishers import alert_payloads, payloads
from gateway.speech import duration, say
from gateway.types import Alert, AlertEvent, DevEui, Json

SNOOZE_S = 24 * 3600.0
MAX_SNOOZE_S = 90 * 86400.0
MIN_ID = 4
_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")

Text = Annotated[str, Field(max_length=500)]


class AlertRequest(BaseModel):
    """A request as strangers send it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(max_length=64)] = ""
    dev_eui: Annotated[str, Field(max_length=32)] = ""
    channel: Annotated[str, Field(max_length=128)] = ""
    by: Annotated[str, Field(max_length=64)] = ""
    text: Text = ""
    for_: Annotated[str | float | int | None, Field(alias="for")] = None
    until: str | None = None
    time: str | None = None
    signature: str | None = None
    transaction: Json = None


@dataclass(slots=True)
class Handled:
    """What a request came to: steps of alerts, what is answered, and facts for the audit log."""

    answer: Json
    events: list[AlertEvent] = field(default_factory=list)
    facts: Mapping[str, Json] = field(default_factory=dict)


Lookup = Callable[[str], Alert | None]
"""Finds a stored alert by its whole id."""


class Handling:
    """Carries requests about alerts out. No clock; what it decides is for the caller to store."""

    def __init__(self, alerts: AlertEngine, authority: Authority, lookup: Lookup) -> None:
        self._alerts = alerts
        self._life = alerts.life
        self._authority = authority
        self._lookup = lookup
        self._looks: Mapping[str, Callable[[AlertRequest], Json]] = {
            "list": self._list,
            "show": self._show,
            "adjustments": self._adjustments,
            "digest": self._digest,
        }
        self._acts: Mapping[str, Callable[[Alert, AlertRequest, float], list[AlertEvent]]] = {
            "ack": lambda alert, asked, now_s: self._life.ack(alert, asked.by, asked.text, now_s),
            "unack": lambda alert, _asked, _now_s: self._life.unack(alert),
            "snooze": self._snooze,
            "unsnooze": lambda alert, _asked, _now_s: self._life.unsnooze(alert),
            "comment": self._comment,
        }

    @property
    def verbs(self) -> tuple[str, ...]:
        """What may be asked."""
        return (*self._looks, *self._acts, "false-alarm", "undo")

    def carry_out(self, verb: str, body: Mapping[str, Json], now_s: float) -> Handled:
        """Answer a request, `verb` without its prefix.

        Raises
        ------
        CommandRefused
            It is malformed, stale, about nothing that is open, or not this sender's to ask.

        """
        asked = _read(body, now_s)
        if (look := self._looks.get(verb)) is not None:
            return Handled(look(asked))
        if verb not in self.verbs:
            known = ", ".join(self.verbs)
            said = say("{verb} is none of {known}.", verb=repr(verb[:32]), known=known)
            raise CommandRefused("unknown_verb", said)
        signed = {name: body[name] for name in body if name != "transaction"}
        proved = self._authority.admit(asked.by, "", signed | {"request": f"alert/{verb}"})
        who: dict[str, Json] = {"what": verb, "by": asked.by, "signed": proved}
        if verb == "undo":
            return self._undo(asked, who)
        alerts = self._meant(asked)
        for alert in alerts:
            self._authority.check_device(asked.by, alert.dev_eui)
        who |= {"ids": [alert.id for alert in alerts], "detail": asked.text}
        if verb == "false-alarm":
            return self._false_alarm(alerts, asked, who, now_s)
        act = self._acts[verb]
        events = [step for alert in alerts for step in act(alert, asked, now_s)]
        return Handled(
            {"alerts": [payloads.alert_entry(event.alert) for event in events]}, events, who
        )

    # --- looking --------------------------------------------------------------------------

    def _list(self, asked: AlertRequest) -> Json:
        mine = [one for one in self._alerts.open() if asked.dev_eui.lower() in ("", one.dev_eui)]
        return {"count": len(mine), "alerts": [payloads.alert_entry(one) for one in mine]}

    def _show(self, asked: AlertRequest) -> Json:
        found = self._life.find(asked.id) if len(asked.id) >= MIN_ID else []
        alert = found[0] if len(found) == 1 else self._lookup(asked.id)
        if alert is None:
            raise CommandRefused("unknown_alert", _which(asked.id, found))
        return payloads.alert_entry(alert)

    def _adjustments(self, asked: AlertRequest) -> Json:
        mine = [
            entry_of(one)
            for one in self._life.adjustments.all()
            if asked.dev_eui.lower() in ("", one.dev_eui)
        ]
        return {"count": len(mine), "adjustments": mine}

    def _digest(self, _asked: AlertRequest) -> Json:
        newest = self._life.digest.newest
        return alert_payloads.digest(newest) if newest else None

    # --- doing ----------------------------------------------------------------------------

    def _meant(self, asked: AlertRequest) -> Sequence[Alert]:
        """Return the open alerts that a request is about."""
        if bool(asked.id) == bool(asked.dev_eui):
            said = say("Give the alert's `id`, or `dev_eui` for all of one device's.")
            raise CommandRefused("malformed", said)
        if asked.dev_eui:
            mine = [one for one in self._alerts.open() if one.dev_eui == asked.dev_eui.lower()]
            if not mine:
                said = say("No alert of {device} is open.", device=asked.dev_eui)
                raise CommandRefused("unknown_alert", said)
            return mine
        found = self._life.find(asked.id) if len(asked.id) >= MIN_ID else []
        if len(found) != 1:
            raise CommandRefused("unknown_alert", _which(asked.id, found))
        return found

    def _snooze(self, alert: Alert, asked: AlertRequest, now_s: float) -> list[AlertEvent]:
        until_s = _until_s(asked, now_s)
        return self._life.snooze(alert, until_s, asked.by, asked.text, now_s)

    def _comment(self, alert: Alert, asked: AlertRequest, now_s: float) -> list[AlertEvent]:
        if not asked.text.strip():
            raise CommandRefused("malformed", say("A comment needs its `text`."))
        return self._life.comment(alert, asked.by, asked.text, now_s)

    def _false_alarm(
        self, alerts: Sequence[Alert], asked: AlertRequest, who: dict[str, Json], now_s: float
    ) -> Handled:
        if not asked.id:
            raise CommandRefused("malformed", say("A false alarm is one alert: give its `id`."))
        done = self._life.false_alarm(alerts[0], asked.by, asked.text, now_s)
        changed = [entry_of(one) for one in done.adjustments]
        nothing = say("What raised it learns nothing from false alarms and stays as it is.")
        said = [str(one["effect"]) for one in changed] or [done.proposal or nothing]
        answer = {
            "id": alerts[0].id,
            "adjustments": changed,
            "proposal": done.proposal or None,
            "said": " ".join(said),
        }
        return Handled(answer, done.events, who | {"adjusted": said})

    def _undo(self, asked: AlertRequest, who: dict[str, Json]) -> Handled:
        if not (asked.id or asked.dev_eui or asked.channel):
            said = say("Give `dev_eui`, `channel` or the alert's `id`.")
            raise CommandRefused("malformed", said)
        wanted = (DevEui(asked.dev_eui.lower()), asked.channel, asked.id)
        for one in self._life.adjustments.matching(*wanted):
            self._authority.check_device(asked.by, one.dev_eui)
        gone = [entry_of(one) for one in self._life.adjustments.take_back(*wanted)]
        if not gone:
            said = say("False alarms have changed nothing of that.")
            raise CommandRefused("unknown_adjustment", said)
        told = [f"{one['dev_eui']} {one['channel'] or one['rule']}" for one in gone]
        return Handled({"undone": gone}, [], who | {"adjusted": told, "detail": asked.text})


def entry_of(one: Adjustment) -> dict[str, Json]:
    """Return an adjustment as it is shown."""
    return alert_payloads.adjustment(
        dev_eui=one.dev_eui, rule=one.rule, channel=one.channel, step=one.step,
        sensitivity=one.sensitivity, effect=one.effect(), by=one.by, alert_id=one.alert,
        since_s=one.since_s, expires_s=one.expires_s,
    )  # fmt: skip


def duration_s(text: str) -> float:
    """Return the seconds of `90`, `90m`, `2h`, `3d` or `1w`.

    Raises
    ------
    CommandRefused
        `malformed`.

    """
    found = _DURATION.fullmatch(text.lower())
    if found is None or found[2] not in _UNITS_S:
        said = say("{text} is no duration, such as `90m`, `2h` or `3d`.", text=repr(text[:32]))
        raise CommandRefused("malformed", said)
    return float(found[1]) * _UNITS_S[found[2]]


def _until_s(asked: AlertRequest, now_s: float) -> float:
    if asked.until is not None and asked.for_ is not None:
        raise CommandRefused("malformed", say("Give `for` or `until`, not both."))
    if asked.until is not None:
        until_s = moment_s("until", asked.until)
    elif asked.for_ is not None:
        until_s = now_s + duration_s(str(asked.for_))
    else:
        until_s = now_s + SNOOZE_S
    if not now_s < until_s <= now_s + MAX_SNOOZE_S:
        said = say("A snooze ends in the future, within {span}.", span=duration(MAX_SNOOZE_S))
        raise CommandRefused("malformed", said)
    return until_s


def _read(body: Mapping[str, Json], now_s: float) -> AlertRequest:
    try:
        asked = AlertRequest.model_validate(body)
    except ValidationError as error:
        raise CommandRefused("malformed", mistake_in(error)) from None
    if asked.time is not None:
        check_age(now_s - moment_s("time", asked.time))
    return asked


def _which(name: str, found: Sequence[Alert]) -> str:
    if len(found) > 1:
        return say("{count} open alerts begin with {name}: give more of it.",
                   count=len(found), name=repr(name))  # fmt: skip
    if not name:
        return say("Give the alert's `id`.")
    return say("No alert {name} is open.", name=repr(name[:64]))
