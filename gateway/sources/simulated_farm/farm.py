"""The farm as a network server shows it: a stream of ChirpStack events, and an ear for commands.

`Farm(seed)` always tells the same story. Events come in the order of their time, for as long as
anybody asks: the scripted scenario first, then quiet weather. Commands change what comes next.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from gateway.sources.simulated_farm import events
from gateway.sources.simulated_farm.chance import stream
from gateway.sources.simulated_farm.devices import DEVICES, Device, Measured
from gateway.sources.simulated_farm.downlinks import Command, Encoding, read_command
from gateway.sources.simulated_farm.events import Event
from gateway.sources.simulated_farm.faulty import FaultyProbe
from gateway.sources.simulated_farm.payloads import Object, read_valve_command
from gateway.sources.simulated_farm.radio import Hearing, Link
from gateway.sources.simulated_farm.script import SCENARIO_DAYS, Script, write_script
from gateway.sources.simulated_farm.weather import DAY_S
from gateway.sources.simulated_farm.world import World

START_S = 1775433600.0
"""2026-04-06 00:00 UTC: days of sun and nights that may freeze."""

REPEATED = 0.006
RETRANSMITTED = 0.004
MAC_ONLY = 0.008
WATCH_S = 60.0
REJOINS = {"orchard-soil-50": 3.3, "noise": 6.1}
"""Devices that join anew, and on which day."""


@dataclass(frozen=True, slots=True)
class FarmEvent:
    """One message of the network server at `time_s`."""

    time_s: float
    topic: str
    payload: bytes


@dataclass(slots=True)
class Session:
    """What changes in a device's life: its address, counters, radio, and queue."""

    device: Device
    link: Link
    dev_addr: str
    f_cnt: int
    f_cnt_down: int
    queue: list[Command]
    probe: FaultyProbe
    shown_open: bool = False


