"""Settings: one TOML file, then environment variables, then defaults; secrets from files.

`load(path)` is the only way in. Every default is in `deploy/lora-gateway.toml`, which a test holds
against these models. An environment variable `LORA_GATEWAY_<SECTION>__<KEY>` (two underscores
between levels) overrides the file; a value is read as TOML where it is valid TOML, else as text.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.complaints import explain
from gateway.errors import ConfigError

ENV_PREFIX = "LORA_GATEWAY_"
MIN_KEY_BYTES = 16

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


class LorawanConfig(Section):
    """`[lorawan]`: for devices that a radio of our own serves, without a network server.

    `region` is where the devices are. `dwell` is whether the region's longest time on air holds
    for us: `auto` is as the region has it. `class_c_wait_s` is how long a device's answer to a
    confirmed command is waited for before it is sent the next.
    """

    region: Literal["EU868", "US915", "AS923", "AU915", "IN865", "CN470"] = "EU868"
    net_id: Annotated[str, Field(pattern=r"^[0-9a-f]{6}$")] = "000000"
    dwell: Literal["auto", "on", "off"] = "auto"
    class_c_wait_s: Seconds = 15.0


class RadioConfig(Section):
    """`[radios.NAME]`: one board on a serial port, or packet forwarders that send to a UDP port.

    `port` is a path, best under /dev/serial/by-id, or `usb:VID:PID[:SERIAL]`. `baud` 0 and
    `sync_word` -1 are what the dialect usually has. `boot_s` is how long a board that resets when
    its port is opened may take to say its first word. Power is what the board is set to; with the
    antenna's gain it must stay within the region's limit. `hop_hz` are frequencies that our own
    board listens on in turn, `scan_spreading_factors` what it looks for in turn: one or the other,
    and each hears in part (`gateway.types.Hop` and `Scan` say how much).
    """

    dialect: Literal["board", "rn2483", "reyax", "rak811", "rnode", "semtech-udp"] = "board"
    port: str = ""
    baud: Annotated[int, Field(ge=0, le=2_000_000)] = 0
    boot_s: Annotated[float, Field(ge=0, le=30)] = 2.5
    dtr: bool = False
    rts: bool = False
    listen_host: str = "127.0.0.1"
    listen_port: Port = 1700
    frequency_hz: Annotated[int, Field(ge=100_000_000, le=3_000_000_000)] = 868_100_000
    spreading_factor: Annotated[int, Field(ge=5, le=12)] = 7
    bandwidth_hz: Annotated[int, Field(ge=7_800, le=1_700_000)] = 125_000
    coding_rate: Annotated[int, Field(ge=5, le=8)] = 5
    hop_hz: tuple[int, ...] = ()
    hop_dwell_ms: Annotated[int, Field(ge=1, le=600_000)] = 400
    scan_spreading_factors: tuple[int, ...] = ()
    sync_word: Annotated[int, Field(ge=-1, le=0xFF)] = -1
    power_dbm: Annotated[int, Field(ge=-20, le=33)] = 14
    antenna_gain_dbi: Annotated[float, Field(ge=-20, le=20)] = 0.0

    @property
    def exposed(self) -> bool:
        """Whether strangers on the network can speak to it."""
        if self.dialect != "semtech-udp" or self.listen_host == "localhost":
            return False
        try:
            return not ip_address(self.listen_host).is_loopback
        except ValueError:
            return True

    @model_validator(mode="after")
    def _wired(self) -> RadioConfig:
        if self.dialect != "semtech-udp" and not self.port:
            raise ValueError("a board needs its `port`: `lora-gateway detect` lists them")
        if self.hop_hz and self.scan_spreading_factors:
            raise ValueError("`hop_hz` and `scan_spreading_factors` exclude each other")
        return self


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


class LinkAlertConfig(Section):
    """`[alerts.link]`: when a device that is heard badly is reported.

    `loss_percent` of its messages are surely lost (half of it, where it usually loses few), or it
    loses some and its margin is below `margin_db`, or its signal has fallen by `fall_db`; for
    `for_s` without a break.
    """

    enabled: bool = True
    loss_percent: Annotated[float, Field(gt=0, lt=100)] = 20.0
    margin_db: Annotated[float, Field(ge=0, le=30)] = 3.0
    fall_db: Annotated[float, Field(ge=3, le=60)] = 10.0
    for_s: Annotated[float, Field(ge=0)] = 21600.0


class AlertsConfig(Section):
    """`[alerts]`."""

    silence: SilenceConfig = SilenceConfig()
    link: LinkAlertConfig = LinkAlertConfig()
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


DURATION_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""Units in which a command's key may say how long, with the seconds of each."""

