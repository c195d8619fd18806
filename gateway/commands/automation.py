"""`lora-gateway automation`: irrigation programs, looked at, switched, run and simulated."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.agronomy import sunrise_of
from gateway.codecs import format_rfc3339
from gateway.commands.downlink import name_of, sign_for
from gateway.commands.inspect import reading
from gateway.commands.series import Table as Series
from gateway.commands.series import read_table
from gateway.commands.wire import ask
from gateway.config import Config, load
from gateway.control import Fact
from gateway.devices import DeviceBook
from gateway.errors import ConfigError
from gateway.simulation import Event, Simulation, Standing, totals
from gateway.simulation import as_json as event_as_json
from gateway.store import Reader
from gateway.types import DevEui, Json
from gateway.weather import StoreWeather, of_span

RECALLED = 64
"""How many newest uplinks of each device are read for what it said last."""

_WIDTH = 110
_FORECAST = "forecast_"
_ENDS = frozenset({"done", "partial", "failed", "stopped", "skipped", "missed"})


def list_programs(config_path: Path | None, *, wait_s: float, as_json: bool) -> int:
    """Ask the running gateway how its programs stand, and print that."""
    config = load(config_path)
    answer = asyncio.run(ask(config.mqtt, "program/list", {}, wait_s))
    programs = answer["data"]["programs"]
    if as_json:
        print(json.dumps(programs))
    elif not programs:
        print("No [programs.NAME] is in the settings.")
    else:
        _print(("program", "state", "next start", "last", "why"), [_row(one) for one in programs])
    return 0


def order(
    config_path: Path | None,
    verb: str,
    name: str,
    *,
    by: str | None,
    more: Mapping[str, Json],
    wait_s: float,
    as_json: bool,
) -> int:
    """Give an order on one program and print the answer; return 0 when it was carried out."""
    config = load(config_path)
    who = (by or "command line") if verb == "stop" else name_of(config, by)
    body: dict[str, object] = {"id": str(uuid.uuid4()), "by": who, "name": name, **more}
    sign_for(config, "", body, order=f"program/{verb}")
    answer = asyncio.run(ask(config.mqtt, f"program/{verb}", body, wait_s))
    if as_json:
        print(json.dumps(answer))
    else:
        print(answer["error"] or _done(verb, name, answer["data"]))
    return 0 if answer["status"] == "ok" else 1


def simulate(
    config_path: Path | None,
    *,
    days: float,
    names: Sequence[str],
    weather: Path | None,
    as_json: bool,
) -> int:
    """Print what the programs would do from now on; nothing is sent."""
    config = load(config_path)
    if not config.programs:
        raise ConfigError("No [programs.NAME] is in the settings: there is nothing to simulate.")
    if unknown := set(names) - config.programs.keys():
        known = ", ".join(sorted(config.programs))
        raise ConfigError(f"{', '.join(sorted(unknown))} is no program; there are: {known}.")
    events = _rehearsed(config, days, names, weather)
    if as_json:
        print(json.dumps([event_as_json(event) for event in events]))
        return 0
    _print_events(events, days, weather)
    return 0


def _rehearsed(
    config: Config, days: float, names: Sequence[str], weather: Path | None
) -> list[Event]:
    sunrise = sunrise_of(config.agronomy)
    series = SeriesWeather(config, read_table(weather)) if weather is not None else None
    if not config.store.path.exists():
        start_s = series.start_s if series is not None else time.time()
        simulation = Simulation(config, {}, series or Unknown(), sunrise)
        return simulation.run(start_s, days, names)
    with reading(config) as store:
        start_s = series.start_s if series is not None else time.time()
        infos = {one.info.dev_eui: one.info for one in store.devices()}
        standing = Standing(StoreWeather(_book(config, store), store), time.time())
        simulation = Simulation(config, infos, series or standing, sunrise, store.control())
        return simulation.run(start_s, days, names)


def _book(config: Config, store: Reader) -> DeviceBook:
    """Return the devices with what each said last, as the daemon takes them up."""
    book = DeviceBook(config, store)
    for device in book:
        for row in store.history(device.info.dev_eui, RECALLED):
            device.take(row.record.readings, row.record.verdicts)
    return book


class Unknown:
    """Weather of which nothing is known."""

    def fact(
        self, dev_eui: DevEui, channel: str, over: str, hours: float, now_s: float
    ) -> Fact | None:
        """Return None."""
        del dev_eui, channel, over, hours, now_s
        return None


class SeriesWeather:
    """Weather from a table: columns are channels, or `device/channel` for one device alone.

    Rows after a moment are its forecast: the file is taken to come true.
    """

    def __init__(self, config: Config, table: Series) -> None:
        order = table.order()
        self._times = table.times_s[order]
        self._columns = {name: values[order] for name, values in table.columns.items()}
        self._names = {key: one.name for key, one in config.devices.items() if one.name}
        self.start_s = float(self._times[0])

    def fact(
        self, dev_eui: DevEui, channel: str, over: str, hours: float, now_s: float
    ) -> Fact | None:
        """Return the figure by the table."""
        named = (f"{dev_eui}/{channel}", f"{self._names.get(dev_eui, '')}/{channel}", channel)
        column = next((self._columns[one] for one in named if one in self._columns), None)
        if column is None:
            return None
        known = np.isfinite(column)
        if over == "newest":
            past = np.flatnonzero(known & (self._times <= now_s))
            if not past.size:
                return None
            return Fact(float(column[past[-1]]), "", float(self._times[past[-1]]))
        span_s = hours * 3600.0
        ahead = over.startswith(_FORECAST)
        begin_s, end_s = (now_s, now_s + span_s) if ahead else (now_s - span_s, now_s)
        within = known & (self._times > begin_s) & (self._times <= end_s)
        value = of_span(over.removeprefix(_FORECAST), [float(one) for one in column[within]])
        return None if value is None else Fact(value, "", now_s)


# --- printing -------------------------------------------------------------------------------


def _row(program: Mapping[str, Json]) -> tuple[str, ...]:
    last = program["last"] or {"outcome": "", "why": ""}
    following = _here(program["next"]) if program["next"] else ""
    if program["skip"]:
        following += " (left out)"
    why = program["why"] or last["why"]
    return program["name"], program["state"], following, last["outcome"], why


def _here(text: str) -> str:
    """Return a time as people at this machine write it."""
    return datetime.fromisoformat(text).astimezone().strftime("%a %Y-%m-%d %H:%M %Z")


def _done(verb: str, name: str, data: Mapping[str, Json]) -> str:
    if verb == "skip":
        at = _here(format_rfc3339(data["next_s"]))
        return f"{name}: its start at {at} is {'left out' if data['skip'] else 'taken again'}."
    if verb == "stop" and not data["stopped"]:
        return f"{name} is not running."
    words = {"run": "runs", "stop": "is being stopped", "enable": "is on", "disable": "is off"}
    return f"{name} {words[verb]}."


def _print_events(events: Sequence[Event], days: float, weather: Path | None) -> None:
    if not events:
        print(f"Nothing would happen in the next {days:g} days.")
        return
    _print(("when", "program", "what", "why"), [_line(event) for event in events])
    for name, count, seconds, litres in totals(events):
        brought = f", {litres:.5g} L" if litres else ""
        print(f"{name}: opens valves {count} times, {seconds / 60:.4g} min in all{brought}.")
    if unheard := sorted({event.device for event in events if not event.heard}):
        print(f"Not heard yet, and taken to be there: {', '.join(unheard)}.")
    said = f"the weather of {weather}" if weather else "readings and forecasts as they are now"
    print(f"Simulated for {days:g} days with {said}. Nothing was sent.")


def _line(event: Event) -> tuple[str, ...]:
    if event.what in _ENDS:
        return event.local, event.program, event.what.upper(), event.why
    what = f"{event.device}: {event.what}"
    if event.duration_s is not None:
        what += f" for {event.duration_s / 60:.4g} min"
    if event.litres is not None:
        what += f" ({event.litres:.4g} L)"
    return event.local, event.program, what, event.why


def _print(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)
