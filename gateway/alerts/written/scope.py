"""Whom a rule is about: devices by DevEUI, name, profile, area, field or tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.config import Config, RuleConfig
from gateway.types import DeviceInfo


@dataclass(frozen=True, slots=True)
class Place:
    """What the settings say of devices: the area of each DevEUI, and who stands in each field."""

    areas: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> Place:
        """Return the place of the settings; a field holds DevEUIs and names as written."""
        return cls(
            {eui: one.area for eui, one in config.devices.items() if one.area},
            {one.name: frozenset(one.devices) for one in config.agronomy.field},
        )

    def fits(self, rule: RuleConfig, device: DeviceInfo) -> bool:
        """Tell whether a rule is about a device: every kind of selector that is given must fit."""
        names = {str(device.dev_eui), device.name}
        if rule.devices and names.isdisjoint(rule.devices):
            return False
        if rule.profiles and {device.profile, device.profile_id}.isdisjoint(rule.profiles):
            return False
        if rule.areas and self.areas.get(device.dev_eui, "") not in rule.areas:
            return False
        if rule.fields and not any(
            names & self.fields.get(name, frozenset()) for name in rule.fields
        ):
            return False
        return all(device.tags.get(tag) == value for tag, value in rule.tags.items())


def is_called(device: DeviceInfo, name: str) -> bool:
    """Tell whether a device has this DevEUI or name."""
    return name in (device.dev_eui, device.name)
