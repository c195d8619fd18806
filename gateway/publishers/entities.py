"""How Home Assistant should show a channel: platform, device class, unit, precision.

The units are Home Assistant's own spellings. A channel's exact entry goes before its unit's; what
neither names is shown plainly, with its unit and no device class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.speech import known_words, translated
from gateway.types import Channel, ReadingKind


@dataclass(frozen=True, slots=True)
class Look:
    """`unit` None keeps the reading's own; "" shows none. `digits` are decimals shown."""

    device_class: str = ""
    unit: str | None = None
    digits: int | None = None


_BY_CHANNEL = {
    "air.relativeHumidity": Look("humidity", digits=1),
    "air.pressure": Look("atmospheric_pressure", digits=1),
    "air.co2": Look("carbon_dioxide", digits=0),
    "air.co": Look("carbon_monoxide"),
    "air.tvocPpb": Look("volatile_organic_compounds_parts", digits=0),
    "air.iaq": Look("aqi", digits=0),
    "air.pm1_0": Look("pm1"),
    "air.pm2_5": Look("pm25"),
    "air.pm10": Look("pm10"),
    "air.noiseLevel": Look("sound_pressure", digits=1),
    "air.noiseInstant": Look("sound_pressure", digits=1),
    "air.noiseMax": Look("sound_pressure", digits=1),
    "air.noise.day": Look("sound_pressure", digits=1),
    "air.noise.evening": Look("sound_pressure", digits=1),
    "air.noise.night": Look("sound_pressure", digits=1),
    "air.noise.lden": Look("sound_pressure", digits=1),
    "air.aqi.epa": Look("aqi", digits=0),
    "air.aqi.europe": Look(digits=0),
    "air.aqi.china": Look("aqi", digits=0),
    "frost.probability": Look(digits=0),
    "wind.speed": Look("wind_speed", digits=1),
    "wind.gust": Look("wind_speed", digits=1),
    "rain.cumulative": Look("precipitation", digits=1),
    "rain.amount": Look("precipitation", digits=1),
    "leaf.wetness": Look(digits=0),
    "light.uvIndex": Look(unit="UV index", digits=1),
    "soil.moisture": Look("moisture", digits=1),
    "distance": Look("distance", digits=0),
    "metering.water.total": Look("water"),
    "device.battery_percent": Look("battery", digits=0),
    "weight": Look("weight", digits=2),
    "radio.snr": Look("signal_strength", digits=1),
    "radio.downlinkSnr": Look("signal_strength", digits=1),
    "radio.link_margin": Look("signal_strength", digits=1),
    "radio.loss": Look(digits=0),
}
_BY_UNIT = {
    "°C": Look("temperature", digits=1),
    "lux": Look("illuminance", "lx", 0),
    "lx": Look("illuminance", digits=0),
    "hPa": Look("pressure", digits=1),
    "kPa": Look("pressure", digits=2),
    "bar": Look("pressure", digits=2),
    "dS/m": Look("conductivity", "mS/cm", 2),
    "µS/cm": Look("conductivity", digits=0),
    "pH": Look("ph", "", 2),
    "m/s": Look("speed", digits=1),
    "mm/h": Look("precipitation_intensity", digits=1),
    "W/m²": Look("irradiance", digits=0),
    "V": Look("voltage", digits=2),
    "mV": Look("voltage", digits=0),
    "A": Look("current", digits=2),
    "mA": Look("current", digits=1),
    "W": Look("power", digits=1),
    "kW": Look("power", digits=2),
    "var": Look("reactive_power", digits=1),
    "Wh": Look("energy", digits=0),
    "kWh": Look("energy", digits=2),
    "Hz": Look("frequency", digits=2),
    "dBm": Look("signal_strength", digits=0),
    "L/min": Look("volume_flow_rate", digits=2),
    "m³/h": Look("volume_flow_rate", digits=2),
    "min": Look("duration", digits=0),
    "s": Look("duration", digits=0),
    "h": Look("duration", digits=1),
    "d": Look("duration", digits=1),
    "°C·d": Look(digits=0),
    "m": Look("distance", digits=2),
    "cm": Look("distance", digits=1),
}
_BINARY = {
    "water.leak": "moisture",
    "rain.detected": "moisture",
    "action.motion.detected": "motion",
    "action.vibration": "vibration",
    "device.battery_low": "battery",
    "device.external_power": "plug",
    "device.tamper": "tamper",
    "device.tamperSinceReset": "tamper",
    "device.downlinkError": "problem",
    "device.radioError": "problem",
}
_QUIET = frozenset({"radio.rssi", "radio.snr", "radio.spreadingFactor", "radio.downlinkRssi",
                    "radio.downlinkSnr", "radio.subBand", "radio.frequencyBand", "radio.margin",
                    "radio.missed", "device.margin"})  # fmt: skip
"""Diagnostics that only some people want: made, but not switched on."""

_UNANNOUNCED = "radio.frequency_"
"""Channels by frequency: up to 48 of a device, for those who read its state."""

_PLATFORM = {ReadingKind.BOOLEAN: "binary_sensor"}
_STATE_CLASS = {ReadingKind.NUMERIC: "measurement", ReadingKind.COUNTER: "total_increasing"}
_TOTALS = frozenset({"energy", "water", "gas"})
"""Device classes Home Assistant sums up; it refuses them as plain measurements."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[._-]+")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def slug(text: str) -> str:
    """Return lower-case words joined by underscores, as entity ids are written."""
    return _NOT_SLUG.sub("_", text.lower()).strip("_")


def title(channel: Channel) -> str:
    """Return a channel's name for people: `air.relativeHumidity` is Air relative humidity.

    In another language than English it is the catalogue's, where that has one.
    """
    if translated() and (known := known_words(channel)):
        return known
    words = " ".join(word for word in _WORD.split(channel) if word).lower()
    return words[:1].upper() + words[1:]


def is_announced(channel: Channel) -> bool:
    """Tell whether a channel becomes an entity."""
    return not channel.startswith(_UNANNOUNCED)


def traits(channel: Channel, unit: str, kind: ReadingKind) -> dict[str, str | int | bool]:
    """Return what of a discovery component depends on the channel alone."""
    found: dict[str, str | int | bool] = {
        "p": _PLATFORM.get(kind, "sensor"),
        "name": title(channel),
    }
    if kind is ReadingKind.BOOLEAN:
        if channel in _BINARY:
            found["device_class"] = _BINARY[channel]
    elif kind in _STATE_CLASS:
        found |= _measured(channel, unit, kind)
    if channel.startswith(("radio.", "device.")):
        found["entity_category"] = "diagnostic"
    if channel in _QUIET:
        found["enabled_by_default"] = False
    return found


def _measured(channel: Channel, unit: str, kind: ReadingKind) -> dict[str, str | int | bool]:
    look = _BY_CHANNEL.get(_plain(channel)) or _BY_UNIT.get(unit) or Look()
    shown = unit if look.unit is None else look.unit
    device_class = look.device_class
    if (device_class in _TOTALS) != (kind is ReadingKind.COUNTER) and device_class in _TOTALS:
        device_class = ""
    found: dict[str, str | int | bool] = {"state_class": _STATE_CLASS[kind]}
    if device_class:
        found["device_class"] = device_class
    if shown:
        found["unit_of_measurement"] = shown
    if look.digits is not None:
        found["suggested_display_precision"] = look.digits
    return found


def _plain(channel: Channel) -> str:
    """Drop a probe's number at the end: `soil.moisture.2` looks like `soil.moisture`."""
    head, _, tail = channel.rpartition(".")
    return head if head and tail.isdigit() else channel
