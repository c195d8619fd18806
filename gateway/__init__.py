"""LoRa edge gateway: hears sensors, judges their readings at the edge, tells people what is wrong."""
