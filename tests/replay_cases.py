"""The cases of `tests/replay`: a folder each, read, relived by a gateway, and compared."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid5

from chirpstack_events import NAMESPACE, up

from gateway.commands.recording import Relived
from gateway.config import load
from gateway.types import Alert, AlertEvent, Delivery, Severity

CASES = Path(__file__).parent / "replay"
RADIO = frozenset({"rssi", "snr"})
DECODED_S = 0.3
"""How long the network server takes from the air to the broker."""


@dataclass(slots=True)
class Told:
    """One alert: as it was told last, with all it was ever told with.

    `hour` is when it was told first, `loud_hour` when first as more than info.
    """

    hour: float
    alert: Alert
    kinds: set[str]
    devices: set[str]
    loud_hour: float | None = None

    def take(self, hour: float, alert: Alert) -> None:
        """Take a further step of its life."""
        self.alert = alert
        self.kinds.add(alert.kind)
        self.devices |= {alert.dev_eui, *alert.peers}
        if self.loud_hour is None and alert.severity is not Severity.INFO:
            self.loud_hour = hour

    def __str__(self) -> str:
        """Return what a person needs to look into it."""
        said = self.alert
        return f"{self.hour:.1f} h {'/'.join(sorted(self.kinds))} ({said.cause}): {said.title}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Alerts that must be told (`after_h` to `before_h`), or may be (`allow`).

    With `all`, every one of `devices` must be named, by one alert or by several; with `says`, its
    title must hold one of these words.
    """

    kinds: frozenset[str]
    causes: frozenset[str]
    at_most: int
    devices: frozenset[str] = frozenset()
    all: bool = False
    says: tuple[str, ...] = ()
    after_h: float = 0.0
    before_h: float = float("inf")

    def fits(self, told: Told) -> bool:
        """Say whether an alert is one of these."""
        return (
            not told.kinds.isdisjoint(self.kinds)
            and told.alert.cause in self.causes
            and (not self.devices or not told.devices.isdisjoint(self.devices))
            and (not self.says or any(word in told.alert.title for word in self.says))
            and self.after_h <= (told.loud_hour or told.hour)
            and told.hour <= self.before_h
        )

    def is_met(self, told: Sequence[Told]) -> bool:
        """Say whether these alerts are all that must be told."""
        named = set().union(*(one.devices for one in told))
        return bool(told) and (not self.all or self.devices <= named)


@dataclass(frozen=True, slots=True)
class Case:
    """One folder: what is in `case.toml`, and the way to its uplinks.

    `missed` says why the gateway does not yet do as it should here, "" where it does.
    """

    folder: Path
    about: str
    start_s: float
    devices: Mapping[str, Mapping[str, str]]
    expect: tuple[Wanted, ...]
    allow: tuple[Wanted, ...]
    missed: str = ""

    @classmethod
    def read(cls, folder: Path) -> Case:
        """Read a case; the names of its devices become DevEUIs."""
        body = tomllib.loads((folder / "case.toml").read_text())
        euis = {name: device["eui"] for name, device in body["devices"].items()}
        return cls(
            folder,
            body["about"],
            datetime.fromisoformat(body["start"]).timestamp(),
            body["devices"],
            tuple(_wanted(one, euis) for one in body.get("expect", ())),
            tuple(_wanted(one, euis) for one in body.get("allow", ())),
            body.get("missed", ""),
        )

    def deliveries(self) -> Iterator[Delivery]:
        """Yield the uplinks as the network server's broker would hand them over."""
        counts = dict.fromkeys(self.devices, -1)
        sessions = dict.fromkeys(self.devices, "")
        with (self.folder / "uplinks.csv").open() as file:
            for row in csv.DictReader(file):
                time_s = self.start_s + float(row.pop("minute")) * 60.0
                name = row.pop("device")
                session, wrong_s = row.pop("session", ""), row.pop("clock_min", "") or "0"
                counts[name] = counts[name] + 1 if session == sessions[name] else 0
                sessions[name] = session
                topic, payload = self._event(name, session, counts[name], time_s, row)
                payload = _stamped(payload, time_s + float(wrong_s) * 60.0)
                yield Delivery(
                    source="chirpstack", topic=topic, payload=payload,
                    received_s=time_s + DECODED_S, qos=1,
                )  # fmt: skip

    def _event(
        self, name: str, session: str, count: int, time_s: float, row: Mapping[str, str]
    ) -> tuple[str, bytes]:
        values = {k: float(v) for k, v in row.items() if v and k not in RADIO}
        topic, payload = up(self.devices[name]["eui"], count, time_s, values)
        event = json.loads(payload)
        profile = self.devices[name]["profile"]
        event["deviceInfo"] |= {
            "deviceName": name, "deviceProfileName": profile, "deviceProfileId": profile,
        }  # fmt: skip
        if session:
            event["devAddr"] = f"{session:0>2}{event['devAddr'][2:]}"
            event["deduplicationId"] = str(uuid5(NAMESPACE, f"{name}/{session}/{count}"))
        event["rxInfo"][0] |= {k: float(row[k]) for k in RADIO if row.get(k)}
        return topic, json.dumps(event).encode()

    async def told(self) -> list[Told]:
        """Live through the case; return every alert that was told."""
        async with Relived(load(self.folder / "settings.toml")) as gateway:
            last_s = self.start_s
            for item in self.deliveries():
                await gateway.take(item)
                last_s = item.received_s
            await gateway.finish()
            await gateway.wait_until(last_s + 300.0)
            return self._lives(gateway.alerts)

    def _lives(self, steps: Sequence[tuple[float, AlertEvent]]) -> list[Told]:
        lives: dict[str, Told] = {}
        for now_s, event in steps:
            alert, hour = event.alert, (now_s - self.start_s) / 3600.0
            lives.setdefault(alert.id, Told(hour, alert, set(), set())).take(hour, alert)
        return list(lives.values())

    def complaints(self, told: Sequence[Told]) -> list[str]:
        """Return what is missing, and what should not have been told; info may always be."""
        left, found = list(told), []
        for wanted in (*self.expect, *self.allow):
            fitting = [one for one in left if wanted.fits(one)]
            if wanted in self.expect and not wanted.is_met(fitting):
                found.append(f"missing: {sorted(wanted.kinds)} of {sorted(wanted.devices)}")
            for one in fitting[: wanted.at_most]:
                left.remove(one)
        return found + [f"not expected: {one}" for one in left if one.loud_hour is not None]


def _stamped(payload: bytes, time_s: float) -> bytes:
    """Return an event as a radio gateway whose clock shows `time_s` makes the server write it."""
    event = json.loads(payload)
    stamp = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds")
    event["time"] = event["rxInfo"][0]["gwTime"] = stamp
    return json.dumps(event).encode()


def cases() -> list[Case]:
    """Return every case there is."""
    return [Case.read(path.parent) for path in sorted(CASES.glob("*/case.toml"))]


def _wanted(body: Mapping[str, object], euis: Mapping[str, str]) -> Wanted:
    devices = body.get("devices", [])
    return Wanted(
        kinds=frozenset(body["kinds"]),  # type: ignore[arg-type]
        causes=frozenset(body["causes"]),  # type: ignore[arg-type]
        at_most=int(str(body.get("at_most", 1))),
        all=bool(body.get("all", False)),
        says=tuple(body.get("says", ())),  # type: ignore[arg-type]
        devices=frozenset(euis[name] for name in devices),  # type: ignore[attr-defined]
        after_h=float(str(body.get("after_h", 0))),
        before_h=float(str(body.get("before_h", "inf"))),
    )
