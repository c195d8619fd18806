"""`[chirpstack]` and `[mqtt]`: the network server and the brokers."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Port, Seconds, Section
from gateway.errors import ConfigError


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
