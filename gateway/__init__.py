"""LoRa edge gateway: hears sensors, judges their readings, tells people what is wrong."""

__version__ = "0.1.0"
