"""The equipment itself: how each device does, how long its battery lasts, how often it speaks."""

from gateway.alerts.equipment.condition import Battery, Condition, Level, Link
from gateway.alerts.equipment.ledger import Equipment, HeardUplink
from gateway.alerts.equipment.sampling import Sampling, advise_sampling

__all__ = [
    "Battery",
    "Condition",
    "Equipment",
    "HeardUplink",
    "Level",
    "Link",
    "Sampling",
    "advise_sampling",
]
