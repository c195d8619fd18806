"""What irrigation programs would do: their own code, in a world where every command arrives.

Nothing is sent and nothing is stored. Schema, safety, limits and quiet hours have their say as in
the daemon, so a refusal that is to come is seen before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from gateway.codecs import format_rfc3339
from gateway.config import Config
from gateway.control import (
    PROGRAM,
    Catalogue,
    CommandParser,
    Desk,
    DownlinkTracker,
    Fact,
    Programs,
    Safety,
    Sunrise,
    Target,
    Weather,
    refused,
)
from gateway.control.authority import Authority
from gateway.errors import CommandRefused
from gateway.types import Ack, DevEui, DeviceInfo, Downlink, DownlinkState, Json, TxAck

STEP_S = 15.0
"""How finely a run is followed."""

ASKED_DAYS = 14.0
"""The most that is simulated within the daemon, which waits for it."""

APPLICATION = "simulation"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that would happen: a command to a device, or a start's end.

    `what` is the command's name, `refused`, or how a start ended; `effect` is the command's;
    `litres` where that is known. `heard` is False for a device that never spoke yet.
    """

    time_s: float
    local: str
    program: str
    what: str
    device: str = ""
    duration_s: float | None = None
    litres: float | None = None
    effect: str = ""
    heard: bool = True
    why: str = ""


@dataclass(slots=True)
class Standing:
    """Weather that stays as it is now: what is known at `asof_s` is taken to hold on."""

    weather: Weather
    asof_s: float

    def fact(
        self, dev_eui: DevEui, channel: str, over: str, hours: float, now_s: float
    ) -> Fact | None:
        """Return today's figure, as old as it is today."""
        found = self.weather.fact(dev_eui, channel, over, hours, self.asof_s)
        if found is None:
            return None
        return Fact(found.value, found.unit, found.time_s + (now_s - self.asof_s))


@dataclass(slots=True)
class Simulation:
    """One simulation. `infos` are the devices that were heard; others are taken to be there."""

    config: Config
    infos: Mapping[DevEui, DeviceInfo]
    weather: Weather
    sunrise: Sunrise
    kept: Mapping[str, Json] = field(default_factory=dict)

    def run(self, start_s: float, days: float, names: Iterable[str] = ()) -> list[Event]:
        """Return what would happen from `start_s` on, in order."""
        wanted = set(names) or set(self.config.programs)
        programs = {name: one for name, one in self.config.programs.items() if name in wanted}
        downlink = self.config.downlink.model_copy(update={"dry_run": False})
        config = self.config.model_copy(update={"programs": programs, "downlink": downlink})
        stage = _Stage(config, self.infos, self.weather, self.sunrise)
        stage.programs.restore(self.kept, start_s)
        return sorted(stage.play(start_s, start_s + days * 86400.0), key=lambda one: one.time_s)


