"""`lora-gateway detect`: what is plugged in."""

from __future__ import annotations

import json
from dataclasses import asdict

from gateway.links.serial_ports import serial_ports


def run(*, as_json: bool) -> int:
    """Print the serial ports of this machine under the names that survive unplugging."""
    ports = serial_ports()
    if as_json:
        print(json.dumps([asdict(port) for port in ports]))
    elif not ports:
        print("No serial port with a device behind it.")
    else:
        for port in ports:
            what = " ".join(filter(None, (port.manufacturer, port.product))) or "no USB device"
            print(f"{port.stable or port.device}  {port.usb or '-'}  {what}")
    return 0
