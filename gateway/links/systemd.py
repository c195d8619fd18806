"""Talking to systemd: readiness, status and the watchdog (sd_notify(3)), without a library.

The protocol is one datagram of `KEY=value` lines to the socket named in `NOTIFY_SOCKET`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Systemd:
    """Sends notifications; does nothing when not started by systemd."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        self._address = env.get("NOTIFY_SOCKET", "")
        self._watchdog_us = env.get("WATCHDOG_USEC", "")

    @property
    def watchdog_s(self) -> float | None:
        """How long systemd waits for a sign of life, None when it does not watch."""
        return int(self._watchdog_us) / 1e6 if self._watchdog_us.isdigit() else None

    def ready(self) -> None:
        """Say that start-up is finished."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """Say that the stop is under way."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A leading "@" names a socket in the abstract namespace, whose first byte is 0.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
            try:
                wire.sendto(text.encode(), address)
            except OSError:
                # systemd is gone or the socket is full: it will notice by itself.
                return
