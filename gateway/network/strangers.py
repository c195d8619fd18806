"""Frames that are nobody's of ours: counted, and the newest of them shown.

A neighbour's sensors are heard everywhere: their frames are no bad input, only not for us. But a
device of one's own that was not registered, or with a wrong key, looks just the same, so what was
heard is shown with what to do about it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping

from gateway.types import Json

SHOWN = 20

ADVICE: Mapping[str, str] = {
    "unknown_dev_addr": "A neighbour's, or a device personalised by hand that is not registered: "
    "`lora-gateway devices add --dev-addr`.",
    "mic_failed": "The address is one of ours and the key is not: a neighbour's, or the NwkSKey of "
    "this device was mistyped.",
    "join_mic_failed": "The device is registered with another AppKey than it has.",
    "unknown_device": "It asks to join and is not registered: `lora-gateway devices add "
    "--dev-eui`.",
    "unknown_node": "A home-made node that is not registered: `lora-gateway devices add "
    "--node-id`.",
    "not_an_uplink": "Another gateway's downlink.",
    "not_lorawan": "No frame of LoRaWAN or of ours: other LoRa traffic.",
}
"""Reason -> what it means and what to do."""


class Strangers:
    """Bounded: the newest `SHOWN` identities, and counts by reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._newest: OrderedDict[tuple[str, str], dict[str, Json]] = OrderedDict()

    def heard(self, reason: str, who: str, now_s: float) -> bool:
        """Count one frame; tell whether this one was not among the newest before."""
        self.counts[reason] += 1
        key = (reason, who)
        entry = self._newest.pop(key, None)
        is_new = entry is None
        entry = entry or {"reason": reason, "who": who, "frames": 0, "advice": ADVICE[reason]}
        entry["frames"] += 1
        entry["last_s"] = round(now_s)
        self._newest[key] = entry
        while len(self._newest) > SHOWN:
            self._newest.popitem(last=False)
        return is_new

    def health(self) -> Mapping[str, Json]:
        """Return counts, and the newest with advice, newest first."""
        newest = [dict(one) for one in reversed(self._newest.values())]
        return {"counts": dict(self.counts), "newest": newest}
