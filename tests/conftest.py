"""Fixtures every folder may use, and one profile for every property test."""

from brokers import mosquitto, start_mosquitto
from hypothesis import settings

__all__ = ["mosquitto", "start_mosquitto"]

# Machines under test are busy and slow: a time limit per example would only be noise.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")
