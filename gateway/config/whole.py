"""The whole settings file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from gateway.config.advice import AdviceConfig
from gateway.config.agronomy import AgronomyConfig
from gateway.config.alerts import AlertsConfig
from gateway.config.brokers import ChirpStackConfig, MqttConfig
from gateway.config.commands import DownlinkConfig, OperatorConfig
from gateway.config.devices import CodecsConfig, DeviceConfig, ProfileConfig
from gateway.config.inference import InferenceConfig
from gateway.config.machine import LimitsConfig, LogConfig, SiteConfig, StoreConfig
from gateway.config.programs import GroupConfig, Name, ProgramConfig
from gateway.config.radios import LorawanConfig, RadioConfig
from gateway.config.rules import RuleConfig, unique
from gateway.config.section import Section


class Config(Section):
    """The whole file."""

    site: SiteConfig = SiteConfig()
    chirpstack: ChirpStackConfig = ChirpStackConfig()
    lorawan: LorawanConfig = LorawanConfig()
    mqtt: MqttConfig = MqttConfig()
    store: StoreConfig = StoreConfig()
    inference: InferenceConfig = InferenceConfig()
    alerts: AlertsConfig = AlertsConfig()
    rule: tuple[RuleConfig, ...] = ()
    advice: AdviceConfig = AdviceConfig()
    downlink: DownlinkConfig = DownlinkConfig()
    codecs: CodecsConfig = CodecsConfig()
    agronomy: AgronomyConfig = AgronomyConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    radios: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], RadioConfig] = {}
    profiles: dict[str, ProfileConfig] = {}
    devices: dict[str, DeviceConfig] = {}
    operators: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")], OperatorConfig] = {}
    programs: dict[Name, ProgramConfig] = {}
    groups: dict[Name, GroupConfig] = {}

    @field_validator("radios")
    @classmethod
    def _own_ports(cls, radios: dict[str, RadioConfig]) -> dict[str, RadioConfig]:
        ends = [
            f"{radio.listen_host}:{radio.listen_port}"
            if radio.dialect == "semtech-udp"
            else radio.port
            for radio in radios.values()
        ]
        if twice := {end for end in ends if ends.count(end) > 1}:
            raise ValueError(f"two radios cannot share {', '.join(sorted(twice))}")
        if taken := {"chirpstack", "operator"} & radios.keys():
            raise ValueError(f"{', '.join(taken)} is the name of something else; choose another")
        return radios

    @field_validator("rule")
    @classmethod
    def _own_names(cls, rules: tuple[RuleConfig, ...]) -> tuple[RuleConfig, ...]:
        return unique(rules)

    @field_validator("devices")
    @classmethod
    def _eui(cls, devices: dict[str, DeviceConfig]) -> dict[str, DeviceConfig]:
        for key in devices:
            if len(key) != 16 or any(c not in "0123456789abcdef" for c in key):  # noqa: PLR2004
                raise ValueError(f"device key {key!r} must be a DevEUI: 16 lower-case hex digits")
        return devices

    @model_validator(mode="after")
    def _commandable(self) -> Config:
        if self.downlink.via == "api" and not self.chirpstack.api.server:
            raise ValueError('downlink.via = "api" needs [chirpstack.api] `server`')
        if self.downlink.require_signature and not any(
            one.key_file for one in self.operators.values()
        ):
            raise ValueError(
                "downlink.require_signature needs an [operators.NAME] with a `key_file`"
            )
        multicast = any(group.multicast_group_id for group in self.groups.values())
        if multicast and not self.chirpstack.api.server:
            raise ValueError("a group's multicast_group_id needs [chirpstack.api] `server`")
        return self

    def eui_of(self, device: str) -> str:
        """Return the DevEUI that a setting means, given itself or as a name of `[devices]`."""
        named = (eui for eui, one in self.devices.items() if one.name == device)
        return next(named, device.lower())

    def public(self) -> dict[str, Any]:
        """Return the settings as JSON, with every secret taken out."""
        tree = self.model_dump(mode="json")
        for section in (tree["mqtt"], tree["chirpstack"]["mqtt"]):
            section["password"] = "set" if section["password"] else ""
        tree["rule"] = [one.model_dump(mode="json", exclude_defaults=True) for one in self.rule]
        api = tree["chirpstack"]["api"]
        api["token"] = "set" if api["token"] else ""
        return tree
