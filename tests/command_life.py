"""The whole life of commands, in every order of what may happen to them.

A gateway without wires, a server whose queues behave as ChirpStack's, and a valve that does what it
is told. Events of the server come late, twice, in any order or never; the gateway dies at any
moment, also between telling the server and knowing that it did; the clock jumps.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chirpstack_events import eui, up
from fake_chirpstack import Queues
from gateways import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.assembly import Assembly, assemble
from gateway.codecs import encode_down
from gateway.control import FINAL
from gateway.outcome import Outcome, batch_of
from gateway.store import Store, verify
from gateway.types import Delivery, Downlink, DownlinkState

START_S = 1_790_000_000.0
VALVE = eui(3)
CONFIG = settings(
    devices={
        VALVE: {
            "channels": {"valve": {"channel": "valve.state", "kind": "enum"}},
            "commands": {
                "open": {
                    "f_port": 10,
                    "effect": "open",
                    "hex": "01",
                    "close_with": "close",
                    "verify": {"channel": "valve.state", "value": "open", "within_s": 1200},
                },
                "close": {"f_port": 10, "effect": "close", "hex": "00"},
                "locate": {"f_port": 12, "hex": "05"},
            },
        }
    },
    operators={"anna": {}, "view": {"role": "viewer"}},
    downlink={"per_device_per_hour": 100000, "per_operator_per_hour": 100000},
    store={"path": "unused", "commit_wait_s": 0},
)
OPEN, CLOSE = b"\1", b"\0"
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it: many small commits
SURE = {DownlinkState.SENT, DownlinkState.ACKED, DownlinkState.NACKED, DownlinkState.VERIFIED}


@dataclass
class Hands:
    """A clock that is set, not run."""

    time_s: float = START_S

    def now_s(self) -> float:
        return self.time_s


class CommandLife(RuleBasedStateMachine):
    config = CONFIG

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.clock = Hands()
        self.queues = Queues()
        self.events: list[tuple[str, bytes]] = []
        self.bodies: dict[str, bytes] = {}
        self.forbidden: set[str] = set()
        self.states: dict[str, DownlinkState] = {}
        self.acknowledged: set[str] = set()
        self.to_send: list[Downlink] = []
        self.stopped = False
        self.valve_open = False
        self.f_cnt = 0
        self.given = 0
        self.shown: set[str] = set()
        self.seen_transmissions = 0
        self.opened_s: dict[str, float] = {}
        self.gateway: Assembly = self.begin()

    # --- the gateway ----------------------------------------------------------------------

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it returns
        return self.loop.run_until_complete(work)

    def begin(self) -> Assembly:
        store = Store.open(Path(self.folder.name) / "gateway.db", self.config.store)
        return assemble(self.config, clock=self.clock, store=store)

    def take(self, *messages: tuple[str, bytes], source: str = "chirpstack") -> Outcome:
        now_s = self.clock.now_s()
        deliveries = [Delivery(source, topic, body, now_s, qos=1) for topic, body in messages]
        self.shown = {
            json.loads(body)["object"]["valve"] for topic, body in messages if topic.endswith("/up")
        }
        outcome = self.gateway.stages.work(deliveries)
        self.wait(self.gateway.store.commit(batch_of([outcome])))
        for step in (*outcome.downlinks, *outcome.answers):
            self.check(step)
        self.to_send += outcome.dispatch
        return outcome

    def check(self, step: Downlink) -> None:
        """Hold a step to the truth: no final state is left, none claims what did not happen."""
        before = self.states.get(step.id)
        if step.state is DownlinkState.REFUSED:
            return
        if before in FINAL and not (
            before is DownlinkState.ACKED and step.state is DownlinkState.VERIFIED
        ):
            assert step.state is before, (step.id, before, step.state)
        self.states[step.id] = step.state
        transmitted = {identity for _, identity, _ in self.queues.transmitted}
        if step.state in SURE:
            assert step.id in transmitted, step
        if step.state is DownlinkState.VERIFIED and before is not step.state:
            assert "open" in self.shown
        if step.state is DownlinkState.ACKED:
            assert step.id in self.acknowledged
        if step.state in FINAL and step.state not in SURE and step.handed_s is None:
            assert step.id not in transmitted, f"{step.state} but transmitted: {step.detail}"

    def hand_over(self, one: Downlink, *, dies: bool) -> None:
        now_s = self.clock.now_s()
        go, steps = self.gateway.desk.clear(one.id, now_s)
        self.gateway.stages.note(steps)
        if go is None:
            return
        assert now_s <= go.expires_s
        assert go.id not in self.forbidden
        assert not (self.stopped and go.effect == "open")
        topic = f"application/{go.application_id}/device/{go.dev_eui}/command/down"
        self.queues.command(topic, encode_down(go))
        if not dies:
            self.gateway.stages.note(self.gateway.downlinks.queued(go.id, now_s))

    def new_id(self) -> str:
        self.given += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.given)))

    # --- what may happen ------------------------------------------------------------------

    @initialize()
    def the_valve_is_known(self) -> None:
        self.take(up(VALVE, 0, self.clock.now_s(), {"valve": "closed"}))

    @rule(
        name=st.sampled_from(["open", "close", "locate"]),
        confirmed=st.booleans(),
        expires_in_s=st.sampled_from([None, 30, 4000]),
    )
    def somebody_commands(self, name: str, confirmed: bool, expires_in_s: float | None) -> None:  # noqa: FBT001
        body: dict[str, object] = {"id": self.new_id(), "command": name, "by": "anna"}
        body |= {"confirmed": confirmed}
        if name == "open":
            body["duration_s"] = 300
        if expires_in_s is not None:
            body["expires_in_s"] = expires_in_s
        self.bodies[str(body["id"])] = json.dumps(body).encode()
        self.take(
            (f"lora-gateway/device/{VALVE}/set", json.dumps(body).encode()), source="operator"
        )

    @precondition(lambda self: self.bodies)
    @rule(data=st.data())
    def a_command_comes_again(self, data: st.DataObject) -> None:
        body = self.bodies[data.draw(st.sampled_from(sorted(self.bodies)))]
        self.take((f"lora-gateway/device/{VALVE}/set", body), source="operator")

    @rule(
        change=st.sampled_from(
            [{"by": "view"}, {"by": "mallory"}, {"by": ""}, {"command": "explode"},
             {"hex": "01", "command": None, "f_port": 10}, {"duration_s": -5},
             {"time": "2020-01-01T00:00:00Z"}, {"expires": "2020-01-01T00:00:00Z"}]
        )
    )  # fmt: skip
    def somebody_commands_who_may_not(self, change: dict[str, object]) -> None:
        body = {"id": self.new_id(), "command": "open", "duration_s": 60, "by": "anna"} | change
        self.forbidden.add(str(body["id"]))
        kept = {key: value for key, value in body.items() if value is not None}
        outcome = self.take(
            (f"lora-gateway/device/{VALVE}/set", json.dumps(kept).encode()), source="operator"
        )
        assert [one.state for one in outcome.answers] == [DownlinkState.REFUSED]

    @precondition(lambda self: self.to_send)
    @rule(dies=st.sampled_from([False, False, False, True]))
    def the_server_is_told(self, dies: bool) -> None:  # noqa: FBT001
        self.hand_over(self.to_send.pop(0), dies=dies)
        if dies:
            self.the_gateway_restarts()

    @precondition(lambda self: self.to_send)
    @rule()
    def the_gateway_dies_and_the_valve_speaks_before_it_is_back(self) -> None:
        one = self.to_send.pop(0)
        topic = f"application/{one.application_id}/device/{one.dev_eui}/command/down"
        go, _ = self.gateway.desk.clear(one.id, self.clock.now_s())
        if go is not None:
            self.queues.command(topic, encode_down(go))
        self.the_valve_speaks(acknowledges=False, loses=False, late_s=0)
        self.the_gateway_restarts()

    @precondition(lambda self: self.to_send)
    @rule()
    def the_server_cannot_be_told(self) -> None:
        one = self.to_send.pop(0)
        go, steps = self.gateway.desk.clear(one.id, self.clock.now_s())
        self.gateway.stages.note(steps)
        if go is not None:
            self.gateway.stages.unreached(go)
        self.take()

    @rule()
    def the_server_is_reached_again(self) -> None:
        self.gateway.stages.reached()
        self.take()

    @rule(acknowledges=st.booleans(), loses=st.booleans(), late_s=st.sampled_from([0, 0, 60]))
    def the_valve_speaks(self, acknowledges: bool, loses: bool, late_s: float) -> None:  # noqa: FBT001
        self.f_cnt += 1
        at_s = self.clock.now_s() - late_s
        shown = "open" if self.valve_open else "closed"
        pending = [one.id for one in self.queues.items.get(VALVE, []) if one.is_pending]
        if acknowledges:
            self.acknowledged.update(pending)
        self.events.append(up(VALVE, self.f_cnt, at_s, {"valve": shown}))
        self.events += self.queues.uplink(
            VALVE, self.clock.now_s(), acknowledges=acknowledges, loses=loses
        )
        for _, identity, data in self.queues.transmitted[self.seen_transmissions :]:
            if data in {OPEN, CLOSE}:
                self.valve_open = data == OPEN
            if data == OPEN:
                self.opened_s[identity] = self.clock.now_s()
        self.seen_transmissions = len(self.queues.transmitted)

    @rule(acknowledges=st.booleans(), times=st.integers(1, 3))
    def all_goes_well_for_a_while(self, acknowledges: bool, times: int) -> None:  # noqa: FBT001
        for _ in range(times):
            while self.to_send:
                self.hand_over(self.to_send.pop(0), dies=False)
            self.the_valve_speaks(acknowledges=acknowledges, loses=False, late_s=0)
            events, self.events = self.events, []
            self.take(*events)
            self.clock.time_s += 10

    @rule(confirmed=st.booleans(), acknowledges=st.booleans(), times=st.integers(0, 2))
    def the_valve_is_opened(self, confirmed: bool, acknowledges: bool, times: int) -> None:  # noqa: FBT001
        self.somebody_commands(name="open", confirmed=confirmed, expires_in_s=None)
        self.all_goes_well_for_a_while(acknowledges=acknowledges, times=times)

    @precondition(lambda self: self.events)
    @rule(data=st.data(), fate=st.sampled_from(["comes", "comes", "twice", "lost"]))
    def an_event_comes(self, data: st.DataObject, fate: str) -> None:
        event = self.events[data.draw(st.integers(0, min(4, len(self.events) - 1)))]
        if fate != "twice":
            self.events.remove(event)
        if fate != "lost":
            self.take(event)

    @rule()
    def the_valve_joins_anew(self) -> None:
        self.queues.join(VALVE)

    @rule(seconds=st.sampled_from([1, 31, 301, 1000, 5000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.time_s += seconds
        self.take()

    @rule(seconds=st.sampled_from([0, 0, 0, -86400, -1000, -70, 86400]))
    def the_clock_jumps(self, seconds: float) -> None:
        self.clock.time_s += seconds
        self.take()

    @rule(again=st.sampled_from([False, False, True]))
    def the_gateway_restarts(self, again: bool = True) -> None:  # noqa: FBT001, FBT002
        if not again:
            return
        self.wait(self.gateway.store.close())
        self.gateway.codecs.close()
        self.to_send = []
        self.gateway = self.begin()
        self.take()

    @rule(stop=st.sampled_from([False, False, False, True]))
    def an_emergency_stop_is_given_or_lifted(self, stop: bool) -> None:  # noqa: FBT001
        if stop and len(self.queues.transmitted) < 2:
            return  # a stop at the beginning leaves nothing to look at
        verb = "stop" if stop else "resume"
        body = json.dumps({"by": "anna"}).encode()
        outcome = self.take((f"lora-gateway/bridge/request/{verb}", body), source="operator")
        (reply,) = outcome.replies
        assert (reply.error is None) is stop  # anna is no admin
        self.stopped |= stop

    # --- what must hold -------------------------------------------------------------------

    @invariant()
    def nothing_is_transmitted_twice_or_that_was_refused(self) -> None:
        sent = [identity for _, identity, _ in self.queues.transmitted]
        assert len(sent) == len(set(sent))
        assert not self.forbidden & set(sent)
        assert not [line for line in self.queues.log if "duplicate" not in line]

    def teardown(self) -> None:
        try:
            self.it_is_closed_in_the_end()
            store = self.gateway.store
            rows = [row for page in range(0, 100_000, 1000) for row in store.audit(page)]
            assert verify(rows, store.audit_head()).fault is None
        finally:
            self.gateway.codecs.close()
            self.wait(self.gateway.store.close())
            self.loop.close()
            self.folder.cleanup()

    def it_is_closed_in_the_end(self) -> None:
        """With everything working again, the valve is closed, whatever happened before."""
        generator = random.Random(1)  # noqa: S311 - waits of a test
        for _ in range(60):
            self.gateway.stages.reached()
            self.take()
            while self.to_send:
                self.hand_over(self.to_send.pop(0), dies=False)
            self.the_valve_speaks(acknowledges=True, loses=False, late_s=0)
            events, self.events = self.events, []
            for event in events:
                self.take(event)
            self.clock.time_s += generator.choice([60, 200, 600, 1200])
        assert not self.valve_open
