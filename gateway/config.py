"""Settings: one TOML file, then environment variables, then defaults; secrets from files.

`load(path)` is the only way in. Every default is in `deploy/lora-gateway.toml`, which a test holds
against these models. An environment variable `LORA_GATEWAY_<SECTION>__<KEY>` (two underscores
between levels) overrides the file; a value is read as TOML where it is valid TOML, else as text.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.complaints import explain
from gateway.errors import ConfigError

ENV_PREFIX = "LORA_GATEWAY_"

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SiteConfig(Section):
    """`[site]`: what this installation is called in messages."""

    name: str = "Farm"


class ConnectionConfig(Section):
    """How to reach one MQTT broker."""

    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "lora-gateway"
    version: Literal["3.1.1", "5"] = "5"
    username: str = ""
    password: str = ""
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    reconnect_min_s: Seconds = 0.5
    reconnect_max_s: Seconds = 30.0

    @model_validator(mode="after")
    def _consistent(self) -> ConnectionConfig:
        if self.password and self.password_file:
            raise ValueError("give `password` or `password_file`, not both")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("`cert_file` and `key_file` go together")
        if self.reconnect_min_s > self.reconnect_max_s:
            raise ValueError(
                f"`reconnect_min_s` = {self.reconnect_min_s:g} must not exceed "
                f"`reconnect_max_s` = {self.reconnect_max_s:g}"
            )
        return self

    def secret(self) -> str:
        """Return the password, read from its file where one is named."""
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"password_file = {str(self.password_file)!r} cannot be read: {error}. "
                "Make it readable by the service alone (mode 0400)."
            ) from error


class UplinkConnectionConfig(ConnectionConfig):
    """`[chirpstack.mqtt]`: its own session, which keeps uplinks while the gateway is away."""

    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "lora-gateway-in"


class ChirpStackApiConfig(Section):
    """`[chirpstack.api]`: the server's own API (gRPC), where its payload codecs come from.

    Nothing is asked where `server` is "". `tenant_id` is for a tenant's key: the server lists its
    tenants to an administrator's key alone.
    """

    server: Annotated[str, Field(pattern=r"^$|^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}$")] = ""
    tenant_id: str = ""
    token: str = ""
    token_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    refresh_s: Annotated[float, Field(ge=60)] = 3600.0

    @model_validator(mode="after")
    def _consistent(self) -> ChirpStackApiConfig:
        if self.token and self.token_file:
            raise ValueError("give `token` or `token_file`, not both")
        if self.server and not (self.token or self.token_file):
            raise ValueError("`server` needs `token_file`: ChirpStack makes keys under API keys")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("`cert_file` and `key_file` go together")
        return self

    @property
    def host(self) -> str:
        """The server's name or address alone."""
        return self.server.rpartition(":")[0].strip("[]")

    @property
    def exposed(self) -> bool:
        """Whether the token crosses a network in the clear."""
        if self.tls or self.host in {"", "localhost"}:
            return False
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return True

    def secret(self) -> str:
        """Return the token, read from its file where one is named; never empty.

        Raises
        ------
        ConfigError
            The file cannot be read, or what it holds is no token.

        """
        text = self.token
        if self.token_file is not None:
            try:
                text = self.token_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"token_file = {str(self.token_file)!r} cannot be read: {error}. "
                    "Make it readable by the service alone (mode 0400)."
                ) from error
        text = text.strip()
        if not text or any(not " " < mark <= "~" for mark in text):
            raise ConfigError(
                f"chirpstack.api.{'token_file' if self.token_file else 'token'} holds no API key: "
                "it is one line without blanks, as ChirpStack shows it once."
            )
        return text


class ChirpStackConfig(Section):
    """`[chirpstack]`: uplinks from a ChirpStack v4 server's MQTT integration."""

    enabled: bool = True
    encoding: Literal["json", "protobuf", "auto"] = "auto"
    event_topic: str = "application/{application_id}/device/{dev_eui}/event/{event}"
    command_topic: str = "application/{application_id}/device/{dev_eui}/command/{command}"
    mqtt: UplinkConnectionConfig = UplinkConnectionConfig()
    api: ChirpStackApiConfig = ChirpStackApiConfig()

    @field_validator("event_topic", "command_topic")
    @classmethod
    def _has_device(cls, topic: str) -> str:
        if "{dev_eui}" not in topic:
            raise ValueError("the template must contain {dev_eui}")
        if "#" in topic or "+" in topic:
            raise ValueError("write {application_id}, {dev_eui}, {event} where a level varies")
        return topic


