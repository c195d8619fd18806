"""All programs: when each starts, what keeps it from starting, its run, its off switch.

::

    calendar, conditions --> due? --> skip_when, amounts --> a run --> work.py, a turn at a time
                                          └--> skipped, missed (with the reason)

What is remembered of a program goes to the store in the transaction of the commands it gives, so
however often the gateway dies, a start leads to one run at most, and each valve of it to one open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.config import Config, OperatorConfig, ProgramConditionConfig
from gateway.control.authority import PROGRAM, Authority
from gateway.control.programs.calendar import Calendar, Occurrence, Sunrise
from gateway.control.programs.plans import Planner
from gateway.control.programs.program import Program, view_of
from gateway.control.programs.runs import Last, Memory, Run
from gateway.control.programs.weather import Found, Weather, any_holds, look
from gateway.control.programs.work import Turn
from gateway.control.safety import Safety
from gateway.control.schema import Catalogue
from gateway.errors import CommandRefused
from gateway.speech import say
from gateway.types import DevEui, Downlink, Json, ProgramView

KEPT = "program:"
"""How the names begin under which programs are kept."""

DAY_S = 86400.0
TRUST_S = 3600.0
"""A clock that is more than a day behind what was settled is believed after it ran for so long."""

LOOK_S = 60.0
"""How often conditions that start a program are looked at."""

KEYS = 64
"""Starts and orders that are remembered by name, so that none is taken twice whatever the clock
does."""

GiveFor = Callable[[str, DevEui, Mapping[str, Json]], Downlink]
"""As `Give`, for the program of this name."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn changed: what is to be stored, and which programs have news."""

    kept: Mapping[str, Json] = field(default_factory=dict)
    names: tuple[str, ...] = ()


