"""Commands: every form in, every refusal out."""

import base64
import json
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import DownlinkConfig
from gateway.control import CommandParser, RateLimit, Target, parse_set, refused
from gateway.errors import CommandRefused
from gateway.types import DevEui, Downlink, DownlinkState

NOW_S = 1_790_000_000.0  # 2026-09-21T14:13:20Z
EUI = "70b3d57ed0000001"
APP = "17c82e96-be03-4f38-aef3-f83d48582d97"
ID = "1bbcab1d-6ec6-4136-b3f5-d63be1dc08de"
TARGET = Target(APP, "valve", 10)
CONFIG = DownlinkConfig()


def parse(
    payload: object,
    key: str | None = None,
    target: Target | None = TARGET,
    *,
    retained: bool = False,
) -> Downlink:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return parse_set(EUI, key, data, retained=retained, now_s=NOW_S, target=target, config=CONFIG)


@pytest.mark.parametrize(
    ("payload", "key", "expected"),
    [
        ({"data": "AQI=", "f_port": 2}, None, {"data": b"\1\2", "f_port": 2}),
        ({"data": "AQI=", "fPort": 223}, None, {"data": b"\1\2", "f_port": 223}),
        ({"hex": "0x01 02:ff", "confirmed": True}, None, {"data": b"\1\2\xff", "confirmed": True}),
        (b"0102", None, {"data": b"\1\2", "f_port": 10}),
        (b" 01 ff\n", None, {"data": b"\1\xff"}),
        (b"12", None, {"data": b"\x12"}),
        ({"object": {"valve": 1}}, None, {"object": {"valve": 1}, "data": b""}),
        (b"true", "valve", {"object": {"valve": True}}),
        (b'"open"', "valve", {"object": {"valve": "open"}}),
        (b"2.5", "minutes", {"object": {"minutes": 2.5}}),
        ({"data": "AQ==", "id": ID.upper()}, None, {"id": ID}),
        ({"data": "AQ==", "expires_in_s": 60}, None, {"expires_s": NOW_S + 60}),
        ({"data": "AQ==", "expires": "2026-09-21T14:15:00Z"}, None, {"expires_s": NOW_S + 100}),
        ({"data": "AQ==", "expires": "2026-09-21T16:15:00+02:00"}, None,
         {"expires_s": NOW_S + 100}),
        ({"data": "AQ=="}, None, {"expires_s": NOW_S + CONFIG.expiry_s, "by": "", "detail": ""}),
        ({"data": "AQ==", "time": "2026-09-21T14:12:00Z", "by": "page"}, None, {"by": "page"}),
    ],
)  # fmt: skip
def test_every_form_becomes_a_downlink(
    payload: object, key: str | None, expected: dict[str, object]
) -> None:
    downlink = parse(payload, key)
    assert {name: getattr(downlink, name) for name in expected} == expected
    assert downlink.state is DownlinkState.ACCEPTED
    assert (downlink.dev_eui, downlink.application_id) == (EUI, APP)
    assert str(uuid.UUID(downlink.id)) == downlink.id


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "no_payload"),
        (b" \n", "no_payload"),
        ("\u00a0".encode(), "malformed"),
        ({}, "no_payload"),
        ({"f_port": 1}, "no_payload"),
        ({"data": ""}, "no_payload"),
        ({"hex": ""}, "no_payload"),
        ({"object": {}}, "no_payload"),
        ({"data": "AQ==", "object": {"a": 1}}, "ambiguous"),
        ({"data": "AQ==", "hex": "01"}, "ambiguous"),
        ({"data": "AQ==", "expires_in_s": 5, "expires": "2026-09-21T14:15:00Z"}, "ambiguous"),
        ({"data": "A"}, "malformed"),
        ({"data": "A?=="}, "malformed"),
        ({"data": 5}, "malformed"),
        ({"hex": "012"}, "malformed"),
        ({"hex": "zz"}, "malformed"),
        (b"hello", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b'{"data": "AQ=="', "malformed"),
        (b"[1]", "malformed"),
        (b'"AQ=="', "malformed"),
        (b'{"object": {"a": NaN}}', "malformed"),
        (b'{"object": {"a": 1e999}}', "malformed"),
        (b'{"object": {"a": 1' + b"0" * 4000 + b"}}", "malformed"),
        (b'{"object": {"a": "\\ud800"}}', "malformed"),
        (b'{"object": ' + b'{"a":' * 40 + b"1" + b"}" * 41, "malformed"),
        (b'{"object": ' + b"[" * 4000, "malformed"),
        ({"data": "AQ==", "fport": 5}, "malformed"),
        ({"data": "AQ==", "f_port": 1, "fPort": 2}, "malformed"),
        ({"data": "AQ==", "f_port": "10"}, "malformed"),
        ({"data": "AQ==", "f_port": True}, "malformed"),
        ({"data": "AQ==", "id": "42"}, "malformed"),
        ({"data": "AQ==", "id": str(uuid.UUID(int=0))}, "malformed"),
        ({"data": "AQ==", "time": "yesterday"}, "malformed"),
        ({"data": "AQ==", "confirmed": "no"}, "malformed"),
        ({"data": "AQ==", "f_port": 0}, "f_port"),
        ({"data": "AQ==", "f_port": 224}, "f_port"),
        ({"data": "AQ==", "f_port": -1}, "f_port"),
        ({"data": base64.b64encode(bytes(243)).decode()}, "too_large"),
        (b" " * 9000 + b"01", "too_large"),
        ({"data": "AQ==", "expires": "2026-09-21T14:13:20Z"}, "expired"),
        ({"data": "AQ==", "expires_in_s": 604801}, "expiry"),
        ({"data": "AQ==", "expires_in_s": -1}, "malformed"),
        ({"data": "AQ==", "time": "2026-09-21T14:08:00Z"}, "stale"),
        ({"data": "AQ==", "time": "2026-09-21T14:14:20Z"}, "stale"),
    ],
)
def test_every_wrong_command_is_refused_with_its_reason(payload: object, reason: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        parse(payload)
    assert caught.value.reason == reason
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("key", "payload"),
    [("valve", b"{}"), ("valve", b"[1]"), ("valve", b"null"), ("valve", b"open"), ("va lve", b"1"),
     ("", b"1"), ("x" * 65, b"1"), ("valve", b"NaN")],
)  # fmt: skip
def test_a_key_takes_one_scalar(key: str, payload: bytes) -> None:
    with pytest.raises(CommandRefused, match=r".") as caught:
        parse(payload, key)
    assert caught.value.reason == "malformed"


