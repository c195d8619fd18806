"""The outgoing pump, over the in-memory broker and a real one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import pytest
from brokers import Mosquitto

from gateway.config import ConnectionConfig
from gateway.errors import LinkError
from gateway.links import MemoryBroker, MemoryLink, MqttLink
from gateway.publishers import Chunk, Publisher
from gateway.types import Delivery, Message, MqttPort

ONLINE = Message("b/bridge/state", b"online", retain=True)
OFFLINE = Message("b/bridge/state", b"offline", retain=True)


class Outbox:
    """The store's outbox in a list."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.rows = dict(enumerate(messages, 1))

    def outbox(self, limit: int, after: int = 0) -> list[tuple[int, Message]]:
        return [item for item in self.rows.items() if item[0] > after][:limit]

    async def outbox_done(self, seqs: Sequence[int]) -> None:
        await asyncio.sleep(0)
        for seq in seqs:
            del self.rows[seq]


class Backlog:
    """History as a set of numbers."""

    def __init__(self, head: int = 0) -> None:
        self.head = head
        self.open = set(range(1, head + 1))
        self.gaps: set[int] = set()

    def commit(self, count: int) -> int:
        self.open |= set(range(self.head + 1, self.head + count + 1))
        self.head += count
        return self.head

    def missed(self) -> None:
        self.gaps = set(self.open)

    def published(self, first: int, last: int) -> None:
        done = set(range(first, last + 1))
        self.open -= done
        self.gaps -= done

    def chunk(self, limit: int) -> Chunk | None:
        if not self.gaps:
            return None
        seqs = sorted(self.gaps)[:limit]
        return Chunk(seqs[0], seqs[-1], tuple(Message("b/history/x", b"%d" % n) for n in seqs))


async def eventually(true: Callable[[], object], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the condition may be set by another program
            await asyncio.sleep(0.005)


async def ignore(_delivery: Delivery) -> None:
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run(ignore))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def publisher_on(link: MqttPort, outbox: Outbox, **settings: object) -> Publisher:
    defaults = {"online": ONLINE, "snapshot": list, "head_seq": 0}
    return Publisher(link, outbox, **(defaults | settings))  # type: ignore[arg-type]


def state(n: int) -> Message:
    return Message(f"b/device/{n}/state", b"state %d" % n, retain=True)


def topics(messages: Iterable[Message]) -> list[str]:
    return [message.topic for message in messages]


async def test_online_comes_first_then_what_is_retained_then_the_outbox_then_history() -> None:
    broker = MemoryBroker()
    outbox = Outbox(Message("b/alert", b"%d" % n, durable=True) for n in range(3))
    backlog = Backlog(head=4)
    publisher = publisher_on(
        MemoryLink(broker, name="out", will=OFFLINE),
        outbox,
        snapshot=lambda: [state(1), state(2)],
        history=backlog,
        head_seq=4,
    )
    async with running(publisher):
        await eventually(lambda: not backlog.open)
        assert topics(broker.published) == [
            "b/bridge/state",
            *("b/device/1/state", "b/device/2/state"),
            *["b/alert"] * 3,
            *["b/history/x"] * 4,
        ]
        assert outbox.rows == {}
    assert broker.retained["b/bridge/state"] == OFFLINE


async def test_live_goes_before_history() -> None:
    broker, backlog = MemoryBroker(), Backlog(head=2000)
    link = MemoryLink(broker, name="out")
    publisher = publisher_on(link, Outbox(), history=backlog, head_seq=2000)
    async with running(publisher):
        await eventually(lambda: len(broker.published) > 10)
        begun = len(broker.published)
        publisher.offer([state(7)], backlog.commit(1))
        await eventually(lambda: not backlog.open)
        at = topics(broker.published).index("b/device/7/state")
        assert at - begun <= 128
        assert len(broker.published) == 1 + 2000 + 1


