"""What the farm's devices put on the air, and the `object` a network server's codec makes of it.

Each function takes measured values in the device's own resolution and returns (bytes, object).
Soil, air and tank sensors follow the public uplink formats of Dragino LSE01, LHT65 and LDDS75
(big endian); the others the type-length-value scheme of Milesight sensors (little endian); valve
and weather station have a format of this farm's own. Each byte layout is drawn in its function.
"""

from __future__ import annotations

import struct

Object = dict[str, float | int | str]
Encoded = tuple[bytes, Object]


def soil_probe(battery_v: float, moisture_pct: float, soil_c: float, ec_us_cm: float) -> Encoded:
    """Encode as LSE01, port 2.

    BatV mV u16 | DS18B20 0.1 °C i16 | water 0.01 % u16 | soil 0.01 °C i16 | µS/cm u16 | flag u8
    """
    data = struct.pack(
        ">HhHhHB",
        round(battery_v * 1000), 0, round(moisture_pct * 100), round(soil_c * 100),
        round(ec_us_cm), 0,
    )  # fmt: skip
    return data, {
        "BatV": round(battery_v * 1000) / 1000,
        "water_SOIL": round(moisture_pct * 100) / 100,
        "temp_SOIL": round(soil_c * 100) / 100,
        "conduct_SOIL": float(round(ec_us_cm)),
        "i_flag": 0.0,
    }


def air_probe(battery_v: float, air_c: float, humidity_pct: float) -> Encoded:
    """Encode as LHT65, port 2.

    status 2 bits, BatV mV 14 bits | SHT 0.01 °C i16 | SHT 0.1 % u16 | external kind u8 | 4 unused
    """
    data = struct.pack(
        ">HhHB4x",
        0xC000 | round(battery_v * 1000), round(air_c * 100), round(humidity_pct * 10), 0,
    )  # fmt: skip
    return data, {
        "BatV": round(battery_v * 1000) / 1000,
        "Bat_status": 3.0,
        "TempC_SHT": round(air_c * 100) / 100,
        "Hum_SHT": round(humidity_pct * 10) / 10,
        "Ext_sensor": "No external sensor",
    }


def tank_probe(battery_v: float, distance_mm: float) -> Encoded:
    """Encode as LDDS75, port 2.

    BatV mV u16 | distance mm u16 | interrupt u8 | DS18B20 0.1 °C i16 | sensor present u8
    """
    data = struct.pack(">HHBhB", round(battery_v * 1000), round(distance_mm), 0, 0, 1)
    return data, {
        "Bat": round(battery_v * 1000) / 1000,
        "distance": float(round(distance_mm)),
        "Interrupt_flag": 0.0,
        "Sensor_flag": 1.0,
    }


def room_air(
    battery_pct: float, air_c: float, humidity_pct: float, co2_ppm: float, pressure_hpa: float
) -> Encoded:
    """Encode battery 01 75 | 03 67 0.1 °C | 04 68 0.5 % | 05 7D ppm | 06 73 0.1 hPa; port 85."""
    humidity = round(humidity_pct * 2)
    data = (
        b"\x01\x75" + struct.pack("<B", round(battery_pct))
        + b"\x03\x67" + struct.pack("<h", round(air_c * 10))
        + b"\x04\x68" + struct.pack("<B", humidity)
        + b"\x05\x7d" + struct.pack("<H", round(co2_ppm))
        + b"\x06\x73" + struct.pack("<H", round(pressure_hpa * 10))
    )  # fmt: skip
    return data, {
        "battery": float(round(battery_pct)),
        "temperature": round(air_c * 10) / 10,
        "humidity": humidity / 2,
        "co2": float(round(co2_ppm)),
        "pressure": round(pressure_hpa * 10) / 10,
    }


