"""Write `uplinks.csv` of the cases: `python tests/replay/make_uplinks.py [CASE ...]`.

A row is one uplink: minutes since the case's start, the device, and what its codec gave; an empty
cell was not sent. What scenes are made of is in `scene.py`, more of them in `farm_and_house.py`.
Nothing here knows what the gateway makes of it: that is in each case's `case.toml`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from farm_and_house import SCENES as FARM_AND_HOUSE
from scene import (
    DAY,
    HOUR,
    Scene,
    change,
    climate,
    freeze,
    gauge,
    mornings,
    probe,
    silence,
    valve,
)

HERE = Path(__file__).parent


# --- faults -------------------------------------------------------------------------------------


def stuck_probe(s: Scene) -> None:
    wet = mornings(s, 1.6)
    for name in ("bed-1", "bed-2", "bed-3"):
        probe(s, name, wet)
    freeze(s, "bed-2", "soil_moisture", 7 * DAY)
    valve(s, "valve", dict.fromkeys(wet, 25.0))


def wild_values(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}", offset=0.3 * i)
    for hour in (170.3, 174.0, 177.7, 181.4):
        change(s, "mast-2", "temperature", (hour * HOUR, hour * HOUR + 30), lambda v, _: v + 22)


def drifting_thermometer(s: Scene) -> None:
    for i in range(4):
        climate(s, f"mast-{i + 1}", offset=0.2 * i)
    change(s, "mast-3", "temperature", (7 * DAY, 1e9), lambda v, m: v + 4.0 * m / DAY)


def noisy_probe(s: Scene) -> None:
    for name in ("bed-1", "bed-2", "bed-3"):
        probe(s, name, {2.4 * DAY: 3.0})
    change(s, "bed-1", "soil_moisture", (7 * DAY, 1e9), lambda v, _: v + s.rng.normal(0, 2.5))


def cut_cable(s: Scene) -> None:
    for name in ("bed-1", "bed-2", "bed-3"):
        probe(s, name, mornings(s, 1.5))
    change(s, "bed-3", "soil_temperature", (6 * DAY, 1e9), lambda _v, _m: -327.68)


def dying_battery(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}", every=60.0)
    change(s, "mast-1", "battery_v", (8 * DAY, 1e9), lambda v, m: v - 0.055 * m / DAY)


def burst_line(s: Scene) -> None:
    dry = {0.3 * DAY: 4.0}
    probe(s, "bed-1", dry)
    probe(s, "bed-2", dry)
    probe(s, "bed-3", dry | {7 * DAY + 2 * HOUR + 30 * k: 0.7 for k in range(24)})


def lost_device(s: Scene) -> None:
    for i in range(5):
        climate(s, f"mast-{i + 1}")
    silence(s, ("mast-4",), 5.3 * DAY, 1e9)


def lost_gateway(s: Scene) -> None:
    for i in range(6):
        climate(s, f"mast-{i + 1}")
    probe(s, "bed-1", {})
    probe(s, "bed-2", {})
    names = tuple({row[1] for row in s.rows})
    silence(s, names, 5 * DAY + 4 * HOUR, 5 * DAY + 10 * HOUR)


def loose_antenna(s: Scene) -> None:
    for i in range(4):
        climate(s, f"mast-{i + 1}")
    change(s, "mast-2", "rssi", (6 * DAY, 1e9), lambda v, _: v - 24)
    change(s, "mast-2", "snr", (6 * DAY, 1e9), lambda v, _: v - 14)
    s.rows = [
        r for r in s.rows if r[1] != "mast-2" or r[0] < 6 * DAY or s.rng.random() > 0.45
    ]  # fmt: skip


def blocked_pump(s: Scene) -> None:
    t = s.times(20.0)
    runs = ((t % DAY) // HOUR % 6 < 2).astype(float)
    amps = runs * (4.1 + s.drift(0.05, DAY)(t)) + s.noise(t, 0.03)
    s.say("pump", t, motor_current=np.maximum(amps, 0.0))
    change(s, "pump", "motor_current", (8 * DAY, 1e9), lambda v, _: v * 1.45 if v > 1 else v)


def leaking_tank(s: Scene) -> None:
    t = s.times(20.0)
    use = 100.0 * ((t / DAY * 0.8) % 1.0)  # emptied in 30 h, then filled again
    s.say("tank", t, water_level=180 - use + s.noise(t, 0.3))
    level = 180 - use
    left = np.where(t < 8.2 * DAY, level, np.maximum(5.0, level - (t - 8.2 * DAY) / HOUR * 9))
    s.rows.clear()
    s.say("tank", t, water_level=left + s.noise(t, 0.3))


def new_firmware(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}")
    since = 6.5 * DAY
    for name in ("mast-1", "mast-2", "mast-3"):
        change(s, name, "temperature", (since, 1e9), lambda v, _: v * 9 / 5 + 32)


# --- environment --------------------------------------------------------------------------------


def cold_front(s: Scene) -> None:
    def chill(value: float, minutes: float) -> float:
        return value - 11.0 * (1 - np.exp(-minutes / 60)) * np.exp(-minutes / (2.5 * DAY))

    for i in range(6):
        climate(s, f"mast-{i + 1}", offset=0.2 * i)
        since, left = 7 * DAY + 13 * HOUR, 1e9
        change(s, f"mast-{i + 1}", "temperature", (since + 4 * i, left), chill)


def heat_wave(s: Scene) -> None:
    for i in range(6):
        climate(s, f"mast-{i + 1}", offset=0.2 * i)
        change(s, f"mast-{i + 1}", "temperature", (7 * DAY, 1e9),
               lambda v, m: v + min(14.0, 14.0 * m / (1.2 * DAY)))  # fmt: skip


def frost_night(s: Scene) -> None:
    for i in range(4):
        climate(s, f"mast-{i + 1}", offset=0.15 * i)
        change(s, f"mast-{i + 1}", "temperature", (8 * DAY + 16 * HOUR, 9 * DAY + 9 * HOUR),
               lambda v, m: v - 9.0 * np.sin(min(1.0, m / (17 * HOUR)) * np.pi) ** 0.7)  # fmt: skip


def smoke(s: Scene) -> None:
    for i in range(3):
        t = s.times(15.0)
        haze = np.exp(s.drift(0.25, 6 * HOUR)(t)) * 11
        fire = 230.0 * np.exp(-(((t - 6.6 * DAY) / (0.45 * DAY)) ** 2))
        s.say(f"air-{i + 1}", t, pm2_5=haze + fire + s.noise(t, 0.8))


def saline_water(s: Scene) -> None:
    for i in range(3):
        t = s.times(30.0)
        salt = 1.1 + 0.05 * i + s.drift(0.03, DAY)(t) + s.noise(t, 0.01)
        rise = np.maximum(0.0, (t - 6 * DAY) / DAY) * 0.9
        s.say(f"bed-{i + 1}", t, soil_ec=salt + rise)


def drought(s: Scene) -> None:
    for i in range(3):
        probe(s, f"bed-{i + 1}", {})


def rising_river(s: Scene) -> None:
    t = s.times(15.0)
    calm = 84 + s.drift(1.2, DAY)(t) + s.noise(t, 0.3)
    wave = 145 / (1 + np.exp(-(t - 7.3 * DAY) / (2.2 * HOUR)))
    s.say("gauge", t, water_level=calm + wave * np.exp(-np.maximum(0, t - 7.6 * DAY) / (2 * DAY)))


def stuffy_stable(s: Scene) -> None:
    t = s.times(15.0)
    night = 420 * (1 - s.sun(t)) * (1 + s.drift(0.08, 6 * HOUR)(t))
    broken = np.maximum(0.0, 1 - np.exp(-(t - 6.9 * DAY) / (3 * HOUR))) * (t > 6.9 * DAY)
    s.say("stable", t, co2=700 + night + 2600 * broken + s.noise(t, 12),
          temperature=19 + 0.2 * (s.air(t) - 16) + s.noise(t, 0.1))  # fmt: skip


def loud_works(s: Scene) -> None:
    t = s.times(10.0, lost=0.01)
    day = 44 + 8 * s.sun(t) + 0.8 * s.drift(1.5, 2 * HOUR)(t) + s.noise(t, 1.2)
    works = 27.0 * ((t > 4 * DAY + 9 * HOUR) & (t < 4 * DAY + 15 * HOUR))
    s.say("street", t, LAeq=day + works)


def dry_air(s: Scene) -> None:
    for i in range(2):
        climate(s, f"house-{i + 1}")
        change(s, f"house-{i + 1}", "humidity", (6 * DAY + 9 * HOUR, 6 * DAY + 18 * HOUR),
               lambda v, _: v * 0.35)  # fmt: skip
        change(s, f"house-{i + 1}", "temperature", (6 * DAY + 9 * HOUR, 6 * DAY + 18 * HOUR),
               lambda v, _: v + 9)  # fmt: skip


def thunderstorm(s: Scene) -> None:
    fall = 7 * DAY + 15 * HOUR
    for i in range(5):
        t = climate(s, f"mast-{i + 1}", offset=0.1 * i)
        del t
        change(s, f"mast-{i + 1}", "temperature", (fall, fall + 8 * HOUR),
               lambda v, m: v - 9.0 * np.exp(-m / (3 * HOUR)))  # fmt: skip
        change(s, f"mast-{i + 1}", "humidity", (fall, fall + 8 * HOUR),
               lambda v, m: min(99.0, v + 38 * np.exp(-m / (4 * HOUR))))  # fmt: skip
    gauge(s, "rain", {fall + 10 * k: 3.2 for k in range(5)})


def cold_store(s: Scene) -> None:
    t = s.times(15.0)
    cycle = 0.5 * np.sin(t / 42 * 2 * np.pi) + 1.8 * ((t % (8 * HOUR)) < 20)
    open_door = np.maximum(0.0, 1 - np.exp(-(t - 6.4 * DAY) / (2 * HOUR))) * (t > 6.4 * DAY)
    s.say("cold-1", t, temperature=-19.5 + cycle + s.noise(t, 0.1) + 15 * open_door)


# --- harmless -----------------------------------------------------------------------------------


def plain_week(s: Scene) -> None:
    for i in range(4):
        climate(s, f"mast-{i + 1}", offset=0.3 * i)
    probe(s, "bed-1", {3.1 * DAY: 5.0})
    probe(s, "bed-2", {3.1 * DAY: 4.4})
    gauge(s, "rain", {3.1 * DAY + 10 * k: 1.6 for k in range(6)})


def daily_irrigation(s: Scene) -> None:
    wet = mornings(s, 2.2)
    for name in ("bed-1", "bed-2"):
        probe(s, name, wet)
    valve(s, "valve", dict.fromkeys(wet, 25.0))


def first_rain(s: Scene) -> None:
    storm = 7 * DAY + 3 * HOUR
    for name in ("bed-1", "bed-2", "bed-3"):
        probe(s, name, {storm: 7.0 + s.rng.normal(0, 0.4)})
    gauge(s, "rain", {storm - 20 + 10 * k: 2.4 for k in range(8)})


def irregular_sender(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}")
    gaps = s.rng.lognormal(np.log(35.0), 1.0, 4000)
    t = np.cumsum(gaps)
    t = t[t < s.days * DAY]
    s.say("door", t, door_open=(s.rng.random(t.size) < 0.5).astype(float))


def lossy_link(s: Scene) -> None:
    for i in range(4):
        t = s.times(30.0, lost=0.12)
        s.say(f"mast-{i + 1}", t, temperature=s.air(t) + s.noise(t, 0.1), snr=-6 + s.noise(t, 2.0),
              rssi=-116 + s.noise(t, 2.0))  # fmt: skip


def coarse_soil(s: Scene) -> None:
    for i in range(3):
        t = s.times(20.0)
        deep = np.round(s.ground(t, 0.6) * 2) / 2
        s.say(f"deep-{i + 1}", t, soil_temperature=deep,
              soil_moisture=np.round(21 + 0.4 * s.drift(0.5, 4 * DAY)(t)))  # fmt: skip


def tank_in_use(s: Scene) -> None:
    t = s.times(20.0)
    level, levels = 180.0, []
    for minute in t:
        used = 0.7 + 2.1 * (6 * HOUR < minute % DAY < 9 * HOUR) + s.rng.normal(0, 0.05)
        level = 180.0 if level < 70 else level - used
        levels.append(level)
    s.say("tank", t, water_level=np.array(levels) + s.noise(t, 0.3))


def vented_greenhouse(s: Scene) -> None:
    for i in range(2):
        t = s.times(15.0)
        heat = 18 + 16 * s.sun(t) + 0.3 * (s.air(t) - 16)
        vents = (heat + s.drift(0.4, HOUR)(t)) > 27
        warm = np.where(vents, 26 + 1.2 * np.sin(t / 35 * 2 * np.pi), heat)
        s.say(f"house-{i + 1}", t, temperature=warm + s.noise(t, 0.15),
              humidity=np.clip(88 - 1.8 * (warm - 18), 25, 99) + s.noise(t, 1.0))  # fmt: skip


def new_interval(s: Scene) -> None:
    for i in range(3):
        t = s.times(15.0)
        t = t[(t < 5 * DAY) | (np.arange(t.size) % 4 == 0)]
        s.say(f"mast-{i + 1}", t, temperature=s.air(t) + s.noise(t, 0.12))


def sleepy_light(s: Scene) -> None:
    for i in range(2):
        t = s.times(20.0)
        cloud = np.clip(1 - 0.35 * np.abs(s.drift(1.0, 3 * HOUR)(t)), 0.15, 1)
        s.say(f"light-{i + 1}", t, light_lux=np.round(82000 * s.sun(t) * cloud))


def weekend_office(s: Scene) -> None:
    t = s.times(15.0)
    work = ((t // DAY) % 7 < 5) & (t % DAY > 8 * HOUR) & (t % DAY < 18 * HOUR)
    people = np.where(work, 1.0, 0.0)
    kept, level = [], 0.0
    for now in people:
        level += (now - level) * 0.25
        kept.append(level)
    s.say("office", t, co2=430 + 620 * np.array(kept) + s.noise(t, 14),
          temperature=20.5 + 1.6 * np.array(kept) + s.noise(t, 0.1))  # fmt: skip


def short_history(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}", offset=0.3 * i)
    probe(s, "bed-1", mornings(s, 2.0))


def new_battery(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}", every=30.0)
    change(s, "mast-2", "battery_v", (0.0, 6 * DAY), lambda v, _: v - 0.22)


SCENES: Mapping[str, tuple[Callable[[Scene], None], tuple[float, ...]]] = {
    "fault_stuck_probe": (stuck_probe, (10.0,)),
    "fault_wild_values": (wild_values, (9.0,)),
    "fault_drifting_thermometer": (drifting_thermometer, (11.0,)),
    "fault_noisy_probe": (noisy_probe, (9.0,)),
    "fault_cut_cable": (cut_cable, (8.0,)),
    "fault_dying_battery": (dying_battery, (20.0,)),
    "fault_burst_line": (burst_line, (9.0,)),
    "fault_lost_device": (lost_device, (7.0,)),
    "fault_lost_gateway": (lost_gateway, (7.0,)),
    "fault_loose_antenna": (loose_antenna, (8.0,)),
    "fault_blocked_pump": (blocked_pump, (10.0,)),
    "fault_leaking_tank": (leaking_tank, (10.0,)),
    "fault_new_firmware": (new_firmware, (8.0,)),
    "weather_cold_front": (cold_front, (9.0,)),
    "weather_heat_wave": (heat_wave, (10.0, 17.0)),
    "weather_frost_night": (frost_night, (10.0, 8.0, 5.0)),
    "weather_thunderstorm": (thunderstorm, (9.0, 20.0)),
    "environment_smoke": (smoke, (8.0,)),
    "environment_saline_water": (saline_water, (9.0,)),
    "environment_drought": (drought, (12.0,)),
    "environment_rising_river": (rising_river, (9.0,)),
    "environment_stuffy_stable": (stuffy_stable, (8.0,)),
    "environment_loud_works": (loud_works, (6.0,)),
    "environment_dry_air": (dry_air, (8.0, 24.0)),
    "environment_cold_store": (cold_store, (8.0,)),
    "harmless_plain_week": (plain_week, (8.0,)),
    "harmless_daily_irrigation": (daily_irrigation, (10.0,)),
    "harmless_first_rain": (first_rain, (9.0,)),
    "harmless_irregular_sender": (irregular_sender, (10.0,)),
    "harmless_lossy_link": (lossy_link, (8.0,)),
    "harmless_coarse_soil": (coarse_soil, (10.0,)),
    "harmless_tank_in_use": (tank_in_use, (9.0,)),
    "harmless_vented_greenhouse": (vented_greenhouse, (8.0,)),
    "harmless_new_interval": (new_interval, (9.0,)),
    "harmless_sleepy_light": (sleepy_light, (9.0,)),
    "harmless_weekend_office": (weekend_office, (15.0,)),
    "harmless_short_history": (short_history, (1.5,)),
    "harmless_new_battery": (new_battery, (9.0,)),
    **FARM_AND_HOUSE,
}
"""Each case's scene, with its days, the season's mean and the day's swing (°C)."""


def main(names: list[str]) -> None:
    """Write the uplinks of the named cases, of all without a name."""
    for name in names or SCENES:
        make, numbers = SCENES[name]
        scene = Scene(name, *numbers)
        make(scene)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        scene.write(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