async def test_what_could_not_be_told_live_is_handed_in_as_history() -> None:
    broker, backlog = MemoryBroker(), Backlog()
    link = MemoryLink(broker, name="out")
    publisher = publisher_on(
        link, Outbox(), history=backlog, snapshot=lambda: [state(backlog.head)]
    )
    async with running(publisher):
        await eventually(lambda: broker.published)
        publisher.offer([state(1)], backlog.commit(1))
        await eventually(lambda: not backlog.open)
        broker.stop()
        for n in (2, 3, 4):
            publisher.offer([state(n)], backlog.commit(1))
        await asyncio.sleep(0.01)
        assert backlog.open == {2, 3, 4}
        broker.start()
        await eventually(lambda: not backlog.open)
        assert [m.payload for m in broker.published if m.topic == "b/history/x"] == [
            b"2",
            b"3",
            b"4",
        ]
        assert broker.retained["b/device/4/state"].payload == b"state 4"


async def test_a_clean_stop_can_wait_for_what_was_offered() -> None:
    broker, outbox = MemoryBroker(), Outbox()
    publisher = publisher_on(MemoryLink(broker, name="out"), outbox)
    async with running(publisher):
        assert await publisher.flush(5.0)
        outbox.rows[1] = Message("b/alert", b"last words", durable=True)
        publisher.offer([state(1)], 0)
        assert await publisher.flush(5.0)
        assert topics(broker.published)[-2:] == ["b/device/1/state", "b/alert"]
        broker.stop()
        publisher.offer([state(2)], 0)
        assert not await publisher.flush(0.01)


class SlowLink:
    """A link whose broker answers only when told to, and may refuse."""

    def __init__(self) -> None:
        self.connected = True
        self.last_error = ""
        self.gate = asyncio.Event()
        self.sent: list[Message] = []
        self.refuse = 0

    async def run(self, _on_message: object, on_connect: Callable[[], object]) -> None:
        await on_connect()  # type: ignore[misc]
        await asyncio.Event().wait()

    async def publish(self, message: Message) -> None:
        await self.gate.wait()
        if self.refuse:
            self.refuse -= 1
            raise LinkError("not now")
        self.sent.append(message)

    def ack(self, _token: object) -> None: ...


async def test_waiting_live_messages_are_bounded_and_the_newest_of_a_topic_wins() -> None:
    link, backlog = SlowLink(), Backlog()
    publisher = publisher_on(link, Outbox(), history=backlog, limit=10)
    async with running(publisher):
        link.gate.set()
        await eventually(lambda: ONLINE in link.sent)
        link.gate.clear()
        for round_ in range(5):
            for n in range(10):
                live = [Message(f"s/{n}", b"%d" % round_, retain=True), Message("r", b"answer")]
                publisher.offer(live, backlog.commit(1))
        assert publisher.health()["waiting"] <= 20
        link.gate.set()
        await eventually(lambda: publisher.health()["waiting"] == 0)
        last = {message.topic: message.payload for message in link.sent}
        assert all(last[f"s/{n}"] == b"4" for n in range(10))
        assert publisher.health()["superseded"] > 0
        assert publisher.health()["dropped"] > 0
        assert len(backlog.open) > 0


async def test_a_refused_message_is_tried_again_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.publishers.outgoing.RETRY_S", 0.01)
    link = SlowLink()
    link.gate.set()
    outbox = Outbox(Message("b/alert", b"%d" % n, durable=True) for n in range(5))
    publisher = publisher_on(link, outbox)
    link.refuse = 3
    async with running(publisher):
        await eventually(lambda: not outbox.rows)
    told = [m.payload for m in link.sent if m.topic == "b/alert"]
    assert list(dict.fromkeys(told))[-1] == b"4"
    assert set(told) == {b"0", b"1", b"2", b"3", b"4"}
    assert ONLINE in link.sent


async def test_refresh_publishes_everything_retained_again() -> None:
    broker = MemoryBroker()
    publisher = publisher_on(MemoryLink(broker, name="out"), Outbox(), snapshot=lambda: [state(1)])
    async with running(publisher):
        await eventually(lambda: len(broker.published) == 2)
        publisher.refresh()
        await eventually(lambda: len(broker.published) == 3)


