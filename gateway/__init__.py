"""LoRa edge gateway: hears sensors, judges their readings, tells people what is wrong."""

import os

__version__ = "0.1.0"

# From 1.29 on the official onnxruntime builds write an identifier of the machine to its disk and
# report every model and session to their maker, unless this is set before the first import.
# Nothing leaves this machine but what the user's own brokers are told.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
