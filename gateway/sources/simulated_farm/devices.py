"""The farm's devices: who they are, how often they speak, and what they measure.

A device measures true values through its own noise; `encode` turns what it measured into bytes and
`object`. Between the two a scripted fault may spoil it. A measurement's keys are those of `object`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from uuid import NAMESPACE_OID, uuid5

from gateway.sources.simulated_farm import payloads
from gateway.sources.simulated_farm.chance import clamp
from gateway.sources.simulated_farm.ground import bulk_conductivity_us_cm
from gateway.sources.simulated_farm.indoors import noise_dba
from gateway.sources.simulated_farm.payloads import Encoded
from gateway.sources.simulated_farm.water import SENSOR_ABOVE_FLOOR_MM
from gateway.sources.simulated_farm.weather import DAY_S
from gateway.sources.simulated_farm.world import State

Measured = dict[str, float]
MINUTE_S = 60.0
APPLICATION_ID = str(uuid5(NAMESPACE_OID, "simulated farm"))
APPLICATION = "Simulated farm"


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `measure(state, random, age_s)` reads the world, `encode` makes the payload.

    `age_s` is how long the farm has run; `mean_dbm` the strength at barn and hill.
    """

    name: str
    title: str
    dev_eui: str
    profile: str
    f_port: int
    interval_s: float
    measure: Callable[[State, Random, float], Measured]
    encode: Callable[[Measured], Encoded]
    mean_dbm: tuple[float, float]
    data_rate: int = 5
    class_c: bool = False
    valve: str | None = None

    @property
    def profile_id(self) -> str:
        """The network server's id of the device profile."""
        return str(uuid5(NAMESPACE_OID, self.profile))


def _battery_v(age_s: float, air_c: float, random: Random, full_v: float = 3.58) -> float:
    worn = 0.0011 * age_s / DAY_S
    return full_v - worn - 0.0005 * max(0.0, 20.0 - air_c) + random.gauss(0.0, 0.004)


def _soil(field: str, *, lower: bool, salts: float) -> Callable[[State, Random, float], Measured]:
    def measure(state: State, random: Random, age_s: float) -> Measured:
        ground = state.fields[field]
        moisture = ground.lower_pct if lower else ground.upper_pct
        soil_c = ground.lower_c if lower else ground.upper_c
        ec = bulk_conductivity_us_cm(moisture, soil_c, salts)
        return {
            "BatV": _battery_v(age_s, soil_c, random),
            "water_SOIL": clamp(moisture + random.gauss(0.0, 0.09), 0.0, 60.0),
            "temp_SOIL": soil_c + random.gauss(0.0, 0.05),
            "conduct_SOIL": max(0.0, ec + random.gauss(0.0, 2.0)),
        }

    return measure


def _encode_soil(m: Measured) -> Encoded:
    return payloads.soil_probe(m["BatV"], m["water_SOIL"], m["temp_SOIL"], m["conduct_SOIL"])


def _outdoor_air(offset_c: float) -> Callable[[State, Random, float], Measured]:
    def measure(state: State, random: Random, age_s: float) -> Measured:
        sky = state.sky
        # A small shield warms in the sun, so three thermometers never agree quite.
        air = sky.air_c + offset_c + 0.0011 * sky.solar_w_m2 + random.gauss(0.0, 0.08)
        return {
            "BatV": _battery_v(age_s, sky.air_c, random, full_v=3.06),
            "TempC_SHT": air,
            "Hum_SHT": _humidity(sky.humidity_pct - 1.5 * offset_c, 0.5, random),
        }

    return measure


def _greenhouse_climate(state: State, random: Random, age_s: float) -> Measured:
    return {
        "BatV": _battery_v(age_s, state.greenhouse_c, random, full_v=3.05),
        "TempC_SHT": state.greenhouse_c + random.gauss(0.0, 0.08),
        "Hum_SHT": _humidity(state.greenhouse_pct, 0.5, random),
    }


def _encode_air(m: Measured) -> Encoded:
    return payloads.air_probe(m["BatV"], m["TempC_SHT"], m["Hum_SHT"])


def _greenhouse_co2(state: State, random: Random, age_s: float) -> Measured:
    return {
        "battery": 100.0 - 0.06 * age_s / DAY_S,
        "temperature": state.greenhouse_c + 0.3 + random.gauss(0.0, 0.1),
        "humidity": _humidity(state.greenhouse_pct - 1.0, 0.6, random),
        "co2": clamp(state.greenhouse_co2_ppm + random.gauss(0.0, 7.0), 0.0, 5000.0),
        "pressure": state.sky.pressure_hpa - 0.4 + random.gauss(0.0, 0.08),
    }