def real_link(broker: Mosquitto, **settings: object) -> MqttLink:
    config = ConnectionConfig(port=broker.port, client_id="out", reconnect_min_s=0.2)
    return MqttLink(config, name="out", will=OFFLINE, **settings)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def watching(broker: Mosquitto, topic: str) -> AsyncIterator[list[Delivery]]:
    config = ConnectionConfig(port=broker.port, client_id="watcher", reconnect_min_s=0.05)
    link = MqttLink(config, name="watcher", subscriptions=[(topic, 1)], clean=False)
    seen: list[Delivery] = []

    async def on_message(delivery: Delivery) -> None:
        seen.append(delivery)
        link.ack(delivery.token)
        await asyncio.sleep(0)

    async def on_connect() -> None:
        await asyncio.sleep(0)

    task = asyncio.create_task(link.run(on_message, on_connect))
    await eventually(lambda: link.connected)
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.network
@pytest.mark.mosquitto
async def test_retained_topics_are_back_within_5_s_after_the_broker_lost_everything(
    mosquitto: Mosquitto,
) -> None:
    outbox, backlog = Outbox(), Backlog()
    publisher = publisher_on(
        real_link(mosquitto),
        outbox,
        history=backlog,
        snapshot=lambda: [state(n) for n in range(50)],
    )
    async with running(publisher):
        await eventually(lambda: publisher.health()["published"] >= 51)
        await asyncio.to_thread(mosquitto.kill)
        (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
        for n in range(1, 21):
            outbox.rows[n] = Message("b/alert", b"%d" % n, durable=True)
            publisher.offer([state(n)], backlog.commit(1))
        await asyncio.sleep(4)  # long enough for the delay between attempts to have grown
        await asyncio.to_thread(mosquitto.start)
        began_s = time.monotonic()
        async with watching(mosquitto, "b/#") as seen:
            wanted = {f"b/device/{n}/state" for n in range(50)} | {"b/bridge/state"}
            await eventually(lambda: wanted <= {d.topic for d in seen})
            assert time.monotonic() - began_s < 5
            await eventually(lambda: not backlog.open and not outbox.rows)


@pytest.mark.network
@pytest.mark.mosquitto
async def test_alerts_and_history_survive_broker_restarts_in_order(mosquitto: Mosquitto) -> None:
    outbox, backlog = Outbox(), Backlog()
    publisher = publisher_on(real_link(mosquitto), outbox, history=backlog)
    async with watching(mosquitto, "b/#") as seen, running(publisher):
        for n in range(1, 401):
            outbox.rows[n] = Message("b/alert", b"%d" % n, durable=True)
            publisher.offer([Message("b/live", b"%d" % n, retain=True)], backlog.commit(1))
            await asyncio.sleep(0.003)
            if n in {150, 300}:
                await asyncio.to_thread(mosquitto.stop)
                await asyncio.to_thread(mosquitto.start)
        await eventually(lambda: not outbox.rows and not backlog.open, within_s=20)
        every = set(range(1, 401))

        def numbers(*of: str) -> list[int]:
            return [int(d.payload) for d in seen if d.topic in of]

        await eventually(lambda: set(numbers("b/alert")) == every, within_s=20)
        await eventually(lambda: set(numbers("b/live", "b/history/x")) == every, within_s=20)
        assert list(dict.fromkeys(numbers("b/alert"))) == sorted(every)


@pytest.mark.network
@pytest.mark.mosquitto
async def test_an_outage_s_backlog_drains_at_500_messages_a_second_or_more(
    mosquitto: Mosquitto,
) -> None:
    count = 3000
    body = b"x" * 300
    outbox = Outbox(Message("b/alert", body, durable=True) for _ in range(count))
    backlog = Backlog(head=count)
    publisher = publisher_on(
        real_link(mosquitto), outbox, history=backlog, head_seq=count, history_per_s=10000
    )
    began_s = time.monotonic()
    async with running(publisher):
        await eventually(lambda: not outbox.rows and not backlog.open, within_s=60)
        rate = 2 * count / (time.monotonic() - began_s)
    assert rate >= 500
