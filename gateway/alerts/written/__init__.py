"""Rules that people write: `[[rule]]` in the settings, in a rules folder, or over MQTT."""

from gateway.alerts.written.engine import DueAction, WrittenRules
from gateway.alerts.written.scope import Place
from gateway.alerts.written.telling import RULE_PREFIX
from gateway.alerts.written.words import describe

__all__ = ["RULE_PREFIX", "DueAction", "Place", "WrittenRules", "describe"]