class _Stage:
    """The parts of control by themselves, with devices that obey and confirm."""

    def __init__(
        self,
        config: Config,
        infos: Mapping[DevEui, DeviceInfo],
        weather: Weather,
        sunrise: Sunrise,
    ) -> None:
        self._config = config
        self._infos = infos
        self._catalogue = Catalogue(config)
        for info in infos.values():
            self._catalogue.learn(info)
        self._tracker = DownlinkTracker(config.downlink)
        safety = Safety(config.downlink, self._catalogue)
        authority = Authority.of(config)
        self._desk = Desk(config.downlink, self._tracker, safety, self._catalogue, authority)
        self._desk.target_of = self._target
        self._parser = CommandParser(
            config.downlink, self._tracker.get, authority=authority, safety=safety
        )
        self.programs = Programs(
            config, catalogue=self._catalogue, safety=safety, weather=weather, sunrise=sunrise
        )
        self._events: list[Event] = []
        self._owners: dict[str, str] = {}
        self._ended: dict[str, float | None] = {}
        self._now_s = 0.0

    def play(self, start_s: float, until_s: float) -> list[Event]:
        self._now_s = start_s
        for name in self.programs:
            self._ended[name] = self.programs.view(name, start_s).last_ended_s
        while self._now_s <= until_s:
            self._obey()
            turned = self.programs.turn(self._now_s, self._give)
            self._obey()
            for name in turned.names:
                self._note_end(name)
            idle_s = self.programs.idle_until(self._now_s)
            busy = idle_s is None or self._tracker.open()
            self._now_s = self._now_s + STEP_S if busy else max(idle_s or 0.0, self._now_s + 1.0)
        return self._events

    def _give(self, name: str, dev_eui: DevEui, body: Mapping[str, Json]) -> Downlink:
        payload = json.dumps({**body, "by": PROGRAM + name}).encode()
        try:
            downlink, _ = self._parser.parse(
                dev_eui, None, payload, retained=False, now_s=self._now_s,
                target=self._target(dev_eui), authority=self.programs.authority(name),
            )  # fmt: skip
            steps = self._desk.begin(downlink, self._now_s)
        except CommandRefused as refusal:
            found = refused(dev_eui, None, payload, refusal, self._now_s)
            self._tell(name, "refused", found, why=found.detail)
            return found
        self._tell(name, downlink.command, downlink)
        self._owners.update({one.id: name for one in steps})
        return steps[0]

    def _obey(self) -> None:
        """Let everything that may go go, and be confirmed by its device."""
        self._desk.due(self._now_s)
        while waiting := self._tracker.waiting():
            for one in waiting:
                go, steps = self._desk.clear(one.id, self._now_s)
                self._desk.follow(steps, self._now_s)
                if go is None:
                    continue
                if go.effect in {"close", "stop"} and go.ends:
                    self._tell(self._owners.get(go.ends, ""), go.command, go)
                self._confirm(go)

    def _confirm(self, one: Downlink) -> None:
        now_s, info = self._now_s, DeviceInfo(one.dev_eui)
        steps = self._tracker.queued(one.id, now_s)
        steps += self._tracker.on_event(TxAck(info, now_s, now_s, one.id, None, ""))
        steps += self._tracker.on_event(
            Ack(info, now_s, now_s, one.id, acknowledged=True, f_cnt_down=None)
        )
        self._desk.follow(steps, now_s)

    def _tell(self, name: str, what: str, one: Downlink, why: str = "") -> None:
        self._events.append(
            Event(
                time_s=self._now_s,
                local=self.programs.local(name, self._now_s),
                program=name,
                what=what,
                device=self.programs.name_of(one.dev_eui),
                duration_s=one.duration_s,
                litres=one.volume_l,
                effect=one.effect if what != "refused" else "",
                heard=one.dev_eui in self._infos,
                why=why or (one.detail if one.state is DownlinkState.HELD else ""),
            )
        )

    def _note_end(self, name: str) -> None:
        view = self.programs.view(name, self._now_s)
        if view.last_ended_s == self._ended[name]:
            return
        self._ended[name] = view.last_ended_s
        local = self.programs.local(name, self._now_s)
        self._events.append(Event(self._now_s, local, name, view.last_outcome, why=view.last_why))

    def _target(self, dev_eui: DevEui) -> Target:
        info = self._infos.get(dev_eui)
        device = self._config.devices.get(dev_eui)
        return Target(
            application_id=APPLICATION,
            profile=info.profile if info is not None else "",
            f_port=(device.command_f_port if device is not None else None) or 1,
            commands=self._catalogue.of(dev_eui),
        )


def totals(events: Iterable[Event]) -> Iterator[tuple[str, int, float, float]]:
    """Yield for each program how often it would open a valve, for how many seconds and litres."""
    sums: dict[str, tuple[int, float, float]] = {}
    for one in events:
        count, seconds, litres = sums.get(one.program, (0, 0.0, 0.0))
        if one.effect == "open":
            count, seconds = count + 1, seconds + (one.duration_s or 0.0)
            litres += one.litres or 0.0
        sums[one.program] = (count, seconds, litres)
    for name, (count, seconds, litres) in sums.items():
        yield name, count, seconds, litres


def as_json(event: Event) -> dict[str, Json]:
    """Return an event as it is printed and published."""
    fields = {key: one for key, one in asdict(event).items() if key != "time_s"}
    return {"time": format_rfc3339(event.time_s), **fields}
