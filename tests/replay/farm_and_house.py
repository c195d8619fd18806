"""More scenes of farms, greenhouses and buildings; `make_uplinks.py` writes them.

`session` in an uplink is the device's join: with a new one its counter starts again and its address
is another. `clock_min` is by how much the radio gateway's clock is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scene import DAY, HOUR, Scene, Series, change, climate, gauge, mornings, probe, valve

# --- faults -------------------------------------------------------------------------------------


def valve_leaks(s: Scene) -> None:
    wet = mornings(s, 2.2)
    night = {7 * DAY + 1 * HOUR + 30 * k: 0.8 for k in range(18)}
    probe(s, "bed-1", wet)
    probe(s, "bed-2", wet | night)
    valve(s, "valve", dict.fromkeys(wet, 25.0))
    gauge(s, "rain", {2.4 * DAY: 0.4})


def humidity_drifts(s: Scene) -> None:
    for i in range(4):
        climate(s, f"mast-{i + 1}", offset=0.2 * i)
    change(s, "mast-2", "humidity", (6 * DAY, 1e9), lambda v, m: min(99.0, v + 4.5 * m / DAY))


def carried_away(s: Scene) -> None:
    for i in range(4):
        climate(s, f"tree-{i + 1}", offset=0.2 * i)
    change(s, "tree-4", "temperature", (7 * DAY + 10 * HOUR, 1e9),
           lambda v, _: 21.5 + 0.15 * (v - 16))  # fmt: skip


def lost_shield(s: Scene) -> None:
    for i in range(4):
        climate(s, f"mast-{i + 1}", offset=0.2 * i)
    change(s, "mast-1", "temperature", (7 * DAY, 1e9),
           lambda v, m: v + 9.0 * float(s.sun(np.asarray(m % DAY))))  # fmt: skip


def baseline_shift(s: Scene) -> None:
    for i in range(3):
        t = s.times(15.0)
        work = ((t // DAY) % 7 < 5) & (t % DAY > 8 * HOUR) & (t % DAY < 17 * HOUR)
        people = settled(work.astype(float), 0.25)
        s.say(f"room-{i + 1}", t, co2=460 + 380 * people + s.noise(t, 12),
              temperature=20.5 + 1.2 * people + s.noise(t, 0.1))  # fmt: skip
    change(s, "room-2", "co2", (15 * DAY + 3 * HOUR, 1e9), lambda v, _: v - 180)


def stuck_vent(s: Scene) -> None:
    for i in range(2):
        t = s.times(15.0)
        heat = 18 + 16 * s.sun(t) + 0.3 * (s.air(t) - 16)
        shut = (i == 1) & (t > 8 * DAY)
        warm = np.where((heat > 27) & ~shut, 26 + 1.2 * np.sin(t / 35 * 2 * np.pi), heat * 1.25)
        warm = np.where((heat <= 27), heat, np.where(shut, 27 + 2.2 * (heat - 27), warm))
        s.say(f"house-{i + 1}", t, temperature=warm + s.noise(t, 0.15),
              humidity=np.clip(88 - 1.8 * (warm - 18), 25, 99) + s.noise(t, 1.0))  # fmt: skip


# --- weather and environment --------------------------------------------------------------------


def winter_station(s: Scene) -> None:
    t = s.times(20.0)
    wave = -13.0 * (1 - np.exp(-np.maximum(0.0, t - 9.5 * DAY) / (9 * HOUR)))
    air = s.air(t) + wave
    s.say("station", t, temperature=air + s.noise(t, 0.1),
          humidity=np.clip(s.humidity(t) + 0.5 * wave, 20, 99),
          pressure=1012 + s.drift(4.0, 2 * DAY)(t) - 0.7 * wave,
          wind_speed=np.abs(2.5 + s.drift(1.2, 5 * HOUR)(t)) - 0.25 * wave)  # fmt: skip
    inside = s.times(20.0)
    s.say("nursery", inside, temperature=18 + 0.05 * s.air(inside) + s.noise(inside, 0.15))


def power_cut(s: Scene) -> None:
    cut, mended = 8 * DAY + 20 * HOUR, 9 * DAY + 9 * HOUR
    for i in range(3):
        t = s.times(15.0)
        level = 17.5 + 0.4 * i + 4.0 * s.sun(t) + 0.6 * np.sin(t / 55 * 2 * np.pi)
        lost = np.where(t > cut, 1 - np.exp(-(t - cut) / (5 * HOUR)), 0.0)
        back = np.where(t > mended, np.exp(-(t - mended) / (1.5 * HOUR)), 1.0)
        s.say(f"house-{i + 1}", t, temperature=level - 14.0 * lost * back + s.noise(t, 0.15))


def saharan_dust(s: Scene) -> None:
    for i in range(3):
        t = s.times(20.0)
        fine = np.exp(s.drift(0.25, 6 * HOUR)(t)) * 9
        dust = (
            330.0
            * np.clip((t - 7 * DAY) / (10 * HOUR), 0, 1)
            * np.exp(-np.maximum(0.0, t - 8 * DAY) / (1.2 * DAY))
        )
        s.say(f"air-{i + 1}", t, pm2_5=fine + 0.28 * dust + s.noise(t, 0.8),
              pm10=1.7 * fine + dust + s.noise(t, 1.5))  # fmt: skip


# --- harmless -----------------------------------------------------------------------------------


def settled(target: Series, share: float) -> Series:
    """Return a level that goes a share of the way to its target with each sample."""
    kept, level = np.zeros_like(target), 0.0
    for i, now in enumerate(target):
        level += (float(now) - level) * share
        kept[i] = level
    return kept


def school_weeks(s: Scene) -> None:
    for i in range(2):
        t = s.times(15.0)
        day, minute = (t // DAY).astype(int), t % DAY
        ends = np.where(day % 7 == 2, 12 * HOUR, 16 * HOUR)
        work = (day % 7 < 5) & (minute > 8 * HOUR) & (minute < ends) & (day != 10)
        crowd = work * (0.8 + 0.25 * np.abs(s.drift(0.7, 50.0)(t)))
        people = settled(crowd, 0.3)
        s.say(f"class-{i + 1}", t, co2=440 + 900 * people + s.noise(t, 16),
              temperature=20 + 2.0 * people + s.noise(t, 0.1),
              LAeq=34 + 26 * (work > 0) + s.noise(t, 2.0))  # fmt: skip


def weekday_watering(s: Scene) -> None:
    days = [day for day in range(int(s.days)) if day % 7 in (0, 2, 4)]
    wet = {day * DAY + 7.5 * HOUR: 2.6 + s.rng.normal(0, 0.25) for day in days}
    for name in ("bed-1", "bed-2", "bed-3"):
        probe(s, name, wet)


def summer_time(s: Scene) -> None:
    t = s.times(15.0)
    local = t + np.where(t > 9 * DAY + 2 * HOUR, HOUR, 0.0)
    lit = (local % DAY > 6 * HOUR) & (local % DAY < 22 * HOUR)
    warm = settled(lit.astype(float), 0.2)
    s.say("hall", t, temperature=16 + 4.5 * warm + s.noise(t, 0.12),
          light_lux=np.round(40 + 9000 * lit + s.noise(t, 60) * lit))  # fmt: skip


def snow_melts(s: Scene) -> None:
    melt = {8 * DAY + 9 * HOUR + 30 * k: 0.55 + 0.05 * (k % 3) for k in range(20)}
    for i in range(3):
        t = s.times(30.0)
        thaw = 1.8 * np.clip((t - 8 * DAY - 8 * HOUR) / (2 * DAY), 0, 1)
        moisture = s.moisture(t, melt, start=24.0) + s.noise(t, 0.12)
        s.say(f"bed-{i + 1}", t, soil_moisture=moisture,
              soil_temperature=0.4 + thaw + s.noise(t, 0.05))  # fmt: skip


def groundwater(s: Scene) -> None:
    for name in ("bed-1", "bed-2", "bed-3"):
        probe(s, name, {0.4 * DAY: 5.0})
    change(s, "bed-3", "soil_moisture", (6 * DAY, 1e9),
           lambda v, m: v + 6.0 * min(1.0, m / (3 * DAY)) * min(1.0, m / (3 * DAY)))  # fmt: skip


def joined_again(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}", offset=0.3 * i)
    for i, (minute, name, cells) in enumerate(s.rows):
        again = name == "mast-3" and minute > 6 * DAY + 11 * HOUR
        s.rows[i] = (minute, name, {**cells, "session": "2" if again else "1"})


def wrong_clock(s: Scene) -> None:
    for i in range(3):
        climate(s, f"mast-{i + 1}", offset=0.3 * i)
    probe(s, "bed-1", {2.1 * DAY: 4.0})
    for i, (minute, name, cells) in enumerate(s.rows):
        wrong = 5 * DAY < minute < 6 * DAY
        s.rows[i] = (minute, name, {**cells, "clock_min": -730 * DAY if wrong else 0.0})


SCENES: Mapping[str, tuple[Callable[[Scene], None], tuple[float, ...]]] = {
    "fault_valve_leaks": (valve_leaks, (9.0,)),
    "fault_humidity_drifts": (humidity_drifts, (13.0,)),
    "fault_carried_away": (carried_away, (12.0,)),
    "fault_lost_shield": (lost_shield, (12.0,)),
    "fault_baseline_shift": (baseline_shift, (19.0,)),
    "fault_stuck_vent": (stuck_vent, (10.0,)),
    "weather_winter_station": (winter_station, (13.0, 6.0, 4.0)),
    "environment_power_cut": (power_cut, (10.0, 2.0, 3.0)),
    "environment_saharan_dust": (saharan_dust, (10.0,)),
    "harmless_school_weeks": (school_weeks, (20.0,)),
    "harmless_weekday_watering": (weekday_watering, (18.0,)),
    "harmless_summer_time": (summer_time, (13.0,)),
    "harmless_snow_melts": (snow_melts, (11.0,)),
    "harmless_groundwater": (groundwater, (12.0,)),
    "harmless_joined_again": (joined_again, (9.0,)),
    "harmless_wrong_clock": (wrong_clock, (9.0,)),
}
"""As in `make_uplinks.py`: each case's scene, its days, the season's mean and the swing (°C)."""
