"""What becomes of an alert between the rule that raised it and the people who read it.

Rule events go in, what is told comes out: people's acknowledgements, snoozes, comments and false
alarms; a budget and its digest; and nothing that flaps.
"""

from gateway.alerts.life.adjustments import Adjustment, Adjustments, restored
from gateway.alerts.life.digest import NAME as DIGEST
from gateway.alerts.life.digest import Digest
from gateway.alerts.life.life import REMEMBERED_S, FalseAlarm, Life

__all__ = [
    "DIGEST",
    "REMEMBERED_S",
    "Adjustment",
    "Adjustments",
    "Digest",
    "FalseAlarm",
    "Life",
    "restored",
]
