"""The serial ports of this machine, as pyserial lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

BY_ID = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One port. `stable` is its name that survives unplugging, "" without one.

    `usb` is `VID:PID` in hex, "" for a port that is not on USB.
    """

    device: str
    stable: str
    usb: str
    product: str
    manufacturer: str
    serial_number: str


def serial_ports(by_id: Path = BY_ID) -> list[SerialPort]:
    """Return every serial port that a device is behind, in order of name."""
    stable = _stable_names(by_id)
    return sorted(
        (
            SerialPort(
                device=port.device,
                stable=stable.get(str(Path(port.device).resolve()), ""),
                usb=f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else "",
                product=port.product or "",
                manufacturer=port.manufacturer or "",
                serial_number=port.serial_number or "",
            )
            for port in list_ports.comports()
        ),
        key=lambda port: port.device,
    )


def _stable_names(by_id: Path) -> dict[str, str]:
    if not by_id.is_dir():
        return {}
    return {str(link.resolve()): str(link) for link in sorted(by_id.iterdir())}
