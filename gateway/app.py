"""The composition root: builds every part, wires them, and runs them in one task group.

::

    ChirpStack's broker --> ChirpStackSource --.                    .--> store
    radios of our own ----> Radios ------------+                    +--> ack
    our broker (commands) --> Publisher -------+--> inbox -> Pipeline --> Publisher --> our broker
    timers: health, retention, watchdog -------'                    +--> Radios --> the air
                                                                    `--> ChirpStack's broker
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import takewhile
from typing import Any

from gateway import __version__
from gateway.assembly import CHIRPSTACK, Assembly, assemble, registered
from gateway.backlog import Backlog
from gateway.bulletin import Bulletin
from gateway.clocks import SystemClock
from gateway.codecs import CAYENNE_LPP, TopicTemplate
from gateway.config import Config
from gateway.dispatch import Dispatch
from gateway.errors import BadInput, StoreError
from gateway.inference import Detector
from gateway.links import Backoff, ChirpStackApi, MqttLink, Systemd, give_back_memory
from gateway.network import Ended, ServerQueue, Transmission
from gateway.outcome import Outcome, Reply
from gateway.pipeline import Pipeline
from gateway.publishers import Publisher, Topics, messages, payloads
from gateway.radios import MakePort, Radios, port_of
from gateway.rehearsal import Rehearsal, stored, summary
from gateway.requests import SOURCE as OPERATOR
from gateway.requests import Question
from gateway.rulebook import DAY_S, Trial
from gateway.sources import ChirpStackSource, ServerCodecs
from gateway.store import Reader, Store
from gateway.types import Clock, Delivery, DevEui, Json, MqttPort, ServerCodec

HEALTH_S = 15.0
PRUNE_S = 60.0
STALLED_S = 20.0
"""Without progress of the pipeline for so long, the watchdog is not fed any more."""


REGISTER_S = 2.0
"""How often the register of our own radios' devices is looked at."""

FINISH_S = 3.0
"""How long a clean stop waits for the radio's word on what it is transmitting."""

CLOSE_S = 10.0
"""How long a clean stop waits for a disk that does not take the last commit."""

API_RETRY_MIN_S = 1.0
API_RETRY_MAX_S = 60.0

TRIALS_WAITING = 4
"""How many rules may wait to be tried on the past."""

FLUSH_S = 1.0
"""How long a clean stop waits for the last messages to leave."""


OnOutcome = Callable[[Outcome], None]
"""Told of every outcome once it is committed."""

MakeLink = Callable[..., MqttPort]
"""Makes a link as `MqttLink` does; `MemoryLink` has the same words for the same things."""


async def run_app(
    config: Config,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    store: Store | None = None,
    systemd: Systemd | None = None,
    ready: asyncio.Event | None = None,
    on_outcome: OnOutcome | None = None,
    assembled: Callable[[Assembly], None] | None = None,
    make_link: MakeLink = MqttLink,
    make_port: MakePort = port_of,
) -> None:
    """Run the daemon until `stop` is set, then commit what is worked, say goodbye and close.

    `ready` is set once every part runs; `store` is closed at the end.

    Raises
    ------
    StoreError
        The database cannot be opened.

    """
    store = store or Store.open(
        config.store.path, config.store, quarantine_rows=config.limits.quarantine_rows
    )
    assembly = assemble(config, clock=clock or SystemClock(), store=store, live=True)
    if assembled is not None:
        assembled(assembly)
    daemon = Daemon(assembly, systemd or Systemd({}), on_outcome, make_link, make_port)
    try:
        await daemon.run(stop, ready or asyncio.Event())
    finally:
        assembly.codecs.close()
        await store.close()


