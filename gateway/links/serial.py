"""The serial link: pyserial behind `BytePort`, opening again by itself.

::

    port thread (pyserial)           event loop
    ----------------------           ---------------------------------------
    read     -> Chunks.put  ------>  on_bytes(data, None)      in order
    open, end               ------>  futures of `_Opened`
    write    <- deque       <------  write(data)               queued, never waits

One thread per opening reads, and writes when woken; it ends when the port does. A port that was
unplugged is looked for anew at every attempt, by its stable name or its USB identity, because it
comes back under another `/dev/ttyUSB*`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import serial

from gateway.errors import LinkError
from gateway.links.backoff import Backoff
from gateway.links.chunks import Chunks, Peer
from gateway.links.serial_ports import SerialPort, serial_ports
from gateway.types import Json

OnBytes = Callable[[bytes, Peer], Awaitable[None]]
OnOpen = Callable[[], Awaitable[None]]
OnLost = Callable[[str], Awaitable[None]]

SETTLED_S = 10.0
"""A port that was open this long was a good one: the next delay is short again."""

MOST_UNWRITTEN = 64 * 1024
MOST_UNREAD = 1024 * 1024
READ_TIMEOUT_S = 0.5
WRITE_TIMEOUT_S = 2.0
LONGEST_BOOT_S = 5.0


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """One serial port. `port` is a path, or `usb:VID:PID` or `usb:VID:PID:SERIAL` in hex.

    `dtr` and `rts` are how the lines are held from before opening: True resets most Arduino and
    ESP32 boards. A board that resets all the same may take `boot_s` to say its first word; after
    it, the line is waited on to be quiet for `quiet_s`.
    """

    port: str
    baud: int = 115_200
    dtr: bool = False
    rts: bool = False
    boot_s: float = 0.3
    quiet_s: float = 0.1
    reconnect_min_s: float = 0.2
    reconnect_max_s: float = 1.0  # looking costs nothing, and USB itself takes a second or two


def find_port(wanted: str, ports: Callable[[], Iterable[SerialPort]] = serial_ports) -> str:
    """Return the device to open now.

    Raises
    ------
    LinkError
        No port, or more than one, has the USB identity.

    """
    if not wanted.startswith("usb:"):
        return wanted
    identity, serial_number = wanted[4:13].lower(), wanted[14:]
    found = [
        port.device
        for port in ports()
        if port.usb == identity and serial_number in {"", port.serial_number}
    ]
    if not found:
        raise LinkError(f"Nothing with USB identity {wanted[4:]} is plugged in.")
    if len(found) > 1:
        raise LinkError(
            f"{', '.join(found)} all have USB identity {identity}: name one by its path under"
            " /dev/serial/by-id, or add its serial number."
        )
    return found[0]


class SerialLink:
    """One serial port for as long as `run` runs. `on_state` hears (connected, last_error)."""

    def __init__(
        self,
        settings: SerialSettings,
        *,
        name: str,
        on_state: Callable[[bool, str], None] | None = None,
        ports: Callable[[], Iterable[SerialPort]] = serial_ports,
    ) -> None:
        self._settings = settings
        self._name = name
        self._on_state = on_state
        self._ports = ports
        self._backoff = Backoff(settings.reconnect_min_s, settings.reconnect_max_s)
        self._opened: _Opened | None = None
        self._last_error = ""
        self._device = ""
        self._openings = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._dropped = 0

    @property
    def connected(self) -> bool:
        """Whether the port is open."""
        return self._opened is not None

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did since the port was opened."""
        return self._last_error

    def health(self) -> Mapping[str, Json]:
        """Return counters and state for `bridge/health`."""
        return {
            "connected": self.connected,
            "last_error": self._last_error,
            "port": self._device or self._settings.port,
            "openings": self._openings,
            "bytes_in": self._bytes_in,
            "bytes_out": self._bytes_out,
            "bytes_dropped": self._dropped,
        }

    async def run(self, on_bytes: OnBytes, on_open: OnOpen, on_lost: OnLost) -> None:
        """Open, read and open again until cancelled; the calls come one at a time, in order."""
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            reason = await self._live(on_bytes, on_open)
            self._changed(reason)
            await on_lost(reason)
            if clock() - began_s >= SETTLED_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    def write(self, data: bytes, peer: Peer = None) -> None:  # noqa: ARG002 - a serial line has one other end
        """Put bytes on the wire in order. Never waits.

        Raises
        ------
        LinkError
            The port is not open, or too much waits to be written.

        """
        if self._opened is None:
            raise LinkError(self._last_error or "The port is not open.")
        self._opened.write(data)
        self._bytes_out += len(data)

    def reopen(self, reason: str) -> None:
        """Close and open again."""
        if self._opened is not None:
            self._opened.stop(reason)

    async def _live(self, on_bytes: OnBytes, on_open: OnOpen) -> str:
        """Hold one opening from its beginning to its end; return why it ended."""
        opened = _Opened(self._settings, self._ports, self._name)
        try:
            opened.start()
            await opened.ready
            self._device, self._opened = opened.device, opened
            self._openings += 1
            self._changed("")
            await self._serve(opened, on_bytes, on_open)
        except LinkError as error:
            return str(error)
        finally:
            self._opened = None
            self._dropped += opened.chunks.dropped
            opened.stop("closed")
            await asyncio.shield(opened.ended.wait())
        return opened.reason

    async def _serve(self, opened: _Opened, on_bytes: OnBytes, on_open: OnOpen) -> None:
        """Hand bytes on until the port ends; `on_open` once the board has stopped booting."""
        boot = _Boot(self._settings, asyncio.get_running_loop().time())
        while True:
            wait_s = boot.wait_s(asyncio.get_running_loop().time())
            piece = await opened.next(wait_s)
            if piece is not None:
                self._bytes_in += len(piece)
                boot.heard(asyncio.get_running_loop().time())
                await on_bytes(piece, None)
            elif opened.ended.is_set():
                return
            elif wait_s is not None:
                boot.over()
                await on_open()

    def _changed(self, error: str) -> None:
        self._last_error = error
        if self._on_state is not None:
            self._on_state(self.connected, error)


