"""A real mosquitto for tests: its own port, its own folder, stopped and killed at will."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

OPEN_SETTINGS = """\
allow_anonymous true
max_queued_messages 100000
max_inflight_messages 200
"""
"""For tests of the daemon: anybody may connect, and bursts are not dropped."""


def free_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Mosquitto:
    """One broker; port, folder and what it persisted survive `stop` and `kill`."""

    def __init__(self, folder: Path, settings: str, listener: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} {self.host}\n{listener}\n"
            f"user {getpass.getuser()}\n"  # as root it would change to a user without this folder
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n{settings}\n"
        )

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        assert PROGRAM is not None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self._settings)], stdout=log, stderr=log
            )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.025)
        raise RuntimeError(f"mosquitto did not start:\n{(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """End it as systemd would; sessions and retained messages are written down."""
        self._end("terminate")

    def kill(self) -> None:
        """End it without giving it time to do anything."""
        self._end("kill")

    def _end(self, how: str) -> None:
        if self._process is not None:
            getattr(self._process, how)()
            self._process.wait(10)
            self._process = None


StartMosquitto = Callable[..., Mosquitto]


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[StartMosquitto]:
    """Give a function that starts a broker with the settings given; all end with the test."""
    if PROGRAM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    brokers: list[Mosquitto] = []

    def start(settings: str = OPEN_SETTINGS, *, listener: str = "") -> Mosquitto:
        broker = Mosquitto(tmp_path / f"broker{len(brokers)}", settings, listener)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.kill()


@pytest.fixture
def mosquitto(start_mosquitto: StartMosquitto) -> Mosquitto:
    """Give one running broker that anybody may use."""
    return start_mosquitto()
