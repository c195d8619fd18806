"""What a channel is called by people. One that is not known here keeps its own name."""

from __future__ import annotations

import re

from gateway.speech.voice import Phrase, phrase, say
from gateway.types import Channel

_WORDS: dict[str, Phrase] = {
    "soil.moisture": phrase("soil moisture"),
    "soil.temperature": phrase("soil temperature"),
    "soil.ec": phrase("soil salinity"),
    "soil.poreec": phrase("salinity of the soil water"),
    "soil.salinity": phrase("soil salinity"),
    "soil.ph": phrase("soil pH"),
    "soil.permittivity": phrase("soil permittivity"),
    "soil.waterpotential": phrase("soil water tension"),
    "soil.n": phrase("soil nitrogen"),
    "soil.p": phrase("soil phosphorus"),
    "soil.k": phrase("soil potassium"),
    "air.temperature": phrase("air temperature"),
    "air.relativehumidity": phrase("air humidity"),
    "air.co2": phrase("CO₂"),
    "air.co": phrase("carbon monoxide"),
    "air.o2": phrase("oxygen"),
    "air.o3": phrase("ozone"),
    "air.no2": phrase("nitrogen dioxide"),
    "air.so2": phrase("sulphur dioxide"),
    "air.pressure": phrase("air pressure"),
    "air.lightintensity": phrase("light"),
    "air.pm1_0": phrase("very fine dust (PM1)"),
    "air.pm2_5": phrase("fine dust (PM2.5)"),
    "air.pm10": phrase("dust (PM10)"),
    "air.tvoc": phrase("volatile organic compounds"),
    "air.tvocppb": phrase("volatile organic compounds"),
    "air.iaq": phrase("indoor air quality index"),
    "air.noiselevel": phrase("noise level"),
    "air.noiseinstant": phrase("noise now"),
    "air.noisemax": phrase("loudest noise"),
    "air.noise.day": phrase("noise by day"),
    "air.noise.evening": phrase("noise in the evening"),
    "air.noise.night": phrase("noise at night"),
    "air.noise.lden": phrase("noise of day, evening and night"),
    "air.dewpoint": phrase("dew point"),
    "air.vpd": phrase("vapour pressure deficit"),
    "air.wetbulb": phrase("wet bulb temperature"),
    "air.heatindex": phrase("heat index"),
    "air.aqi.epa": phrase("air quality index (US)"),
    "air.aqi.europe": phrase("air quality index (Europe)"),
    "air.aqi.china": phrase("air quality index (China)"),
    "air.aqi.leading": phrase("leading pollutant"),
    "frost.probability": phrase("the chance of frost"),
    "frost.lowest": phrase("the lowest temperature expected"),
    "frost.wetbulb": phrase("the lowest wet bulb temperature expected"),
    "surface.temperature": phrase("surface temperature"),
    "water.temperature": phrase("water temperature"),
    "water.ph": phrase("pH of the water"),
    "water.ec": phrase("conductivity of the water"),
    "water.dissolvedoxygen": phrase("dissolved oxygen"),
    "water.oxygensaturation": phrase("oxygen saturation"),
    "water.turbidity": phrase("turbidity"),
    "water.tds": phrase("dissolved solids"),
    "water.orp": phrase("redox potential"),
    "water.chlorine": phrase("chlorine"),
    "water.salinity": phrase("salinity of the water"),
    "water.level": phrase("water level"),
    "water.levelm": phrase("water level"),
    "water.flow": phrase("water flow"),
    "water.flowlpm": phrase("water flow"),
    "water.volume": phrase("water volume"),
    "water.totalvolume": phrase("water volume in total"),
    "water.distance": phrase("distance to the water"),
    "water.leak": phrase("leak detector"),
    "water.leakcount": phrase("number of leaks"),
    "water.leakduration": phrase("duration of the leak"),
    "pipe.pressure": phrase("pipe pressure"),
    "tank.level": phrase("tank level"),
    "tank.distance": phrase("distance to the water"),
    "distance": phrase("distance"),
    "weight": phrase("weight"),
    "wind.speed": phrase("wind speed"),
    "wind.gust": phrase("wind gust"),
    "wind.direction": phrase("wind direction"),
    "rain.amount": phrase("rain"),
    "rain.cumulative": phrase("rain in total"),
    "rain.intensity": phrase("rain intensity"),
    "rain.detected": phrase("rain detector"),
    "leaf.wetness": phrase("leaf wetness"),
    "leaf.temperature": phrase("leaf temperature"),
    "light.par": phrase("light for photosynthesis"),
    "light.uvindex": phrase("UV index"),
    "light.level": phrase("light"),
    "light.solarradiation": phrase("solar radiation"),
    "valve.state": phrase("valve"),
    "valve.opening": phrase("valve opening"),
    "pump.state": phrase("pump"),
    "pump.current": phrase("pump current"),
    "relay.state": phrase("relay"),
    "metering.water.total": phrase("water meter"),
    "metering.energy": phrase("electricity meter"),
    "metering.pulses": phrase("pulse count"),
    "electric.voltage": phrase("voltage"),
    "electric.current": phrase("current"),
    "electric.power": phrase("power"),
    "electric.frequency": phrase("mains frequency"),
    "electric.powerfactor": phrase("power factor"),
    "action.motion.detected": phrase("motion"),
    "action.motion.count": phrase("number of motions"),
    "action.vibration": phrase("vibration"),
    "tilt.angle": phrase("tilt"),
    "radio.rssi": phrase("signal strength"),
    "radio.snr": phrase("signal to noise ratio"),
    "radio.link_margin": phrase("margin above what can be heard"),
    "radio.loss": phrase("loss of messages"),
    "radio.missed": phrase("messages missed"),
    "radio.spreadingfactor": phrase("spreading factor"),
    "device.battery_v": phrase("battery voltage"),
    "device.battery_percent": phrase("battery charge"),
    "device.battery_low": phrase("battery warning"),
    "device.solar_v": phrase("solar voltage"),
    "device.external_power": phrase("external power"),
    "device.temperature": phrase("device temperature"),
    "device.uptime": phrase("time since the last restart"),
    "device.tamper": phrase("tamper contact"),
    "device.silent_for": phrase("silence"),
}
"""Keys in lower case."""