def test_a_retained_command_is_refused_whatever_it_says() -> None:
    with pytest.raises(CommandRefused) as caught:
        parse(b"", retained=True, target=None)
    assert caught.value.reason == "retained"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (None, "unknown_device"),
        (Target(""), "unknown_application"),
        (Target(APP), "no_f_port"),
    ],
)
def test_what_is_not_known_of_the_device_refuses(target: Target | None, reason: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        parse({"data": "AQ=="}, target=target)
    assert caught.value.reason == reason


def test_an_object_carries_the_warning_that_the_server_needs_a_codec() -> None:
    assert "codec" in parse({"object": {"valve": 1}}).detail


@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=8)))
def test_any_bytes_make_a_downlink_or_a_refusal(payload: bytes, key: str | None) -> None:
    try:
        downlink = parse_set(
            EUI, key, payload, retained=False, now_s=NOW_S, target=TARGET, config=CONFIG
        )
    except CommandRefused as refusal:
        downlink = refused(EUI, key, payload, refusal, NOW_S)
    wanted = downlink.data != b"" or downlink.object is not None
    assert wanted == (downlink.state is DownlinkState.ACCEPTED)
    assert wanted or ": " in downlink.detail


@given(st.binary(min_size=1, max_size=242))
def test_bytes_come_through_every_spelling_unchanged(data: bytes) -> None:
    assert parse({"data": base64.b64encode(data).decode()}).data == data
    assert parse({"hex": data.hex(":")}).data == data
    assert parse(data.hex().encode()).data == data


class Known(dict[str, Downlink]):
    def parser(self) -> CommandParser:
        return CommandParser(DownlinkConfig(per_device_per_hour=2), self.get)


def ask(parser: CommandParser, payload: object, now_s: float = NOW_S) -> tuple[Downlink, bool]:
    return parser.parse(
        EUI, None, json.dumps(payload).encode(), retained=False, now_s=now_s, target=TARGET
    )


def test_the_same_id_again_answers_the_present_state_and_sends_nothing() -> None:
    known = Known()
    parser = known.parser()
    first, new = ask(parser, {"id": ID, "data": "AQ=="})
    assert new
    known[ID] = replace(first, state=DownlinkState.SENT, changed_s=NOW_S + 5)
    for _ in range(5):  # nor does it use up the rate
        assert ask(parser, {"id": ID, "data": "AQ=="}, NOW_S + 9) == (known[ID], False)


def test_a_redelivered_command_that_grew_stale_keeps_its_state() -> None:
    known = Known()
    parser = known.parser()
    command = {"id": ID, "data": "AQ==", "time": "2026-09-21T14:13:20Z"}
    known[ID] = ask(parser, command)[0]
    assert ask(parser, command, NOW_S + 4000) == (known[ID], False)


def test_an_id_of_another_command_is_refused() -> None:
    known = Known()
    parser = known.parser()
    known[ID] = ask(parser, {"id": ID, "data": "AQ=="})[0]
    with pytest.raises(CommandRefused) as caught:
        ask(parser, {"id": ID, "data": "Ag=="})
    assert caught.value.reason == "id_in_use"
    payload = json.dumps({"id": ID, "data": "Ag=="}).encode()
    assert refused(EUI, None, payload, caught.value, NOW_S).id != ID


def test_a_device_takes_so_many_commands_an_hour() -> None:
    parser = Known().parser()
    ask(parser, {"data": "AQ=="})
    ask(parser, {"data": "AQ=="}, NOW_S + 1)
    with pytest.raises(CommandRefused) as caught:
        ask(parser, {"data": "AQ=="}, NOW_S + 2)
    assert caught.value.reason == "rate"
    assert "3598 s" in caught.value.detail
    assert ask(parser, {"data": "AQ=="}, NOW_S + 3600)[1]


def test_a_clock_set_back_does_not_lock_a_device_out() -> None:
    rate = RateLimit(1)
    rate.take(DevEui(EUI), NOW_S)
    assert rate.wait_s(DevEui(EUI), NOW_S - 86400) == 0


@given(st.lists(st.floats(0, 20000), max_size=60))
def test_no_hour_ever_holds_more_than_the_rate(gaps_s: list[float]) -> None:
    rate, times, now_s = RateLimit(3), [0.0] * 0, 0.0
    for gap_s in gaps_s:
        now_s += gap_s / 10
        if rate.wait_s(DevEui(EUI), now_s) == 0:
            rate.take(DevEui(EUI), now_s)
            times.append(now_s)
    for index in range(3, len(times)):
        assert times[index] - times[index - 3] >= 3600 - 1e-6
