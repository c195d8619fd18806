"""The equipment's part beside the alerts: its condition as it is told, and intervals that are set.

A device is looked at once a day, and soon after an alert on it begins or ends. Where the settings
say `[advice] sampling = "send"` and the device has a command with an `interval_key`, the interval
goes as a command of the gateway's own, at most once a day, through every check that an operator's
goes through.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.alerts.equipment import Battery, Condition, Equipment, Sampling
from gateway.alerts.equipment.sampling import ROUND_S
from gateway.config import DURATION_UNITS, CommandConfig, Config
from gateway.control import Catalogue, CommandParser, Target, refused
from gateway.devices import Device
from gateway.errors import CommandRefused
from gateway.publishers import values
from gateway.types import Alert, Channel, DevEui, Downlink, Forecast, Json

DAY_S = 86400.0
AT_ONCE = 20
"""Devices looked at in one call: the others have their turn in the next."""

GATEWAY = "gateway"
"""Who gives these commands."""

_KEPT = "sampling:"

TargetOf = Callable[[DevEui], Target | None]


@dataclass(slots=True)
class Advised:
    """What a look came to: advice that is new, None where it is over, and commands to take up.

    `kept` is for the store, so that a restart and the command line know of it.
    """

    changed: dict[DevEui, Sampling | None] = field(default_factory=dict)
    kept: dict[str, Json] = field(default_factory=dict)
    commands: list[tuple[Downlink, bool]] = field(default_factory=list)


class SamplingAdviser:
    """Advises how often devices should measure. `parser` checks commands as any other's."""

    def __init__(
        self, config: Config, equipment: Equipment, catalogue: Catalogue, parser: CommandParser
    ) -> None:
        self.equipment = equipment
        self._mode = config.advice.sampling
        self._catalogue = catalogue
        self._parser = parser
        self._looked_s: dict[DevEui, float] = {}
        self._sent_s: dict[DevEui, float] = {}

    def restore(self, downlinks: Iterable[Downlink], kept: Mapping[str, Json]) -> None:
        """Take up what the last run has sent and advised."""
        self.equipment.restore(kept_sampling(kept))
        for one in downlinks:
            spec = self._catalogue.spec(one)
            if one.by == GATEWAY and spec is not None and spec.interval_key:
                self._sent_s[one.dev_eui] = max(
                    one.created_s, self._sent_s.get(one.dev_eui, one.created_s)
                )

    def hasten(self, dev_eui: DevEui) -> None:
        """Look at a device again soon: something has begun or ended there."""
        self._looked_s.pop(dev_eui, None)

    def look(
        self, devices: Iterable[Device], alerts: Sequence[Alert], target_of: TargetOf, now_s: float
    ) -> Advised:
        """Look at some of the devices whose turn it is."""
        advised = Advised()
        if self._mode == "off":
            return advised
        due = [
            one
            for one in devices
            if not 0 <= now_s - self._looked_s.get(one.info.dev_eui, -DAY_S) < DAY_S
        ]
        for device in due[:AT_ONCE]:
            self._looked_s[device.info.dev_eui] = now_s
            self._look_at(device, alerts, target_of, now_s, advised)
        return advised

    def _look_at(
        self,
        device: Device,
        alerts: Sequence[Alert],
        target_of: TargetOf,
        now_s: float,
        advised: Advised,
    ) -> None:
        dev_eui = device.info.dev_eui
        before = self.equipment.sampling(dev_eui)
        self._catalogue.learn(device.info)
        name, spec = self._command_of(dev_eui)
        least_s, most_s = _limits(spec) if spec is not None else (ROUND_S[0], ROUND_S[-1])
        found = self.equipment.advise(
            dev_eui, _forecasts(device), alerts, least_s=least_s, most_s=most_s
        )
        if found != before:
            advised.changed[dev_eui] = found
            advised.kept[_KEPT + dev_eui] = sampling_json(found)
        if self._mode != "send" or found is None or spec is None:
            return
        if 0 <= now_s - self._sent_s.get(dev_eui, -DAY_S) < DAY_S:
            return
        self._sent_s[dev_eui] = now_s
        payload = _command(dev_eui, name, spec, found, now_s)
        advised.commands.append(self._checked(dev_eui, payload, target_of, now_s))

    def _command_of(self, dev_eui: DevEui) -> tuple[str, CommandConfig | None]:
        commands = self._catalogue.of(dev_eui)
        found = ((name, spec) for name, spec in commands.items() if spec.interval_key)
        return next(found, ("", None))

    def _checked(
        self, dev_eui: DevEui, payload: bytes, target_of: TargetOf, now_s: float
    ) -> tuple[Downlink, bool]:
        """Return the command as it was taken up, or refused, and whether it is to be carried."""
        try:
            return self._parser.parse(
                dev_eui, None, payload, retained=False, now_s=now_s, target=target_of(dev_eui)
            )
        except CommandRefused as refusal:
            return refused(dev_eui, None, payload, refusal, now_s), False


