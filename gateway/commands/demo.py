"""`lora-gateway demo`: a simulated farm, a broker, and the real daemon, in one process.

::

    Farm --events--> link --MQTT--> broker --MQTT--> daemon --MQTT--> broker --> anybody
      ^                                                 |
      `------------- command/down <--- broker <---------'

Time is the farm's. Events go out in small slots of a fixed size, and the next slot waits until the
daemon has committed the last: so the daemon is never outrun, and what it finds depends on the seed
alone, not on the machine. The first four days, in which nothing is wrong, pass at full speed; with
`--json` all of it does.

Without `--duration` the farm goes on after its scenario until it is interrupted. With it, the demo
ends with the scenario, or after so many seconds: the summary then holds the faults that had begun.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from rich.console import Console

from gateway import speech
from gateway.app import run_app
from gateway.clocks import EventClock
from gateway.commands.demo_broker import HOST, embedded_broker
from gateway.commands.demo_score import Progress
from gateway.commands.demo_view import LiveView, NoView, PlainView, View
from gateway.commands.wire import endpoint, visit
from gateway.config import Config, ConnectionConfig, LogConfig, SiteConfig
from gateway.errors import GatewayError
from gateway.links import MqttLink
from gateway.outcome import Outcome
from gateway.sources.simulated_farm import (
    APPLICATION_ID,
    DEVICES,
    SCENARIO_DAYS,
    Farm,
    FarmEvent,
)
from gateway.speech import say
from gateway.store import Store
from gateway.telemetry import configure_logging
from gateway.types import Delivery, Message

SLOT = 8
SLOT_S = 600.0
"""A slot holds at most so many events of at most so long a time on the farm: the daemon receives
all of it at its end, and must not take the time between two slots for a pause of its own."""

WARM_DAYS = 4.0
DAY_S = 86400.0
USUAL_S = 55.0
"""How long the scenario takes to watch when no duration is given."""

AFTERWARDS = 1200.0
"""Simulated seconds per second once the scenario is over."""

FARM = "Simulated farm"
STUCK_S = 60.0
READY_S = 20.0
COMMAND_DAY = 1.5


def run(
    *,
    duration_s: float | None,
    seed: int,
    broker: str | None,
    days: float = SCENARIO_DAYS,
    as_json: bool,
    language: str = "en",
    units: str = "metric",
) -> int:
    """Run the demo; print the summary; return 0, also when it was interrupted."""
    configure_logging(LogConfig(level="error"))
    site = SiteConfig.model_validate({"name": FARM, "language": language, "units": units})
    speech.use(site.language, site.units)
    farm = Farm(seed, days=days)
    summary = asyncio.run(_Demo(farm, duration_s, as_json=as_json, site=site).run(broker))
    if as_json:
        print(json.dumps(summary, ensure_ascii=False))
    return 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the farm may go: simulated time against real seconds since the beginning."""

    warm_until_s: float
    end_s: float
    watch_s: float | None

    def wait_s(self, time_s: float, elapsed_s: float, warm_s: float) -> float:
        """Return how long to wait before `time_s`, when the warm-up was over after `warm_s`."""
        if self.watch_s is None or time_s <= self.warm_until_s:
            return 0.0
        share = (min(time_s, self.end_s) - self.warm_until_s) / (self.end_s - self.warm_until_s)
        due_s = warm_s + share * max(0.0, self.watch_s - warm_s)
        due_s += max(0.0, time_s - self.end_s) / AFTERWARDS
        return max(0.0, due_s - elapsed_s)


