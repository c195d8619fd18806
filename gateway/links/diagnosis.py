"""Plain sentences for what goes wrong on an MQTT connection: what happened and what to do."""

from __future__ import annotations

import socket
import ssl

from paho.mqtt.reasoncodes import ReasonCode

from gateway.config import ConnectionConfig
from gateway.errors import GatewayError

NOT_AUTHORISED = 0x87
PERMANENT_REFUSALS = frozenset({NOT_AUTHORISED, 0x90, 0x95, 0x99})
"""PUBACK codes that asking again does not change: not authorised, topic, size, format."""

_CONNACK = {
    0x80: "refused the connection without a reason; its log says more",
    0x81: "could not read our connect message; something between may not speak MQTT",
    0x84: "does not speak MQTT {version}; set `version` to the other one",
    0x85: "does not accept the client id {client_id!r}; set another `client_id`",
    0x86: "refused the user name or password; check `username` and `password` or `password_file`",
    0x87: "does not allow this user to connect; check `username`, the password and its access list",
    0x88: "is not available; look at its log",
    0x89: "is busy; trying again",
    0x8A: "has banned this client; ask its administrator",
    0x8C: "wants another way of authentication than user name and password",
    0x9F: "limits how often we may connect; trying again",
}
_DISCONNECT = {
    0x8B: "is shutting down",
    0x8E: "gave our session to another client with the id {client_id!r}; "
    "give each program its own `client_id`",
    0x8D: "heard nothing from us for too long",
    0x93: "was sent more unacknowledged messages than it takes",
    0x95: "was sent a message larger than it takes",
    0x98: "closed the connection by its administrator's wish",
}


def refused(code: ReasonCode, config: ConnectionConfig) -> str:
    """Say why the broker did not accept us (CONNACK)."""
    return _broker(config) + _reason(_CONNACK, code, "refused the connection", config) + "."


def ended(code: ReasonCode, config: ConnectionConfig, *, by_broker: bool, accepted: bool) -> str:
    """Say why a connection ended, be it before or after the broker accepted us."""
    if not accepted:
        return _broker(config) + "ended the connection before accepting it; " + _suspect(config)
    if not by_broker:
        return f"{_broker(config)}closed the connection or the network broke."
    return _broker(config) + _reason(_DISCONNECT, code, "ended the connection", config) + "."


def subscription_refused(topic: str, code: ReasonCode) -> str:
    """Say that the broker will not send us `topic` (SUBACK)."""
    why = "" if code.value == 0x80 else f" ({code.getName()})"  # noqa: PLR2004 - no reason given
    return f"The broker refused the subscription to {topic!r}{why}; allow this user to read it."


def publish_refused(topic: str, code: ReasonCode) -> str:
    """Say that the broker did not take a message (PUBACK)."""
    if code.value == NOT_AUTHORISED:
        return f"The broker does not let this user publish to {topic!r}; allow it to write there."
    return f"The broker did not take a message for {topic!r}: {code.getName()}."


def failed(error: Exception, config: ConnectionConfig) -> str:  # noqa: PLR0911 - a table of cases
    """Say why no connection could be made."""
    where = f"{config.host}:{config.port}"
    match error:
        case GatewayError():
            return str(error)
        case ssl.SSLError():
            return _tls(error, config)
        case socket.gaierror():
            return f"The host name {config.host!r} is not known here; check `host` and the network."
        case ConnectionRefusedError():
            return f"Nothing listens at {where}; is the broker running, are `host`, `port` right?"
        case TimeoutError():
            return f"{where} does not answer; check `host`, `port`, the network and any firewall."
        case ConnectionResetError() | BrokenPipeError():
            return f"{where} closed the connection at once; does that port want TLS (`tls = true`)?"
        case OSError():
            return f"{where} cannot be reached: {error.strerror or error}."
    return f"No connection to {where}: {error}."


def _tls(error: ssl.SSLError, config: ConnectionConfig) -> str:
    where = f"{config.host}:{config.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {where} is not trusted: {error.verify_message}. Set `ca_file` to "
            "the authority that issued it, and `host` to a name the certificate holds."
        )
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer" in reason:
        return f"{where} does not speak TLS; set `tls = false` or the broker's TLS port."
    if "alert" in reason or "certificate required" in reason:
        return (
            f"{where} refused our certificate ({reason}); set `cert_file` and `key_file` to a pair "
            "that the broker's authority issued."
        )
    return f"TLS with {where} failed: {reason}."


def _suspect(config: ConnectionConfig) -> str:
    if not config.tls:
        return "does that port want TLS (`tls = true`)?"
    if config.cert_file is None:
        return "it may want our certificate: set `cert_file` and `key_file`."
    return "check that its authority issued our certificate (`cert_file`, `key_file`)."


def _broker(config: ConnectionConfig) -> str:
    return f"The broker at {config.host}:{config.port} "


def _reason(
    table: dict[int, str], code: ReasonCode, otherwise: str, config: ConnectionConfig
) -> str:
    text = table.get(code.value, f"{otherwise} ({code.getName()})")
    return text.format(version=config.version, client_id=config.client_id)
