"""Commands on their way to the network server: each device's in order, none in another's way.

::

    committed --> take --> handed over --> its step, into the next batch
                    └--> not reached, or told to come again: waits in its device's line, says why

What certainly did not leave over the broker goes back to be offered anew, all else is asked again
by its own id. A server may answer one device's command with errors for as long as that command
lives (a key that may not see the device); a close of another device must not wait for that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.assembly import Assembly
from gateway.codecs import TopicTemplate, encode_down
from gateway.control import Multicast
from gateway.errors import ConfigError, LinkError, LinkRefused
from gateway.network import ServerQueue
from gateway.speech import say
from gateway.types import DevEui, Downlink, Message, MqttPort

RETRY_S = 2.0
"""How long a line waits until its first command is tried again."""


class MulticastApi(Protocol):
    """What of the server's API a multicast frame needs; `links.ChirpStackApi` has it."""

    async def enqueue_multicast(
        self, multicast_group_id: str, f_port: int, data: bytes, expires_s: float
    ) -> int:
        """Queue it, return its counter."""
        ...


class Dispatch:
    """Hands over what was committed, until it expires. `nudge` asks for a batch.

    `queue` is the server's API, where commands go that way; else they go over `link`.
    """

    def __init__(
        self,
        assembly: Assembly,
        link: MqttPort,
        *,
        api: MulticastApi | None,
        queue: ServerQueue | None,
        nudge: Callable[[], None],
    ) -> None:
        self._assembly = assembly
        self._link = link
        self._api = api
        self._queue = queue
        self._nudge = nudge
        self._fresh: asyncio.Queue[Downlink | Multicast] = asyncio.Queue()
        self._lines: dict[DevEui, deque[Downlink]] = {}

    def offer(self, one: Downlink | Multicast) -> None:
        """Take a command that is committed; one that waits here already changes nothing."""
        if isinstance(one, Multicast) or all(
            one.id != waiting.id for waiting in self._lines.get(one.dev_eui, ())
        ):
            self._fresh.put_nowait(one)

    async def run(self) -> None:
        """Hand over what comes at once, and what waits every `RETRY_S`; without end."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + RETRY_S
        while True:
            one = await self._news(due_s - loop.time())
            if one is not None:
                await self._take(one)
            if loop.time() >= due_s:
                await self._retry()
                due_s = loop.time() + RETRY_S
            if self._link.connected and self._assembly.stages.reached():
                self._nudge()

    async def _news(self, wait_s: float) -> Downlink | Multicast | None:
        try:
            async with asyncio.timeout(max(wait_s, 0.0)):
                return await self._fresh.get()
        except TimeoutError:
            return None

    async def _take(self, one: Downlink | Multicast) -> None:
        if isinstance(one, Multicast):
            await self._tell_all(one)
        elif one.dev_eui in self._lines:
            self._lines[one.dev_eui].append(one)
        elif not await self._told(one):
            self._lines[one.dev_eui] = deque([one])

    async def _retry(self) -> None:
        """Try each line once; what comes meanwhile goes first."""
        for dev_eui in list(self._lines):
            while not self._fresh.empty():
                await self._take(self._fresh.get_nowait())
            line = self._lines[dev_eui]
            while line and await self._told(line[0]):
                line.popleft()
            if not line:
                del self._lines[dev_eui]

    async def _told(self, downlink: Downlink) -> bool:
        """Hand one command over; tell whether nothing more is to be done for it here."""
        if not self._may_go(downlink):
            return True
        if self._queue is None and not self._link.connected:
            self._assembly.stages.unreached(downlink)
        else:
            try:
                steps = await self._hand_over(downlink)
            except (LinkError, ConfigError) as error:
                self._say_why(downlink, error)
                return False
            self._assembly.stages.note(steps)
        self._nudge()
        return True

    def _say_why(self, downlink: Downlink, error: Exception) -> None:
        """Say at a command why it was not handed over yet; that makes it no younger."""
        tracker = self._assembly.downlinks
        if (now := tracker.get(downlink.id)) is not None:
            said = say("The network server could not be told yet: {why}", why=error)
            if steps := tracker.amend(replace(now, detail=said)):
                self._assembly.telemetry.trouble("not_handed_over", error)
                self._assembly.stages.note(steps)
                self._nudge()

    async def _hand_over(self, downlink: Downlink) -> Sequence[Downlink]:
        """Tell the network server of one command, over its API or its broker."""
        if self._queue is not None:
            return await self._queue.hand_over(downlink)
        config = self._assembly.config.chirpstack
        topic = TopicTemplate(config.command_topic).fill(
            application_id=downlink.application_id, dev_eui=downlink.dev_eui, command="down"
        )
        body = encode_down(downlink, self._assembly.server_events.speaks)
        await self._link.publish(Message(topic, body))
        return self._assembly.downlinks.queued(downlink.id, self._assembly.clock.now_s())

    async def _tell_all(self, frame: Multicast) -> None:
        """Tell the network server of a multicast frame, once: nothing says whether it went."""
        state, said = "failed", say("[chirpstack.api] names no server.")
        if self._api is not None:
            try:
                counter = await self._api.enqueue_multicast(
                    frame.multicast_group_id, frame.f_port, frame.data, frame.expires_s
                )
            except (LinkError, ConfigError) as error:
                said = say("Whether the network server has it is not known: {why}", why=error)
                if isinstance(error, LinkRefused):
                    said = say("The network server refuses it: {why}", why=error)
            else:
                state = "queued"
                said = say(
                    "The network server has it, as frame {counter} of the group. No device "
                    "acknowledges a multicast frame, so nothing more will be known.",
                    counter=counter,
                )
        self._assembly.stages.instructions.note_multicast(frame.command_id, state, said)
        self._nudge()

    def _may_go(self, downlink: Downlink) -> bool:
        """Look once more, at the last moment, whether a command may be carried out."""
        go, steps = self._assembly.desk.clear(downlink.id, self._assembly.clock.now_s())
        if steps:
            self._assembly.stages.note(steps)
            self._nudge()
        return go is not None
