"""What replayed scenes are made of: weather, soil and devices, and what can befall their uplinks.

Each case's weather, soil and faults are made here, from its own seed and apart from the demo's
farm, so that the two do not share a mistake. Nothing here knows what the gateway makes of it.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
HOUR, DAY = 60.0, 1440.0
DIGITS = {"soil_moisture": 1, "temperature": 1, "humidity": 0, "rssi": 0, "snr": 1, "battery_v": 3}


class Scene:
    """Uplinks of one case. Times are minutes since its start, values arrays over them."""

    def __init__(
        self, name: str, days: float, season_c: float = 16.0, swing_c: float = 7.0
    ) -> None:
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.days = days
        self.rows: list[tuple[float, str, Mapping[str, float | str]]] = []
        self._grid = np.arange(0.0, days * DAY + DAY, 10.0)
        self._front = self.drift(1.4, 1.5 * DAY)
        self._cloud = self.drift(0.8, 5 * HOUR)
        self._wet = self.drift(7.0, 8 * HOUR)
        self._season_c, self._swing_c = season_c, swing_c

    def drift(self, sd: float, tau: float) -> Callable[[Series], Series]:
        """Return an Ornstein-Uhlenbeck path: standard deviation `sd`, memory of `tau` minutes."""
        keep = np.exp(-10.0 / tau)
        path = np.zeros_like(self._grid)
        path[0] = self.rng.normal(0.0, sd)
        for i, kick in enumerate(self.rng.normal(0.0, sd * np.sqrt(1 - keep**2), path.size - 1)):
            path[i + 1] = keep * path[i] + kick
        return lambda t: np.interp(t, self._grid, path)

    def times(self, every: float, *, jitter: float = 0.4, lost: float = 0.02) -> Series:
        """Return when a device is heard: its clock is its own, and some frames are lost."""
        first = self.rng.uniform(0.0, every)
        t = np.arange(first, self.days * DAY, every)
        t = t + self.rng.normal(0.0, jitter, t.size)
        return np.asarray(t[self.rng.random(t.size) >= lost])

    def sun(self, t: Series) -> Series:
        """Return the sun's height, 0 at night, 1 at noon of a summer's day."""
        return np.maximum(0.0, np.sin((t % DAY - 5.5 * HOUR) / (13 * HOUR) * np.pi)) * (
            (t % DAY > 5.5 * HOUR) & (t % DAY < 18.5 * HOUR)
        )

    def air(self, t: Series) -> Series:
        """Return air temperature (°C): season, day, clouds and fronts."""
        day = np.cos((t % DAY - 15 * HOUR) / DAY * 2 * np.pi)
        damp = 1.0 - 0.15 * np.abs(self._cloud(t))
        return self._season_c + self._swing_c * day * damp + self._front(t) + self._cloud(t)

    def humidity(self, t: Series) -> Series:
        """Return relative humidity (%), low when it is warm."""
        return np.clip(68 - 2.6 * (self.air(t) - self._season_c) + self._wet(t), 18, 99)

    def ground(self, t: Series, depth: float = 0.15) -> Series:
        """Return soil temperature (°C) at `depth` metres: the day comes late and small."""
        lag, left = depth * 25 * HOUR, np.exp(-depth / 0.12)
        day = np.cos((t % DAY - 15 * HOUR - lag) / DAY * 2 * np.pi)
        return self._season_c - 0.5 + self._swing_c * left * day + 0.5 * self._front(t - lag)

    def moisture(self, t: Series, wettings: Mapping[float, float], start: float = 27.0) -> Series:
        """Return soil moisture (%): dries down to its field's floor, wetted by {minute: %}."""
        floor = 15.0
        now, path, coming = start, np.zeros_like(self._grid), dict(sorted(wettings.items()))
        soaking = 0.0
        for i, minute in enumerate(self._grid):
            for at in [at for at in coming if at <= minute]:
                soaking += coming.pop(at)
            taken = soaking * (1 - np.exp(-10.0 / 50.0))
            soaking -= taken
            now += taken - (now - floor) * 10.0 / (7 * DAY) * (0.6 + 0.8 * float(self.sun(minute)))
            path[i] = now
        return np.interp(t, self._grid, path)

    def say(self, device: str, t: Series, **values: Series | float | str) -> None:
        """Add the uplinks of a device. Radio and battery are added where they are not given."""
        n = t.size
        lowly = self.drift(1.5, 9 * HOUR)
        filled: dict[str, Series | float | str] = {
            "rssi": -96 + lowly(t) + self.rng.normal(0, 1.8, n),
            "snr": 7.5 + 0.4 * lowly(t) + self.rng.normal(0, 1.0, n),
            "battery_v": np.where(
                np.arange(n) % 6 == 0,
                3.61 - 0.00002 * t / HOUR + self.rng.normal(0, 0.002, n),
                np.nan,
            ),
            **values,
        }
        for i, minute in enumerate(t):
            cells = {
                key: value if isinstance(value, str) else float(np.broadcast_to(value, n)[i])
                for key, value in filled.items()
            }
            shown = {k: v for k, v in cells.items() if isinstance(v, str) or np.isfinite(v)}
            self.rows.append((float(minute), device, shown))

    def noise(self, t: Series, sd: float) -> Series:
        """Return a sensor's own noise."""
        return self.rng.normal(0.0, sd, t.size)

    def write(self, folder: Path) -> None:
        """Write the rows in order of time."""
        keys = sorted({key for _, _, cells in self.rows for key in cells})
        with (folder / "uplinks.csv").open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["minute", "device", *keys])
            for minute, device, cells in sorted(self.rows, key=lambda row: row[:2]):
                said = [_cell(key, cells.get(key, "")) for key in keys]
                table.writerow([f"{minute:.1f}", device, *said])


