"""A session as plain JSON and back, for whoever stores it: without keys, which go elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.identity import dev_addr, dev_eui
from gateway.codecs.lorawan.mac_commands import MacCommand, build, parse
from gateway.codecs.lorawan.sealing import SessionKeys
from gateway.codecs.lorawan.session import (
    Activation,
    AwaitedAck,
    CounterReset,
    DeviceClass,
    LastUplink,
    Owed,
    Request,
    RxSettings,
    Session,
)
from gateway.errors import BadInput
from gateway.types import Json

FORMAT = 1


def to_record(session: Session) -> dict[str, Json]:
    """Return everything of a session but its keys, as JSON takes it."""
    rx, last, awaited = session.rx, session.last, session.awaited_ack
    return {
        "format": FORMAT,
        "dev_eui": session.dev_eui,
        "dev_addr": session.dev_addr,
        "region": session.region,
        "activation": session.activation.value,
        "class": session.device_class.value,
        "counter_reset": session.counter_reset.value,
        "started_s": session.started_s,
        "f_cnt_up": session.f_cnt_up,
        "f_cnt_down": session.f_cnt_down,
        "rx": {
            "rx1_delay_s": rx.rx1_delay_s,
            "rx1_dr_offset": rx.rx1_dr_offset,
            "rx2_frequency_hz": rx.rx2_frequency_hz,
            "rx2_data_rate": rx.rx2_data_rate,
            "downlink_dwell": rx.downlink_dwell,
            "channels": [list(pair) for pair in rx.channels],
            "rx1_moved": [list(pair) for pair in rx.rx1_moved],
        },
        "last": [last.digest.hex(), last.heard_s, last.repeats] if last else None,
        "owed": {
            "ack": session.owed.ack,
            "answers": build(session.owed.answers).hex(),
            "sign_of_life": session.owed.sign_of_life,
        },
        "requests": [[build([r.command]).hex(), r.attempts] for r in session.requests],
        "awaited_ack": [awaited.f_cnt, awaited.sent_s] if awaited else None,
    }


def from_record(record: Mapping[str, Any], keys: SessionKeys) -> Session:
    """Return the session that was stored.

    Raises
    ------
    BadInput
        `invalid_record`: it is not what `to_record` of this version wrote.

    """
    if record.get("format") != FORMAT:
        raise BadInput("invalid_record", f"format {str(record.get('format'))[:20]}")
    try:
        return _session(record, keys)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput("invalid_record", f"{type(error).__name__}: {error}") from error


def _session(record: Mapping[str, Any], keys: SessionKeys) -> Session:
    rx, last, awaited = record["rx"], record["last"], record["awaited_ack"]
    owed = record["owed"]
    pairs = {name: tuple((a, b) for a, b in rx[name]) for name in ("channels", "rx1_moved")}
    return Session(
        dev_eui=dev_eui(record["dev_eui"]),
        dev_addr=dev_addr(record["dev_addr"]),
        keys=keys,
        region=record["region"],
        rx=RxSettings(**{**rx, **pairs}),
        activation=Activation(record["activation"]),
        device_class=DeviceClass(record["class"]),
        counter_reset=CounterReset(record["counter_reset"]),
        started_s=record["started_s"],
        f_cnt_up=record["f_cnt_up"],
        f_cnt_down=record["f_cnt_down"],
        last=LastUplink(bytes.fromhex(last[0]), last[1], last[2]) if last else None,
        owed=Owed(owed["ack"], _commands(owed["answers"]), owed["sign_of_life"]),
        requests=tuple(
            Request(command, tries)
            for text, tries in record["requests"]
            for command in _commands(text)
        ),
        awaited_ack=AwaitedAck(*awaited) if awaited else None,
    )


def _commands(text: str) -> tuple[MacCommand, ...]:
    commands, rest = parse(bytes.fromhex(text), Direction.DOWN)
    if rest:
        raise ValueError(f"{len(rest)} bytes are no MAC command")
    return commands
