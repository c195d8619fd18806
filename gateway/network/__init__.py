"""The LoRaWAN network server's part, for radios of our own. See README.md here."""

from gateway.network.devices import Kind, RadioDevice, from_record, to_record

__all__ = ["Kind", "RadioDevice", "from_record", "to_record"]