def _encode_co2(m: Measured) -> Encoded:
    return payloads.room_air(
        m["battery"], m["temperature"], m["humidity"], clamp(m["co2"], 0.0, 5000.0), m["pressure"]
    )


def _yard_air(state: State, random: Random, _age_s: float) -> Measured:
    fine = max(0.0, state.pm2_5 + random.gauss(0.0, 0.5))
    return {
        "temperature": state.sky.air_c + 0.9 + random.gauss(0.0, 0.12),
        "humidity": _humidity(state.sky.humidity_pct - 2.0, 0.6, random),
        "pm2_5": fine,
        "pm10": fine * 1.55 + max(0.0, random.gauss(1.5, 0.6)),
    }


def _encode_dust(m: Measured) -> Encoded:
    return payloads.dust(m["temperature"], m["humidity"], m["pm2_5"], m["pm10"])


def _noise(state: State, random: Random, age_s: float) -> Measured:
    level = noise_dba(state.time_s, state.sky, random)
    peak = level + 7.0 + random.expovariate(1 / 3.0)
    return {"battery": 99.0 - 0.1 * age_s / DAY_S, "LAeq": level, "LAFmax": peak}


def _encode_noise(m: Measured) -> Encoded:
    return payloads.sound(m["battery"], m["LAeq"], m["LAFmax"])


def _tank(state: State, random: Random, age_s: float) -> Measured:
    distance = SENSOR_ABOVE_FLOOR_MM - state.tank.level_mm
    ripple = 7.0 if state.tank.pumping else 1.6
    return {
        "Bat": _battery_v(age_s, state.sky.air_c, random, full_v=3.62),
        "distance": clamp(distance + random.gauss(0.0, ripple), 280.0, 7500.0),
    }


def _encode_tank(m: Measured) -> Encoded:
    return payloads.tank_probe(m["Bat"], m["distance"])


def _pump(state: State, random: Random, _age_s: float) -> Measured:
    amperes = 0.0
    if state.tank.pumping:
        inrush = 9.0 if state.tank.running_s < 5.0 else 0.0  # noqa: PLR2004 - motor start
        head = state.tank.level_mm / 1000.0
        amperes = 6.8 + 0.25 * head + inrush + random.gauss(0.0, 0.12)
    return {"current": max(0.0, amperes), "total_current": 4210.0 + 7.3 * state.tank.pumped_h}


def _encode_pump(m: Measured) -> Encoded:
    return payloads.current(m["current"], m["total_current"])


def _weather(state: State, random: Random, age_s: float) -> Measured:
    sky = state.sky
    gust = 1.0 + 0.16 * random.gauss(0.0, 1.0)
    return {
        "BatV": _battery_v(age_s, sky.air_c, random, full_v=3.64),
        "temperature": sky.air_c + random.gauss(0.0, 0.08),
        "humidity": _humidity(sky.humidity_pct, 0.6, random),
        "pressure": sky.pressure_hpa + random.gauss(0.0, 0.08),
        "wind_speed": max(0.0, sky.wind_m_s * gust),
        "wind_direction": (sky.wind_deg + random.gauss(0.0, 8.0)) % 360.0,
        "rain_total": state.rain_mm,
        "illuminance": max(0.0, 120.0 * sky.solar_w_m2 * (1.0 + random.gauss(0.0, 0.02))),
    }


def _encode_weather(m: Measured) -> Encoded:
    return payloads.weather_station(
        battery_v=m["BatV"],
        air_c=m["temperature"],
        humidity_pct=m["humidity"],
        pressure_hpa=m["pressure"],
        wind_m_s=m["wind_speed"],
        wind_deg=m["wind_direction"],
        rain_mm=m["rain_total"],
        light_lux=m["illuminance"],
    )


def _valve(field: str) -> Callable[[State, Random, float], Measured]:
    def measure(state: State, random: Random, age_s: float) -> Measured:
        flow = state.flows_l_h[field] / 60.0
        return {
            "BatV": _battery_v(age_s, state.sky.air_c, random, full_v=3.61),
            "open": float(flow > 0.0),
            "flow": max(0.0, flow + random.gauss(0.0, 0.9)) if flow > 0.0 else 0.0,
            "total_volume": state.metered_l[field],
        }

    return measure