def dust(air_c: float, humidity_pct: float, pm2_5: float, pm10: float) -> Encoded:
    """Encode 03 67 0.1 °C | 04 68 0.5 % | 0B 7D µg/m³ | 0C 7D µg/m³; port 85. Mains power."""
    humidity = round(humidity_pct * 2)
    data = (
        b"\x03\x67" + struct.pack("<h", round(air_c * 10))
        + b"\x04\x68" + struct.pack("<B", humidity)
        + b"\x0b\x7d" + struct.pack("<H", round(pm2_5))
        + b"\x0c\x7d" + struct.pack("<H", round(pm10))
    )  # fmt: skip
    return data, {
        "temperature": round(air_c * 10) / 10,
        "humidity": humidity / 2,
        "pm2_5": float(round(pm2_5)),
        "pm10": float(round(pm10)),
    }


def sound(battery_pct: float, laeq: float, lamax: float) -> Encoded:
    """Encode 01 75 % | 05 5B weighting u8, LAF, LAeq, LAFmax 0.1 dB u16 each; port 85."""
    levels = (round((laeq - 0.8) * 10), round(laeq * 10), round(lamax * 10))
    data = (
        b"\x01\x75" + struct.pack("<B", round(battery_pct))
        + b"\x05\x5b" + struct.pack("<BHHH", 0x05, *levels)
    )  # fmt: skip
    return data, {
        "battery": float(round(battery_pct)),
        "LAeq": levels[1] / 10,
        "LAFmax": levels[2] / 10,
        "freq_weighting": "A",
    }


def current(amperes: float, amp_hours: float) -> Encoded:
    """Encode 03 97 total 0.01 Ah u32 | 04 99 0.1 A u16; port 85. Powered by the cable it clamps."""
    data = (
        b"\x03\x97" + struct.pack("<I", round(amp_hours * 100))
        + b"\x04\x99" + struct.pack("<H", round(amperes * 10))
    )  # fmt: skip
    return data, {
        "current": round(amperes * 10) / 10,
        "total_current": round(amp_hours * 100) / 100,
    }


def weather_station(
    *,
    battery_v: float, air_c: float, humidity_pct: float, pressure_hpa: float, wind_m_s: float,
    wind_deg: float, rain_mm: float, light_lux: float,
) -> Encoded:  # fmt: skip
    """Encode for port 3, big endian.

    battery mV u16 | 0.1 °C i16 | % u8 | 0.1 hPa u16 | wind 0.1 m/s u16 | from ° u16 |
    rain since installation 0.2 mm u16 | light 10 lx u16
    """
    tips = round(rain_mm / 0.2)
    data = struct.pack(
        ">HhBHHHHH",
        round(battery_v * 1000), round(air_c * 10), round(humidity_pct), round(pressure_hpa * 10),
        round(wind_m_s * 10), round(wind_deg) % 360, tips & 0xFFFF, round(light_lux / 10),
    )  # fmt: skip
    return data, {
        "BatV": round(battery_v * 1000) / 1000,
        "temperature": round(air_c * 10) / 10,
        "humidity": float(round(humidity_pct)),
        "pressure": round(pressure_hpa * 10) / 10,
        "wind_speed": round(wind_m_s * 10) / 10,
        "wind_direction": float(round(wind_deg) % 360),
        "rain_total": round(tips * 0.2, 1),
        "illuminance": round(light_lux / 10) * 10.0,
    }


def valve(battery_v: float, *, is_open: bool, flow_l_min: float, metered_l: float) -> Encoded:
    """Encode, port 10, big endian: battery mV u16 | open u8 | flow 0.1 l/min u16 | meter l u32."""
    data = struct.pack(
        ">HBHI", round(battery_v * 1000), is_open, round(flow_l_min * 10), round(metered_l)
    )
    return data, {
        "BatV": round(battery_v * 1000) / 1000,
        "valve": "open" if is_open else "closed",
        "flow": round(flow_l_min * 10) / 10,
        "total_volume": float(round(metered_l)),
    }


def read_valve_command(data: bytes) -> float | None:
    """Return for how long (s) a downlink opens the valve: open u8 | minutes u16, 0 = close.

    Opening without a duration holds for half an hour; None when the valve does not understand.
    """
    if len(data) not in {1, 3} or data[0] > 1:
        return None
    if data[0] == 0:
        return 0.0
    minutes = struct.unpack(">H", data[1:])[0] if len(data) == 3 else 30  # noqa: PLR2004
    return minutes * 60.0