Plain = bool | int | float | Annotated[str, Field(max_length=64)]


class CommandKeyConfig(Section):
    """One key of a command: what may stand there. `min` and `max` are allowed themselves.

    Without `required`, the `default` goes where it is left out, and nothing without one.
    """

    type: Literal["integer", "number", "boolean", "text", "enum"] = "number"
    min: float | None = None
    max: float | None = None
    max_length: Annotated[int, Field(ge=1, le=242)] = 64
    unit: str = ""
    values: tuple[Plain, ...] = ()
    required: bool = True
    default: Plain | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CommandKeyConfig:
        if (self.type == "enum") != bool(self.values):
            raise ValueError('`values` go with type = "enum", and it with them')
        if self.type not in {"integer", "number"} and not (self.min is self.max is None):
            raise ValueError("only a number has `min` and `max`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` = {self.min:g} must not exceed `max` = {self.max:g}")
        return self


class VerifyConfig(Section):
    """The reading that proves a command: `channel` shows `value` (± `tolerance`) in time."""

    channel: Annotated[str, Field(min_length=1)]
    value: Plain
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    within_s: Seconds = 7200.0


class CommandConfig(Section):
    """`[profiles."NAME".commands.NAME]`: a command that a device takes, and how far it is trusted.

    The object is made of `fixed` and of the `keys` its sender gives; `hex` is bytes instead. What
    opens or starts something ends by itself: after the time in `duration_key`, which the device
    keeps, or by the command `close_with`, which the gateway sends. `critical` needs two persons.
    """

    f_port: Annotated[int, Field(ge=1, le=223)] | None = None
    confirmed: bool = False
    keys: dict[str, CommandKeyConfig] = {}
    fixed: dict[str, Plain] = {}
    hex: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2} ?){0,242}$")] = ""
    effect: Literal["", "open", "close", "start", "stop"] = ""
    severity: Literal["info", "warning", "critical"] = "info"
    duration_key: str = ""
    close_with: str = ""
    volume_key: str = ""
    flow_l_per_min: Annotated[float, Field(gt=0)] | None = None
    max_s: Seconds | None = None
    max_day_s: Seconds | None = None
    max_day_l: Annotated[float, Field(gt=0)] | None = None
    needs_open: tuple[str, ...] = ()
    in_quiet_hours: bool = False
    verify: VerifyConfig | None = None

    @property
    def begins(self) -> bool:
        """Whether it opens or starts something, which must end again."""
        return self.effect in {"open", "start"}

    @property
    def ends(self) -> bool:
        """Whether it closes or stops something: that is never held up."""
        return self.effect in {"close", "stop"}

    @model_validator(mode="after")
    def _consistent(self) -> CommandConfig:
        if self.hex and (self.keys or self.fixed):
            raise ValueError("`hex` goes without `keys` and `fixed`")
        if self.hex and self.f_port is None:
            raise ValueError("`hex` needs its `f_port`")
        if self.begins and bool(self.duration_key) == bool(self.close_with):
            raise ValueError(
                "what opens or starts must end: give `duration_key` (the device ends it) or "
                "`close_with` (the gateway does)"
            )
        if self.max_day_l and not (self.volume_key or self.flow_l_per_min):
            raise ValueError("`max_day_l` needs `volume_key` or `flow_l_per_min`")
        self._has_keys()
        return self

    def _has_keys(self) -> None:
        names = [*self.keys, *self.fixed]
        for name in names:
            if names.count(name) > 1 or any(one.startswith(f"{name}.") for one in names):
                raise ValueError(f"{name!r} stands for two things among `keys` and `fixed`")
        for name in filter(None, (self.duration_key, self.volume_key)):
            key = self.keys.get(name)
            if key is None or key.type not in {"integer", "number"}:
                raise ValueError(f"{name!r} must be one of its `keys`, a number")
            if not key.required and key.default is None:
                raise ValueError(f"{name!r} must be required, or have a `default`")
        if self.duration_key and self.keys[self.duration_key].unit not in DURATION_UNITS:
            raise ValueError(f"{self.duration_key!r} needs its `unit`: s, min, h or d")


