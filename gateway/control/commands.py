"""From a message on `device/<eui>/set` or `/set/<key>` to a `Downlink`, or to a refusal.

These forms are understood::

    /set        {"command": name, "object": {...}, "duration_s": seconds}   of the command schema
    /set        {"data": base64 | "hex": "01 02" | "object": {...},      one of the three
                 "f_port" | "fPort": 1..223}
    with any    {"id": UUID,  "confirmed": bool,  "dry_run": bool,
                 "expires": RFC 3339 | "expires_in_s": seconds,
                 "time": RFC 3339 when it was sent,  "by": who says so,  "signature": hex}
    /set        hex digits (spaces, colons and 0x allowed): the bytes themselves
    /set/<name> of a command: the object of its keys, its only key's value, or true
    /set/<key>  a JSON scalar: the object {key: value}

A retained command is refused: it would be carried out again at every restart. MQTT does not say who
published: `by` is a claim unless the command is signed (`authority.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.config import DownlinkConfig
from gateway.control.authority import Authority
from gateway.control.forms import (
    Form,
    bytes_of,
    check_age,
    identity_of,
    moment_s,
    read_form,
    tree_of,
)
from gateway.control.rate import RateLimit
from gateway.control.refusals import MAX_COMMAND_BYTES, RETAINED, seed_of, too_large
from gateway.control.safety import Safety
from gateway.control.schema import Chosen, Commands, check_learned, choose
from gateway.errors import CommandRefused
from gateway.speech import phrase, say
from gateway.types import DevEui, Downlink, DownlinkState, Json

STEP_S = 1e-5
OBJECT_DETAIL = phrase(
    "The network server must have a codec for this device: without one it sends an empty payload."
)
ANYBODY = Authority({})
_PORTS = range(1, 224)


Encode = Callable[[Mapping[str, Json], int | None], tuple[bytes, int | None] | None]
"""A command object and its port -> bytes and the codec's port; None leaves it to the server."""


@dataclass(frozen=True, slots=True)
class Target:
    """What must be known of a device to command it. `f_port` is its configured default.

    `encode` is the device's own codec here; it raises CommandRefused for what it cannot encode.
    `by_server`: an object that nobody here encodes is left to the network server. `commands` are
    all that the device takes, where the settings name any; `learned` is what its codec says of
    commands.
    """

    application_id: str
    profile: str = ""
    f_port: int | None = None
    encode: Encode | None = None
    by_server: bool = True
    commands: Commands = field(default_factory=dict)
    learned: Commands = field(default_factory=dict)


def parse_set(
    dev_eui: str,
    key: str | None,
    payload: bytes,
    *,
    retained: bool,
    now_s: float,
    target: Target | None,
    config: DownlinkConfig,
    authority: Authority = ANYBODY,
) -> Downlink:
    """Check a command and return it as a downlink in state ACCEPTED, or REHEARSED.

    `target` is None for a device nobody has heard of. Safety, rate and repeated ids are the parser
    class's business.

    Raises
    ------
    CommandRefused
        With the first reason found, in the order of this function.

    """
    if retained:
        raise CommandRefused("retained", say(RETAINED))
    if target is None:
        said = say("No device {device} has been heard here.", device=dev_eui[:32])
        raise CommandRefused("unknown_device", said)
    if not target.application_id:
        said = say("The device's application is not known yet: wait for its next uplink.")
        raise CommandRefused("unknown_application", said)
    if len(payload) > MAX_COMMAND_BYTES:
        raise too_large()
    form = read_form(key, payload, target.commands or target.learned)
    _check_fresh(form, now_s)
    signed = authority.admit(form.by, dev_eui, tree_of(payload) if key is None else None)
    chosen = _chosen(form, target)
    made = chosen.object if chosen is not None else form.object
    data, codec_port = (chosen.data if chosen is not None else bytes_of(form)), None
    if made is not None and target.encode is not None:
        encoded = target.encode(made, form.f_port)
        data, codec_port = encoded or (data, None)
    by_server = made is not None and not data
    if by_server and not target.by_server:
        said = say("No codec here encodes an object for this device: give `hex` or `data`, or "
                   "assign it a codec.")  # fmt: skip
        raise CommandRefused("no_codec", said)
    downlink = Downlink(
        id=identity_of(form, seed_of(dev_eui, key, payload, now_s)),
        dev_eui=DevEui(dev_eui),
        application_id=target.application_id,
        f_port=_port(form, chosen, codec_port, target),
        data=data,
        object=made if by_server else None,
        confirmed=form.confirmed,
        expires_s=_expiry_s(form, chosen, now_s, config),
        created_s=now_s,
        changed_s=now_s,
        state=DownlinkState.ACCEPTED,
        by=form.by,
        detail=say(OBJECT_DETAIL) if by_server else "",
        signed=signed,
    )
    if chosen is not None:
        downlink = replace(
            downlink,
            confirmed=form.confirmed or chosen.spec.confirmed,
            command=chosen.name,
            effect=chosen.spec.effect,
            duration_s=chosen.duration_s,
            volume_l=chosen.volume_l,
        )
    return _rehearsed(downlink) if form.dry_run or config.dry_run else downlink


