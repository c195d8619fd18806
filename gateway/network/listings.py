"""Files of devices: our own CSV and JSON, and what ChirpStack and The Things Stack call things.

Sources of the names: ChirpStack's API, messages `Device`, `DeviceKeys` and `DeviceActivation`
(chirpstack-api 4; there, and only there, a LoRaWAN 1.0 AppKey is in `nwk_key`); The Things Stack's
documentation, "CSV File Reference" and "JSON File Reference" (semicolons between columns, JSON
objects one after another, nested keys).

A name is compared without case, underscores, dashes and blanks, and a nested one by its last parts,
so `devEui`, `dev_eui`, `DevEUI` and `ids.dev_eui` are one name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadInput
from gateway.network.devices import RadioDevice
from gateway.network.registration import FIELDS, registered
from gateway.types import DevEui

MAX_BYTES = 16 << 20
MAX_DEVICES = 100_000

_NAMES: Mapping[str, str] = {
    **{name.replace("_", ""): name for name in FIELDS},
    "deveui64": "dev_eui",
    "appeui": "join_eui",
    "joineui64": "join_eui",
    "devaddress": "dev_addr",
    "nwkskey": "nwk_s_key",
    "appskey": "app_s_key",
    "fnwksintkey": "nwk_s_key",
    "nwksenckey": "nwk_s_enc_key",
    "snwksintkey": "s_nwk_s_int_key",
    "nwkkey": "nwk_key",
    "appkeykey": "app_key",
    "nwkkeykey": "nwk_key",
    "fnwksintkeykey": "nwk_s_key",
    "nwksenckeykey": "nwk_s_enc_key",
    "snwksintkeykey": "s_nwk_s_int_key",
    "appskeykey": "app_s_key",
    "lastfcntup": "f_cnt_up",
    "supportsjoin": "supports_join",
    "supportsclassc": "supports_class_c",
    "deviceid": "id",
    "id": "id",
    "deviceclass": "class",
    "activation": "kind",
    "region": "region",
    "rxdelay": "rx_delay_s",
    "rx1delay": "rx_delay_s",
    "rx2frequency": "rx2_frequency_hz",
    "rx2datarate": "rx2_data_rate",
    "rx1datarateoffset": "rx1_dr_offset",
    "lorawanversion": "lorawan_version",
    "deviceprofilename": "profile",
}
_NAMES_OF_1_1 = ("s_nwk_s_int_key", "nwk_s_enc_key")
_YES = frozenset({"true", "1", "yes"})
_NO = frozenset({"false", "0", "no"})
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_DELAY = re.compile(r"(?:RX_DELAY_)?(\d+)s?", re.IGNORECASE)
_DATA_RATE = re.compile(r"(?:DATA_RATE_|DR)?(\d+)", re.IGNORECASE)
_MOST_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Listed:
    """One device of a file, and the line it begins on."""

    line: int
    device: RadioDevice


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong on a line, in plain words that hold nothing of it."""

    line: int
    what: str


def read(text: str) -> tuple[tuple[Listed, ...], tuple[Mistake, ...]]:
    """Return every device of a file, and every mistake in it.

    Raises
    ------
    BadInput
        `invalid_listing`: it is neither CSV with a header nor JSON objects, or much too large.

    """
    if len(text) > MAX_BYTES:
        raise BadInput("invalid_listing", f"it is larger than {MAX_BYTES >> 20} MiB")
    plain = text.removeprefix("\ufeff")
    rows = _json_rows(plain) if plain.lstrip()[:1] in ("{", "[") else _csv_rows(plain)
    devices: list[Listed] = []
    mistakes: list[Mistake] = []
    lines: dict[DevEui, int] = {}
    for line, row in rows:
        try:
            device = registered(_fields(row))
        except BadInput as error:
            mistakes.append(Mistake(line, error.detail))
            continue
        if device.dev_eui in lines:
            first = lines[device.dev_eui]
            mistakes.append(Mistake(line, f"its DevEUI is on line {first} already"))
            continue
        lines[device.dev_eui] = line
        devices.append(Listed(line, device))
    if not devices and not mistakes:
        raise BadInput("invalid_listing", "it holds no device")
    if len(devices) > MAX_DEVICES:
        raise BadInput("invalid_listing", f"it holds more than {MAX_DEVICES} devices")
    return tuple(devices), tuple(mistakes)


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise BadInput("invalid_listing", f"line {line}: a quote has no end") from None
        if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
            continue
        if not header:
            header = [_name(cell) for cell in cells]
            _check_header(header)
        elif len(cells) != len(header):
            yield line, {"wrong_length": f"{len(cells)} of {len(header)}"}
        else:
            yield line, dict(zip(header, cells, strict=True))