class CommandedConfig(CodecChoice):
    """What may be commanded: with any command named, nothing else is sent to the device."""

    commands: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")],
        CommandConfig,
    ] = {}

    @field_validator("commands")
    @classmethod
    def _closed(cls, commands: dict[str, CommandConfig]) -> dict[str, CommandConfig]:
        for name, command in commands.items():
            other = commands.get(command.close_with)
            if command.close_with and (other is None or not other.ends or other.keys):
                raise ValueError(
                    f"{name}: `close_with` must name a command here whose effect is close or stop, "
                    "and which needs no keys"
                )
        return commands


class ProfileConfig(CommandedConfig):
    """`[profiles."NAME"]`: what holds for every device of a ChirpStack device profile."""

    channels: dict[str, ChannelConfig] = {}


class DeviceConfig(CommandedConfig):
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
    """`[downlink]`: how commands go, what one may leave out, and how often one may come.

    `via` is how the network server is told: `mqtt`, or `api` ([chirpstack.api]). What opens or
    starts something has limits of its own: it expires after `open_expiry_s` where its sender does
    not say, and is given up when the server cannot be told within `open_within_s`. In
    `quiet_hours` (local time of `timezone`, "" for this machine's) nothing is opened or started.
    """

    via: Literal["mqtt", "api"] = "mqtt"
    expiry_s: Seconds = 86400.0
    max_expiry_s: Seconds = 604800.0
    silence_s: Seconds = 7200.0
    per_device_per_hour: Annotated[int, Field(ge=1)] = 20
    per_operator_per_hour: Annotated[int, Field(ge=1)] = 120
    open_expiry_s: Seconds = 3600.0
    open_within_s: Seconds = 300.0
    require_signature: bool = False
    confirm_within_s: Seconds = 600.0
    dry_run: bool = False
    quiet_hours: Annotated[
        str, Field(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
    ] = ""
    timezone: str = ""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError):
                raise ValueError("is no time zone, such as Europe/Berlin") from None
        return name


class OperatorConfig(Section):
    """`[operators.NAME]`: who may command. With any operator named, nobody else may.

    `devices` empty means all. One with a `key_file` signs all commands: else anybody could use the
    name. `username` is the operator's at the broker, NAME where it is empty.
    """

    role: Literal["viewer", "operator", "admin"] = "operator"
    devices: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...] = ()
    key_file: Path | None = None
    username: Annotated[str, Field(pattern=r"^[^\s#+/]*$", max_length=64)] = ""

    def key(self) -> bytes:
        """Return the key, as its file has it less blanks around; b"" without a file.

        Raises
        ------
        ConfigError
            The file cannot be read, or holds fewer than 16 bytes.

        """
        if self.key_file is None:
            return b""
        try:
            key = self.key_file.read_bytes().strip()
        except OSError as error:
            raise ConfigError(
                f"key_file = {str(self.key_file)!r} cannot be read: {error.strerror}. "
                "Make it readable by the service alone (mode 0400)."
            ) from error
        if len(key) < MIN_KEY_BYTES:
            raise ConfigError(
                f"key_file = {str(self.key_file)!r} holds {len(key)} bytes; a key has at least "
                f"{MIN_KEY_BYTES}. `openssl rand -hex 32` makes one."
            )
        return key


