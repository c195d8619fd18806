"""`lora-gateway devices health`: how every device does, the worst first."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import speech
from gateway.alerts.battery import DAY_S
from gateway.alerts.equipment import NEWEST, Condition, Equipment, Level
from gateway.commands.inspect import reading
from gateway.config import Config, load
from gateway.recollection import older_days
from gateway.speech import duration, figure, moment, say
from gateway.store import Reader
from gateway.upkeep import condition_json, kept_sampling

_WIDTH = 160
_DAYS_S = 2 * DAY_S
_STYLES = {Level.ACT: "bold red", Level.WATCH: "yellow", Level.NEW: "dim", Level.OK: "green"}


def run(config_path: Path | None, *, as_json: bool, now_s: float | None = None) -> int:
    """Print every device's condition; `now_s` is the present unless given."""
    config = load(config_path)
    speech.use(config.site.language, config.site.units, config.agronomy.time_zone)
    with reading(config) as store:
        found = conditions(store, config, time.time() if now_s is None else now_s)
    if as_json:
        print(json.dumps([condition_json(one) for one in found], ensure_ascii=False))
    elif not found:
        print(say("No device was heard yet."))
    else:
        _print(found, time.time() if now_s is None else now_s)
    return 0


def conditions(store: Reader, config: Config, now_s: float) -> list[Condition]:
    """Return how every device does, from what is stored: as the daemon itself would tell it."""
    equipment = Equipment()
    if config.advice.sampling != "off":
        equipment.restore(kept_sampling(store.control()))
    for device in store.devices():
        settings = config.devices.get(device.info.dev_eui)
        name = (settings.name if settings else "") or device.info.name
        info = replace(device.info, name=name)
        rows = [row.record for row in store.history(info.dev_eui, NEWEST)]
        for record in rows:
            equipment.hear(info, record)
        if rows:
            equipment.recall(info, older_days(store, info, rows[-1].time_s))
    return equipment.conditions(store.open_alerts(), now_s)


def _print(found: Sequence[Condition], now_s: float) -> None:
    table = Table(pad_edge=False, box=None, header_style="bold")
    titles = (
        say("Device"), say("Condition"), say("Heard"), say("Every"), say("Battery"), say("Lasts"),
        say("Margin"), say("Lost"), say("Restarts"), say("Type"),
    )  # fmt: skip
    for title in titles:
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(*_row(one, now_s))
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDTH)
    console.print(table)
    for one in found:
        if one.sampling is not None:
            told = say("{device}: {trouble}", device=_name(one), trouble=one.sampling.text)
            console.print(Text(told))


def _row(one: Condition, now_s: float) -> tuple[Text, ...]:
    link, battery, days = one.link, one.battery, one.days_left
    margin_db, lost = link.margin_db, link.loss_percent
    kind = " ".join(filter(None, (one.device.profile, one.firmware)))
    return (
        Text(_name(one)),
        Text(one.judgement, style=_STYLES[one.level]),
        Text(_ago(one.last_seen_s, now_s)),
        Text("" if one.every_s is None else duration(one.every_s)),
        Text("" if battery is None else figure(battery.value, battery.unit)),
        Text("" if days is None else duration(days * DAY_S)),
        Text("" if margin_db is None else figure(round(margin_db), "dB")),
        Text("" if lost is None else figure(round(lost), "%")),
        Text(str(one.restarts or "")),
        Text(kind),
    )


def _ago(time_s: float, now_s: float) -> str:
    """Return how long ago, or when if that is days."""
    age_s = max(now_s - time_s, 0.0)
    if age_s > _DAYS_S:
        return moment(time_s)
    return say("{duration} ago", duration=duration(age_s))


def _name(one: Condition) -> str:
    return one.device.name or one.device.dev_eui
