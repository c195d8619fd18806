"""Which radio gateways hear a device, and whose devices are lost with one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from gateway.types import DevEui

KEPT = 8
"""Newest uplinks of a device that are remembered."""

_NEEDED = 3
_OF_A_DEVICE = 16


class Paths:
    """Who heard whom lately, by our own clock. Bounded: 8 uplinks of a device, by 16 gateways."""

    def __init__(self) -> None:
        self._heard: dict[DevEui, deque[frozenset[str]]] = {}
        self._last_s: dict[str, float] = {}

    def heard(self, dev_eui: DevEui, gateways: Iterable[str], received_s: float) -> None:
        """Take which gateways heard an uplink."""
        by = frozenset(sorted({*gateways} - {""})[:_OF_A_DEVICE])
        if not by:
            return
        self._heard.setdefault(dev_eui, deque(maxlen=KEPT)).append(by)
        for gateway in by:
            self._last_s[gateway] = max(received_s, self._last_s.get(gateway, received_s))

    def only(self, dev_eui: DevEui) -> str:
        """Return the gateway without which a device is not heard, "" when there are others."""
        heard = self._heard.get(dev_eui, ())
        if len(heard) < _NEEDED:
            return ""
        by = frozenset.union(*heard)
        return next(iter(by)) if len(by) == 1 else ""

    def last_s(self, gateway: str) -> float | None:
        """Return when a gateway last heard anybody, None when it never did."""
        return self._last_s.get(gateway)

    def shared(self, devices: Sequence[DevEui]) -> str:
        """Return the gateway that alone hears all of these devices, "" when there is none."""
        found = {self.only(dev_eui) for dev_eui in devices}
        return next(iter(found)) if len(found) == 1 else ""

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device, and gateways that nobody needs."""
        if self._heard.pop(dev_eui, None) is not None:
            used = {gateway for heard in self._heard.values() for by in heard for gateway in by}
            self._last_s = {name: at for name, at in self._last_s.items() if name in used}