class _Demo:
    """One run. `run` may be called once."""

    def __init__(
        self, farm: Farm, duration_s: float | None, *, as_json: bool, site: SiteConfig
    ) -> None:
        self._began_s = time.monotonic()
        self._farm = farm
        self._duration_s = duration_s
        self._site = site
        self._as_json = as_json
        self._clock = EventClock(self._farm.script.start_s)
        self._stop = asyncio.Event()
        self._moved = asyncio.Event()
        self._commanded = asyncio.Event()
        self._view: View = NoView()
        self._warm_s = 0.0
        self._qos = 0
        self._command_at_s = self._farm.script.start_s + COMMAND_DAY * DAY_S
        self._progress = Progress(
            script=self._farm.script,
            titles={device.dev_eui: device.title for device in DEVICES},
            euis={device.name: device.dev_eui for device in DEVICES},
            now_s=self._farm.script.start_s,
        )
        script = self._farm.script
        self._pace = Pace(
            warm_until_s=script.start_s + WARM_DAYS * DAY_S,
            end_s=script.end_s,
            watch_s=None if as_json else 0.9 * (duration_s or USUAL_S),
        )

    async def run(self, broker: str | None) -> dict[str, object]:
        """Play the scenario against the daemon until it ends or is stopped; give the summary."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        if self._duration_s is not None:
            left_s = self._duration_s - (time.monotonic() - self._began_s)
            loop.call_later(max(0.0, left_s), self._stop.set)
        # The built-in broker hands on one QoS 1 message at a time; 0 is the server's default.
        self._qos = 0 if broker is None else 1
        async with _broker(broker) as connection:
            self._view = self._open_view(connection)
            await self._run_daemon(demo_config(connection, self._site), connection)
        self._view.close(self._progress)
        return self._progress.summary()

    async def _run_daemon(self, config: Config, connection: ConnectionConfig) -> None:
        ready, quit_daemon = asyncio.Event(), asyncio.Event()
        daemon = asyncio.create_task(
            run_app(
                config,
                stop=quit_daemon,
                clock=self._clock,
                store=Store.open(None, config.store),
                on_outcome=self._learn,
                ready=ready,
            ),
            name="daemon",
        )
        commands = f"application/{APPLICATION_ID}/device/+/command/down"
        own = connection.model_copy(update={"client_id": "lora-gateway-demo-farm"})
        async with visit(own, subscriptions=[(commands, 1)], hear=self._hear) as link:
            play = asyncio.create_task(self._play_when(ready, link), name="farm")
            await asyncio.wait({daemon, play}, return_when=asyncio.FIRST_COMPLETED)
            quit_daemon.set()
            self._stop.set()
            await asyncio.gather(daemon, play)

    # --- the farm's side ------------------------------------------------------------------

    async def _play_when(self, ready: asyncio.Event, link: MqttLink) -> None:
        async with asyncio.timeout(READY_S):
            await ready.wait()
        slot: list[FarmEvent] = []
        events = self._farm.events()
        await self._say_until_heard(next(events), link)
        for event in events:
            if self._stop.is_set() or self._over(event.time_s):
                return
            if slot and (len(slot) == SLOT or event.time_s - slot[0].time_s > SLOT_S):
                await self._publish(slot, link)
                slot = []
            slot.append(event)

    async def _say_until_heard(self, event: FarmEvent, link: MqttLink) -> None:
        """Repeat the first event: until the daemon has subscribed, a broker keeps nothing for it.

        A repeat has the same `deduplicationId`, so it changes nothing.
        """
        self._clock.observe(event.time_s)
        async with asyncio.timeout(READY_S):
            while self._progress.taken == 0 and not self._stop.is_set():
                await link.publish(Message(event.topic, event.payload))
                await asyncio.sleep(0.1)

    def _over(self, time_s: float) -> bool:
        ends = self._as_json or self._duration_s is not None
        return ends and time_s > self._farm.script.end_s

    async def _publish(self, slot: list[FarmEvent], link: MqttLink) -> None:
        until_s = slot[-1].time_s
        await self._keep_pace(until_s)
        if (
            not self._commanded.is_set()
            and until_s > self._farm.script.start_s + COMMAND_DAY * DAY_S
        ):
            await self._command(link)
        self._clock.observe(until_s)
        self._progress.now_s = until_s
        due = self._progress.taken + len(slot)
        said = [Message(event.topic, event.payload, qos=self._qos) for event in slot]
        await asyncio.gather(*(link.publish(message) for message in said))
        try:
            async with asyncio.timeout(STUCK_S):
                while self._progress.taken < due and not self._stop.is_set():
                    await self._moved.wait()
                    self._moved.clear()
        except TimeoutError:
            raise GatewayError(f"The daemon has taken nothing for {STUCK_S:.0f} s.") from None
        self._view.show(self._progress)

    async def _keep_pace(self, time_s: float) -> None:
        elapsed_s = time.monotonic() - self._began_s
        if time_s <= self._pace.warm_until_s:
            self._warm_s = elapsed_s
        wait_s = self._pace.wait_s(time_s, elapsed_s, self._warm_s)
        try:
            async with asyncio.timeout(wait_s):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _command(self, link: MqttLink) -> None:
        """Send one harmless command as an operator would, to show a downlink's whole life."""
        valve = next(device for device in DEVICES if device.valve == "south")
        body = {
            "id": str(uuid5(NAMESPACE_OID, "close the south valve")),
            "hex": "00",
            "f_port": valve.f_port,
            "confirmed": True,
        }
        topic = f"lora-gateway/device/{valve.dev_eui}/set"
        await link.publish(Message(topic, json.dumps(body).encode()))
        try:
            async with asyncio.timeout(READY_S):
                await self._commanded.wait()
        except TimeoutError:
            self._commanded.set()

    async def _hear(self, delivery: Delivery) -> None:
        self._farm.handle_command(delivery.topic, delivery.payload)
        self._commanded.set()

    # --- the daemon's side ----------------------------------------------------------------

    def _learn(self, outcome: Outcome) -> None:
        self._progress.take(outcome)
        self._moved.set()

    def _open_view(self, connection: ConnectionConfig) -> View:
        if self._as_json:
            return NoView()
        where = f"-h {connection.host} -p {connection.port}"
        valve = next(device for device in DEVICES if device.valve == "north")
        topic = f"lora-gateway/device/{valve.dev_eui}/set"
        body = json.dumps({"hex": "01000f", "f_port": valve.f_port, "confirmed": True})
        hints = (
            f"Listen:  mosquitto_sub {where} -v -t 'lora-gateway/#'",
            f"Open a valve for 15 min:  mosquitto_pub {where} -t {topic} -m '{body}'",
            "Ctrl-C ends the demo with a summary.",
        )
        console = Console()
        view: Callable[..., View] = LiveView if sys.stdout.isatty() else PlainView
        return view(console, hints)