def make_command(
    dev_eui: str, name: str, now_s: float, target: Target | None, config: DownlinkConfig
) -> Downlink:
    """Return a command of the gateway's own, by its name in the device's schema.

    Raises
    ------
    CommandRefused
        As `parse_set`.

    """
    live = config.model_copy(update={"dry_run": False})
    payload = json.dumps({"command": name}).encode()
    return parse_set(
        dev_eui, None, payload, retained=False, now_s=now_s, target=target, config=live
    )


def _rehearsed(downlink: Downlink) -> Downlink:
    said = (
        say("Checked and not sent, as asked: it would be {bytes} on port {port}.",
            bytes=downlink.data.hex(" "), port=downlink.f_port)
        if downlink.data
        else say("Checked and not sent, as asked: it would be an object for the server's codec on "
                 "port {port}.", port=downlink.f_port)
    )  # fmt: skip
    return replace(downlink, state=DownlinkState.REHEARSED, detail=said)


def _chosen(form: Form, target: Target) -> Chosen | None:
    """Return the command of the schema that a form is; None for what has no schema."""
    if target.commands:
        return choose(target.commands, form)
    if form.command is not None:
        return choose(target.learned, form)
    if form.object is not None and target.learned:
        check_learned(target.learned, form.object)
    return None


class CommandParser:
    """`parse_set` with what needs memory: repeated ids, rates, and what is safe just now.

    `lookup` returns a downlink by id, None when there is none.
    """

    def __init__(
        self,
        config: DownlinkConfig,
        lookup: Callable[[str], Downlink | None],
        *,
        authority: Authority = ANYBODY,
        safety: Safety | None = None,
    ) -> None:
        self._config = config
        self._lookup = lookup
        self._authority = authority
        self._safety = safety
        self._rate = RateLimit(config.per_device_per_hour)
        self._by = RateLimit(config.per_operator_per_hour)
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
        authority: Authority | None = None,
    ) -> tuple[Downlink, bool]:
        """Return the downlink and whether it is new; a repeated id gives its present state.

        One that was only rehearsed is not new either. `authority` is given for what the gateway
        gives itself, or has admitted already: a program, a member of a group, a rule whose writer
        was asked for his rights.

        Raises
        ------
        CommandRefused
            As `parse_set`, or a reason of `Safety.check`, or `id_in_use` (another device's id), or
            `rate`.

        """
        try:
            downlink = parse_set(
                dev_eui, key, payload, retained=retained, now_s=now_s, target=target,
                config=self._config, authority=authority or self._authority,
            )  # fmt: skip
        except CommandRefused as refusal:
            known = self._repeated(dev_eui, key, payload, refusal)
            if known is None:
                raise
            return known, False
        known = self._lookup(downlink.id)
        if known is not None:
            if _essence(known) != _essence(downlink):
                said = say("This id belongs to another command: use a new UUID.")
                raise CommandRefused("id_in_use", said)
            return known, False
        spec = target.commands.get(downlink.command) if target is not None else None
        if self._safety is not None and spec is not None:
            self._safety.check(downlink, spec, now_s)
        if downlink.state is DownlinkState.REHEARSED:
            return downlink, False
        self._count(downlink, now_s, given=authority is not None)
        return replace(downlink, created_s=self._ordered_s(now_s)), True

    def admit_group(
        self, name: str, form: Form, tree: Mapping[str, Json] | None, now_s: float
    ) -> bool:
        """Admit a command to a group, once for all its members; tell whether it is signed.

        Raises
        ------
        CommandRefused
            As `Authority.admit`, or `rate`: for an operator it is one command.

        """
        _check_fresh(form, now_s)
        claimed = {**tree, "group": name} if tree is not None else None
        signed = self._authority.admit(form.by, "", claimed)
        if self._authority.operators:
            self._count_by(form.by, now_s)
        return signed

    def _count(self, downlink: Downlink, now_s: float, *, given: bool) -> None:
        """Count a command against the rates; what closes has a rate of its own.

        `given`: the gateway gives it itself, or it was counted with its group.
        """
        closing = downlink.effect in {"close", "stop"}
        device = f"{downlink.dev_eui}/{'close' if closing else ''}"
        wait_s = self._rate.wait_s(device, now_s)
        if wait_s > 0:
            said = say("A device takes {count} commands an hour: wait {wait} s.",
                       count=self._config.per_device_per_hour, wait=math.ceil(wait_s))  # fmt: skip
            raise CommandRefused("rate", said)
        if self._authority.operators and not closing and not given:
            self._count_by(downlink.by, now_s)
        self._rate.take(device, now_s)

    def _count_by(self, by: str, now_s: float) -> None:
        wait_s = self._by.wait_s(by, now_s)
        if wait_s > 0:
            most = self._config.per_operator_per_hour
            said = say("{name} may give {count} commands an hour: wait {wait} s.",
                       name=by, count=most, wait=math.ceil(wait_s))  # fmt: skip
            raise CommandRefused("rate", said)
        self._by.take(by, now_s)

    def _ordered_s(self, now_s: float) -> float:
        """Return a time later than that of the command before: close must not overtake open."""
        close = abs(now_s - self._newest_s) < 1.0
        self._newest_s = max(now_s, self._newest_s + STEP_S) if close else now_s
        return self._newest_s

    def _repeated(
        self, dev_eui: str, key: str | None, payload: bytes, refusal: CommandRefused
    ) -> Downlink | None:
        """Return what a command that has only grown old in a redelivery already became."""
        if refusal.reason not in ("stale", "expired"):
            return None
        form = read_form(key, payload)
        known = self._lookup(identity_of(form, "")) if form.id is not None else None
        return known if known is not None and known.dev_eui == dev_eui else None