class FieldConfig(Section):
    """`[[agronomy.field]]`: one crop on one soil, and the devices that know of it.

    `devices` are DevEUIs or names; the day's figures are told by the first. `planted` is the day of
    sowing or planting, without it the season begins at New Year (1 July in the south). Soil by its
    type, or by its water contents in % of volume. Irrigation is measured by meters over `area_ha`,
    or by valves that bring `irrigation_mm_h`.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]
    devices: Annotated[tuple[str, ...], Field(min_length=1)]
    crop: str = ""
    planted: date | None = None
    gdd_before: Annotated[float, Field(ge=0)] = 0.0
    soil: str = ""
    field_capacity: Annotated[float, Field(gt=0, le=100)] | None = None
    wilting_point: Annotated[float, Field(ge=0, lt=100)] | None = None
    root_depth: Annotated[float, Field(gt=0, le=5)] | None = None
    efficiency: Annotated[float, Field(ge=0.1, le=1)] = 0.75
    area_ha: Annotated[float, Field(gt=0)] | None = None
    irrigation_mm_h: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _soil(self) -> FieldConfig:
        if (self.field_capacity is None) != (self.wilting_point is None):
            raise ValueError("`field_capacity` and `wilting_point` go together")
        if (self.field_capacity or 100.0) <= (self.wilting_point or 0.0):
            raise ValueError("`field_capacity` must be greater than `wilting_point`")
        return self


class TrendConfig(Section):
    """`[[agronomy.trend]]`: one channel of one device (DevEUI or name), its trend over `days`.

    With a `limit` it is told in how many days the trend meets it.
    """

    device: Annotated[str, Field(min_length=1)]
    channel: Annotated[str, Field(min_length=1, max_length=64)]
    limit: float | None = None
    days: Annotated[int, Field(ge=8, le=366)] = 30


class AgronomyConfig(Section):
    """`[agronomy]`: what is derived from readings, and where the place lies.

    `rain_amount` says what a reading of `rain.amount` counts: what fell since the one before
    (`interval`), in the last hour, or since midnight (`day`).
    """

    enabled: bool = True
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    elevation_m: Annotated[float, Field(ge=-450, le=8000)] = 0.0
    time_zone: str = ""
    wind_height_m: Annotated[float, Field(ge=0.5, le=200)] = 2.0
    rain_amount: Literal["interval", "hour", "day"] = "interval"
    frost_below: Annotated[float, Field(ge=-20, le=10)] = 0.0
    air_quality: tuple[Literal["epa", "europe", "china"], ...] = ("epa", "europe", "china")
    field: tuple[FieldConfig, ...] = ()
    trend: tuple[TrendConfig, ...] = ()

    @model_validator(mode="after")
    def _place(self) -> AgronomyConfig:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("`latitude` and `longitude` go together")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            if name:
                ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{name!r} is no time zone known here; write one such as Europe/Berlin"
            ) from None
        return name


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
    lorawan: LorawanConfig = LorawanConfig()
    mqtt: MqttConfig = MqttConfig()
    store: StoreConfig = StoreConfig()
    inference: InferenceConfig = InferenceConfig()
    alerts: AlertsConfig = AlertsConfig()
    downlink: DownlinkConfig = DownlinkConfig()
    codecs: CodecsConfig = CodecsConfig()
    agronomy: AgronomyConfig = AgronomyConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    radios: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], RadioConfig] = {}
    profiles: dict[str, ProfileConfig] = {}
    devices: dict[str, DeviceConfig] = {}
    operators: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")], OperatorConfig] = {}

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
        return self

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
