"""One cause, one alert: what the rules raise is gathered, explained and told once."""

from gateway.alerts.causes.groups import Causes
from gateway.alerts.causes.steps import newest_steps

__all__ = ["Causes", "newest_steps"]
