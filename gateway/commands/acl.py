"""`lora-gateway init --acl`: the operators of the settings as mosquitto's access list.

Form: mosquitto.conf(5), `acl_file`: `user NAME`, then `topic read|write|readwrite PATTERN`; what is
not allowed is refused. A broker knows topics and no commands: who may command which device is the
topic `device/<eui>/set`, and requests that may be about any device go to those who may command all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.config import Config, OperatorConfig, load
from gateway.control import PROGRAM_VERBS
from gateway.errors import ConfigError, GatewayError

GATEWAY = "lora-gateway"
"""The gateway's name at the broker where the settings give none, as in deploy/mosquitto."""

QUESTIONS = (
    "info", "health", "health/devices", "devices",
    "alert/list", "alert/show", "alert/chart", "alert/adjustments", "alert/digest",
    "rule/list", "rule/get", "rule/test", "program/list", "program/simulate",
)  # fmt: skip
RULE_CHANGES = ("add", "remove", "enable", "disable")
PROGRAM_STOP = "program/stop"


def write(config_path: Path | None, out: Path, *, force: bool) -> int:
    """Write the list; never over a file that is there unless forced."""
    config = load(config_path)
    if not config.operators:
        raise ConfigError("No [operators.NAME] is in the settings: there is nobody to let in.")
    if out.exists() and not force:
        raise GatewayError(f"{out} is there already; --force overwrites it.")
    try:
        out.write_text("\n".join(lines(config)) + "\n", encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error
    print(f"{out} written. Name it in mosquitto's `acl_file`, and set `allow_anonymous false`.")
    return 0


def lines(config: Config) -> Iterator[str]:
    """Yield the lines of the access list: the gateway first, then each operator."""
    base, own = config.mqtt.base, config.mqtt.username or GATEWAY
    yield "# Made by `lora-gateway init --acl` from the settings; make it again after a change."
    yield f"user {own}"
    yield f"topic readwrite {base}/#"
    if config.mqtt.home_assistant:
        yield f"topic write {config.mqtt.home_assistant_prefix}/device/+/config"
        yield f"topic read {config.mqtt.home_assistant_prefix}/status"
    if config.chirpstack.enabled and _shares_broker(config):
        events = _pattern(config.chirpstack.event_topic)
        commands = _pattern(config.chirpstack.command_topic)
        yield f"user {config.chirpstack.mqtt.username or own}"
        yield f"topic read {events}"
        yield f"topic write {commands}"
        yield ""
        yield "user chirpstack"
        yield f"topic write {events}"
        yield f"topic read {commands}"
        yield "topic readwrite +/gateway/#"
    for name, operator in sorted(config.operators.items()):
        yield ""
        yield f"user {operator.username or name}"
        yield f"topic read {base}/#"
        yield from (f"topic write {base}/{topic}" for topic in _writable(operator))


def _writable(operator: OperatorConfig) -> Iterator[str]:
    yield from (f"bridge/request/{verb}" for verb in QUESTIONS)
    if operator.role == "viewer":
        return
    yield "bridge/request/alert/+"
    for device in operator.devices or ("+",):
        yield f"device/{device}/set"
        yield f"device/{device}/set/+"
    yield "bridge/request/stop"
    yield f"bridge/request/{PROGRAM_STOP}"
    yield "bridge/request/confirm"
    if not operator.devices:
        yield "bridge/request/downlink"
        yield from (f"bridge/request/rule/{verb}" for verb in RULE_CHANGES)
        yield from (f"bridge/request/{verb}" for verb in sorted(PROGRAM_VERBS - {PROGRAM_STOP}))
        yield "group/+/set"
        yield "group/+/set/+"
    if operator.role == "admin":
        yield "bridge/request/resume"


def _shares_broker(config: Config) -> bool:
    one, other = config.mqtt, config.chirpstack.mqtt
    return (one.host, one.port) == (other.host, other.port)


def _pattern(template: str) -> str:
    for level in ("application_id", "dev_eui", "event", "command"):
        template = template.replace(f"{{{level}}}", "+")
    return template