_FIELD = {
    "et0": phrase("reference evapotranspiration of {field}"),
    "cropet": phrase("water use of the crop of {field}"),
    "rain": phrase("rain on {field}"),
    "gdd": phrase("degree days of {field}"),
    "gddday": phrase("degree days of {field} in a day"),
    "stage": phrase("growth stage of {field}"),
    "nextstage": phrase("next growth stage of {field}"),
    "nextstagedays": phrase("time to the next growth stage of {field}"),
    "chillhours": phrase("chill hours of {field}"),
    "depletion": phrase("missing soil water of {field}"),
    "readywater": phrase("readily available soil water of {field}"),
    "stress": phrase("water stress of {field}"),
    "irrigation": phrase("irrigation due on {field}"),
    "irrigationhours": phrase("duration of the irrigation due on {field}"),
    "irrigationdays": phrase("time to the next irrigation of {field}"),
    "irrigationreason": phrase("why {field} is to be irrigated"),
}
_TREND = {
    "mean": phrase("daily mean of {channel}"),
    "slope": phrase("trend of {channel}"),
    "daystolimit": phrase("time until {channel} meets its limit"),
}
_PARTS = {
    "min": phrase("lowest"),
    "minimum": phrase("lowest"),
    "max": phrase("highest"),
    "maximum": phrase("highest"),
    "avg": phrase("on average"),
    "average": phrase("on average"),
    "mean": phrase("on average"),
    "median": phrase("median"),
    "indoor": phrase("indoors"),
    "inside": phrase("inside"),
    "outdoor": phrase("outdoors"),
    "outside": phrase("outside"),
    "top": phrase("at the top"),
    "upper": phrase("at the top"),
    "middle": phrase("in the middle"),
    "bottom": phrase("at the bottom"),
    "lower": phrase("at the bottom"),
}
"""What a payload's own words at the end of a name mean; see the key dictionary's qualifiers."""
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_GAP = re.compile(r"[._]+")


def words_of(channel: Channel) -> str:
    """Return the channel's name as one would say it, with its number or depth where it has one."""
    name = str(channel)
    return known_words(name) or _GAP.sub(" ", _WORD.sub(" ", name)).strip() or name


def known_words(name: str) -> str:
    """Return a channel's name where the catalogue has one, "" where it does not."""
    lower = name.lower()
    if (words := _WORDS.get(lower)) is not None:
        return say(words)
    # The longest known name that it begins with: `air.aqi.epa` before `air`.
    head = lower
    while "." in head:
        head = head.rpartition(".")[0]
        if (words := _WORDS.get(head)) is not None:
            parts = name[len(head) + 1 :].split(".")
            said = " ".join(map(_part, parts))
            return say("{channel} {part}", channel=say(words), part=said)
    return _derived(name)


def _part(part: str) -> str:
    known = _PARTS.get(part.lower())
    return part if known is None else say(known)


def _derived(name: str) -> str:
    """Name what is told of a field or of a trend: `field.North.et0`, `trend.air.co2.slope`."""
    kind, _, rest = name.partition(".")
    inner, _, what = rest.rpartition(".")
    if kind == "field" and (words := _FIELD.get(what.lower())) is not None:
        return say(words, field=inner)
    if kind == "trend" and (words := _TREND.get(what.lower())) is not None:
        return say(words, channel=words_of(Channel(inner)))
    return ""
