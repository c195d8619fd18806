"""A simulated farm: physics, devices, radio and a network server, with a script of faults.

It speaks as ChirpStack v4 does, byte for byte, so the whole daemon can be shown and tested without
a radio::

    script -> world (weather, ground, water, indoors) -> devices -> faulty -> payloads
           -> radio -> events -> farm
"""

from gateway.sources.simulated_farm.devices import APPLICATION_ID, DEVICES, Device
from gateway.sources.simulated_farm.farm import START_S, Farm, FarmEvent
from gateway.sources.simulated_farm.faults import Fault
from gateway.sources.simulated_farm.judging import Judgement, Outcome, SeenAlert, judge
from gateway.sources.simulated_farm.script import SCENARIO_DAYS, Script

__all__ = [
    "APPLICATION_ID",
    "DEVICES",
    "SCENARIO_DAYS",
    "START_S",
    "Device",
    "Farm",
    "FarmEvent",
    "Fault",
    "Judgement",
    "Outcome",
    "Script",
    "SeenAlert",
    "judge",
]