def _command(
    dev_eui: DevEui, name: str, spec: CommandConfig, advice: Sampling, now_s: float
) -> bytes:
    """Return the message that an operator would send to set the interval."""
    key = spec.keys[spec.interval_key]
    number = advice.wanted_s / DURATION_UNITS[key.unit]
    value = round(number) if key.type == "integer" else number
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"lora-gateway:interval|{dev_eui}|{now_s!r}")
    command = {"id": str(identity), "command": name, "object": {spec.interval_key: value}}
    return json.dumps({**command, "by": GATEWAY}).encode()


def condition_json(found: Condition) -> dict[str, Json]:
    """Return a device's condition as programs read it; figures in metric units."""
    link = found.link
    return {
        "dev_eui": found.device.dev_eui,
        "name": found.device.name,
        "profile": found.device.profile,
        "firmware": found.firmware,
        "level": found.level.value,
        "judgement": found.judgement,
        "last_seen": values.rfc3339(found.last_seen_s),
        "every_s": values.number(found.every_s),
        "battery": _battery_json(found.battery),
        "link": {
            "rssi_dbm": values.number(link.rssi_dbm),
            "snr_db": values.number(link.snr_db),
            "margin_db": values.number(link.margin_db),
            "loss_percent": values.number(link.loss_percent),
        },
        "restarts": found.restarts,
        "alerts": [
            {"id": one.id, "kind": one.kind, "severity": one.severity.value}
            for one in found.alerts
        ],
        "sampling": sampling_json(found.sampling),
    }  # fmt: skip


def sampling_json(advice: Sampling | None) -> dict[str, Json] | None:
    """Return advice on an interval as programs read it."""
    if advice is None:
        return None
    return {
        "every_s": values.number(advice.every_s),
        "wanted_s": values.number(advice.wanted_s),
        "case": advice.case,
        "channel": advice.channel,
        "advice": advice.text,
    }


def kept_sampling(kept: Mapping[str, Json]) -> dict[DevEui, Sampling]:
    """Return the advice among what the store keeps beside commands."""
    found = {}
    for name, told in kept.items():
        if name.startswith(_KEPT) and isinstance(told, dict):
            found[DevEui(name.removeprefix(_KEPT))] = Sampling(
                float(told["every_s"]), float(told["wanted_s"]),
                str(told["case"]), Channel(str(told["channel"])),
            )  # fmt: skip
    return found


def _battery_json(battery: Battery | None) -> dict[str, Json] | None:
    if battery is None:
        return None
    forecast = battery.forecast
    told: dict[str, Json] = {
        "channel": battery.channel,
        "value": values.number(battery.value),
        "unit": battery.unit,
        "days_left": None,
    }
    if forecast is not None:
        told |= {
            "per_day": values.number(forecast.per_day),
            "days_left": values.number(forecast.days),
            "soonest_days": values.number(forecast.soonest),
            "latest_days": values.number(forecast.latest),
        }
    return told


def _limits(spec: CommandConfig) -> tuple[float, float]:
    key = spec.keys[spec.interval_key]
    unit_s = DURATION_UNITS[key.unit]
    return unit_s * (key.min or 0.0), unit_s * (key.max or 0.0)


def _forecasts(device: Device) -> list[Forecast]:
    """Return what is expected of each channel, as far as its newest message tells."""
    found: Mapping[str, Forecast] = {
        verdict.channel: verdict.forecast
        for verdict in device.verdicts.values()
        if verdict.forecast is not None and np.isfinite(verdict.forecast.quantiles).all()
    }
    return list(found.values())
