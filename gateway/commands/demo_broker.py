"""The demo's own MQTT broker: amqtt, MQTT 3.1.1, on loopback only, nothing kept.

It runs in a process of its own, so that broker and daemon share no interpreter: what the demo shows
is the daemon's own pace. The process ends when its standard input does, so it never outlives us.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from gateway.errors import GatewayError

HOST = "127.0.0.1"
USUAL_PORT = 1883
TRIED_PORTS = 20
READY = b"ready\n"
START_S = 20.0
END_S = 5.0


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[int]:
    """Run a broker for the length of the block; gives its port, 1883 or the next that is free.

    Raises
    ------
    GatewayError
        The extra `demo` is not installed, no port is free, or the broker does not start.

    """
    if find_spec("amqtt") is None:
        raise GatewayError(
            "The demo's broker is not installed. Install `lora-gateway[demo]`, or name a broker "
            "of your own with --broker HOST:PORT."
        )
    port = _free_port()
    # A session of its own: Ctrl-C is for us, who end the broker after the daemon.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(port),
        stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        await _wait_until_ready(process, port)
        yield port
    finally:
        await _end(process)


async def _wait_until_ready(process: asyncio.subprocess.Process, port: int) -> None:
    line = b""
    if process.stdout is not None:
        try:
            async with asyncio.timeout(START_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
    if line != READY:
        raise GatewayError(
            f"The demo's broker did not start on {HOST}:{port}. Name a broker of your own with "
            "--broker HOST:PORT."
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    for port in range(USUAL_PORT, USUAL_PORT + TRIED_PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise GatewayError(
        f"No port from {USUAL_PORT} to {USUAL_PORT + TRIED_PORTS - 1} is free for the demo."
    )


async def _serve(port: int) -> None:
    """Be the broker until standard input ends."""
    from amqtt.broker import Broker  # noqa: PLC0415 - an extra, and slow to import

    logging.disable(logging.CRITICAL)
    anyone = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"{HOST}:{port}"}
    broker = Broker({"listeners": {"default": listener}, "plugins": anyone})
    await broker.start()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
