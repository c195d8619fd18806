"""Downlinks in the queue of a ChirpStack server, over its API: what MQTT cannot do.

The server answers, so a refusal is known at once; what still waits there can be taken back when a
close must not come after an open; and a queue can be looked into before anything is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.control import DownlinkTracker
from gateway.errors import LinkDenied, LinkError, LinkRefused
from gateway.speech import phrase, say
from gateway.types import DevEui, Downlink, DownlinkState, QueueItem

HAS_IT = phrase("The network server has it in its queue.")
TAKEN_BACK = phrase("Taken back from the network server's queue: a close was given.")
SENT_ANEW = phrase("It stood in the queue behind an open that was taken back: it is queued anew.")
UNANSWERED = phrase(
    "The network server did not answer, and it is not in its queue: whether it was transmitted is "
    "not known, and it is not sent again."
)


class QueueApi(Protocol):
    """What of the server's API a queue needs; `links.ChirpStackApi` has it."""

    async def enqueue(self, downlink: Downlink, *, flush: bool = False) -> str:
        """Queue it, return the server's id."""
        ...

    async def queue(self, dev_eui: str) -> tuple[QueueItem, ...]:
        """Return what waits."""
        ...


class ServerQueue:
    """Hands commands over; returns their steps. One per server."""

    def __init__(self, api: QueueApi, tracker: DownlinkTracker, now_s: Callable[[], float]) -> None:
        self._api = api
        self._tracker = tracker
        self._now_s = now_s
        self._unsure: set[str] = set()

    async def hand_over(self, downlink: Downlink) -> list[Downlink]:
        """Give the server one command; return what that changed.

        Raises
        ------
        LinkError
            The server was not reached, or did not answer: ask again later.

        """
        if downlink.id in self._unsure:
            if found := await self._find(downlink):
                return self._has_it(downlink, found)
            if downlink.effect in {"open", "start"}:  # it may have gone out already: once only
                self._unsure.discard(downlink.id)
                self._tracker.amend(replace(downlink, handed_s=self._now_s()))
                return self._tracker.failed(downlink.id, self._now_s(), say(UNANSWERED))
        before = self._waiting_opens(downlink)
        try:
            queue_id = await self._api.enqueue(downlink, flush=bool(before))
        except LinkRefused as refusal:
            said = say("The network server refuses it: {why}", why=refusal)
            return self._tracker.failed(downlink.id, self._now_s(), said)
        except LinkDenied:
            raise  # it was certainly not queued
        except LinkError:
            self._unsure.add(downlink.id)  # it may have been queued all the same
            raise
        steps = self._has_it(downlink, queue_id)
        return steps + (await self._take_back(downlink) if before else [])

    def _has_it(self, downlink: Downlink, queue_id: str) -> list[Downlink]:
        self._unsure.discard(downlink.id)
        return self._tracker.named(downlink.id, queue_id, self._now_s(), say(HAS_IT))

    async def _find(self, downlink: Downlink) -> str:
        """Return the server's id of a command that an unanswered call has queued, "" if none."""
        ours = {one.queue_id for one in self._queued(downlink.dev_eui)}
        for item in await self._api.queue(downlink.dev_eui):
            same = (item.f_port, item.data, item.confirmed)
            if item.id not in ours and same == _essence(downlink):
                return item.id
        return ""

    def _waiting_opens(self, close: Downlink) -> list[Downlink]:
        if close.effect not in {"close", "stop"}:
            return []
        queued = self._queued(close.dev_eui)
        return [one for one in queued if one.effect in {"open", "start"}]

    async def _take_back(self, close: Downlink) -> list[Downlink]:
        """Settle what the flush before a close has taken out of the queue."""
        try:
            left = {item.id for item in await self._api.queue(close.dev_eui)}
        except LinkError:
            return []  # what was flushed is not known: it is followed on, as if it waited
        now_s, steps = self._now_s(), list[Downlink]()
        for one in self._queued(close.dev_eui):
            if one.queue_id in left or one.id == close.id:
                continue
            if one.effect in {"open", "start"}:
                self._tracker.amend(replace(one, handed_s=None))
                steps += self._tracker.supersede(one.id, now_s, say(TAKEN_BACK))
            else:
                steps += self._tracker.returned(one.id, now_s, say(SENT_ANEW))
        return steps

    def _queued(self, dev_eui: DevEui) -> Sequence[Downlink]:
        return [
            one
            for one in self._tracker.open_for(dev_eui)
            if one.state is DownlinkState.QUEUED and one.queue_id
        ]


def _essence(downlink: Downlink) -> tuple[int, bytes, bool]:
    return downlink.f_port, downlink.data, downlink.confirmed
