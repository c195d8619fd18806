"""Packets that a radio of our own hears: a dialect run over a wire.

::

    wire --bytes--> dialect.feed --HeardFrame--> JSON --Delivery(topic radio/<name>)--> pipeline
    wire <--bytes-- dialect.transmit/tick/start <----------------- transmit(), the loop's time
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import LinkError
from gateway.types import (
    BoardCounters,
    BoardInfo,
    BoardLost,
    BytePort,
    Deliver,
    Delivery,
    HeardFrame,
    Json,
    Listening,
    NotCancelled,
    RadioDialect,
    RadioSettings,
    RadioTrouble,
    Transmit,
    TransmitOutcome,
    Transmitted,
    Turn,
)

TICK_S = 0.1
LONGEST_CANCEL_S = 20.0
LONGEST_TRANSMIT_S = 120.0
"""How long `transmit` waits for the dialect's word; a dialect gives up sooner by itself."""


class SerialRadioSource:
    """Delivers every heard frame once, as the JSON that `write_heard` makes of it.

    A frame whose CRC the radio found wrong is counted and not delivered. There is nobody to
    acknowledge to: what is heard and not yet committed is lost with the process.

    Raises
    ------
    ConfigError
        The board cannot do what the settings ask.

    """

    def __init__(
        self,
        link: BytePort,
        dialect: RadioDialect,
        settings: RadioSettings,
        write_heard: Callable[[HeardFrame], bytes],
        *,
        name: str = "radio",
        now_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
        on_trouble: Callable[[RadioTrouble], None] | None = None,
    ) -> None:
        dialect.check(settings)
        self.name = name
        self._link = link
        self._dialect = dialect
        self._settings = settings
        self._write_heard = write_heard
        self._now_s = now_s
        self._monotonic_s = monotonic_s
        self._on_trouble = on_trouble
        self._deliver_to: Deliver | None = None
        self._waiting: dict[str, asyncio.Future[Transmitted]] = {}
        self._cancelling: dict[str, asyncio.Future[str]] = {}
        self._info = BoardInfo("", "")
        self._counters: Mapping[str, int] = {}
        self._troubles: Counter[str] = Counter()
        self._last_trouble = ""
        self._listens = False
        self._heard = 0
        self._sent = 0
        self._dropped = 0
        self._dropped_before: int | None = None

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled. Reconnects by itself."""

        async def on_bytes(data: bytes, peer: object | None) -> None:
            await self._carry_out(self._dialect.feed(data, self._monotonic_s(), peer))

        async def on_open() -> None:
            await self._carry_out(self._dialect.start(self._settings, self._monotonic_s()))

        async def on_lost(reason: str) -> None:
            self._listens = False
            self._dropped_before = None
            self._fail_waiting(reason)
            await asyncio.sleep(0)

        self._deliver_to = deliver
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run(on_bytes, on_open, on_lost), name=f"{self.name}-wire")
            group.create_task(self._tick(), name=f"{self.name}-tick")

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing: a radio does not send again."""

    async def transmit(self, request: Transmit) -> Transmitted:
        """Send one packet and return what became of it; never raises for what the board does.

        Who is cancelled while waiting takes the packet back, as far as the board can.
        """
        if request.id in self._waiting:
            return Transmitted(request.id, TransmitOutcome.REFUSED, "this id is being sent")
        if not self._link.connected:
            why = self._link.last_error or "the board is not connected"
            return Transmitted(request.id, TransmitOutcome.REFUSED, why)
        answer: asyncio.Future[Transmitted] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            await self._carry_out(self._dialect.transmit(request, self._monotonic_s()))
            async with asyncio.timeout(LONGEST_TRANSMIT_S):
                return await answer
        except TimeoutError:
            return Transmitted(request.id, TransmitOutcome.FAILED, "nothing was heard of it")
        finally:
            self._waiting.pop(request.id, None)
            if answer.cancelled() or not answer.done():
                await self._carry_out(self._dialect.cancel(request.id, self._monotonic_s()))
            self._answer_cancel(request.id, "its sender stopped waiting")

    async def cancel(self, id_: str) -> str:
        """Take a packet back; return "" when it will not be sent, else why it may be.

        Its `transmit` returns all the same, with CANCELLED where this returns "".
        """
        if id_ not in self._waiting:
            return "no such packet waits to be sent"
        answer = self._cancelling.get(id_)
        if answer is None:
            answer = self._cancelling[id_] = asyncio.get_running_loop().create_future()
            await self._carry_out(self._dialect.cancel(id_, self._monotonic_s()))
        await asyncio.wait({answer}, timeout=LONGEST_CANCEL_S)
        return answer.result() if answer.done() else "the board did not answer"

    def health(self) -> Mapping[str, Json]:
        """Return the wire's state, who is there, and what was heard, lost and passed over."""
        return {
            **self._link.health(),
            "dialect": self._dialect.name,
            "listening": self._listens,
            "board": self._info.board,
            "firmware": self._info.firmware,
            "heard": self._heard,
            "sent": self._sent,
            "dropped": self._dropped,
            "crc_errors": self._troubles["crc_error"],
            "troubles": dict(self._troubles),
            "last_trouble": self._last_trouble,
            "counters": dict(self._counters),
        }

    @property
    def listens(self) -> bool:
        """Whether somebody is there who can hear and send."""
        return self._listens

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._link.connected:
                await self._carry_out(self._dialect.tick(self._monotonic_s()))

    async def _carry_out(self, turn: Turn) -> None:
        try:
            for write in turn.writes:
                self._link.write(write.data, write.peer)
        except LinkError as error:
            self._trouble(RadioTrouble("not_written", str(error)))
        for event in turn.events:
            if isinstance(event, HeardFrame):
                await self._deliver(event)
            elif isinstance(event, BoardLost):
                self._link.reopen(event.detail)
            else:
                self._learn(event)

    def _learn(
        self,
        event: Transmitted | NotCancelled | BoardInfo | BoardCounters | Listening | RadioTrouble,
    ) -> None:
        match event:
            case Transmitted():
                self._ended(event)
            case NotCancelled():
                self._answer_cancel(event.id, event.detail)
            case BoardInfo():
                self._info = event
            case BoardCounters():
                self._counters = event.counts
            case Listening():
                self._listens = True
            case RadioTrouble():
                self._trouble(event)

    def _ended(self, event: Transmitted) -> None:
        self._sent += event.outcome is TransmitOutcome.SENT
        if (waiting := self._waiting.get(event.id)) is not None and not waiting.done():
            waiting.set_result(event)
        cancelled = event.outcome is TransmitOutcome.CANCELLED
        self._answer_cancel(event.id, "" if cancelled else event.detail or event.outcome.value)

    def _answer_cancel(self, id_: str, answer: str) -> None:
        if (asking := self._cancelling.pop(id_, None)) is not None and not asking.done():
            asking.set_result(answer)

    async def _deliver(self, frame: HeardFrame) -> None:
        self._count_dropped(frame.dropped)
        if frame.crc_ok is False:
            self._trouble(RadioTrouble("crc_error", f"{len(frame.payload)} bytes"))
            return
        self._heard += 1
        if self._deliver_to is None:
            return
        await self._deliver_to(
            Delivery(
                source=self.name,
                topic=f"radio/{self.name}",
                payload=self._write_heard(frame),
                received_s=self._now_s(),
            )
        )

    def _count_dropped(self, dropped: int | None) -> None:
        """Add up what the board lost; its own count is of 16 bits and starts anew with it."""
        if dropped is None:
            return
        before, self._dropped_before = self._dropped_before, dropped
        self._dropped += dropped if before is None else (dropped - before) % 0x10000

    def _trouble(self, trouble: RadioTrouble) -> None:
        self._troubles[trouble.reason] += 1
        self._last_trouble = f"{trouble.reason}: {trouble.detail}"
        if self._on_trouble is not None:
            self._on_trouble(trouble)

    def _fail_waiting(self, reason: str) -> None:
        for id_, waiting in self._waiting.items():
            if not waiting.done():
                waiting.set_result(Transmitted(id_, TransmitOutcome.FAILED, reason))
            self._answer_cancel(id_, reason)
