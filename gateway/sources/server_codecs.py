"""Payload codecs and device variables from the network server, fetched as they are asked for.

::

    ask(profile, device) --> Asked (what is due, each once) --> one call at a time --> on_codec
                               ^                                       |          `--> on_variables
                               `---- failed: to the end of the line ---'

One server, one call at a time, at least `gap_s` apart: 5,000 unknown devices at once are a queue,
not a flood. While the server is away there is one call per wait of the backoff, for days if
need be.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from gateway.errors import ConfigError, LinkError, LinkRefused
from gateway.types import CodecServer, DevEui, Json, ServerCodec

MOST = 20_000
"""Profiles and devices that are remembered; a new one above that is not asked for."""

GAP_S = 0.1

OnCodec = Callable[[ServerCodec], Awaitable[None]]
OnVariables = Callable[[DevEui, Mapping[str, str]], Awaitable[None]]


class Waits(Protocol):
    """How long to wait after a failure, as `links.Backoff` says it."""

    def next_s(self) -> float:
        """Return how long to wait now."""
        ...

    def reset(self) -> None:
        """Begin again from the shortest."""
        ...


class Wanted(NamedTuple):
    """One thing the server may have."""

    kind: Literal["profile", "device"]
    key: str


class Asked:
    """What was asked for and when it is due again. Knows no server and no clock.

    Something answered or refused is due `refresh_s` later, and then waits until somebody asks for
    it again: devices that have gone quiet cost the server nothing.
    """

    def __init__(self, refresh_s: float, most: int = MOST) -> None:
        self.dropped = 0
        self._refresh_s = refresh_s
        self._most = most
        self._settled_s: dict[Wanted, float] = {}
        self._lines: dict[str, dict[Wanted, None]] = {"profile": {}, "device": {}}

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(len(line) for line in self._lines.values())

    def ask(self, wanted: Wanted, now_s: float) -> bool:
        """Put it in line unless it waits there or is fresh; tell whether it was put there."""
        line = self._lines[wanted.kind]
        settled_s = self._settled_s.get(wanted)
        if wanted in line or (settled_s is not None and now_s - settled_s < self._refresh_s):
            return False
        if settled_s is None and not self._room(now_s):
            self.dropped += 1
            return False
        line[wanted] = None
        return True

    def take(self) -> Wanted | None:
        """Return what is to be fetched now: profiles go first, for each speaks for many devices.

        It stays in line until it is `settled` or `failed`.
        """
        return next((wanted for line in self._lines.values() for wanted in line), None)

    def settled(self, wanted: Wanted, now_s: float) -> None:
        """Take it out of line: the server has answered, be it with no."""
        self._lines[wanted.kind].pop(wanted, None)
        self._settled_s.pop(wanted, None)  # the oldest stay in front
        self._settled_s[wanted] = now_s

    def failed(self, wanted: Wanted) -> None:
        """Put it at the end of its line, so that it keeps no other from its turn."""
        line = self._lines[wanted.kind]
        if wanted in line:
            line[wanted] = line.pop(wanted)

    def forget(self, wanted: Wanted) -> None:
        """Count it as never fetched, so that the next `ask` fetches it."""
        self._settled_s.pop(wanted, None)

    def _room(self, now_s: float) -> bool:
        while len(self) + len(self._settled_s) >= self._most:
            oldest, then_s = next(iter(self._settled_s.items()), (None, now_s))
            if oldest is None or now_s - then_s < self._refresh_s:
                return False
            del self._settled_s[oldest]
        return True


class ServerCodecs:
    """Fetches what `ask` names until cancelled, and hands it to `on_codec` and `on_variables`.

    Opens nothing itself. What the server does not have is settled like an answer, without a
    callback. `backoff` is `links.Backoff`, best from seconds to a minute.
    """

    def __init__(
        self,
        api: CodecServer,
        *,
        on_codec: OnCodec,
        on_variables: OnVariables,
        backoff: Waits,
        refresh_s: float = 3600.0,
        gap_s: float = GAP_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._on_codec = on_codec
        self._on_variables = on_variables
        self._backoff = backoff
        self._gap_s = gap_s
        self._now_s = now_s
        self._asked = Asked(refresh_s)
        self._work = asyncio.Event()
        self._counts = {"fetched": 0, "refused": 0, "failed": 0}
        self._last_error = ""
        self._last_refusal = ""

    def ask(self, profile_id: str, dev_eui: str = "") -> None:
        """Want a profile's codec and a device's variables; "" is nothing.

        Call it for every uplink: it is a look-up unless something is due.
        """
        now_s = self._now_s()
        added = [
            self._asked.ask(wanted, now_s)
            for wanted in (Wanted("profile", profile_id), Wanted("device", dev_eui))
            if wanted.key
        ]
        if any(added):
            self._work.set()

    def forget(self, profile_id: str) -> None:
        """Fetch a profile anew when it is next asked for: somebody knows that it has changed."""
        self._asked.forget(Wanted("profile", profile_id))

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            wanted = self._asked.take()
            if wanted is None:
                self._work.clear()
                await self._work.wait()
                continue
            await asyncio.sleep(await self._fetch(wanted))

    def health(self) -> Mapping[str, Json]:
        """Return `last_error` ("" when the last call reached the server) and what has been done."""
        return {
            "connected": not self._last_error and self._counts["fetched"] > 0,
            "last_error": self._last_error,
            "last_refusal": self._last_refusal,
            "waiting": len(self._asked),
            "dropped": self._asked.dropped,
            **self._counts,
        }

    async def _fetch(self, wanted: Wanted) -> float:
        """Make one call; return how long the server is to be left alone."""
        try:
            await self._hand_on(wanted)
        except LinkRefused as error:
            self._counts["refused"] += 1
            self._last_refusal = str(error)
        except (LinkError, ConfigError) as error:  # a token's file may come back, as a server may
            self._counts["failed"] += 1
            self._last_error = str(error)
            self._asked.failed(wanted)
            return max(self._gap_s, self._backoff.next_s())
        else:
            self._counts["fetched"] += 1
        self._last_error = ""
        self._backoff.reset()
        self._asked.settled(wanted, self._now_s())
        return self._gap_s

    async def _hand_on(self, wanted: Wanted) -> None:
        if wanted.kind == "profile":
            await self._on_codec(await self._api.profile_codec(wanted.key))
        else:
            variables = await self._api.device_variables(wanted.key)
            await self._on_variables(DevEui(wanted.key), variables)