class _Boot:
    """Until when a board that was perhaps reset by opening its port is left alone."""

    def __init__(self, settings: SerialSettings, now_s: float) -> None:
        self._quiet_s = settings.quiet_s
        self._until_s: float | None = now_s + settings.boot_s
        self._latest_s = now_s + max(LONGEST_BOOT_S, settings.boot_s)

    def heard(self, now_s: float) -> None:
        if self._until_s is not None:
            self._until_s = min(self._latest_s, now_s + self._quiet_s)

    def wait_s(self, now_s: float) -> float | None:
        return None if self._until_s is None else max(0.0, self._until_s - now_s)

    def over(self) -> None:
        self._until_s = None


class _Opened:
    """One opening of a port, and the thread that reads and writes it."""

    def __init__(
        self, settings: SerialSettings, ports: Callable[[], Iterable[SerialPort]], name: str
    ) -> None:
        self.device = ""
        self.reason = ""
        self._settings = settings
        self._ports = ports
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.ended = asyncio.Event()
        self.chunks = Chunks(self._loop, MOST_UNREAD)
        self._unwritten: deque[bytes] = deque()
        self._unwritten_size = 0
        self._lock = threading.Lock()
        self._port: serial.Serial | None = None
        self._stopped = ""
        self._thread = threading.Thread(target=self._work, name=f"{name}-port", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def next(self, wait_s: float | None) -> bytes | None:
        """Return the next piece, None when none came in `wait_s` or the port ended."""
        if (piece := self.chunks.take()) is not None:
            return piece[0]
        if self.ended.is_set():
            return None
        getting = asyncio.ensure_future(self.chunks.get())
        ending = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait(
                {getting, ending}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
            )
            return getting.result()[0] if getting.done() else None
        finally:
            getting.cancel()
            ending.cancel()

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._unwritten_size + len(data) > MOST_UNWRITTEN:
                raise LinkError("The board takes no bytes.")
            self._unwritten.append(data)
            self._unwritten_size += len(data)
            self._wake()

    def stop(self, reason: str) -> None:
        with self._lock:
            self._stopped = self._stopped or reason
            self._wake()

    def _wake(self) -> None:
        if self._port is not None:
            self._port.cancel_read()

    # --- in the port's thread ----------------------------------------------------------------

    def _work(self) -> None:
        reason = ""
        try:
            self._open()
            self._tell(self._is_ready)
            while not self._stopped:
                self._read_and_write()
        except LinkError as error:
            reason = str(error)
        except (OSError, serial.SerialException) as error:
            reason = _wording(error, self.device or self._settings.port)
        except TypeError as error:  # pyserial's own, when a port vanishes between two of its lines
            reason = _wording(OSError(errno.EIO, str(error)), self.device)
        finally:
            self._close()
            self._tell(self._has_ended, self._stopped or reason)

    def _open(self) -> None:
        self.device = find_port(self._settings.port, self._ports)
        port = serial.Serial(
            None,
            self._settings.baud,
            timeout=READ_TIMEOUT_S,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )
        port.dtr, port.rts = self._settings.dtr, self._settings.rts
        port.port = os.path.realpath(self.device) if self.device.startswith("/") else self.device
        port.open()
        with self._lock:
            self._port = port

    def _read_and_write(self) -> None:
        port = self._port
        if port is None:
            return
        while self._unwritten:
            with self._lock:
                data = self._unwritten.popleft()
                self._unwritten_size -= len(data)
            port.write(data)
        data = port.read(port.in_waiting or 1)
        if data:
            with contextlib.suppress(RuntimeError):  # the event loop has ended, nobody listens
                self.chunks.put(bytes(data))

    def _close(self) -> None:
        with self._lock:
            port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError, serial.SerialException):
                port.close()

    def _tell(self, what: Callable[..., None], *facts: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended, nobody listens
            self._loop.call_soon_threadsafe(what, *facts)

    # --- on the event loop -------------------------------------------------------------------

    def _is_ready(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    def _has_ended(self, reason: str) -> None:
        self.reason = reason or "The port ended."
        self.ended.set()
        if not self.ready.done():
            self.ready.set_exception(LinkError(self.reason))


_VANISHED = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO, errno.EBADF})


def _wording(error: Exception, port: str) -> str:
    """Say in plain words what went wrong with a port, and what to do."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return f"{port} is not there: is the board plugged in?"
    if number == errno.EACCES:
        return f"{port} may not be opened by this user: add it to the group dialout."
    if "exclusively lock" in str(error):
        return f"{port} is in use by another program."
    if number in _VANISHED or any(sign in str(error) for sign in ("readiness", "[Errno 5]")):
        return f"{port} was unplugged."
    return f"{port}: {error}"
