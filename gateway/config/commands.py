"""`[downlink]`, `[operators.NAME]`, and what commands a device takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Seconds, Section
from gateway.errors import ConfigError

MIN_KEY_BYTES = 16


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
    `interval_key` says how often the device measures: the gateway may set it, see [advice].
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
    interval_key: str = ""
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
        self._sets_interval()
        return self

    def _sets_interval(self) -> None:
        if not self.interval_key:
            return
        key = self.keys.get(self.interval_key)
        if self.effect or self.severity == "critical":
            raise ValueError("what sets an interval has no `effect` and is not critical")
        if key is None or key.type not in {"integer", "number"}:
            raise ValueError(f"{self.interval_key!r} must be one of its `keys`, a number")
        if key.min is None or key.max is None or key.min <= 0:
            raise ValueError(f"{self.interval_key!r} needs a `min` above 0 and a `max`")
        if key.unit not in DURATION_UNITS:
            raise ValueError(f"{self.interval_key!r} needs its `unit`: s, min, h or d")
        for name, other in self.keys.items():
            if name != self.interval_key and other.required and other.default is None:
                raise ValueError(
                    f"{name!r} needs a `default`: the gateway gives the interval alone"
                )

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


class DownlinkConfig(Section):
    """`[downlink]`: how commands go, what one may leave out, and how often one may come.

    A confirmed command that neither opens, starts, closes nor stops anything is given again up to
    `retries` times when the network server drops it.
    `via` is how the network server is told: `mqtt`, or `api` ([chirpstack.api]). What opens or
    starts something has limits of its own: it expires after `open_expiry_s` where its sender does
    not say, and is given up when the server cannot be told within `open_within_s`. In
    `quiet_hours` (local time of `timezone`, "" for this machine's) nothing is opened or started.
    """

    via: Literal["mqtt", "api"] = "mqtt"
    expiry_s: Seconds = 86400.0
    max_expiry_s: Seconds = 604800.0
    silence_s: Seconds = 7200.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
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
