"""Codecs and variables are fetched once each, politely, and however long the server is away."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, LinkError
from gateway.links.memory_chirpstack import MemoryChirpStackApi
from gateway.sources.server_codecs import Asked, ServerCodecs, Wanted
from gateway.types import DevEui, ServerCodec

REFRESH_S = 3600.0


def codec(profile_id: str) -> ServerCodec:
    return ServerCodec(profile_id, f"name of {profile_id}", "js", "function f() {}", 1.0)


def profile(key: str) -> Wanted:
    return Wanted("profile", key)


def device(key: str) -> Wanted:
    return Wanted("device", key)


class Waits:
    """A backoff that lists what it was asked for, and waits hardly at all."""

    def __init__(self) -> None:
        self.waited = 0
        self.resets = 0

    def next_s(self) -> float:
        self.waited += 1
        return 0.0

    def reset(self) -> None:
        self.resets += 1


class Bench:
    """A feed on the twin, with a clock that stands still."""

    def __init__(self, api: MemoryChirpStackApi) -> None:
        self.api = api
        self.waits = Waits()
        self.now_s = 1000.0
        self.codecs: list[ServerCodec] = []
        self.variables: dict[DevEui, Mapping[str, str]] = {}
        self.feed = ServerCodecs(
            api,
            on_codec=self.on_codec,
            on_variables=self.on_variables,
            backoff=self.waits,
            refresh_s=REFRESH_S,
            gap_s=0.0,
            now_s=lambda: self.now_s,
        )

    async def on_codec(self, given_codec: ServerCodec) -> None:
        self.codecs.append(given_codec)

    async def on_variables(self, dev_eui: DevEui, variables: Mapping[str, str]) -> None:
        self.variables[dev_eui] = variables

    async def idle(self) -> None:
        await until(lambda: self.feed.health()["waiting"] == 0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it asks what a test wants to know, not an event
            await asyncio.sleep(0)


@asynccontextmanager
async def running(api: MemoryChirpStackApi) -> AsyncIterator[Bench]:
    bench = Bench(api)
    task = asyncio.create_task(bench.feed.run())
    try:
        yield bench
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_is_asked_for_is_fetched_once_and_handed_on() -> None:
    api = MemoryChirpStackApi({"p": codec("p")}, {"e": {"zero": "1"}})
    async with running(api) as bench:
        for _ in range(100):
            bench.feed.ask("p", "e")
        await bench.idle()
        bench.feed.ask("p", "e")
        await bench.idle()
    assert bench.codecs == [codec("p")]
    assert bench.variables == {"e": {"zero": "1"}}
    assert api.calls == [("profile", "p"), ("device", "e")]


async def test_it_is_fetched_again_when_it_is_old_and_asked_for() -> None:
    api = MemoryChirpStackApi({"p": codec("p")})
    async with running(api) as bench:
        bench.feed.ask("p")
        await bench.idle()
        bench.now_s += REFRESH_S - 1
        bench.feed.ask("p")
        assert bench.feed.health()["waiting"] == 0
        bench.now_s += 1
        bench.feed.ask("p")
        await bench.idle()
    assert api.calls == [("profile", "p")] * 2
    assert len(bench.codecs) == 2


async def test_what_is_known_to_have_changed_is_fetched_at_once() -> None:
    api = MemoryChirpStackApi({"p": codec("p")})
    async with running(api) as bench:
        bench.feed.ask("p")
        await bench.idle()
        bench.feed.forget("p")
        bench.feed.ask("p")
        await bench.idle()
    assert len(api.calls) == 2


async def test_what_the_server_does_not_have_is_asked_for_once_per_refresh() -> None:
    api = MemoryChirpStackApi()
    async with running(api) as bench:
        for _ in range(10):
            bench.feed.ask("none", "none")
            await bench.idle()
        assert len(api.calls) == 2
        assert "does not exist" in str(bench.feed.health()["last_refusal"])
        assert bench.feed.health()["last_error"] == ""
        bench.now_s += REFRESH_S
        bench.feed.ask("none")
        await bench.idle()
    assert len(api.calls) == 3
    assert bench.codecs == []
    assert bench.waits.waited == 0


@pytest.mark.parametrize("error", [LinkError("away"), ConfigError("token_file is gone")])
async def test_a_server_that_is_away_is_waited_for_and_then_everything_comes(
    error: LinkError | ConfigError,
) -> None:
    api = MemoryChirpStackApi({"p": codec("p"), "q": codec("q")}, {"e": {}})
    api.failure = error
    async with running(api) as bench:
        bench.feed.ask("p", "e")
        bench.feed.ask("q")
        await until(lambda: len(api.calls) >= 1000)
        assert bench.waits.waited >= 999  # each failure had its wait
        assert bench.waits.resets == 0
        assert bench.feed.health()["last_error"] == str(error)
        assert not bench.feed.health()["connected"]
        api.failure = None
        await bench.idle()
        assert bench.feed.health()["connected"]
    assert {one.profile_id for one in bench.codecs} == {"p", "q"}
    assert bench.variables == {"e": {}}
    assert bench.waits.resets == 3


async def test_five_thousand_unknown_devices_are_one_line_with_the_profiles_in_front() -> None:
    euis = [f"{number:016x}" for number in range(5000)]
    api = MemoryChirpStackApi({"p": codec("p")}, {eui: {"n": eui} for eui in euis})
    async with running(api) as bench:
        for eui in euis:
            bench.feed.ask("p", eui)
            bench.feed.ask("p", eui)
        await bench.idle()
    assert api.most_under_way == 1
    assert api.calls == [("profile", "p"), *(("device", eui) for eui in euis)]
    assert len(bench.variables) == 5000


async def test_calls_are_apart_by_the_gap() -> None:
    api = MemoryChirpStackApi({key: codec(key) for key in "abc"})
    loop = asyncio.get_running_loop()
    times_s: list[float] = []

    async def on_codec(_codec: ServerCodec) -> None:
        times_s.append(loop.time())

    async def on_variables(_eui: DevEui, _variables: Mapping[str, str]) -> None:
        raise AssertionError

    feed = ServerCodecs(
        api, on_codec=on_codec, on_variables=on_variables, backoff=Waits(), gap_s=0.05
    )
    task = asyncio.create_task(feed.run())
    for key in "abc":
        feed.ask(key)
    await until(lambda: len(times_s) == 3)
    task.cancel()
    assert all(b - a >= 0.05 for a, b in itertools.pairwise(times_s))


async def test_one_that_always_fails_keeps_no_other_from_its_turn() -> None:
    class OneFails(MemoryChirpStackApi):
        async def profile_codec(self, profile_id: str) -> ServerCodec:
            if profile_id == "bad":
                await asyncio.sleep(0)
                raise LinkError("failed at this call")
            return await super().profile_codec(profile_id)

    async with running(OneFails({"good": codec("good")})) as bench:
        bench.feed.ask("bad")
        bench.feed.ask("good")
        await until(lambda: bool(bench.codecs))
    assert bench.codecs == [codec("good")]


def test_more_than_is_remembered_is_dropped_and_counted() -> None:
    asked = Asked(REFRESH_S, most=3)
    assert [asked.ask(device(key), 0.0) for key in "abcd"] == [True, True, True, False]
    assert (len(asked), asked.dropped) == (3, 1)
    for key in "abc":
        asked.settled(device(key), 0.0)
    assert not asked.ask(device("d"), REFRESH_S - 1)
    assert asked.ask(device("d"), REFRESH_S)  # the oldest makes room


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ask", "settled", "failed", "later"]),
            st.sampled_from([profile("a"), profile("b"), device("a"), device("b"), device("c")]),
        )
    )
)
def test_whatever_happens_nothing_is_in_line_twice_or_lost_or_more_than_allowed(
    steps: list[tuple[str, Wanted]],
) -> None:
    asked, now_s = Asked(10.0, most=4), 0.0
    waiting: set[Wanted] = set()
    for step, wanted in steps:
        if step == "later":
            now_s += 5.0
        elif step == "ask":
            if asked.ask(wanted, now_s):
                assert wanted not in waiting
                waiting.add(wanted)
        elif (taken := asked.take()) is not None:
            assert taken in waiting
            if step == "settled":
                asked.settled(taken, now_s)
                waiting.discard(taken)
                assert not asked.ask(taken, now_s + 9.0)
            else:
                asked.failed(taken)
        assert len(asked) == len(waiting) <= 4
    while (taken := asked.take()) is not None:
        asked.settled(taken, now_s)
        waiting.discard(taken)
    assert waiting == set()