class MqttConfig(ConnectionConfig):
    """`[mqtt]`: where readings, verdicts and alerts go, and commands come from."""

    base: Annotated[str, Field(pattern=r"^[^#+\s/][^#+\s]*$")] = "lora-gateway"
    home_assistant: bool = True
    home_assistant_prefix: str = "homeassistant"
    history_per_s: Annotated[int, Field(ge=1, le=10000)] = 1000
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = "lora-gateway-out"


class StoreConfig(Section):
    """`[store]`: the database on this machine.

    A batch without an alert waits up to `commit_wait_s` for company, which spares the SD card.
    """

    path: Path = Path("/var/lib/lora-gateway/gateway.db")
    max_mb: Annotated[int, Field(ge=16)] = 2048
    max_days: Annotated[int, Field(ge=1)] = 90
    commit_wait_s: Annotated[float, Field(ge=0, le=1)] = 1.0


PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]


class InferenceConfig(Section):
    """`[inference]`: which model pack, and when a sample counts as anomalous.

    `pack` is "" for the one that `models install` put into `packs`, else the one that ships with
    the gateway. `trusted_keys` are the Ed25519 keys (base64) whose packs may be installed.
    `false_alarm_p` is the fused p-value below which one sample is abnormal; an alert needs
    `persistence` abnormal samples among the newest `persistence_of`. With `episodes_per_week`, how
    many false episodes the whole site may raise in a week, `false_alarm_p` is found from it.
    """

    enabled: bool = True
    pack: str = ""
    packs: Path = Path("/var/lib/lora-gateway/packs")
    trusted_keys: tuple[PublicKey, ...] = ()
    warm_samples: Annotated[int, Field(ge=16, le=4096)] = 64
    episodes_per_week: Annotated[float, Field(ge=0, le=10000)] = 0.0
    false_alarm_p: Probability = 0.0002
    persistence: Annotated[int, Field(ge=1, le=100)] = 3
    persistence_of: Annotated[int, Field(ge=1, le=100)] = 5

    @model_validator(mode="after")
    def _k_of_n(self) -> InferenceConfig:
        if self.persistence > self.persistence_of:
            raise ValueError(
                f"`persistence` = {self.persistence} must not exceed "
                f"`persistence_of` = {self.persistence_of}"
            )
        return self


class ThresholdConfig(Section):
    """`[[alerts.threshold]]`: a limit of the user's own, with hysteresis.

    Fires when the channel's value has been below `below` (or above `above`) for `for_s`; ends when
    it has come back by `hysteresis`. `devices` and `profiles` narrow it; empty means all.
    """

    name: Annotated[str, Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    channel: Annotated[str, Field(min_length=1)]
    below: float | None = None
    above: float | None = None
    hysteresis: Annotated[float, Field(ge=0)] = 0.0
    for_s: Annotated[float, Field(ge=0)] = 0.0
    severity: Literal["info", "warning", "critical"] = "warning"
    kind: str = "threshold"
    title: str = ""
    advice: str = ""
    devices: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_side(self) -> ThresholdConfig:
        if (self.below is None) == (self.above is None):
            raise ValueError("give exactly one of `below` and `above`")
        return self


class SilenceConfig(Section):
    """`[alerts.silence]`: when a device that has gone quiet is reported.

    The limit is learned from each device's own intervals; it is never shorter than `min_s` nor
    longer than `max_s`.
    """

    enabled: bool = True
    min_s: Seconds = 600.0
    max_s: Seconds = 172800.0
    intervals: Annotated[float, Field(ge=2)] = 4.0


class AlertsConfig(Section):
    """`[alerts]`."""

    silence: SilenceConfig = SilenceConfig()
    threshold: tuple[ThresholdConfig, ...] = ()
    late_after_s: Seconds = 3600.0

    @field_validator("threshold")
    @classmethod
    def _unique(cls, rules: tuple[ThresholdConfig, ...]) -> tuple[ThresholdConfig, ...]:
        names = [rule.name for rule in rules]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"threshold names must be unique; twice: {', '.join(sorted(twice))}")
        return rules


class ChannelConfig(Section):
    """What one payload key becomes. An empty `channel` drops nothing: it keeps the key's name.

    `value * scale + offset` gives `unit`.
    """

    channel: str = ""
    unit: str | None = None
    kind: Literal["numeric", "counter", "boolean", "enum", "text"] | None = None
    scale: float = 1.0
    offset: float = 0.0


class CodecChoice(Section):
    """Which codec decodes a device, by name or by vendor and model, and whose decoding goes.

    `decoding` is "" for what `[codecs]` says. `variables` are handed to the codec.
    """

    codec: str = ""
    vendor: str = ""
    model: str = ""
    decoding: Literal["", "auto", "server", "own"] = ""
    variables: dict[str, str] = {}


class ProfileConfig(CodecChoice):
    """`[profiles."NAME"]`: what holds for every device of a ChirpStack device profile."""

    channels: dict[str, ChannelConfig] = {}


