"""Who may command: roles, devices, and signatures that nobody else can make."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config
from gateway.control import Authority, sign
from gateway.control.signing import canonical, is_signed
from gateway.errors import CommandRefused

EUI = "70b3d57ed0000001"
KEY = b"correct horse battery staple"
ID = "1bbcab1d-6ec6-4136-b3f5-d63be1dc08de"
COMMAND = {"id": ID, "time": "2026-09-21T14:12:00Z", "by": "anna", "hex": "01", "f_port": 2}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "anna.key"
    path.write_bytes(KEY + b"\n")
    return path


def authority(key_file: Path | None = None, **downlink: Any) -> Authority:  # noqa: ANN401
    anna: dict[str, object] = {"role": "operator", "devices": [EUI]}
    if key_file is not None:
        anna["key_file"] = str(key_file)
    operators = {"anna": anna, "view": {"role": "viewer"}, "root": {"role": "admin"}}
    return Authority.of(Config.model_validate({"operators": operators, "downlink": downlink}))


def refusal(made: Authority, by: str, tree: dict[str, Any] | None = None, **more: str) -> str:
    with pytest.raises(CommandRefused) as caught:
        made.admit(by, more.pop("dev_eui", EUI), tree, **more)
    assert KEY.decode() not in caught.value.detail
    return caught.value.reason


def test_without_operators_by_is_a_claim() -> None:
    assert not Authority({}).admit("anybody", EUI, COMMAND)
    assert refusal(Authority({}), "anna", {**COMMAND, "signature": "00" * 32}) == "signature"


def test_with_operators_only_those_who_may_are_heard() -> None:
    made = authority()
    assert not made.admit("anna", EUI, None)
    assert not made.admit("root", EUI, None, role="admin")
    assert refusal(made, "") == "unauthorised"
    assert refusal(made, "otto") == "unauthorised"
    assert refusal(made, "view") == "unauthorised"
    assert refusal(made, "anna", dev_eui="70b3d57ed0000002") == "unauthorised"
    assert refusal(made, "anna", role="admin") == "unauthorised"


def test_an_operator_with_a_key_signs(key_file: Path) -> None:
    made = authority(key_file)
    signed = {**COMMAND, "signature": sign(KEY, EUI, COMMAND)}
    assert made.admit("anna", EUI, signed)
    assert refusal(made, "anna", COMMAND) == "unsigned"
    assert refusal(made, "anna", None) == "unsigned"


@pytest.mark.parametrize(
    "change",
    [
        {"hex": "02"}, {"f_port": 3}, {"id": ID[:-1] + "f"}, {"time": "2026-09-21T14:13:00Z"},
        {"confirmed": False}, {"by": "anna "}, {"signature": "0" * 64}, {"signature": ""},
        {"signature": 5}, {"signature": sign(KEY, EUI, COMMAND).upper()},
        {"signature": "ä" * 64}, {"time": 5}, {"id": None},
    ],
)  # fmt: skip
def test_a_command_changed_on_the_way_is_refused(key_file: Path, change: dict[str, object]) -> None:
    signed: dict[str, Any] = {**COMMAND, "signature": sign(KEY, EUI, COMMAND), **change}
    assert refusal(authority(key_file), "anna", signed) == "signature"


def test_a_command_for_one_device_is_not_good_for_another(key_file: Path) -> None:
    other = {**COMMAND, "signature": sign(KEY, "70b3d57ed0000002", COMMAND)}
    assert refusal(authority(key_file), "anna", other) == "signature"


def test_a_signature_without_what_makes_it_good_once_is_refused(key_file: Path) -> None:
    for missing in ("id", "time"):
        command = {key: value for key, value in COMMAND.items() if key != missing}
        signed = {**command, "signature": sign(KEY, EUI, command)}
        assert refusal(authority(key_file), "anna", signed) == "signature"


def test_where_signatures_are_required_a_name_is_not_enough(key_file: Path) -> None:
    made = authority(key_file, require_signature=True)
    assert refusal(made, "root", COMMAND) == "unsigned"


def test_a_key_that_cannot_be_read_refuses_and_tells_the_sender_no_path(tmp_path: Path) -> None:
    made = authority(tmp_path / "gone.key")
    signed = {**COMMAND, "signature": sign(KEY, EUI, COMMAND)}
    with pytest.raises(CommandRefused) as caught:
        made.admit("anna", EUI, signed)
    assert str(tmp_path) not in caught.value.detail


def test_the_signed_text_is_as_rfc_8785_has_it() -> None:
    # RFC 8785, section 3.2.2 and 3.2.3: its sample of numbers and text, its sample of key order.
    numbers = [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001]
    assert canonical(numbers) == "[333333333.3333333,1e+30,4.5,0.002,1e-27]"
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    assert canonical(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(keys)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    ("number", "text"),
    [(2.0, "2"), (-0.0, "0"), (1e-6, "0.000001"), (1e-7, "1e-7"), (1e20, "100000000000000000000"),
     (1e21, "1e+21"), (0.1, "0.1"), (-1.5e-5, "-0.000015"), (5, "5"), (True, "true")],
)  # fmt: skip
def test_a_number_has_one_text(number: float, text: str) -> None:
    assert canonical(number) == text


def test_a_signature_is_what_anybody_can_make_with_the_key() -> None:
    text = f'{{"by":"anna","dev_eui":"{EUI}","f_port":2,"hex":"01","id":"{ID}",'
    text += '"time":"2026-09-21T14:12:00Z"}'
    expected = hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
    assert sign(KEY, EUI, COMMAND) == expected


@given(st.dictionaries(st.text(max_size=4), st.text() | st.integers() | st.floats(), max_size=4),
       st.binary(min_size=16, max_size=32))  # fmt: skip
def test_what_is_signed_is_known_again_whatever_it_says(
    command: dict[str, Any], key: bytes
) -> None:
    signature = sign(key, EUI, command)
    assert is_signed(key, EUI, command, signature)
    assert not is_signed(key + b"x", EUI, command, signature)
