"""The equipment itself: how each device does, how long its battery lasts, how often it speaks."""

from gateway.alerts.equipment.condition import Battery, Condition, Level, Link
from gateway.alerts.equipment.ledger import LOOKBACK_DAYS, NEWEST, PER_DAY, Equipment, HeardUplink
from gateway.alerts.equipment.sampling import Sampling, advise_sampling

__all__ = [
    "LOOKBACK_DAYS",
    "NEWEST",
    "PER_DAY",
    "Battery",
    "Condition",
    "Equipment",
    "HeardUplink",
    "Level",
    "Link",
    "Sampling",
    "advise_sampling",
]