class Daemon:
    """The parts with wires and timers, each a named task."""

    def __init__(
        self,
        assembly: Assembly,
        systemd: Systemd,
        on_outcome: OnOutcome | None,
        make_link: MakeLink,
        make_port: MakePort,
    ) -> None:
        config = assembly.config
        self._make_link = make_link
        self._assembly = assembly
        self._model_name = assembly.model_name
        self._systemd = systemd
        self._on_outcome = on_outcome
        self._started_s = assembly.clock.now_s()
        self._bulletin = Bulletin(
            assembly, version=__version__, info=self._info, health=self._health
        )
        self._trials: asyncio.Queue[tuple[Question, Trial]] = asyncio.Queue(TRIALS_WAITING)
        self._ending = False
        self._feed = self._server_codecs()
        self._backlog = Backlog(assembly.store, self._bulletin.history)
        self._in = self._link_in()
        self._out = self._link_out()
        self._source = ChirpStackSource(
            self._in, TopicTemplate(config.chirpstack.event_topic).subscription()
        )
        self._radios = Radios(
            config,
            telemetry=assembly.telemetry,
            now_s=assembly.clock.now_s,
            rebook=self._rebook,
            on_ended=self._transmitted,
            make_port=make_port,
        )
        assembly.network.watch(self._radios.listens)
        self._publisher = Publisher(
            self._out,
            assembly.store,
            online=messages.bridge_state(Topics(config.mqtt.base), online=True),
            snapshot=self._bulletin.snapshot,
            history=self._backlog,
            history_per_s=config.mqtt.history_per_s,
            head_seq=assembly.store.head_seq(),
        )
        self._pipeline = Pipeline(
            assembly.stages,
            assembly.store,
            assembly.telemetry,
            acks={CHIRPSTACK: self._source.ack, OPERATOR: self._ack_requests},
            durable=self._bulletin.durable,
            settled=self._settled,
            cursor=self._backlog.take,
            queue=config.limits.queue,
            commit_wait_s=config.store.commit_wait_s,
        )
        self._dispatch = Dispatch(
            assembly, self._in, api=self._api, queue=self._queue, nudge=self._pipeline.nudge
        )

    async def run(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Run every task until `stop`; a task that fails ends the daemon with its error."""
        async with asyncio.TaskGroup() as group:
            start = partial(_start, group)
            config, deliver = self._assembly.config, self._pipeline.inbox.put
            receiving = [
                *(
                    [start(self._source.run(deliver), CHIRPSTACK)]
                    if config.chirpstack.enabled
                    else []
                ),
                *([start(self._radios.run(deliver), "radios")] if config.radios else []),
            ]
            rest = [
                start(self._pipeline.run(), "pipeline"),
                start(self._publisher.run(self._asked), "publisher"),
                start(self._dispatch.run(), "dispatch"),
                start(self._report_health(), "health"),
                start(self._prune(), "retention"),
                start(self._reload_codecs(), "codecs"),
                start(self._try_rules(), "trials"),
                *([start(self._feed.run(), "server codecs")] if self._feed else []),
                *([start(self._reload_devices(), "devices")] if config.radios else []),
                start(self._watchdog(), "watchdog"),
            ]
            self._systemd.ready()
            ready.set()
            await stop.wait()
            self._ending = True
            self._systemd.stopping()
            await self._radios.finish(FINISH_S)
            await _end(receiving)
            await _end(rest[:1])
            with contextlib.suppress(TimeoutError):  # unacknowledged, so the broker has it still
                async with asyncio.timeout(CLOSE_S):
                    await self._pipeline.close()
            await self._publisher.flush(FLUSH_S)
            self._assembly.probation.save()
            await _end(rest[1:])
        if self._api is not None:
            await self._api.close()

    # --- between the parts ----------------------------------------------------------------

    async def _asked(self, delivery: Delivery) -> None:
        await self._pipeline.inbox.put(replace(delivery, source=OPERATOR))

    def _ack_requests(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._out.ack(delivery.token)

    def _settled(self, outcomes: Sequence[Outcome], head_seq: int) -> None:
        if self._feed is not None:
            for device in (one for outcome in outcomes for one in outcome.touched.values()):
                self._feed.ask(device.info.profile_id, device.info.dev_eui)
        live = [message for outcome in outcomes for message in self._bulletin.live(outcome)]
        self._publisher.offer(live, head_seq)
        for outcome in outcomes:
            for downlink in outcome.dispatch:
                self._dispatch.offer(downlink)
            for frame in outcome.multicasts:
                self._dispatch.offer(frame)
            for transmission in outcome.transmissions:
                self._radios.send(transmission)
            for question, trial in outcome.trials:
                self._accept_trial(question, trial)
            if self._on_outcome is not None:
                self._on_outcome(outcome)

    def _transmitted(self, ended: Ended) -> None:
        """Take what became of a transmission into the next batch."""
        now_s = self._assembly.clock.now_s()
        self._assembly.stages.note(self._assembly.network.transmitted(ended, now_s))
        self._pipeline.nudge()

    def _rebook(self, transmission: Transmission, place: int) -> str:
        why, changes = self._assembly.network.rebook(transmission, place)
        self._assembly.stages.note(changes=changes)
        return why

    # --- rules tried on the past -------------------------------------------------------------

    def _accept_trial(self, question: Question, trial: Trial) -> None:
        try:
            self._trials.put_nowait((question, trial))
        except asyncio.QueueFull:
            busy = Reply(question, error=f"{TRIALS_WAITING} trials wait already: ask again later.")
            self._publisher.offer(self._bulletin.reply(busy), 0)

    async def _try_rules(self) -> None:
        """Try rules on the store, one after another, in a thread and a connection of their own."""
        while True:
            question, trial = await self._trials.get()
            try:
                data = await asyncio.to_thread(self._tried, trial)
            except StoreError as error:
                reply = Reply(question, error=str(error))
            else:
                reply = Reply(question, data=data)
            self._publisher.offer(self._bulletin.reply(reply), 0)

    def _tried(self, trial: Trial) -> Json:
        assembly, span_s = self._assembly, trial.days * DAY_S
        detector = assembly.detector
        own = Detector(detector.model, detector.config) if detector is not None else None
        rehearsal = Rehearsal(assembly.config, [trial.rule], own, derive=False, span_s=span_s)
        since_s = assembly.clock.now_s() - span_s
        reader = Reader.beside(assembly.store.path)
        with closing(reader.connection):
            rows = stored(reader, assembly.stages.devices.info_of, since_s)
            rows = takewhile(lambda _: not self._ending, rows)
            return summary(rehearsal.run(rows), trial.rule.name)

    # --- timers ---------------------------------------------------------------------------

    async def _report_health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_S)
            self._attend_trial()
            self._publisher.offer([self._bulletin.health()], 0)
            give_back_memory()

    def _attend_trial(self) -> None:
        """Move the trial of a new pack on, and tell at once when it ended."""
        assembly, judging = self._assembly, self._assembly.probation.model_name()
        if not assembly.probation.tick(assembly.clock.now_s()):
            return
        self._model_name = judging
        assembly.alerts.judged_by(judging)
        topics = Topics(assembly.config.mqtt.base)
        self._publisher.offer([messages.bridge_info(topics, self._info())], 0)

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_S)
            more = True
            with contextlib.suppress(StoreError):  # the next commit meets and reports it too
                while more:
                    pruned = await self._assembly.store.prune(self._assembly.clock.now_s())
                    more = pruned.more

    async def _reload_codecs(self) -> None:
        """Take up codecs that were written anew, without a restart."""
        library, telemetry = self._assembly.codecs, self._assembly.telemetry
        while True:
            await asyncio.sleep(self._assembly.config.codecs.reload_s)
            if names := library.refresh():
                self._assembly.payloads.reloaded(names)
                broken = {name: str(error) for name, error in library.broken.items()}
                telemetry.codecs_reloaded(names, broken)

    async def _reload_devices(self) -> None:
        """Take up devices that were registered or removed, without a restart."""
        assembly, store = self._assembly, self._assembly.store
        version: int | None = None  # it may have changed since it was read at the start
        while True:
            await asyncio.sleep(REGISTER_S)
            try:
                now = store.radio_version()
                if now == version:
                    continue
                changes = assembly.network.take_up(
                    registered(store), store.radio_sessions(), store.radio_counters()
                )
            except (StoreError, BadInput) as error:
                assembly.telemetry.trouble("register_unreadable", error)
                continue
            version = now
            assembly.stages.note(changes=changes)
            self._pipeline.nudge()

    async def _watchdog(self) -> None:
        """Feed systemd's watchdog while batches go round: ingest, inference and store all move."""
        if self._systemd.watchdog_s is None:
            return
        while True:
            if time.monotonic() - self._pipeline.progress_s < STALLED_S:
                self._systemd.alive()
            await asyncio.sleep(self._systemd.watchdog_s / 3)

    # --- what the gateway says of itself --------------------------------------------------

    def _info(self) -> Mapping[str, Json]:
        config = self._assembly.config
        return payloads.bridge_info(
            version=__version__,
            site=config.site.name,
            started_s=self._started_s,
            sources=[*([CHIRPSTACK] if config.chirpstack.enabled else []), *self._radios.names()],
            model=self._model_name or None,
            settings=config.public(),
        )

    def _health(self) -> Mapping[str, Json]:
        telemetry, store = self._assembly.telemetry, self._assembly.store
        config, network = self._assembly.config, self._assembly.network
        now_s = self._assembly.clock.now_s()
        probation = self._assembly.probation
        degraded = self._pipeline.degraded or self._assembly.model_trouble or probation.trouble
        return payloads.bridge_health(
            time_s=now_s,
            status="degraded" if degraded else "ok",
            detail={
                "degraded": degraded,
                "last_error": telemetry.last_error,
                "uptime_s": round(now_s - self._started_s),
                "queue": self._pipeline.inbox.qsize(),
                "lag_s": round(self._pipeline.lag_s(now_s), 3),
                "counts": self._assembly.summary(),
                "quarantine": {
                    "counts": dict(store.quarantine_counts()),
                    "recent": [dict(item) for item in telemetry.recent],
                },
                "codecs": self._codecs(now_s),
                "model": {"pack": self._model_name or None, **probation.health()},
                "sources": self._sources(),
                "network": dict(network.health(now_s)) if config.radios else None,
                "server_codecs": dict(self._feed.health()) if self._feed is not None else None,
                "publisher": dict(self._publisher.health()),
                "audit": dict(zip(("rows", "head"), store.audit_head(), strict=True)),
                "store": asdict(store.counts()),
            },
        )

    def _sources(self) -> Mapping[str, Json]:
        chirpstack = self._assembly.config.chirpstack.enabled
        return {
            **({CHIRPSTACK: dict(self._source.health())} if chirpstack else {}),
            **self._radios.health(),
        }

    def _codecs(self, now_s: float) -> Mapping[str, Json]:
        counts = self._assembly.telemetry.codecs
        return {
            "counts": {name: dict(one) for name, one in sorted(counts.items())},
            "broken": {name: str(error) for name, error in self._assembly.codecs.broken.items()},
            "resting_s": {
                name: round(rest_s)
                for name, rest_s in self._assembly.payloads.resting(now_s).items()
            },
        }

    # --- the server's codecs -----------------------------------------------------------------

    def _server_codecs(self) -> ServerCodecs | None:
        """Ask the network server for codecs and variables, where its API is configured."""
        config = self._assembly.config
        self._api: ChirpStackApi | None = None
        self._queue: ServerQueue | None = None
        if config.chirpstack.api.server:
            self._api = ChirpStackApi(config.chirpstack.api, warn=self._assembly.telemetry.warned)
        if self._api is not None and config.downlink.via == "api":
            assembly = self._assembly
            self._queue = ServerQueue(self._api, assembly.downlinks, assembly.clock.now_s)
        if self._api is None or not config.codecs.fetch:
            return None
        return ServerCodecs(
            self._api,
            on_codec=self._take_codec,
            on_variables=self._take_variables,
            backoff=Backoff(API_RETRY_MIN_S, API_RETRY_MAX_S),
            refresh_s=config.chirpstack.api.refresh_s,
        )

    async def _take_codec(self, codec: ServerCodec) -> None:
        if codec.runtime == "none":
            return
        text = codec.script if codec.runtime == "js" else CAYENNE_LPP
        suffix = ".js" if codec.runtime == "js" else ".toml"
        if self._assembly.codecs.put(codec.profile_id, suffix, text):
            self._assembly.telemetry.codecs_reloaded([codec.name], {})

    async def _take_variables(self, dev_eui: DevEui, variables: Mapping[str, str]) -> None:
        self._assembly.assignments.learn(dev_eui, variables)

    # --- links ----------------------------------------------------------------------------

    def _link_in(self) -> MqttPort:
        template = TopicTemplate(self._assembly.config.chirpstack.event_topic)
        return self._make_link(
            self._assembly.config.chirpstack.mqtt,
            name=CHIRPSTACK,
            subscriptions=((template.subscription(), 1),),
            clean=False,
            now_s=self._assembly.clock.now_s,
            on_state=partial(self._assembly.telemetry.link_changed, CHIRPSTACK),
        )

    def _link_out(self) -> MqttPort:
        config = self._assembly.config.mqtt
        return self._make_link(
            config,
            name="publisher",
            subscriptions=self._assembly.requests.subscriptions(),
            will=messages.bridge_state(Topics(config.base), online=False),
            clean=True,
            now_s=self._assembly.clock.now_s,
            on_state=partial(self._assembly.telemetry.link_changed, "publisher"),
        )


def _start(
    group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
) -> asyncio.Task[None]:
    return group.create_task(work, name=name)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
