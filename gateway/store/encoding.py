"""Records <-> columns. Everything in JSON columns is ASCII, so any text a stranger sent fits.

Readings are `[[ref, value], ...]`, or `[ref, value, time_s]` where the time is not the uplink's.
`ref` is an id of the `channel` table, or `[channel, unit, kind, key]` itself where the table is
full or the names are not valid Unicode. Verdicts are objects with short keys::

    r  index of the reading judged        s  status        score, p
    e  [low, mid, high]                   h  {head: nonconformity}        k  pattern
    c, o, t  channel, observed, time: only where no reading of this uplink matches

Absent means None or empty.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from gateway.store.cursor import HistoryCursor
from gateway.types import (
    Alert,
    Care,
    Channel,
    Comment,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    Json,
    Likeness,
    Reading,
    ReadingKind,
    Reason,
    Severity,
    Status,
    Verdict,
)

Spec = tuple[str, str, str, str]
"""channel, unit, kind, key: what readings share and the `channel` table holds."""

Ref = int | Sequence[str]

to_json: Callable[[Json], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
from_json: Callable[[str], Json] = json.loads

_UUID_BYTES = 16
_UUID_CHARS = 36


def encode_uid(uid: str) -> str | bytes:
    """Pack a canonical UUID into 16 bytes; text stays text, invalid Unicode is longer bytes."""
    if len(uid) == _UUID_CHARS:
        try:
            parsed = uuid.UUID(uid)
        except ValueError:
            pass
        else:
            if str(parsed) == uid:
                return parsed.bytes
    if is_unicode(uid):
        return uid
    return bytes(_UUID_BYTES) + uid.encode("utf-8", "surrogatepass")


def decode_uid(stored: str | bytes) -> str:
    """Undo `encode_uid`."""
    if isinstance(stored, str):
        return stored
    if len(stored) == _UUID_BYTES:
        return str(uuid.UUID(bytes=stored))
    return stored[_UUID_BYTES:].decode("utf-8", "surrogatepass")


def is_unicode(text: str) -> bool:
    """Whether a text column can hold it (JSON from strangers may carry lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain(text: str) -> str:
    """Text for a text column that people read: what is not Unicode becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def spec_of(reading: Reading) -> Spec:
    """Return what `reading` shares with others of its channel."""
    return reading.channel, reading.unit, reading.kind.value, reading.key


def encode_readings(
    readings: Sequence[Reading], time_s: float, ref: Callable[[Spec], Ref]
) -> list[list[Json]]:
    """Turn readings into JSON values.

    Raises
    ------
    ValueError
        When the text is made: a value is not finite.

    """
    return [
        [ref(spec_of(reading)), reading.value]
        if reading.time_s == time_s
        else [ref(spec_of(reading)), reading.value, reading.time_s]
        for reading in readings
    ]


def decode_readings(
    text: str, dev_eui: DevEui, time_s: float, spec: Callable[[int], Spec]
) -> tuple[Reading, ...]:
    """Undo `encode_readings`, exactly."""
    readings = []
    for ref, value, *time in from_json(text):
        channel, unit, kind, key = spec(ref) if isinstance(ref, int) else ref
        at_s = time[0] if time else time_s
        readings.append(
            Reading(dev_eui, Channel(channel), value, unit, _KINDS[kind], at_s, key),
        )
    return tuple(readings)


_KINDS = {kind.value: kind for kind in ReadingKind}
_STATUSES = {status.value: status for status in Status}


def encode_verdicts(verdicts: Sequence[Verdict], readings: Sequence[Reading]) -> list[Json]:
    """Turn verdicts into JSON values: seven digits, figures not finite left out."""
    return [_encode_verdict(verdict, readings) for verdict in verdicts]


def _encode_verdict(verdict: Verdict, readings: Sequence[Reading]) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for index, reading in enumerate(readings):
        if (
            reading.channel == verdict.channel
            and reading.time_s == verdict.time_s
            and reading.value == verdict.observed
        ):
            out["r"] = index
            break
    else:
        out |= {"c": verdict.channel, "o": float(verdict.observed), "t": verdict.time_s}
    out["s"] = verdict.status.value
    _put(out, "score", verdict.score)
    _put(out, "p", verdict.p_value)
    if verdict.expected is not None and all(map(math.isfinite, verdict.expected)):
        out["e"] = [_short(figure) for figure in verdict.expected]
    heads = {name: _short(raw) for name, raw in verdict.heads.items() if math.isfinite(raw)}
    if heads:
        out["h"] = heads
    if verdict.pattern:
        out["k"] = verdict.pattern
    return out


def _put(out: dict[str, Json], key: str, figure: float | None) -> None:
    if figure is not None and math.isfinite(figure):
        out[key] = _short(figure)


def _short(figure: float) -> float:
    """Seven significant digits, what a float32 holds: half the bytes on the card."""
    return float(f"{float(figure):.7g}")


def decode_verdicts(text: str, dev_eui: DevEui, readings: Sequence[Reading]) -> tuple[Verdict, ...]:
    """Undo `encode_verdicts`, but for digits and forecast."""
    return tuple(_decode_verdict(stored, dev_eui, readings) for stored in from_json(text))


def _decode_verdict(
    stored: Mapping[str, Any], dev_eui: DevEui, readings: Sequence[Reading]
) -> Verdict:
    index = stored.get("r")
    if index is None:
        channel, observed, time_s = Channel(stored["c"]), stored["o"], stored["t"]
    else:
        judged = readings[index]
        channel, observed, time_s = judged.channel, float(judged.value), judged.time_s
    return Verdict(
        dev_eui=dev_eui,
        channel=channel,
        time_s=time_s,
        observed=observed,
        status=_STATUSES[stored["s"]],
        expected=_range(stored.get("e")),
        score=stored.get("score"),
        p_value=stored.get("p"),
        heads=stored.get("h", {}),
        pattern=stored.get("k", ""),
    )


def _range(stored: Sequence[float] | None) -> tuple[float, float, float] | None:
    return None if stored is None else (stored[0], stored[1], stored[2])


def _shallow(
    record: DeviceInfo | Alert | Reason | Likeness | Downlink | Care | Comment,
) -> dict[str, Any]:
    """Fields by name. Unlike `asdict` it takes any Mapping, read-only views included."""
    body = {item.name: getattr(record, item.name) for item in fields(record)}
    return {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in body.items()
    }


def encode_info(info: DeviceInfo) -> str:
    """Encode a device's description, less its DevEUI, which is a column."""
    body = _shallow(info)
    del body["dev_eui"]
    return to_json({name: value for name, value in body.items() if value})


def decode_info(text: str, dev_eui: DevEui) -> DeviceInfo:
    """Undo `encode_info`."""
    return DeviceInfo(dev_eui=dev_eui, **from_json(text))


_CARE_USUAL = {item.name: item.default for item in fields(Care)}


def encode_alert(alert: Alert) -> str:
    """Encode the whole alert."""
    body = _shallow(alert)
    body["reason"] = [_shallow(part) for part in alert.reason]
    body["nearest"] = None if alert.nearest is None else _shallow(alert.nearest)
    body["care"] = _encode_care(alert.care)
    return to_json(body)


def _encode_care(care: Care) -> dict[str, Any]:
    """Return what is not as it usually is."""
    body = {name: value for name, value in _shallow(care).items() if value != _CARE_USUAL[name]}
    if care.comments:
        body["comments"] = [_shallow(one) for one in care.comments]
    return body


def decode_alert(text: str) -> Alert:
    """Undo `encode_alert`."""
    body = from_json(text)
    body["severity"] = Severity(body["severity"])
    body["peers"] = tuple(body["peers"])
    body["evidence"] = tuple(body.get("evidence", ()))
    body["reason"] = tuple(
        Reason(**{**part, "expected": _range(part["expected"])}) for part in body["reason"]
    )
    body["care"] = _decode_care(body.get("care", {}))
    nearest = body.pop("nearest", None)
    return Alert(**body, nearest=None if nearest is None else Likeness(**nearest))


def _decode_care(body: dict[str, Any]) -> Care:
    body["comments"] = tuple(Comment(**one) for one in body.get("comments", ()))
    if body.get("loudest") is not None:
        body["loudest"] = Severity(body["loudest"])
    return Care(**body)


_DOWNLINK_COLUMNS = frozenset({"id", "dev_eui", "state", "changed_s", "data"})


_NOTHING = object()
_DOWNLINK_USUAL = {item.name: item.default for item in fields(Downlink)}


def encode_downlink(downlink: Downlink) -> str:
    """Encode what of a downlink has no column of its own, less what is as it usually is."""
    body = _shallow(downlink)
    return to_json(
        {
            name: value
            for name, value in body.items()
            if name not in _DOWNLINK_COLUMNS and value != _DOWNLINK_USUAL.get(name, _NOTHING)
        }
    )


def decode_downlink(row: tuple[Any, ...]) -> Downlink:
    """From (id, dev_eui, state, changed_s, data, body)."""
    id_, dev_eui, state, changed_s, data, body = row
    return Downlink(
        id=id_,
        dev_eui=dev_eui,
        state=DownlinkState(state),
        changed_s=changed_s,
        data=bytes(data),
        **from_json(body),
    )


def encode_cursor(cursor: HistoryCursor) -> str:
    """Encode the cursor as one short line."""
    return to_json([cursor.live_from, cursor.gaps])


def decode_cursor(text: str) -> HistoryCursor:
    """Undo `encode_cursor`."""
    live_from, gaps = from_json(text)
    return HistoryCursor(tuple((first, last) for first, last in gaps), live_from)
