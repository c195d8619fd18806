"""From a message on `device/<eui>/set` or `/set/<key>` to a `Downlink`, or to a refusal.

Three forms are understood::

    /set        {"data": base64 | "hex": "01 02" | "object": {...},      one of the three
                 "f_port" | "fPort": 1..223,  "id": UUID,  "confirmed": bool,
                 "expires": RFC 3339 | "expires_in_s": seconds,
                 "time": RFC 3339 when it was sent,  "by": who says so}
    /set        hex digits (spaces, colons and 0x allowed): the bytes themselves
    /set/<key>  a JSON scalar: the object {key: value}

A retained command is refused: it would be carried out again at every restart. MQTT does not say who
published, so `by` is a claim; who may command is for the broker's access list to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.config import DownlinkConfig
from gateway.control.forms import Form, bytes_of, identity_of, moment_s, read_form
from gateway.control.rate import RateLimit
from gateway.errors import CommandRefused
from gateway.types import DevEui, Downlink, DownlinkState, Json

MAX_COMMAND_BYTES = 8192
MAX_AGE_S = 300.0
MAX_AHEAD_S = 30.0
STEP_S = 1e-5
OBJECT_DETAIL = (
    "The network server must have a codec for this device: without one it sends an empty payload."
)
_PORTS = range(1, 224)


Encode = Callable[[Mapping[str, Json], int | None], tuple[bytes, int | None] | None]
"""A command object and its port -> bytes and the codec's port; None leaves it to the server."""


@dataclass(frozen=True, slots=True)
class Target:
    """What must be known of a device to command it. `f_port` is its configured default.

    `encode` is the device's own codec here; it raises CommandRefused for what it cannot encode.
    `by_server`: an object that nobody here encodes is left to the network server.
    """

    application_id: str
    profile: str = ""
    f_port: int | None = None
    encode: Encode | None = None
    by_server: bool = True


def parse_set(
    dev_eui: str,
    key: str | None,
    payload: bytes,
    *,
    retained: bool,
    now_s: float,
    target: Target | None,
    config: DownlinkConfig,
) -> Downlink:
    """Check a command and return it as a downlink in state ACCEPTED.

    `target` is None for a device nobody has heard of. Rate and repeated ids are the parser class's
    business.

    Raises
    ------
    CommandRefused
        With the first reason found, in the order of this function.

    """
    if retained:
        raise CommandRefused("retained", "A retained command is never carried out: publish it "
                             "without the retain flag.")  # fmt: skip
    if target is None:
        raise CommandRefused("unknown_device", f"No device {dev_eui[:32]} has been heard here.")
    if not target.application_id:
        raise CommandRefused("unknown_application", "The device's application is not known yet: "
                             "wait for its next uplink.")  # fmt: skip
    if len(payload) > MAX_COMMAND_BYTES:
        raise CommandRefused("too_large", f"A command may have {MAX_COMMAND_BYTES} bytes.")
    form = read_form(key, payload)
    _check_fresh(form, now_s)
    data, codec_port = bytes_of(form), None
    if form.object is not None and target.encode is not None:
        encoded = target.encode(form.object, form.f_port)
        data, codec_port = encoded or (data, None)
    by_server = form.object is not None and not data
    if by_server and not target.by_server:
        raise CommandRefused("no_codec", "No codec here encodes an object for this device: give "
                             "`hex` or `data`, or assign it a codec.")  # fmt: skip
    return Downlink(
        id=identity_of(form, _seed(dev_eui, key, payload, now_s)),
        dev_eui=DevEui(dev_eui),
        application_id=target.application_id,
        f_port=_port(form.f_port if form.f_port is not None else codec_port, target),
        data=data,
        object=form.object if by_server else None,
        confirmed=form.confirmed,
        expires_s=_expiry_s(form, now_s, config),
        created_s=now_s,
        changed_s=now_s,
        state=DownlinkState.ACCEPTED,
        by=form.by,
        detail=OBJECT_DETAIL if by_server else "",
    )


