"""Fixtures every folder may use."""

from brokers import mosquitto, start_mosquitto

__all__ = ["mosquitto", "start_mosquitto"]
