"""From what people write to a registered device, and what is probably wrong with it.

Fields are texts, by the names of `FIELDS`. No error and no warning repeats what stood in a field,
for a key may stand in any of them by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.codecs.lorawan import AesKey, CounterReset, DeviceClass, NoncePolicy, regions
from gateway.codecs.lorawan.private import dev_eui_of
from gateway.errors import BadInput
from gateway.network.devices import Kind, RadioDevice
from gateway.types import DevEui

_EUI_DIGITS = 16
_ADDR_DIGITS = 8
_KEY_DIGITS = 32
_LENGTHS = {_EUI_DIGITS: "an EUI", _ADDR_DIGITS: "a DevAddr", _KEY_DIGITS: "a key"}
_HEX = frozenset("0123456789abcdef")
_BETWEEN = str.maketrans("", "", " \t\r\n:-,;{}[]\"'")
_MHZ_BELOW = 10_000
_MOST_DIGITS = 16
_OTHER_KINDS = {
    Kind.OTAA: ("node_id", "dev_addr", "nwk_s_key", "app_s_key", "f_cnt_up", "key"),
    Kind.ABP: ("node_id", "app_key", "join_eui", "key"),
    Kind.PRIVATE: ("app_key", "join_eui", "dev_addr", "nwk_s_key", "app_s_key", "f_cnt_up"),
}
TITLES: Mapping[str, str] = {
    "dev_eui": "DevEUI",
    "join_eui": "JoinEUI",
    "dev_addr": "DevAddr",
    "app_key": "AppKey",
    "nwk_s_key": "NwkSKey",
    "app_s_key": "AppSKey",
    "key": "key",
    "node_id": "node id",
    "f_cnt_up": "uplink counter",
    "rx_delay_s": "RX delay",
    "rx1_dr_offset": "RX1 data rate offset",
    "rx2_frequency_hz": "RX2 frequency",
    "rx2_data_rate": "RX2 data rate",
}
FIELDS = (
    *TITLES, "kind", "name", "profile", "codec", "region", "class", "counter_reset", "nonces",
)  # fmt: skip
"""What a device may be registered with."""

_KNOWN_TO_EVERYBODY = frozenset({
    "2b7e151628aed2a6abf7158809cf4f3c",  # FIPS 197's example, and many a vendor's default
    "00112233445566778899aabbccddeeff",
    "000102030405060708090a0b0c0d0e0f",
    "0102030405060708090a0b0c0d0e0f10",
    "01020304050607080102030405060708",
    "0123456789abcdef0123456789abcdef",
})  # fmt: skip


def registered(fields: Mapping[str, str]) -> RadioDevice:
    """Return the device that these fields describe; absent and "" are the same.

    The kind follows from what is given, unless `kind` says it.

    Raises
    ------
    BadInput
        `invalid_registration`, in plain words and without what was written.

    """
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    unknown = next((name for name in given if name not in FIELDS), None)
    if unknown is not None:
        raise _wrong("a field has an unknown name")
    kind = _choice(given, "kind", Kind) or _kind_of(given)
    foreign = [name for name in _OTHER_KINDS[kind] if name in given]
    if foreign:
        raise _wrong(
            f"a device of kind {kind} has no {TITLES[foreign[0]]}: give what one kind needs"
        )
    try:
        return RadioDevice(**_arguments(given, kind))
    except BadInput as error:
        if error.reason == "invalid_registration":
            raise
        raise _wrong(error.detail) from None


def dev_eui_in(text: str) -> DevEui:
    """Return a DevEUI as people write it. Raises `BadInput`, without what was written."""
    return DevEui(_hex("DevEUI", text, _EUI_DIGITS))


def key_in(title: str, text: str) -> AesKey:
    """Return a key as people write it. Raises `BadInput`, without what was written."""
    digits = _hex(title, text, _KEY_DIGITS)
    if not digits.strip("0"):
        raise _wrong(f"the {title} is all zeros: that is a placeholder, and no secret")
    return AesKey(bytes.fromhex(digits))


def doubts(device: RadioDevice, others: Iterable[RadioDevice] = ()) -> tuple[str, ...]:
    """Return what may be wrong with a device that is well-formed, in plain words.

    `others` are the devices beside it, for exchanged EUIs and a byte order turned round.
    """
    found = [
        f"its {TITLES[name]} is a well-known example that anybody may have"
        for name, key in device.keys.items()
        if key.reveal().hex() in _KNOWN_TO_EVERYBODY or len(set(key.reveal())) == 1
    ]
    if device.nwk_s_key is not None and device.nwk_s_key == device.app_s_key:
        found.append("its NwkSKey and AppSKey are the same")
    if str(device.join_eui) == device.dev_eui:
        found.append("its DevEUI and JoinEUI are the same")
    turned = bytes.fromhex(device.dev_eui)[::-1].hex()
    for other in others:
        if other.dev_eui == device.dev_eui:
            continue
        if device.dev_eui == str(other.join_eui) or other.dev_eui == str(device.join_eui):
            found.append(f"DevEUI and JoinEUI look exchanged, beside {other.dev_eui}")
            break
        if other.dev_eui == turned:
            found.append(f"{other.dev_eui} is the same DevEUI with its bytes turned round")
            break
    return tuple(found)


def _kind_of(given: Mapping[str, str]) -> Kind:
    if "node_id" in given or "key" in given:
        return Kind.PRIVATE
    return Kind.ABP if given.keys() & {"dev_addr", "nwk_s_key", "app_s_key"} else Kind.OTAA


def _arguments(given: Mapping[str, str], kind: Kind) -> dict[str, Any]:
    """Return what `RadioDevice` is made with."""
    made: dict[str, Any] = {
        "kind": kind,
        "device_class": _choice(given, "class", DeviceClass, str.upper) or DeviceClass.A,
        "counter_reset": _choice(given, "counter_reset", CounterReset) or CounterReset.NEVER,
        "nonce_policy": _choice(given, "nonces", NoncePolicy) or NoncePolicy.SEEN,
        "region": _region(given.get("region", "").upper()),
    }
    made |= {name: _name(name, given.get(name, "")) for name in ("name", "profile", "codec")}
    made |= {name: read(TITLES[name], given[name]) for name, read in _READ.items() if name in given}
    if not made.get("join_eui", "0").strip("0"):  # ChirpStack's way to say that none is known
        made.pop("join_eui", None)
    made["dev_eui"] = _dev_eui(given, made.get("node_id"))
    return made


def _region(name: str) -> str:
    if name and name not in regions():
        raise _wrong(f"the region must be one of {', '.join(regions())}")
    return name


def _name(field: str, text: str) -> str:
    if len(text) == _KEY_DIGITS and _HEX.issuperset(text.lower()):
        raise _wrong(f"the {field} looks like a key: were they exchanged?")
    return text


def _dev_eui(given: Mapping[str, str], node_id: int | None) -> DevEui:
    if "dev_eui" not in given:
        if node_id is None:
            raise _wrong("a DevEUI is needed (for a node of your own: a node id)")
        return dev_eui_of(node_id)
    dev_eui = dev_eui_in(given["dev_eui"])
    if not dev_eui.strip("0"):
        raise _wrong(
            "the DevEUI is all zeros: that is nobody's; was it exchanged with the JoinEUI?"
        )
    return dev_eui


def _hex(title: str, text: str, size: int) -> str:
    """Return hex digits as they are written in any usual way: 0x, colons, a C array."""
    digits = text.lower().translate(_BETWEEN).replace("0x", "")
    if not _HEX.issuperset(digits):
        raise _wrong(f"the {title} holds a character that is no hex digit")
    if len(digits) != size:
        other = _LENGTHS.get(len(digits))
        hint = f", which is the length of {other}: were they exchanged?" if other else ""
        raise _wrong(f"the {title} has {len(digits)} hex digits, not {size}{hint}")
    return digits


def _whole(title: str, text: str) -> int:
    if len(text) > _MOST_DIGITS:  # and not worth repeating in any message
        raise _wrong(f"the {title} is too long")
    try:
        return int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError:
        raise _wrong(f"the {title} is no whole number") from None


def _frequency_hz(title: str, text: str) -> int:
    """Return Hz of Hz or MHz, whichever it can only be."""
    if len(text) > _MOST_DIGITS:
        raise _wrong(f"the {title} is too long")
    try:
        value = float(text)
        return round(value * 1e6) if abs(value) < _MHZ_BELOW else round(value)
    except (ValueError, OverflowError):
        raise _wrong(f"the {title} is no number of Hz or MHz") from None


def _choice(
    given: Mapping[str, str],
    name: str,
    choices: Any,  # noqa: ANN401 - a StrEnum's class
    fold: Callable[[str], str] = str.lower,
) -> Any:  # noqa: ANN401 - one of its members
    if name not in given:
        return None
    try:
        return choices(fold(given[name]))
    except ValueError:
        allowed = ", ".join(choices)
        raise _wrong(f"the {name.replace('_', ' ')} must be one of {allowed}") from None


def _join_eui(title: str, text: str) -> str:
    return _hex(title, text, _EUI_DIGITS)


def _dev_addr(title: str, text: str) -> str:
    return _hex(title, text, _ADDR_DIGITS)


_READ: Mapping[str, Callable[[str, str], Any]] = {
    "join_eui": _join_eui,
    "dev_addr": _dev_addr,
    "app_key": key_in,
    "nwk_s_key": key_in,
    "app_s_key": key_in,
    "key": key_in,
    "node_id": _whole,
    "f_cnt_up": _whole,
    "rx_delay_s": _whole,
    "rx1_dr_offset": _whole,
    "rx2_data_rate": _whole,
    "rx2_frequency_hz": _frequency_hz,
}
"""How each field is read, from its title and what was written."""


def _wrong(words: str) -> BadInput:
    return BadInput("invalid_registration", words)