def _encode_valve(m: Measured) -> Encoded:
    return payloads.valve(
        m["BatV"], is_open=m["open"] > 0.0, flow_l_min=m["flow"], metered_l=m["total_volume"]
    )


def _humidity(true_pct: float, noise_pct: float, random: Random) -> float:
    return clamp(true_pct + random.gauss(0.0, noise_pct), 1.0, 100.0)


def _soil_device(
    name: str, title: str, eui: str, field: str, *, lower: bool, salts: float,
    mean_dbm: tuple[float, float], data_rate: int, minutes: float,
) -> Device:  # fmt: skip
    return Device(
        name, title, eui, "Dragino LSE01", 2, minutes * MINUTE_S,
        _soil(field, lower=lower, salts=salts), _encode_soil, mean_dbm, data_rate,
    )  # fmt: skip


DEVICES: tuple[Device, ...] = (
    _soil_device("north-soil-20", "North field soil 20 cm", "a84041fa51870c01", "north",
                 lower=False, salts=420.0, mean_dbm=(-98.0, -109.0), data_rate=5, minutes=30),
    _soil_device("north-soil-50", "North field soil 50 cm", "a84041fa51870c02", "north",
                 lower=True, salts=380.0, mean_dbm=(-99.0, -110.0), data_rate=5, minutes=15),
    _soil_device("south-soil-20", "South field soil 20 cm", "a84041fa51870c03", "south",
                 lower=False, salts=300.0, mean_dbm=(-108.0, -104.0), data_rate=4, minutes=15),
    _soil_device("south-soil-50", "South field soil 50 cm", "a84041fa51870c04", "south",
                 lower=True, salts=270.0, mean_dbm=(-109.0, -105.0), data_rate=4, minutes=30),
    _soil_device("orchard-soil-20", "Orchard soil 20 cm", "a84041fa51870c05", "orchard",
                 lower=False, salts=510.0, mean_dbm=(-119.0, -112.0), data_rate=3, minutes=15),
    _soil_device("orchard-soil-50", "Orchard soil 50 cm", "a84041fa51870c06", "orchard",
                 lower=True, salts=480.0, mean_dbm=(-120.0, -113.0), data_rate=3, minutes=30),
    Device("weather", "Weather station", "70b3d5a4d2000107", "Weather station", 3,
           20 * MINUTE_S, _weather, _encode_weather, (-92.0, -88.0)),
    Device("tank", "Water tank", "a84041fa51870c08", "Dragino LDDS75", 2,
           15 * MINUTE_S, _tank, _encode_tank, (-84.0, -101.0)),
    Device("greenhouse-climate", "Greenhouse climate", "a84041fa51870c09", "Dragino LHT65", 2,
           15 * MINUTE_S, _greenhouse_climate, _encode_air, (-76.0, -103.0)),
    Device("greenhouse-co2", "Greenhouse CO2", "24e124710c14400a", "Milesight EM500-CO2", 85,
           15 * MINUTE_S, _greenhouse_co2, _encode_co2, (-78.0, -104.0)),
    Device("yard-air", "Yard air quality", "24e124710c14400b", "Milesight AM308", 85,
           30 * MINUTE_S, _yard_air, _encode_dust, (-66.0, -99.0)),
    Device("noise", "Yard noise", "24e124710c14400c", "Milesight WS302", 85,
           30 * MINUTE_S, _noise, _encode_noise, (-69.0, -100.0)),
    Device("valve-north", "North valve", "70b3d5a4d200010d", "Valve", 10,
           30 * MINUTE_S, _valve("north"), _encode_valve, (-97.0, -108.0),
           class_c=True, valve="north"),
    Device("valve-south", "South valve", "70b3d5a4d200010e", "Valve", 10,
           30 * MINUTE_S, _valve("south"), _encode_valve, (-106.0, -103.0),
           data_rate=4, class_c=True, valve="south"),
    Device("pump", "Pump current", "24e124710c14400f", "Milesight CT101", 85,
           30 * MINUTE_S, _pump, _encode_pump, (-82.0, -102.0)),
    Device("orchard-air", "Orchard air", "a84041fa51870c10", "Dragino LHT65", 2,
           30 * MINUTE_S, _outdoor_air(-0.5), _encode_air, (-117.0, -111.0), data_rate=3),
    Device("south-air", "South field air", "a84041fa51870c11", "Dragino LHT65", 2,
           20 * MINUTE_S, _outdoor_air(0.2), _encode_air, (-107.0, -104.0), data_rate=4),
)  # fmt: skip
"""The farm. Names are used by the script; titles are what people see."""