def _check_header(header: list[str]) -> None:
    if not {"dev_eui", "node_id"} & set(header):
        raise BadInput(
            "invalid_listing", "its first line must name the columns, dev_eui or node_id among them"
        )
    known = [name for name in header if name]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise BadInput("invalid_listing", f"two of its columns mean {twice}")


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield objects that stand one after another, or in arrays, or under `devices`."""
    for line, tree in _trees(text):
        if not isinstance(tree, Mapping):
            yield line, {"wrong_length": "no object"}
            continue
        row: dict[str, str] = {}
        for path, value in _leaves(tree, (), 0):
            name = _name(".".join(path))
            if name and value is not None and value != "":
                row.setdefault(name, value if isinstance(value, str) else json.dumps(value))
        yield line, row


def _trees(text: str) -> Iterator[tuple[int, Any]]:
    """Yield each device's value with the line it begins on; arrays are walked, not parsed whole."""
    decoder = json.JSONDecoder()
    depth = 0
    at = 0
    listed = re.compile(r'\s*\{\s*"(?:devices|end_devices|result)"\s*:\s*\[').match(text)
    if listed:
        at, depth = listed.end(), 1
    while True:
        while at < len(text) and (text[at].isspace() or text[at] in "[],"):
            depth += {"[": 1, "]": -1}.get(text[at], 0)
            at += 1
        if at >= len(text) or (listed and depth <= 0):
            return
        line = text.count("\n", 0, at) + 1
        try:
            tree, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            wrong = getattr(error, "lineno", line)
            raise BadInput("invalid_listing", f"line {wrong}: it is no JSON") from None
        yield line, tree


def _leaves(
    tree: Mapping[str, Any], path: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if not isinstance(value, Mapping):
            yield (*path, name), value
        elif depth < _MOST_DEPTH:
            yield from _leaves(value, (*path, name), depth + 1)


def _name(written: str) -> str:
    """Return our name for a column or field, "" for one that says nothing to us."""
    parts = written.strip().lower().split(".")
    whole, last = (_NOT_IN_NAMES.sub("", "".join(parts[-count:])) for count in (2, 1))
    if whole in _NAMES:
        return _NAMES[whole]
    return "" if last == "key" else _NAMES.get(last, "")


def _fields(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row in our own fields."""
    if "wrong_length" in row:
        raise BadInput(
            "invalid_registration", f"it has not what its header names: {row['wrong_length']}"
        )
    given = {name: text.strip() for name, text in row.items() if name and text.strip()}
    _refuse_1_1(given)
    given.setdefault("name", given.get("id", ""))
    joins = given.pop("supports_join", "").lower()
    if given.pop("supports_class_c", "").lower() in _YES:
        given.setdefault("class", "C")
    root = given.pop("nwk_key", "")
    if root and root.strip("0"):
        if given.get("app_key", "").strip("0") not in ("", root):
            raise BadInput("invalid_registration", _BOTH_ROOT_KEYS)
        given["app_key"] = root  # ChirpStack's place for a LoRaWAN 1.0 AppKey
    if joins in _YES or (joins not in _NO and given.get("app_key")):
        for name in ("dev_addr", "nwk_s_key", "app_s_key", "f_cnt_up"):  # of a passing session
            given.pop(name, None)
    elif joins in _NO:
        given.pop("join_eui", None)
    if given.get("dev_addr"):
        given.pop("join_eui", None)
    _to_numbers(given)
    return {name: text for name, text in given.items() if name in FIELDS}


_BOTH_ROOT_KEYS = (
    "it has an nwk_key and another app_key: LoRaWAN 1.1 is not supported; for LoRaWAN 1.0 leave "
    "the one out that is not its AppKey"
)


def _refuse_1_1(given: dict[str, str]) -> None:
    """Take session keys of LoRaWAN 1.0, which some write three times; 1.1 has three different."""
    written = given.get("nwk_s_key")
    for name in _NAMES_OF_1_1:
        text = given.pop(name, "")
        if text and written and text.lower() != written.lower():
            raise BadInput(
                "invalid_registration", "its session has keys of LoRaWAN 1.1, not supported here"
            )
        if text and not written:
            given["nwk_s_key"] = written = text
    version = given.pop("lorawan_version", "").replace(".", "_").upper()
    if "1_1" in version:
        raise BadInput("invalid_registration", "LoRaWAN 1.1 is not supported, only 1.0")
    if "1_0_4" in version:
        given.setdefault("nonces", "rising")


def _to_numbers(given: dict[str, str]) -> None:
    for name, pattern in (("rx_delay_s", _DELAY), ("rx2_data_rate", _DATA_RATE)):
        match = pattern.fullmatch(given.get(name, ""))
        if match:
            given[name] = match[1]