class DeviceConfig(CodecChoice):
    """`[devices.DEVEUI]`: what holds for one device; goes before its profile."""

    name: str = ""
    area: str = ""
    channels: dict[str, ChannelConfig] = {}
    command_f_port: Annotated[int, Field(ge=1, le=223)] | None = None


class CodecsConfig(Section):
    """`[codecs]`: how payloads become objects where the network server does not do it.

    `decoding` is `auto` (the server's object where there is one, else ours), `server` or `own`.
    With `compare`, both are made where both can be, and disagreements are counted and shown.
    A script may use `time_ms` of CPU time per message and `memory_mb`; `isolated` gives every
    message of every script a context of its own.
    """

    folder: Path = Path("/var/lib/lora-gateway/codecs")
    decoding: Literal["auto", "server", "own"] = "auto"
    compare: bool = True
    fetch: bool = True
    reload_s: Seconds = 5.0
    time_ms: Annotated[int, Field(ge=5, le=5000)] = 100
    memory_mb: Annotated[int, Field(ge=1, le=256)] = 8
    isolated: bool = False
    alert_after: Annotated[int, Field(ge=1, le=1000)] = 3


class DownlinkConfig(Section):
    """`[downlink]`: what a command may leave out, and how often one may come."""

    expiry_s: Seconds = 86400.0
    max_expiry_s: Seconds = 604800.0
    silence_s: Seconds = 7200.0
    per_device_per_hour: Annotated[int, Field(ge=1)] = 20


class LimitsConfig(Section):
    """`[limits]`: what strangers' input may cost."""

    payload_bytes: Annotated[int, Field(ge=1024)] = 262144
    object_keys: Annotated[int, Field(ge=1)] = 256
    devices: Annotated[int, Field(ge=1)] = 5000
    new_devices_per_minute: Annotated[int, Field(ge=1)] = 1000
    known_devices_only: bool = False
    queue: Annotated[int, Field(ge=64)] = 4096
    quarantine_rows: Annotated[int, Field(ge=10)] = 2000


class LogConfig(Section):
    """`[log]`: `auto` is JSON under systemd and plain lines on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Config(Section):
    """The whole file."""

    site: SiteConfig = SiteConfig()
    chirpstack: ChirpStackConfig = ChirpStackConfig()
    mqtt: MqttConfig = MqttConfig()
    store: StoreConfig = StoreConfig()
    inference: InferenceConfig = InferenceConfig()
    alerts: AlertsConfig = AlertsConfig()
    downlink: DownlinkConfig = DownlinkConfig()
    codecs: CodecsConfig = CodecsConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    profiles: dict[str, ProfileConfig] = {}
    devices: dict[str, DeviceConfig] = {}

    @field_validator("devices")
    @classmethod
    def _eui(cls, devices: dict[str, DeviceConfig]) -> dict[str, DeviceConfig]:
        for key in devices:
            if len(key) != 16 or any(c not in "0123456789abcdef" for c in key):  # noqa: PLR2004
                raise ValueError(f"device key {key!r} must be a DevEUI: 16 lower-case hex digits")
        return devices

    def public(self) -> dict[str, Any]:
        """Return the settings as JSON, with every secret taken out."""
        tree = self.model_dump(mode="json")
        for section in (tree["mqtt"], tree["chirpstack"]["mqtt"]):
            section["password"] = "set" if section["password"] else ""
        api = tree["chirpstack"]["api"]
        api["token"] = "set" if api["token"] else ""
        return tree


def load(path: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Read the file (defaults alone when None) and the environment.

    Raises
    ------
    ConfigError
        The file cannot be read, is not TOML, or a key or value is wrong; the text names each.

    """
    tree = _read(path) if path is not None else {}
    variables = _override(tree, os.environ if environment is None else environment)

    def origin_of(key: str) -> str:
        return f"{variables[key]}: " if key in variables else ""

    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        where = str(path) if path else "the settings"
        raise ConfigError(f"{where}: {explain(error, Config, origin_of)}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist. `lora-gateway init --out {path}` writes one."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _override(tree: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put the environment's values over the file's; return which variable set which key."""
    variables: dict[str, str] = {}
    for name, text in environment.items():
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        *parents, key = name.removeprefix(ENV_PREFIX).lower().split("__")
        table = tree
        for parent in parents:
            below = table.setdefault(parent, {})
            if not isinstance(below, dict):
                raise ConfigError(f"{name} goes through {parent!r}, which is not a table.")
            table = below
        table[key] = _value(text)
        variables[".".join((*parents, key))] = name
    return variables


def _value(text: str) -> Any:  # noqa: ANN401 - whatever TOML says it is
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