class Programs:
    """Every program of the settings. No clock, no wire: `turn` is called as time passes."""

    def __init__(
        self,
        config: Config,
        *,
        catalogue: Catalogue,
        safety: Safety,
        weather: Weather,
        sunrise: Sunrise,
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._safety = safety
        self._weather = weather
        self._planner = Planner(config, catalogue, weather)
        self._sunrise = sunrise
        self._programs: dict[str, Program] = {}
        self._fresh: set[str] = set()

    def restore(self, kept: Mapping[str, Json], now_s: float) -> None:
        """Take up what the store has; a new program begins now, with nothing missed."""
        for name, config in self._config.programs.items():
            zone = config.time_zone or self._config.downlink.timezone
            tree = kept.get(KEPT + name)
            memory = Memory.from_json(tree) if tree else Memory(settled_s=now_s)
            program = Program(name, config, Calendar(config, zone, self._sunrise), memory)
            self._programs[name] = program
            if tree is None or self._was_away(program, now_s):
                self._fresh.add(name)

    def _was_away(self, program: Program, now_s: float) -> bool:
        """End a run that stood still for longer than a start may be late: its time is over."""
        run = program.memory.run
        if run is None or run.stopping:
            return False
        busy_s = max((leg.until_s for leg in run.legs()), default=0.0)
        away_s = now_s - max(run.changed_s, busy_s)
        if away_s <= program.config.tolerance_s + program.config.expiry_s:
            return False
        said = say("The gateway was away for {minutes} min.", minutes=round(away_s / 60.0))
        program.memory = replace(program.memory, run=replace(run, stopping=said))
        return True

    def __contains__(self, name: object) -> bool:
        return name in self._programs

    def __iter__(self) -> Iterator[str]:
        return iter(self._programs)

    def authority(self, name: str) -> Authority:
        """Return what a program may command: its own valves and its pump, nothing else."""
        devices = tuple(self.devices(name))
        return Authority({PROGRAM + name: OperatorConfig(role="operator", devices=devices)})

    def devices(self, name: str) -> list[DevEui]:
        """Return the DevEUIs of a program's valves and pump."""
        config = self._programs[name].config
        named = [valve.device for valve in config.valve]
        named += [config.pump.device] if config.pump is not None else []
        return [DevEui(self._config.eui_of(one)) for one in named]

    # --- as time passes -------------------------------------------------------------------

    def turn(self, now_s: float, give: GiveFor) -> Turned:
        """Start what is due, and bring every run a step further."""
        kept: dict[str, Json] = {}
        names = []
        for name, program in self._programs.items():
            before = program.memory
            self._settle(program, now_s)
            self._work(program, now_s, give)
            if program.memory != before or name in self._fresh:
                kept[KEPT + name] = program.memory.to_json()
                names.append(name)
        self._fresh.clear()
        return Turned(kept, tuple(names))

    def _work(self, program: Program, now_s: float, give: GiveFor) -> None:
        run = program.memory.run
        if run is None:
            return

        def give_it(dev_eui: DevEui, body: Mapping[str, Json]) -> Downlink:
            return give(program.name, dev_eui, body)

        turn = Turn(program.name, program.config, self._catalogue, self._safety, give_it, now_s)
        run = turn.run(run)
        if run.current is not None:
            program.memory = replace(program.memory, run=run)
            return
        outcome, why = run.outcome()
        last = Last(run.key, run.started_s, now_s, outcome, why, run.parts())
        program.memory = replace(program.memory, run=None, last=last)

    def _settle(self, program: Program, now_s: float) -> None:
        """Decide on every start that has come since the last turn."""
        if not self._trusts(program, now_s):
            return
        settled_s = program.memory.settled_s
        after_s = max(settled_s, program.cursor_s) if program.cursor_s <= now_s else settled_s
        due = program.calendar.occurrences(after_s, now_s)
        program.cursor_s = now_s
        for one in due:
            if one.key not in program.memory.keys:
                self._meet(program, one, now_s, is_newest=one is due[-1])
        if program.config.start_when:
            self._watch(program, now_s)

    def _trusts(self, program: Program, now_s: float) -> bool:
        """Tell whether starts may be decided by this clock.

        Behind what was settled it decides nothing anew. More than a day behind, either it is wrong
        now or it was wrong before: after an hour it is taken to have been wrong before.
        """
        if now_s >= program.memory.settled_s - DAY_S:
            program.behind_s = None
            return True
        if program.behind_s is None or now_s < program.behind_s:
            program.behind_s = now_s
        if now_s - program.behind_s < TRUST_S:
            return False
        program.behind_s = None
        program.memory = replace(program.memory, settled_s=now_s)
        return True

    def _meet(self, program: Program, one: Occurrence, now_s: float, *, is_newest: bool) -> None:
        late_s = now_s - one.at_s
        settled_s = max(program.memory.settled_s, one.at_s)
        program.memory = replace(program.memory, settled_s=settled_s)
        if not is_newest or late_s > program.config.tolerance_s:
            said = say("The gateway was not there at that time.")
            self._leave_out(program, one.key, now_s, "missed", said)
            return
        self._begin(program, one.key, now_s, say("By the calendar."))

    def _watch(self, program: Program, now_s: float) -> None:
        """Start as soon as all of `start_when` holds, once in the day's span."""
        span = program.calendar.span_at(now_s)
        if span is None or span.key in program.memory.keys or program.memory.run is not None:
            return
        if 0.0 <= now_s - program.looked_s < LOOK_S:
            return
        program.looked_s = now_s
        found = [self._look(one, now_s) for one in program.config.start_when]
        program.looked = " ".join(one.said for one in found)
        if all(one.holds for one in found):
            self._begin(program, span.key, now_s, program.looked)

    def _look(self, condition: ProgramConditionConfig, now_s: float) -> Found:
        dev_eui = DevEui(self._config.eui_of(condition.device))
        return look(condition, dev_eui, self._weather, now_s, self.name_of(dev_eui))

    def _begin(self, program: Program, key: str, now_s: float, why: str) -> None:
        """Begin the run of a start, or say what keeps it from it."""
        if said := self._hindrance(program, key, now_s):
            self._leave_out(program, key, now_s, "skipped", said)
            return
        stages, amounts = self._planner.stages(program.config, now_s)
        if all(one.duration_s <= 0 for one in amounts):
            said = " ".join(dict.fromkeys(one.said for one in amounts))
            self._leave_out(program, key, now_s, "skipped", said)
            return
        run = Run(key, now_s, now_s, why, stages)
        program.memory = replace(self._noted(program, key), run=run)

    def _hindrance(self, program: Program, key: str, now_s: float) -> str:
        if not program.enabled:
            return say("It is switched off.")
        if program.memory.skip == key:
            return say("It was to be left out this time.")
        if program.memory.run is not None:
            return say("The run before it is still under way.")
        if self._safety.stop is not None:
            return say("An emergency stop stands.")
        found = any_holds([self._look(one, now_s) for one in program.config.skip_when])
        return found.said if found is not None else ""

    def _leave_out(self, program: Program, key: str, now_s: float, outcome: str, why: str) -> None:
        last = Last(key, now_s, now_s, outcome, why)
        program.memory = replace(self._noted(program, key), last=last)

    def _noted(self, program: Program, key: str) -> Memory:
        memory = program.memory
        skip = "" if memory.skip == key else memory.skip
        return replace(memory, keys=(*memory.keys, key)[-KEYS:], skip=skip)

    def take_id(self, name: str, mark: str) -> None:
        """Note an order by its id: a signed one is good once, though its time is good for minutes.

        Raises
        ------
        CommandRefused
            `id_in_use`.

        """
        memory = self._programs[name].memory
        if mark in memory.keys:
            raise CommandRefused("id_in_use", say("An order of this id was given before."))
        self._change(name, keys=(*memory.keys, mark)[-KEYS:])

    # --- what people ask --------------------------------------------------------------------

    def enable(self, name: str, *, enabled: bool) -> None:
        """Switch a program on or off; what runs goes on to its end."""
        self._change(name, enabled=enabled)

    def begin(self, name: str, now_s: float, minutes: float | None, by: str) -> None:
        """Run a program now, whatever its calendar and conditions say; safety has its say still.

        Raises
        ------
        CommandRefused
            `busy`, `emergency_stop`, or `nothing`: no valve would open.

        """
        program = self._programs[name]
        if program.memory.run is not None:
            raise CommandRefused("busy", say("{name} is running already.", name=name))
        if self._safety.stop is not None:
            raise CommandRefused("emergency_stop", say("An emergency stop stands."))
        stages, amounts = self._planner.stages(program.config, now_s, minutes)
        if all(one.duration_s <= 0 for one in amounts):
            raise CommandRefused("nothing", " ".join(dict.fromkeys(one.said for one in amounts)))
        why = say("{by} asked for it.", by=by or say("Somebody"))
        self._change(name, run=Run(f"by hand {now_s:.3f}", now_s, now_s, why, stages))

    def skip(self, name: str, now_s: float, *, undo: bool) -> float | None:
        """Leave the next start out, or not after all; return when it is.

        Raises
        ------
        CommandRefused
            `nothing`: the calendar has no next start.

        """
        following = self._next(self._programs[name], now_s)
        if following is None:
            raise CommandRefused("nothing", say("The calendar of {name} has no next start.",
                                                name=name))  # fmt: skip
        self._change(name, skip="" if undo else following.key)
        return following.at_s

    def stop(self, name: str, by: str) -> bool:
        """End a run early: the pump first, then the valves; return whether there was one."""
        run = self._programs[name].memory.run
        if run is None:
            return False
        why = say("{by} stopped it.", by=by or say("Somebody"))
        self._change(name, run=replace(run, stopping=run.stopping or why))
        return True

    def _change(self, name: str, **changes: object) -> None:
        program = self._programs[name]
        program.memory = replace(program.memory, **changes)  # type: ignore[arg-type]
        self._fresh.add(name)

    def kept(self, name: str) -> Json:
        """Return what is stored of a program."""
        return self._programs[name].memory.to_json()

    # --- what is told -----------------------------------------------------------------------

    def view(self, name: str, now_s: float) -> ProgramView:
        """Return a program as it stands."""
        program = self._programs[name]
        return view_of(program, self._next(program, now_s), self.name_of)

    def idle_until(self, now_s: float) -> float | None:
        """Return until when nothing will happen by itself, None while a run is under way."""
        moments = [now_s + DAY_S]
        for program in self._programs.values():
            if program.memory.run is not None:
                return None
            if program.config.start_when:
                moments.append(now_s + LOOK_S)
            elif (following := self._next(program, now_s)) is not None:
                moments.append(following.at_s)
        return min(moments)

    def local(self, name: str, moment_s: float) -> str:
        """Return a moment in the program's own time, as people write it."""
        program = self._programs.get(name)
        return program.calendar.local(moment_s) if program is not None else ""

    def _next(self, program: Program, now_s: float) -> Occurrence | None:
        return program.calendar.next_after(max(now_s, program.memory.settled_s))

    def name_of(self, dev_eui: DevEui) -> str:
        """Return what a device is called in the settings, else its DevEUI."""
        device = self._config.devices.get(dev_eui)
        return device.name if device is not None and device.name else dev_eui
