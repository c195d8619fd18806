"""One short conversation with a port, for `detect`, to learn who is there.

Opening a port resets some boards (Arduino, ESP32), whatever the lines are set to.
"""

from __future__ import annotations

import asyncio
import contextlib

from gateway.errors import LinkError
from gateway.links.serial import SerialLink, SerialSettings
from gateway.types import BoardInfo, BoardLost, RadioDialect, RadioSettings, Turn

TICK_S = 0.05


async def identify(
    settings: SerialSettings, dialect: RadioDialect, radio: RadioSettings, within_s: float
) -> BoardInfo | None:
    """Return what the board says it is in this dialect, None when it does not within the time.

    Raises
    ------
    LinkError
        The port cannot be opened.

    """
    conversation = _Conversation(settings, dialect, radio)
    running = asyncio.ensure_future(conversation.run())
    try:
        async with asyncio.timeout(within_s):
            return await conversation.answer
    except TimeoutError:
        return None
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


class _Conversation:
    """A dialect's opening, up to the board's name; nothing is set up after it."""

    def __init__(
        self, settings: SerialSettings, dialect: RadioDialect, radio: RadioSettings
    ) -> None:
        self._link = SerialLink(settings, name="probe")
        self._dialect = dialect
        self._radio = radio
        self._loop = asyncio.get_running_loop()
        self._started = False
        self.answer: asyncio.Future[BoardInfo | None] = self._loop.create_future()

    async def run(self) -> None:
        """Hold the port until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run(self._on_bytes, self._on_open, self._on_lost))
            group.create_task(self._tick())

    async def _on_open(self) -> None:
        self._started = True
        self._do(self._dialect.start(self._radio, self._loop.time()))
        await asyncio.sleep(0)

    async def _on_bytes(self, data: bytes, _peer: object | None) -> None:
        self._do(self._dialect.feed(data, self._loop.time()))
        await asyncio.sleep(0)

    async def _on_lost(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(LinkError(reason))
        await asyncio.sleep(0)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._started:
                self._do(self._dialect.tick(self._loop.time()))

    def _do(self, turn: Turn) -> None:
        for event in turn.events:
            if isinstance(event, BoardInfo | BoardLost) and not self.answer.done():
                self.answer.set_result(event if isinstance(event, BoardInfo) else None)
        if self.answer.done():
            return
        with contextlib.suppress(LinkError):  # `_on_lost` tells it
            for write in turn.writes:
                self._link.write(write.data, write.peer)
