"""The MQTT link against a real mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from brokers import OPEN_SETTINGS, Mosquitto, StartMosquitto, free_port

from gateway.config import ConnectionConfig
from gateway.errors import LinkError
from gateway.links import MqttLink
from gateway.types import CORRELATION_DATA, RESPONSE_TOPIC, Delivery, Message

pytestmark = [pytest.mark.network, pytest.mark.mosquitto]


def config_for(broker: Mosquitto, **settings: object) -> ConnectionConfig:
    return ConnectionConfig.model_validate(
        {"port": broker.port, "client_id": "under-test", "reconnect_min_s": 0.05} | settings
    )


async def eventually(true: Callable[[], object], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the condition is set by another thread or program
            await asyncio.sleep(0.01)


class Running:
    """A link that runs, with what it has received."""

    def __init__(self, link: MqttLink) -> None:
        self.link = link
        self.received: list[Delivery] = []
        self.connects = 0
        self.ack_lag: int | None = None

    async def on_message(self, delivery: Delivery) -> None:
        self.received.append(delivery)
        if self.ack_lag is not None and len(self.received) > self.ack_lag:
            self.link.ack(self.received[-1 - self.ack_lag].token)

    async def on_connect(self) -> None:
        self.connects += 1

    @property
    def payloads(self) -> list[bytes]:
        return [delivery.payload for delivery in self.received]


@contextlib.asynccontextmanager
async def running(link: MqttLink, *, wait: bool = True) -> AsyncIterator[Running]:
    run = Running(link)
    task = asyncio.create_task(link.run(run.on_message, run.on_connect))
    try:
        if wait:
            await eventually(lambda: run.connects)
        yield run
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def link_to(broker: Mosquitto, *topics: str, **settings: object) -> MqttLink:
    return MqttLink(
        config_for(broker, **settings), name="t", subscriptions=[(t, 1) for t in topics]
    )


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_is_published_comes_back_whole(mosquitto: Mosquitto, version: str) -> None:
    async with running(link_to(mosquitto, "a/#", version=version)) as run:
        await run.link.publish(Message("a/b", b"\x00\xff", retain=True))
        await eventually(lambda: run.received)
        delivery = run.received[0]
        assert (delivery.source, delivery.topic, delivery.payload) == ("t", "a/b", b"\x00\xff")
        assert (delivery.qos, delivery.retained) == (1, False)
    async with running(link_to(mosquitto, "a/#", version=version)) as run:
        await eventually(lambda: run.received)
        assert run.received[0].retained


async def test_response_topic_and_correlation_data_go_both_ways(mosquitto: Mosquitto) -> None:
    properties = {RESPONSE_TOPIC: "answer/here", CORRELATION_DATA: "00ff10", "colour": "green"}
    async with running(link_to(mosquitto, "ask")) as run:
        await run.link.publish(Message("ask", b"?", expiry_s=60, properties=properties))
        await eventually(lambda: run.received)
        assert run.received[0].properties == properties


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_only_what_was_acknowledged_does_not_come_again(
    mosquitto: Mosquitto, version: str
) -> None:
    def link() -> MqttLink:
        config = config_for(mosquitto, version=version)
        return MqttLink(config, name="t", subscriptions=[("up/+", 1)], clean=False)

    async with running(link()) as run:
        for n in range(6):
            await run.link.publish(Message(f"up/{n}", b"%d" % n))
        await eventually(lambda: len(run.received) == 6)
        for delivery in run.received[:4]:
            run.link.ack(delivery.token)
        await run.link.publish(Message("else", b""))
    async with running(link()) as run:
        await eventually(lambda: len(run.received) == 2)
        await asyncio.sleep(0.2)
        assert run.payloads == [b"4", b"5"]


async def test_a_token_of_a_lost_connection_is_ignored(mosquitto: Mosquitto) -> None:
    link = MqttLink(config_for(mosquitto), name="t", subscriptions=[("up", 1)], clean=False)
    async with running(link) as run:
        await link.publish(Message("up", b"1"))
        await eventually(lambda: run.received)
        await asyncio.to_thread(mosquitto.stop)
        await eventually(lambda: not link.connected)
        await asyncio.to_thread(mosquitto.start)
        await eventually(lambda: len(run.received) == 2)
        link.ack(run.received[0].token)
    async with running(link) as run:
        await eventually(lambda: run.received)
        link.ack(run.received[0].token)
        await link.publish(Message("else", b""))
    async with running(link) as run:
        await asyncio.sleep(0.3)
        assert run.received == []


async def test_nothing_published_at_qos_1_is_lost_when_the_broker_restarts(
    mosquitto: Mosquitto,
) -> None:
    link = MqttLink(config_for(mosquitto), name="t", subscriptions=[("up", 1)], clean=False)
    other = MqttLink(config_for(mosquitto, client_id="sender"), name="o")

    async def send() -> None:
        for n in range(300):
            while True:
                try:
                    await other.publish(Message("up", b"%d" % n))
                    break
                except LinkError:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.002)

    async with running(link) as run, running(other):
        run.ack_lag = 20
        sending = asyncio.create_task(send())
        await eventually(lambda: len(run.received) > 50)
        await asyncio.to_thread(mosquitto.stop)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(mosquitto.start)
        async with asyncio.timeout(20):
            await sending
        await eventually(lambda: set(run.payloads) == {b"%d" % n for n in range(300)})
        assert run.connects == 2


async def test_a_link_that_is_not_connected_does_not_publish() -> None:
    link = MqttLink(ConnectionConfig(port=free_port()), name="t")
    async with running(link, wait=False) as run:
        with pytest.raises(LinkError):
            await run.link.publish(Message("a", b""))
        await eventually(lambda: link.last_error)
        assert "Nothing listens at 127.0.0.1" in link.last_error
        assert link.health()["connected"] is False


async def test_a_publication_in_flight_fails_with_the_connection(mosquitto: Mosquitto) -> None:
    async with running(link_to(mosquitto)) as run:
        await asyncio.to_thread(mosquitto.kill)
        with pytest.raises(LinkError):
            await run.link.publish(Message("a", b"x"))
        await eventually(lambda: run.link.last_error)
        assert not run.link.connected


async def test_a_wrong_password_is_said_plainly_and_a_right_one_is_taken(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    program = shutil.which("mosquitto_passwd")
    assert program is not None
    passwords = tmp_path / "passwords"
    await asyncio.to_thread(
        subprocess.run, [program, "-b", "-c", str(passwords), "farm", "secret"], check=True
    )
    broker = start_mosquitto(f"allow_anonymous false\npassword_file {passwords}\n")
    for version in ("5", "3.1.1"):
        (tmp_path / "wrong").write_text("not this")
        wrong = link_to(broker, username="farm", password_file=tmp_path / "wrong", version=version)
        async with running(wrong, wait=False):
            await eventually(lambda link=wrong: link.last_error)
            assert "check `username`" in wrong.last_error
            assert not wrong.connected
    (tmp_path / "secret").write_text("secret\n")
    async with running(link_to(broker, username="farm", password_file=tmp_path / "secret")) as run:
        assert run.link.last_error == ""


async def test_an_unreadable_password_file_is_named(mosquitto: Mosquitto, tmp_path: Path) -> None:
    link = link_to(mosquitto, username="farm", password_file=tmp_path / "none")
    async with running(link, wait=False):
        await eventually(lambda: link.last_error)
        assert "password_file" in link.last_error


async def test_an_unknown_host_is_said_plainly() -> None:
    link = MqttLink(ConnectionConfig(host="no-such-host.invalid"), name="t")
    async with running(link, wait=False):
        await eventually(lambda: link.last_error, within_s=20)
        assert "no-such-host.invalid" in link.last_error


async def test_refused_topics_are_reported_and_hold_nothing_up(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite open/#\n")
    broker = start_mosquitto(f"{OPEN_SETTINGS}acl_file {rules}\n")
    async with running(link_to(broker, "open/#")) as run:
        await run.link.publish(Message("closed/a", b"x"))
        assert "publish to 'closed/a'" in run.link.last_error
        assert run.link.health()["refused"] == 1
        await run.link.publish(Message("open/a", b"x"))
        await eventually(lambda: run.payloads == [b"x"])


def authority(folder: Path) -> Path:
    """Make a certificate authority, a server's and a client's certificate; return their folder."""
    folder.mkdir()

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
            "-days", "2", "-subj", "/CN=test authority", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    (folder / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    for who in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{who}.key",
                "-out", f"{who}.csr", "-subj", f"/CN={who}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-out", f"{who}.crt",
                "-extfile", f"{who}.ext")  # fmt: skip
    return folder


async def test_tls_needs_the_right_authority_and_our_certificate(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    keys = authority(tmp_path / "keys")
    broker = start_mosquitto(
        "use_identity_as_username true\n",
        listener=f"cafile {keys}/ca.crt\ncertfile {keys}/server.crt\nkeyfile {keys}/server.key\n"
        "require_certificate true",
    )
    ours = {"ca_file": keys / "ca.crt", "cert_file": keys / "client.crt",
            "key_file": keys / "client.key"}  # fmt: skip
    async with running(link_to(broker, "a", tls=True, **ours)) as run:
        await run.link.publish(Message("a", b"sealed"))
        await eventually(lambda: run.payloads == [b"sealed"])
    for settings, words in (
        ({"tls": True}, "is not trusted"),
        ({"tls": True, "ca_file": keys / "ca.crt"}, "our certificate"),
        ({"tls": True, "ca_file": keys / "none.crt"}, "ca_file"),
        ({"tls": True, **ours, "key_file": keys / "server.key"}, "key_file"),
        ({}, ""),
    ):
        link = link_to(broker, **settings)
        async with running(link, wait=False):
            await eventually(lambda link=link: link.last_error)
            assert words in link.last_error
            assert not link.connected


async def test_a_plain_port_is_recognised_when_tls_is_wanted(mosquitto: Mosquitto) -> None:
    link = link_to(mosquitto, tls=True)
    async with running(link, wait=False):
        await eventually(lambda: link.last_error)
        assert "TLS" in link.last_error or "closed the connection" in link.last_error


async def test_a_clean_stop_says_offline_and_a_lost_link_lets_the_broker_say_it(
    mosquitto: Mosquitto,
) -> None:
    will = Message("base/state", b"offline", retain=True)
    async with running(link_to(mosquitto, "base/state", client_id="watcher")) as watcher:
        first = MqttLink(config_for(mosquitto), name="t", will=will)
        async with running(first):
            pass
        await eventually(lambda: watcher.payloads == [b"offline"])
        async with running(MqttLink(config_for(mosquitto), name="t", will=will)) as run:
            client = run.link._connection._client  # type: ignore[union-attr]
            client.socket().shutdown(2)
            await eventually(lambda: watcher.payloads == [b"offline"] * 2)


async def test_a_flood_at_qos_0_is_dropped_and_counted_not_kept(mosquitto: Mosquitto) -> None:
    link = MqttLink(config_for(mosquitto), name="t", subscriptions=[("f", 1)], queue=10)
    gate = asyncio.Event()
    got: list[Delivery] = []

    async def slow(delivery: Delivery) -> None:
        await gate.wait()
        got.append(delivery)

    async def nothing() -> None: ...

    task = asyncio.create_task(link.run(slow, nothing))
    await eventually(lambda: link.connected)
    for n in range(50):
        await link.publish(Message("f", b"%d" % n, qos=0))
    await eventually(lambda: link.health()["dropped"] >= 39)
    gate.set()
    await eventually(lambda: len(got) + link.health()["dropped"] == 50)
    assert [item.payload for item in got] == [b"%d" % n for n in range(len(got))]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_bug_in_a_handler_is_not_hidden(mosquitto: Mosquitto) -> None:
    link = link_to(mosquitto)

    async def broken() -> None:
        raise ZeroDivisionError

    async def nothing(_delivery: Delivery) -> None: ...

    with pytest.raises(ExceptionGroup):
        async with asyncio.timeout(5):
            await link.run(nothing, broken)