class CommandParser:
    """`parse_set` with what needs memory: the same id twice is one command, and rate per device.

    `lookup` returns a downlink by id, None when there is none.
    """

    def __init__(self, config: DownlinkConfig, lookup: Callable[[str], Downlink | None]) -> None:
        self._config = config
        self._lookup = lookup
        self._rate = RateLimit(config.per_device_per_hour)
        self._newest_s = 0.0

    def parse(
        self,
        dev_eui: str,
        key: str | None,
        payload: bytes,
        *,
        retained: bool,
        now_s: float,
        target: Target | None,
    ) -> tuple[Downlink, bool]:
        """Return the downlink and whether it is new; a repeated id gives its present state.

        Raises
        ------
        CommandRefused
            As `parse_set`, or `id_in_use` (another device's id), or `rate`.

        """
        try:
            downlink = parse_set(
                dev_eui, key, payload, retained=retained, now_s=now_s, target=target,
                config=self._config,
            )  # fmt: skip
        except CommandRefused as refusal:
            known = self._repeated(dev_eui, key, payload, refusal)
            if known is None:
                raise
            return known, False
        known = self._lookup(downlink.id)
        if known is not None:
            if _essence(known) != _essence(downlink):
                raise CommandRefused("id_in_use", "This id belongs to another command: "
                                     "use a new UUID.")  # fmt: skip
            return known, False
        wait_s = self._rate.wait_s(downlink.dev_eui, now_s)
        if wait_s > 0:
            raise CommandRefused("rate", f"A device takes {self._config.per_device_per_hour} "
                                 f"commands an hour: wait {math.ceil(wait_s)} s.")  # fmt: skip
        self._rate.take(downlink.dev_eui, now_s)
        # Commands of one moment keep their order through a restart: close must not overtake open.
        close = abs(now_s - self._newest_s) < 1.0
        self._newest_s = max(now_s, self._newest_s + STEP_S) if close else now_s
        return replace(downlink, created_s=self._newest_s), True

    def _repeated(
        self, dev_eui: str, key: str | None, payload: bytes, refusal: CommandRefused
    ) -> Downlink | None:
        """Return what a command that has only grown old in a redelivery already became."""
        if refusal.reason not in ("stale", "expired"):
            return None
        form = read_form(key, payload)
        known = self._lookup(identity_of(form, "")) if form.id is not None else None
        return known if known is not None and known.dev_eui == dev_eui else None


def refused(
    dev_eui: str, key: str | None, payload: bytes, refusal: CommandRefused, now_s: float
) -> Downlink:
    """Return the answer to a refused command: state REFUSED, under its own id if it had a new one.

    It is for telling the sender, not for following: nothing of the command's bytes is kept.
    """
    seed = _seed(dev_eui, key, payload, now_s)
    identity = identity_of(None, seed)
    if refusal.reason != "id_in_use":
        with suppress(CommandRefused):
            identity = identity_of(read_form(key, payload), seed)
    return Downlink(
        id=identity, dev_eui=DevEui(dev_eui), application_id="", f_port=0, data=b"", object=None,
        confirmed=False, expires_s=now_s, created_s=now_s, changed_s=now_s,
        state=DownlinkState.REFUSED, detail=f"{refusal.reason}: {refusal.detail}",
    )  # fmt: skip


def _essence(downlink: Downlink) -> tuple[object, ...]:
    return (downlink.dev_eui, downlink.f_port, downlink.data, downlink.object, downlink.confirmed)


def _seed(dev_eui: str, key: str | None, payload: bytes, now_s: float) -> str:
    return f"{dev_eui}|{key}|{payload.hex()}|{now_s!r}"


def _check_fresh(form: Form, now_s: float) -> None:
    if form.time is None:
        return
    age_s = now_s - moment_s("time", form.time)
    if age_s > MAX_AGE_S:
        raise CommandRefused("stale", f"The command was sent {age_s:.0f} s ago; "
                             f"{MAX_AGE_S:.0f} s are allowed.")  # fmt: skip
    if age_s < -MAX_AHEAD_S:
        raise CommandRefused("stale", f"The command's time is {-age_s:.0f} s in the future: "
                             "check the sender's clock.")  # fmt: skip


def _port(given: int | None, target: Target) -> int:
    port = given if given is not None else target.f_port
    if port is None:
        raise CommandRefused("no_f_port", "Give `f_port`, or set `command_f_port` for the device.")
    if port not in _PORTS:
        raise CommandRefused("f_port", f"f_port {port} is outside 1 to 223.")
    return port


def _expiry_s(form: Form, now_s: float, config: DownlinkConfig) -> float:
    if form.expires is not None and form.expires_in_s is not None:
        raise CommandRefused("ambiguous", "Give `expires` or `expires_in_s`, not both.")
    if form.expires is not None:
        expires_s = moment_s("expires", form.expires)
    else:
        expires_s = now_s + (form.expires_in_s or min(config.expiry_s, config.max_expiry_s))
    if expires_s <= now_s:
        raise CommandRefused("expired", "The command has expired already.")
    if expires_s > now_s + config.max_expiry_s:
        raise CommandRefused("expiry", f"A command may wait {config.max_expiry_s:.0f} s at most.")
    return expires_s