def _essence(downlink: Downlink) -> tuple[object, ...]:
    return (
        downlink.dev_eui, downlink.f_port, downlink.data, downlink.object, downlink.confirmed,
        downlink.command, downlink.duration_s,
    )  # fmt: skip


def _check_fresh(form: Form, now_s: float) -> None:
    if form.time is None:
        return
    check_age(now_s - moment_s("time", form.time))


def _port(form: Form, chosen: Chosen | None, codec_port: int | None, target: Target) -> int:
    given = form.f_port
    own = chosen.spec.f_port if chosen is not None else None
    if own is not None and given is not None and given != own:
        name = chosen.name if chosen is not None else ""
        raise CommandRefused("f_port", say("{command} goes to `f_port` {port}.",
                                           command=name, port=own))  # fmt: skip
    ports = (given, own, codec_port, target.f_port)
    port = next((one for one in ports if one is not None), None)
    if port is None:
        said = say("Give `f_port`, or set `command_f_port` for the device.")
        raise CommandRefused("no_f_port", said)
    if port not in _PORTS:
        raise CommandRefused("f_port", say("`f_port` {port} is outside 1 to 223.", port=port))
    return port


def _expiry_s(form: Form, chosen: Chosen | None, now_s: float, config: DownlinkConfig) -> float:
    if form.expires is not None and form.expires_in_s is not None:
        raise CommandRefused("ambiguous", say("Give `expires` or `expires_in_s`, not both."))
    if form.expires is not None:
        expires_s = moment_s("expires", form.expires)
    else:
        begins = chosen is not None and chosen.spec.begins
        usual_s = config.open_expiry_s if begins else config.expiry_s
        expires_s = now_s + (form.expires_in_s or min(usual_s, config.max_expiry_s))
    if expires_s <= now_s:
        raise CommandRefused("expired", say("The command has expired already."))
    if expires_s > now_s + config.max_expiry_s:
        said = say("A command may wait {most} s at most.", most=f"{config.max_expiry_s:.0f}")
        raise CommandRefused("expiry", said)
    return expires_s