@asynccontextmanager
async def _broker(text: str | None) -> AsyncIterator[ConnectionConfig]:
    """Give the connection to the broker that was named, or to one of our own."""
    if text is not None:
        yield endpoint(text, "lora-gateway-demo")
        return
    async with embedded_broker() as port:
        yield ConnectionConfig(host=HOST, port=port, version="3.1.1", client_id="lora-gateway-demo")


def demo_config(connection: ConnectionConfig, site: SiteConfig | None = None) -> Config:
    """Return the daemon's settings: this broker, commits at once, a limit for frost."""
    weather = next(device for device in DEVICES if device.name == "weather")
    wire = connection.model_dump()
    return Config.model_validate(
        {
            "site": (site or SiteConfig(name=FARM)).model_dump(),
            "chirpstack": {
                "event_topic": f"application/{APPLICATION_ID}/device/{{dev_eui}}/event/{{event}}",
                "command_topic": (
                    f"application/{APPLICATION_ID}/device/{{dev_eui}}/command/{{command}}"
                ),
                "mqtt": {**wire, "client_id": "lora-gateway-demo-in"},
            },
            "mqtt": {**wire, "client_id": "lora-gateway-demo-out"},
            "store": {"commit_wait_s": 0.0},
            # A week, where a farm has seasons: what is wrong must show with less to go by.
            "inference": {"false_alarm_p": 0.001},
            "alerts": {
                "threshold": [
                    {
                        "name": "frost",
                        "channel": "air.temperature",
                        "below": 0.0,
                        "hysteresis": 0.5,
                        "kind": "frost",
                        "severity": "critical",
                        "title": say("Frost"),
                        "advice": say("Protect blossom, drain pipes."),
                        "devices": [weather.dev_eui],
                    }
                ]
            },
        }
    )