class Farm:
    """Seventeen devices, two radio gateways, one network server.

    `handle_command` may be called between two events, from the same thread; what it causes comes
    at or after the time of the event last given.
    """

    def __init__(
        self,
        seed: int,
        start_s: float = START_S,
        *,
        encoding: Encoding = "json",
        days: float = SCENARIO_DAYS,
    ) -> None:
        self.script: Script = write_script(seed, start_s, days)
        self.devices: tuple[Device, ...] = DEVICES
        self.now_s = start_s
        self._start_s = start_s
        self._encoding = encoding
        self._world = World(seed, start_s, self.script)
        self._random = stream(seed, "server")
        self._agenda: list[tuple[float, int, Callable[[float], Iterator[FarmEvent]]]] = []
        self._order = 0
        self._sessions = {device.dev_eui: self._session(seed, device) for device in DEVICES}
        for session in self._sessions.values():
            self._open(session)

    def events(self) -> Iterator[FarmEvent]:
        """Yield events in the order of their time, without end."""
        while True:
            time_s, _, act = heapq.heappop(self._agenda)
            self.now_s = time_s
            yield from act(time_s)

    def handle_command(self, topic: str, payload: bytes) -> bool:
        """Take a message of `command/down`; False when the server would only log an error.

        As on the server, the topic's DevEUI and the payload's must be equal, `fPort` 1 or more.
        """
        parts = topic.split("/")
        session = self._sessions.get(parts[3]) if len(parts) > 5 else None  # noqa: PLR2004
        if session is None or parts[-1] != "down":
            return False
        command = read_command(
            payload, session.device.dev_eui, self._encoding, otherwise_id=self._new_id()
        )
        if command is None:
            return False
        if any(queued.id == command.id for queued in session.queue):
            return True
        session.queue.append(command)
        if session.device.class_c:
            self._at(self.now_s + 1.1, lambda t: self._transmit(session, t))
        return True

    # --- the agenda -----------------------------------------------------------------------

    def _session(self, seed: int, device: Device) -> Session:
        random = stream(seed, f"session/{device.name}")
        faults = tuple(f for f in self.script.faults if f.device == device.name)
        return Session(
            device=device,
            link=Link(stream(seed, f"radio/{device.name}"), device.mean_dbm, device.data_rate),
            dev_addr=f"{0x01000000 | random.getrandbits(24):08x}",
            f_cnt=random.randrange(400, 30000),
            f_cnt_down=random.randrange(5, 300),
            queue=[],
            probe=FaultyProbe(faults, stream(seed, f"probe/{device.name}")),
        )

    def _open(self, session: Session) -> None:
        device, random = session.device, self._random
        first_s = self._start_s + random.uniform(5.0, device.interval_s)
        self._at(first_s, lambda t: self._periodic(session, t))
        noon_s = self._start_s + DAY_S / 2 + random.uniform(-4.0, 4.0) * 3600.0
        self._at(noon_s, lambda t: self._daily_status(session, t))
        if device.valve is not None:
            self._at(self._start_s, lambda t: self._watch_valve(session, t))
        if device.name in REJOINS:
            day = REJOINS[device.name]
            self._at(self._start_s + day * DAY_S, lambda t: self._rejoin(session, t))

    def _at(self, time_s: float, act: Callable[[float], Iterator[FarmEvent]]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (time_s, self._order, act))

    # --- what devices do ------------------------------------------------------------------

    def _periodic(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        random, device = self._random, session.device
        jitter_s = random.gauss(0.0, 4.0)
        self._at(
            time_s + max(60.0, device.interval_s + jitter_s), lambda t: self._periodic(session, t)
        )
        if session.probe.silent(time_s):
            return
        yield from self._report(session, time_s)
        if random.random() < MAC_ONLY:
            self._at(time_s + 4.0, lambda t: self._mac_only(session, t))

    def _watch_valve(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        """Report as soon as the valve has moved by itself, as valve controllers do."""
        self._at(time_s + WATCH_S, lambda t: self._watch_valve(session, t))
        valve = session.device.valve
        if valve is None:
            return
        if self._world.valve_is_open(valve, time_s) != session.shown_open:
            yield from self._report(session, time_s)

    def _report(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        device = session.device
        measured = self._measure(session, time_s)
        session.shown_open = measured.get("open", 0.0) > 0.0
        data, decoded = device.encode(measured)
        yield from self._send(session, time_s, device.f_port, data, decoded)

    def _measure(self, session: Session, time_s: float) -> Measured:
        state = self._world.at(time_s)
        age_s = time_s - self._start_s
        measured = session.device.measure(state, session.probe.random, age_s)
        return session.probe.spoil(measured, time_s)

    def _mac_only(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        yield from self._send(session, time_s, 0, b"", {})

    def _send(
        self, session: Session, time_s: float, f_port: int, data: bytes, decoded: Object
    ) -> Iterator[FarmEvent]:
        session.f_cnt += 1
        hearings = session.link.send(time_s)
        if not hearings:
            return
        event = events.uplink(
            session.device, self._random, event_id=self._new_id(), time_ns=self._nanos(time_s),
            dev_addr=session.dev_addr, f_cnt=session.f_cnt, f_port=f_port, data=data,
            decoded=decoded, hearings=hearings, frequency_hz=session.link.frequency_hz(),
            data_rate=session.link.data_rate,
        )  # fmt: skip
        yield self._event(session, "up", event, time_s)
        yield from self._disturb(session, event, hearings, time_s)
        if session.queue and not session.device.class_c:
            self._at(time_s + 1.1, lambda t: self._transmit(session, t))

    def _disturb(
        self, session: Session, event: Event, hearings: tuple[Hearing, ...], time_s: float
    ) -> Iterator[FarmEvent]:
        draw = self._random.random()
        if draw < REPEATED:
            yield self._event(session, "up", event, time_s)
        elif draw < REPEATED + RETRANSMITTED and hearings:
            text = "Uplink was flagged as re-transmission / frame-counter did not increment"
            remark = events.log(
                session.device, time_ns=self._nanos(time_s + 2.0), level="WARNING",
                code="UPLINK_F_CNT_RETRANSMISSION", description=text,
                context={"deduplication_id": self._new_id()},
            )  # fmt: skip
            self._at(time_s + 2.0, lambda t: iter((self._event(session, "log", remark, t),)))

    def _daily_status(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        self._at(time_s + DAY_S, lambda t: self._daily_status(session, t))
        if session.probe.silent(time_s):
            return
        mains = session.device.name in {"pump", "yard-air"}
        worn = int((time_s - self._start_s) / DAY_S * 0.3)
        event = events.status(
            session.device, event_id=self._new_id(), time_ns=self._nanos(time_s),
            margin=self._random.randint(4, 20), level=0 if mains else 252 - worn,
        )  # fmt: skip
        yield self._event(session, "status", event, time_s)

    def _rejoin(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        session.dev_addr = f"{0x01000000 | self._random.getrandbits(24):08x}"
        session.f_cnt, session.f_cnt_down = -1, 0
        session.queue.clear()
        event = events.join(
            session.device, event_id=self._new_id(), time_ns=self._nanos(time_s),
            dev_addr=session.dev_addr,
        )  # fmt: skip
        yield self._event(session, "join", event, time_s)

    # --- the way down ---------------------------------------------------------------------

    def _transmit(self, session: Session, time_s: float) -> Iterator[FarmEvent]:
        """Send the head of the queue, if there is one that has not expired."""
        while session.queue:
            command = session.queue.pop(0)
            if command.expires_s is None or command.expires_s > time_s:
                break
            yield self._expired(session, command, time_s)
        else:
            return
        f_cnt_down, session.f_cnt_down = session.f_cnt_down, session.f_cnt_down + 1
        event = events.tx_ack(
            session.device, self._random, time_ns=self._nanos(time_s),
            queue_item_id=command.id, f_cnt_down=f_cnt_down,
        )  # fmt: skip
        yield self._event(session, "txack", event, time_s)
        self._at(time_s + 3.0, lambda t: self._obey(session, command, f_cnt_down, t))

    def _obey(
        self, session: Session, command: Command, f_cnt_down: int, time_s: float
    ) -> Iterator[FarmEvent]:
        """Let the device do what it was told, and answer with an uplink that shows it."""
        valve, open_s = session.device.valve, read_valve_command(command.data)
        if session.probe.silent(time_s):
            return
        if valve is not None and open_s is not None:
            self._world.valves[valve].command(time_s, open_s)
        if command.confirmed:
            event = events.ack(
                session.device, event_id=self._new_id(), time_ns=self._nanos(time_s),
                queue_item_id=command.id, f_cnt_down=f_cnt_down,
            )  # fmt: skip
            yield self._event(session, "ack", event, time_s)
        yield from self._report(session, time_s)

    def _expired(self, session: Session, command: Command, time_s: float) -> FarmEvent:
        remark = events.log(
            session.device, time_ns=self._nanos(time_s), level="ERROR", code="EXPIRED",
            description="Device queue-item discarded because it has expired",
            context={"queue_item_id": command.id},
        )  # fmt: skip
        return self._event(session, "log", remark, time_s)

    # --- small things ---------------------------------------------------------------------

    def _event(self, session: Session, kind: str, event: Event, time_s: float) -> FarmEvent:
        payload = (
            events.to_json(event) if self._encoding == "json" else events.to_protobuf(event, kind)
        )
        return FarmEvent(time_s, events.topic(session.device, kind), payload)

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _nanos(self, time_s: float) -> int:
        return int(time_s * 1e6) * 1000 + self._random.randrange(1000)
