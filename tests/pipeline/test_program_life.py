"""Programs and groups in every order of what may happen to commands: `CommandLife`, and more.

A start leads to one open at most, however often the gateway dies, the clock jumps or an event is
lost; nothing opens after an emergency stop; the group's state never says what its members' do not.
"""

from __future__ import annotations

import json
from collections import defaultdict

from chirpstack_events import eui, up
from command_life import CONFIG, CommandLife
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from gateway.config import Config
from gateway.outcome import Outcome
from gateway.types import DownlinkState, GroupCommandView

VALVE = eui(3)
FINAL_GROUPS = {"done", "partial", "failed", "refused"}
PROGRAMS = {
    "orchard": {
        "start": ["00:00", "06:00", "12:00", "18:00"],
        "minutes": 5,
        "time_zone": "UTC",
        "valve": [{"device": VALVE}],
    },
}
WITH_PROGRAMS = Config.model_validate(
    CONFIG.model_dump(mode="python")
    | {"programs": PROGRAMS, "groups": {"all": {"devices": [VALVE, eui(4)], "spacing_s": 30}}}
)


class ProgramLife(CommandLife):
    config = WITH_PROGRAMS

    def __init__(self) -> None:
        super().__init__()
        self.opens: dict[str, set[str]] = defaultdict(set)
        self.groups: dict[str, str] = {}
        self.keys: list[str] = []

    def take(self, *messages: tuple[str, bytes], source: str = "chirpstack") -> Outcome:
        outcome = super().take(*messages, source=source)
        run = (outcome.control.get("program:orchard") or {}).get("run")
        for step in outcome.downlinks:
            if step.by == "program:orchard" and step.effect == "open":
                assert step.state is not DownlinkState.REFUSED
                if step.state is DownlinkState.ACCEPTED and run is not None:
                    self.opens[run["key"]].add(step.id)
        for view in outcome.groups:
            self.check_group(view)
        return outcome

    def check_group(self, view: GroupCommandView) -> None:
        before = self.groups.get(view.id)
        assert before not in FINAL_GROUPS or view.state in {before, "refused"}
        self.groups[view.id] = view.state
        assert sum(view.counts.values()) == len(view.members)
        if view.state == "done":
            assert set(view.counts) <= {"sent", "acked", "verified"}

    @rule(minutes=st.sampled_from([1, 5]))
    def somebody_runs_the_program(self, minutes: int) -> None:
        body = json.dumps({"name": "orchard", "minutes": minutes, "by": "anna"}).encode()
        self.take(("lora-gateway/bridge/request/program/run", body), source="operator")

    @rule(verb=st.sampled_from(["stop", "skip", "enable", "disable", "enable"]))
    def somebody_switches_the_program(self, verb: str) -> None:
        body = json.dumps({"name": "orchard", "by": "anna"}).encode()
        self.take((f"lora-gateway/bridge/request/program/{verb}", body), source="operator")

    @rule()
    def the_next_start_comes(self) -> None:
        self.clock.time_s += 21600 - self.clock.time_s % 21600 + 1
        self.take()

    @rule(name=st.sampled_from(["open", "close", "locate"]), confirmed=st.booleans())
    def somebody_commands_the_group(self, name: str, confirmed: bool) -> None:  # noqa: FBT001
        body: dict[str, object] = {"id": self.new_id(), "command": name, "by": "anna"}
        body |= {"confirmed": confirmed, **({"duration_s": 300} if name == "open" else {})}
        self.bodies[str(body["id"])] = json.dumps(body).encode()
        self.take(("lora-gateway/group/all/set", json.dumps(body).encode()), source="operator")

    @rule()
    def the_other_member_is_heard(self) -> None:
        self.f_cnt += 1
        self.events.append(up(eui(4), self.f_cnt, self.clock.now_s(), {"valve": "closed"}))

    @invariant()
    def a_start_opens_the_valve_once_at_most(self) -> None:
        transmitted = {identity for _, identity, _ in self.queues.transmitted}
        for key, ids in self.opens.items():
            assert len(ids) == 1, (key, ids)
            assert len(ids & transmitted) <= 1

    def it_is_closed_in_the_end(self) -> None:
        body = json.dumps({"name": "orchard", "by": "anna"}).encode()
        self.take(("lora-gateway/bridge/request/program/disable", body), source="operator")
        super().it_is_closed_in_the_end()


ProgramLife.TestCase.settings = hypothesis_settings(
    max_examples=30, stateful_step_count=40, deadline=None
)
TestProgramLife = ProgramLife.TestCase
