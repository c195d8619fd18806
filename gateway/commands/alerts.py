"""`lora-gateway alerts`: what is stored is read here, what changes anything the gateway does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gateway.alerts import reason_sentence
from gateway.alerts.life import DIGEST, restored
from gateway.codecs import format_rfc3339
from gateway.commands.downlink import name_of, sign_for
from gateway.commands.inspect import reading
from gateway.commands.wire import ask
from gateway.config import load
from gateway.errors import ConfigError, GatewayError
from gateway.handling import entry_of
from gateway.publishers import alert_payloads, payloads
from gateway.types import Alert, DevEui, Json

SHORT = 8
_DAY_S = 86400.0
_ONE_OF = frozenset({"comment", "false-alarm"})


def list_open(config_path: Path | None, device: str | None, *, as_json: bool) -> int:
    """Print the alerts that are open, the oldest first."""
    with reading(load(config_path)) as store:
        found = [one for one in store.open_alerts() if _is_of(one, device)]
    return _print(found, as_json=as_json, nothing="No alert is open.")


def list_over(
    config_path: Path | None, device: str | None, days: float, limit: int, *, as_json: bool
) -> int:
    """Print the alerts that were over in the last days, the newest first."""
    dev_eui = DevEui(device.lower()) if device else None
    with reading(load(config_path)) as store:
        found = store.ended_alerts(time.time() - days * _DAY_S, dev_eui, limit)
    return _print(found, as_json=as_json, nothing=f"No alert ended in the last {days:g} days.")


def show(config_path: Path | None, name: str, *, as_json: bool) -> int:
    """Print one alert; exit status 1 when there is none, or more than one begins so."""
    with reading(load(config_path)) as store:
        exact = store.alert(name)
        known = [exact] if exact else [*store.open_alerts(), *store.ended_alerts(0.0)]
    found = [one for one in known if one.id.startswith(name)]
    if len(found) != 1:
        said = f"{len(found)} alerts begin" if found else "No alert begins"
        raise GatewayError(f"{said} with {name!r}.")
    if as_json:
        print(json.dumps(payloads.alert_entry(found[0])))
    else:
        print("\n".join(_whole(found[0])))
    return 0


def adjustments(config_path: Path | None, *, as_json: bool) -> int:
    """Print what false alarms have changed."""
    with reading(load(config_path)) as store:
        found = restored(store.alert_memory())
    if as_json:
        print(json.dumps([entry_of(one) for one in found]))
    elif not found:
        print("False alarms have changed nothing.")
    else:
        for one in found:
            print(f"{one.dev_eui}  {one.channel or one.rule}  step {one.step}  {one.effect()}")
            print(
                f"{'':16}  since {_minute(format_rfc3339(one.since_s))}  "
                f"until {_minute(format_rfc3339(one.expires_s))}  by {one.by or 'somebody'}"
            )
    return 0


def digest(config_path: Path | None, *, as_json: bool) -> int:
    """Print the newest digest."""
    with reading(load(config_path)) as store:
        kept = store.alert_memory().get(DIGEST)
    newest = alert_payloads.digest(kept) if kept else None
    if as_json:
        print(json.dumps(newest))
    elif newest is None:
        print("There was no digest yet: every alert was told by itself.")
    else:
        print(f"{newest['time']}  {newest['title']}.")
        print("  " + ", ".join(f"{kind}: {count}" for kind, count in newest["kinds"].items()))
        for title in newest["titles"]:
            print(f"  {title}")
    return 0


def ask_for(
    config_path: Path | None,
    verb: str,
    fields: Mapping[str, str],
    *,
    by: str | None,
    wait_s: float,
    as_json: bool,
) -> int:
    """Have the running gateway do it and print what came of it; 0 when it was done."""
    config = load(config_path)
    if verb not in _ONE_OF and verb != "undo" and ("id" in fields) == ("dev_eui" in fields):
        raise ConfigError("Give an alert's ID, or --device for all alerts of one.")
    body: dict[str, object] = {**fields, "by": name_of(config, by)}
    if "signature" not in body:
        sign_for(config, "", body, request=f"alert/{verb}")
    answer = asyncio.run(ask(config.mqtt, f"alert/{verb}", body, wait_s))
    if as_json:
        print(json.dumps(answer))
    else:
        print(answer["error"] or _done(answer["data"]))
    return 0 if answer["status"] == "ok" else 1


def _done(data: Mapping[str, Json]) -> str:
    if "said" in data:
        return f"Ended as a false alarm. {data['said']}"
    if "undone" in data:
        gone = [f"{one['dev_eui']} {one['channel'] or one['rule']}" for one in data["undone"]]
        return f"Taken back: {', '.join(gone)}."
    return "\n".join(f"{one['id'][:SHORT]}  {one['title']}{_marks(one)}" for one in data["alerts"])


def _print(found: Sequence[Alert], *, as_json: bool, nothing: str) -> int:
    entries = [payloads.alert_entry(one) for one in found]
    if as_json:
        print(json.dumps(entries))
    elif not entries:
        print(nothing)
    else:
        for one in entries:
            print(f"{one['id'][:SHORT]}  {one['severity']:<8}  {_minute(one['first_seen'])}  "
                  f"{one['title']}{_marks(one)}")  # fmt: skip
    return 0


def _marks(entry: Mapping[str, Json]) -> str:
    """Return what people and the budget made of an alert, in brackets."""
    marks = [
        f"acknowledged by {entry['ack']}" if entry["ack"] else "",
        f"snoozed until {_minute(entry['snoozed_until'])}" if entry["snoozed_until"] else "",
        "in the digest only" if entry["in_digest"] else "",
        f"came again {_counted(entry['recurred'], 'time')}" if entry["recurred"] else "",
        f"well since {_minute(entry['well_since'])}" if entry["well_since"] else "",
        "false alarm" if entry["false_alarm"] else "",
        _counted(len(entry["comments"]), "comment"),
        f"ended {_minute(entry['end_time'])}" if entry["end_time"] else "",
    ]
    said = ", ".join(filter(None, marks))
    return f"  ({said})" if said else ""


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}" if count else ""


def _whole(alert: Alert) -> Iterable[str]:
    entry = payloads.alert_entry(alert)
    yield f"{alert.title}{_marks(entry)}"
    yield from (f"  {reason_sentence(reason)}" for reason in alert.reason)
    if alert.advice:
        yield f"  {alert.advice}"
    yield f"  {alert.severity}, {alert.kind}, cause {alert.cause}, rule {alert.rule}"
    yield f"  device {alert.dev_eui}" + (f" and {len(alert.peers)} more" if alert.peers else "")
    yield f"  id {alert.id}"
    yield f"  first seen {entry['first_seen']}, last seen {entry['last_seen']}"
    for one in alert.care.comments:
        yield f"  {_minute(format_rfc3339(one.time_s))}  {one.by or 'somebody'}: {one.text}"


def _minute(text: str) -> str:
    """Return an RFC 3339 time to the minute."""
    return f"{text[:16]}Z"


def _is_of(alert: Alert, device: str | None) -> bool:
    return device is None or device.lower() in (alert.dev_eui, *alert.peers)
