"""Our messages and settings in paho's and ssl's terms."""

from __future__ import annotations

import ssl

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.config import ConnectionConfig
from gateway.errors import ConfigError
from gateway.types import CORRELATION_DATA, RESPONSE_TOPIC, Message


def properties_of(message: Message) -> Properties:
    """Return the MQTT 5 properties of a message to be published."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    for name, text in message.properties.items():
        if name == RESPONSE_TOPIC:
            properties.ResponseTopic = text
        elif name == CORRELATION_DATA:
            properties.CorrelationData = bytes.fromhex(text)
        else:
            properties.UserProperty = (name, text)
    return properties


def properties_from(properties: Properties | None) -> dict[str, str]:
    """Return what a received message says beside its payload; a name given twice keeps the last."""
    if properties is None:
        return {}
    told = dict(getattr(properties, "UserProperty", ()))
    for name in (RESPONSE_TOPIC, CORRELATION_DATA):
        told.pop(name, None)  # these names are ours: nobody may claim them as plain text
    if (topic := getattr(properties, "ResponseTopic", None)) is not None:
        told[RESPONSE_TOPIC] = topic
    if (data := getattr(properties, "CorrelationData", None)) is not None:
        told[CORRELATION_DATA] = data.hex()
    return told


def tls_context(config: ConnectionConfig) -> ssl.SSLContext:
    """Return the context: the system's authorities unless `ca_file` is set, never unverified.

    Raises
    ------
    ConfigError
        A named file is missing, unreadable, or not what it should be.

    """
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"ca_file = {str(config.ca_file)!r} cannot be used: {error.strerror or error}. "
            "It must be a readable file of PEM certificates."
        ) from error
    context.sslsocket_class = ClosingSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.cert_file is not None:
        try:
            context.load_cert_chain(config.cert_file, config.key_file, password=_no_pass_phrase)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cert_file = {str(config.cert_file)!r} with key_file = {str(config.key_file)!r} "
                f"cannot be used: {error.strerror or error}. They must be a readable PEM "
                "certificate and its own key without a pass phrase."
            ) from error
    return context


class ClosingSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails: paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in ssl
        """Shake hands, see ssl; a socket on which that failed is closed."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def _no_pass_phrase() -> str:
    """Answer for an encrypted key, so that no prompt ever waits on a terminal."""
    return ""