def _cell(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    text = f"{value:.{DIGITS.get(key, 2)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def climate(scene: Scene, name: str, every: float = 30.0, offset: float = 0.0) -> Series:
    """Add one thermometer of the field and return its times."""
    t = scene.times(every)
    air = scene.air(t) + offset + scene.noise(t, 0.12)
    scene.say(name, t, temperature=air, humidity=scene.humidity(t) + scene.noise(t, 0.8))
    return t


def probe(scene: Scene, name: str, wettings: Mapping[float, float], **changed: Series) -> Series:
    """Add one soil probe whose moisture follows `wettings`."""
    t = scene.times(30.0)
    moisture = scene.moisture(t, wettings) + scene.noise(t, 0.12)
    scene.say(
        name, t, soil_moisture=moisture, soil_temperature=scene.ground(t) + scene.noise(t, 0.05),
        **changed,
    )  # fmt: skip
    return t


def mornings(scene: Scene, amount: float, first: int = 0, every: int = 1) -> dict[float, float]:
    """Return irrigation at six each `every`th morning: {minute: % of moisture}."""
    return {
        day * DAY + 6 * HOUR: amount + scene.rng.normal(0, 0.2)
        for day in range(first, int(scene.days), every)
    }


def valve(scene: Scene, name: str, openings: Mapping[float, float]) -> None:
    """Add a valve that tells whether it is open, at once when it moves and each half hour."""
    moves = dict.fromkeys(openings, 1.0) | {at + length: 0.0 for at, length in openings.items()}
    t = np.sort(np.concatenate([scene.times(30.0), np.array(list(moves)) + 0.3]))
    open_ = np.array([float(any(at <= m < at + n for at, n in openings.items())) for m in t])
    scene.say(name, t, valve=open_)


def gauge(s: Scene, name: str, falls: Mapping[float, float]) -> None:
    """Add a rain gauge that tells what fell since its last message (mm)."""
    t = s.times(15.0, lost=0.0)
    fell = np.zeros_like(t)
    for at, mm in falls.items():
        fell[min(int(np.searchsorted(t, at)), t.size - 1)] += mm
    s.say(name, t, rain_mm=np.round(fell / 0.2) * 0.2)


def freeze(s: Scene, device: str, key: str, since: float) -> None:
    """Let one value of a device stand still since a minute."""
    held: float | str | None = None
    for i, (minute, name, cells) in enumerate(s.rows):
        if name == device and minute >= since and key in cells:
            held = cells[key] if held is None else held
            s.rows[i] = (minute, name, {**cells, key: held})


def change(
    s: Scene, device: str, key: str, when: tuple[float, float], by: Callable[[float, float], float]
) -> None:  # fmt: skip
    """Replace one value of a device between two minutes: `by(value, minutes since then)`."""
    since, until = when
    for i, (minute, name, cells) in enumerate(s.rows):
        if name == device and since <= minute < until and not isinstance(cells.get(key, ""), str):
            s.rows[i] = (minute, name, {**cells, key: by(float(cells[key]), minute - since)})


def silence(s: Scene, devices: tuple[str, ...], since: float, until: float) -> None:
    """Take away what some devices said between two minutes."""
    s.rows = [r for r in s.rows if r[1] not in devices or not since <= r[0] < until]
