"""The Things Network's normalized measurements -> an object that the key dictionary reads.

What `normalizeUplink` returns (lorawan-devices, lib/payload.json) is named as our channels are, but
for two: `battery` is in volts there, which elsewhere means per cent, and `time` is no measurement.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.types import Json


def normalized_object(measurement: Mapping[str, Json]) -> dict[str, Json]:
    """Return one measurement as an uplink's object: every leaf becomes the channel of its name."""
    tree = {key: value for key, value in measurement.items() if key not in {"battery", "time"}}
    if (battery := measurement.get("battery")) is not None:
        tree["device"] = {"battery_v": battery}
    return tree
